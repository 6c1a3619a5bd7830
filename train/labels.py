"""Label files in CelebA's format: a count, a line of names, then a line with 1 or -1 for each image.

Source: list_attr_celeba.txt of Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError, DataError

__all__ = ["Labels", "read_celeba_labels"]

MEANING = {"1": 1, "-1": 0}


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
                raise ConfigError(f"the labels have no attribute {name!r}: choose from {', '.join(self.names)}")
        return self.present_NK[:, [self.names.index(name) for name in names]]


def read_celeba_labels(path: Path) -> Labels:
    """Read a label file.

    Raises:
        DataError: the file is missing or a line does not fit; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the label file {path}: {error}") from error
    if len(lines) < 3 or not lines[0].strip().isdigit():
        raise DataError(f"{path}:1: expected the number of images, as in list_attr_celeba.txt")
    names = tuple(lines[1].split())
    rows = [(number, line.split()) for number, line in enumerate(lines[2:], start=3) if line.strip()]
    images, present = [], np.empty((len(rows), len(names)), dtype=np.bool_)
    for i, (number, cells) in enumerate(rows):
        if len(cells) != len(names) + 1 or any(cell not in MEANING for cell in cells[1:]):
            raise DataError(f"{path}:{number}: expected a file name and {len(names)} times 1 or -1, found {cells!r:.80}")
        images.append(cells[0])
        present[i] = [MEANING[cell] == 1 for cell in cells[1:]]
    if len(rows) != int(lines[0]):
        raise DataError(f"{path}:1: says {lines[0].strip()} images, found {len(rows)}: is the file whole?")
    if len(set(images)) != len(images):
        raise DataError(f"{path}: the same image is labelled twice: remove the second line")
    return Labels(images=tuple(images), names=names, present_NK=present)
