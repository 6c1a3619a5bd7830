"""Several outputs of one edit: their targets, and packets that each of them may keep and change."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from av.packet import Packet
from av.stream import Stream

from fader.errors import ConfigError
from fader.runtime.room import make_room
from fader.runtime.stages import FaceFrame
from fader.runtime.video import EncodeOptions, VideoSource
from fader.runtime.video.contract import Target
from fader.runtime.video.opening import open_target

__all__ = ["Copies", "begin_at_zero", "open_targets", "share_packets"]

P = TypeVar("P")
Name = TypeVar("Name", bound="str | os.PathLike[str]")
Copies: TypeAlias = "tuple[Packet[Stream], ...]"
"""One packet, once for each output."""


@contextmanager
def open_targets(encodings: Mapping[Name, EncodeOptions], source: VideoSource) -> "Iterator[list[Target]]":
    """Open targets; they are finished with the body, or removed if anything fails.

    Args:
        encodings: What is to be written, one or more, and how.
        source: Where the frames and packets will come from.

    Raises:
        ConfigError: two are one file, there are more than there is room for, or as of `open_target`.
        MediaError: as of `open_target`.
    """
    known: set[Path] = set()
    for file in map(Path, encodings):
        if file.resolve() in known:
            raise ConfigError(f"{file}: is the target of two outputs; give each a file of its own")
        known.add(file.resolve())
    with ExitStack() as stack:
        targets: list[Target] = []
        for path, options in encodings.items():
            targets.append(open_target(path, source, options))
            stack.enter_context(targets[-1])
            if len(targets) == 1:
                make_room(len(encodings), targets[0], source)
        yield targets


def share_packets(items: "Iterable[Packet[Stream] | P]", n: int) -> "Iterator[Copies | P]":
    """Turn each packet into as many as there are outputs; pass on everything else.

    To be called where the packets' file is still open: a muxer changes the packets that it gets, and may
    keep them for a while.
    """
    for item in items:
        if isinstance(item, Packet):
            yield (item, *(_copy(item) for _ in range(n - 1)))
        else:
            yield item


def begin_at_zero(items: "Iterable[FaceFrame | P]", start: Fraction) -> "Iterator[FaceFrame | P]":
    """Take `start`, in seconds, off the time stamps of frames; pass on everything else."""
    for item in items:
        if start and isinstance(item, FaceFrame):
            frame = item.planes.frame
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(start / frame.time_base)
        yield item


def _copy(packet: "Packet[Stream]") -> "Packet[Stream]":
    copied: Packet[Stream] = Packet(cast("bytes", packet))  # shares the bytes, as of any buffer
    copied.stream, copied.time_base = packet.stream, packet.time_base
    copied.pts, copied.dts, copied.duration = packet.pts, packet.dts, packet.duration
    copied.is_keyframe, copied.is_corrupt = packet.is_keyframe, packet.is_corrupt
    for side_data in packet.iter_sidedata():
        copied.set_sidedata(side_data)
    return copied
