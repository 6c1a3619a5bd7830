"""Rank correlation against SciPy, and of sliders that do nothing."""

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fader.train.evaluation.sliders import POSITIONS, spearman

AT = np.array(POSITIONS)


def rows(*values: list[float]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def test_a_slider_that_always_adds_is_1_and_one_that_always_takes_minus_1() -> None:
    up = [0.0, 0.1, 5.0, 5.1, 5.2, 9.0, 100.0]
    assert spearman(AT, rows(up, up[::-1])) == pytest.approx([1, -1])


def test_a_slider_that_does_nothing_is_0_and_not_in_perfect_order() -> None:
    assert spearman(AT, rows([3.0] * 7)) == pytest.approx([0])


@given(st.lists(st.integers(-3, 3), min_size=7, max_size=7).filter(lambda values: len(set(values)) > 1))
def test_it_is_scipys(values: list[int]) -> None:
    expected = scipy.stats.spearmanr(AT, values).statistic
    assert spearman(AT, rows([float(value) for value in values])) == pytest.approx([expected])
