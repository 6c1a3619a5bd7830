"""Room for several outputs at once: how many this process can hold open, and how many fit into memory."""

import resource
from contextlib import suppress
from pathlib import Path

from av.video.format import VideoFormat

from fader.errors import ConfigError
from fader.runtime.video import VideoSource
from fader.runtime.video.contract import Target
from fader.runtime.video.gif import GifTarget
from fader.runtime.video.target import VideoTarget

__all__ = ["free_bytes", "make_room"]

FILES_EACH = 3
"""Descriptors of one output at most: a GIF's waiting frames, their lock, and the file with its own."""
SPARE_FILES = 64
"""Descriptors for the source, the store, the engine's libraries."""
HELD = {"libx264": 90, "libx265": 180, "libvpx-vp9": 140, "ffv1": 20}
"""Memory of one output in frames of its video, at the default presets: measured, encoder and face alike."""
HELD_ELSE = 90
HELD_BY_GIF = 200
HELD_BY_PICTURES = 20
MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


def make_room(n_outputs: int, first: Target, source: VideoSource) -> None:
    """Let this process open the files of so many outputs, or refuse; before any of their frames is made.

    Args:
        n_outputs: Of one video, at once; nothing is done for one.
        first: One of them, open; the others are alike.
        source: What is written to them.

    Raises:
        ConfigError: there are too many for the files that may be open, or for the memory that is free.
    """
    if n_outputs < 2:
        return
    possible = _possible_files()
    if n_outputs > possible:
        raise _too_many(
            n_outputs,
            possible,
            "a process may open few files; raise that with ulimit -n "
            f"{_files_open() + SPARE_FILES + FILES_EACH * n_outputs}",
        )
    _allow(_files_open() + SPARE_FILES + FILES_EACH * n_outputs)
    each, free = _bytes_each(first, source), free_bytes()
    if free is not None and n_outputs * each > free:
        raise _too_many(
            n_outputs,
            free // each,
            f"each takes about {each / 1e6:.0f} MB, and {free / 1e9:.1f} GB of memory are free",
        )


def free_bytes(meminfo: Path = MEMINFO, container: Path = CONTAINER) -> int | None:
    """Return how much memory this process can have; None where the system does not tell.

    Args:
        meminfo: Linux' description of the memory.
        container: Folder with the bounds of this container.
    """
    found = []
    with suppress(OSError, ValueError, KeyError):
        found.append(1024 * _numbers(meminfo)["MemAvailable:"])
    with suppress(OSError, ValueError, KeyError):
        # What files are held in memory is given up when it is needed.
        used = int((container / "memory.current").read_text()) - _numbers(container / "memory.stat")["file"]
        found.append(max(0, int((container / "memory.max").read_text()) - used))
    return min(found, default=None)


def _too_many(n_outputs: int, possible: int, why: str) -> ConfigError:
    expected = f"expected {possible} at most here" if possible > 1 else "expected one at a time here"
    return ConfigError(
        f"found {n_outputs} outputs of one video, {expected}: {why}; make them in several calls"
    )


def _bytes_each(first: Target, source: VideoSource) -> int:
    frame = source.width * source.height * VideoFormat(source.pix_fmt).padded_bits_per_pixel // 8
    held = HELD_BY_PICTURES
    if isinstance(first, VideoTarget):
        held = HELD.get(first.plan.codec, HELD_ELSE)
    elif isinstance(first, GifTarget):
        held = HELD_BY_GIF
    return max(1, held * frame)


def _possible_files() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        most = 2**20
    return max(1, (most - _files_open() - SPARE_FILES) // FILES_EACH)


def _files_open() -> int:
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return 0


def _allow(n_files: int) -> None:
    """Raise the bound that this process may raise itself, where it is lower."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < n_files:
        # macOS has another bound below the one that it tells.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, most))


def _numbers(file: Path) -> dict[str, int]:
    """Read lines of a name, a number, and perhaps a unit."""
    rows = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
