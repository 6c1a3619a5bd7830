"""Where training images lie: a folder, or a zip archive with files at its root or in one folder."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from fader.errors import DataError

__all__ = ["ImageSource"]

# zipfile raises EOFError for an entry that is cut off, RuntimeError for an encrypted one.
UNREADABLE = (OSError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


class ImageSource:
    """Reads image files by name; open it anew in each process."""

    def __init__(self, path: Path) -> None:
        """Look at the folder or archive.

        Raises:
            DataError: it is neither a folder nor a zip archive.
        """
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, str] = {}
        if path.is_dir():
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"cannot read images from {path}: expected a folder or a zip archive ({error})"
            ) from error
        self._entries = {
            name.rsplit("/", 1)[-1]: name for name in self._zip.namelist() if not name.endswith("/")
        }

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the names that the source does not hold."""
        present = self._entries if self._zip else {entry.name for entry in self.path.iterdir()}
        return [name for name in names if name not in present]

    def fingerprint(self, names: Sequence[str]) -> list[object]:
        """Return what changes when the files do: sizes and times, as JSON's types."""
        paths = [self.path] if self._zip else [self.path / name for name in names]
        stats = [path.stat() for path in paths]
        return [number for stat in stats for number in (stat.st_size, stat.st_mtime_ns)]

    def read(self, name: str) -> bytes:
        """Return an image file's bytes.

        Raises:
            DataError: the file is missing or cannot be read.
        """
        try:
            if self._zip is not None:
                return self._zip.read(self._entries[name])
            return (self.path / name).read_bytes()
        except UNREADABLE as error:
            raise DataError(f"cannot read {name} from {self.path} ({error}): is it whole?") from error
