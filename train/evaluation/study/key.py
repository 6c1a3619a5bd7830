"""The key says what each opaque id of its page stands for: for whoever scores, not for participants."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from fader.errors import DataError

__all__ = ["FORMAT", "Key", "Truth", "read_key"]

FORMAT = "fader-study-key-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What one picture is."""

    attribute: str
    """Column of the table."""
    condition: str
    """Row of the table."""
    present: bool
    """Whether the picture is meant to show the attribute."""
    source: str
    """Name of the held-out image that it was made from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What the ids of one page stand for."""

    study: str
    """Id of the study, in every line of its answers."""
    title: str
    """As on the page."""
    conditions: tuple[str, ...]
    """Rows of the table, in order."""
    attributes: tuple[str, ...]
    """Columns of the table, in order."""
    pictures: Mapping[str, Truth]
    """Item's id to its picture."""
    pairs: Mapping[str, Mapping[str, Truth]]
    """Item's id to its two options: their ids, which are the possible answers, to the pictures."""

    def to_json(self) -> str:
        """Return the text that `read_key` reads."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def read_key(path: Path) -> Key:
    """Read the key file that was written beside a study's page.

    Raises:
        DataError: the file is missing, damaged, or not a key.
    """
    try:
        return _key(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"cannot read the key {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is not a whole key of a study ({type(error).__name__}: {error}): expected the .key.json "
            "file that was written beside the page"
        ) from error


def _key(fields: Mapping[str, Any]) -> Key:
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']!r} instead of {FORMAT!r}")
    key = Key(
        study=str(fields["study"]),
        title=str(fields["title"]),
        conditions=tuple(map(str, fields["conditions"])),
        attributes=tuple(map(str, fields["attributes"])),
        pictures={item: Truth(**truth) for item, truth in fields["pictures"].items()},
        pairs={
            item: {option: Truth(**truth) for option, truth in options.items()}
            for item, options in fields["pairs"].items()
        },
    )
    pairs = [tuple(options.values()) for options in key.pairs.values()]
    if not all(map(_comparable, pairs)) or not all(
        truth.condition in key.conditions
        and truth.attribute in key.attributes
        and isinstance(truth.present, bool)
        for truth in (*key.pictures.values(), *chain.from_iterable(pairs))
    ):
        raise ValueError("pictures, pairs, conditions and attributes do not fit each other")
    return key


def _comparable(pair: tuple[Truth, ...]) -> bool:
    return (
        len(pair) == 2 and pair[0].attribute == pair[1].attribute and pair[0].condition != pair[1].condition
    )
