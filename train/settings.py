"""From presets, TOML files and options to a run's settings: later ones win, unknown names are errors."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fader.errors import ConfigError
from fader.train.config import TrainConfig

__all__ = ["config_from", "presets", "read_preset", "read_settings"]

CALLED = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a text",
    tuple: "a list",
    Mapping: "a table of names with numbers",
    Literal: "a text",
}


def presets() -> list[str]:
    """Return the names of the presets."""
    files = resources.files("fader.train.presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """Return a preset's settings.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in presets():
        raise ConfigError(f"there is no preset {name!r}: choose from {', '.join(presets())}")
    return tomllib.loads(resources.files("fader.train.presets").joinpath(f"{name}.toml").read_text())


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings {path} ({error.strerror}): name a file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML ({error}): see the presets for examples") from error


def config_from(*layers: Mapping[str, Any]) -> TrainConfig:
    """Return settings put together from several layers, of which a later one wins.

    Args:
        layers: Names of `TrainConfig`'s fields to values, as TOML or JSON have them.

    Raises:
        ConfigError: a name is unknown, a value has another type than expected, or it is not valid.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= layer
    known = get_type_hints(TrainConfig)
    for name in merged:
        if name not in known:
            raise ConfigError(
                f"there is no setting {name!r}: choose from {', '.join(f.name for f in fields(TrainConfig))}"
            )
    if "attributes" not in merged:
        raise ConfigError("no attributes are named: name those to train, such as --attr Smiling")
    return TrainConfig(**{name: _cast(name, value, known[name]) for name, value in merged.items()})


def _cast(name: str, value: Any, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_cast(name, item, get_args(kind)[0]) for item in value)
    if origin is Mapping and isinstance(value, Mapping):
        return {str(key): _cast(f"{name}.{key}", item, get_args(kind)[1]) for key, item in value.items()}
    # Which words are allowed, the settings check themselves.
    if origin is Literal and isinstance(value, str):
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in CALLED and type(value) is kind:
        return value
    raise ConfigError(f"{name} = {value!r}: expected {CALLED.get(origin or kind)}")
