"""A folder that appears whole or not at all, and takes the place only of what it may replace."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fader.errors import BundleError

__all__ = ["replacing"]


@contextmanager
def replacing(folder: Path, what: str, require_same_kind: Callable[[Path], None]) -> Iterator[Path]:
    """Give a new folder beside the target; if the body succeeds, put it in the target's place.

    Args:
        folder: The target. What is there already stays until the new folder is whole.
        what: Name of the thing, for messages, such as "bundle".
        require_same_kind: Called with the target if it is neither missing nor an empty folder; raises a
            FaderError if that must not be replaced.

    Yields:
        The new, empty folder.

    Raises:
        BundleError: the target cannot be written.
    """
    target = folder.resolve()
    partial, old = (target.with_name(f".{target.name}.fader-{suffix}") for suffix in ("partial", "old"))
    try:
        # A killed export may have left both.
        _restore(old, target)
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            require_same_kind(target)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if target.exists():
            target.rename(old)
        partial.rename(target)
    except OSError as error:
        raise BundleError(
            f"cannot write the {what} {folder} ({error.strerror}): choose another folder"
        ) from error
    finally:
        _restore(old, target)
        shutil.rmtree(partial, ignore_errors=True)


def _restore(old: Path, target: Path) -> None:
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
