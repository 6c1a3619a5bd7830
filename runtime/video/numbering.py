"""Numbered pictures: the names that a pattern such as frames/%05d.png stands for."""

import re
from collections.abc import Iterable
from pathlib import Path

from fader.errors import ConfigError
from fader.image import IMAGE_SUFFIXES

__all__ = ["first_of", "is_numbered", "name_of", "names_of", "refuse_own_input"]

_NUMBER = re.compile(r"%(0(\d+))?d")


def is_numbered(name: str) -> bool:
    """Whether a path stands for numbered pictures, such as frames/%05d.png."""
    return _NUMBER.search(Path(name).name) is not None and Path(name).suffix.lower() in IMAGE_SUFFIXES


def first_of(pattern: str) -> Path:
    """Return the first of the numbered pictures that are written to a pattern such as out/%05d.png."""
    return Path(pattern).with_name(name_of(pattern, 1))


def name_of(pattern: str, number: int) -> str:
    """Return the name, without its folder, of one of the pictures."""
    name = Path(pattern).name
    found = _NUMBER.search(name)
    assert found is not None  # noqa: S101
    return name[: found.start()] + f"{number:0{found[2] or 1}d}" + name[found.end() :]


def names_of(pattern: str) -> re.Pattern[str]:
    """Match the names that a pattern stands for; the number is the first group."""
    name = Path(pattern).name
    found = _NUMBER.search(name)
    assert found is not None  # noqa: S101
    digits = rf"\d{{{found[2]},}}" if found[2] else r"\d+"
    return re.compile(re.escape(name[: found.start()]) + f"({digits})" + re.escape(name[found.end() :]))


def refuse_own_input(pattern: str, files: Iterable[Path]) -> None:
    """Refuse to write pictures over those that they come from.

    Raises:
        ConfigError: the pattern stands for one of the files.
    """
    folder, named = Path(pattern).parent.resolve(), names_of(pattern)
    for file in files:
        # Under its own name and under that of what it is a link to.
        for place in {file.parent.resolve() / file.name, file.resolve()}:
            if place.parent == folder and named.fullmatch(place.name):
                raise ConfigError(
                    f"the output {pattern} would replace the input {file}: choose another folder with -o"
                )
