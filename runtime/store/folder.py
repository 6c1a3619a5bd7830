"""The folder of databases, one for each source: bounded in bytes, least recently used out first."""

import re
import shutil
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from fader.errors import ConfigError, StoreError
from fader.runtime.store.database import describe, remove

__all__ = ["LatentStore", "StoreEntry", "parse_bytes"]

DEFAULT_BYTES = 4 * 2**30
FREE_BYTES = 256 * 2**20
"""Left on the disk: the edited video must still fit."""
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
OURS = re.compile(r"([0-9a-f]{64}\.sqlite)(-wal|-shm)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreEntry:
    """One source in the store."""

    path: Path
    """Its database."""
    source: str | None
    """The video's path when it was last edited; None where the database cannot be read."""
    frames: int
    """Frames stored."""
    n_bytes: int
    """Bytes on disk."""
    used: datetime
    """When it was last used, UTC."""


class LatentStore:
    """What is known of videos from earlier edits. Threads and processes may share a folder."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = DEFAULT_BYTES) -> None:
        """Name a folder; nothing is created before a video is edited.

        Args:
            folder: Where; None for the user's cache directory.
            max_bytes: Bound on the files, 1 or more.

        Raises:
            ConfigError: the bound is below 1.
        """
        if max_bytes < 1:
            raise ConfigError(f"{max_bytes = }: expected 1 or more; to keep nothing, edit without a store")
        self.folder = folder or platformdirs.user_cache_path("fader") / "latents"
        self.max_bytes = max_bytes

    def database(self, key: str) -> Path:
        """Return the file for a key, in a folder that is there now.

        Raises:
            OSError: the folder cannot be made.
        """
        # Latents and paths tell of people's private videos.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder / f"{key}.sqlite"

    def make_room(self, keep: Path) -> None:
        """Remove the least recently used sources beyond the bound, or where the disk is nearly full.

        Args:
            keep: The database that is being written, which stays.

        Raises:
            StoreError: that one alone is beyond the bound.
            OSError: the folder is gone.
        """
        sizes = self._sizes()
        spare = shutil.disk_usage(self.folder).free - FREE_BYTES
        bound = min(self.max_bytes, sum(sizes.values()) + spare)
        if self._evict(sizes, bound, keep) > bound:
            raise StoreError(
                f"{self.folder} is full: {sizes.get(keep, 0)} bytes of this video, expected {max(bound, 0)} "
                "at most; raise the bound, free space on the disk, or name another folder"
            )

    def entries(self) -> list[StoreEntry]:
        """Return what is stored, the most recently used first."""
        found = []
        for path, size in reversed(self._sizes().items()):
            source, frames = describe(path) or (None, 0)
            used = datetime.fromtimestamp(_last_use(path), UTC)
            found.append(StoreEntry(path=path, source=source, frames=frames, n_bytes=size, used=used))
        return found

    def prune(self, max_bytes: int) -> int:
        """Remove the least recently used sources beyond a bound; return how many."""
        sizes = self._sizes()
        n_before = len(sizes)
        self._evict(sizes, max_bytes, None)
        return n_before - len(sizes)

    def _evict(self, sizes: dict[Path, int], max_bytes: int, keep: Path | None) -> int:
        total = sum(sizes.values())
        for path in [path for path in sizes if path != keep]:
            if total <= max_bytes:
                break
            remove(path)
            total -= sizes.pop(path)
        return total

    def _sizes(self) -> dict[Path, int]:
        """Return each database's bytes with its journals, the least recently used first."""
        sizes: dict[Path, int] = defaultdict(int)
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if ours := OURS.fullmatch(path.name):
                with suppress(FileNotFoundError):  # another process has removed it
                    sizes[self.folder / ours[1]] += path.stat().st_size
        return {path: sizes[path] for path in sorted(sizes, key=_last_use)}


def _last_use(path: Path) -> float:
    # Journals without their database, which a crash may leave, are the first to go.
    return path.stat().st_mtime if path.exists() else 0.0


def parse_bytes(text: str) -> int:
    """Return the bytes that "2GB", "1.5 GiB" or "1000" stand for.

    Raises:
        ConfigError: it is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    if not match or (match[3] and not match[2]):
        raise ConfigError(f"found {text!r}: expected a size such as 2GB or 500MiB")
    unit = 2 ** (10 * list(UNITS).index(match[2])) if match[3] else UNITS[match[2]]
    return int(float(match[1]) * unit)
