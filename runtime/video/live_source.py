"""Reading a stream that does not wait: the newest frame wins, and whoever is late never sees the older ones.

A thread reads and decodes as fast as frames come and leaves the newest in a mailbox of one. The reader takes
it when it is ready, so what it sees is never older than the frame it was busy with, whatever its speed.
"""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from fader.errors import MediaError
from fader.runtime.video.probe import main_stream, reason, traits_of
from fader.runtime.video.source import VideoSource

__all__ = ["LiveSource", "is_live", "is_url", "stem_of"]

_log = logging.getLogger(__name__)
_URL = re.compile(r"(rtsps?|rtmps?|srt|udp|tcp|rtp|https?)://")
_WEBCAM = re.compile(r"webcam:(\d+)")
_DEVICE = re.compile(r"/dev/video(\d+)")
CLOCK = Fraction(1, 90_000)
"""Unit of the frames' times."""
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 5.0
RETRY_S = 1.0
POLL_S = 0.1
JUMP_S = 10
"""A longer step between two frames is a new start of the sender's clock."""
MAX_SOUNDS = 1000
"""Packets of sound that wait for a frame."""
_OPTIONS = {"fflags": "nobuffer", "analyzeduration": "1000000"}


def is_url(name: str) -> bool:
    """Whether a name is the address of a stream on a network."""
    return _URL.match(name) is not None


def is_live(name: str) -> bool:
    """Whether a name stands for a live stream: a URL, /dev/video0 or webcam:0."""
    return is_url(name) or any(kind.fullmatch(name) for kind in (_WEBCAM, _DEVICE))


def stem_of(name: str) -> str:
    """Return a file name's stem for what is recorded of a stream."""
    camera = _WEBCAM.fullmatch(name) or _DEVICE.fullmatch(name)
    if camera:
        return f"webcam{camera[1]}"
    return re.sub(r"\W+", "-", name.partition("://")[2].partition("@")[2] or name.partition("://")[2]).strip(
        "-"
    )


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """The newest frame and when its data arrived."""

    frame: VideoFrame
    arrived_s: float


class LiveSource(VideoSource):
    """A live stream, read once.

    Args:
        name: A URL, /dev/video0 or webcam:0.
        stop: Set by whoever wants the stream to end.
        reconnects: Times in a row that a stream which ended or failed is opened again, a second apart.
        options: FFmpeg's options for the input, beside ours.

    Raises:
        MediaError: it cannot be opened, or has no video.
    """

    name: str
    """The stream, as it was given."""
    n_decoded: int
    """Frames that came."""
    n_dropped: int
    """Frames that were replaced by a newer one before anybody took them."""
    n_reconnected: int
    """Times that the stream was opened again."""

    def __init__(
        self,
        name: str,
        *,
        stop: threading.Event,
        reconnects: int = 3,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(name)
        self.name, self._stop, self._reconnects = name, stop, reconnects
        self._options = {**_OPTIONS, **(options or {})}
        self.n_decoded = self.n_dropped = self.n_reconnected = 0
        self._waiting: _Waiting | None = None
        self._sounds: deque[Packet[Stream]] = deque(maxlen=MAX_SOUNDS)
        self._arrivals: dict[int, float] = {}
        self._news = threading.Condition()
        self._has_ended = False
        self._clock = _Clock()
        self.container = self._open()
        try:
            self.stream = main_stream(self.container, self.path)
            self._reading = self._decode(self.container)
            first = next(self._reading, None)
        except BaseException as error:
            self.container.close()
            if isinstance(error, av.FFmpegError):
                raise self._failure(error) from error
            raise
        if first is None:
            raise MediaError(f"{name}: ended before its first frame; check that the camera sends")
        self.traits = traits_of(first, self.stream)
        self._offer(first, time.monotonic())
        self._thread = threading.Thread(target=self._read, name="fader-live", daemon=True)
        self._thread.start()

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the frames' times, which begin at 0."""
        return CLOCK

    @property
    def duration_s(self) -> None:
        """Nobody knows."""

    @property
    def frame_count(self) -> None:
        """Nobody knows."""

    @property
    def copied_streams(self) -> tuple[Stream, ...]:
        """The sound."""
        return tuple(self.container.streams.audio)

    def items(self) -> "Iterator[VideoFrame | Packet[Stream]]":
        """Wait for frames and yield the newest each time, after the sound that came before it; once only."""
        while True:
            with self._news:
                while self._waiting is None and not self._has_ended and not self._stop.is_set():
                    self._news.wait(POLL_S)
                waiting, self._waiting = self._waiting, None
                sounds = [self._sounds.popleft() for _ in range(len(self._sounds))]
            yield from sounds
            if waiting is None or self._stop.is_set():
                return
            if (waiting.frame.width, waiting.frame.height) != (self.width, self.height):
                _log.warning("%s: the size of its frames changed; ending here", self.name)
                return
            assert waiting.frame.pts is not None  # noqa: S101
            self._arrivals[waiting.frame.pts] = waiting.arrived_s
            yield waiting.frame

    def age_s(self, pts: int) -> float | None:
        """Return the seconds since the data of a frame that was taken arrived; once for each frame."""
        arrived_s = self._arrivals.pop(pts, None)
        return None if arrived_s is None else time.monotonic() - arrived_s

    def stop(self) -> None:
        """End the stream."""
        self._stop.set()

    def close(self) -> None:
        """End the stream and wait for the reading thread, at most until its read times out."""
        self.stop()
        self._thread.join(OPEN_TIMEOUT_S + READ_TIMEOUT_S)

    def _open(self) -> InputContainer:
        camera = _WEBCAM.fullmatch(self.name)
        address = f"/dev/video{camera[1]}" if camera else self.name
        is_device = camera is not None or _DEVICE.fullmatch(self.name) is not None
        options = dict(self._options)
        if address.startswith("rtsp"):
            options.setdefault("rtsp_transport", "tcp")
        try:
            return av.open(
                address,
                "r",
                format="v4l2" if is_device else None,
                options=options,
                timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
                metadata_errors="surrogateescape",
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> MediaError:
        why = "no answer in time" if isinstance(error, av.ExitError) else reason(error)
        return MediaError(f"{self.name}: cannot be opened ({why}); check the address and that it sends video")

    def _decode(self, container: InputContainer) -> Generator[VideoFrame]:
        stream = container.streams.video[0] if container is not self.container else self.stream
        # Threads that decode whole frames would each hold one back.
        stream.thread_type = "SLICE"
        for packet in container.demux():
            if packet.stream.index == stream.index:
                for frame in stream.decode(packet):
                    self._clock.stamp(frame)
                    yield frame
            elif packet.stream.type == "audio" and packet.size and self._clock.move(packet):
                with self._news:
                    self._sounds.append(packet)

    def _offer(self, frame: VideoFrame, arrived_s: float) -> None:
        with self._news:
            self.n_decoded += 1
            self.n_dropped += self._waiting is not None
            self._waiting = _Waiting(frame=frame, arrived_s=arrived_s)
            self._news.notify_all()

    def _read(self) -> None:
        container, reading, n_tries = self.container, self._reading, 0
        while not self._stop.is_set():
            try:
                for frame in reading:
                    self._offer(frame, time.monotonic())
                    n_tries = 0
                    if self._stop.is_set():
                        break
            except (av.FFmpegError, OSError) as error:
                _log.info("%s: lost (%s)", self.name, reason(error))
            reading.close()
            container.close()
            reopened = self._reopen(n_tries)
            if reopened is None:
                break
            container, n_tries = reopened, n_tries + 1
            reading = self._decode(container)
        container.close()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def _reopen(self, n_tries: int) -> InputContainer | None:
        for _ in range(n_tries, self._reconnects):
            if self._stop.wait(RETRY_S):
                return None
            try:
                container = self._open()
            except MediaError:
                continue
            self.n_reconnected += 1
            self._clock.restart()
            _log.warning("%s: was lost and is opened again", self.name)
            return container
        return None


class _Clock:
    """Puts a sender's times on one clock that begins at 0, goes on over interruptions and never goes back."""

    def __init__(self) -> None:
        self._offset: Fraction | None = None
        self._last = Fraction(-1)
        self._last_s = time.monotonic()
        self._heard: dict[int, Fraction] = {}

    def restart(self) -> None:
        """Expect times that do not go on from the last ones."""
        self._offset = None

    def stamp(self, frame: VideoFrame) -> None:
        now_s = time.monotonic()
        time_base = frame.time_base or CLOCK
        sent = Fraction(now_s).limit_denominator(90_000) if frame.pts is None else frame.pts * time_base
        shown = sent - self._offset if self._offset is not None else None
        if shown is None or not 0 < shown - self._last < JUMP_S:
            gap = Fraction(max(now_s - self._last_s, float(CLOCK))).limit_denominator(90_000)
            shown = self._last + max(gap, CLOCK) if self._last >= 0 else Fraction(0)
            self._offset = sent - shown
        pts = max(round(shown / CLOCK), round(self._last / CLOCK) + 1)
        frame.pts, frame.time_base = pts, CLOCK
        frame.duration = 0
        self._last, self._last_s = pts * CLOCK, now_s

    def move(self, packet: "Packet[Stream]") -> bool:
        """Put a packet of sound on the clock; False where it lies before the first frame or packet."""
        if self._offset is None or packet.time_base is None or packet.pts is None:
            return False
        moved = packet.pts - round(self._offset / packet.time_base)
        if moved < 0 or moved * packet.time_base <= self._heard.get(packet.stream_index, Fraction(-1)):
            return False
        self._heard[packet.stream_index] = moved * packet.time_base
        packet.pts = packet.dts = moved
        return True
