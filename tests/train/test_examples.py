"""Edits whose result is known: which images they are made of, and that a decoder learns them."""

from typing import Any

import numpy as np
import torch
from tests.train.lenders import faces
from tests.train.shapes import NAMES, face_landmarks, make_shapes, make_trainer, tiny_config
from torch import Tensor

from fader.train.data.dataset import AlignedSet
from fader.train.draws import Draws
from fader.train.examples import DRAWN_SHARE, ExampleMaker, Examples, drawn, mirrored
from fader.train.objectives import columns

ROUND = NAMES.index("Round")
SIZE = 32


def batch(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return grey images, labels of faces without anything, and landmarks."""
    marks = torch.from_numpy(np.tile(face_landmarks(SIZE), (n, 1, 1)))
    return torch.full((n, 3, SIZE, SIZE), 0.4), torch.zeros(n, len(NAMES)), marks


def made(data: AlignedSet, draws: Draws, rows: slice, **settings: Any) -> dict[str, Examples]:
    maker = ExampleMaker(tiny_config(**settings), data.subset(np.arange(len(data))))
    positions = np.arange(8)[rows]
    images, labels = data.subset(np.arange(len(data))).batch(positions)
    return maker.make(positions, images, labels, draws)


def test_only_faces_without_glasses_get_some_and_every_fourth_image_at_most() -> None:
    images, labels, marks = batch(12)
    labels[4, ROUND] = 1
    examples = drawn(images, labels, marks, ROUND, Draws.for_images(0, 12))
    assert len(examples.images_MCHW) == 4
    put_on, taken_off = slice(0, 2), slice(2, 4)
    assert torch.equal(examples.images_MCHW[put_on], images[:2])
    assert torch.equal(examples.targets_MCHW[taken_off], images[:2])
    assert (examples.labels_MK[put_on, ROUND] >= 0.2).all()
    assert (examples.labels_MK[taken_off] == 0).all()


def test_a_weaker_slider_puts_on_fainter_glasses_and_a_stronger_one_heavier_ones() -> None:
    images, labels, marks = batch(100 * DRAWN_SHARE)
    examples = drawn(images, labels, marks, ROUND, Draws.for_images(0, len(images)))
    slider_M = examples.labels_MK[:100, ROUND]
    change_M = (examples.targets_MCHW - examples.images_MCHW)[:100].abs().mean(dim=(1, 2, 3))
    assert slider_M.min() < 0.4
    assert slider_M.max() > 1.4
    assert (change_M[slider_M.argsort()].diff() > 0).all()


def test_processes_that_share_a_batch_make_the_examples_that_one_makes() -> None:
    data, settings = faces(40, SIZE), {"drawn_glasses": "Round", "borrowed_mouths": ("Red",)}
    data.labels_NK[:8, ROUND] = 0
    whole = made(data, Draws(3, slice(0, 8), 8), slice(0, 8), **settings)
    halves = [made(data, Draws(3, rows, 8), rows, **settings) for rows in (slice(0, 4), slice(4, 8))]
    assert set(whole) == {"drawn", "borrowed"}
    for name, examples in whole.items():
        for field in ("images_MCHW", "labels_MK", "targets_MCHW"):
            parts = torch.cat([getattr(half[name], field) for half in halves if name in half])
            all_of_them = getattr(examples, field)
            assert sorted(map(_digest, parts)) == sorted(map(_digest, all_of_them))


def _digest(tensor: Tensor) -> float:
    return round(tensor.double().sum().item(), 3)


def test_borrowing_goes_both_ways() -> None:
    examples = made(faces(40, SIZE), Draws.for_images(0, 8), slice(0, 8), borrowed_features=("Red",))
    one = examples["borrowed"]
    n = len(one.images_MCHW) // 2
    assert n > 0
    assert torch.equal(one.images_MCHW[:n], one.targets_MCHW[n:])
    assert torch.equal(one.images_MCHW[n:], one.targets_MCHW[:n])
    red, is_round = NAMES.index("Red"), ROUND
    assert torch.equal(one.labels_MK[:n, red], 1 - one.labels_MK[n:, red])
    assert torch.equal(one.labels_MK[:n, is_round], one.labels_MK[n:, is_round])


def test_settings_that_ask_for_none_get_none_and_a_weight_of_0_is_such_a_setting() -> None:
    data = make_shapes(20, SIZE)
    for settings in ({}, {"drawn_glasses": "Round", "drawn_weight": 0}, {"borrowed_mouths": ()}):
        assert made(data, Draws.for_images(0, 8), slice(0, 8), **settings) == {}


def test_mirrored_faces_have_mirrored_landmarks() -> None:
    marks = torch.from_numpy(face_landmarks(SIZE)).repeat(20, 1, 1)
    marks[:, 2, 0] += 3
    images = torch.zeros(20, 3, SIZE, SIZE)
    images[:, :, round(marks[0, 2, 1].item()), round(marks[0, 2, 0].item())] = 1
    flipped, moved = mirrored(images, marks, Draws.for_images(0, 20))
    nose_x = flipped.amax(dim=1).amax(dim=1).argmax(dim=1)
    assert 3 < (nose_x > SIZE / 2).sum() < 17
    torch.testing.assert_close(moved[:, 2, 0], nose_x.float(), atol=0.6, rtol=0)
    assert (moved[:, 0, 0] < moved[:, 1, 0]).all()
    assert (moved[:, 3, 0] < moved[:, 4, 0]).all()


def test_a_decoder_learns_from_them_to_put_glasses_on_and_to_take_them_off() -> None:
    config = tiny_config(drawn_glasses="Round", drawn_weight=10.0, feedback_weight=0.0, learning_rate=2e-3)
    trainer = make_trainer(config)
    _, labels, marks = batch(16)
    images = torch.full((16, 3, SIZE, SIZE), 0.4) + 0.2 * torch.rand(16, 3, 1, 1)
    for i in range(120):
        trainer.update(
            images, labels, {"drawn": drawn(images, labels, marks, ROUND, Draws.for_images(i, 16))}
        )
    new = drawn(images, labels, marks, ROUND, Draws.for_images(1000, 16))
    with torch.no_grad():
        result = trainer.averaged(new.images_MCHW, columns(new.labels_MK, trainer.attributes))
    untouched_M = (new.images_MCHW - new.targets_MCHW).square().mean(dim=(1, 2, 3))
    errors_M = (result - new.targets_MCHW).square().mean(dim=(1, 2, 3))
    for part in (slice(0, 4), slice(4, 8)):
        assert errors_M[part].mean() < 0.6 * untouched_M[part].mean()


def test_a_batch_without_examples_trains_and_says_so() -> None:
    trainer = make_trainer(tiny_config(drawn_glasses="Round"))
    images, labels, _ = batch(4)
    metrics = trainer.update(images, labels + 1)
    assert (metrics.drawn, metrics.borrowed) == (0, 0)
