"""The main face of a photograph, cut out as the model's crops are: for training and for calibration."""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.alignment import anchors, fit_error, fit_similarity, warp_crop
from fader.runtime.faces.boxes import square
from fader.runtime.faces.detector import FaceDetector

__all__ = ["MAX_FIT_ERROR", "Portrait", "align_portrait"]

MAX_FIT_ERROR = 0.08
"""A face whose points miss the template by more than this share of the crop's side is turned too far away:
videos' edits have faded before (TURN_TO in tracking.py)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Portrait:
    """A face, aligned."""

    crop: NDArray[np.uint8]
    """(size, size, 3) uint8 RGB."""
    landmarks_52: NDArray[np.float32]
    """(5, 2) float32 (x, y) pixels of the crop, 0-based at pixel centres: image-left eye, image-right eye,
    nose, image-left and image-right mouth corner."""


def align_portrait(
    image: NDArray[np.uint8], detector: FaceDetector, template: NDArray[np.float64], size: int
) -> Portrait | str:
    """Return the aligned crop of an image's main face, or "no face" or "turned".

    Args:
        image: (H, W, 3) uint8 RGB; the face is at least half as high as its shorter side, and may fill it.
        detector: Finds the face.
        template: (3, 2) where eyes and mouth come to lie, pixels of the crop.
        size: Height and width of the crop.
    """
    # Training images are often cut so tightly that a detector made for whole scenes sees no head.
    border = min(image.shape[:2]) // 2
    padded = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    wide = np.asarray(padded, dtype=np.uint8)
    faces = detector.detect(wide, min_size=border)
    if not faces:
        return "no face"
    centre = np.array([wide.shape[1], wide.shape[0]]) / 2
    nearest = min(faces, key=lambda face: float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - centre)))
    # The runtime, too, reads landmarks in the box that the last stage found. In the one that the last stage
    # was given, they make crops that show 2 % less.
    (face,) = detector.refine(partial(warp_crop, wide), square(nearest.box[None]))
    points = anchors(face.landmarks)
    matrix = fit_similarity(points, template)
    if fit_error(matrix, points, template) > MAX_FIT_ERROR * size:
        return "turned"
    return Portrait(
        crop=np.rint(warp_crop(wide, matrix, size)).astype(np.uint8),
        landmarks_52=(face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32),
    )
