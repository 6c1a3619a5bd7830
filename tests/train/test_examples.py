"""Edits whose result is known: which images they are made of, and that a decoder learns them."""

import numpy as np
import torch
from tests.train.shapes import NAMES, face_landmarks, make_trainer, tiny_config
from torch import Tensor

from fader.train.draws import Draws
from fader.train.examples import SHARE, Examples, drawn_glasses
from fader.train.objectives import columns

ROUND = NAMES.index("Round")
SIZE = 32


def batch(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return grey images, labels of faces without anything, and landmarks."""
    marks = torch.from_numpy(np.tile(face_landmarks(SIZE), (n, 1, 1)))
    return torch.full((n, 3, SIZE, SIZE), 0.4), torch.zeros(n, len(NAMES)), marks


def test_only_faces_without_glasses_get_some_and_every_fourth_image_at_most() -> None:
    images, labels, marks = batch(12)
    labels[4, ROUND] = 1
    examples = drawn_glasses(images, labels, marks, ROUND, Draws.for_images(0, 12))
    assert len(examples) == 4
    put_on, taken_off = slice(0, 2), slice(2, 4)
    assert torch.equal(examples.images_MCHW[put_on], images[:2])
    assert torch.equal(examples.targets_MCHW[taken_off], images[:2])
    assert (examples.labels_MK[put_on, ROUND] >= 0.2).all()
    assert (examples.labels_MK[taken_off] == 0).all()


def test_a_weaker_slider_puts_on_fainter_glasses_and_a_stronger_one_heavier_ones() -> None:
    images, labels, marks = batch(100 * SHARE)
    examples = drawn_glasses(images, labels, marks, ROUND, Draws.for_images(0, len(images)))
    slider_M = examples.labels_MK[:100, ROUND]
    change_M = (examples.targets_MCHW - examples.images_MCHW)[:100].abs().mean(dim=(1, 2, 3))
    assert slider_M.min() < 0.4
    assert slider_M.max() > 1.4
    # A mirrored face is sampled a fraction of a pixel elsewhere.
    assert (change_M[slider_M.argsort()].diff() > -5e-4).all()


def test_processes_that_share_a_batch_make_the_examples_that_one_makes() -> None:
    _, labels, marks = batch(8)
    images = torch.rand(8, 3, SIZE, SIZE) * 2 - 1
    whole = drawn_glasses(images, labels, marks, ROUND, Draws.for_images(3, 8))
    halves = [
        drawn_glasses(images[rows], labels[rows], marks[rows], ROUND, Draws(3, rows, 8))
        for rows in (slice(0, 4), slice(4, 8))
    ]
    for name in ("images_MCHW", "labels_MK", "targets_MCHW"):
        put_on, taken_off = ([getattr(half, name)[i] for half in halves] for i in (0, 1))
        torch.testing.assert_close(torch.stack([*put_on, *taken_off]), getattr(whole, name))


def test_glasses_turn_with_mirrored_faces() -> None:
    n = 40 * SHARE
    images, labels, marks = batch(n)
    marks[:, 2, 0] += 6
    # Light on the side that the nose points to.
    images[:, :, :, SIZE // 2 :] = 0.8
    examples = drawn_glasses(images, labels, marks, ROUND, Draws.for_images(0, n))
    bare_MCHW, worn_MCHW = examples.images_MCHW[:40], examples.targets_MCHW[:40]
    mirrored_M = bare_MCHW[:, 0, 0, 0] > 0.5
    assert 5 < mirrored_M.sum() < 35
    change_MW = (worn_MCHW - bare_MCHW).abs().mean(dim=(1, 2))
    # The near temple reaches further out, on the dark side.
    edge = torch.where(mirrored_M, change_MW[:, -3:].mean(dim=1), change_MW[:, :3].mean(dim=1))
    other = torch.where(mirrored_M, change_MW[:, :3].mean(dim=1), change_MW[:, -3:].mean(dim=1))
    assert (edge > other).all()


def test_a_decoder_learns_from_them_to_put_glasses_on_and_to_take_them_off() -> None:
    config = tiny_config(drawn_glasses="Round", drawn_weight=10.0, feedback_weight=0.0, learning_rate=2e-3)
    trainer = make_trainer(config)
    _, labels, marks = batch(16)
    images = torch.full((16, 3, SIZE, SIZE), 0.4) + 0.2 * torch.rand(16, 3, 1, 1)

    def made(seed: int) -> Examples:
        return drawn_glasses(images, labels, marks, ROUND, Draws.for_images(seed, 16))

    for i in range(120):
        trainer.update(images, labels, made(i))
    new = made(1000)
    with torch.no_grad():
        result = trainer.averaged(new.images_MCHW, columns(new.labels_MK, trainer.attributes))
    untouched_M = (new.images_MCHW - new.targets_MCHW).square().mean(dim=(1, 2, 3))
    errors_M = (result - new.targets_MCHW).square().mean(dim=(1, 2, 3))
    for part in (slice(0, 4), slice(4, 8)):
        assert errors_M[part].mean() < 0.6 * untouched_M[part].mean()


def test_a_batch_without_examples_trains_and_says_so() -> None:
    trainer = make_trainer(tiny_config(drawn_glasses="Round"))
    images, labels, _ = batch(4)
    assert trainer.update(images, labels + 1).drawn == 0
