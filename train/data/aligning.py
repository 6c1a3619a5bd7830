"""Faces aligned, and other pictures cropped, by the runtime's own code where it has some."""

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.alignment import (
    CELEBA_TIGHT,
    anchors,
    fit_error,
    fit_similarity,
    template_at,
    warp_crop,
)
from fader.runtime.faces.boxes import square
from fader.runtime.faces.detector import FaceDetector

__all__ = ["ALIGNMENT", "CROPPING", "align_image", "crop_image"]

MAX_FIT_ERROR = 0.04
"""A face whose points miss the template by more than this share of the crop's side is turned too far away."""
ALIGNMENT = [2, CELEBA_TIGHT, MAX_FIT_ERROR]
"""What aligned faces depend on, for the cache; the number goes up when one would be aligned differently."""
CROPPING = ["middle square", 1]
"""The same for pictures that are not aligned."""


def crop_image(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the square in the middle of an image, at another size.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: Height and width of the crop.
    """
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    middle = image[top : top + side, left : left + side]
    # Each pixel of a smaller picture is the mean of those it covers: anything less shimmers.
    how = cv2.INTER_AREA if size < side else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(middle, (size, size), interpolation=how), dtype=np.uint8)


def align_image(image: NDArray[np.uint8], detector: FaceDetector, size: int) -> NDArray[np.uint8] | str:
    """Return the aligned crop of an image's main face, or "no face" or "turned".

    Args:
        image: (H, W, 3) uint8 RGB; the face is at least half as high as its shorter side, and may fill it.
        detector: Finds the face.
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
    points, template = anchors(face.landmarks), np.array(template_at(CELEBA_TIGHT, size))
    matrix = fit_similarity(points, template)
    if fit_error(matrix, points, template) > MAX_FIT_ERROR * size:
        return "turned"
    return np.rint(warp_crop(wide, matrix, size)).astype(np.uint8)
