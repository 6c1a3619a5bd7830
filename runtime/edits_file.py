"""Edits in a TOML file, for many keyframes, for several outputs with names, and to keep.

[values]                                 # for every output
Young = "+0.2"
Smiling = ["0@0s", "1@2.5s", "0.5@4s"]   # keyframes, as --attr takes them, in a list or in one text

[outputs.glasses]                        # video.glasses.mp4: its values are added to those above
Eyeglasses = 1
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fader.attributes import Value
from fader.errors import ConfigError
from fader.runtime.motion import Motion, Values, parse

__all__ = ["EditsFile", "read_edits"]

TABLES = ("values", "outputs")


@dataclass(frozen=True, kw_only=True, slots=True)
class EditsFile:
    """What a file of edits says."""

    path: Path
    """The file."""
    values: Values
    """For every output."""
    outputs: Mapping[str, Values]
    """Name of an output to what is its own; empty where there is one output without a name."""

    def check(self, accept: Callable[[Values], None]) -> None:
        """Let a model check every value, so that an error names this file and the key.

        Args:
            accept: Raises ConfigError for what it does not know, as `Model.check`.

        Raises:
            ConfigError: a value that it refuses.
        """
        tables = {"values": self.values} | {f"outputs.{name}": own for name, own in self.outputs.items()}
        for table, values in tables.items():
            for name, value in values.items():
                try:
                    accept({name: value})
                except ConfigError as error:
                    raise ConfigError(f"{self.path}: {table}.{name}: {error}") from error


def read_edits(path: Path) -> EditsFile:
    """Read a file of edits.

    Args:
        path: TOML: a table `values`, and a table `outputs.NAME` for each of several outputs; in them the name
            of an attribute is set to a number, a text as --attr takes it, or a list of such texts.

    Raises:
        ConfigError: it cannot be read, or it holds something else.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the edits of {path}: {error.strerror}") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigError(f"{path}: is no TOML ({error}): expected lines such as Smiling = 0.8") from error
    for key in content:
        if key not in TABLES:
            raise ConfigError(f"{path}: {key}: expected the tables [values] and [outputs.NAME] only")
    outputs = _table(path, "outputs", content.get("outputs", {}))
    edits = EditsFile(
        path=path,
        values=_values(path, "values", content.get("values", {})),
        outputs={name: _values(path, f"outputs.{name}", own) for name, own in outputs.items()},
    )
    if not edits.values and not edits.outputs:
        raise ConfigError(
            f"{path}: holds no edit: expected a table [values] with lines such as Smiling = 0.8"
        )
    return edits


def _values(path: Path, key: str, content: Any) -> dict[str, Value | Motion]:
    return {name: _value(path, f"{key}.{name}", value) for name, value in _table(path, key, content).items()}


def _table(path: Path, key: str, content: Any) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: {key}: found {content!r}, expected a table such as [{key}]")
    return content


def _value(path: Path, key: str, value: Any) -> Value | Motion:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            f'{path}: {key}: found {value!r}, expected a number, a text such as "1@3s-5s", or a list of '
            'texts such as ["0@0s", "1@2.5s"]'
        )
    try:
        return parse(",".join(texts))
    except ConfigError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error
