"""What the judge is shown and asked: copies that keep what people see, estimates, and its features."""

import numpy as np
import pytest
import skimage.data
import torch
from tests.train.evaluation.bands import ATTRIBUTES, Judge, greys, paint, random_labels
from torch import Tensor

from fader.models import Classifier, ClassifierConfig
from fader.train.evaluation.judging import COPIES, ORIGINAL, PLAIN, Reading, estimates, read, softmax_columns
from fader.train.evaluation.reconstruction import psnr


def photographs() -> Tensor:
    picture = skimage.data.astronaut()[:128, 160:288].astype(np.float32) / 127.5 - 1
    return torch.from_numpy(np.stack([picture, picture[:, ::-1]])).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("kind", [kind for kind in COPIES if kind != PLAIN])
def test_a_copy_is_changed_but_shows_the_same(kind: str) -> None:
    images = photographs()
    copies = COPIES[kind](images)
    assert copies.shape == images.shape
    assert copies.dtype == images.dtype
    assert copies.abs().max() <= 1
    assert all(22 < db < 40 for db in psnr(copies, images))
    assert torch.equal(copies, COPIES[kind](images)), "the same copies every time"


def test_the_first_kind_is_the_images_themselves() -> None:
    assert next(iter(COPIES)) == next(iter(ORIGINAL)) == PLAIN
    assert torch.equal(COPIES[PLAIN](photographs()), photographs())


@pytest.mark.parametrize("kind", ["low-passed", "JPEG"])
def test_a_faint_pattern_that_only_networks_read_does_not_survive(kind: str) -> None:
    rows, columns = np.indices((128, 128))
    pattern = torch.from_numpy(((rows + columns) % 2 * 2 - 1).astype(np.float32)) * 0.03

    def strength(images: Tensor) -> float:
        return float((images * pattern.sign()).mean())

    images = photographs()
    clean, hidden = COPIES[kind](images), COPIES[kind](images + pattern)
    assert strength(images + pattern) - strength(images) == pytest.approx(0.03, abs=1e-3)
    assert abs(strength(hidden) - strength(clean)) < 0.003


def test_estimates_are_categories_and_positions() -> None:
    logits = torch.tensor([[-1.0, 1.0, 3.0, 1.0, 0.0, 0.5, -2.0], [0.0, 0.0, 1.0, 2.0, 0.0, 0.5, 9.0]])
    said = estimates(logits, ATTRIBUTES)
    assert said[:, 0].tolist() == pytest.approx([1 / (1 + np.exp(-2)), 0.5])
    assert said[:, 1:].tolist() == [[0, 1], [1, 2]]
    columns = softmax_columns(logits, ATTRIBUTES)
    assert columns.shape == (2, 7)
    for columns_N in torch.split(columns, [2, 2, 3], dim=1):
        assert columns_N.sum(dim=1).tolist() == pytest.approx([1, 1])
    assert columns[:, 1].tolist() == pytest.approx(said[:, 0].tolist())


def test_a_reading_holds_what_the_judge_says_of_every_copy() -> None:
    labels = random_labels(6)
    reading = read(Judge(), paint(greys(torch.from_numpy(labels))), ATTRIBUTES)
    assert reading.estimates_CNK.shape == (len(COPIES), 6, 3)
    assert reading.plain_NK[:, 0] == pytest.approx(labels[:, 0], abs=0.01)
    for said in reading.estimates_CNK:
        assert np.array_equal(said[:, 1:], labels[:, 1:])
    both = Reading.joined([reading, reading])
    assert both.estimates_CNK.shape == (len(COPIES), 12, 3)
    assert len(both.logits_NA) == len(both.features_NF) == 12


def test_features_are_what_the_last_layer_of_a_real_judge_reads() -> None:
    torch.manual_seed(0)
    config = ClassifierConfig(image_size=32, n_columns=7, init_fm=4, max_fm=8, hidden=5)
    judge = Classifier(config).eval()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        reading = read(judge, images, ATTRIBUTES, ORIGINAL)
        last = list(judge.modules())[-1]
        logits = last(torch.from_numpy(reading.features_NF))
        expected = judge(images)
    assert reading.features_NF.shape == (3, 5)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(torch.from_numpy(reading.logits_NA), expected)
    assert not last._forward_pre_hooks
