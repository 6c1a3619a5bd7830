"""Faces followed through a video: their numbers, where they lie, and what happens when they are gone."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import EYES, FACE_CENTRE, astronaut, face_views, frame_of, portrait

from fader.errors import ConfigError
from fader.runtime import Editor, FaceOptions, TrackedFace
from fader.runtime.faces.alignment import anchors, invert
from fader.runtime.faces.detector import Detection, FaceDetector
from fader.runtime.faces.tracking import Tracker
from fader.runtime.video.planes import FramePlanes

SIZE = (240, 180)
DT = 1 / 24


def follow(
    editor: Editor,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    options: FaceOptions | None = None,
    rotation: int = 0,
    step_s: float = DT,
) -> list[list[TrackedFace]]:
    tracker = editor.tracker(options)
    return [
        tracker.update(
            FramePlanes(frame_of(picture, "rgb24", rotation=rotation), rotation=rotation), i * step_s
        )
        for i, picture in enumerate(pictures)
    ]


def numbers(found: list[list[TrackedFace]]) -> list[list[int]]:
    return [[face.track for face in faces] for faces in found]


def scenery(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """The corner of the portrait in which there is no face."""
    return np.ascontiguousarray(astronaut()[512 - size[1] :, : size[0]])


def test_a_moving_face_keeps_one_number_in_every_frame(editor: Editor) -> None:
    assert numbers(follow(editor, face_views(24, SIZE))) == [[0]] * 24


def test_landmarks_follow_the_face(editor: Editor) -> None:
    found = follow(editor, (portrait(SIZE, at=(0.4 + 0.01 * i, 0.5)) for i in range(20)))
    for i, (face,) in enumerate(found):
        there = (np.array(EYES) - FACE_CENTRE) * SIZE[1] / 240 + [(0.4 + 0.01 * i) * SIZE[0], 0.5 * SIZE[1]]
        assert np.abs(face.landmarks[:2] - there).max() < 4


def test_a_face_in_a_picture_that_is_searched_at_a_quarter_of_its_size_is_found_in_its_place(
    editor: Editor,
) -> None:
    options = FaceOptions(detection_side=160)
    (face,) = follow(editor, [portrait((640, 480), zoom=0.6, at=(0.7, 0.6))], options=options)[0]
    there = (np.array(EYES) - FACE_CENTRE) * 1.2 + [0.7 * 640, 0.6 * 480]
    assert np.abs(face.landmarks[:2] - there).max() < 5


def test_the_crop_shows_eyes_and_mouth_where_the_template_has_them(editor: Editor) -> None:
    (face,) = follow(editor, [portrait((480, 360))])[0]
    points = anchors(face.landmarks) @ face.matrix[:, :2].T + face.matrix[:, 2]
    assert np.abs(points - editor.model.template).max() < 0.06 * editor.image_size
    assert face.strength == 1


def test_the_crop_is_steadier_than_the_landmarks(editor: Editor) -> None:
    rng = np.random.default_rng(0)
    still = portrait(SIZE)
    noisy = (np.clip(still + rng.normal(0, 12, still.shape), 0, 255).astype(np.uint8) for _ in range(30))
    found = [faces[0] for faces in follow(editor, noisy)][10:]
    centre = np.full(2, (editor.image_size - 1) / 2)
    crops = np.array([invert(face.matrix)[:, :2] @ centre + invert(face.matrix)[:, 2] for face in found])
    points = np.array([face.landmarks[:3].mean(axis=0) for face in found])
    assert np.abs(np.diff(crops, axis=0)).mean() < 0.5 * np.abs(np.diff(points, axis=0)).mean()


def test_a_cut_to_a_picture_without_a_face_drops_it_at_once(editor: Editor) -> None:
    found = numbers(follow(editor, [portrait(SIZE)] * 4 + [scenery()] * 4 + [portrait(SIZE)] * 4))
    assert found == [[0]] * 4 + [[]] * 4 + [[1]] * 4


def test_a_face_that_vanishes_without_a_cut_is_not_shown(editor: Editor) -> None:
    flat = portrait(SIZE).copy()
    left, right = 85, 155
    flat[40:135, left:right] = flat[30, left]
    found = numbers(follow(editor, [portrait(SIZE)] * 4 + [flat] * 10))
    assert found == [[0]] * 4 + [[]] * 10


def test_a_face_that_is_hidden_for_a_moment_keeps_its_number(editor: Editor) -> None:
    hidden = portrait(SIZE).copy()
    hidden[40:135, 85:155] = hidden[30, 85]
    found = numbers(follow(editor, [portrait(SIZE)] * 4 + [hidden] * 3 + [portrait(SIZE)] * 8))
    assert found[:7] == [[0]] * 4 + [[]] * 3
    assert found[-6:] == [[0]] * 6


@pytest.mark.parametrize(("n_hidden", "number"), [(14, 0), (30, 1)])
def test_at_60_frames_a_second_a_moment_has_more_frames(editor: Editor, n_hidden: int, number: int) -> None:
    hidden = portrait(SIZE).copy()
    hidden[40:135, 85:155] = hidden[30, 85]
    pictures = [portrait(SIZE)] * 4 + [hidden] * n_hidden + [portrait(SIZE)] * 16
    found = numbers(follow(editor, pictures, step_s=1 / 60))
    assert found[4 : 4 + n_hidden] == [[]] * n_hidden
    assert found[-2:] == [[number]] * 2


def test_what_hardly_looks_like_a_face_is_dropped_after_some_frames(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drifting box must not be followed for ever."""
    tracker = editor.tracker()
    detector = tracker._detector
    view = FramePlanes(frame_of(portrait(SIZE), "rgb24"), rotation=0)
    assert [face.track for face in tracker.update(view, 0.0)] == [0]
    refine = detector.refine

    def doubtful(*arguments: Any) -> list[Detection]:
        return [replace(face, score=0.5) for face in refine(*arguments)]

    monkeypatch.setattr(detector, "refine", doubtful)
    found = [tracker.update(view, i / 60) for i in range(1, 16)]
    assert found[0]
    assert not found[-1]


def test_a_face_that_leaves_the_picture_and_comes_back_is_a_new_one(editor: Editor) -> None:
    out = [0.7 + 0.03 * i for i in range(20)]
    found = numbers(follow(editor, (portrait(SIZE, at=(x, 0.5)) for x in [*out, *[1.5] * 7, *out[::-1]])))
    assert found[:4] == [[0]] * 4
    assert found[20:27] == [[]] * 7
    assert found[-4:] == [[1]] * 4


def pair(shift: int = 0) -> NDArray[np.uint8]:
    face = portrait((160, 180), zoom=0.9)
    both = np.concatenate([face, face[:, ::-1]], axis=1)
    return np.ascontiguousarray(np.roll(both, shift, axis=1))


def test_two_faces_have_two_numbers_that_they_keep(editor: Editor) -> None:
    found = follow(editor, (pair(i) for i in range(16)))
    assert [sorted(faces) for faces in numbers(found)] == [[0, 1]] * 16
    for track in (0, 1):
        x = [face.landmarks[0, 0] for faces in found for face in faces if face.track == track]
        assert np.abs(np.diff(x) - 1).max() < 3


def test_no_more_faces_are_followed_than_asked_for(editor: Editor) -> None:
    found = follow(editor, (pair(i) for i in range(8)), options=FaceOptions(max_faces=1))
    assert numbers(found) == [[0]] * 8


def test_faces_of_22_pixels_are_found_in_a_large_frame_where_such_are_asked_for(editor: Editor) -> None:
    crowd = portrait((1600, 1200), zoom=0.04, at=(0.7, 0.6))
    assert numbers(follow(editor, [crowd], options=FaceOptions(min_size=0.02))) == [[]]
    (face,) = follow(editor, [crowd], options=FaceOptions(min_size=0.01))[0]
    assert np.abs(face.landmarks.mean(axis=0) - [0.7 * 1600, 0.6 * 1200]).max() < 6


def test_faces_smaller_than_asked_for_are_not_looked_for(editor: Editor) -> None:
    assert numbers(follow(editor, [portrait(SIZE)], options=FaceOptions(min_size=0.9))) == [[]]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_that_are_stored_turned_show_faces_at_the_same_place(editor: Editor, rotation: int) -> None:
    upright = follow(editor, face_views(10, SIZE))
    turned = follow(editor, face_views(10, SIZE), rotation=rotation)
    assert numbers(turned) == numbers(upright)
    for (one,), (other,) in zip(upright, turned, strict=True):
        assert np.abs(one.landmarks - other.landmarks).max() < 1.5
        corners = np.array([[0, 0], [63, 0], [0, 63], [63, 63]])
        places = [corners @ invert(f.matrix)[:, :2].T + invert(f.matrix)[:, 2] for f in (one, other)]
        assert np.abs(places[0] - places[1]).max() < 1.5


def test_a_face_that_does_not_fit_the_template_fades_out(editor: Editor) -> None:
    # A head that turns away looks narrower: its eyes come together while the mouth stays as far below.
    strengths = [turned_away(editor, narrow).strength for narrow in (1.0, 0.85, 0.75, 0.65, 0.5, 0.3)]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[:2] == [1, 1]
    assert 0 < strengths[3] < 1
    assert strengths[-1] == 0


def turned_away(editor: Editor, narrow: float) -> TrackedFace:
    """A face whose landmarks are the template's, drawn together from the sides."""

    eye_left, eye_right, mouth = editor.model.template * [narrow, 1] * 2 + 20
    face = Detection(
        box=np.array([0, 0, 170, 170], np.float32),
        score=1.0,
        landmarks=np.stack([eye_left, eye_right, mouth, mouth, mouth]).astype(np.float32),
    )
    detector = Mock(spec=FaceDetector)
    detector.refine.return_value = detector.detect.return_value = [face]
    tracker = Tracker(detector, editor.model.template, editor.image_size)
    return tracker.update(FramePlanes(frame_of(portrait(SIZE), "rgb24")), 0.0)[0]


def test_the_same_pictures_give_the_same_faces(editor: Editor) -> None:
    first, second = follow(editor, face_views(10, SIZE)), follow(editor, face_views(10, SIZE))
    for (one,), (other,) in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize(
    "options",
    [
        {"min_size": -0.1},
        {"min_size": float("nan")},
        {"detect_every": 0},
        {"detection_side": 3},
        {"max_faces": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        FaceOptions(**options)  # type: ignore[arg-type]
