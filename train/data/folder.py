"""A folder of a cache that is filled once: by one process at a time, and whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["fill_once"]


def fill_once(folder: Path, is_whole: Callable[[], bool], fill: Callable[[Path], None]) -> None:
    """Fill a folder, unless it is whole or another process does it in the meantime.

    Args:
        folder: The folder; made, as are those it lies in.
        is_whole: Tells whether the folder is there and has all it should have.
        fill: Writes everything into the folder that it is given, which then becomes `folder`; if it raises,
            nothing is left.

    Raises:
        OSError: a folder cannot be made.
    """
    if is_whole():
        return
    with _sole(folder.with_name(f".{folder.name}.partial")) as work:
        try:
            if not is_whole():
                for left in work.iterdir():
                    left.unlink()
                fill(work)
                shutil.rmtree(folder, ignore_errors=True)
                work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _sole(work: Path) -> Iterator[Path]:
    """Make a folder and keep other processes out of it until the body ends; they wait here."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(work, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who held it before may have renamed or removed it.
            if _is_open_at(descriptor, work):
                yield work
                return
        finally:
            os.close(descriptor)


def _is_open_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
