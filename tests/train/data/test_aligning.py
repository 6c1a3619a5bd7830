"""Real faces through the real detector: where the crop lies, and whose face it is."""

from collections.abc import Callable

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.train.data.portraits import CROPS, SIZE, Picture, crop

from fader.runtime.faces.alignment import CELEBA_TIGHT, anchors, template_at
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.faces.tracking import Tracker
from fader.runtime.stages import crops_of
from fader.runtime.video.planes import FramePlanes
from fader.train import Prepared
from fader.train.data.aligning import align_image


def eyes_in(crop: Picture, detector: FaceDetector) -> NDArray[np.float64]:
    border = SIZE // 2
    wide = cv2.copyMakeBorder(crop, border, border, border, border, cv2.BORDER_REPLICATE)
    large = cv2.resize(wide, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    found = detector.detect(np.asarray(large, dtype=np.uint8))
    return (anchors(found[0].landmarks)[:2] + 0.5) / 4 - 0.5 - border


def test_the_eyes_come_to_lie_where_the_template_says(
    align: Callable[..., Prepared], detector: FaceDetector
) -> None:
    template = np.array(template_at(CELEBA_TIGHT, SIZE))[:2]
    for aligned in align().data.images_NHWC:
        misses = np.linalg.norm(eyes_in(np.array(aligned), detector) - template, axis=1)
        assert misses.max() < 1.5


def test_the_crop_is_the_one_that_the_runtime_cuts_out(detector: FaceDetector) -> None:
    """Up to a fraction of a pixel: the runtime searches the scene, training the image within a border."""
    size, shifts = 128, []
    template = np.array(template_at(CELEBA_TIGHT, size))
    for name in CROPS:
        picture = crop(name)
        planes = FramePlanes(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        (running,) = crops_of(planes, Tracker(detector, template, size).update(planes, 0.0), size)
        trained = align_image(picture, detector, size)
        assert not isinstance(trained, str)
        both = (trained.crop, running)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in both]
        shifts.append(cv2.phaseCorrelate(*grey)[0])
        assert np.abs(grey[0] - grey[1]).mean() < 6
    assert np.linalg.norm(shifts, axis=1).max() < 1.5
    assert np.linalg.norm(np.mean(shifts, axis=0)) < 0.5


def test_the_face_in_the_middle_is_taken(detector: FaceDetector) -> None:
    alone = crop("closer.jpg")
    both = np.concatenate([alone[:, :75], alone, alone], axis=1)
    aligned = align_image(np.ascontiguousarray(both[:, 60:240]), detector, SIZE)
    assert not isinstance(aligned, str)
    expected = align_image(alone, detector, SIZE)
    assert not isinstance(expected, str)
    assert np.abs(aligned.crop.astype(int) - expected.crop).mean() < 12


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (23, 23)])
def test_a_picture_too_small_for_a_face_has_none(shape: tuple[int, int], detector: FaceDetector) -> None:
    assert align_image(np.zeros((*shape, 3), dtype=np.uint8), detector, SIZE) == "no face"
