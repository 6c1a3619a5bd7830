"""Smoothing over time: steady at rest, prompt in motion, always a similarity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fader.runtime.faces.alignment import invert
from fader.runtime.faces.smoothing import OneEuro, SimilarityFilter

DT = 1 / 25


def similarity(side: float, angle: float, x: float, y: float, size: int = 64) -> NDArray[np.float64]:
    """Frame to crop, for a face whose crop has this side, angle and centre in the frame."""
    step = side / size
    linear = step * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array([x, y]) - linear @ np.full(2, (size - 1) / 2)
    return invert(np.column_stack([linear, centre]))


def describe(matrix: NDArray[np.float64], size: int = 64) -> tuple[float, float, NDArray[np.float64]]:
    back = invert(matrix)
    centre = back[:, :2] @ np.full(2, (size - 1) / 2) + back[:, 2]
    return math.hypot(back[0, 0], back[1, 0]) * size, math.atan2(back[1, 0], back[0, 0]), centre


@given(st.floats(-1e6, 1e6), st.integers(1, 30))
def test_a_constant_signal_stays_exactly_as_it_is(value: float, n: int) -> None:
    smooth = OneEuro(min_hz=1.0, beta=1.0)
    assert {smooth(value, DT) for _ in range(n)} == {value}


def test_jitter_is_reduced_to_less_than_half() -> None:
    rng = np.random.default_rng(0)
    signal = 100 + rng.normal(0, 1, 300)
    smooth = OneEuro(min_hz=1.0, beta=0.01)
    filtered = np.array([smooth(value, DT) for value in signal])
    assert np.abs(np.diff(filtered[50:])).mean() < 0.3 * np.abs(np.diff(signal[50:])).mean()
    assert abs(filtered[50:].mean() - 100) < 0.2


def test_a_step_is_followed_to_its_end_without_passing_it() -> None:
    smooth = OneEuro(min_hz=1.0, beta=0.5)
    smooth(0.0, DT)
    path = np.array([smooth(10.0, DT) for _ in range(100)])
    assert (np.diff(path) >= 0).all()
    assert path[-1] == pytest.approx(10, abs=0.01)
    assert path.max() <= 10


def test_a_fast_signal_opens_the_filter() -> None:
    slow, fast = (OneEuro(min_hz=1.0, beta=beta) for beta in (0.0, 1.0))
    for value in np.arange(0, 100, 5.0):
        behind_slow, behind_fast = value - slow(value, DT), value - fast(value, DT)
    assert behind_fast < 0.3 * behind_slow


def test_a_step_in_which_no_time_passes_changes_nothing() -> None:
    smooth = OneEuro(min_hz=1.0, beta=0.5)
    smooth(1.0, DT)
    assert smooth(5.0, 0.0) == 1.0
    assert smooth(5.0, -1.0) == 1.0


@given(
    st.lists(
        st.tuples(st.floats(5, 500), st.floats(-7, 7), st.floats(-900, 900), st.floats(-900, 900)),
        min_size=1,
        max_size=8,
    )
)
def test_what_comes_out_is_always_a_similarity(path: list[tuple[float, float, float, float]]) -> None:
    smooth = SimilarityFilter(64)
    for place in path:
        matrix = smooth(similarity(*place), DT)
        assert np.isfinite(matrix).all()
        np.testing.assert_allclose(matrix[:, 0], [matrix[1, 1], -matrix[0, 1]], rtol=1e-6, atol=1e-9)
        assert np.linalg.det(matrix[:, :2]) > 0


def test_the_first_matrix_and_a_face_at_rest_pass_unchanged() -> None:
    smooth = SimilarityFilter(64)
    matrix = similarity(120, 0.3, 200, 150)
    for _ in range(5):
        np.testing.assert_allclose(smooth(matrix, DT), matrix, rtol=1e-9)


@pytest.mark.parametrize("towards", [1, -1])
def test_an_angle_that_passes_half_a_turn_goes_the_short_way(towards: int) -> None:
    smooth = SimilarityFilter(64)
    for i in range(120):
        angle = towards * (math.pi - 0.3 + i * 0.005)
        _, found, centre = describe(smooth(similarity(100, angle, 50, 60), DT))
        assert abs(math.remainder(found - angle, 2 * math.pi)) < 0.1
        np.testing.assert_allclose(centre, [50, 60], atol=1e-6)


def test_jitter_of_a_faces_place_is_reduced_whatever_its_size() -> None:
    rng = np.random.default_rng(0)
    for side in (30.0, 300.0):
        smooth, raw, filtered = SimilarityFilter(64), [], []
        for _ in range(100):
            x, y = rng.normal(0, 0.01 * side, 2)
            raw.append((x, y))
            filtered.append(describe(smooth(similarity(side, 0, 500 + x, 400 + y), DT))[2])
        assert np.abs(np.diff(filtered, axis=0)).mean() < 0.5 * np.abs(np.diff(raw, axis=0)).mean()


def test_a_moving_face_is_followed_within_a_twentieth_of_its_size() -> None:
    smooth = SimilarityFilter(64)
    for i in range(100):
        x = 100 + 100 * i * DT  # a face's width a second
        side, _, centre = describe(smooth(similarity(100, 0, x, 50), DT))
    assert abs(centre[0] - x) < 5
    assert side == pytest.approx(100)


def test_a_face_that_comes_nearer_is_followed_in_size() -> None:
    smooth = SimilarityFilter(64)
    for i in range(50):
        side = 50 * 2 ** (i * DT)  # twice as large every second
        found, _, _ = describe(smooth(similarity(side, 0, 100, 100), DT))
    assert found == pytest.approx(side, rel=0.08)
