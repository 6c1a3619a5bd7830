"""What the doctor says: findings, each with a level and, where there is one, a remedy."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "version_numbers"]


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """Works."""
    NOTE = "note"
    """Works without it, or only some users need it."""
    WARNING = "warning"
    """Something is slower than it could be, or will fail when it is asked for."""
    ERROR = "error"
    """Edits fail or cannot be relied on until it is mended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the report."""

    section: str
    """Heading under which it stands."""
    name: str
    """What was looked at."""
    level: Level
    """How bad it is."""
    found: str
    """What was found, in one line."""
    remedy: str | None = None
    """What to do, in one line; None where nothing is to be done."""


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (13, 0, 2) of "13.0.2+cu130"; () if there are none."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
