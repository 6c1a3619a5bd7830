"""Glasses drawn on aligned faces: pairs of images that differ in nothing else.

Labels tell which images have glasses, but no face is shown with and without them, and no two people wear the
same: what a decoder learns from labels alone is the blurred mean of all glasses. Drawn pairs show it one pair
of glasses to put on, sharply, and many to take off.

Shapes: M images, S their height and width in pixels.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.draws import Draws

__all__ = ["SHARE", "Glasses", "Pairs", "drawn_pairs", "plain_glasses", "various_glasses", "wear"]

SHARE = 3
"""One image in so many is paired, if it shows no glasses."""
LEAST, MOST = 0.2, 1.5
"""Slider values at which glasses are put on."""

FRAME = (-0.72, -0.77, -0.79)
"""Dark brown, in [-1, 1]."""
LENS = -0.5
"""Grey, in [-1, 1]."""
SHADOW, SHADOW_WIDTH, SHADOW_DROP = 0.16, 0.09, 0.05
"""The frame's shadow on the skin: its opacity, and width and distance in distances of the eyes."""
GLARE_WIDTH = 0.09
"""In distances of the eyes."""
TEMPLE_FROM, TEMPLE_TO = 1.0, 1.2
"""Where temples vanish, in distances of the eyes from the middle."""
GLOSS = 0.1
"""How much lighter the frame's upper edge is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Glasses:
    """M pairs of glasses, float32; lengths in distances of the eyes, colours in [-1, 1]."""

    half_width_M: Tensor
    """Of a lens."""
    half_height_M: Tensor
    """Of a lens."""
    exponent_M: Tensor
    """Of the superellipse that a lens is: 2 for ellipses, more for rounded rectangles."""
    rim_M: Tensor
    """Thickness of the frame."""
    centre_x_M: Tensor
    """Of a lens, from the middle between the eyes outwards."""
    centre_y_M: Tensor
    """Of a lens, from the eyes downwards."""
    tilt_M: Tensor
    """Radians, clockwise."""
    shift_M2: Tensor
    """Right and down."""
    frame_M3: Tensor
    """RGB."""
    lens_M3: Tensor
    """RGB of the tint."""
    tint_M: Tensor
    """Opacity of the lenses, 0 to 1."""
    glare_M: Tensor
    """Opacity of the reflection on the lenses, 0 to 1."""

    def of(self, rows: Tensor) -> "Glasses":
        """Return some of them, by index."""
        return Glasses(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def exaggerated(self, slider_M: Tensor) -> "Glasses":
        """Return them with thicker frames and darker lenses where the slider, (M,), is above 1."""
        beyond_M = (slider_M - 1).clamp(min=0)
        return replace(
            self, rim_M=self.rim_M * (1 + 1.2 * beyond_M), tint_M=(self.tint_M + 0.4 * beyond_M).clamp(max=1)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """M faces without glasses, and what they would look like with them."""

    rows_M: Tensor
    """(M,) int64: which images of the batch they are."""
    various_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: each with glasses of its own, to be taken off."""
    slider_M: Tensor
    """(M,) float32, 0.2 to 1.5: a slider value for each."""
    plain_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: each with the plain glasses, as that slider value puts them on."""


def drawn_pairs(images_NCHW: Tensor, bare_N: Tensor, draws: Draws) -> Pairs:
    """Draw glasses on some of the faces without.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        bare_N: (N,) bool, which have no glasses.
        draws: Source of randomness.
    """
    # By place in the whole batch, so that several processes pair the images that one would.
    places_N = torch.arange(draws.total, device=bare_N.device)[draws.rows]
    rows_M = (bare_N & (places_N % SHARE == 0)).nonzero()[:, 0]
    images_MCHW = images_NCHW[rows_M]
    slider_M = LEAST + (MOST - LEAST) * draws.uniform()[rows_M]
    plain = plain_glasses(len(rows_M), images_NCHW.device).exaggerated(slider_M)
    opacity_M111 = slider_M.clamp(max=1)[:, None, None, None]
    return Pairs(
        rows_M=rows_M,
        various_MCHW=wear(images_MCHW, various_glasses(draws).of(rows_M)),
        slider_M=slider_M,
        plain_MCHW=torch.lerp(images_MCHW, wear(images_MCHW, plain), opacity_M111),
    )


def plain_glasses(m: int, device: torch.device | str = "cpu") -> Glasses:
    """Return M times the same: a dark full rim, lenses that are all but clear."""

    def same(value: float) -> Tensor:
        return torch.full((m,), value, device=device)

    return Glasses(
        half_width_M=same(0.42),
        half_height_M=same(0.32),
        exponent_M=same(2.8),
        rim_M=same(0.065),
        centre_x_M=same(0.55),
        centre_y_M=same(0.09),
        tilt_M=same(0.0),
        shift_M2=torch.zeros(m, 2, device=device),
        frame_M3=torch.stack([same(level) for level in FRAME], dim=1),
        lens_M3=torch.full((m, 3), LENS, device=device),
        tint_M=same(0.08),
        glare_M=same(0.07),
    )


def various_glasses(draws: Draws) -> Glasses:
    """Return glasses of many sizes, shapes and colours, one for each of this process's images."""
    random = draws.uniform(14)

    def between(i: int, low: float, high: float) -> Tensor:
        return low + (high - low) * random[:, i]

    dark = between(8, -1, 0.3)[:, None] * torch.ones(3, device=random.device)
    tinted = draws.uniform(3) - 0.6
    sunglasses = random[:, 9] < 0.3
    return Glasses(
        half_width_M=between(0, 0.36, 0.48),
        half_height_M=between(1, 0.22, 0.42),
        exponent_M=between(2, 2, 5),
        rim_M=between(3, 0.02, 0.1),
        centre_x_M=between(4, 0.5, 0.6),
        centre_y_M=between(5, 0.0, 0.18),
        tilt_M=between(6, -0.04, 0.04),
        shift_M2=0.06 * (draws.uniform(2) - 0.5),
        frame_M3=torch.where(random[:, 7:8] < 0.85, dark, tinted).clamp(-1, 1),
        lens_M3=between(10, -1, -0.5)[:, None].expand(-1, 3),
        tint_M=torch.where(sunglasses, between(11, 0.6, 0.97), between(11, 0, 0.25)),
        glare_M=between(12, 0, 0.35) * (random[:, 13] < 0.5),
    )


def wear(images_MCHW: Tensor, glasses: Glasses) -> Tensor:
    """Return (M, 3, S, S) images in [-1, 1] of the same faces with glasses on.

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        glasses: One pair an image.
    """
    size = images_MCHW.shape[-1]
    (left_x, eyes_y), (right_x, _) = template_at(CELEBA_TIGHT, size)[:2]
    unit = float(right_x - left_x)
    axis = torch.arange(size, device=images_MCHW.device, dtype=torch.float32)
    x = (axis[None, None, :] - float(left_x + right_x) / 2) / unit - _each(glasses.shift_M2[:, 0])
    y = (axis[None, :, None] - float(eyes_y)) / unit - _each(glasses.shift_M2[:, 1])
    sine, cosine = _each(glasses.tilt_M).sin(), _each(glasses.tilt_M).cos()
    x, y = x * cosine + y * sine, y * cosine - x * sine
    parts = _parts(x, y, glasses, 1 / unit)
    white_M3 = torch.ones_like(glasses.frame_M3)
    worn = _laid(images_MCHW, parts.shadow * SHADOW, -white_M3)
    worn = _laid(worn, parts.lenses * _each(glasses.tint_M), glasses.lens_M3)
    worn = _laid(worn, parts.lenses * parts.glare * _each(glasses.glare_M), white_M3)
    worn = _laid(worn, parts.frame, glasses.frame_M3)
    return _laid(worn, parts.frame * parts.gloss * GLOSS, white_M3)


class _Parts(NamedTuple):
    """What covers each pixel, (M, S, S) in 0 to 1."""

    lenses: Tensor
    frame: Tensor
    shadow: Tensor
    glare: Tensor
    """A streak across each lens."""
    gloss: Tensor
    """The middle of the rims' upper halves."""


def _parts(x: Tensor, y: Tensor, glasses: Glasses, pixel: float) -> _Parts:
    half_width, half_height = _each(glasses.half_width_M), _each(glasses.half_height_M)
    rim, exponent = _each(glasses.rim_M), _each(glasses.exponent_M)
    centre_x = _each(glasses.centre_x_M)
    # Both sides are mirror images, but for what they reflect.
    out = x.abs()
    u, v = out - centre_x, y - _each(glasses.centre_y_M)
    # Frames are heavier above the eyes than under them.
    thick = rim * (1 - 0.35 * (v / half_height).clamp(-1, 1))
    edge = _distance(u, v, half_width, half_height, exponent)
    ring = _within(edge - thick / 2, pixel) - _within(edge + thick / 2, pixel)
    inner = centre_x - half_width
    arch = v + half_height * 0.3 + 0.06 * (1 - (out / inner.clamp(min=0.03)) ** 2)
    bridge = _within(torch.maximum(arch.abs() - 0.45 * rim, out - inner), pixel)
    arm = v + half_height * 0.45 + 0.05 * (u - half_width)
    temple = _within(torch.maximum(arm.abs() - 0.5 * rim, 0.85 * half_width - u), pixel) * _fading(out)
    outside = _within(-edge, pixel)
    below = _distance(u, v - SHADOW_DROP, half_width, half_height, exponent)
    streak = x - centre_x * x.sign() + 0.8 * (v - 0.05)
    return _Parts(
        lenses=_within(edge, pixel),
        frame=torch.maximum(ring, torch.maximum(bridge, temple * outside)),
        shadow=torch.exp(-((below / SHADOW_WIDTH) ** 2)),
        glare=torch.exp(-((streak / GLARE_WIDTH) ** 2)),
        gloss=_within(edge.abs() - thick / 6, pixel) * (v < 0),
    )


def _distance(u: Tensor, v: Tensor, half_width: Tensor, half_height: Tensor, exponent: Tensor) -> Tensor:
    """Return the distance to a superellipse, to first order, negative inside."""
    a, b = (u / half_width).abs().clamp(min=1e-3), (v / half_height).abs().clamp(min=1e-3)
    level = (a**exponent + b**exponent) ** (1 / exponent)
    slope = level ** (1 - exponent) * torch.hypot(
        a ** (exponent - 1) / half_width, b ** (exponent - 1) / half_height
    )
    return (level - 1) / slope


def _within(distance: Tensor, pixel: float) -> Tensor:
    """Return how much of each pixel is covered, 0 to 1."""
    return (0.5 - distance / pixel).clamp(0, 1)


def _fading(x: Tensor) -> Tensor:
    """Return 1 to 0 where temples vanish along the head."""
    return ((TEMPLE_TO - x) / (TEMPLE_TO - TEMPLE_FROM)).clamp(0, 1)


def _laid(images_MCHW: Tensor, opacity_MHW: Tensor, colour_M3: Tensor) -> Tensor:
    return torch.lerp(images_MCHW, colour_M3[:, :, None, None], opacity_MHW[:, None])


def _each(values_M: Tensor) -> Tensor:
    return values_M[:, None, None]
