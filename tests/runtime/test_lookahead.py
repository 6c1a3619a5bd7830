"""What files know of the frames after a frame: no lag, no shaking, and no popping in and out."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.scenes import seen_face

from fader.runtime import TrackedFace
from fader.runtime.faces.lookahead import AHEAD, FADE_S, Seen, settle
from fader.runtime.faces.regression import local_mean, local_value
from fader.runtime.faces.smoothing import SimilarityFilter, matrix_of, pose_of

SIZE = 64
DT = 1 / 25
FRONT = (7.0, 0.0, 200.0, 150.0)
"""Octaves, angle, x and y of a crop of 128 px."""


def face(pose: Sequence[float] = FRONT, *, track: int = 0, strength: float = 1.0) -> TrackedFace:
    return seen_face(matrix_of(np.array(pose, np.float64), SIZE), track=track, strength=strength)


def through(
    frames: Sequence[Sequence[TrackedFace]], *, cuts: Sequence[int] = (), dt: float = DT
) -> list[list[TrackedFace]]:
    """All frames of a video, each settled with what it may look at."""
    seen = [Seen.of(faces, SIZE, i * dt, is_cut=i in cuts) for i, faces in enumerate(frames)]
    settled = []
    for i in range(len(seen)):
        first = max(0, i - AHEAD)
        settled.append(settle(seen[first : i + AHEAD + 1], i - first, SIZE))
    return settled


def strengths(settled: list[list[TrackedFace]]) -> list[float | None]:
    return [faces[0].strength if faces else None for faces in settled]


def poses(settled: list[list[TrackedFace]]) -> NDArray[np.float64]:
    return np.stack([pose_of(faces[0].matrix, SIZE) for faces in settled])


def shaking(n: int, noise: Sequence[float]) -> list[TrackedFace]:
    """A face at rest, measured with noise of these deviations."""
    rng = np.random.default_rng(0)
    return [face((rng.normal(0, noise) + FRONT).tolist()) for _ in range(n)]


def test_a_face_at_rest_shakes_less() -> None:
    raw = shaking(120, (0.01, 0.01, 0.5, 0.5))
    measured = np.stack([pose_of(each.matrix, SIZE) for each in raw])
    settled = poses(through([[each] for each in raw]))

    def bends(path: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sqrt((np.diff(path, 2, axis=0) ** 2).mean(axis=0)))

    assert (bends(settled) < 0.35 * bends(measured)).all()
    assert (np.abs(settled - FRONT).mean(axis=0) < 0.6 * np.abs(measured - FRONT).mean(axis=0)).all()


def test_a_moving_face_is_followed_without_lag() -> None:
    path = [(7 + 0.2 * i * DT, 0.5 * i * DT, 100 + 300 * i * DT, 150.0) for i in range(60)]
    found = poses(through([[face(pose)] for pose in path]))
    np.testing.assert_allclose(found, path, atol=1e-6)


def test_the_corner_of_a_fast_motion_is_kept() -> None:
    x = [100 + 20.0 * min(i, 30) for i in range(60)]  # 500 px/s, and then it stops
    rng = np.random.default_rng(0)
    raw = [face((7.0, 0.0, each + rng.normal(0, 0.3), 150.0)) for each in x]
    found = poses(through([[each] for each in raw]))[:, 2]
    one_euro = SimilarityFilter(SIZE)
    live = np.array([pose_of(one_euro(each.matrix, DT), SIZE)[2] for each in raw])
    assert np.abs(found - x).max() < 4
    assert np.abs(found - x).max() < 0.4 * np.abs(live - x).max()


def test_an_angle_that_passes_half_a_turn_goes_the_short_way() -> None:
    angles = [math.pi - 0.3 + 0.02 * i for i in range(40)]
    found = poses(through([[face((7.0, angle, 200.0, 150.0))] for angle in angles]))[:, 1]
    assert max(abs(math.remainder(a - b, 2 * math.pi)) for a, b in zip(found, angles, strict=True)) < 1e-6


def test_at_the_ends_of_a_video_and_at_cuts_a_face_is_there_at_full_strength() -> None:
    shown = strengths(through([[face()]] * 40 + [[]] * 20 + [[face(track=1)]] * 40, cuts=(40, 60)))
    assert shown == [1.0] * 40 + [None] * 20 + [1.0] * 40


def test_in_the_middle_of_a_scene_an_edit_fades_in_and_out() -> None:
    shown = strengths(through([[]] * 20 + [[face()]] * 40 + [[]] * 20))
    assert shown[:20] == shown[60:] == [None] * 20
    inside = np.array(shown[20:60], float)
    n = math.ceil(FADE_S / DT)
    assert (np.diff(inside[:n]) > 0).all()
    assert (np.diff(inside[-n:]) < 0).all()
    assert np.abs(np.diff([0, *inside, 0])).max() < 1.2 * DT / FADE_S
    assert (inside[n:-n] == 1).all()


def test_no_face_moves_over_a_cut() -> None:
    frames = [[face()]] * 30 + [[face((7.0, 0.0, 260.0, 150.0))]] * 30
    found = poses(through(frames, cuts=(30,)))[:, 2]
    np.testing.assert_allclose(found, [200.0] * 30 + [260.0] * 30)


@pytest.mark.parametrize("n_hidden", [1, 3, 6])
def test_a_face_that_is_hidden_for_a_moment_is_in_between_and_stays_edited(n_hidden: int) -> None:
    frames = [[face((7.0, 0.0, 100 + 5.0 * i, 150.0))] for i in range(60)]
    hidden = range(30, 30 + n_hidden)
    for i in hidden:
        frames[i] = []
    settled = through(frames)
    np.testing.assert_allclose(poses(settled)[:, 2], 100 + 5.0 * np.arange(60), atol=1e-6)
    shown = np.array(strengths(settled), float)
    assert shown.min() > 0.5
    assert np.abs(np.diff(shown)).max() < 0.3
    for i in hidden:
        assert settled[i][0].measured is None
        assert settled[i][0].score == 0
    assert [i for i in range(60) if settled[i][0].measured is None] == list(hidden)


def test_a_face_that_turns_away_for_one_bad_frame_does_not_flicker() -> None:
    shown = strengths(through([[face(strength=0.0 if i == 30 else 1.0)] for i in range(60)]))
    steps = np.abs(np.diff(np.array(shown, float)))
    assert steps.max() < 0.2


def test_two_faces_are_settled_each_by_itself_in_the_order_of_their_numbers() -> None:
    other = (6.0, 0.1, 50.0, 40.0)
    frames = [[face(), *([face(other, track=1)] if i >= 30 else [])] for i in range(60)]
    settled = through(frames)
    assert [[f.track for f in faces] for faces in settled] == [[0]] * 30 + [[0, 1]] * 30
    assert {faces[0].strength for faces in settled} == {1.0}
    assert settled[30][1].strength < 0.3
    np.testing.assert_allclose(pose_of(settled[45][1].matrix, SIZE), other)


@settings(deadline=None, max_examples=40)
@given(
    shown=st.lists(st.booleans(), min_size=1, max_size=50),
    cuts=st.sets(st.integers(1, 49), max_size=3),
    dt=st.sampled_from([0.0, 1 / 120, 1 / 25, 1.5]),
    seed=st.integers(0, 9),
)
def test_whatever_is_seen_faces_are_finite_and_no_measured_one_is_lost(
    shown: list[bool], cuts: set[int], dt: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = [
        [face((rng.normal(0, (0.2, 1.0, 30, 30)) + FRONT).tolist(), strength=rng.random())] * here
        for here in shown
    ]
    for faces, here in zip(through(frames, cuts=sorted(cuts), dt=dt), shown, strict=True):
        assert len(faces) >= here
        for each in faces:
            assert np.isfinite(each.matrix).all()
            assert 0 <= each.strength <= 1
            assert (each.measured is not None) == here


def test_already_settled_faces_say_the_same_to_those_after_them() -> None:
    frames = [[each] for each in shaking(50, (0.01, 0.01, 1, 1))]
    frames[20] = []
    once = through(frames)
    twice = through([*once[:30], *frames[30:]])
    for (one,), (other,) in zip(once[30:], twice[30:], strict=True):
        np.testing.assert_array_equal(one.matrix, other.matrix)
        assert one.strength == other.strength


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=3), st.floats(0, 1))
def test_a_parabola_is_its_own_smoothing(coefficients: list[float], at: float) -> None:
    times = np.arange(21) / 20
    values = np.asarray(np.polyval(coefficients, times)[:, None], np.float64)
    found = local_value(times, values, np.ones(21), at, reaches_s=(0.2, 0.4, 0.8), trust=1.0)
    expected = np.polyval(coefficients, at)
    assert found[0] == pytest.approx(expected, abs=1e-5 * max(1, *map(abs, coefficients)))


def test_one_measurement_is_its_own_smoothing() -> None:
    value = local_value(np.array([1.0]), np.array([[5.0]]), np.ones(1), 1.2, reaches_s=(0.2,), trust=1.0)
    assert value == pytest.approx(5.0)
    assert local_mean(np.array([1.0]), np.array([5.0]), 9.0, 0.2) == 5.0


def test_a_measurement_with_little_weight_hardly_counts() -> None:
    times, values, weights = np.arange(9) / 25, np.zeros((9, 1)), np.ones(9)
    values[4], weights[4] = 1.0, 0.01
    found = local_value(times, values, weights, times[4], reaches_s=(0.2,), trust=1e9)
    assert abs(found[0]) < 0.05
