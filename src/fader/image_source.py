"""Where images lie: a folder, or a zip archive, with folders in it or without."""

import hashlib
import itertools
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from fader.errors import DataError

__all__ = ["ImageSource"]

# zipfile raises EOFError for an entry that is cut off, RuntimeError for an encrypted one.
UNREADABLE = (OSError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


class ImageSource:
    """Reads image files by name; open it anew in each process.

    A name may lead into folders (class_001/x.jpg), never out of the source. An archive that has everything in
    one folder need not be told so: the names may begin inside it. A name without a folder is found in any
    folder of an archive, if it is there once.
    """

    def __init__(self, path: Path) -> None:
        """Look at the folder or archive.

        Raises:
            DataError: it is neither a folder nor a zip archive.
        """
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._root = ""
        self._alone: dict[str, str | None] = {}
        if path.is_dir():
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"cannot read images from {path}: expected a folder or a zip archive ({error})"
            ) from error
        entries = self.names()
        self._root = _common_folder(min(entries), max(entries)) if entries else ""
        for entry in entries:
            name = entry.rsplit("/", 1)[-1]
            self._alone[name] = entry if name not in self._alone else None

    def names(self) -> list[str]:
        """Return the names of all files, images or not, in no order."""
        if self._zip is not None:
            return [name for name in self._zip.namelist() if not name.endswith("/")]
        return [path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()]

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the names that the source does not hold, or that lead out of it."""
        return [name for name in names if not self._holds(name)]

    def fingerprint(self, names: Sequence[str]) -> str:
        """Return what changes when the files do: a digest of their sizes and times."""
        digest = hashlib.sha256()
        for path in [self.path] if self._zip else (self.path / name for name in names):
            stat = path.stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def read(self, name: str) -> bytes:
        """Return an image file's bytes.

        Raises:
            DataError: the file is missing or cannot be read.
        """
        try:
            if not _stays_inside(name):
                raise KeyError("the name leads out of it")
            if self._zip is not None:
                return self._zip.read(self._entry(name) or name)
            return (self.path / name).read_bytes()
        except UNREADABLE as error:
            raise DataError(f"cannot read {name} from {self.path} ({error}): is it whole?") from error

    def _holds(self, name: str) -> bool:
        if not _stays_inside(name):
            return False
        if self._zip is not None:
            return self._entry(name) is not None
        try:
            return (self.path / name).is_file()
        except OSError:  # a name longer than the file system's, for example
            return False

    def _entry(self, name: str) -> str | None:
        known = self._zip.NameToInfo if self._zip else {}
        for entry in (name, self._root + name):
            if entry in known and not entry.endswith("/"):
                return entry
        return self._alone.get(name)


def _common_folder(first: str, last: str) -> str:
    """Return the folder, with a slash, that everything from `first` to `last` in alphabetical order is in."""
    parents = zip(first.split("/")[:-1], last.split("/")[:-1], strict=False)
    return "".join(f"{a}/" for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], parents))


def _stays_inside(name: str) -> bool:
    return bool(name) and "\0" not in name and not name.startswith("/") and ".." not in name.split("/")
