"""Locks between processes: files that one process at a time holds, and that a crash releases."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["file_lock", "try_lock"]


@contextmanager
def file_lock(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock while the body runs; other processes and threads wait.

    Args:
        path: The lock's file, made where it is missing.
        on_wait: Called once before waiting, if another holds the lock.
    """
    file = _acquire(path, wait=False)
    if file is None:
        if on_wait:
            on_wait()
        file = _acquire(path, wait=True)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock while the body runs, if nobody else does; the value says whether. Then remove its file."""
    file = _acquire(path, wait=False)
    try:
        yield file is not None
    finally:
        if file is not None:
            path.unlink(missing_ok=True)
            os.close(file)


def _acquire(path: Path, *, wait: bool) -> int | None:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_still(path, file):
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_still(path: Path, file: int) -> bool:
    # A lock on a file that was removed meanwhile keeps nobody out: the next process makes a new file.
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
