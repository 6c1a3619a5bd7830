"""What leaves a folder of engines: entries beyond its size, entries long unused, and what crashes left."""

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from fader.runtime.engines.tensorrt.locks import try_lock

__all__ = ["MAX_AGE_S", "tidy"]

KEY = re.compile("[0-9a-f]{64}")  # whatever else lies in the folder is not ours

MAX_AGE_S = 30 * 24 * 3600.0
"""Seconds without use after which an engine or a timing cache goes: few return to an old driver."""


def tidy(folder: Path, *, max_bytes: int, keep: str) -> None:
    """Remove what is stale, then the least recently used until the rest fits.

    Args:
        folder: See `cache`.
        max_bytes: Bound of all entries together.
        keep: Key of an entry that stays.
    """
    for path in folder.glob("*.*"):
        if path.suffix in {".building", ".lock"} and KEY.fullmatch(path.stem):
            _clear(folder, path.stem)
    oldest_s = time.time() - MAX_AGE_S
    for timings in folder.glob("*.timings"):
        if KEY.fullmatch(timings.stem) and _used_s(timings) < oldest_s:
            timings.unlink(missing_ok=True)
    entries = {path: _size(path) for path in folder.iterdir() if KEY.fullmatch(path.name)}
    total = sum(entries.values())
    for entry in sorted(entries, key=_last_use_s):
        if entry.name != keep and (total > max_bytes or _last_use_s(entry) < oldest_s):
            _clear(folder, entry.name, whole=True)
            total -= entries[entry]


def _clear(folder: Path, key: str, *, whole: bool = False) -> None:
    """Remove what a crash left of a build, and with `whole` the entry too, unless a process is at it."""
    with try_lock(folder / f"{key}.lock") as free:
        if free:
            shutil.rmtree(folder / f"{key}.building", ignore_errors=True)
            if whole:
                shutil.rmtree(folder / key, ignore_errors=True)


def _last_use_s(entry: Path) -> float:
    return _used_s(entry / "entry.json")


def _used_s(path: Path) -> float:
    """Return seconds since the epoch; 0 for what is not there."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(entry: Path) -> int:
    with suppress(OSError):  # another process may be removing it
        return sum(path.stat().st_size for path in entry.iterdir())
    return 0
