"""A frame beside its edited self, joined by libav in the stream's own pixel format: no value changes."""

import copy
import math
from dataclasses import replace
from fractions import Fraction
from typing import Literal, cast, get_args

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.format import VideoFormat

from fader.errors import ConfigError
from fader.runtime.video import VideoSource
from fader.runtime.video.colour import Colour
from fader.runtime.video.formats import components

__all__ = ["Comparison", "Form", "form"]

Form = Literal["side", "wipe"]
"""The source left of the edit, or both in one picture with a line that moves to and fro between them."""
PERIOD_S = 4.0
"""In which the line of a wipe comes back."""
LINE_SHARE = 1 / 480
"""Thickness of the line, as a share of the picture's width."""
MAX_WIDTH = 16384
"""Columns that H.264, HEVC and VP9 encoders take."""
MIN_SIZE = 16


def form(text: str | None) -> Form | None:
    """Read the name of a form; None stays None.

    Raises:
        ConfigError: another name.
    """
    if text is not None and text not in get_args(Form):
        raise ConfigError(f"compare = {text!r}: expected one of {', '.join(get_args(Form))}")
    return cast("Form | None", text)


class Comparison:
    """Makes what is shown of each frame of one video; called with the frame before and after the edit."""

    source: VideoSource
    """The video as its targets are to see it: of the size of what is shown."""

    def __init__(self, form: Form, source: VideoSource) -> None:
        """Take measure.

        Args:
            form: How both are shown. As displayed, the source is on the left.
            source: The video.

        Raises:
            ConfigError: an unknown form, or a picture too small or too wide for it.
        """
        self._form = form
        # Turned for display, left and right are above and below in the stored picture.
        self._across = source.rotation in {0, 180}
        self._edit_first = source.rotation in {180, 270}
        self._length = source.width if self._across else source.height
        if min(source.width, source.height) < MIN_SIZE:
            raise ConfigError(
                f"{source.path}: {source.width}x{source.height} pixels are too few to compare, expected 16x16"
            )
        self.source = _widened(source, self._length, self._across) if form == "side" else source

    def __call__(self, before: av.VideoFrame, after: av.VideoFrame) -> av.VideoFrame:
        """Return a new frame with the times and properties of the edited one; pixel format as both have.

        Args:
            before: As decoded.
            after: Edited, of the same size and format.
        """
        graph = Graph()
        graph.threads = 1  # else each frame would start as many as there are processors
        first, second = (after, before) if self._edit_first else (before, after)
        time_base = after.time_base or Fraction(1)
        entries = [
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
            for frame in (first, second)
        ]
        step = _chroma_step(after.format.name, across=self._across)
        if self._form == "side":
            whole = self._length - self._length % step
            line, halves = slice(0, 0), [self._crop(graph, entry, 0, whole) for entry in entries]
        else:
            line = self._line(step, after.time or 0.0)
            ends = ((0, line.start), (line.start, self._length - line.start))
            halves = [self._crop(graph, entry, *end) for entry, end in zip(entries, ends, strict=True)]
        stack, end = graph.add("hstack" if self._across else "vstack"), graph.add("buffersink")
        for i, half in enumerate(halves):
            half.link_to(stack, 0, i)
        stack.link_to(end)
        graph.configure()
        for entry, frame in zip(entries, (first, second), strict=True):
            entry.push(frame)
            entry.push(None)
        shown = end.pull()
        if not isinstance(shown, av.VideoFrame):
            raise TypeError(f"found {shown!r}, expected a frame")
        self._paint(shown, line)
        shown.pts, shown.time_base, shown.duration = after.pts, time_base, after.duration
        return shown

    def _line(self, step: int, time_s: float) -> slice:
        """Return the columns of the line, as the picture is stored; whole chroma samples."""
        n_steps = self._length // step
        thickness = max(1, round(self._length * LINE_SHARE / step))
        free = n_steps - thickness
        at = round(free * (0.5 + 0.5 * math.sin(2 * math.pi * time_s / PERIOD_S)))
        at = min(max(1, free - at if self._edit_first else at), free - 1)
        return slice(at * step, (at + thickness) * step)

    def _crop(self, graph: Graph, entry: FilterContext, start: int, length: int) -> FilterContext:
        where = f"w={length}:x={start}:h=ih:y=0" if self._across else f"h={length}:y={start}:w=iw:x=0"
        added = graph.add("crop", f"{where}:exact=1")
        entry.link_to(added)
        return added

    def _paint(self, shown: av.VideoFrame, line: slice) -> None:
        if line.start == line.stop:
            return
        for component, code in zip(components(shown), Colour.of(shown).white, strict=True):
            samples = component.samples if self._across else component.samples.T
            scale = component.from_luma[0, 0] if self._across else component.from_luma[1, 1]
            samples[:, round(line.start * scale) : round(line.stop * scale)] = code


def _widened(source: VideoSource, length: int, across: bool) -> VideoSource:
    traits = source.traits
    # What is beyond the last whole chroma sample is left out: the other half's chroma begins there.
    pane = length - length % _chroma_step(traits.pix_fmt, across=across)
    if 2 * pane > MAX_WIDTH:
        raise ConfigError(
            f"{source.path}: twice {length} pixels side by side are more than the {MAX_WIDTH} that codecs "
            "take; compare by a wipe"
        )
    matrix = traits.display_matrix
    if matrix is not None:
        # Some cameras also note how far the turned picture is to be moved back into view: by its width.
        matrix = (*matrix[:6], matrix[6] * 2 * pane // length, *matrix[7:])
    width, height = (2 * pane, traits.height) if across else (traits.width, 2 * pane)
    widened = copy.copy(source)
    widened.traits = replace(traits, display_matrix=matrix, width=width, height=height)
    return widened


def _chroma_step(pix_fmt: str, *, across: bool) -> int:
    """Return how many pixels share a chroma sample."""
    form = VideoFormat(pix_fmt, 4, 4)
    return 4 // (form.chroma_width(4) if across else form.chroma_height(4))
