"""The kernel distance: its definition, and its scale between a perfect edit and none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fader.train.evaluation.distance import distance, kid

WIDTH = 6


def features(n: int, *, middle: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(middle, 1, (n, WIDTH)).astype(np.float32)


def test_it_is_the_unbiased_estimate_with_the_cubic_kernel() -> None:
    one, other = features(5, seed=1), features(4, middle=1, seed=2)

    def kernel(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float((a.astype(np.float64) @ b / WIDTH + 1) ** 3)

    def within(those: NDArray[np.float32]) -> float:
        n = len(those)
        return sum(kernel(those[i], those[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    across = sum(kernel(a, b) for a in one for b in other) / 20
    assert kid(one, other) == pytest.approx(within(one) + within(other) - 2 * across)


def test_sets_of_the_same_source_are_at_about_0_and_others_farther_the_more_they_differ() -> None:
    same = [kid(features(200, seed=i), features(200, seed=100 + i)) for i in range(20)]
    assert abs(np.mean(same)) < 0.04
    far = [kid(features(200, seed=3), features(200, middle=shift, seed=4)) for shift in (0.5, 1.0, 2.0)]
    assert far == sorted(far)
    assert far[0] > 0.3


def test_a_perfect_edit_comes_as_near_as_real_images_and_none_stays_away() -> None:
    real, before = features(300, middle=1, seed=1), features(200, seed=2)
    perfect = distance(features(200, middle=1, seed=3), before, real)
    assert perfect is not None
    assert perfect.halves.low < perfect.edited.value < perfect.halves.high
    assert perfect.untouched.low > perfect.halves.high
    nothing = distance(before, before, real)
    assert nothing is not None
    assert nothing.edited == nothing.untouched
    assert nothing.edited.n == 150


def test_half_an_edit_gets_half_way() -> None:
    real, before = features(300, middle=1, seed=1), features(200, seed=2)
    half = distance(before + 0.5, before, real)
    assert half is not None
    assert half.halves.high < half.edited.value < half.untouched.value


def test_too_few_images_give_no_distance() -> None:
    assert distance(features(100), features(100), features(19)) is None
    assert distance(features(9), features(9), features(100)) is None
    assert distance(features(10), features(10), features(20)) is not None
