"""Images as arrays: files, the networks' value range, and sheets of several images for people to look at."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError, DataError, MediaError
from fader.workfile import WorkFile

__all__ = [
    "IMAGE_SUFFIXES",
    "decode_image",
    "decode_rgb",
    "from_model",
    "read_image",
    "sheet",
    "swap_red_blue",
    "to_model",
    "write_image",
]

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File name endings, in lower case, that are read and written as still images."""
JPEG = frozenset({".jpg", ".jpeg"})
JPEG_QUALITY = 95
DEEP = frozenset({".png", ".tif", ".tiff"})
"""Formats that are written with 16 bits."""
NOTED = JPEG | {".png", ".webp"}
"""Formats that are written with a note."""


def to_model(images_NHWC: NDArray[Any]) -> NDArray[np.float32]:
    """Bring images to the networks' form.

    Args:
        images_NHWC: (N, H, W, 3) RGB, uint8, or float in 0..255.

    Returns:
        (N, 3, H, W) float32 in [-1, 1], contiguous.
    """
    images_NCHW = np.moveaxis(images_NHWC, 3, 1).astype(np.float32, order="C")
    images_NCHW *= np.float32(2 / 255)
    images_NCHW -= 1
    return images_NCHW


def from_model(images_NCHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bring the networks' images to (N, H, W, 3) uint8 RGB; values beyond [-1, 1] are clipped."""
    scaled = images_NCHW + np.float32(1)
    scaled *= np.float32(127.5)
    levels_NCHW = np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)
    n, channels, height, width = levels_NCHW.shape
    levels_NHWC = np.empty((n, height, width, channels), np.uint8)
    for planes, image in zip(levels_NCHW, levels_NHWC, strict=True):
        cv2.merge(list(planes), image)  # three times as fast as NumPy's copy
    return levels_NHWC


def decode_image(content: bytes, *, name: str) -> NDArray[Any]:
    """Decode an image file's bytes.

    Args:
        content: The file.
        name: Its name; JPEG is turned upright by its EXIF orientation.

    Returns:
        (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16; gray is repeated over the channels.

    Raises:
        DataError: the bytes are not an image that can be edited.
    """
    # OpenCV applies the orientation only when it may drop alpha and depth, which JPEG does not have.
    flags = cv2.IMREAD_COLOR if name.lower().endswith(tuple(JPEG)) else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:  # more pixels than OpenCV is willing to read
        pixels = None
    if pixels is None:
        raise DataError(f"cannot read {name} as an image: expected a whole JPEG, PNG, WebP, TIFF or BMP file")
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2] not in (3, 4):
        raise DataError(
            f"{name} has {pixels.shape[2]} channels of {pixels.dtype}: expected 8 or 16 bits, RGB or RGBA"
        )
    return swap_red_blue(pixels)


def decode_rgb(content: bytes, *, name: str) -> NDArray[np.uint8]:
    """Decode an image file's bytes to (H, W, 3) uint8 RGB; arguments and errors as for `decode_image`."""
    image = decode_image(content, name=name)[:, :, :3]
    return np.ascontiguousarray(image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8))


def read_image(path: Path) -> NDArray[Any]:
    """Read an image file in its own depth.

    Returns:
        As `decode_image`.

    Raises:
        MediaError: the file is missing or not an image.
    """
    try:
        return decode_image(path.read_bytes(), name=str(path))
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}") from error
    except DataError as error:
        raise MediaError(str(error)) from error


def write_image(path: Path, image: NDArray[Any], *, note: str | None = None) -> None:
    """Write an image, beside the target first and renamed when whole; the suffix chooses the format.

    Args:
        path: Target; its folder must exist. JPEG is written at quality 95, without alpha.
        image: (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16; formats of 8 bits take the upper ones.
        note: ASCII text for the EXIF image description; TIFF and BMP do not hold it.

    Raises:
        ConfigError: the suffix is not an image format's.
        MediaError: the target cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise ConfigError(
            f"cannot write {path}: expected a name ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    if suffix in JPEG:
        image = image[:, :, :3]
    if image.dtype == np.uint16 and suffix not in DEEP:
        image = (image >> 8).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in JPEG else []
    pixels = swap_red_blue(np.ascontiguousarray(image))
    try:
        if note is not None and suffix in NOTED:
            kinds, notes = [cv2.IMAGE_METADATA_EXIF], [np.frombuffer(_exif(note), np.uint8)]
            whole, content = cv2.imencodeWithMetadata(suffix, pixels, kinds, notes, options)
        else:
            whole, content = cv2.imencode(suffix, pixels, options)
    except cv2.error:  # more pixels than the format holds
        whole = False
    if not whole:
        raise MediaError(f"cannot encode {path} as {suffix}: choose .png")
    try:
        work = WorkFile.beside(path)
        try:
            work.path.write_bytes(content.tobytes())
            work.publish(path)
        finally:
            work.discard()
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error


def _exif(note: str) -> bytes:
    """Return an EXIF block whose only field is the image description.

    Source: Exif 2.3, section 4.6.2, tag 0x010E.
    """
    text = note.encode("ascii", "backslashreplace") + b"\0"
    # header, one entry of type ASCII whose value lies behind the table, no next table
    return struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x010E, 2, len(text), 26, 0) + text


def swap_red_blue(image: NDArray[Any]) -> NDArray[Any]:
    """Turn RGB or RGBA into OpenCV's order of channels, or back."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]], *, gap: int = 2) -> NDArray[np.uint8]:
    """Lay images out in rows and columns on white.

    Args:
        rows: Rows of (H, W, 3) uint8 RGB images, all of one size; rows may differ in length.
        gap: White pixels between images.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    height, width = rows[0][0].shape[:2]
    n_columns = max(len(row) for row in rows)
    canvas = np.full(
        (len(rows) * (height + gap) - gap, n_columns * (width + gap) - gap, 3), 255, dtype=np.uint8
    )
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = image
    return canvas
