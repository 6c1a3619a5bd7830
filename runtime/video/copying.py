"""Copies of decoded frames, to be written to: what a decoder gives away it may still read."""

import threading
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph

__all__ = ["copy_frame"]

_here = threading.local()


def copy_frame(frame: av.VideoFrame) -> av.VideoFrame:
    """Return a writable copy with the same times, colour description and side data, such as captions."""
    # A filter graph copies all of them. It is kept from frame to frame, because its pool hands out again the
    # memory of copies that are no longer used: new memory costs more than the copying.
    shape = _shape(frame)
    if getattr(_here, "shape", None) != shape:
        _here.graph, _here.shape = _graph(frame), shape
    try:
        _here.graph.vpush(frame)
        copied: av.VideoFrame = _here.graph.vpull()
    except BaseException:
        # Interrupted between the two, the graph would give this frame in place of the next one.
        _here.shape = None
        raise
    return copied


def _shape(frame: av.VideoFrame) -> tuple[Any, ...]:
    """Return what a graph is made for: it warns of frames of another kind, or refuses them."""
    colour = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    return (frame.width, frame.height, frame.format.name, frame.time_base, *colour)


def _graph(frame: av.VideoFrame) -> Graph:
    graph, time_base = Graph(), frame.time_base or Fraction(1)
    entry = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    graph.link_nodes(entry, graph.add("copy"), graph.add("buffersink")).configure()
    return graph
