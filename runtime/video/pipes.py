"""Videos through pipes: any container that is read front to back from standard input, y4m to standard output.

ffmpeg -i in.mp4 -f yuv4mpegpipe - | fader-run - --attr Smiling=1 -o - | ffmpeg -i - out.mp4
"""

import logging
import os
import select
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import MediaError
from fader.runtime.video.encoder import conform, nearest_of, plan_with
from fader.runtime.video.frame_target import FrameTarget
from fader.runtime.video.probe import main_stream, reason, traits_of
from fader.runtime.video.source import VideoSource

__all__ = ["PIPE", "PipeSource", "Y4mTarget"]

_log = logging.getLogger(__name__)

PIPE = "-"
"""What stands for standard input or output."""
STDIN, STDOUT = 0, 1
POLL_S = 0.1
BUFFER_BYTES = 2**20
TOLERATED_STEPS = 2
"""Frames by which times may be off before they are called uneven."""
_DEPTHS = ("", "9le", "10le", "12le", "14le", "16le")
_Y4M_FORMATS = (
    *(f"yuv{chroma}p{depth}" for depth in _DEPTHS for chroma in (420, 422, 444)),
    *("yuv411p", "gray", "gray9le", "gray10le", "gray12le", "gray16le"),
)
"""All that the format has a name for."""


class _Waiting:
    """A file descriptor as libav reads it, whose wait for data can be ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_stopped = False

    def read(self, size: int) -> bytes:
        while not self.is_stopped:
            if select.select([self._descriptor], [], [], POLL_S)[0]:
                return os.read(self._descriptor, size)
        return b""


class PipeSource(VideoSource):
    """A video on standard input, read once.

    Raises:
        MediaError: it is a terminal, or nothing that can be read front to back.
    """

    def __init__(self) -> None:
        self.path = Path("standard input")
        if os.isatty(STDIN):
            raise MediaError("standard input is a terminal; pipe a video into it, such as y4m or matroska")
        self._input = _Waiting(STDIN)
        try:
            self.container = av.open(
                self._input,
                "r",
                # keeps a playlist from reaching files and the network
                container_options={"protocol_whitelist": "pipe"},
                metadata_errors="surrogateescape",
                buffer_size=BUFFER_BYTES,
            )
        except (av.FFmpegError, OSError) as error:
            raise MediaError(
                f"standard input cannot be read as a video ({reason(error)}); expected y4m, matroska or "
                "mpegts: an MP4 cannot be read front to back, give its file's name"
            ) from error
        try:
            self.stream = main_stream(self.container, self.path)
            self.stream.thread_type = "AUTO"
            self._rest = self._demux(self.container, self.stream)
            self._head, first = self._first()
            self.traits = traits_of(first, self.stream)
        except BaseException:
            self.container.close()
            raise

    def _first(self) -> "tuple[list[VideoFrame | Packet[Stream]], VideoFrame]":
        head = []
        for item in self._rest:
            head.append(item)
            if isinstance(item, VideoFrame):
                return head, item
        raise MediaError("standard input has a video stream but no frame in it; expected at least one")

    def items(self) -> "Iterator[VideoFrame | Packet[Stream]]":
        """As `VideoSource.items`, but once only."""
        head, self._head = self._head, []
        return chain(head, self._rest)

    def stop(self) -> None:
        """End a read that waits for data."""
        self._input.is_stopped = True

    def _refuse_truncated(self, container: InputContainer, n_whole: Mapping[int, int]) -> None:
        """Files list their packets, pipes do not."""


class _Standard:
    """Standard output as libav writes it; says when its reader has gone."""

    def __init__(self) -> None:
        self._descriptor = os.dup(STDOUT)
        self.is_broken = False

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest and not self.is_broken:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BrokenPipeError:
                self.is_broken = True
        return len(data)

    def close(self) -> None:
        os.close(self._descriptor)


class Y4mTarget(FrameTarget):
    """Frames on standard output as YUV4MPEG2: upright, evenly spaced, without sound.

    Args:
        source: Its frame size, rate, pixel format and pixel shape are used.

    Raises:
        MediaError: standard output is a terminal, or no such format holds the pixels.
    """

    def __init__(self, source: VideoSource) -> None:
        super().__init__(Path("standard output"), source)
        if os.isatty(STDOUT):
            raise MediaError("standard output is a terminal; pipe it into a program that reads y4m")
        pix_fmt = nearest_of(_Y4M_FORMATS, source.traits)
        if pix_fmt is None:
            raise MediaError(f"y4m has no form for {source.pix_fmt}; write to a file")
        self.plan = plan_with("wrapped_avframe", pix_fmt, source.traits)
        self._output = _Standard()
        self._container: OutputContainer | None = av.open(
            self._output, "w", format="yuv4mpegpipe", options={"strict": "-1"}, buffer_size=BUFFER_BYTES
        )
        self._stream = self._add_stream(self._container, source)
        self._rate = source.average_rate
        self._n_frames = 0
        self._began: Fraction | None = None
        self._is_even = True

    def _add_stream(self, container: OutputContainer, source: VideoSource) -> VideoStream:
        stream = container.add_stream("wrapped_avframe", rate=source.average_rate)
        assert isinstance(stream, VideoStream)  # noqa: S101
        is_turned = source.rotation in {90, 270}
        width, height = (source.height, source.width) if is_turned else (source.width, source.height)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self.plan.pix_fmt
        context.color_range = self.plan.color_range
        shape = source.traits.sample_aspect_ratio
        if shape:
            context.sample_aspect_ratio = 1 / shape if is_turned else shape
        return stream

    def _write(self, frame: VideoFrame) -> None:
        if self._container is None:
            raise MediaError(f"{self.path}: is finished; open a new target to write more")
        self._watch_times(frame)
        ready = conform(frame, self.plan)
        ready.pts, ready.time_base = self._n_frames, 1 / self._rate
        self._mux(self._container, ready)
        self._n_frames += 1

    def _watch_times(self, frame: VideoFrame) -> None:
        if frame.pts is None or frame.time_base is None or not self._is_even:
            return
        time_s = frame.pts * frame.time_base
        self._began = time_s if self._began is None else self._began
        if abs(time_s - self._began - self._n_frames / self._rate) > TOLERATED_STEPS / self._rate:
            self._is_even = False
            _log.warning(
                "%s: the frames are not evenly spaced, and y4m holds no times; write to a file to keep them",
                self.path,
            )

    def _mux(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        try:
            container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"{self.path}: cannot be written ({reason(error)})") from error
        if self._output.is_broken:
            raise MediaError(f"standard output was closed by its reader after {self._n_frames} frames")

    def finish(self) -> None:
        """Write what is buffered.

        Raises:
            MediaError: no frame was written, or the reader has gone.
        """
        if self._container is None:
            return
        try:
            if not self._n_frames:
                raise MediaError(f"{self.path}: no frame was written; expected at least one")
            self._mux(self._container, None)
            self._container.close()
            if self._output.is_broken:
                raise MediaError("standard output was closed by its reader before the last frame")
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop; what was written is with the reader already."""
        if self._container is None:
            return
        container, self._container = self._container, None
        self._output.is_broken = True  # writes no more
        with suppress(av.FFmpegError, OSError):
            container.close()
        self._output.close()
