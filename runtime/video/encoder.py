"""Which encoder writes a video, with which pixel format and quality."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import av
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from fader.errors import ConfigError
from fader.runtime.video.containers import holds_codec
from fader.runtime.video.hdr import hdr_options
from fader.runtime.video.options import EncodeOptions, check_options, encoder_name, has_encoder, quality_name
from fader.runtime.video.probe import VideoTraits
from fader.runtime.video.source import VideoSource
from fader.runtime.video.x264 import steady_options

__all__ = ["EncoderPlan", "conform", "encoder_plans", "nearest_of", "plan_with", "quiet_encoder"]

# Close to the source and quick. x264 at 18 is commonly taken for visually lossless; its veryfast preset costs
# half of medium's time, pays with size only, and leaves the processor to the networks. The others are set
# to look alike. An edit is rarely the last generation, so quality comes before size.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=error"},
    "libsvtav1": {"crf": "20", "preset": "8"},
    "libvpx-vp9": {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libvpx": {"crf": "8", "deadline": "good", "cpu-used": "4"},
    "h264_nvenc": {"cq": "19", "rc": "vbr", "b": "0"},
    "hevc_nvenc": {"cq": "21", "rc": "vbr", "b": "0"},
    "av1_nvenc": {"cq": "26", "rc": "vbr", "b": "0"},
    "mpeg4": {"qmin": "2", "qmax": "3"},
    "msmpeg4": {"qmin": "2", "qmax": "3"},
    "mjpeg": {"qmin": "2", "qmax": "3"},
}
_NEEDS_EVEN_SIZE = frozenset({"libx264", "libx265", "h264_nvenc", "hevc_nvenc", "av1_nvenc"})
_FULL_RANGE_TWINS = {f"yuvj{kind}p": f"yuv{kind}p" for kind in ("411", "420", "422", "440", "444")}
# Their palettes would throw away the edit's colours.
_PALETTE_CODECS = frozenset({"gif", "msrle", "qtrle", "png", "apng", "bmp"})


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderPlan:
    """One way to encode a video."""

    codec: str
    """FFmpeg's name of the encoder."""
    pix_fmt: str
    """FFmpeg's name of the pixel format to encode."""
    color_range: int
    """H.273 range as FFmpeg numbers it: 0 unknown, 1 limited, 2 full."""
    colorspace: int
    """H.273 matrix coefficients."""
    options: Mapping[str, str]
    """The encoder's own options."""


def encoder_plans(source: VideoSource, options: EncodeOptions, form: str) -> Iterator[EncoderPlan]:
    """List ways to encode a copy of `source`, the nearest to it first.

    Args:
        source: The video to be edited.
        options: What the user wants; a named codec leaves one plan.
        form: FFmpeg's name of the container to be written.

    Raises:
        ConfigError: the container cannot hold the wanted codec, the codec has no such option or cannot take
            the picture's size.
    """
    traits = source.traits
    for codec in _candidates(source.codec, options.codec, form):
        check_options(codec, options)
        pix_fmt = _nearest_format(codec, traits)
        if pix_fmt is None:
            continue
        yield plan_with(codec, pix_fmt, traits, _encoder_options(codec, options, traits))


def plan_with(
    codec: str, pix_fmt: str, traits: VideoTraits, options: Mapping[str, str] = MappingProxyType({})
) -> EncoderPlan:
    """Plan to encode a stream in another pixel format; range and matrix follow from it."""
    becomes_yuv = _becomes_yuv(traits.pix_fmt, pix_fmt)
    is_full = traits.color_range == 2 or traits.pix_fmt in _FULL_RANGE_TWINS
    return EncoderPlan(
        codec=codec,
        pix_fmt=pix_fmt,
        color_range=1 if becomes_yuv else 2 if is_full else traits.color_range,
        colorspace=6 if becomes_yuv else traits.colorspace,
        options=options,
    )


def conform(frame: VideoFrame, plan: EncoderPlan) -> VideoFrame:
    """Bring a frame to the plan's pixel format, without a change of range; itself where it is so already."""
    if frame.format.name == plan.pix_fmt:
        return frame
    becomes_yuv = _becomes_yuv(frame.format.name, plan.pix_fmt)
    wanted = "JPEG" if plan.color_range == 2 else "MPEG"
    converted = frame.reformat(
        format=plan.pix_fmt,
        src_color_range="JPEG" if becomes_yuv else wanted,
        dst_color_range=wanted,
        dst_colorspace="ITU601" if becomes_yuv else None,
    )
    converted.duration = frame.duration
    return converted


@contextmanager
def quiet_encoder(codec: str) -> Iterator[None]:
    """While an encoder opens: keep SVT-AV1 from printing its settings, which only its environment can."""
    if codec != "libsvtav1" or "SVT_LOG" in os.environ:
        yield
        return
    os.environ["SVT_LOG"] = "1"
    try:
        yield
    finally:
        del os.environ["SVT_LOG"]


def _becomes_yuv(before: str, after: str) -> bool:
    """RGB has no matrix and is of full range; as YUV it becomes limited BT.601, what every player assumes."""
    was_rgb = VideoFormat(before).is_rgb or VideoFormat(before).has_palette
    return was_rgb and not VideoFormat(after).is_rgb


def _candidates(source_codec: str, wanted: str | None, form: str) -> Iterator[str]:
    if wanted is not None:
        name = encoder_name(wanted)
        if not holds_codec(form, name):
            raise ConfigError(
                f"a {form} file cannot hold {wanted}; name the output .mkv or choose another codec"
            )
        yield name
        return
    names = ["libx264", "libvpx-vp9"]
    if source_codec not in _PALETTE_CODECS and has_encoder(source_codec):
        names.insert(0, encoder_name(source_codec))
    yield from (name for name in dict.fromkeys(names) if holds_codec(form, name))


def _encoder_options(codec: str, options: EncodeOptions, traits: VideoTraits) -> dict[str, str]:
    chosen = dict(_DEFAULTS.get(codec, {}))
    if codec == "libx264":
        chosen |= steady_options(traits.width)
    if codec == "libvpx":
        # VP8's constant quality is bounded by a bit rate; four bits a pixel at 30 frames/s never binds.
        chosen["b"] = str(traits.width * traits.height * 4 * 30)
    hdr = None if traits.hdr is None else hdr_options(codec, traits.hdr)
    if hdr is not None and hdr[1]:
        chosen[hdr[0]] = ":".join(filter(None, (chosen.get(hdr[0]), hdr[1])))
    if options.crf is not None:
        chosen[quality_name(codec)] = f"{options.crf:g}"
    if options.preset is not None:
        chosen["preset"] = options.preset
    return chosen


def _nearest_format(codec: str, traits: VideoTraits) -> str | None:
    offered = [item.name for item in av.Codec(codec, "w").video_formats or []]
    formats = [name for name in offered if _fits(codec, name, traits)]
    nearest = nearest_of(formats, traits) if offered else traits.pix_fmt
    if nearest == "yuv444p" and "yuv420p" in formats and _becomes_yuv(traits.pix_fmt, nearest):
        # Browsers, phones and televisions do not play 4:4:4, and pictures and GIFs are made to be shown.
        return "yuv420p"
    return nearest


def nearest_of(formats: Sequence[str], traits: VideoTraits) -> str | None:
    """Choose the pixel format that loses least of a stream's; None where there are none."""
    if traits.pix_fmt in formats:
        return traits.pix_fmt
    twin = _FULL_RANGE_TWINS.get(traits.pix_fmt)
    if twin in formats:
        return twin
    best, _ = find_best_pix_fmt_of_list(formats, traits.pix_fmt)
    return None if best is None else best.name


def _fits(codec: str, pix_fmt: str, traits: VideoTraits) -> bool:
    """Whether the picture's size is a whole number of chroma samples, for encoders that insist on it."""
    form = VideoFormat(pix_fmt, 4, 4)
    step_x, step_y = 4 // form.chroma_width(4), 4 // form.chroma_height(4)
    is_odd = traits.width % step_x or traits.height % step_y
    return not (is_odd and codec in _NEEDS_EVEN_SIZE)
