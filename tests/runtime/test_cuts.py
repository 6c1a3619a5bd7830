"""Cuts between scenes: real ones are found, and nothing else passes for one."""

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.media import media_file
from tests.runtime.scenes import face_views, frame_of, portrait

from fader.runtime import Editor
from fader.runtime.faces.cuts import THUMBNAIL, is_cut
from fader.runtime.video.planes import FramePlanes

CLIPS = (
    "intel_asl_again.mkv",
    "openmpf_video_01.mp4",
    "intel_asl_book.mkv",
    "head-pose-face-detection-female.gif",
    "openmpf_video_02.mp4",
)


def thumbnails(name: str) -> list[NDArray[np.float32]]:
    with av.open(str(media_file(name))) as container:
        frames = [FramePlanes(frame) for frame in container.decode(video=0)]
    return [resized(planes.glance(THUMBNAIL)) for planes in frames]


def luma(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def resized(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """As if all clips had one shape, since another shape alone is a cut."""
    return np.asarray(cv2.resize(picture, (32, 24)), np.float32)


@pytest.fixture(scope="module")
def real() -> dict[str, list[NDArray[np.float32]]]:
    return {name: thumbnails(name) for name in CLIPS}


@pytest.mark.parametrize("name", CLIPS)
def test_in_real_clips_of_one_scene_there_is_no_cut(
    real: dict[str, list[NDArray[np.float32]]], name: str
) -> None:
    pictures = real[name]
    assert [i for i in range(1, len(pictures)) if is_cut(pictures[i - 1], pictures[i])] == []


def test_where_real_clips_are_joined_there_is_a_cut_whatever_their_frames(
    real: dict[str, list[NDArray[np.float32]]],
) -> None:
    rng = np.random.default_rng(0)
    for one in CLIPS:
        for other in set(CLIPS) - {one}:
            for _ in range(20):
                last, first = rng.choice(len(real[one])), rng.choice(len(real[other]))
                assert is_cut(real[one][last], real[other][first]), (one, last, other, first)


@pytest.mark.parametrize("gain", [0.4, 0.7, 1.6])
def test_a_flash_and_a_change_of_exposure_are_no_cuts(gain: float) -> None:
    before = luma(portrait((160, 120)))
    after = np.clip(before * gain + 20, 0, 255).astype(np.float32)
    assert not is_cut(before, after)
    assert not is_cut(after, before)


def test_noise_on_a_dark_picture_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    dark = [np.clip(rng.normal(6, 4, (24, 32)), 0, 255).astype(np.float32) for _ in range(2)]
    assert not is_cut(*dark)


def test_from_and_to_a_picture_of_one_colour_is_a_cut() -> None:
    face, flat = luma(portrait((160, 120))), np.full((120, 160), 90, np.float32)
    assert is_cut(face, flat)
    assert is_cut(flat, face)
    assert not is_cut(flat, flat + 50)


def test_another_size_of_the_frames_is_a_cut() -> None:
    assert is_cut(np.zeros((24, 32), np.float32), np.zeros((32, 24), np.float32))


def test_the_tracker_says_at_which_frames_a_scene_begins(editor: Editor) -> None:
    views = list(face_views(6, (160, 120)))
    pictures = [*views[:3], *[255 - view for view in views[3:5]], views[5]]
    tracker, cuts = editor.tracker(), []
    for i, picture in enumerate(pictures):
        tracker.update(FramePlanes(frame_of(picture, "yuv420p")), i / 24)
        cuts.append(tracker.at_cut)
    assert cuts == [False, False, False, True, False, True]
