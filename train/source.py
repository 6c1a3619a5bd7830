"""Where training images lie: a folder, or a zip archive with files at its root or in one folder."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from fader.errors import DataError

__all__ = ["ImageSource"]


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
            raise DataError(f"cannot read images from {path}: expected a folder or a zip archive ({error})") from error
        self._entries = {name.rsplit("/", 1)[-1]: name for name in self._zip.namelist() if not name.endswith("/")}

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the names that the source does not hold."""
        present = self._entries if self._zip else {entry.name for entry in self.path.iterdir()}
        return [name for name in names if name not in present]

    def read(self, name: str) -> bytes:
        """Return an image file's bytes.

        Raises:
            DataError: the file is missing or cannot be read.
        """
        try:
            if self._zip is not None:
                return self._zip.read(self._entries[name])
            return (self.path / name).read_bytes()
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read {name} from {self.path}: {error}") from error
