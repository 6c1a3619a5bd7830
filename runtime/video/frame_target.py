"""Targets that take frames alone, upright: pipes, numbered pictures, GIF."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from fader.runtime.video.contract import Target
from fader.runtime.video.source import VideoSource

__all__ = ["FrameTarget", "Turn", "to_rgb"]

_log = logging.getLogger(__name__)
HD_HEIGHT = 720
_TURNS: dict[int, Sequence[tuple[str, str | None]]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", None), ("vflip", None)),
    270: (("transpose", "clock"),),
}


class FrameTarget(Target):
    """Somewhere that holds pictures and nothing else."""

    def __init__(self, path: Path, source: VideoSource) -> None:
        self.path = path
        self._size = (source.width, source.height)
        self._turn = Turn(source.rotation)
        for stream in source.copied_streams:
            if stream.type in {"audio", "subtitle"}:
                _log.warning("%s: leaving out stream %d (%s)", path, stream.index, stream.type)

    def write(self, item: "VideoFrame | Packet[Stream]") -> None:
        """Take a frame of the source's size, turned upright here; packets are passed over.

        Raises:
            MediaError: the frame has another size, or cannot be written.
        """
        if not isinstance(item, VideoFrame):
            return
        self._require_size(item, *self._size)
        self._write(self._turn(item))

    @abstractmethod
    def _write(self, frame: VideoFrame) -> None:
        """Take an upright frame."""


class Turn:
    """Turns frames for display, in their own pixel format.

    Args:
        rotation: Degrees counter-clockwise: 0, 90, 180 or 270.
    """

    def __init__(self, rotation: int) -> None:
        self._filters = _TURNS.get(rotation, ())
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame, or a turned copy with the same time."""
        if not self._filters:
            return frame
        if self._graph is None:
            self._graph = Graph()
            buffer = self._graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
            )
            parts = [self._graph.add(name, options) for name, options in self._filters]
            self._graph.link_nodes(buffer, *parts, self._graph.add("buffersink")).configure()
        self._graph.vpush(frame)
        turned = self._graph.vpull()
        turned.pts, turned.duration = frame.pts, frame.duration
        if frame.time_base is not None:
            turned.time_base = frame.time_base
        turned.colorspace, turned.color_range = frame.colorspace, frame.color_range
        return turned


def to_rgb(frame: VideoFrame) -> NDArray[Any]:
    """Convert a frame to (H, W, 3) RGB or, where it has alpha, (H, W, 4): uint8, or uint16 beyond 8 bits.

    An unspecified matrix is BT.601 below 720 lines, then BT.709.
    """
    parts = frame.format.components
    is_deep = max(part.bits for part in parts) > 8
    has_alpha = any(part.is_alpha for part in parts) or frame.format.has_palette
    wanted = {
        (False, False): "rgb24",
        (False, True): "rgba",
        (True, False): "rgb48le",
        (True, True): "rgba64le",
    }
    matrix = None
    if not VideoFormat(frame.format.name).is_rgb:
        codes = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
        matrix = codes.get(int(frame.colorspace), "ITU709" if frame.height >= HD_HEIGHT else "ITU601")
    return np.asarray(frame.reformat(format=wanted[is_deep, has_alpha], src_colorspace=matrix).to_ndarray())
