"""Streams: edits come and go gradually where nothing of what follows is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.runtime.scenes import seen_face

from fader.runtime import TrackedFace
from fader.runtime.faces.gradual import GONE_S, Gradual
from fader.runtime.faces.lookahead import FADE_S

STEP_S = 1 / 60


def face(track: int, strength: float = 1.0) -> TrackedFace:
    return seen_face(np.array([[1.0, 0, track], [0, 1, 0]]), track=track, strength=strength)


def strengths(frames: Sequence[Sequence[TrackedFace]], cuts: Sequence[int] = ()) -> list[dict[int, float]]:
    gradual = Gradual()
    found = (gradual.update(faces, 3 + i * STEP_S, is_cut=i in cuts) for i, faces in enumerate(frames))
    return [{one.track: one.strength for one in faces} for faces in found]


def test_a_face_that_the_stream_begins_with_has_all_of_its_edit_at_once() -> None:
    assert strengths([[face(0)], [face(0)]]) == [{0: 1.0}, {0: 1.0}]


def test_a_face_that_a_scene_begins_with_has_it_at_once_and_those_of_the_last_scene_are_gone() -> None:
    assert strengths([[face(0)], [face(1)]], cuts=[1]) == [{0: 1.0}, {1: 1.0}]


def test_a_face_that_comes_later_gets_its_edit_within_a_quarter_of_a_second() -> None:
    found = strengths([[], *([face(0, strength=0.5)] for _ in range(20))])
    rising = [frame[0] for frame in found[1:]]
    assert rising[0] == pytest.approx(0.5 * STEP_S / FADE_S)
    assert rising == sorted(rising)
    assert max(np.diff(rising)) < 0.04
    assert rising[14:] == pytest.approx([0.5] * 6)


def test_a_lost_face_keeps_its_edit_for_a_moment_where_it_was_less_and_less() -> None:
    gradual = Gradual()
    gradual.update([face(4)], 0.0, is_cut=False)
    falling = []
    for i in range(1, 12):
        for lost in gradual.update([], i * STEP_S, is_cut=False):
            assert lost.measured is None
            assert lost.score == 0
            np.testing.assert_array_equal(lost.matrix, face(4).matrix)
            falling.append(lost.strength)
    assert falling == pytest.approx([1 - i * STEP_S / GONE_S for i in range(1, len(falling) + 1)])
    assert len(falling) == int(np.ceil(GONE_S / STEP_S)) - 1
    assert gradual.update([], 12 * STEP_S, is_cut=False) == []


def test_a_face_that_is_found_again_goes_on_from_what_is_left() -> None:
    frames = [[] if 3 <= i < 7 else [face(0)] for i in range(27)]
    shown = [frame[0] for frame in strengths(frames)]
    assert min(shown) == shown[6] > 0.4
    assert shown[-1] == 1
    assert max(np.abs(np.diff(shown))) < STEP_S / GONE_S + 1e-9


def test_frames_that_come_late_or_twice_do_no_harm() -> None:
    gradual = Gradual()
    gradual.update([], 5.0, is_cut=False)
    (once,) = gradual.update([face(0)], 5.0, is_cut=False)
    assert once.strength == 0
    (late,) = gradual.update([face(0)], 9.0, is_cut=False)
    assert late.strength == 1
    (back,) = gradual.update([face(0)], 1.0, is_cut=False)
    assert back.strength == 1
