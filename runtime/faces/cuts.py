"""Where one scene ends and another begins: two thumbnails that have next to nothing in common.

Compared by the correlation of their luma, so that flashes, fades and exposure, which change brightness and
contrast and not what is where, are no cuts.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["THUMBNAIL", "is_cut"]

THUMBNAIL = 32
"""Longer side of the pictures compared, pixels: so small that a moving camera changes little."""
# In the clips at hand neighbours correlate by 0.93 or more and cuts by 0.68 or less.
ALIKE = 0.8
FLAT_LEVELS = 8.0
"""Two pictures that differ by less, brightness apart, are the same whatever their noise correlates."""


def is_cut(before: NDArray[Any], after: NDArray[Any]) -> bool:
    """Tell whether two neighbouring frames show different scenes.

    Args:
        before: (h, w) luma of a thumbnail, 0 to 255.
        after: Of the next frame; one of another shape is another scene.
    """
    if before.shape != after.shape:
        return True
    one, other = before - before.mean(), after - after.mean()
    if float(np.abs(one - other).mean()) < FLAT_LEVELS:
        return False
    power = float(np.sum(one * one)) * float(np.sum(other * other))
    return float(np.sum(one * other)) <= ALIKE * math.sqrt(power)
