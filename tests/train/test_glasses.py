"""Drawn glasses: where they sit, what they leave alone, and that a decoder learns them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shapes import make_trainer, tiny_config
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.draws import Draws
from fader.train.glasses import drawn_pairs, plain_glasses, various_glasses, wear
from fader.train.objectives import columns

SIZE = 64


def faces(m: int, size: int = SIZE, level: float = 0.4) -> Tensor:
    return torch.full((m, 3, size, size), level)


def changed(worn: Tensor, bare: Tensor) -> Tensor:
    """Return (M, S, S): how much each pixel changed."""
    return (worn - bare).abs().amax(dim=1)


def test_plain_glasses_are_a_dark_frame_around_eyes_that_stay() -> None:
    worn = wear(faces(1, 128), plain_glasses(1))
    change = changed(worn, faces(1, 128))[0]
    for x, y in template_at(CELEBA_TIGHT, 128)[:2]:
        eye = change[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        assert eye.max() < 0.2
        column = worn[0, 0, :, round(x)]
        above, below = column[round(y) - 20 : round(y)], column[round(y) : round(y) + 25]
        assert above.min() < -0.5
        assert below.min() < -0.5
    assert change[:10].max() == 0
    assert change[80:].max() < 0.01


def test_both_sides_are_mirror_images_around_the_middle_of_the_eyes() -> None:
    change = changed(wear(faces(1, 128), replace(plain_glasses(1), glare_M=torch.zeros(1))), faces(1, 128))
    torch.testing.assert_close(change, change.flip(2), atol=0.05, rtol=0)


def test_thin_frames_cover_as_much_as_they_are_thick() -> None:
    thin = replace(plain_glasses(1), rim_M=torch.full((1,), 0.02), tint_M=torch.zeros(1))
    covered = [changed(wear(faces(1, size), thin), faces(1, size)).mean().item() for size in (64, 256)]
    assert covered[0] == pytest.approx(covered[1], rel=0.05)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([32, 64, 96, 128, 256]),
    level=st.floats(-1, 1),
    strength=st.floats(0, 1.5),
)
def test_worn_faces_are_images_in_range_that_change_around_the_eyes_alone(
    seed: int, size: int, level: float, strength: float
) -> None:
    bare = faces(3, size, level)
    glasses = various_glasses(Draws.for_images(seed, 3)).exaggerated(torch.full((3,), strength))
    worn = wear(bare, glasses)
    assert worn.shape == bare.shape
    assert worn.isfinite().all()
    assert worn.abs().max() <= 1 + 1e-5
    change = changed(worn, bare)
    assert change[:, size * 4 // 5 :].max() < 0.02
    assert change[:, : size // 20].max() < 0.02


def test_various_glasses_vary_and_depend_on_the_draws_alone() -> None:
    one, same, other = (wear(faces(4), various_glasses(Draws.for_images(seed, 4))) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_only_faces_without_glasses_are_paired_and_every_third_image_at_most() -> None:
    bare_N = torch.tensor([True, True, True, False, True, True, True, True])
    pairs = drawn_pairs(faces(8), bare_N, Draws.for_images(0, 8))
    assert pairs.rows_M.tolist() == [0, 6]
    none = drawn_pairs(faces(8), torch.zeros(8, dtype=torch.bool), Draws.for_images(0, 8))
    assert len(none.rows_M) == len(none.plain_MCHW) == len(none.various_MCHW) == 0


def test_processes_that_share_a_batch_make_the_pairs_that_one_makes() -> None:
    bare_N = torch.tensor([True, True, False, True, True, True, False, True])
    images = torch.rand(8, 3, SIZE, SIZE) * 2 - 1
    whole = drawn_pairs(images, bare_N, Draws.for_images(3, 8))
    halves = [
        drawn_pairs(images[rows], bare_N[rows], Draws(3, rows, 8)) for rows in (slice(0, 4), slice(4, 8))
    ]
    for name in ("various_MCHW", "plain_MCHW", "slider_M"):
        torch.testing.assert_close(torch.cat([getattr(half, name) for half in halves]), getattr(whole, name))


def test_a_weaker_slider_puts_on_fainter_glasses_and_a_stronger_one_heavier_ones() -> None:
    pairs = drawn_pairs(faces(300), torch.ones(300, dtype=torch.bool), Draws.for_images(0, 300))
    change_M = changed(pairs.plain_MCHW, faces(100)).mean(dim=(1, 2))
    order = pairs.slider_M.argsort()
    assert pairs.slider_M.min() < 0.4
    assert pairs.slider_M.max() > 1.4
    assert (change_M[order].diff() > 0).all()


def test_a_decoder_learns_from_them_to_put_glasses_on_and_to_take_them_off() -> None:
    config = tiny_config(drawn_glasses="Round", drawn_weight=10.0, feedback_weight=0.0, learning_rate=2e-3)
    trainer, size = make_trainer(config), config.image_size
    images = faces(16, size) + 0.2 * torch.rand(16, 3, 1, 1)
    labels = torch.zeros(16, len(trainer.attributes.names))
    for _ in range(120):
        trainer.update(images, labels)
    pairs = drawn_pairs(images, torch.ones(16, dtype=torch.bool), Draws.for_images(7, 16))
    bare = images[pairs.rows_M]
    network = trainer.averaged

    def drawn(of: Tensor, slider_M: Tensor) -> Tensor:
        wanted = torch.stack([torch.zeros_like(slider_M), slider_M], dim=1)
        with torch.no_grad():
            image: Tensor = network(of, columns(wanted, trainer.attributes))
        return image

    none = torch.zeros_like(pairs.slider_M)
    for of, slider_M, target in (
        (bare, pairs.slider_M, pairs.plain_MCHW),
        (pairs.various_MCHW, none, bare),
    ):
        untouched = (of - target).square().mean()
        assert (drawn(of, slider_M) - target).square().mean() < 0.6 * untouched


def test_images_that_all_have_glasses_train_without_pairs() -> None:
    trainer = make_trainer(tiny_config(drawn_glasses="Round"))
    labels = torch.ones(4, len(trainer.attributes.names))
    metrics = trainer.update(faces(4, trainer.config.image_size), labels)
    assert metrics.drawn == 0
