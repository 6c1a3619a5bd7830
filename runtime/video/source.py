"""Reading a video: its frames decoded, everything else as packets, in the order of the file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import MediaError
from fader.runtime.video.probe import VideoTraits, decode_error, main_stream, open_media, read_traits

__all__ = ["Clock", "VideoSource"]


class VideoSource:
    """One video file, open for reading.

        with VideoSource("in.mp4") as source:
            for item in source.items():
                ...

    Args:
        path: A local media file.

    Raises:
        MediaError: no such file, not a media file, damaged, no video stream, or no frame in it.
    """

    path: Path
    """The file, as it was given."""
    container: InputContainer
    """The opened file; for its format, metadata and chapters, not for demuxing."""
    stream: VideoStream
    """The main video stream: the best one that is not a cover picture."""
    traits: VideoTraits
    """Orientation, colours and pixel shape of the main stream."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.container = open_media(self.path)
        try:
            self.stream = main_stream(self.container, self.path)
            self.traits = read_traits(self.container, self.stream, self.path)
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Iterators from `items` stay usable: each has opened the file itself."""
        self.container.close()

    def stop(self) -> None:
        """End a read that waits for data, from another thread; a file's never does."""

    @property
    def width(self) -> int:
        """Columns of the stored picture, before any rotation; pixels."""
        return self.traits.width

    @property
    def height(self) -> int:
        """Rows of the stored picture, before any rotation; pixels."""
        return self.traits.height

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise by which to turn the stored picture for display: 0, 90, 180 or 270."""
        return self.traits.rotation

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the decoded pixel format, e.g. `yuv420p10le`."""
        return self.traits.pix_fmt

    @property
    def codec(self) -> str:
        """FFmpeg's canonical name of the main stream's codec, e.g. `h264`."""
        return self.stream.codec_context.codec.canonical_name

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the main stream's time stamps."""
        return self.stream.time_base or Fraction(1, 1_000_000)

    @property
    def average_rate(self) -> Fraction:
        """Frames per second on average; 25 where the file does not tell."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as the file states it; None where it does not."""
        stream = self.stream
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if self.container.duration is None else self.container.duration / 1_000_000

    @property
    def frame_count(self) -> int | None:
        """Number of frames, an estimate: as the file states it, or from length and rate; None if unknown."""
        if self.stream.frames:
            return self.stream.frames
        return None if self.duration_s is None else round(self.duration_s * self.average_rate)

    @property
    def chapters(self) -> list[Any]:
        """The file's chapters, as PyAV gives and takes them."""
        return list(self.container.chapters())

    @property
    def copied_streams(self) -> tuple[Stream, ...]:
        """Every stream but the main one, in the order of the file."""
        return tuple(stream for stream in self.container.streams if stream.index != self.stream.index)

    def items(self) -> "Iterator[VideoFrame | Packet[Stream]]":
        """Decode the main stream and demux the others, in the order of the file.

        Can be called again: every iterator reads the file from its start.

        Yields:
            `av.VideoFrame` of the main stream, in order of presentation, with `pts` and `time_base` as in the
            file; `av.Packet` of every other stream.

        Raises:
            MediaError: the file is damaged; the message says at what time.
        """
        container = open_media(self.path)
        try:
            stream = container.streams[self.stream.index]
            if not isinstance(stream, VideoStream):
                raise MediaError(f"{self.path}: has changed since it was opened; open it again")
            stream.thread_type = "AUTO"
            yield from self._demux(container, stream)
        finally:
            container.close()

    def copies(self) -> "Iterator[Packet[Stream]]":
        """Demux every stream but the main one, as `items` does, without decoding."""
        container = open_media(self.path)
        try:
            for packet in container.demux():
                if packet.stream_index != self.stream.index and (packet.size or packet.pts is not None):
                    yield packet
        finally:
            container.close()

    def _demux(self, container: InputContainer, main: VideoStream) -> "Iterator[VideoFrame | Packet[Stream]]":
        clock = Clock(self.time_base, self.average_rate)
        n_whole: Counter[int] = Counter()
        try:
            for packet in container.demux():
                n_whole[packet.stream.index] += packet.size > 0 and not packet.is_corrupt
                if packet.stream.index == main.index:
                    for frame in main.decode(packet):
                        clock.stamp(frame)
                        yield frame
                elif packet.size or packet.pts is not None:
                    yield packet
        except av.FFmpegError as error:
            raise decode_error(self.path, error, clock.time_s) from error
        self._refuse_truncated(container, n_whole)

    def _refuse_truncated(self, container: InputContainer, n_whole: Mapping[int, int]) -> None:
        # Only the MP4 family lists every packet in advance; elsewhere a missing end cannot be told from
        # an early one.
        if "mp4" not in container.format.name:
            return
        for stream in (*container.streams.video, *container.streams.audio):
            n_found, n_listed = n_whole[stream.index], len(stream.index_entries)
            if n_found < n_listed:
                raise MediaError(
                    f"{self.path}: is damaged, only {n_found} of {n_listed} {stream.type} packets are there; "
                    "expected the whole file, copy or download it again"
                )


class Clock:
    """Gives a time to frames of files that store none (raw streams), and remembers the last one."""

    time_s: Fraction | None
    """Of the last frame; None before the first."""

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        """Take the stream's unit of time, and its frames per second."""
        self._time_base = time_base
        self._step = max(1, round(1 / (rate * time_base)))
        self._next = 0
        self.time_s = None

    def stamp(self, frame: VideoFrame) -> None:
        """Give a frame the next time if it has none."""
        if frame.pts is None:
            frame.pts = self._next
        frame.time_base = frame.time_base or self._time_base
        self._next = frame.pts + (frame.duration or self._step)
        self.time_s = frame.pts * frame.time_base
