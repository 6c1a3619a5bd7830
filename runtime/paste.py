"""What an edit changes: the difference of two renderings, kept to the face and freed of noise.

Only this difference goes back into the frame, so pores, grain and resolution of the original stay, and a
slider that stays where it is changes nothing.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["delta", "face_mask"]

SQUARENESS = 5
FADE_FROM, FADE_TO = 0.80, 0.95
NOISE_LOW, NOISE_HIGH = 1.5, 6.0


def delta(
    edited: NDArray[np.float32], source: NDArray[np.float32], *, strength: float = 1.0
) -> NDArray[np.float32]:
    """Return what to add to the frame.

    Args:
        edited: (3, S, S) rendering with the wanted values, in [-1, 1].
        source: (3, S, S) rendering with the source's values, in [-1, 1].
        strength: 0 to 1; faces that turn away fade.

    Returns:
        (S, S, 3) float32 change of RGB in units of 0 to 255; zero at the border and where the renderings
        hardly differ.
    """
    change = np.moveaxis((edited - source) * np.float32(127.5), 0, 2)
    size = change.shape[0]
    gate = _smoothstep(np.abs(change).max(axis=2), NOISE_LOW, NOISE_HIGH)
    return np.ascontiguousarray(change * (gate * face_mask(size) * np.float32(strength))[..., None])


@lru_cache(maxsize=8)
def face_mask(size: int) -> NDArray[np.float32]:
    """Return the (size, size) float32 mask of a crop: 1 inside, fading to 0 before the border."""
    axis = np.abs((np.arange(size) + 0.5) * 2 / size - 1)
    radius = (axis[:, None] ** SQUARENESS + axis[None, :] ** SQUARENESS) ** (1 / SQUARENESS)
    mask = 1 - _smoothstep(radius, FADE_FROM, min(FADE_TO, 1 - 1 / size))
    mask.flags.writeable = False
    return mask


def _smoothstep(x: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
