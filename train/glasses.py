"""Glasses drawn on aligned faces: pairs of images that differ in nothing else.

Labels tell which images have glasses, but no face is shown with and without them, and no two people wear the
same: what a decoder learns from labels alone is the blurred mean of all glasses. Drawn pairs show it one pair
of glasses to put on, sharply, and many to take off.

Shapes: M images, S their height and width in pixels.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.draws import Draws

__all__ = ["Glasses", "Pairs", "drawn_pairs", "plain_glasses", "various_glasses", "wear"]

SHARE = 4
"""One image in so many is paired, at most."""
LEAST, MOST = 0.2, 1.5
"""Slider values at which glasses are put on."""

FRAME = (-0.72, -0.77, -0.79)
"""Dark brown, in [-1, 1]."""
SHADOW, SHADOW_WIDTH, SHADOW_DROP = 0.16, 0.09, 0.05
"""The frame's shadow on the skin: its opacity, and width and distance in distances of the eyes."""
TEMPLE_FROM, TEMPLE_TO = 1.0, 1.2
"""Where temples vanish, in distances of the eyes from the middle."""
GLOSS = 0.1
"""How much lighter the frame's upper edge is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Glasses:
    """M pairs of glasses; lengths in distances of the eyes, colours in [-1, 1]."""

    half_width_M: Tensor
    """Of a lens."""
    half_height_M: Tensor
    """Of a lens."""
    squareness_M: Tensor
    """2 for ellipses; more for rounded rectangles."""
    rim_M: Tensor
    """Thickness of the frame."""
    apart_M: Tensor
    """Of a lens's middle from the middle between the eyes."""
    drop_M: Tensor
    """Of a lens's middle under the eyes."""
    tilt_M: Tensor
    """Radians."""
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

    def exaggerated(self, strength_M: Tensor) -> "Glasses":
        """Return them with thicker frames and darker lenses where the strength is above 1."""
        beyond_M = (strength_M - 1).clamp(min=0)
        return replace(
            self, rim_M=self.rim_M * (1 + 1.2 * beyond_M), tint_M=(self.tint_M + 0.4 * beyond_M).clamp(max=1)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """M faces without glasses, and what they would look like with them."""

    rows_M: Tensor
    """Which images of the batch they are, int64."""
    various_MCHW: Tensor
    """Each with glasses of its own, to be taken off."""
    strength_M: Tensor
    """A slider value for each."""
    plain_MCHW: Tensor
    """Each with the plain glasses, as that slider value puts them on."""


def drawn_pairs(images_NCHW: Tensor, bare_N: Tensor, draws: Draws) -> Pairs:
    """Draw glasses on some of the faces without.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        bare_N: Which have no glasses.
        draws: Source of randomness.
    """
    rows_M = bare_N.nonzero()[: max(1, len(images_NCHW) // SHARE), 0]
    images_MCHW = images_NCHW[rows_M]
    strength_M = LEAST + (MOST - LEAST) * draws.uniform()[rows_M]
    plain = plain_glasses(len(rows_M), images_NCHW.device).exaggerated(strength_M)
    opacity_M111 = strength_M.clamp(max=1)[:, None, None, None]
    return Pairs(
        rows_M=rows_M,
        various_MCHW=wear(images_MCHW, various_glasses(draws).of(rows_M)),
        strength_M=strength_M,
        plain_MCHW=torch.lerp(images_MCHW, wear(images_MCHW, plain), opacity_M111),
    )


def plain_glasses(m: int, device: torch.device | str = "cpu") -> Glasses:
    """Return M times the same: a dark full rim, lenses that are all but clear."""

    def same(*value: float) -> Tensor:
        return torch.tensor(value, device=device).expand(m, len(value))

    return Glasses(
        half_width_M=same(0.42)[:, 0],
        half_height_M=same(0.32)[:, 0],
        squareness_M=same(2.8)[:, 0],
        rim_M=same(0.065)[:, 0],
        apart_M=same(0.55)[:, 0],
        drop_M=same(0.09)[:, 0],
        tilt_M=same(0.0)[:, 0],
        shift_M2=same(0.0, 0.0),
        frame_M3=same(*FRAME),
        lens_M3=same(-0.5, -0.5, -0.45),
        tint_M=same(0.08)[:, 0],
        glare_M=same(0.07)[:, 0],
    )


def various_glasses(draws: Draws) -> Glasses:
    """Return glasses of many sizes, shapes and colours, one for each image of the batch, some sunglasses."""
    random = draws.uniform(14)

    def between(i: int, low: float, high: float) -> Tensor:
        return low + (high - low) * random[:, i]

    dark = between(8, -1, 0.3)[:, None] * torch.ones(3, device=random.device)
    tinted = draws.uniform(3) - 0.6
    sunglasses = random[:, 9] < 0.3
    return Glasses(
        half_width_M=between(0, 0.36, 0.48),
        half_height_M=between(1, 0.22, 0.42),
        squareness_M=between(2, 2, 5),
        rim_M=between(3, 0.02, 0.1),
        apart_M=between(4, 0.5, 0.6),
        drop_M=between(5, 0.0, 0.18),
        tilt_M=between(6, -0.04, 0.04),
        shift_M2=0.06 * (draws.uniform(2) - 0.5),
        frame_M3=torch.where(random[:, 7:8] < 0.85, dark, tinted).clamp(-1, 1),
        lens_M3=between(10, -1, -0.5)[:, None].expand(-1, 3),
        tint_M=torch.where(sunglasses, between(11, 0.6, 0.97), between(11, 0, 0.25)),
        glare_M=between(12, 0, 0.35) * (random[:, 13] < 0.5),
    )


def wear(images_MCHW: Tensor, glasses: Glasses) -> Tensor:
    """Return (M, 3, S, S) images of the same faces with glasses on.

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
    # Both halves are mirror images, so one is computed.
    x, y = (x * cosine + y * sine).abs(), y * cosine - x * sine
    lens_MHW, frame_MHW, top_MHW, shadow_MHW = _parts(x, y, glasses, 1 / unit)
    worn = images_MCHW
    worn = _laid(worn, shadow_MHW * SHADOW, -torch.ones_like(glasses.frame_M3))
    worn = _laid(worn, lens_MHW * _each(glasses.tint_M), glasses.lens_M3)
    band_MHW = torch.exp(-((((x + 0.8 * y) - 0.55) / 0.09) ** 2))
    worn = _laid(worn, lens_MHW * band_MHW * _each(glasses.glare_M), torch.ones_like(glasses.frame_M3))
    worn = _laid(worn, frame_MHW, glasses.frame_M3)
    return _laid(worn, frame_MHW * top_MHW * GLOSS, torch.ones_like(glasses.frame_M3))


def _parts(x: Tensor, y: Tensor, glasses: Glasses, pixel: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what lenses, frame, the frame's upper edge and its shadow cover, each (M, S, S) in 0 to 1."""
    half_width, half_height = _each(glasses.half_width_M), _each(glasses.half_height_M)
    rim, apart = _each(glasses.rim_M), _each(glasses.apart_M)
    u, v = x - apart, y - _each(glasses.drop_M)
    # Frames are heavier above the eyes than under them.
    thick = rim * (1 - 0.35 * (v / half_height).clamp(-1, 1))
    outside = _distance(u, v, half_width, half_height, _each(glasses.squareness_M))
    ring = _within(outside.abs() - thick / 2, pixel)
    inner = apart - half_width
    arch = y - _each(glasses.drop_M) + half_height * 0.3 + 0.06 * (1 - (x / inner.clamp(min=0.03)) ** 2)
    bridge = _within(torch.maximum(arch.abs() - 0.45 * rim, x - inner), pixel)
    arm = v + half_height * 0.45 + 0.05 * (u - half_width)
    temple = _within(torch.maximum(arm.abs() - 0.5 * rim, half_width - u), pixel) * _fading(x)
    frame = torch.maximum(ring, torch.maximum(bridge, temple))
    below = _distance(u, v - SHADOW_DROP, half_width, half_height, _each(glasses.squareness_M))
    shadow = torch.exp(-((below / SHADOW_WIDTH) ** 2))
    top = _within(outside.abs() - thick / 6, pixel) * (v < 0)
    return _within(outside, pixel), frame, top, shadow


def _distance(u: Tensor, v: Tensor, half_width: Tensor, half_height: Tensor, squareness: Tensor) -> Tensor:
    """Return the distance to a superellipse, to first order, negative inside."""
    a, b = (u / half_width).abs().clamp(min=1e-3), (v / half_height).abs().clamp(min=1e-3)
    level = (a**squareness + b**squareness) ** (1 / squareness)
    slope = level ** (1 - squareness) * torch.hypot(
        a ** (squareness - 1) / half_width, b ** (squareness - 1) / half_height
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
