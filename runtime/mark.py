"""The mark that an edited file carries: what was edited, by which model.

    edited with fader 0.1.0: Eyeglasses=0.8, Smiling=0@0s,1@2.5s; model faces 3fa9c2d1e07b

It is a line of the file's comment, which every container and most players show; what the comment said before
stays above it. A key of our own would need MP4's other form of metadata, in which players no longer find
the title.
"""

from functools import cache
from importlib import metadata

from fader.attributes import Value
from fader.runtime.model import Model
from fader.runtime.motion import Keyframes, Motion, Span, Values

__all__ = ["mark_of"]

ID_DIGITS = 12


def mark_of(model: Model, values: Values) -> str:
    """Return the line that says what was edited, and by which model.

    Args:
        model: Its bundle's name and the first digits of its id are named.
        values: Of the edit, written as people type them.
    """
    manifest = model.bundle.manifest
    edits = ", ".join(f"{name}={_typed(value)}" for name, value in values.items())
    return f"edited with fader {_version()}: {edits}; model {manifest.name} {model.bundle.id[:ID_DIGITS]}"


def _typed(value: Value | Motion) -> str:
    if isinstance(value, Span):
        return f"{_number(value.value, relative=value.relative)}@{value.start:g}s-{value.stop:g}s"
    if isinstance(value, Keyframes):
        numbers = [_number(number, relative=value.relative) for number in value.values]
        if value.relative and len(numbers) == 1:
            return numbers[0]
        return ",".join(f"{number}@{time:g}s" for number, time in zip(numbers, value.times, strict=True))
    return _number(value, relative=False)


def _number(value: Value, *, relative: bool) -> str:
    text = value if isinstance(value, str) else f"{float(value):g}"
    return f"+{text}" if relative else text


@cache
def _version() -> str:
    try:
        return metadata.version("fader")
    except metadata.PackageNotFoundError:
        return "unknown"
