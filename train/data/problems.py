"""Rows that cannot be used: where they are, why, and what becomes of a run that meets them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fader.errors import DataError

__all__ = ["Problem", "settle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One row of a label file that cannot be used."""

    file: str
    """Label file."""
    line: int | None
    """Its line, 1 for the first; None where a file has one image's labels, or none is known."""
    reason: str
    """What was found and what was expected."""
    attribute: str | None = None
    """The attribute that lacks a usable value; None where the whole row is wrong."""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}"


def settle(problems: Sequence[Problem], *, skip: bool, listing: Path) -> None:
    """Write down the rows that cannot be used, and stop unless they may be left out.

    Args:
        problems: The rows; nothing happens where there are none.
        skip: Whether the rows may be left out.
        listing: CSV file for all of them, with the columns file, line and reason; overwritten.

    Raises:
        DataError: there are problems and `skip` is false, or the list cannot be written.
    """
    if not problems:
        return
    try:
        with listing.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "line", "reason"])
            writer.writerows([problem.file, problem.line, problem.reason] for problem in problems)
    except OSError as error:
        raise DataError(f"cannot write {listing}: {error.strerror}; choose another --cache") from error
    if skip:
        return
    if len(problems) == 1:
        raise DataError(f"{problems[0]}; correct it, or leave it out with --skip-bad-rows")
    raise DataError(
        f"{problems[0]}; with {len(problems) - 1} more in {listing}: correct them, or leave such rows out "
        "with --skip-bad-rows"
    )
