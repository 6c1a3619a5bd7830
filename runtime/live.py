"""Live editing: from a camera or a stream to a file, a pipe or another stream, always at the newest frame.

One frame at a time is edited and sent on, so a frame waits for at most the one before it; frames that come in
between are dropped and counted. The file pipeline (`pipeline.py`) keeps every frame instead.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.mark import mark_of
from fader.runtime.motion import Values
from fader.runtime.stages import Edited, find_faces, paste, render
from fader.runtime.video import EncodeOptions
from fader.runtime.video.frame_target import FrameTarget
from fader.runtime.video.live_source import LiveSource
from fader.runtime.video.live_target import LiveTarget
from fader.runtime.video.pipes import PIPE, Y4mTarget

__all__ = ["LiveProgress", "LiveReport", "edit_live", "stopped_by_signals"]

MAX_LATENCY_MS = 10_000
"""Latencies beyond are counted as this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveProgress:
    """How far a live edit is; given to `on_progress` after every frame."""

    frames: int
    """Frames written."""
    dropped: int
    """Frames that were dropped."""
    latency_ms: float
    """Added to the last frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveReport:
    """What was done to a live stream."""

    source: str
    """The stream read."""
    target: str
    """Where it went."""
    frames_received: int
    """Frames that came."""
    frames: int
    """Frames written."""
    frames_dropped: int
    """Frames that a newer one replaced before they were edited."""
    frames_edited: int
    """Frames in which a pixel changed."""
    faces: int
    """Faces found, and lost ones whose edit still shows, summed over frames."""
    faces_edited: int
    """Faces whose pixels changed, summed over frames."""
    tracks: int
    """Different faces that were followed."""
    reconnects: int
    """Times that the stream was lost and opened again."""
    latency_p50_ms: float
    """Half of the frames left at most this long after their data had been decoded."""
    latency_p95_ms: float
    """And 95 in 100 of them."""
    seconds: float
    """Time from the first frame to the end."""
    engine: str
    """The engine that rendered."""

    def sentence(self) -> str:
        """Say in a line what was done."""
        return (
            f"{self.target}: a face edited in {self.frames_edited} of {self.frames} frames "
            f"({self.frames_dropped} of {self.frames_received} dropped, {self.reconnects} reconnects), "
            f"{self.latency_p50_ms:.0f} ms later (95 %: {self.latency_p95_ms:.0f} ms) on {self.engine}"
        )


def edit_live(
    editor: Editor,
    source: "str | LiveSource",
    target: str,
    values: Values,
    *,
    encoding: EncodeOptions | None = None,
    faces: FaceOptions | None = None,
    stop: threading.Event | None = None,
    on_progress: Callable[[LiveProgress], None] = lambda _: None,
) -> LiveReport:
    """Edit every face of a live stream until it ends or is stopped; the file is whole in either case.

    Args:
        editor: The model.
        source: A URL, /dev/video0 or webcam:0, or an opened `LiveSource`.
        target: A file, - for y4m on standard output, or a URL: rtmp, rtsp, udp, tcp, srt.
        values: As for `Editor.decode`; times count from the first frame.
        encoding: Codec (by default x264), quality and speed.
        faces: How faces are searched for.
        stop: Ends the edit when it is set, from another thread or a signal.
        on_progress: Called in this thread after every frame.

    Raises:
        ConfigError: an unknown attribute or codec, or a value out of range.
        MediaError: the source cannot be opened, or the target cannot be written.
        EngineError: the engine failed.
    """
    editor.model.check(values)
    # Whatever loads or warms up at its first use does so before the first frame waits for it.
    tracker = editor.tracker(faces)
    editor.encode(np.zeros((1, editor.image_size, editor.image_size, 3), np.uint8))
    opened = LiveSource(source, stop=stop or threading.Event()) if isinstance(source, str) else source
    options = encoding or EncodeOptions()
    if options.mark is True:
        options = replace(options, mark=mark_of(editor.model, values))
    count = _Count()
    began_s = time.monotonic()
    with opened as reading, _open_target(target, reading, options) as writing:
        if isinstance(writing, LiveTarget):
            writing.on_sent = lambda pts: count.add_latency(reading.age_s(pts))
        found = find_faces(reading.items(), tracker, editor.image_size, rotation=reading.rotation)
        for item in paste(render(found, editor.model, values, max_waiting=1)):
            if not isinstance(item, Edited):
                writing.write(item)
                continue
            pts = item.frame.pts
            writing.write(item.frame)
            if isinstance(writing, FrameTarget) and pts is not None:
                count.add_latency(reading.age_s(pts))
            count.add(item)
            on_progress(
                LiveProgress(frames=count.frames, dropped=reading.n_dropped, latency_ms=count.last_latency_ms)
            )
    return LiveReport(
        source=reading.name,
        target=target,
        frames_received=reading.n_decoded,
        frames=count.frames,
        frames_dropped=reading.n_dropped,
        frames_edited=count.edited,
        faces=count.faces,
        faces_edited=count.faces_edited,
        tracks=len(count.tracks),
        reconnects=reading.n_reconnected,
        latency_p50_ms=count.percentile(50),
        latency_p95_ms=count.percentile(95),
        seconds=time.monotonic() - began_s,
        engine=editor.engine_name,
    )


def _open_target(target: str, source: LiveSource, options: EncodeOptions) -> LiveTarget | Y4mTarget:
    return Y4mTarget(source) if target == PIPE else LiveTarget.open_live(target, source, options)


class _Count:
    """Sums, and a histogram of latencies: memory does not grow with the stream's length."""

    def __init__(self) -> None:
        self.frames = self.edited = self.faces = self.faces_edited = 0
        self.tracks: set[int] = set()
        self.last_latency_ms = 0.0
        self._latencies = np.zeros(MAX_LATENCY_MS + 1, np.int64)

    def add(self, done: Edited) -> None:
        self.frames += 1
        self.edited += bool(done.n_edited)
        self.faces += len(done.faces)
        self.faces_edited += done.n_edited
        self.tracks.update(face.track for face in done.faces)

    def add_latency(self, seconds: float | None) -> None:
        if seconds is not None:
            self.last_latency_ms = seconds * 1000
            self._latencies[min(MAX_LATENCY_MS, round(seconds * 1000))] += 1

    def percentile(self, percent: float) -> float:
        total = np.cumsum(self._latencies)
        return float(np.searchsorted(total, total[-1] * percent / 100)) if total[-1] else 0.0


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """While the body runs, the first Ctrl-C or SIGTERM sets the event instead; the second acts as ever."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def ask(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number])

    is_main = threading.current_thread() is threading.main_thread()
    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    for number in numbers:
        before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
