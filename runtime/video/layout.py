"""The streams, metadata and muxer settings of a copy: what keeps it like its source."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from fader.errors import ConfigError
from fader.runtime.video.containers import holds_stream
from fader.runtime.video.encoder import EncoderPlan
from fader.runtime.video.hdr import HDR_ENCODERS
from fader.runtime.video.source import VideoSource

__all__ = [
    "add_copy",
    "add_main_stream",
    "copy_description",
    "copyable_streams",
    "muxer_options",
    "warn_of_losses",
]

_log = logging.getLogger(__name__)

# libav tells Matroska of the pixels' shape only through these encoders' own headers.
_STORES_PIXEL_SHAPE = frozenset({"libx264", "libx265", "h264_nvenc", "hevc_nvenc", "mpeg4", "mjpeg"})
_MAX_TIMESCALE = 2**31 - 1
# Written anew by every muxer or encoder; the source's would be wrong for the copy.
_STALE_KEYS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "number_of_frames",
     "number_of_bytes", "bps", "_statistics_tags", "_statistics_writing_app", "_statistics_writing_date_utc"}
)  # fmt: skip


def muxer_options(form: str, source: VideoSource) -> dict[str, str]:
    """Choose settings under which the muxer keeps every time and the source's custom metadata."""
    if form not in {"mp4", "mov"}:
        # Otherwise all streams are moved on when the sound begins before zero, as AAC does by its priming.
        return {"avoid_negative_ts": "disabled"}
    # An MP4 notes where each stream begins in units of the movie's own clock, 1/1000 s unless told otherwise:
    # frames that begin at an odd time would all be shifted. A clock that all streams share keeps them.
    clock = 1000
    for stream in source.container.streams:
        if stream.type in {"video", "audio"} and stream.time_base:
            common = math.lcm(clock, stream.time_base.denominator)
            clock = common if common <= _MAX_TIMESCALE else clock
    options = {"movie_timescale": str(clock)}
    if any(key.startswith("com.") for key in source.container.metadata):
        options["movflags"] = "use_metadata_tags"  # cameras' own keys, such as com.apple.quicktime.model
    return options


def add_main_stream(container: OutputContainer, source: VideoSource, plan: EncoderPlan) -> VideoStream:
    """Add the stream that the edited frames go to."""
    traits = source.traits
    stream = container.add_stream(plan.codec, rate=source.average_rate, options=dict(plan.options))
    if not isinstance(stream, VideoStream):
        raise ConfigError(f"codec {plan.codec!r} is no video encoder; choose one such as libx264")
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = traits.width, traits.height, plan.pix_fmt
    context.time_base = stream.time_base = source.time_base
    context.thread_type = "AUTO"
    if traits.sample_aspect_ratio:
        context.sample_aspect_ratio = traits.sample_aspect_ratio
    context.color_range, context.colorspace = plan.color_range, plan.colorspace
    context.color_primaries, context.color_trc = traits.color_primaries, traits.color_trc
    if traits.display_matrix:
        stream.set_display_matrix(traits.display_matrix)
    if plan.codec == "libx265" and container.format.name in {"mp4", "mov"}:
        context.codec_tag = "hvc1"  # Apple's players open no other
    _describe(stream, source.stream)
    return stream


def copyable_streams(form: str, source: VideoSource, path: Path) -> frozenset[int]:
    """Find the source's other streams that a container of format `form` can take, by index.

    Pictures, data and attachments that it cannot take are left out with a warning.

    Raises:
        ConfigError: it cannot take an audio or subtitle stream.
    """
    fitting = set()
    for stream in source.copied_streams:
        name = stream.codec_context.name if stream.codec_context else stream.name or "unknown"
        if _is_chapter_track(stream, source):
            continue
        if holds_stream(form, stream):
            fitting.add(stream.index)
        elif stream.type in {"audio", "subtitle"}:
            raise ConfigError(
                f"{path}: a {form} file cannot hold stream {stream.index} of {source.path.name} "
                f"({stream.type}, {name}); name the output .mkv"
            )
        else:
            _log.warning(
                "%s: leaving out stream %d (%s, %s): %s cannot hold it",
                path,
                stream.index,
                stream.type,
                name,
                form,
            )
    return frozenset(fitting)


def add_copy(container: OutputContainer, template: Stream) -> Stream:
    """Add a stream whose packets will be copied from `template`'s."""
    stream = container.add_stream_from_template(template, opaque=True)
    _describe(stream, template)
    return stream


def copy_description(container: OutputContainer, source: VideoSource, mark: str | bool = False) -> None:
    """Copy the file's metadata and chapters, and add a line to its comment."""
    container.metadata.update(_lasting(source.container.metadata))
    if isinstance(mark, str):
        key = next((key for key in container.metadata if key.lower() == "comment"), "comment")
        container.metadata[key] = "\n".join(filter(None, (container.metadata.get(key), mark)))
    if source.chapters:
        container.set_chapters(source.chapters)


def warn_of_losses(source: VideoSource, path: Path, form: str, plan: EncoderPlan) -> None:
    """Log what the copy will not keep."""
    traits = source.traits
    if plan.pix_fmt not in {traits.pix_fmt, traits.pix_fmt.replace("yuvj", "yuv")}:
        _log.warning("%s: %s cannot store %s; encoding %s", path, plan.codec, traits.pix_fmt, plan.pix_fmt)
    if av.Codec(plan.codec, "w").canonical_name != source.codec:
        _log.info("%s: encoding with %s; the source is %s", path, plan.codec, source.codec)
    shape = traits.sample_aspect_ratio
    if shape not in {None, 1} and form in {"matroska", "webm"} and plan.codec not in _STORES_PIXEL_SHAPE:
        _log.warning(
            "%s: %s in %s cannot keep pixels of shape %s; use .mp4 or libx264", path, plan.codec, form, shape
        )
    if traits.hdr is not None and plan.codec not in HDR_ENCODERS:
        _log.warning("%s: %s cannot keep HDR10 metadata; use libx265 or libsvtav1", path, plan.codec)
    for name in traits.unwritable:
        _log.warning("%s: %s metadata cannot be written and is left out", path, name)
    if traits.interlaced:
        _log.warning("%s: %s is interlaced; it is written as progressive", path, source.path.name)


def _is_chapter_track(stream: Stream, source: VideoSource) -> bool:
    """Whether an MP4's data stream only holds the chapters' titles: the muxer makes a new one."""
    return stream.type == "data" and stream.name == "bin_data" and bool(source.container.chapters())


def _describe(stream: Stream, template: Stream) -> None:
    stream.disposition = Disposition(template.disposition)
    stream.metadata.clear()
    stream.metadata.update(_lasting(template.metadata))
    if "name" in stream.metadata:  # libav reads an MP4's titles under this key and writes them from the other
        stream.metadata.setdefault("title", stream.metadata.pop("name"))


def _lasting(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower().split("-")[0] not in _STALE_KEYS}
