"""Tables of labels: CSV or TSV with a line of names, a column of file names, a column for each attribute."""

import csv
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fader.attributes import Kind
from fader.errors import ConfigError, DataError
from fader.image import IMAGE_SUFFIXES
from fader.train.data.columns import Cells, Column, to_attribute, understand
from fader.train.data.labels import Labels
from fader.train.data.rows import Rows, opened

__all__ = ["delimiter_of", "read_table"]

DELIMITERS = "\t,;"
FILE_COLUMNS = frozenset({"image", "file", "filename"})
SPLIT_COLUMNS = frozenset({"split", "partition"})
PARTS = {
    **dict.fromkeys(("0", "train", "training"), 0),
    **dict.fromkeys(("1", "val", "valid", "validation"), 1),
    **dict.fromkeys(("2", "test", "testing"), 2),
}


def delimiter_of(first_line: str) -> str | None:
    """Return what separates a table's cells: tab, comma or semicolon, the first that its first line has."""
    return next((delimiter for delimiter in DELIMITERS if delimiter in first_line), None)


def read_table(
    path: Path,
    *,
    kinds: Mapping[str, Kind] | None = None,
    spans: Mapping[str, tuple[float, float]] | None = None,
) -> Labels:
    """Read a table. The file is read twice, so that only what its cells mean is ever in memory.

    Args:
        path: CSV or TSV file in UTF-8 whose first line names the columns; docs/data.md has the rules.
        kinds: Column to what it is, where its cells would tell otherwise.
        spans: Column to lowest and highest value in its units; such a column is continuous.

    Returns:
        Labels of all columns that are attributes; rows that cannot be used are in its `problems`.

    Raises:
        DataError: the file is missing, or no such table.
        ConfigError: the table has no such column, or its cells are not of this kind.
    """
    spans = spans or {}
    kinds = {**(kinds or {}), **dict.fromkeys(spans, "continuous")}
    head = _Head.read(path)
    for name in kinds:
        if name not in head.names.values():
            raise ConfigError(f"{path} has no column {name!r}: choose from {', '.join(head.names.values())}")
    cells = _count(path, head)
    split = _split(head, cells, kinds)
    understood = {
        place: understand(name, cells[place], kinds.get(name))
        for place, name in head.names.items()
        if place != split
    }
    columns = {place: column for place, column in understood.items() if isinstance(column, Column)}
    unusable = {head.names[place]: why for place, why in understood.items() if isinstance(why, str)}
    if not columns:
        why = "; ".join(f"{name!r}: {reason}" for name, reason in list(unusable.items())[:3])
        raise DataError(
            f"{path} has no column that is an attribute ({why or 'no columns'}): see docs/data.md"
        )
    return _labels(_collect(path, head, columns, split), list(columns.values()), unusable, spans)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """Which column is what."""

    n_columns: int
    file: int
    """Index of the column of file names."""
    names: Mapping[int, str]
    """Index to name of the others."""

    @classmethod
    def read(cls, path: Path) -> "_Head":
        _, header = next(_lines(path), (1, []))
        lower = [name.lower() for name in header]
        file = next((i for i, name in enumerate(lower) if name in FILE_COLUMNS), 0)
        named = [name for name in header if name]
        if len(header) < 2 or len(set(named)) != len(named):
            raise DataError(
                f"{path}:1: expected names of two or more columns, all different, found {header!r:.80}"
            )
        if Path(header[file]).suffix.lower() in IMAGE_SUFFIXES:
            raise DataError(
                f"{path}:1: expected the names of the columns, found the image {header[file]!r:.80}: "
                "write a line such as image,Smiling before it"
            )
        names = {i: name for i, name in enumerate(header) if i != file}
        return cls(n_columns=len(header), file=file, names=names)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not empty, with its number, as cells without space at their ends."""
    with opened(path, newline="") as file:
        delimiter = delimiter_of(file.readline()) or ","
        file.seek(0)
        reader, number = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True), 1
        try:
            for cells in reader:
                if any(stripped := [cell.strip() for cell in cells]):
                    yield number, stripped
                # A quoted cell may go on over several lines.
                number = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}:{number}: {error}: expected quotes around whole cells, or none"
            ) from error


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    return itertools.islice(_lines(path), 1, None)


def _count(path: Path, head: _Head) -> list[Cells]:
    counted = [Cells() for _ in range(head.n_columns)]
    for _, row in _rows(path):
        if len(row) == head.n_columns:
            for cells, cell in zip(counted, row, strict=True):
                cells.add(cell)
    return counted


def _split(head: _Head, counted: list[Cells], kinds: Mapping[str, Kind]) -> int | None:
    """Return the index of the column that says what images are for, None where there is none."""
    for place, name in head.names.items():
        if name.lower() in SPLIT_COLUMNS and name not in kinds:
            cells = counted[place]
            if cells.enough(sum(count for cell, count in cells.counts.items() if cell.lower() in PARTS)):
                return place
    return None


def _collect(path: Path, head: _Head, columns: Mapping[int, Column], split: int | None) -> Rows:
    rows = Rows(path, len(columns))
    for number, cells in _rows(path):
        part = None if split is None else PARTS.get(cells[split].lower()) if split < len(cells) else None
        if len(cells) != head.n_columns:
            rows.wrong(number, f"expected {head.n_columns} cells, found {len(cells)}: {cells!r:.80}")
        elif split is not None and part is None:
            rows.wrong(number, f"expected train, val or test, found {cells[split]!r:.80}")
        else:
            values = [column.read(cells[place]) for place, column in columns.items()]
            for (place, column), value in zip(columns.items(), values, strict=True):
                if math.isnan(value):
                    found = f"is {cells[place]!r:.80}" if cells[place] else "has no value"
                    reason = f"{column.name} {found}, expected {column.expected}"
                    rows.wrong(number, reason, attribute=column.name)
            rows.add(number, cells[head.file], values, split=part)
    return rows


def _labels(
    rows: Rows, columns: list[Column], unusable: dict[str, str], spans: Mapping[str, tuple[float, float]]
) -> Labels:
    attributes, labels = [], []
    for column, values_N in zip(columns, rows.values_NK.T, strict=True):
        made = to_attribute(column, values_N, spans.get(column.name))
        if isinstance(made, str):
            unusable[column.name] = made
        else:
            attributes.append(made[0])
            labels.append(made[1])
    values_NK = np.stack(labels, axis=1) if labels else np.empty((len(rows.values_NK), 0), np.float32)
    return rows.labels(attributes, values_NK, unusable)
