"""Fresh probes on codes whose leaks are known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.train.evaluation.bands import AGE, ATTRIBUTES, GLASSES, HAIR, random_labels

from fader.train.evaluation.probe import probe

N = 400
LABELS = random_labels(N, seed=5)


def noise(width: int = 40, *, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(N, width)).astype(np.float32)


def test_codes_that_tell_nothing_give_what_an_answer_that_never_changes_gives() -> None:
    found = probe(noise(), LABELS, ATTRIBUTES)
    assert [found[name].baseline for name in ATTRIBUTES.names] == [0, 0.5, pytest.approx(1 / 3)]
    for attribute in found.values():
        assert attribute.score.low - 0.03 < attribute.baseline
        assert attribute.score.value < attribute.baseline + 0.1
        assert attribute.score.n == N


def test_a_leak_that_a_hyperplane_finds_is_found_for_every_kind_of_attribute() -> None:
    codes = noise()
    codes[:, 3] += 2 * LABELS[:, GLASSES]
    codes[:, 4] = 3 * LABELS[:, AGE]
    codes[:, 5], codes[:, 6] = LABELS[:, HAIR] == 1, LABELS[:, HAIR] == 2
    found = probe(codes, LABELS, ATTRIBUTES)
    # Of two normal distributions that are 2 apart, the middle tells 84 %.
    assert 0.78 < found["Glasses"].score.value < 0.9
    assert found["Age"].score.value > 0.85
    assert found["Hair"].score.value > 0.85
    assert found["Glasses"].score.low > 0.7


def test_a_leak_that_no_hyperplane_finds_is_found_by_the_network() -> None:
    codes = noise(6)
    signs = np.where(LABELS[:, GLASSES] == 1, 1, -1)
    codes[:, 1] = np.abs(codes[:, 1]) * np.sign(codes[:, 0]) * signs
    found = probe(codes, LABELS, ATTRIBUTES)["Glasses"]
    assert found.better == "network"
    assert found.score.low > 0.6


def test_a_rare_category_counts_as_much_as_a_frequent_one() -> None:
    labels = LABELS.copy()
    labels[:, GLASSES] = np.arange(N) % 20 < 2
    codes = noise(8)
    unread = probe(codes, labels, ATTRIBUTES)["Glasses"]
    assert abs(unread.score.value - 0.5) < 0.12, "saying the majority's would be right 9 times of 10"
    assert unread.baseline == 0.5
    codes[:, 3] += 2 * labels[:, GLASSES]
    # The middle between two normal distributions that are 2 apart tells 84 %, and 9 to 1 does not move it.
    assert 0.72 < probe(codes, labels, ATTRIBUTES)["Glasses"].score.value < 0.92


def test_attributes_of_too_few_images_are_left_out() -> None:
    labels = LABELS.copy()
    labels[:, GLASSES] = np.arange(N) < 3
    labels[:, AGE] = 0.5
    assert list(probe(noise(), labels, ATTRIBUTES)) == ["Hair"]
    labels[:, HAIR] = 1
    assert probe(noise(), labels, ATTRIBUTES) == {}


def test_the_same_codes_give_the_same_scores_and_the_callers_randomness_is_left() -> None:
    before = torch.get_rng_state()
    assert probe(noise(), LABELS, ATTRIBUTES) == probe(noise(), LABELS, ATTRIBUTES)
    assert torch.equal(torch.get_rng_state(), before)
