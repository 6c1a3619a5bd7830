"""The user's cache folder: what is in it, and whether there is room."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from fader.runtime.doctor.findings import Finding, Level

__all__ = ["MIN_FREE_BYTES", "CacheFacts", "find_cache", "read_cache"]

SECTION = "Cache"
MIN_FREE_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheFacts:
    """What is known of the cache folder."""

    folder: Path
    """Where it is, or will be."""
    parts: dict[str, int]
    """Name of each file or folder in it to its bytes."""
    free_bytes: int
    """Room on its disk for this user."""
    is_writable: bool
    """Whether something can be put there."""


def read_cache(folder: Path) -> CacheFacts:
    """Look at a cache folder, which need not be there yet; links are not followed."""
    parts = {path.name: _size(path) for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return CacheFacts(
        folder=folder,
        parts=parts,
        free_bytes=shutil.disk_usage(nearest).free,
        is_writable=nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK),
    )


def find_cache(facts: CacheFacts) -> list[Finding]:
    """Say what the cache holds, and warn where it can hold no more."""
    sizes = [f"{name} {decimal(n_bytes)}" for name, n_bytes in facts.parts.items()]
    home, where = str(Path.home()), str(facts.folder)
    shown = f"~{where.removeprefix(home)}" if where.startswith(f"{home}{os.sep}") else where
    held = f"{shown}: {', '.join(sizes) or 'empty'}"
    if facts.is_writable:
        folder = Finding(section=SECTION, name="folder", level=Level.OK, found=held)
    else:
        folder = Finding(
            section=SECTION,
            name="folder",
            level=Level.WARNING,
            found=f"{held}; it cannot be written, so nothing is remembered from run to run",
            remedy="give yourself the right to write there, or set XDG_CACHE_HOME to another folder",
        )
    return [folder, _find_room(facts, shown)]


def _find_room(facts: CacheFacts, shown: str) -> Finding:
    found = f"{decimal(facts.free_bytes)} free"
    if facts.free_bytes >= MIN_FREE_BYTES:
        return Finding(section=SECTION, name="disk", level=Level.OK, found=found)
    return Finding(
        section=SECTION,
        name="disk",
        level=Level.WARNING,
        found=f"{found}, expected {decimal(MIN_FREE_BYTES)} or more",
        remedy=f"make room: everything in {shown} can be deleted and is made again when it is needed",
    )


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; what goes away meanwhile counts nothing."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(_size(inner) for inner in path.iterdir())
    except OSError:
        return 0
