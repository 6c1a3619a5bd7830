"""Reads the CSV files that the page hands out: every line is checked against the study's key."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fader.errors import DataError
from fader.train.evaluation.study.key import Key

__all__ = ["COLUMNS", "Answer", "read_answers"]

COLUMNS = ("study", "participant", "item", "question", "answer")
YES_NO = ("yes", "no")
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer of one participant."""

    participant: str
    """Name, as typed or drawn."""
    item: str
    """Opaque id of a picture or a pair."""
    question: str
    """ "natural" or "attribute" about a picture, "pair" about a pair."""
    value: str
    """ "yes" or "no"; of a pair the id of the option that was chosen."""


def read_answers(paths: Sequence[Path], key: Key) -> list[Answer]:
    """Read the answers of a study.

    Args:
        paths: CSV files; a participant's file may be given together with one saved earlier.
        key: Of the same study.

    Returns:
        One for each participant, item and question.

    Raises:
        DataError: a file is missing, damaged or of another study, or a participant answered one question in
            two ways; the message names file and line.
    """
    found: dict[tuple[str, str, str], tuple[Answer, str]] = {}
    for path in paths:
        for answer, place in _read(path, key):
            asked = (answer.participant, answer.item, answer.question)
            first, first_place = found.setdefault(asked, (answer, place))
            if first != answer:
                raise DataError(
                    f"{place}: {answer.participant} says {answer.value!r}, and {first.value!r} in "
                    f"{first_place}: expected one answer; keep the file that was saved last, or give two "
                    "people two names"
                )
    return [answer for answer, _ in found.values()]


def _read(path: Path, key: Key) -> Iterator[tuple[Answer, str]]:
    rows = _rows(path)
    line, header = next(rows, (1, []))
    if tuple(header) != COLUMNS:
        raise DataError(
            f"{path}:{line}: expected the line {','.join(COLUMNS)}, found {','.join(header)!r:.80}"
        )
    for line, row in rows:
        place = f"{path}:{line}"
        if row:
            yield _answer(row, key, place), place


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the answers {path}: {error.strerror}") from error
    try:
        # Spreadsheets put a byte order mark before the first line.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: expected text in UTF-8; save the answers from the page again"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{path}:{reader.line_num}: not CSV ({error}); save the answers from the page again"
        ) from error


def _answer(row: list[str], key: Key, place: str) -> Answer:
    if len(row) != len(COLUMNS):
        raise DataError(f"{place}: expected {len(COLUMNS)} cells, found {len(row)}: is the file whole?")
    study, participant, item, question, value = row
    if study != key.study:
        raise DataError(
            f"{place}: is of study {study!r:.40}, expected {key.study!r}: take the key of that study"
        )
    if not NAME.fullmatch(participant):
        raise DataError(
            f"{place}: participant {participant!r:.40}: expected up to 32 letters, digits, '-' and '_'"
        )
    allowed = _allowed(item, question, key)
    if value not in allowed:
        asked = f"item {item!r:.40}, question {question!r:.40}"
        expected = f"{allowed[0]!r} or {allowed[1]!r}" if allowed else "an item and question of this study"
        raise DataError(f"{place}: {asked} is answered by {value!r:.40}: expected {expected}")
    return Answer(participant=participant, item=item, question=question, value=value)


def _allowed(item: str, question: str, key: Key) -> tuple[str, ...]:
    if item in key.pictures and question in {"natural", "attribute"}:
        return YES_NO
    return tuple(key.pairs[item]) if item in key.pairs and question == "pair" else ()
