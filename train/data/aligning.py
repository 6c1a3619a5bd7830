"""Faces aligned, and other pictures cropped, by the runtime's own code where it has some."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.faces.portrait import MAX_FIT_ERROR, Portrait, align_portrait

__all__ = ["ALIGNMENT", "CROPPING", "align_image", "crop_image"]

ALIGNMENT = [3, CELEBA_TIGHT, MAX_FIT_ERROR]
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


def align_image(image: NDArray[np.uint8], detector: FaceDetector, size: int) -> Portrait | str:
    """Return the aligned crop and the landmarks of an image's main face, or "no face" or "turned".

    Args:
        image: (H, W, 3) uint8 RGB; the face is at least half as high as its shorter side, and may fill it.
        detector: Finds the face.
        size: Height and width of the crop.
    """
    return align_portrait(image, detector, np.array(template_at(CELEBA_TIGHT, size)), size)
