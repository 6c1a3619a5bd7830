"""Drawn faces: pictures whose factors are known, for tests and for measuring disentanglement exactly.

    faces = drawn_faces(1000, 64, seed=0)
    true_edit = draw_face(dataclasses.replace(faces.factors[0], eyeglasses=True), 64)

A picture depends on its factors alone, so one that differs in one factor is the true edit.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet
from fader.errors import ConfigError, DataError
from fader.image import write_image
from fader.train.data import drawn_features as features
from fader.train.data import drawn_skin as skin
from fader.train.data.drawn_factors import ATTRIBUTES, FaceFactors, labels_of, sample_factors
from fader.train.data.drawn_pen import Pen

__all__ = [
    "ATTRIBUTES",
    "LABEL_FILE",
    "DrawnFaces",
    "FaceFactors",
    "draw_face",
    "drawn_faces",
    "sample_factors",
    "write_drawn_faces",
]

LABEL_FILE = "labels.csv"
"""Name of the labels that `write_drawn_faces` writes beside the pictures."""
COLUMNS = ("image", "Eyeglasses", "Smiling", "Hair", "Age")
SIZES = (16, 1024)
OVERSAMPLING = 4
"""Shapes are drawn on a canvas so many times as wide, and averaged."""
Field = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnFaces:
    """Pictures with their labels and factors."""

    images_NHWC: NDArray[np.uint8]
    """(N, S, S, 3) uint8 RGB."""
    labels_NK: NDArray[np.float32]
    """(N, K) float32: a category's index, or where a continuous value lies in its span, 0 to 1."""
    attributes: AttributeSet
    """What the K labels are, in this order: Age, Eyeglasses, Smiling, Hair."""
    factors: tuple[FaceFactors, ...]
    """N, all that the pictures were drawn from."""


def drawn_faces(n: int, size: int, *, seed: int, correlation: float = 0.0) -> DrawnFaces:
    """Draw a set of faces; face i depends on the seed, the correlation and i alone, whatever n is.

    Args:
        n: Number of faces, at least 1.
        size: Height and width, 16 to 1024.
        seed: Of everything random, at least 0.
        correlation: Between Eyeglasses and being in the older half, from -1 to 1; see `sample_factors`.

    Raises:
        ConfigError: an argument is out of its range.
    """
    factors = sample_factors(n, seed=seed, correlation=correlation)
    return DrawnFaces(
        images_NHWC=np.stack([draw_face(face, size) for face in factors]),
        labels_NK=labels_of(factors),
        attributes=ATTRIBUTES,
        factors=tuple(factors),
    )


def write_drawn_faces(folder: Path, n: int, size: int, seed: int, *, correlation: float = 0.0) -> Path:
    """Write the faces of `drawn_faces` as files: 000000.png and so on, and their labels.

    Args:
        folder: Where; made if missing.
        n: Number of faces, at least 1.
        size: Height and width, 16 to 1024.
        seed: Of everything random, at least 0.
        correlation: As for `drawn_faces`.

    Returns:
        The label file: CSV with the columns image, Eyeglasses (0 or 1), Smiling (0 or 1), Hair (a name) and
        Age (years).

    Raises:
        ConfigError: an argument is out of its range.
        DataError: the folder or the label file cannot be written.
        MediaError: a picture cannot be written.
    """
    factors = sample_factors(n, seed=seed, correlation=correlation)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, face in enumerate(factors):
            write_image(folder / _file_name(i), draw_face(face, size))
        _write_labels(folder / LABEL_FILE, factors)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror}; choose another folder") from error
    return folder / LABEL_FILE


def _file_name(i: int) -> str:
    return f"{i:06d}.png"


def _write_labels(path: Path, factors: Sequence[FaceFactors]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, face in enumerate(factors):
            row = int(face.eyeglasses), int(face.smiling), face.hair, face.age
            writer.writerow([_file_name(i), *row])


def draw_face(face: FaceFactors, size: int) -> NDArray[np.uint8]:
    """Draw one aligned face: eyes at about (0.33, 0.40) and (0.67, 0.40) of the side, mouth at (0.5, 0.78).

    Args:
        face: Its factors; the same ones give the same picture.
        size: Height and width, 16 to 1024.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        ConfigError: the size is out of its range.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise ConfigError(f"a drawn face of {size} px: expected a size from {SIZES[0]} to {SIZES[1]}")
    pose = _pose(face)
    pen = Pen(_enlarge(_backdrop(face, size)), pose)
    features.hair_behind(pen, face)
    skin.ears_and_neck(pen, face)
    pen.reveal([skin.outline(face)], _skin(face, size, pose))
    for feature in (features.nose, features.eyes, features.brows, features.mouth, features.front_hair):
        feature(pen, face)
    if face.eyeglasses:
        features.glasses(pen, face)
    return _sensed(face, _array(cv2.resize(pen.canvas, (size, size), interpolation=cv2.INTER_AREA)))


def _pose(face: FaceFactors) -> NDArray[np.float64]:
    # OpenCV's angle is anti-clockwise; the centre lies between eyes and mouth.
    pose = np.asarray(cv2.getRotationMatrix2D((0.5, 0.53), -face.rotation, face.scale), dtype=np.float64)
    pose[:, 2] += face.shift_x, face.shift_y
    return pose


def _backdrop(face: FaceFactors, size: int) -> NDArray[np.uint8]:
    hue = 360 * face.backdrop_hue
    hsv = np.array([[(hue, 0.38, 235.0), (hue, 0.5, 150.0)]], np.float32)
    light, dark = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    share = 0.5 + 0.5 * _slope(size, face.backdrop_angle)[..., None]
    return _bytes(light + (dark - light) * share)


def _skin(face: FaceFactors, size: int, pose: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Paint what is soft at the picture's own size, and the fine lines over it on the large canvas."""
    white = np.full((size, size, 3), 255, np.uint8)
    skin.soft_shadows(Pen(white, pose), face)
    soft = cv2.GaussianBlur(white, (0, 0), 0.022 * size)
    x, y = _grid(size)
    distance = ((x - 0.5 - face.shift_x) / 0.42) ** 2 + ((y - 0.54 - face.shift_y) / 0.56) ** 2
    lit = 1.03 + 0.28 * _slope(size, face.light_angle) - 0.13 * distance
    tone = np.array(skin.tone(face), np.float32) / 255
    painted = _enlarge(_bytes(soft * tone * lit[..., None]))
    fine = np.full_like(painted, 255)
    skin.wrinkles(Pen(fine, pose), face)
    return _array(cv2.multiply(painted, fine, scale=1 / 255))


def _sensed(face: FaceFactors, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    light = 1 + 0.12 * _slope(image.shape[0], face.light_angle)
    noise = np.random.default_rng(face.noise_seed).standard_normal(image.shape, np.float32)
    return _bytes(image * light[..., None] + np.float32(face.noise) * noise)


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Field, Field]:
    """Return x and y, (size, size) each, of the pixels' middles in shares of the side."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return (x + 0.5) / size, (y + 0.5) / size


def _slope(size: int, degrees: float) -> Field:
    """Return (size, size), 0 in the middle, that rises by 1 over the picture's side towards an angle."""
    x, y = _grid(size)
    angle = np.radians(degrees)
    return (x - 0.5) * np.float32(np.cos(angle)) + (y - 0.5) * np.float32(np.sin(angle))


def _enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = image.shape[0] * OVERSAMPLING
    return _array(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR))


def _bytes(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return levels


def _array(image: cv2.typing.MatLike) -> NDArray[np.uint8]:
    return np.asarray(image, dtype=np.uint8)
