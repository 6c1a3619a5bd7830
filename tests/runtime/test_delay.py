"""Frames wait for those after them: so many and no more, in order, and so does what is between them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.runtime.scenes import face_views, frame_of

from fader.runtime import Editor
from fader.runtime.delay import MAX_OTHERS, look_ahead
from fader.runtime.faces.lookahead import AHEAD
from fader.runtime.stages import FaceFrame, crops_of, find_faces
from fader.runtime.video.planes import FramePlanes

SIZE = (160, 120)


@pytest.fixture
def found(editor: Editor) -> list[FaceFrame]:
    """24 frames with a face each, not yet settled."""
    frames = (frame_of(picture, "rgb24") for picture in face_views(24, SIZE))
    return [item for item in find_faces(frames, editor.tracker(), None) if isinstance(item, FaceFrame)]


def test_frames_are_cut_out_where_they_are_settled(editor: Editor, found: list[FaceFrame]) -> None:
    assert not any(frame.settled or frame.crops.size for frame in found)
    measured = [frame.faces[0].matrix for frame in found]
    for frame, before in zip(look_ahead(found, 64), measured, strict=True):
        assert frame.settled
        assert not np.array_equal(frame.faces[0].matrix, before)
        np.testing.assert_array_equal(frame.crops, crops_of(frame.planes, frame.faces, 64))


def test_a_frame_waits_for_those_ahead_and_for_no_more(found: list[FaceFrame]) -> None:
    n_read = 0

    def counted() -> Iterator[FaceFrame]:
        nonlocal n_read
        for frame in found:
            n_read += 1
            yield frame

    reads = [n_read for _ in look_ahead(counted(), 64)]
    assert reads == [min(i + 1 + AHEAD, 24) for i in range(24)]


def test_settled_frames_do_not_wait_and_stay_as_they_are(found: list[FaceFrame]) -> None:
    settled = list(look_ahead(found, 64))
    matrices = [frame.faces[0].matrix for frame in settled]
    n_read = 0

    def counted() -> Iterator[FaceFrame]:
        nonlocal n_read
        for frame in settled:
            n_read += 1
            yield frame

    assert [n_read for _ in look_ahead(counted(), 64)] == list(range(1, 25))
    assert all(frame.faces[0].matrix is before for frame, before in zip(settled, matrices, strict=True))


def test_the_rest_is_the_same_after_settled_frames(editor: Editor, found: list[FaceFrame]) -> None:
    def fresh(frame: FaceFrame) -> FaceFrame:
        return replace(frame, crops=np.empty((0, 0, 0, 3), np.uint8), settled=False)

    copies = [fresh(frame) for frame in found]
    whole = list(look_ahead(found, 64))
    for n_known in (1, 9, 20):
        again = [*whole[:n_known], *[fresh(frame) for frame in copies[n_known:]]]
        for one, other in zip(whole, look_ahead(again, 64), strict=True):
            np.testing.assert_array_equal(one.faces[0].matrix, other.faces[0].matrix)
            np.testing.assert_array_equal(one.crops, other.crops)


def test_other_things_keep_their_place(found: list[FaceFrame]) -> None:
    items: list[Any] = ["a", found[0], "b", "c", *found[1:], "d"]
    assert list(look_ahead(items, 64)) == items


def test_very_many_other_things_overtake_instead_of_filling_the_memory(found: list[FaceFrame]) -> None:
    items: list[Any] = [found[0], *range(MAX_OTHERS + 100), found[1]]
    n_read = 0

    def counted() -> Iterator[Any]:
        nonlocal n_read
        for item in items:
            n_read += 1
            yield item

    out = []
    for item in look_ahead(counted(), 64):
        out.append(item)
        assert n_read - len(out) <= MAX_OTHERS + AHEAD
    assert [item for item in out if isinstance(item, int)] == list(range(MAX_OTHERS + 100))
    assert [item for item in out if isinstance(item, FaceFrame)] == found[:2]


def test_frames_without_times_have_them_one_after_another(editor: Editor) -> None:
    planes = [FramePlanes(frame_of(picture, "rgb24")) for picture in face_views(4, SIZE)]
    tracker = editor.tracker()
    empty = np.empty((0, 0, 0, 3), np.uint8)
    frames = [
        FaceFrame(planes=p, faces=tracker.update(p, i / 25), crops=empty, settled=False)
        for i, p in enumerate(planes)
    ]
    assert [len(frame.faces) for frame in look_ahead(frames, 64)] == [1] * 4
