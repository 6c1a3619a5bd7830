"""What an edit changes: what a rendering differs in from the face as it is, freed of noise.

Only this difference goes back into the frame, so pores, grain and resolution of the original stay, and a
slider that stays where it is changes nothing. Where the decoder draws the face as it is anew, what it could
not draw of it, such as the frame of real glasses, would stay as well where the edit takes it away: where the
drawings differ much, what is missing from the drawing by much is taken out of the frame.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.image import to_model

__all__ = ["delta", "face_mask"]

LEVELS = 127.5
"""Of 255, in a change by 1 of what renderings hold, -1 to 1."""
SQUARENESS = 5
FADE_FROM, FADE_TO = 0.80, 0.95
NOISE = 1.5, 6.0
"""Levels of 255: differences of drawings that are noise, and that are none."""
BLENDING = 0.5, 2.0
"""The same of a drawing from the crop that it was blended into."""
EDIT_LOW, EDIT_HIGH = 12.0, 40.0
"""Differences of drawings under which the original stays, and which replace it."""
REST_LOW, REST_HIGH = 16.0, 48.0
"""Differences of the original and its drawing that are skin detail, and that are things."""
REACH = 0.055
"""How far around a strong difference the original is replaced, as a share of the crop: a drawn frame of
glasses seldom lies exactly on the real one."""


def delta(
    edited: NDArray[np.float32],
    source: NDArray[np.float32],
    crop: NDArray[np.uint8] | None,
    *,
    strength: float = 1.0,
) -> NDArray[np.float32]:
    """Return what to add to the frame.

    Args:
        edited: (3, S, S) rendering with the wanted values, in [-1, 1].
        source: (3, S, S) rendering with the source's values, in [-1, 1].
        crop: (S, S, 3) uint8 RGB that is to look as `edited`; None where `source` is the crop itself.
        strength: 0 to 1; faces that turn away fade.

    Returns:
        (3, S, S) float32 change of RGB in units of 0 to 255; zero at the border and where the renderings
        hardly differ.
    """
    change_CHW = edited - source
    size, differs = len(change_CHW[0]), _largest(change_CHW)
    gate = _smoothstep(differs, *(BLENDING if crop is None else NOISE))
    if crop is not None and differs.max() > EDIT_LOW:
        replaced = _smoothstep(_around(differs), EDIT_LOW, EDIT_HIGH)
        rest_CHW = to_model(crop[None])[0] - source
        thing = _smoothstep(_largest(rest_CHW), REST_LOW, REST_HIGH)
        rest_CHW *= replaced * thing
        change_CHW -= rest_CHW
        gate = np.maximum(gate, replaced)
    change_CHW *= gate * face_mask(size) * np.float32(LEVELS * strength)
    return np.asarray(change_CHW, dtype=np.float32)


def _largest(change_CHW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest absolute change of each pixel, in levels of 255."""
    red, green, blue = np.abs(change_CHW)
    largest = np.maximum(np.maximum(red, green), blue)
    largest *= np.float32(LEVELS)
    return np.asarray(largest, dtype=np.float32)


def _around(differs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest difference near each pixel, softened."""
    side = 2 * round(REACH * len(differs) / 2) + 1
    near = cv2.dilate(np.ascontiguousarray(differs), np.ones((side, side), np.uint8))
    return np.asarray(cv2.GaussianBlur(near, (0, 0), side / 2), dtype=np.float32)


@lru_cache(maxsize=8)
def face_mask(size: int) -> NDArray[np.float32]:
    """Return the (size, size) float32 mask of a crop: 1 inside, fading to 0 before the border."""
    axis = np.abs((np.arange(size) + 0.5) * 2 / size - 1)
    radius = (axis[:, None] ** SQUARENESS + axis[None, :] ** SQUARENESS) ** (1 / SQUARENESS)
    mask = 1 - _smoothstep(radius, FADE_FROM, min(FADE_TO, 1 - 1 / size))
    mask.flags.writeable = False
    return mask


def _smoothstep(x: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    t = (x - low) / (high - low)
    np.minimum(np.maximum(t, 0, out=t), 1, out=t)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
