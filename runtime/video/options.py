"""What a user may say about encoding, checked against the encoders that are there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import av
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecOption

from fader.errors import ConfigError

__all__ = ["EncodeOptions", "check_options", "encoder_name", "has_encoder", "quality_name"]

_KNOWN = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "h264_nvenc", "hevc_nvenc")
_X26X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeOptions:
    """How to encode the edited video."""

    codec: str | None = None
    """FFmpeg's name of an encoder, e.g. `libx264` or `ffv1`; None takes the source's codec where it can be
    written, else libx264 or what the container prefers."""
    crf: float | None = None
    """Constant quality on the encoder's own scale (x264: 0 best to 51 worst); None is near the source."""
    preset: str | None = None
    """The encoder's speed preset, e.g. `medium`; None is a fast one."""
    mark: str | bool = True
    """A line to be added to the file's comment; True lets `edit_video` say there what was edited by which
    model, False adds nothing."""

    def __post_init__(self) -> None:
        if self.crf is not None and not (math.isfinite(self.crf) and 0 <= self.crf <= 63):
            raise ConfigError(
                f"crf = {self.crf}: expected a number from 0 (best) to 63; leave it out for ours"
            )
        if self.codec is not None:
            check_options(encoder_name(self.codec), self)


def encoder_name(codec: str) -> str:
    """Look up FFmpeg's own name of a video encoder: `h264` is `libx264` here.

    Raises:
        ConfigError: there is no such video encoder.
    """
    examples = ", ".join(_KNOWN)
    try:
        found = av.Codec(codec, "w")
    except UnknownCodecError:
        raise ConfigError(
            f"codec {codec!r} is unknown; expected a video encoder such as {examples}"
        ) from None
    if found.type != "video":
        raise ConfigError(
            f"codec {codec!r} encodes {found.type}; expected a video encoder such as {examples}"
        )
    return found.name


def has_encoder(codec: str) -> bool:
    """Tell whether something here encodes a codec."""
    try:
        av.Codec(codec, "w")
    except UnknownCodecError:
        return False
    return True


def quality_name(codec: str) -> str:
    """Name the option in which an encoder takes its constant quality."""
    return "cq" if codec.endswith("_nvenc") else "crf"


def check_options(codec: str, options: EncodeOptions) -> None:
    """Check quality and preset against what an encoder takes.

    Raises:
        ConfigError: the encoder has no such option, or no such value of it.
    """
    known = _private_options(codec)
    if options.crf is not None:
        option = known.get(quality_name(codec))
        if option is None:
            raise ConfigError(f"codec {codec!r} has no crf; leave crf out or choose one such as libx264")
        worst = min(option.max, 63 if "vp" in codec or "av1" in codec else 51)
        if options.crf > worst:
            raise ConfigError(
                f"crf = {options.crf}: {codec} takes 0 (best) to {worst:g}; choose from that range"
            )
    if options.preset is not None:
        _check_preset(codec, options.preset)


def _check_preset(codec: str, preset: str) -> None:
    option = _private_options(codec).get("preset")
    if option is None:
        raise ConfigError(f"codec {codec!r} has no preset; leave preset out or choose one such as libx264")
    allowed = [choice.name for choice in option.choices] or list(_X26X_PRESETS)
    if codec == "libsvtav1":
        allowed = [str(speed) for speed in range(-1, int(option.max) + 1)]
    if preset not in allowed:
        raise ConfigError(f"preset {preset!r} is unknown to {codec}; expected one of {', '.join(allowed)}")


@cache
def _private_options(codec: str) -> Mapping[str, CodecOption]:
    options = av.CodecContext.create(codec, "w").supported_options.private
    return {option.name: option for option in options}
