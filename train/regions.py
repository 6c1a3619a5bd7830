"""Parts of aligned faces, as weights from 0 to 1 that end softly.

Shapes: M images, s their height and width in pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.augment import luma

__all__ = ["beard", "behind_glasses", "inside_face", "mouth", "rising"]

REACH, SOFT = 1.25, 0.35
"""Where regions end, and over what they fade: in their half axes."""
NARROWED = 0.6
"""Share of its half width by which a face's far side is narrower in profile."""
MOUTH = (0.8, 0.55)
"""Half axes, in distances between the eyes, of what a mouth that opens or closes changes."""
BEARD, CHIN = (1.15, 0.8), 0.12
"""Half axes of where beards grow, and how far their middle is below the mouth."""
GLASSES, LOWER = (1.0, 0.5), 0.08
"""Half axes of what glasses cover, and how far their middle is below the eyes."""
EYE = (0.28, 0.15)
"""Half axes of an eye, which is seen through clear lenses."""
DARK, CLEAR = 0.6, 0.75
"""Of the ratio of two ratios: how bright eyes are beside the rest of the face, and how bright those of alike
bare faces are beside theirs. Up to the first, lenses are dark; from the second on, clear."""


def rising(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Return 0 up to `low`, 1 from `high` on, and smoothly more between."""
    share = ((value - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def inside_face(size: int, yaws_M: Tensor) -> Tensor:
    """Return (M, 1, s, s), 1 on faces that turn by so many radians."""
    (left_x, eyes_y), (right_x, _), (_, mouth_y) = template_at(CELEBA_TIGHT, size)
    axis = torch.arange(size, dtype=torch.float32)
    half_width = 1.1 * float(right_x - left_x)
    half_height = 1.2 * float(mouth_y - eyes_y)
    x = (axis - float(left_x + right_x) / 2) / half_width
    turned = yaws_M[:, None, None].sin()
    x = torch.where(x * turned > 0, x / (1 - NARROWED * turned.abs()), x)
    y = (axis[:, None] - float(eyes_y) - 0.57 * float(mouth_y - eyes_y)) / half_height
    return _within(torch.hypot(x, y))[:, None]


def mouth(size: int) -> Tensor:
    """Return (s, s), 1 on mouths and around them."""
    _, _, (x, y) = template_at(CELEBA_TIGHT, size)
    return _within(torch.hypot(*_apart(size, (float(x), float(y)), MOUTH)))


def beard(size: int) -> Tensor:
    """Return (s, s), 1 where beards grow."""
    (left_x, _), (right_x, _), (x, y) = template_at(CELEBA_TIGHT, size)
    chin = float(y) + CHIN * float(right_x - left_x)
    return _within(torch.hypot(*_apart(size, (float(x), chin), BEARD)))


def behind_glasses(images_MCHW: Tensor, bare_MCHW: Tensor) -> Tensor:
    """Return where glasses hide a face: around the eyes, and behind dark lenses the eyes as well.

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1], aligned faces that wear glasses.
        bare_MCHW: (M, 3, s, s) in [-1, 1], averages of alike faces without any.

    Returns:
        (M, 1, s, s).
    """
    size = bare_MCHW.shape[-1]
    small_MCHW = functional.interpolate(images_MCHW, size=size, mode="bilinear", antialias=True)
    left, right, _ = ((float(x), float(y)) for x, y in template_at(CELEBA_TIGHT, size))
    middle = (left[0] + right[0]) / 2, left[1] + LOWER * (right[0] - left[0])
    x, y = _apart(size, middle, GLASSES)
    hidden = _within((x.abs() ** 3 + y.abs() ** 3) ** (1 / 3))
    eyes = sum((_within(torch.hypot(*_apart(size, eye, EYE))) for eye in (left, right)), torch.zeros(()))
    beside = inside_face(size, torch.zeros(1))[0, 0] * (1 - hidden)

    def eyes_beside_face(pictures_MCHW: Tensor) -> Tensor:
        light_MHW = (luma(pictures_MCHW)[:, 0] + 1) / 2
        eyes_M, rest_M = ((light_MHW * part).sum(dim=(1, 2)) / part.sum() for part in (eyes, beside))
        return eyes_M / rest_M.clamp(min=0.03)

    clear_M = rising(eyes_beside_face(small_MCHW) / eyes_beside_face(bare_MCHW).clamp(min=0.03), DARK, CLEAR)
    return (hidden * (1 - clear_M[:, None, None] * eyes))[:, None]


def _apart(size: int, centre: tuple[float, float], half_axes: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return how far columns and rows are from a point, in half axes that are given in distances of eyes."""
    (left_x, _), (right_x, _), _ = template_at(CELEBA_TIGHT, size)
    unit, axis = float(right_x - left_x), torch.arange(size, dtype=torch.float32)
    x, y = ((axis - at) / (half * unit) for at, half in zip(centre, half_axes, strict=True))
    return x.expand(size, size), y[:, None].expand(size, size)


def _within(distance: Tensor) -> Tensor:
    return rising(REACH - distance, 0, SOFT)
