"""The set, its parts and the batches drawn from it; the random changes to images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shapes import ATTRIBUTES, make_shapes

from fader.attributes import Attribute, AttributeSet
from fader.errors import DataError
from fader.train.augment import augment, chroma, flip, low_pass
from fader.train.data.dataset import AlignedSet, Batches
from fader.train.draws import Draws
from fader.train.splits import Splits, draw_weights

NUMBER = AttributeSet([Attribute(name="Number")])


def numbered(n: int) -> AlignedSet:
    """Return a set whose image i is filled with i and has the label i."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 2, 2, 3))
    labels = np.arange(n, dtype=np.float32)[:, None]
    return AlignedSet(images_NHWC=images, labels_NK=labels, attributes=NUMBER)


def test_images_become_channels_first_in_the_networks_range() -> None:
    pixels = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    pixels[0, 0, 1] = (255, 51, 0)
    labels = np.zeros((1, 1), np.float32)
    images = AlignedSet(images_NHWC=pixels, labels_NK=labels, attributes=NUMBER).images(np.array([0]))
    assert images.dtype == torch.float32
    assert images.shape == (1, 3, 2, 2)
    torch.testing.assert_close(images[0, :, 0, 1], torch.tensor([1.0, -0.6, -1.0]))
    assert images.is_contiguous(memory_format=torch.channels_last)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_every_image_of_a_batch_keeps_its_own_label(positions: list[int]) -> None:
    subset = numbered(30).subset(np.arange(5, 25, 2))
    images, labels = subset.batch(np.array(positions))
    assert sorted(labels[:, 0].tolist()) == sorted(5 + 2 * position for position in positions)
    assert torch.equal(((images[:, 0, 0, 0] + 1) * 127.5).round(), labels[:, 0])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_a_pass_in_order_shows_every_image_once(batch_size: int) -> None:
    subset = numbered(9).subset(np.arange(2, 9))
    seen = torch.cat([labels for _, labels in subset.in_order(batch_size)])
    assert seen[:, 0].tolist() == list(range(2, 9))


def test_batches_follow_the_weights_and_the_seed() -> None:
    subset = numbered(4).subset(np.arange(4))
    weights = np.array([1.0, 2, 0.5, 0.5])
    drawn = [
        torch.cat([batches.batch(number)[1] for number in range(80)])[:, 0]
        for batches in (Batches(subset, weights, batch_size=50, seed=seed) for seed in (0, 0, 1))
    ]
    assert torch.bincount(drawn[0].long()).div(4000).tolist() == pytest.approx(weights / 4, abs=0.03)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_images_that_have_an_attribute_are_drawn_as_often_as_asked_for() -> None:
    data = make_shapes(12)
    weights = draw_weights(data.subset(np.arange(12)), ATTRIBUTES, {"Red": 3.0, "Round": 0.5})
    expected = np.where(data.labels_NK[:, 0] == 1, 3.0, 1.0) * np.where(data.labels_NK[:, 1] == 1, 0.5, 1.0)
    assert weights.tolist() == expected.tolist()


@settings(deadline=None)
@given(n=st.integers(0, 60), held_out=st.integers(1, 60))
def test_nobody_trains_on_held_out_images_nor_the_judge_on_the_classifiers(n: int, held_out: int) -> None:
    if n - held_out < 2:
        with pytest.raises(
            DataError, match=f"{n} images, {min(n, held_out)} of them held out: too few to train"
        ):
            Splits.of(numbered(n), held_out)
        return
    splits = Splits.of(numbered(n), held_out)
    assert splits.held_out.indices.tolist() == list(range(n - held_out, n))
    assert splits.training.indices.tolist() == list(range(n - held_out))
    halves = [set(splits.feedback.indices.tolist()), set(splits.judging.indices.tolist())]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == set(splits.training.indices.tolist())
    assert abs(len(halves[0]) - len(halves[1])) <= 1


def test_a_flip_mirrors_some_images_and_leaves_the_others() -> None:
    images = torch.rand(200, 3, 4, 4)
    flipped = flip(images, Draws.for_images(0, 200))
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(flipped, images, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_low_pass_keeps_flat_areas_and_removes_the_finest_pattern() -> None:
    flat = torch.full((1, 3, 32, 32), 0.25)
    torch.testing.assert_close(low_pass(flat, 2.0), flat)
    checkerboard = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    assert low_pass(checkerboard.expand(1, 3, -1, -1), 2.0).abs().mean() < 0.05


def test_chroma_is_zero_for_gray_and_blind_to_brightness() -> None:
    gray = torch.rand(2, 1, 4, 4).expand(-1, 3, -1, -1)
    torch.testing.assert_close(chroma(gray), torch.zeros(2, 3, 4, 4), rtol=0, atol=1e-6)
    colour = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(chroma(colour + 0.3), chroma(colour))
    red = chroma(torch.tensor([1.0, 0, 0])[None, :, None, None])
    torch.testing.assert_close(red.flatten(), torch.tensor([0.701, -0.299, -0.299]))


def test_augmented_images_differ_keep_their_shape_and_pass_gradients() -> None:
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    changed = [augment(images, Draws.for_images(seed, 4)) for seed in (0, 0, 1)]
    assert changed[0].shape == images.shape
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed[0], changed[2])
    assert (changed[0] - images).abs().mean() > 0.01
    (gradient,) = torch.autograd.grad(changed[0].sum(), images)
    assert gradient.abs().sum() > 0


def test_a_batch_depends_on_the_seed_and_its_number_alone() -> None:
    subset = numbered(50).subset(np.arange(50))
    batches = Batches(subset, np.ones(50), batch_size=8, seed=3)
    following = batches.after(5)
    for number in (5, 6, 7):
        assert torch.equal(next(following)[1], batches.batch(number)[1])
    assert not torch.equal(batches.batch(5)[1], batches.batch(6)[1])


def test_processes_that_share_a_batch_have_its_parts() -> None:
    subset = numbered(50).subset(np.arange(50))
    whole = Batches(subset, np.ones(50), batch_size=8, seed=3).batch(2)
    parts = [
        Batches(subset, np.ones(50), batch_size=8, seed=3, rows=slice(at, at + 4)).batch(2) for at in (0, 4)
    ]
    for together, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(together, torch.cat(shares))


@pytest.mark.parametrize(
    ("split", "held_out"), [([0, 1, 0, 2, 0, 1], [1, 5]), ([0, 0, 2, 0, 2, 2], [2, 4, 5])]
)
def test_the_datas_own_partition_decides_who_is_held_out(split: list[int], held_out: list[int]) -> None:
    data = replace(numbered(6), split_N=np.array(split, dtype=np.int8))
    splits = Splits.of(data, 100)
    assert splits.training.indices.tolist() == [i for i, part in enumerate(split) if part == 0]
    assert splits.held_out.indices.tolist() == held_out
    assert Splits.of(data, 1).held_out.indices.tolist() == held_out[:1]
