"""Edits whose result is known: what they are made of, and that a decoder learns them."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.train.shapes import (
    ATTRIBUTES,
    NAMES,
    face_landmarks,
    make_classifier,
    make_shapes,
    make_trainer,
    tiny_config,
)
from torch import Tensor

from fader.train.draws import Draws
from fader.train.examples import ExampleMaker, Examples
from fader.train.objectives import columns
from fader.train.prototypes import Prototypes
from fader.train.regions import behind_glasses

RED, ROUND = (NAMES.index(name) for name in ("Red", "Round"))
SIZE = 32
GLASSES = ExampleMaker(ATTRIBUTES, glasses="Round")


def batch(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return grey images, labels of faces without anything, landmarks, and places in a set."""
    marks = torch.from_numpy(np.tile(face_landmarks(SIZE), (n, 1, 1)))
    return torch.full((n, 3, SIZE, SIZE), 0.4), torch.zeros(n, len(NAMES)), marks, torch.arange(n)


def shapes_and_prototypes(names: Sequence[str]) -> tuple[Tensor, Tensor, Prototypes]:
    """Return 120 images, their labels, and prototypes of some attributes by an untrained encoder's codes."""
    subset = make_shapes(120).subset(np.arange(120))
    autoencoder = make_trainer(tiny_config()).averaged
    prototypes = Prototypes(autoencoder, make_classifier(), subset, ATTRIBUTES, names)
    return *subset.batch(np.arange(120)), prototypes


def test_only_faces_without_glasses_get_some_and_fewer_than_a_half_of_them() -> None:
    images, labels, marks, places = batch(400)
    labels[::2, ROUND] = 1
    made = GLASSES.make(images, labels, marks, places, Draws.for_images(0, 400))
    changed_N = (made.wanted_NK != made.shown_NK).any(dim=1)
    assert not changed_N[::2].any()
    assert 30 < changed_N[1::2].sum() < 100
    taken_off_N = changed_N & (made.shown_NK[:, ROUND] == 1)
    assert 0.6 < taken_off_N.sum() / changed_N.sum() < 0.9
    put_on_N = changed_N & ~taken_off_N
    assert torch.equal(made.images_NCHW[put_on_N], images[put_on_N])
    whole_N = taken_off_N & (made.wanted_NK[:, ROUND] <= 0)
    assert whole_N.any()
    assert torch.equal(made.targets_NCHW[whole_N], images[whole_N])
    assert torch.equal(made.targets_NCHW[~changed_N], made.images_NCHW[~changed_N])


def test_a_weaker_slider_puts_on_fainter_glasses_and_a_stronger_one_heavier_ones() -> None:
    images, labels, marks, places = batch(800)
    made = GLASSES.make(images, labels, marks, places, Draws.for_images(0, len(images)))
    slider_N = made.wanted_NK[:, ROUND]
    rows = ((slider_N > 0) & (made.shown_NK[:, ROUND] == 0)).nonzero()[:, 0]
    change_M = (made.targets_NCHW - made.images_NCHW)[rows].abs().mean(dim=(1, 2, 3))
    assert slider_N[rows].min() < 0.4
    assert slider_N[rows].max() > 1.4
    # A mirrored face is sampled a fraction of a pixel elsewhere.
    assert (change_M[slider_N[rows].argsort()].diff() > -5e-4).all()


def test_real_glasses_make_way_for_averages_of_bare_faces_and_bare_ones_get_none_of_theirs() -> None:
    images, labels, prototypes = shapes_and_prototypes(["Round"])
    marks, places = batch(120)[2:]
    none, made = (
        ExampleMaker(
            ATTRIBUTES, glasses="Round", prototypes=prototypes, strengths={"Round": (0.0, taken)}
        ).make(images, labels, marks, places, Draws.for_images(0, 120))
        for taken in (0.0, 1.0)
    )
    worn_N = labels[:, ROUND] == 1
    moved_N = (made.wanted_NK - none.wanted_NK)[:, ROUND]
    assert not moved_N[~worn_N].any()
    assert torch.equal(made.targets_NCHW[~worn_N], none.targets_NCHW[~worn_N])
    assert (moved_N[worn_N] <= 0).all()
    assert (moved_N[worn_N] < 0).sum() > 0.7 * worn_N.sum()
    whole_N = worn_N & (moved_N < -0.6)
    hidden_HW = behind_glasses(images[:1], images[:1])[0, 0] > 0.99
    change_MHW = (made.targets_NCHW - none.targets_NCHW)[whole_N].abs().mean(dim=1)
    assert change_MHW[:, hidden_HW].mean() > 3 * change_MHW[:, -4:].mean()


def test_beside_turned_faces_nothing_takes_the_place_of_the_background() -> None:
    images, labels, prototypes = shapes_and_prototypes(["Round"])
    marks, places = batch(120)[2:]
    maker = ExampleMaker(ATTRIBUTES, glasses="Round", prototypes=prototypes, strengths={"Round": (0.0, 1.0)})
    worn_N = labels[:, ROUND] == 1

    def changed_at_the_left(nose: float) -> float:
        turned = marks.clone()
        turned[:, 2, 0] += nose
        made = maker.make(images, labels, turned, places, Draws.for_images(0, 120))
        plain_N = worn_N & (made.images_NCHW == images).all(dim=3).all(dim=2).all(dim=1)
        eyes = slice(round(float(marks[0, 0, 1])) - 2, round(float(marks[0, 0, 1])) + 3)
        return float((made.targets_NCHW - images)[plain_N][:, :, eyes, 2:5].abs().mean())

    assert changed_at_the_left(0) > 0.01
    assert changed_at_the_left(-8) < 1e-4


def test_what_a_second_edit_replaces_keeps_what_the_first_one_added(monkeypatch: pytest.MonkeyPatch) -> None:
    def everywhere(own_MCHW: Tensor, *_: object) -> Tensor:
        return torch.ones_like(own_MCHW[:, :1])

    monkeypatch.setattr("fader.train.examples.replaced", everywhere)
    images, labels, prototypes = shapes_and_prototypes(NAMES)
    maker = ExampleMaker(
        ATTRIBUTES, prototypes=prototypes, strengths={"Red": (1.0, 1.0), "Round": (1.0, 1.0)}
    )
    reddened = []
    for seed in range(4):
        made = maker.make(images, labels, None, torch.arange(120), Draws.for_images(seed, 120))
        moved_NK = made.wanted_NK - made.shown_NK
        whole_N = (labels[:, RED] == 0) & (moved_NK[:, RED] > 0.7) & (moved_NK[:, ROUND].abs() > 0.7)
        middle = (made.targets_NCHW - made.images_NCHW)[whole_N][:, 0, 12:20, 12:20]
        reddened += middle.mean(dim=(1, 2)).tolist()
    assert len(reddened) > 5
    assert min(reddened) > 0.3


def test_processes_that_share_a_batch_make_the_examples_that_one_makes() -> None:
    subset = make_shapes(8).subset(np.arange(8))
    images, labels = subset.batch(np.arange(8))
    marks, places = batch(8)[2:]
    autoencoder = make_trainer(tiny_config()).averaged
    prototypes = Prototypes(autoencoder, make_classifier(), subset, ATTRIBUTES, ["Red"])
    maker = ExampleMaker(
        ATTRIBUTES, glasses="Round", prototypes=prototypes, strengths={"Red": (1.0, 1.0)}, shares={"Red": 2.0}
    )
    whole = maker.make(images, labels, marks, places, Draws.for_images(3, 8))
    halves = [
        maker.make(images[rows], labels[rows], marks[rows], places[rows], Draws(3, rows, 8))
        for rows in (slice(0, 4), slice(4, 8))
    ]
    for name in ("images_NCHW", "shown_NK", "wanted_NK", "targets_NCHW"):
        joined = torch.cat([getattr(half, name) for half in halves])
        torch.testing.assert_close(joined, getattr(whole, name))


def test_glasses_turn_with_mirrored_faces() -> None:
    images, labels, marks, places = batch(400)
    marks[:, 2, 0] += 6
    # Light on the side that the nose points to.
    images[:, :, :, SIZE // 2 :] = 0.8
    made = GLASSES.make(images, labels, marks, places, Draws.for_images(0, len(images)))
    rows = ((made.wanted_NK[:, ROUND] > 0) & (made.shown_NK[:, ROUND] == 0)).nonzero()[:, 0]
    bare_MCHW, worn_MCHW = made.images_NCHW[rows], made.targets_NCHW[rows]
    mirrored_M = bare_MCHW[:, 0, 0, 0] > 0.5
    assert 10 < mirrored_M.sum() < len(rows) - 10
    change_MW = (worn_MCHW - bare_MCHW).abs().mean(dim=(1, 2))
    # The near temple reaches further out, on the dark side.
    edge = torch.where(mirrored_M, change_MW[:, -3:].mean(dim=1), change_MW[:, :3].mean(dim=1))
    other = torch.where(mirrored_M, change_MW[:, :3].mean(dim=1), change_MW[:, -3:].mean(dim=1))
    assert (edge > other).all()


@pytest.mark.parametrize("relative", [False, True])
def test_a_decoder_learns_from_them_to_put_glasses_on_and_to_take_them_off(relative: bool) -> None:
    config = tiny_config(
        drawn_glasses="Round",
        examples_weight=60.0,
        feedback_weight=0.0,
        learning_rate=4e-3,
        average=0.95,
        relative=relative,
    )
    trainer = make_trainer(config)
    _, labels, marks, places = batch(16)
    images = torch.full((16, 3, SIZE, SIZE), 0.4) + 0.2 * torch.rand(16, 3, 1, 1)

    def made(seed: int, n: int = 1) -> Examples:
        pictures, has, points, at = (torch.cat([part] * n) for part in (images, labels, marks, places))
        return GLASSES.make(pictures, has, points, at, Draws.for_images(seed, 16 * n))

    for i in range(150):
        trainer.update(images, labels, made(i, 4))
    new = made(1000, 8)
    wanted_NA, shown_NA = (columns(part, ATTRIBUTES) for part in (new.wanted_NK, new.shown_NK))
    with torch.no_grad():
        result = trainer.averaged(new.images_NCHW, trainer.averaged.asked(wanted_NA, shown_NA))
    untouched_N = (new.images_NCHW - new.targets_NCHW).square().mean(dim=(1, 2, 3))
    errors_N = (result - new.targets_NCHW).square().mean(dim=(1, 2, 3))
    change_N = (new.wanted_NK - new.shown_NK)[:, ROUND]
    for part in (change_N > 0, change_N < 0):
        assert errors_N[part].mean() < 0.6 * untouched_N[part].mean()


def test_a_run_without_examples_says_so() -> None:
    images, labels, _, _ = batch(4)
    assert make_trainer(tiny_config()).update(images, labels + 1).examples == 0
