"""The detector on a real face, on none, and on pictures of odd sizes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import EYES, astronaut, portrait

from fader.bundle import Bundle
from fader.runtime import Editor
from fader.runtime.faces.alignment import warp_crop
from fader.runtime.faces.boxes import square
from fader.runtime.faces.detector import FaceDetector


@pytest.fixture(scope="module")
def detector(editor: Editor) -> FaceDetector:
    bundle: Bundle = editor.model.bundle
    return FaceDetector(*(bundle.graph(f"detector_{stage}") for stage in "pro"))


def test_the_astronauts_face_is_found_with_its_eyes(detector: FaceDetector) -> None:
    (face,) = detector.detect(astronaut())
    assert face.score > 0.95
    assert np.abs(face.landmarks[:2] - EYES).max() < 4
    left, top, right, bottom = face.box
    assert left < EYES[0][0] < EYES[1][0] < right
    assert top < EYES[0][1] < bottom
    nose, mouth_left, mouth_right = face.landmarks[2:]
    assert EYES[0][0] < nose[0] < EYES[1][0]
    assert nose[1] < min(mouth_left[1], mouth_right[1]) < bottom
    assert mouth_left[0] < mouth_right[0]


@pytest.mark.parametrize("scale", [0.5, 2])
def test_a_face_is_found_at_other_sizes(detector: FaceDetector, scale: float) -> None:
    size = (round(320 * scale), round(240 * scale))
    (face,) = detector.detect(portrait(size), min_size=20)
    # `portrait` puts the point (224, 118) at the centre, at the picture's own scale.
    expected = (np.array(EYES) - [224, 118]) * scale + [160 * scale, 120 * scale]
    assert np.abs(face.landmarks[:2] - expected).max() < 5 * scale


def test_two_faces_are_two_detections(detector: FaceDetector) -> None:
    pair = np.concatenate([portrait((240, 240)), portrait((240, 240))[:, ::-1]], axis=1)
    faces = detector.detect(np.ascontiguousarray(pair))
    assert sorted(face.box[:2].mean() < 200 and face.box[2] < 240 for face in faces) == [False, True]


@pytest.mark.parametrize("kind", ["noise", "flat", "ramp"])
def test_nothing_is_found_where_there_is_no_face(detector: FaceDetector, kind: str) -> None:
    pictures: dict[str, NDArray[np.uint8]] = {
        "noise": np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
        "flat": np.full((240, 320, 3), 128, np.uint8),
        "ramp": np.broadcast_to(
            np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], (240, 320, 3)
        ).copy(),
    }
    assert detector.detect(pictures[kind]) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (11, 11), (12, 12), (13, 40), (48, 48)])
def test_tiny_pictures_hold_no_face_and_do_no_harm(detector: FaceDetector, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert detector.detect(noise, min_size=12) == []


def test_faces_smaller_than_asked_for_are_left_out(detector: FaceDetector) -> None:
    assert len(detector.detect(astronaut(), min_size=40)) == 1
    assert detector.detect(astronaut(), min_size=300) == []


def test_refining_a_box_nearby_finds_the_same_face(detector: FaceDetector) -> None:
    picture = astronaut()
    (face,) = detector.detect(picture)
    nearby = square(face.box[None]) + np.float32(6)
    (again,) = detector.refine(lambda matrix, size: warp_crop(picture, matrix, size), nearby)
    assert again.score > 0.9
    assert np.abs(again.landmarks - face.landmarks).max() < 5


def test_refining_a_box_without_a_face_gives_a_low_score(detector: FaceDetector) -> None:
    picture = astronaut()
    (nothing,) = detector.refine(
        lambda matrix, size: warp_crop(picture, matrix, size), np.array([[10, 10, 90, 90]], np.float32)
    )
    assert nothing.score < 0.3


def test_refining_no_box_gives_no_face(detector: FaceDetector) -> None:
    assert detector.refine(black, np.empty((0, 4))) == []


def black(matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    return np.zeros((size, size, 3), np.float32)
