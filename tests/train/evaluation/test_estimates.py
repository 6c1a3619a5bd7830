"""Figures and their intervals: bounds, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.train.evaluation.estimates import balanced, mean, middle, share


@given(st.integers(1, 500), st.data())
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(n: int, data: st.DataObject) -> None:
    hits = np.arange(n) < data.draw(st.integers(0, n))
    found = share(hits)
    assert found is not None
    assert found.n == n
    assert found.value == hits.mean()
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_no_images_give_no_figure() -> None:
    none = np.empty(0, dtype=np.bool_)
    assert share(none) is None
    assert balanced(none, none) is None
    assert mean(none) is None


def test_balanced_accuracy_counts_every_class_alike() -> None:
    classes = np.array([0] * 90 + [1] * 10)
    always_0 = balanced(classes == 0, classes)
    assert always_0 is not None
    assert always_0.value == 0.5
    right = balanced(np.ones(100, dtype=np.bool_), classes)
    assert right is not None
    assert (right.value, right.high) == (1, 1)
    assert 0.8 < right.low < 0.95, "ten images of a class do not prove much"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=60))
def test_balanced_accuracy_lies_in_its_interval_and_the_interval_in_0_to_1(
    cases: list[tuple[bool, int]],
) -> None:
    correct, classes = (np.array(column) for column in zip(*cases, strict=True))
    found = balanced(correct, classes)
    assert found is not None
    assert -1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9


def test_the_mean_of_many_has_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5, 2, 2000)
    found = mean(values)
    assert found is not None
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.low == pytest.approx(found.value - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.value + half, abs=0.15 * half)
    assert mean(values) == found


def test_intervals_hold_the_truth_about_19_times_of_20() -> None:
    random = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        few, many = share(random.random(100) < 0.3), mean(random.normal(3, 1, 100))
        assert few is not None
        assert many is not None
        held += (few.low <= 0.3 <= few.high) + (many.low <= 3 <= many.high)
    assert 0.90 < held / 400 < 0.98


def test_the_middle_of_draws_leaves_a_fortieth_at_either_end() -> None:
    found = middle(np.arange(1001) / 1000, n=7)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975))
    assert found.n == 7
