"""Glasses drawn on aligned faces, turned as the heads are: pairs of images that differ in nothing else.

Labels tell which images have glasses, but no face is shown with and without them, and no two people wear the
same: what a decoder learns from labels alone is the blurred mean of all glasses. Drawn pairs show it one pair
of glasses to put on, sharply, and many to take off.

The head is one in space, seen from so far that near and far are as large: X to the right, Y down, Z towards
the camera, in distances of the eyes, from the middle between them; turned by yaw alone. In an aligned face
its middle and its size are the template's: a decoder, which knows no landmarks, could not follow their noise.

Shapes: M images, S their height and width in pixels.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.draws import Draws

__all__ = ["Glasses", "plain_glasses", "various_glasses", "wear", "yaws_of"]

NOSE_DEPTH = 0.54
"""How far before the eyes a nose is found: so, yaw and the distance of the eyes agree in real faces."""
MOST_YAW = 1.0
"""Radians; landmarks of faces that are turned further are guesses."""
LENS_DEPTH, WRAP = 0.2, 0.12
"""Z of the bridge, and how it falls with the square of X: glasses go around the face."""
EAR_DEPTH, EAR_SPREAD = -1.3, 0.12
"""Z of the temples' ends, and how much further out than the hinges they are."""
HIDDEN_FROM, HIDDEN_TO = 0.35, 0.75
"""Where along a temple hair or ears begin to hide it, and where they have: shares of its length."""

FRAME = (-0.72, -0.77, -0.79)
"""Dark brown, in [-1, 1]."""
LENS = -0.5
"""Grey, in [-1, 1]."""
SHADOW, SHADOW_WIDTH, SHADOW_DROP = 0.16, 0.09, 0.05
"""The frame's shadow on the skin: its opacity, and width and distance in distances of the eyes."""
GLARE_WIDTH = 0.09
"""In distances of the eyes."""
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


def yaws_of(landmarks_M52: Tensor) -> Tensor:
    """Return (M,) radians, above 0 where the nose points to the image's right.

    Args:
        landmarks_M52: (M, 5, 2) (x, y), see `fader.runtime.faces.portrait.Portrait`.
    """
    left_M2, right_M2, nose_M2 = landmarks_M52[:, :3].unbind(dim=1)
    across_M2 = right_M2 - left_M2
    distance_M = across_M2.norm(dim=1).clamp(min=1e-3)
    ahead_M = ((nose_M2 - (left_M2 + right_M2) / 2) * across_M2).sum(dim=1) / distance_M
    return torch.atan2(ahead_M / NOSE_DEPTH, distance_M).clamp(-MOST_YAW, MOST_YAW)


def plain_glasses(m: int, device: torch.device | str = "cpu") -> Glasses:
    """Return M times the same: a dark full rim, lenses that are all but clear."""

    def same(value: float) -> Tensor:
        return torch.full((m,), value, device=device)

    return Glasses(
        half_width_M=same(0.43),
        half_height_M=same(0.325),
        exponent_M=same(2.4),
        rim_M=same(0.044),
        centre_x_M=same(0.555),
        centre_y_M=same(0.1),
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

    dark = between(8, -1, 0)[:, None] * torch.ones(3, device=random.device)
    tinted = draws.uniform(3) - 0.6
    sunglasses = random[:, 9] < 0.4
    return Glasses(
        half_width_M=between(0, 0.34, 0.52),
        half_height_M=between(1, 0.2, 0.44),
        exponent_M=between(2, 2, 5),
        rim_M=between(3, 0.03, 0.12),
        centre_x_M=between(4, 0.49, 0.61),
        centre_y_M=between(5, 0.0, 0.2),
        tilt_M=between(6, -0.06, 0.06),
        shift_M2=0.08 * (draws.uniform(2) - 0.5),
        frame_M3=torch.where(random[:, 7:8] < 0.85, dark, tinted).clamp(-1, 1),
        lens_M3=between(10, -1, -0.5)[:, None].expand(-1, 3),
        tint_M=torch.where(sunglasses, between(11, 0.6, 0.97), between(11, 0, 0.25)),
        glare_M=between(12, 0, 0.35) * (random[:, 13] < 0.5),
    )


def wear(images_MCHW: Tensor, glasses: Glasses, yaws_M: Tensor) -> Tensor:
    """Return (M, 3, S, S) images in [-1, 1] of the same faces with glasses on.

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        glasses: One pair an image.
        yaws_M: (M,) radians, see `yaws_of`.
    """
    size = images_MCHW.shape[-1]
    (left_x, eyes_y), (right_x, _) = template_at(CELEBA_TIGHT, size)[:2]
    unit = float(right_x - left_x)
    axis = torch.arange(size, device=images_MCHW.device, dtype=torch.float32)
    x = (axis[None, None, :] - float(left_x + right_x) / 2) / unit - _each(glasses.shift_M2[:, 0])
    y = (axis[None, :, None] - float(eyes_y)) / unit - _each(glasses.shift_M2[:, 1])
    sine, cosine = _each(glasses.tilt_M).sin(), _each(glasses.tilt_M).cos()
    x, y = x * cosine + y * sine, y * cosine - x * sine
    parts = _parts(x, y, glasses, _each(yaws_M), 1 / unit)
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


def _parts(seen_x: Tensor, y: Tensor, glasses: Glasses, yaw: Tensor, pixel: float) -> _Parts:
    # From the image to the glasses, the nearer of two places: seen_x = X cos + (LENS_DEPTH - WRAP X²) sin.
    along = seen_x - LENS_DEPTH * yaw.sin()
    root = (yaw.cos() ** 2 - 4 * WRAP * yaw.sin() * along).clamp(min=0).sqrt()
    x = 2 * along / (yaw.cos() + root)
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
    hinge_y = _each(glasses.centre_y_M) - 0.45 * half_height
    temples = [
        _temple(seen_x, y - hinge_y, side * (centre_x + half_width), rim, yaw, pixel) for side in (-1, 1)
    ]
    outside = _within(-edge, pixel)
    below = _distance(u, v - SHADOW_DROP, half_width, half_height, exponent)
    streak = x - centre_x * x.sign() + 0.8 * (v - 0.05)
    return _Parts(
        lenses=_within(edge, pixel),
        frame=torch.maximum(ring, torch.maximum(bridge, torch.maximum(*temples) * outside)),
        shadow=torch.exp(-((below / SHADOW_WIDTH) ** 2)),
        glare=torch.exp(-((streak / GLARE_WIDTH) ** 2)),
        gloss=_within(edge.abs() - thick / 6, pixel) * (v < 0),
    )


def _temple(seen_x: Tensor, v: Tensor, hinge: Tensor, rim: Tensor, yaw: Tensor, pixel: float) -> Tensor:
    """Return what a temple covers, (M, S, S); one behind its hinge, nothing."""
    outwards = hinge.sign()
    start = hinge * yaw.cos() + (LENS_DEPTH - WRAP * hinge**2) * yaw.sin()
    end = (hinge + EAR_SPREAD * outwards) * yaw.cos() + EAR_DEPTH * yaw.sin()
    length = ((end - start) * outwards).clamp(min=1e-3)
    along = (seen_x - start) * outwards
    covered = _within(torch.maximum(v.abs() - 0.5 * rim, -along - rim), pixel)
    hidden = (along / length - HIDDEN_FROM) / (HIDDEN_TO - HIDDEN_FROM)
    return covered * (1 - hidden).clamp(0, 1) * ((end - start) * outwards > 0)


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


def _laid(images_MCHW: Tensor, opacity_MHW: Tensor, colour_M3: Tensor) -> Tensor:
    return torch.lerp(images_MCHW, colour_M3[:, :, None, None], opacity_MHW[:, None])


def _each(values_M: Tensor) -> Tensor:
    return values_M[:, None, None]
