"""Writing a video so that a run that was stopped, however it was, can go on: in segments that are kept.

Each segment of the main stream has an encoder of its own, which begins with a key frame and knows nothing of
the frames before, so its packets are the same whether or not another run has written those. When the last is
finished, all are copied into the target, with the packets that the source's other streams have.
"""

import heapq
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import MediaError
from fader.runtime.video.containers import begin_beside
from fader.runtime.video.encoder import EncoderPlan, quiet_encoder
from fader.runtime.video.layout import add_main_stream
from fader.runtime.video.parts import Parts, Segment, SegmentWriter
from fader.runtime.video.source import VideoSource
from fader.runtime.video.target import VideoTarget
from fader.workfile import WorkFile

__all__ = ["SEGMENT_FRAMES", "SegmentedTarget"]

_log = logging.getLogger(__name__)
SEGMENT_FRAMES = 250
"""x264's and x265's own longest distance between key frames: a segment's first costs hardly anything."""


class SegmentedTarget(VideoTarget):
    """A video file written in segments; used as `VideoTarget`, with `claim` before the first frame.

    Leaving the block with an error keeps the finished segments, for a run with the same arguments.
    """

    def __init__(self, path: Path, source: VideoSource, plan: EncoderPlan, form: str) -> None:
        self._parts = Parts(path)
        try:
            super().__init__(path, source, plan, form)
        except BaseException:
            self._parts.release()
            raise
        self._source, self._form, self._stamp = source, form, _stamp(source.path)
        self._earlier: Mapping[int, Segment] = {}
        self._segments: dict[int, Segment] = {}
        self._n_frames = 0
        self._edited: list[int] = []
        self._writer: SegmentWriter | None = None
        self._encoder: VideoStream | None = None

    @property
    def folder(self) -> Path:
        """Where the segments are; removed when the video is whole."""
        return self._parts.folder

    def claim(self, job: Mapping[str, Any]) -> None:
        """Take over the segments of an earlier run that did the same.

        Args:
            job: What the frames depend on, by name, as JSON takes it. Segments of another are removed, with a
                warning that names what has changed.

        Raises:
            MediaError: the folder cannot be written to.
        """
        try:
            changed = self._parts.claim({**job, "encoding": asdict(self.plan), "container": self._form})
            found = self._parts.segments()
        except OSError as error:
            raise self._failure(error) from error
        if changed:
            _log.warning(
                "%s: what was begun differs from this in %s; starting anew", self.path, ", ".join(changed)
            )
        header = _header(self._stream).hex()
        self._earlier = {number: segment for number, segment in found.items() if segment.header == header}
        self._segments = dict(self._earlier)

    def n_edited(self, number: int) -> int | None:
        """Tell whether an earlier run has written a frame: in how many faces it changed pixels, else None.

        Threads may call it after `claim`.

        Args:
            number: Of the frame, from 0.
        """
        segment = self._earlier.get(number // SEGMENT_FRAMES)
        position = number % SEGMENT_FRAMES
        return segment.edited[position] if segment and position < len(segment.edited) else None

    def note(self, n_edited: int) -> None:
        """Keep in how many faces the next frame was changed, for the report of a run that goes on."""
        self._edited.append(n_edited)

    def write(self, item: "VideoFrame | Packet[Stream]") -> None:
        """Encode a frame, unless an earlier run has; as `VideoTarget.write`.

        Packets are passed over: `finish` reads them from the source again.
        """
        self._open_container()
        if not isinstance(item, VideoFrame):
            return
        try:
            self._write_frame(item)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def finish(self) -> None:
        """As `VideoTarget.finish`; the segments are removed."""
        is_open = self._container is not None
        super().finish()
        if is_open:
            self._parts.remove()

    def abort(self) -> None:
        """Stop; finished segments stay. Does nothing after `finish`."""
        if self._container is None:
            return
        if self._writer is not None:
            self._writer.close()
        if self._segments:
            n_frames = sum(len(segment.edited) for segment in self._segments.values())
            _log.warning("%s: %d finished frames are kept; --resume goes on from there", self.path, n_frames)
        try:
            super().abort()
        finally:
            self._parts.release()

    def _work_file(self) -> WorkFile:
        return begin_beside(self._parts.folder / "whole")

    def _write_frame(self, frame: VideoFrame) -> None:
        number, position = divmod(self._n_frames, SEGMENT_FRAMES)
        self._n_frames += 1
        if number in self._earlier:
            self._durations.pop(self._timed(frame), None)
            self._edited.clear()
            return
        if self._writer is None:
            self._encoder = self._new_encoder()
            self._writer = self._parts.write(number)
        self._keep(self._prepared(frame))
        if position == SEGMENT_FRAMES - 1:
            self._finish_segment()

    def _keep(self, frame: VideoFrame | None) -> None:
        if self._writer is not None and self._encoder is not None:
            for packet in self._encoded(self._encoder, frame):
                self._writer.add(packet)

    def _finish_segment(self) -> None:
        if self._writer is None or self._encoder is None:
            return
        self._keep(None)
        header = _header(self._encoder)
        if header != _header(self._stream):
            raise MediaError(
                f"{self.path}: {self.plan.codec} begins anew in another way; "
                "start without --resume, or choose another codec"
            )
        segment = self._writer.finish(self._edited, header)
        self._segments[segment.number] = segment
        self._edited, self._writer, self._encoder = [], None, None

    def _new_encoder(self) -> VideoStream:
        """Open an encoder like the target's own, in a container that nobody will read."""
        scratch = av.open(io.BytesIO(), "w", format=self._form)
        stream = add_main_stream(scratch, self._source, self.plan)
        with quiet_encoder(self.plan.codec):
            scratch.start_encoding()
        return stream

    def _complete(self, container: OutputContainer) -> None:
        self._finish_segment()
        n_kept = sum(len(segment.edited) for segment in self._segments.values())
        if n_kept != self._n_frames or _stamp(self._source.path) != self._stamp:
            raise MediaError(
                f"{self.path}: {self._source.path} was changed while it was edited; "
                f"found {self._n_frames} frames, expected {n_kept}: start again"
            )
        both: tuple[Iterator[Packet[Any]], ...] = (self._pictures(), self._source.copies())
        for packet in heapq.merge(*both, key=_time):
            if packet.stream is self._stream:
                container.mux(packet)
            else:
                super().write(packet)

    def _pictures(self) -> "Iterator[Packet[VideoStream]]":
        last: int | None = None
        for number in sorted(self._segments):
            unit = Fraction(self._stream.codec_context.time_base)
            for packet in self._parts.packets(self._segments[number], self._stream, unit):
                # An encoder that begins anew may decode its first frames before the last ones of the segment
                # before. Between those and its own first frame's presentation there is always room.
                if last is not None and packet.dts is not None:
                    packet.dts = max(packet.dts, last + 1)
                last = packet.dts
                yield packet


def _header(stream: VideoStream) -> bytes:
    return bytes(stream.codec_context.extradata or b"")


def _time(packet: "Packet[Any]") -> Fraction:
    ticks = packet.pts if packet.dts is None else packet.dts
    return (ticks or 0) * Fraction(packet.time_base)


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
