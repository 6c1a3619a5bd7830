"""Borrowed features: who lends, what changes, and how it goes over into the face's own colour."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.lenders import faces, skin, with_mouth
from tests.train.shapes import NAMES, face_landmarks
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.borrowing import Bank, Region, borrowed

SIZE = 64
RED = NAMES.index("Red")


def mouth_of(image: Tensor) -> Tensor:
    x, y = template_at(CELEBA_TIGHT, image.shape[-1])[2]
    return image[:, :, round(y), round(x)]


def test_a_face_borrows_the_mouth_and_keeps_everything_else() -> None:
    own, lender = with_mouth(skin(0.1), -0.9), with_mouth(skin(0.1), 0.9)
    result = borrowed(own, lender, "mouth")
    torch.testing.assert_close(mouth_of(result), mouth_of(lender))
    assert torch.equal(result[:, :, : SIZE // 2], own[:, :, : SIZE // 2])


def test_brows_are_borrowed_where_that_is_asked_for() -> None:
    own, lender = skin(0.1), skin(0.1)
    lender[:, :, 13:15, 16:48] = -0.9
    assert borrowed(own, lender, "mouth")[:, :, :20].min() > 0
    assert borrowed(own, lender, "mouth and brows")[:, :, :20].min() < -0.8


@pytest.mark.parametrize(("own", "lent"), [(0.3, -0.3), (-0.3, 0.2)])
def test_a_lenders_skin_takes_the_faces_own_shade(own: float, lent: float) -> None:
    result = borrowed(skin(own), skin(lent), "mouth and brows")
    torch.testing.assert_close(result, skin(own), atol=0.05, rtol=0)


def test_what_is_black_stays_black_on_lighter_skin() -> None:
    result = borrowed(skin(0.4), with_mouth(skin(-0.2), -1.0), "mouth")
    assert mouth_of(result).max() < -0.95


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([32, 64, 128, 256]),
    region=st.sampled_from(["mouth", "mouth and brows"]),
)
def test_results_are_images_in_range(seed: int, size: int, region: Region) -> None:
    random = torch.Generator().manual_seed(seed)
    own, lender = (torch.rand(2, 3, size, size, generator=random) * 2 - 1 for _ in range(2))
    result = borrowed(own, lender, region)
    assert result.isfinite().all()
    assert result.abs().max() <= 1
    assert torch.equal(result[:, :, :, 0], own[:, :, :, 0])


def test_who_lends_has_the_other_label_and_is_alike_in_all_else() -> None:
    data = faces(60, SIZE)
    bank = Bank(data.subset(np.arange(60)), "mouth", seed=0)
    images, labels = data.subset(np.arange(12)).batch(np.arange(12))
    marks = torch.from_numpy(data.landmarks_N52[:12]) if data.landmarks_N52 is not None else torch.empty(0)
    rows, results = bank.lend(images, labels, marks, RED)
    assert len(rows) > 6
    light = mouth_of(results)[:, 0] > 0
    assert light.tolist() == (labels[rows, RED] == 0).tolist()


@pytest.mark.parametrize("what", ["turned", "different in another attribute"])
def test_faces_that_nobody_resembles_borrow_nothing(what: str) -> None:
    data = faces(60, SIZE)
    bank = Bank(data.subset(np.arange(60)), "mouth", seed=0)
    images, labels = data.subset(np.arange(12)).batch(np.arange(12))
    marks = torch.from_numpy(np.tile(face_landmarks(SIZE), (12, 1, 1)))
    if what == "turned":
        marks[:, 2, 0] += 10
    else:
        labels[:, 1 - RED] = 2
    rows, results = bank.lend(images, labels, marks, RED)
    assert len(rows) == len(results) == 0


def test_a_set_in_which_all_have_the_label_lends_nothing() -> None:
    data = faces(20, SIZE)
    data.labels_NK[:, RED] = 1
    bank = Bank(data.subset(np.arange(20)), "mouth", seed=0)
    images, labels = data.subset(np.arange(4)).batch(np.arange(4))
    marks = torch.from_numpy(np.tile(face_landmarks(SIZE), (4, 1, 1)))
    assert len(bank.lend(images, labels, marks, RED)[0]) == 0


def test_lenders_are_sharp_and_like_most_others() -> None:
    data = faces(80, SIZE)
    data.labels_NK[:, 1 - RED] = 0
    light = np.flatnonzero(data.labels_NK[:, RED] == 1)
    images = data.images_NHWC
    images[light[:4]] = images[light[:4]].mean(axis=(1, 2), keepdims=True)
    images[light[4:8], :, :, :] = 255 - images[light[4:8]]
    bank = Bank(data.subset(np.arange(80)), "mouth", seed=0)
    lenders = bank.positions_B
    assert 0 < len(lenders) <= 0.2 * 80
    assert not set(light[:8]) & set(lenders)
