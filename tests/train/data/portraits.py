"""Portraits, a picture without a face, and labels for them."""

import numpy as np
import skimage.data
from numpy.typing import NDArray

from fader.attributes import Attribute
from fader.train import Labels

Picture = NDArray[np.uint8]

SIZE = 48
CROPS = {
    "portrait.jpg": (150, 20, 220, False),
    "mirrored.jpg": (140, 0, 240, True),
    "close.jpg": (160, 40, 180, False),
    "closer.jpg": (170, 50, 150, False),
    "far.jpg": (120, 10, 280, True),
}
"""File name to left, top and side of a square of scikit-image's astronaut, and whether it is mirrored."""
NO_FACE = "bricks.jpg"
NAMES = [*list(CROPS)[:2], NO_FACE, *list(CROPS)[2:]]


def crop(name: str) -> Picture:
    x, y, side, mirrored = CROPS[name]
    square = skimage.data.astronaut()[y : y + side, x : x + side]
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)


def pictures() -> dict[str, Picture]:
    bricks = np.repeat(skimage.data.brick()[:200, :200, None], 3, axis=2)
    return {**{name: crop(name) for name in CROPS}, NO_FACE: np.ascontiguousarray(bricks)}


def label(names: list[str]) -> Labels:
    values = np.array([[i % 2 == 0, i % 3 == 0] for i in range(len(names))], dtype=np.float32)
    attributes = (Attribute(name="Smiling"), Attribute(name="Glasses"))
    return Labels(images=tuple(names), attributes=attributes, values_NK=values)


LABELS = label(NAMES)
