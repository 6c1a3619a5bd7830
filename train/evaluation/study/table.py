"""What a study found, in the form of the paper's Table 1.

Source: Lample et al. 2017, Table 1: naturalness and accuracy for each model and attribute.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fader.train.evaluation.intervals import wilson

__all__ = ["Cell", "Preference", "Share", "StudyTable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A share of answers with its Wilson interval."""

    hits: int
    """Answers that count."""
    n: int
    """All answers."""
    confidence: float = 0.95
    """Of the interval, 0 to 1."""

    @property
    def percent(self) -> float | None:
        """The share, 0 to 100; None without answers."""
        return 100 * self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval, 0 to 100."""
        low, high = wilson(self.hits, self.n, self.confidence)
        return 100 * low, 100 * high

    def to_fields(self) -> dict[str, Any]:
        """Return JSON's types; percentages have one decimal."""
        if self.percent is None:
            return {"percent": None, "low": None, "high": None, "n": 0}
        low, high = self.interval
        return {"percent": round(self.percent, 1), "low": round(low, 1), "high": round(high, 1), "n": self.n}

    def __str__(self) -> str:
        return "-" if self.percent is None else f"{self.percent:.1f}"

    def interval_text(self) -> str:
        """Return the interval for people, "88.1-95.4"; "-" without answers."""
        low, high = self.interval
        return f"{low:.1f}-{high:.1f}" if self.n else "-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What people said of one condition of one attribute."""

    naturalness: Share
    """Answers that it looks like a real photograph."""
    accuracy: Share
    """Answers about the attribute that agree with what the picture is meant to show."""

    def lines(self) -> tuple[str, str]:
        """Return the values with the numbers of answers, and the intervals below."""
        values = f"{self.naturalness} / {self.accuracy}"
        intervals = f"{self.naturalness.interval_text()} / {self.accuracy.interval_text()}"
        counts = dict.fromkeys((str(self.naturalness.n), str(self.accuracy.n)))
        return f"{values}  (n {' / '.join(counts)})", intervals


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """How often one condition looked more natural than another beside it."""

    attribute: str
    condition: str
    over: str
    """The other condition."""
    share: Share
    """Pairs in which `condition` was chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyTable:
    """What a study found.

    The intervals take answers for independent. Answers of one person, or about one picture, are alike, so the
    true uncertainty is larger: many people and many pictures are worth more than many answers.
    """

    title: str
    """Of the study."""
    conditions: tuple[str, ...]
    """Rows."""
    attributes: tuple[str, ...]
    """Columns."""
    cells: Mapping[tuple[str, str], Cell]
    """(condition, attribute) to what was said; a combination that was not asked about is missing."""
    preferences: tuple[Preference, ...]
    """From the pairs."""
    n_participants: int
    """People with at least one answer."""
    n_answers: int
    """Answers of all of them to all questions."""
    confidence: float = 0.95
    """Of every interval, 0 to 1."""

    def to_json(self) -> str:
        """Return everything as JSON: percentages with one decimal, null where nobody answered."""
        cells = [
            {
                "condition": condition,
                "attribute": attribute,
                "naturalness": cell.naturalness.to_fields(),
                "accuracy": cell.accuracy.to_fields(),
            }
            for (condition, attribute), cell in self.cells.items()
        ]
        preferences = [
            {"attribute": p.attribute, "condition": p.condition, "over": p.over, **p.share.to_fields()}
            for p in self.preferences
        ]
        fields = {
            "title": self.title,
            "participants": self.n_participants,
            "answers": self.n_answers,
            "interval": {"method": "wilson", "confidence": self.confidence},
            "table": cells,
            "preferences": preferences,
        }
        return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """Return the table for people: naturalness / accuracy, and below each cell the two intervals."""
        who = f"{_counted(self.n_participants, 'participant')}, {_counted(self.n_answers, 'answer')}"
        lines = [
            f"{self.title}: {who}",
            f"naturalness / accuracy, %; below, the {100 * self.confidence:g} % Wilson intervals",
            "",
            *_aligned(self._rows()),
        ]
        if self.preferences:
            pairs = [
                [
                    p.attribute,
                    f"{p.condition} over {p.over}",
                    str(p.share),
                    f"{p.share.interval_text()}  (n {p.share.n})",
                ]
                for p in self.preferences
            ]
            lines += ["", "pairs: which looks more natural, %", "", *_aligned(pairs)]
        return "\n".join(lines) + "\n"

    def _rows(self) -> list[list[str]]:
        rows = [["", *self.attributes]]
        for condition in self.conditions:
            cells = [self.cells.get((condition, attribute)) for attribute in self.attributes]
            if any(cells):
                upper, lower = zip(*(cell.lines() if cell else ("-", "") for cell in cells), strict=True)
                rows += [[condition, *upper], ["", *lower]]
        return rows


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
