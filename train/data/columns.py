"""What a column of a table means: boolean, categorical or continuous, told by its cells or by the user."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute, Kind, is_attribute_name
from fader.errors import ConfigError

__all__ = ["MAX_CATEGORIES", "Cells", "Column", "to_attribute", "understand"]

MAX_WRONG = 0.1
"""A column is what nearly all of its filled cells are: all but this share, or but one, which are wrong."""
MIN_FILLED = 0.5
"""A column whose cells are filled more rarely is no attribute, unless the user says what it is."""
MAX_CATEGORIES = 64
"""A text column with more different texts is no attribute."""
MAX_COUNTED = 256
QUANTILES = ((0.01, 0.99), (0.0, 1.0))
MAX_NUMBER = 1e30
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?", re.ASCII | re.IGNORECASE)
NUMBER_PAIRS: Final = ((0.0, 1.0), (-1.0, 1.0))
WORD_PAIRS: Final = (("false", "true"), ("no", "yes"))


class Cells:
    """Counts a column's cells; many different ones are only told apart into numbers and others."""

    def __init__(self) -> None:
        self.n_empty = 0
        """Cells without a value."""
        self.counts: dict[str, int] = {}
        """How often each of the first different cells occurs."""
        self.n_other_numbers = 0
        """Numbers that are not counted there."""
        self.n_other_texts = 0
        """Texts that are not counted there."""

    def add(self, cell: str) -> None:
        """Count a cell, which has no space at its ends."""
        if not cell:
            self.n_empty += 1
        elif cell in self.counts or len(self.counts) < MAX_COUNTED:
            self.counts[cell] = self.counts.get(cell, 0) + 1
        elif math.isnan(to_number(cell)):
            self.n_other_texts += 1
        else:
            self.n_other_numbers += 1

    @property
    def n_filled(self) -> int:
        """Cells with a value."""
        return sum(self.counts.values()) + self.n_other_numbers + self.n_other_texts

    @property
    def numbers(self) -> dict[float, int]:
        """How often each number among the counted cells occurs."""
        numbers: dict[float, int] = {}
        for cell, count in self.counts.items():
            if not math.isnan(number := to_number(cell)):
                numbers[number] = numbers.get(number, 0) + count
        return numbers

    @property
    def all_counted(self) -> bool:
        """Whether every filled cell is in `counts`."""
        return not self.n_other_numbers and not self.n_other_texts

    def enough(self, n: int) -> bool:
        """Tell whether n are nearly all of the filled cells."""
        n_wrong = self.n_filled - n
        return n_wrong < n and n_wrong <= max(1, MAX_WRONG * self.n_filled)


def to_number(cell: str) -> float:
    """Return a cell's number; NaN if it is none, or beyond 1e30."""
    number = float(cell) if NUMBER.fullmatch(cell) else math.nan
    return number if abs(number) <= MAX_NUMBER else math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """How to read a column's cells."""

    name: str
    """Name of the attribute."""
    kind: Kind
    """What it is."""
    expected: str
    """What a cell should be, for people."""
    numbers: Mapping[float, float] | None = None
    """For booleans written as numbers: number to value."""
    texts: Mapping[str, float] | None = None
    """For booleans and categories written as texts: text to value; a boolean's in lower case."""

    def read(self, cell: str) -> float:
        """Return a boolean's 0 or 1, a category's index, or a number in its own units; NaN if it is none."""
        if self.texts is not None:
            return self.texts.get(cell.lower() if self.kind == "boolean" else cell, math.nan)
        number = to_number(cell)
        return number if self.numbers is None else self.numbers.get(number, math.nan)


def understand(name: str, cells: Cells, kind: Kind | None) -> Column | str:
    """Tell what a column is.

    Args:
        name: Its name.
        cells: Its cells.
        kind: What the user says it is, None to tell by the cells.

    Returns:
        How to read it, or why it is no attribute.

    Raises:
        ConfigError: the cells are not what the user says.
    """
    if not is_attribute_name(name):
        return "an attribute needs a name, without '=' and ':'"
    if kind is None:
        return _infer(name, cells)
    readers = {"boolean": _boolean, "continuous": _continuous, "categorical": _categorical}
    if (column := readers[kind](name, cells)) is None:
        some = ", ".join(sorted(cells.counts)[:5]) or "no values"
        raise ConfigError(f"the column {name!r} is to be {kind}, found {some!r:.80}: see docs/data.md")
    return column


def _infer(name: str, cells: Cells) -> Column | str:
    n = cells.n_filled
    if n < MIN_FILLED * (n + cells.n_empty) or not n:
        return f"only {n} of its {n + cells.n_empty} cells have a value"
    column = _boolean(name, cells) or _continuous(name, cells) or _categorical(name, cells)
    if column is not None:
        return column
    found = len(cells.counts) if cells.all_counted else f"over {MAX_COUNTED}"
    return f"it has {found} different texts, expected 2 to {MAX_CATEGORIES}"


def _boolean(name: str, cells: Cells) -> Column | None:
    numbers = cells.numbers
    for pair in NUMBER_PAIRS:
        # Where other numbers occur it is a count or a measure, however rare they are.
        if cells.n_other_numbers == 0 and numbers.keys() <= set(pair) and cells.enough(sum(numbers.values())):
            expected = f"{pair[0]:g} or {pair[1]:g}"
            meaning = {pair[0]: 0.0, pair[1]: 1.0}
            return Column(name=name, kind="boolean", expected=expected, numbers=meaning)
    for no, yes in WORD_PAIRS:
        if cells.enough(sum(count for cell, count in cells.counts.items() if cell.lower() in (no, yes))):
            texts = {no: 0.0, yes: 1.0}
            return Column(name=name, kind="boolean", expected=f"{no} or {yes}", texts=texts)
    return None


def _continuous(name: str, cells: Cells) -> Column | None:
    if cells.enough(sum(cells.numbers.values()) + cells.n_other_numbers):
        return Column(name=name, kind="continuous", expected="a number")
    return None


def _categorical(name: str, cells: Cells) -> Column | None:
    if not cells.all_counted or not 2 <= len(cells.counts) <= MAX_CATEGORIES:
        return None
    texts = sorted(cells.counts)
    if not any(math.isnan(to_number(text)) for text in texts):
        texts.sort(key=to_number)
    return Column(
        name=name, kind="categorical", expected="a category", texts={t: float(i) for i, t in enumerate(texts)}
    )


def to_attribute(
    column: Column, values_N: NDArray[np.float64], span: Sequence[float] | None
) -> tuple[Attribute, NDArray[np.float32]] | str:
    """Return the attribute that a column is, and its labels.

    Args:
        column: From `understand`.
        values_N: (N,) what its `read` returned.
        span: Lowest and highest value of a continuous attribute in its units; None for the 1 % and 99 %
            quantiles, or for the extremes where these are equal.

    Returns:
        The attribute and (N,) labels as in `Labels`; or why it is none.

    Raises:
        ConfigError: the span is none.
    """
    if column.kind != "continuous":
        categories = ("0", "1") if column.kind == "boolean" else tuple(column.texts or ())
        return Attribute(name=column.name, categories=categories), values_N.astype(np.float32)
    numbers = values_N[np.isfinite(values_N)]
    spans = [span] if span else [np.quantile(numbers, q).tolist() for q in QUANTILES if len(numbers)]
    if (found := next((s for s in spans if span or s[0] < s[1]), None)) is None:
        return "all its numbers are the same"
    low, high = found
    attribute = Attribute(name=column.name, span=(low, high))
    return attribute, ((np.clip(values_N, low, high) - low) / (high - low)).astype(np.float32)
