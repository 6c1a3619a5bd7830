"""What the readers of label files share: text whose errors take one line, and rows collected one by one."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute
from fader.errors import DataError
from fader.train.data.labels import Labels
from fader.train.data.problems import Problem

__all__ = ["Rows", "opened"]


@contextmanager
def opened(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a label file as UTF-8 text.

    Args:
        path: The file.
        newline: As for `open`; the csv module wants "".

    Raises:
        DataError: the file is missing, or what the body reads of it is no text.
    """
    try:
        # Windows' editors put a byte order mark before the first line.
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the label file {path}: {error}") from error


class Rows:
    """Rows of a label file, collected without keeping their text."""

    def __init__(self, path: Path, n_columns: int) -> None:
        """Begin with none.

        Args:
            path: The label file, for messages.
            n_columns: Values of a row.
        """
        self._path, self._n_columns = path, n_columns
        self._lines: dict[str, int | None] = {}
        self._values = array("d")
        self._split = array("b")
        self._problems: list[Problem] = []

    def wrong(self, line: int | None, reason: str, *, attribute: str | None = None) -> None:
        """Note a row or a cell that cannot be used; arguments as the fields of `Problem`."""
        self._problems.append(Problem(file=str(self._path), line=line, reason=reason, attribute=attribute))

    def add(self, line: int | None, image: str, values: Iterable[float], *, split: int | None = None) -> None:
        """Take a row, unless its image has labels already.

        Args:
            line: Where it is; for all rows or for none.
            image: File name.
            values: As many as the columns; NaN where the cell was noted as wrong.
            split: 0 training, 1 validation, 2 test; for all rows or for none.
        """
        if not image:
            self.wrong(line, "expected a file name, found none")
        elif image in self._lines:
            first = self._lines[image]
            self.wrong(line, f"{image!r:.80} has labels already" + (f", in line {first}" if first else ""))
        else:
            self._lines[image] = line
            self._values.extend(values)
            if split is not None:
                self._split.append(split)

    @property
    def values_NK(self) -> NDArray[np.float64]:
        """(N, K) the values so far; no rows can be added while this is in use."""
        return np.frombuffer(self._values, dtype=np.float64).reshape(-1, self._n_columns)

    def labels(
        self, attributes: Sequence[Attribute], values_NK: NDArray[np.float32], unusable: dict[str, str]
    ) -> Labels:
        """Return what was collected.

        Args:
            attributes: What the columns are.
            values_NK: Their values, made of those collected.
            unusable: Columns that are no attributes, and why.
        """
        lines = [line for line in self._lines.values() if line is not None]
        return Labels(
            images=tuple(self._lines),
            attributes=tuple(attributes),
            values_NK=values_NK,
            split_N=np.array(self._split, dtype=np.int8) if self._split else None,
            problems=tuple(self._problems),
            unusable=unusable,
            path=self._path,
            lines_N=np.array(lines, dtype=np.int32) if lines else None,
        )
