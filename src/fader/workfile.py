"""Files and folders that grow under a hidden name beside their final place.

Each is locked while somebody writes it, and the kernel lets go of the lock when that process ends, however it
does. What lies there without a lock is a dead run's, and the next run with the same target removes it.
"""

import fcntl
import logging
import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["WorkFile", "remove_dead"]

_log = logging.getLogger(__name__)
LONGEST_STEM = 160
"""Bytes of the target's name in the hidden one; file systems take 255 for all of it."""


class WorkFile:
    """A file, or a folder, that is being written; made by `beside`."""

    path: Path
    """Where it is until it is whole."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock = path, lock

    @classmethod
    def beside(cls, target: Path, *, kind: str = "", is_folder: bool = False) -> Self:
        """Make one that is empty, in the folder of its target.

        Args:
            target: The finished file; a part of its name is in the hidden one's.
            kind: "", or ".waiting" for what never gets the target's name.
            is_folder: Whether it is a folder.

        Raises:
            OSError: the folder is missing or cannot be written to.
        """
        while True:
            path = target.with_name(f".{_stem(target)}.{secrets.token_hex(4)}{kind}.partial")
            if is_folder:
                path.mkdir()
            lock = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            if _is_held(path, lock):
                return cls(path, lock)
            os.close(lock)

    def publish(self, target: Path) -> None:
        """Give the file its final name, over that of an older one.

        Raises:
            OSError: it cannot be moved.
        """
        self.path.replace(target)
        self._release()

    def discard(self) -> None:
        """Remove it; does nothing after `publish`."""
        if self._lock >= 0:
            _remove(self.path)
            self._release()

    def _release(self) -> None:
        os.close(self._lock)
        self._lock = -1


def remove_dead(target: Path) -> None:
    """Remove what runs that were killed have left of a target; never what another process is writing.

    Args:
        target: The finished file.
    """
    named = re.compile(rf"\.{re.escape(_stem(target))}\.[0-9a-f]{{8}}(\.waiting)?\.partial")
    with suppress(OSError), os.scandir(target.parent) as entries:
        for path in [Path(entry.path) for entry in entries if named.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    lock = os.open(path, os.O_NOFOLLOW | (os.O_RDONLY if path.is_dir() else os.O_RDWR))
    try:
        # Raises where somebody has it, and on file systems without locks, where nobody can tell.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
        _log.info("removed %s, which a run that was killed had left", path)
    finally:
        os.close(lock)


def _is_held(path: Path, lock: int) -> bool:
    """Lock what was just made; False where another run took it for a dead one's before it was locked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(lock))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks: nothing will be removed there either
        return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _stem(target: Path) -> str:
    return os.fsencode(target.stem)[:LONGEST_STEM].decode("utf-8", "ignore")
