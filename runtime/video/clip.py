"""A part of a video: some of its frames, and what is heard and read in their time.

Frames are found by the time stamps of their packets, and decoded from the key frame before the first of them
on; what lies before it in the file is read, not decoded.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import ConfigError
from fader.runtime.video.probe import decode_error, open_media
from fader.runtime.video.source import Clock, VideoSource

__all__ = ["Part", "VideoPart"]

SLICE = re.compile(r"(-?\d*):(-?\d*)")
TIME = r"(?:(?:(?:\d+:)?\d+:)?\d+(?:\.\d+)?s?)?"
TIMES = re.compile(f"({TIME})-({TIME})")
REORDER = 32
"""Packets after which none shows an earlier frame: twice what H.264 and HEVC allow."""
LAG_S = 5
"""How much later in a file than its pictures the sound of a moment may lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which frames of a video; bounds are as of Python's slices."""

    start: float | None = None
    """Number or time of the first frame; None from the beginning. A negative number counts from the end."""
    stop: float | None = None
    """Number or time of the frame after the last; None to the end."""
    unit: Literal["frames", "seconds", "seconds after the first"] = "frames"
    """What they count: frames in the order of display, time stamps, or time since the first frame."""

    @classmethod
    def preview(cls, seconds: float) -> Self:
        """Return the beginning of a video.

        Raises:
            ConfigError: not more than 0 seconds.
        """
        if not seconds > 0:
            raise ConfigError(f"found a preview of {seconds:g} s: expected more than 0")
        return cls(stop=seconds, unit="seconds after the first")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read A:B as frames, or A-B as times such as 2.5s-1:10; either end may be left out.

        Raises:
            ConfigError: it is neither, or holds no frame of any video.
        """
        frames, times = SLICE.fullmatch(text.strip()), TIMES.fullmatch(text.strip())
        found = frames or times
        if found is None or not any(found.groups()):
            raise ConfigError(
                f"found the frames {text!r}: expected numbers such as 100:250, or times such as 2s-5.5s"
            )
        read = int if frames else _seconds
        start, stop = (read(end) if end else None for end in found.groups())
        # Of one from the beginning and one from the end, the video's length decides.
        if start is not None and stop is not None and stop <= start and (start < 0) == (stop < 0):
            raise ConfigError(f"found the frames {text!r}: expected an end after the start, such as 100:250")
        return cls(start=start, stop=stop, unit="frames" if frames else "seconds")

    def rows(self, times: list[Fraction]) -> range:
        """Return the places of its frames among all, in ascending order of time."""
        if self.unit == "frames":
            start, stop = (None if end is None else int(end) for end in (self.start, self.stop))
            return range(*slice(start, stop).indices(len(times)))
        zero = times[0] if self.unit != "seconds" and times else 0
        start = 0 if self.start is None else bisect_left(times, self.start + zero)
        return range(start, len(times) if self.stop is None else bisect_left(times, self.stop + zero))

    def is_found(self, times: list[Fraction]) -> bool:
        """Whether its frames and the one after them are among those that were read; times in any order."""
        last = self.start if self.stop is None else max(self.stop, self.start or 0)
        if last is None or min(last, self.start or 0) < 0 or len(times) % REORDER:
            return False
        if self.unit == "frames":
            return len(times) > last + REORDER
        zero = min(times[:REORDER]) if self.unit != "seconds" else 0
        return min(times[-REORDER:]) > last + zero


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cut:
    """Where a part lies in the file; seconds by the file's time stamps."""

    first: Fraction
    """Of the first frame."""
    start: Fraction | None
    """The same; None where nothing is cut off before it."""
    stop: Fraction | None
    """Of the frame after the last; None to the end."""
    entry: Fraction | None
    """Of the key frame to decode from; None for the file's first packet."""
    count: int | None
    """Frames, as far as that is known."""


class VideoPart(VideoSource):
    """A part of a video file, open for reading.

    Frames keep the time stamps of the file, so that values that move by time move as in the whole; `start` is
    to be taken off them at the end. Packets of the other streams are cut to the part's time already, and
    begin with it.

    Args:
        path: A local media file.
        part: Which frames.

    Raises:
        ConfigError: no frame lies in that part.
        MediaError: as of VideoSource.
    """

    def __init__(self, path: str | Path, part: Part) -> None:
        super().__init__(path)
        self._part = part
        try:
            self._cut = self._find()
        except BaseException:
            self.close()
            raise

    @property
    def start(self) -> Fraction:
        """Time stamp that becomes 0; seconds. 0 where the part begins with the file."""
        return self._cut.start or Fraction(0)

    @property
    def frame_count(self) -> int | None:
        """Number of frames; None if unknown."""
        return self._cut.count

    @property
    def chapters(self) -> list[Any]:
        """The file's chapters in the part's time."""
        cut = []
        for chapter in super().chapters:
            unit = chapter["time_base"]
            low = 0 if self._cut.start is None else round(self._cut.start / unit)
            high = chapter["end"] if self._cut.stop is None else round(self._cut.stop / unit)
            start, end = max(chapter["start"], low) - low, min(chapter["end"], high) - low
            if start < end:
                cut.append({**chapter, "start": start, "end": end})
        return cut

    def items(self) -> "Iterator[VideoFrame | Packet[Stream]]":
        """Decode the part's frames and demux what belongs to them, in the order of the file.

        Yields:
            As of `VideoSource.items`.

        Raises:
            MediaError: the file is damaged; the message says at what time.
        """
        items, held = super().items(), []
        for item in items:
            held.append(item)
            if isinstance(item, VideoFrame):
                break
        if not held or _time(held[-1]) != self._cut.first:
            # Some packets hold no frame, or decoding cannot begin at that key frame: look at every frame.
            self._cut, held = self._find_by_decoding(), []
            items = super().items()
        yield from held
        yield from items

    def _find(self) -> _Cut:
        """Look through the packets of the main stream, as far as needed."""
        times: list[Fraction] = []
        keys: list[Fraction] = []
        is_whole = True
        with open_media(self.path) as container:
            for packet in container.demux(container.streams[self.stream.index]):
                if not packet.size or packet.is_discard:
                    continue
                time = _time(packet)
                if time is None:
                    return self._find_by_decoding()
                times.append(time)
                if packet.is_keyframe:
                    keys.append(time)
                if self._part.is_found(times):
                    is_whole = False
                    break
        return self._located(sorted(times), sorted(keys), is_whole=is_whole)

    def _find_by_decoding(self) -> _Cut:
        with VideoSource(self.path) as whole:
            frames = (item for item in whole.items() if isinstance(item, VideoFrame))
            times = [time for frame in frames if (time := _time(frame)) is not None]
        return self._located(times, [], is_whole=True)

    def _located(self, times: list[Fraction], keys: list[Fraction], *, is_whole: bool) -> _Cut:
        rows = self._part.rows(times)
        if not rows:
            said = (
                f"{len(times)} frames from {float(times[0]):g} s to {float(times[-1]):g} s"
                if times
                else "none"
            )
            raise ConfigError(f"{self.path}: no frame lies in the part that was named; the video has {said}")
        first = times[rows.start]
        after = times[rows.stop] if rows.stop < len(times) else None
        before = [time for time in keys if time <= first]
        count: int | None = len(rows)
        if after is None and not is_whole:
            whole = super().frame_count
            count = None if whole is None else max(1, whole - rows.start)
        return _Cut(
            first=first,
            start=first if rows.start else None,
            stop=after,
            entry=before[-1] if before and len(before) > 1 else None,
            count=count,
        )

    def _demux(self, container: InputContainer, main: VideoStream) -> "Iterator[VideoFrame | Packet[Stream]]":
        clock, cut = Clock(self.time_base, self.average_rate), self._cut
        is_decoding, is_done = cut.entry is None, False
        sounds = {stream.index for stream in container.streams.audio}
        try:
            for packet in container.demux():
                if packet.stream.index != main.index:
                    if self._is_over(packet):
                        sounds.discard(packet.stream.index)
                    elif kept := self._kept(packet):
                        yield kept
                elif not is_done:
                    is_decoding = is_decoding or (packet.is_keyframe and _time(packet) == cut.entry)
                    for frame in main.decode(packet) if is_decoding else ():
                        clock.stamp(frame)
                        is_done = is_done or self._is_over(frame)
                        if not is_done and (clock.time_s or 0) >= cut.first:
                            yield frame
                if is_done and (not sounds or self._is_over(packet, by_s=LAG_S)):
                    return
        except av.FFmpegError as error:
            raise decode_error(self.path, error, clock.time_s) from error

    def _is_over(self, item: "VideoFrame | Packet[Stream]", by_s: int = 0) -> bool:
        time = _time(item)
        return time is not None and self._cut.stop is not None and time >= self._cut.stop + by_s

    def _kept(self, packet: "Packet[Stream]") -> "Packet[Stream] | None":
        """Return a packet in the part's time, or None where it lies outside."""
        start, stop, time = self._cut.start, self._cut.stop, _time(packet)
        if time is None or packet.stream.disposition & Disposition.attached_pic:
            return packet if packet.size else None
        end = time + (packet.duration or 0) * packet.time_base
        if start is not None and time < start and end <= start:
            return None
        if packet.stream.type == "subtitle":
            # Shown from within the part on, and not beyond it; of sound the whole packet is needed.
            shown = max(time, start or time)
            packet.pts = round(shown / packet.time_base)
            packet.dts = packet.pts
            if packet.duration:
                packet.duration = round((min(end, stop or end) - shown) / packet.time_base)
        if start is not None:
            by = round(start / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - by
            packet.dts = None if packet.dts is None else packet.dts - by
        return packet


def _time(item: "VideoFrame | Packet[Stream]") -> Fraction | None:
    if item.pts is None or item.time_base is None:
        return None
    return item.pts * item.time_base


def _seconds(text: str) -> float:
    seconds = 0.0
    for part in text.removesuffix("s").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
