"""Writing GIF: one palette for the whole clip, chosen from all its frames, and dithering.

FFmpeg's palettegen must have seen every frame before paletteuse draws the first, so the frames wait in a
lossless file beside the target, and memory does not grow with the clip.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fader.errors import MediaError
from fader.runtime.video.containers import begin_beside, writable_path
from fader.runtime.video.frame_target import FrameTarget, to_rgb
from fader.runtime.video.probe import reason
from fader.runtime.video.source import VideoSource

__all__ = ["GifTarget"]

_log = logging.getLogger(__name__)
TICK = Fraction(1, 100)
"""Seconds in which GIF counts."""
MIN_TICKS = 2
"""Between frames: players show faster ones at ten a second."""


class GifTarget(FrameTarget):
    """A GIF that plays over and over; at most 50 frames a second, times rounded to hundredths of a second.

    Args:
        path: The finished file.
        source: Where the frames come from.

    Raises:
        ConfigError: `path` is the source itself.
        MediaError: the folder is missing or cannot be written to.
    """

    def __init__(self, path: Path, source: VideoSource) -> None:
        super().__init__(writable_path(path, source.path), source)
        self._store: OutputContainer | None = None
        self._stream: VideoStream
        self._palette: Graph | None = None
        self._last: int | None = None
        self._n_frames = self._n_dropped = self._last_ticks = 0
        self._is_open = True
        form = VideoFormat(source.pix_fmt)
        self._has_alpha = form.has_palette or any(part.is_alpha for part in form.components)
        self._waiting = begin_beside(self.path, kind=".waiting")

    def _write(self, frame: VideoFrame) -> None:
        if frame.pts is None or frame.time_base is None:
            raise MediaError(f"{self.path}: a frame without a time came; set its pts and time_base")
        tick = round(frame.pts * frame.time_base / TICK)
        if self._last is not None and tick - self._last < MIN_TICKS:
            self._n_dropped += 1
            return
        self._last = tick
        picture = _bgra(frame)
        picture.pts, picture.time_base = tick, TICK
        self._last_ticks = max(MIN_TICKS, round((frame.duration or 0) * frame.time_base / TICK))
        self._n_frames += 1
        try:
            if self._store is None or self._palette is None:
                self._begin(picture)
            self._take(picture)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _begin(self, picture: VideoFrame) -> None:
        self._store = av.open(f"file:{self._waiting.path}", "w", format="nut")
        stream = self._store.add_stream("ffv1", rate=Fraction(100), options={"level": "3"})
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "bgra"
        stream.codec_context.time_base = stream.time_base = TICK
        self._stream = stream
        self._palette = Graph()
        source = self._palette.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=TICK
        )
        chooser = self._palette.add(
            "palettegen", f"stats_mode=full:reserve_transparent={int(self._has_alpha)}"
        )
        self._palette.link_nodes(source, chooser, self._palette.add("buffersink")).configure()

    def _take(self, picture: VideoFrame) -> None:
        assert self._store is not None  # noqa: S101
        assert self._palette is not None  # noqa: S101
        self._palette.vpush(picture)
        self._store.mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Choose the palette, write the file and give it its name; does nothing the second time.

        Raises:
            MediaError: no frame was written, or the file cannot be written; nothing is left behind then.
        """
        if not self._is_open:
            return
        try:
            if self._store is None or self._palette is None:
                raise MediaError(f"{self.path}: no frame was written; expected at least one")
            self._store.mux(self._stream.encode(None))
            self._store.close()
            self._palette.vpush(None)
            self._draw(self._palette.vpull())
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        finally:
            self.abort()
        if self._n_dropped:
            _log.warning(
                "%s: left out %d frames, GIF shows at most %d a second",
                self.path,
                self._n_dropped,
                round(1 / (MIN_TICKS * TICK)),
            )

    def _draw(self, palette: VideoFrame) -> None:
        work = begin_beside(self.path)
        try:
            self._draw_into(work.path, palette)
            work.publish(self.path)
        finally:
            work.discard()

    def _draw_into(self, path: Path, palette: VideoFrame) -> None:
        with (
            av.open(f"file:{self._waiting.path}") as waiting,
            av.open(f"file:{path}", "w", format="gif", options={"loop": "0"}) as container,
        ):
            first = waiting.streams.video[0]
            stream = container.add_stream("gif", rate=Fraction(100))
            assert isinstance(stream, VideoStream)  # noqa: S101
            stream.width, stream.height, stream.pix_fmt = first.width, first.height, "pal8"
            stream.codec_context.time_base = stream.time_base = TICK
            for i, drawn in enumerate(_drawn(waiting.decode(first), palette), start=1):
                packets = stream.encode(drawn)
                for packet in packets:
                    # The others are shown until the next one comes.
                    packet.duration = self._last_ticks if i == self._n_frames else 0
                container.mux(packets)
            container.mux(stream.encode(None))

    def abort(self) -> None:
        """Stop and remove what was written; does nothing after `finish`."""
        self._is_open = False
        if self._store is not None:
            self._store.close()
            self._store = None
        self._palette = None
        self._waiting.discard()

    def _failure(self, error: Exception) -> MediaError:
        return MediaError(f"{self.path}: cannot be written ({reason(error)}); check the disk's free space")


def _bgra(frame: VideoFrame) -> VideoFrame:
    pixels = to_rgb(frame)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    form = "rgb24" if pixels.shape[2] == 3 else "rgba"
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=form).reformat(format="bgra")


def _drawn(frames: Iterator[VideoFrame], palette: VideoFrame) -> Iterator[VideoFrame]:
    """Draw frames with a palette, one after the other."""
    graph, pictures, sink = Graph(), None, None
    for frame in frames:
        if pictures is None or sink is None:
            pictures, colours = (
                graph.add_buffer(width=one.width, height=one.height, format=one.format, time_base=TICK)
                for one in (frame, palette)
            )
            use, sink = graph.add("paletteuse", "dither=sierra2_4a"), graph.add("buffersink")
            pictures.link_to(use, 0, 0)
            colours.link_to(use, 0, 1)
            use.link_to(sink)
            graph.configure()
            colours.push(palette)
            colours.push(None)
        if frame.pts is not None and frame.time_base is not None:
            frame.pts, frame.time_base = round(frame.pts * frame.time_base / TICK), TICK
        pictures.push(frame)
        drawn = sink.pull()
        assert isinstance(drawn, VideoFrame)  # noqa: S101
        yield drawn
