"""A pen that draws in the coordinates of a face, whatever the picture's size and the face's pose.

Points are (K, 2) float64 (x, y) in shares of the picture's side; (0, 0) is its upper left corner. OpenCV
fills polygons; curves and strokes become polygons first, so that widths need not be whole pixels.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Colour", "Pen", "Points", "Xy", "arc", "blob", "curve", "mirrored", "mix", "stroke"]

Points = NDArray[np.float64]
Xy = tuple[float, float]
Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""
BITS = 4
"""Polygons' corners lie on sixteenths of a pixel."""
N_STEPS = 9
"""Points of a curve."""
STEPS = np.linspace(0, 1, N_STEPS)
BERNSTEIN = np.stack([(1 - STEPS) ** 2, 2 * STEPS * (1 - STEPS), STEPS**2], axis=1)
AHEAD = np.gradient(np.eye(N_STEPS), axis=0)
HALF_WIDTH = 0.5 * np.sqrt(np.sin(np.linspace(0.06, np.pi - 0.06, N_STEPS)))[:, None]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour between two: 0 is the first, 1 the other."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def curve(start: Xy, bend: Xy, end: Xy) -> Points:
    """Return a curve that leaves towards the bend and arrives from there; it comes half-way to the bend."""
    points: Points = BERNSTEIN @ np.array([start, bend, end])
    return points


def stroke(line: Points, width: float) -> Points:
    """Return the outline of a brush's stroke along a `curve`, pointed at both ends."""
    ahead = AHEAD @ line
    offset = ahead[:, ::-1] * (HALF_WIDTH * width / np.sqrt((ahead**2).sum(1, keepdims=True)))
    offset[:, 0] *= -1
    return np.concatenate([line + offset, (line - offset)[::-1]])


def arc(centre: Xy, radii: Xy, start: float, end: float, *, power: float = 2.0) -> Points:
    """Return a part of a superellipse.

    Args:
        centre: Its centre.
        radii: Horizontal and vertical.
        start: First angle in degrees; 0 is the right, 90 is below.
        end: Last angle.
        power: 2 is an ellipse; more is squarer.
    """
    unit = _unit_arc(start, end)
    return np.sign(unit) * np.abs(unit) ** (2 / power) * radii + centre


@lru_cache(maxsize=64)
def _unit_arc(start: float, end: float) -> Points:
    angle = np.radians(np.linspace(start, end, 2 + int(abs(end - start) / 9)))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def blob(centre: Xy, radii: Xy, *, power: float = 2.0) -> Points:
    """Return a whole superellipse; see `arc`."""
    return arc(centre, radii, 0, 351, power=power)


def mirrored(*shapes: Points) -> list[Points]:
    """Return the shapes and their mirror images in the face's axis, x = 0.5."""
    return [*shapes, *((1.0, 0.0) - shape * (1.0, -1.0) for shape in shapes)]


class Pen:
    """Draws on one canvas."""

    def __init__(self, canvas: NDArray[np.uint8], pose: NDArray[np.float64]) -> None:
        """Take a canvas.

        Args:
            canvas: (S, S, 3) uint8 RGB; it is drawn on.
            pose: (2, 3), from the face's coordinates to the picture's, both in shares of the side.
        """
        self.canvas = canvas
        self.pose = pose
        side = canvas.shape[0]
        # Pixel i covers i to i + 1, and OpenCV's coordinate i is its middle.
        self._linear = pose[:, :2].T * (side << BITS)
        self._offset = (pose[:, 2] * side - 0.5) * (1 << BITS)

    def fill(self, shapes: Sequence[Points], colour: Colour) -> None:
        """Fill polygons; where two of one call overlap, nothing is filled."""
        cv2.fillPoly(self.canvas, [self._corners(shape) for shape in shapes], colour, cv2.LINE_8, BITS)

    def reveal(self, shapes: Sequence[Points], behind: NDArray[np.uint8], *, opacity: float = 1.0) -> None:
        """Show another picture through holes.

        Args:
            shapes: The holes.
            behind: As large as the canvas.
            opacity: 0 leaves the canvas as it is, 1 shows the other picture alone.
        """
        corners = [self._corners(shape) for shape in shapes]
        window = self._window(np.concatenate(corners))
        mask = np.zeros(self.canvas.shape[:2], np.uint8)
        cv2.fillPoly(mask, corners, 255, cv2.LINE_8, BITS)
        shown = behind[window]
        if opacity < 1:
            shown = cv2.addWeighted(shown, opacity, self.canvas[window], 1 - opacity, 0).astype(np.uint8)
        cv2.copyTo(shown, mask[window], self.canvas[window])

    def _corners(self, shape: Points) -> NDArray[np.int32]:
        corners: NDArray[np.float64] = shape @ self._linear + self._offset
        return np.rint(corners).astype(np.int32)

    def _window(self, corners: NDArray[np.int32]) -> tuple[slice, slice]:
        (left, top), (right, bottom) = (corners.min(0) >> BITS).clip(0), (corners.max(0) >> BITS).clip(0) + 2
        return slice(top, bottom), slice(left, right)
