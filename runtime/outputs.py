"""Several outputs of one edit: their targets, and packets that each of them may keep and change."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from av.packet import Packet
from av.stream import Stream

from fader.errors import ConfigError
from fader.runtime.stages import FaceFrame
from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget

__all__ = ["Copies", "begin_at_zero", "open_targets", "share_packets"]

P = TypeVar("P")
Copies: TypeAlias = "tuple[Packet[Stream], ...]"
"""One packet, once for each output."""


@contextmanager
def open_targets(
    paths: Sequence[str | Path], source: VideoSource, encoding: EncodeOptions | None
) -> Iterator[list[VideoTarget]]:
    """Open a target for each path; they are finished with the body, or removed if anything fails.

    Args:
        paths: The files to be, one or more.
        source: Where the frames and packets will come from.
        encoding: How to encode.

    Raises:
        ConfigError: two paths are one file, or what `VideoTarget.open` raises.
        MediaError: as of `VideoTarget.open`.
    """
    known: set[Path] = set()
    for path in map(Path, paths):
        if path.resolve() in known:
            raise ConfigError(f"{path}: is the target of two outputs; give each a file of its own")
        known.add(path.resolve())
    with ExitStack() as stack:
        yield [stack.enter_context(VideoTarget.open(path, source, encoding)) for path in paths]


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
