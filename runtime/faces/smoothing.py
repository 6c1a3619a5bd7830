"""Steady alignment: the One Euro filter on a similarity's scale, angle and centre.

Source: Casiez, Roussel, Vogel 2012, "1 Euro Filter".
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.alignment import invert

__all__ = ["OneEuro", "SimilarityFilter", "matrix_of", "pose_of"]

DERIVATIVE_HZ = 1.0


@dataclass(kw_only=True, slots=True)
class OneEuro:
    """A low-pass whose cut-off rises with the speed of the signal: steady at rest, prompt in motion."""

    min_hz: float
    """Cut-off at rest."""
    beta: float
    """Hz of cut-off for each unit per second of speed."""
    value: float | None = None
    """Last output; None before the first."""
    speed: float = 0.0
    """Smoothed derivative, units per second."""

    def __call__(self, value: float, dt_s: float, *, unit: float = 1.0) -> float:
        """Filter one value.

        Args:
            value: New measurement.
            dt_s: Seconds since the last one; 0 or less replaces nothing.
            unit: What counts as 1 when the speed opens the filter.
        """
        if self.value is None:
            self.value = value
        elif dt_s > 0:
            speed = (value - self.value) / dt_s
            self.speed += _alpha(DERIVATIVE_HZ, dt_s) * (speed - self.speed)
            self.value += _alpha(self.min_hz + self.beta * abs(self.speed) / unit, dt_s) * (
                value - self.value
            )
        return self.value


def _alpha(cutoff_hz: float, dt_s: float) -> float:
    tau = 1 / (2 * math.pi * cutoff_hz)
    return 1 / (1 + tau / dt_s)


class SimilarityFilter:
    """Smooths frame-to-crop similarities of one face over time."""

    def __init__(self, size: int) -> None:
        """Start without history.

        Args:
            size: Height and width of the crop, pixels.
        """
        self._size = size
        # Units: octaves, radians, and crop sides, so that one setting serves faces of every size.
        self._scale = OneEuro(min_hz=0.6, beta=2.0)
        self._angle = OneEuro(min_hz=0.6, beta=2.0)
        self._x = OneEuro(min_hz=1.2, beta=6.0)
        self._y = OneEuro(min_hz=1.2, beta=6.0)

    @property
    def state(self) -> list[float]:
        """Value and speed of each of the four filters; NaN for a value before the first call."""
        return [
            number
            for part in self._parts()
            for number in (math.nan if part.value is None else float(part.value), float(part.speed))
        ]

    @state.setter
    def state(self, numbers: list[float]) -> None:
        for part, value, speed in zip(self._parts(), numbers[::2], numbers[1::2], strict=True):
            part.value, part.speed = None if math.isnan(value) else value, speed

    def __call__(self, matrix: NDArray[np.float64], dt_s: float) -> NDArray[np.float64]:
        """Return the smoothed (2, 3) matrix.

        Args:
            matrix: (2, 3) similarity from frame to crop.
            dt_s: Seconds since the last call.
        """
        octaves, angle, x, y = pose_of(matrix, self._size).tolist()
        if self._angle.value is not None:
            angle = self._angle.value + math.remainder(angle - self._angle.value, 2 * math.pi)
        octaves, angle = self._scale(octaves, dt_s), self._angle(angle, dt_s)
        side = 2**octaves
        x, y = self._x(x, dt_s, unit=side), self._y(y, dt_s, unit=side)
        return matrix_of(np.array([octaves, angle, x, y]), self._size)

    def _parts(self) -> tuple[OneEuro, ...]:
        return self._scale, self._angle, self._x, self._y


def pose_of(matrix: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the (4,) pose of a crop in the frame, which can be smoothed: see `matrix_of`."""
    back = invert(matrix)
    side = math.hypot(back[0, 0], back[1, 0]) * size
    x, y = back[:, :2] @ np.full(2, (size - 1) / 2) + back[:, 2]
    return np.array([math.log2(side), math.atan2(back[1, 0], back[0, 0]), x, y])


def matrix_of(pose: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the (2, 3) similarity from frame to crop.

    Args:
        pose: (4,) octaves (the binary logarithm of the crop's side in pixels of the frame), angle in radians,
            and the x and y of its centre in the frame, pixels.
        size: Height and width of the crop.
    """
    octaves, angle, x, y = pose.tolist()
    step = 2**octaves / size
    linear = step * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return invert(np.column_stack([linear, np.array([x, y]) - linear @ np.full(2, (size - 1) / 2)]))
