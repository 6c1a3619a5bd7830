"""Faces to calibrate int8 graphs on, and others to compare them by, out of people's photographs."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.errors import DataError
from fader.image import IMAGE_SUFFIXES, decode_rgb
from fader.image_source import ImageSource
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.faces.portrait import align_portrait

__all__ = ["MAX_FACES", "MIN_FACES", "Faces", "read_faces"]

MIN_FACES, MAX_FACES = 16, 192
"""Faces that are wanted, and that are taken at most."""
HELD_OUT = 3
"""One face of so many is compared instead of calibrated on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Faces:
    """Aligned faces."""

    calibration_NSS3: NDArray[np.uint8]
    """(N, S, S, 3) uint8 RGB."""
    test_NSS3: NDArray[np.uint8]
    """The same, of other photographs."""
    n_photographs: int
    """Photographs that were looked at, those without a face that can be used among them."""


def read_faces(photos: Path, detector: FaceDetector, template: NDArray[np.float64], size: int) -> Faces:
    """Find and align the main face of each photograph, until there are MAX_FACES.

    Args:
        photos: Folder, with folders in it or without, or zip archive. The order is by a digest of the names:
            the same everywhere, and not one person or event after the other.
        detector: The bundle's.
        template: (3, 2) alignment template, pixels of the crop.
        size: Height and width of the crops.

    Raises:
        DataError: it is neither a folder nor an archive, or has too few faces.
    """
    crops: list[NDArray[np.uint8]] = []
    n_photographs = 0
    for image in _photographs(ImageSource(photos)):
        n_photographs += 1
        portrait = "unreadable" if image is None else align_portrait(image, detector, template, size)
        if not isinstance(portrait, str):
            crops.append(portrait.crop)
        if len(crops) == MAX_FACES:
            break
    if len(crops) < MIN_FACES:
        raise DataError(
            f"found {len(crops)} faces in the {n_photographs} photographs of {photos}, expected {MIN_FACES} "
            "or more to calibrate int8 on, upright and half as high as their picture or higher: add some"
        )
    held_out = np.arange(len(crops)) % HELD_OUT == HELD_OUT - 1
    faces = np.stack(crops)
    return Faces(calibration_NSS3=faces[~held_out], test_NSS3=faces[held_out], n_photographs=n_photographs)


def _photographs(source: ImageSource) -> Iterator[NDArray[np.uint8] | None]:
    """Yield (H, W, 3) uint8 RGB images, None for a file that cannot be read."""
    names = [name for name in source.names() if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
        try:
            image = decode_rgb(source.read(name), name=name)
        except DataError:
            image = None
        yield image
