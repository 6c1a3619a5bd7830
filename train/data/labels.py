"""Label files in CelebA's format: a count, a line of names, then a line with 1 or -1 for each image.

Source: list_attr_celeba.txt of Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError, DataError

__all__ = ["Labels", "read_celeba_labels"]

MEANING = {"1": True, "-1": False}
COUNT = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Boolean labels of a set of images."""

    images: tuple[str, ...]
    """File names, in the file's order."""
    names: tuple[str, ...]
    """Attributes, in the file's order."""
    present_NK: NDArray[np.bool_]
    """(images, names) bool."""

    def select(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Return the (images, len(names)) labels of some attributes.

        Raises:
            ConfigError: the file has no attribute of a name.
        """
        for name in names:
            if name not in self.names:
                raise ConfigError(
                    f"the labels have no attribute {name!r}: choose from {', '.join(self.names)}"
                )
        return self.present_NK[:, [self.names.index(name) for name in names]]


def read_celeba_labels(path: Path) -> Labels:
    """Read a label file.

    Raises:
        DataError: the file is missing or a line does not fit; the message names the line.
    """
    try:
        # Windows' editors put a byte order mark before the first line.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the label file {path}: {error}") from error
    count, names = lines[0].strip(), tuple(lines[1].split()) if len(lines) > 1 else ()
    if not COUNT.fullmatch(count):
        raise DataError(
            f"{path}:1: expected the number of images, as in list_attr_celeba.txt, found {count!r:.80}"
        )
    if not names or len(set(names)) != len(names):
        raise DataError(f"{path}:2: expected names of attributes, all different, found {list(names)!r:.80}")
    rows = [(number, line.split()) for number, line in enumerate(lines[2:], start=3) if line.strip()]
    if not rows or len(rows) != int(count):
        raise DataError(f"{path}:1: says {count} images, found {len(rows)}: is the file whole?")
    return _labels(path, names, rows)


def _labels(path: Path, names: tuple[str, ...], rows: list[tuple[int, list[str]]]) -> Labels:
    present_NK = np.empty((len(rows), len(names)), dtype=np.bool_)
    lines: dict[str, int] = {}
    for i, (number, cells) in enumerate(rows):
        if len(cells) != len(names) + 1 or any(cell not in MEANING for cell in cells[1:]):
            raise DataError(
                f"{path}:{number}: expected a file name and {len(names)} times 1 or -1, found {cells!r:.80}"
            )
        if (first := lines.setdefault(cells[0], number)) != number:
            raise DataError(
                f"{path}:{number}: {cells[0]} has labels in line {first} already: remove one of them"
            )
        present_NK[i] = [MEANING[cell] for cell in cells[1:]]
    return Labels(images=tuple(lines), names=names, present_NK=present_NK)
