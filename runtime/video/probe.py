"""Opening a video file, and what its main stream looks like: size, orientation, colours.

Orientation and colours are read from the first decoded frame, because libav shows a stream's display
matrix on its frames only.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import MediaError
from fader.runtime.video.hdr import HdrMetadata, read_hdr

__all__ = ["VideoTraits", "decode_error", "main_stream", "open_media", "read_traits", "reason", "traits_of"]

_LOST_SIDE_DATA = {
    SideDataType.DOVI_METADATA: "Dolby Vision",
    SideDataType.DYNAMIC_HDR_PLUS: "HDR10+",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoTraits:
    """What must be the same in an edited copy of a stream."""

    width: int
    """Columns of the stored picture, before any rotation; pixels."""
    height: int
    """Rows of the stored picture; pixels."""
    pix_fmt: str
    """FFmpeg's name of the decoded pixel format, e.g. `yuv420p10le`."""
    rotation: int
    """Degrees counter-clockwise by which to turn the stored picture for display: 0, 90, 180 or 270."""
    display_matrix: tuple[int, ...] | None
    """The nine 16.16 and 2.30 fixed point numbers of the file's display matrix; None where it has none."""
    sample_aspect_ratio: Fraction | None
    """Width to height of one pixel; None where the file does not say."""
    color_range: int
    """ITU-T H.273 range as FFmpeg numbers it: 0 unknown, 1 limited, 2 full."""
    color_primaries: int
    """H.273 primaries (2 is unknown)."""
    color_trc: int
    """H.273 transfer characteristics (2 is unknown)."""
    colorspace: int
    """H.273 matrix coefficients (2 is unknown, 0 is RGB)."""
    interlaced: bool
    """Whether the first frame is interlaced."""
    hdr: HdrMetadata | None
    """HDR10 metadata of the first frame; None where it has none."""
    unwritable: tuple[str, ...]
    """Names of properties that were found and that no encoder here can write."""


def reason(error: Exception) -> str:
    """Libav's own words for an error, without the codes and file names that it adds."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def open_media(path: Path) -> InputContainer:
    """Open a media file for reading, local files only.

    Raises:
        MediaError: there is no such file, it is not a file, or it is damaged or not a media file.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not path.is_file():
        raise MediaError(f"{path}: is not a file; give the path of one video file")
    try:
        # The prefix keeps a name with a colon from being read as a protocol, and the whitelist keeps a
        # playlist from reaching the network.
        return av.open(
            f"file:{path.absolute()}",
            "r",
            container_options={"protocol_whitelist": "file"},
            metadata_errors="surrogateescape",
        )
    except (av.FFmpegError, OSError) as error:
        raise MediaError(
            f"{path}: cannot be opened as a video ({reason(error)}); expected an undamaged media file, "
            "check that it plays elsewhere"
        ) from error


def main_stream(container: InputContainer, path: Path) -> VideoStream:
    """Find the best video stream that is not a cover picture.

    Raises:
        MediaError: there is none, or no decoder for it.
    """
    pictures = av.stream.Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not moving:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise MediaError(f"{path}: has no video stream (found: {kinds}); give a file with moving pictures")
    best = container.streams.best("video")
    stream = next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video codec is unknown here; convert it to a common codec first")
    return stream


def decode_error(path: Path, error: Exception, time_s: Fraction | None) -> MediaError:
    """Word the error for a stream that stops decoding at `time_s` seconds (None: before the first frame)."""
    where = "at its beginning" if time_s is None else f"near {float(time_s):.2f} s"
    return MediaError(
        f"{path}: is damaged {where} ({reason(error)}); expected a stream that decodes to its end, "
        "repair the file or cut it before that time"
    )


def read_traits(container: InputContainer, stream: VideoStream, path: Path) -> VideoTraits:
    """Decode up to the first frame and note what it shows.

    Raises:
        MediaError: the stream is damaged before its first frame, or has none.
    """
    try:
        for packet in container.demux(stream):
            for frame in packet.decode():
                return traits_of(frame, stream)
    except av.FFmpegError as error:
        raise decode_error(path, error, None) from error
    raise MediaError(f"{path}: has a video stream but no frame in it; expected at least one")


def traits_of(frame: VideoFrame, stream: VideoStream) -> VideoTraits:
    """Note what a stream's first frame shows."""
    ratio = stream.sample_aspect_ratio
    side_data = {item.type: item for item in cast("Iterable[SideData]", frame.side_data)}
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    return VideoTraits(
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        rotation=round(frame.rotation / 90) % 4 * 90,
        display_matrix=None if matrix is None else tuple(np.frombuffer(bytes(matrix), np.int32).tolist()),
        sample_aspect_ratio=Fraction(ratio) if ratio and math.isfinite(ratio) else None,
        color_range=int(frame.color_range),
        color_primaries=int(frame.color_primaries),
        color_trc=int(frame.color_trc),
        colorspace=int(frame.colorspace),
        interlaced=frame.interlaced_frame,
        hdr=read_hdr(side_data),
        unwritable=tuple(name for kind, name in _LOST_SIDE_DATA.items() if kind in side_data),
    )
