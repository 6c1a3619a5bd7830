"""The still HDR10 metadata of a stream: read from its first frame, written by the encoders that can.

libav shows it on frames as AVMasteringDisplayMetadata and AVContentLightMetadata. PyAV can add neither to a
stream, so it goes the other way that players read: into the bitstream, through the encoder's own option.

Source: SMPTE ST 2086, CTA-861.3; the option's notations are those of x264, x265 and SVT-AV1.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from av.sidedata.sidedata import SideData, Type

__all__ = ["HDR_ENCODERS", "HdrMetadata", "hdr_options", "read_hdr"]

HDR_ENCODERS = frozenset({"libx264", "libx265", "libsvtav1"})
"""Encoders that write it."""
# Ten rationals (red, green, blue and white as x, y; darkest and brightest), then two flags.
_MASTERING = struct.Struct("=20i2i")
_LIGHT = struct.Struct("=2I")
CHROMATICITY_STEPS, LUMINANCE_STEPS = 50_000, 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class HdrMetadata:
    """What a stream says of the display it was graded on and of its own brightness."""

    primaries: tuple[float, ...] | None
    """Red x, y, green x, y, blue x, y, white x, y: CIE 1931 chromaticities; None where it does not say."""
    luminance: tuple[float, float] | None
    """Darkest and brightest of that display, cd/m²; None where it does not say."""
    light: tuple[int, int] | None
    """Brightest pixel, and brightest frame's mean (MaxCLL, MaxFALL), cd/m²; None where it does not say."""


def read_hdr(side_data: Mapping[Type, SideData]) -> HdrMetadata | None:
    """Read a frame's side data; None where it has no HDR10 metadata, or none that is understood."""
    mastering = side_data.get(Type.MASTERING_DISPLAY_METADATA)
    light = side_data.get(Type.CONTENT_LIGHT_LEVEL)
    primaries = luminance = levels = None
    if mastering is not None and len(bytes(mastering)) == _MASTERING.size:
        *parts, has_primaries, has_luminance = _MASTERING.unpack(bytes(mastering))
        values = [up / down if down else 0.0 for up, down in zip(parts[::2], parts[1::2], strict=True)]
        primaries = tuple(values[:8]) if has_primaries else None
        luminance = (values[8], values[9]) if has_luminance else None
    if light is not None and len(bytes(light)) >= _LIGHT.size:
        levels = _LIGHT.unpack(bytes(light)[: _LIGHT.size])
    if primaries is None and levels is None:
        return None
    return HdrMetadata(primaries=primaries, luminance=luminance, light=levels)


def hdr_options(codec: str, hdr: HdrMetadata) -> tuple[str, str] | None:
    """Return an encoder's option that writes it, and its value in the encoder's notation.

    None where the encoder has no such option.
    """
    if codec == "libsvtav1":
        parts = _mastering(hdr, "mastering-display={}", in_steps=False)
        parts += [f"content-light={hdr.light[0]},{hdr.light[1]}"] if hdr.light else []
        return "svtav1-params", ":".join(parts)
    if codec == "libx265":
        parts = _mastering(hdr, "master-display={}", in_steps=True)
        parts += [f"max-cll={hdr.light[0]},{hdr.light[1]}"] if hdr.light else []
        return "x265-params", ":".join(parts)
    if codec == "libx264":
        parts = _mastering(hdr, "mastering-display={}", in_steps=True)
        parts += [f"cll={hdr.light[0]},{hdr.light[1]}"] if hdr.light else []
        return "x264-params", ":".join(parts)
    return None


def _mastering(hdr: HdrMetadata, form: str, *, in_steps: bool) -> list[str]:
    if hdr.primaries is None or hdr.luminance is None:
        return []

    def written(value: float, steps: int) -> str:
        return str(round(value * steps)) if in_steps else f"{value:.5f}"

    red, green, blue, white = (
        ",".join(written(value, CHROMATICITY_STEPS) for value in hdr.primaries[i : i + 2])
        for i in (0, 2, 4, 6)
    )
    darkest, brightest = (written(value, LUMINANCE_STEPS) for value in hdr.luminance)
    return [form.format(f"G({green})B({blue})R({red})WP({white})L({brightest},{darkest})")]
