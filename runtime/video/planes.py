"""The planes of a decoded frame: a face's crop is read out of them, and a change is added to them, no more.

Coordinates are those of the frame as displayed, (x, y), 0-based at pixel centres; rotation is taken care of
here. Every sample keeps its own bit depth, range and subsampling; where nothing is added, no bit changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.alignment import compose, invert, warp_crop
from fader.runtime.video.colour import Colour
from fader.runtime.video.copying import copy_frame
from fader.runtime.video.formats import Component, components, with_components

__all__ = ["FramePlanes"]

MARGIN = 3
FEW = 4


@dataclass(frozen=True, slots=True)
class _Region:
    """A rectangle of a component, and the matrix from displayed coordinates to it."""

    samples: NDArray[Any]
    matrix: NDArray[np.float64]


class FramePlanes:
    """A frame whose face regions can be read, and changed in a copy."""

    def __init__(self, frame: av.VideoFrame, *, rotation: int = 0) -> None:
        """Look at the frame's planes.

        Args:
            frame: Any pixel format; one without separate samples is converted to one that loses nothing (see
                `frame`).
            rotation: Degrees counter-clockwise by which the frame is turned for display: 0, 90, 180 or 270.
        """
        self.frame = with_components(frame)
        """The frame as it was given; from the first `add` on, a changed copy with the same properties."""
        self._rotation = rotation
        self._colour = Colour.of(self.frame)
        self._writable = False
        self._components = components(self.frame)
        self._to_stored = invert(_display_matrix(self.frame.width, self.frame.height, rotation))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""
        width, height = self.frame.width, self.frame.height
        return (height, width) if self._rotation in (90, 270) else (width, height)

    def thumbnail(self, long_side: int) -> tuple[NDArray[np.uint8], float]:
        """Return a small upright picture for detection.

        Args:
            long_side: Longest side in pixels; a smaller frame keeps its size.

        Returns:
            (h, w, 3) uint8 RGB, and its scale: thumbnail pixels for each displayed pixel.
        """
        scale = min(1.0, long_side / max(self.size))
        width, height = (max(16, round(side * scale)) for side in (self.frame.width, self.frame.height))
        small = self.frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        picture = np.rot90(small.to_ndarray(), self._rotation // 90)
        return np.ascontiguousarray(picture), scale

    def glance(self, long_side: int) -> NDArray[np.float32]:
        """Return a tiny upright (h, w) float32 luma, 0 to 255, its longer side at most this long, pixels.

        Of a large frame each pixel is the mean of a few samples: far cheaper than a `thumbnail`.
        """
        scale = min(1.0, long_side / max(self.size))
        width, height = (max(1, round(side * scale)) for side in (self.frame.width, self.frame.height))
        needed = self._components[: self._colour.n_of_luma]
        luma = self._colour.to_luma([_few(component.samples, width, height) for component in needed])
        return np.ascontiguousarray(np.rot90(luma, self._rotation // 90))

    def sample(self, matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
        """Read a crop.

        Args:
            matrix: (2, 3) from displayed to crop coordinates.
            size: Height and width of the crop.

        Returns:
            (size, size, 3) float32 RGB in 0 to 255; beyond the frame's border the edge is repeated.
        """
        channels = []
        for component in self._components:
            region = self._region(component, matrix, size)
            channels.append(warp_crop(region.samples, compose(matrix, invert(region.matrix)), size))
        return self._colour.to_rgb(channels)

    def add(self, delta: NDArray[np.float32], matrix: NDArray[np.float64]) -> bool:
        """Add a change to the frame; pixels where it rounds to zero keep their value.

        Args:
            delta: (3, S, S) float32 change of RGB, in units of 0 to 255, zero at its border.
            matrix: (2, 3) from displayed to crop coordinates.

        Returns:
            Whether any sample of the frame changed.
        """
        self._make_writable()
        size, step, has_changed = delta.shape[1], self._colour.step, False
        for component, change in zip(self._components, self._colour.changes(delta), strict=True):
            region = self._region(component, matrix, size)
            height, width = region.samples.shape
            if not height or not width:
                continue
            placed = _place(change, compose(region.matrix, invert(matrix)), (width, height))
            if step > 1:
                placed = np.rint(placed / step) * step
            # Rounds, and keeps within the samples' type.
            new = cv2.add(
                region.samples, placed, dtype=cv2.CV_8U if region.samples.itemsize == 1 else cv2.CV_16U
            )
            np.minimum(new, self._colour.maximum, out=new)
            has_changed |= not np.array_equal(new, region.samples)
            region.samples[...] = new
        return has_changed

    def unchanged(self) -> "FramePlanes":
        """Return the frame once more, to be changed without this one; to be called before the first `add`."""
        return FramePlanes(self.frame, rotation=self._rotation)

    def _make_writable(self) -> None:
        if not self._writable:
            self.frame = copy_frame(self.frame)
            self._components = components(self.frame)
            self._writable = True

    def _region(self, component: Component, matrix: NDArray[np.float64], size: int) -> _Region:
        to_component = compose(component.from_luma, self._to_stored)
        (a, b, x), (c, d, y) = compose(to_component, invert(matrix)).tolist()
        height, width = component.samples.shape
        left, right = _reach(a, b, x, size, width)
        top, bottom = _reach(c, d, y, size, height)
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
        return _Region(component.samples[top:bottom, left:right], compose(shift, to_component))


def _reach(a: float, b: float, shift: float, size: int, limit: int) -> tuple[int, int]:
    """Return from where to where a crop with a margin reaches along one axis of a component."""
    # In plain numbers: this runs a dozen times for each face, where numpy is mostly overhead.
    ends = [a * u + b * v + shift for u in (-1, size) for v in (-1, size)]
    low = min(max(math.floor(min(ends)) - MARGIN, 0), limit - 1)
    return low, min(max(math.ceil(max(ends)) + MARGIN + 1, low + 1), limit)


def _few(samples: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """Return (height, width) means of `FEW` x `FEW` samples spread over each pixel."""
    chosen = cv2.resize(samples, (width * FEW, height * FEW), interpolation=cv2.INTER_NEAREST_EXACT)
    means = cv2.resize(chosen.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float32)


def _place(
    change: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Warp a change of crop size into a region; where the region is coarser, average first."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = max(1, round(1 / scale)) if scale > 0 else 1
    if shrink > 1:
        side = max(4, len(change) // shrink)
        factor = len(change) / side
        change = np.asarray(cv2.resize(change, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)
        enlarge = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2]])
        matrix = compose(matrix, enlarge)
    placed = cv2.warpAffine(change, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(placed, dtype=np.float32)


def _display_matrix(width: int, height: int, rotation: int) -> NDArray[np.float64]:
    """Return the (2, 3) matrix from stored to displayed coordinates."""
    turns: dict[int, Callable[[], list[list[float]]]] = {
        0: lambda: [[1, 0, 0], [0, 1, 0]],
        90: lambda: [[0, 1, 0], [-1, 0, width - 1]],
        180: lambda: [[-1, 0, width - 1], [0, -1, height - 1]],
        270: lambda: [[0, -1, height - 1], [1, 0, 0]],
    }
    return np.array(turns[rotation](), dtype=np.float64)
