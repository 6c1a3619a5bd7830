"""Values that move: keyframes, spans of time, and changes relative to what a face has.

    Smiling=0@0s,1@2.5s     from 0 at the start to 1 at 2.5 seconds, and 1 from there
    Eyeglasses=1@2s-5s      only from 2 to 5 seconds, faded in and out
    Smiling=+0.3            0.3 more than the face has

Shapes: N faces, C columns of one attribute.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet, Value
from fader.errors import ConfigError

__all__ = ["Keyframes", "Motion", "Span", "Values", "apply", "parse"]

FADE_S = 0.25
"""In which a span's value comes and goes."""
TIME = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)s?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Keyframes:
    """A value for each of some times; between them it moves evenly, before and after it stays."""

    times: tuple[float, ...]
    """Seconds from the first frame's time stamp of 0, ascending; one or more."""
    values: tuple[Value, ...]
    """As many; of categories each holds until the next."""
    relative: bool = False
    """Whether they are added to what the face has."""

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values) or not self.times:
            raise ConfigError(
                f"found {len(self.times)} times and {len(self.values)} values: expected as many"
            )
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise ConfigError(f"keyframes at {list(self.times)} s: expected ascending times")

    def columns(
        self, attribute: Attribute, source_NC: NDArray[np.float32], times_N: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return (N, C): the attribute's columns of faces at times, in seconds."""
        points_PC = np.stack([attribute.columns(value) for value in self.values])
        if attribute.kind == "categorical":
            if self.relative:
                raise ConfigError(
                    f"{attribute.name} has categories: expected one of their names, not a change"
                )
            rows = np.searchsorted(self.times, times_N, side="right") - 1
            return points_PC[np.maximum(rows, 0)]
        strength_N = np.interp(times_N, self.times, points_PC[:, 1])
        if self.relative:
            # A change of so many units, whatever the span begins with.
            strength_N = strength_N - attribute.position(0.0) + source_NC[:, 1]
        return np.stack([1 - strength_N, strength_N], axis=1).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A value that holds for a time only; outside it the face keeps what it has."""

    start: float
    """Seconds."""
    stop: float
    """Seconds."""
    value: Value
    """The value."""
    relative: bool = False
    """Whether it is added to what the face has."""

    def __post_init__(self) -> None:
        if not self.start < self.stop:
            raise ConfigError(
                f"found the span {self.start:g}s-{self.stop:g}s: expected its end after its start"
            )

    def columns(
        self, attribute: Attribute, source_NC: NDArray[np.float32], times_N: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return (N, C): the attribute's columns of faces at times, in seconds."""
        held = Keyframes(times=(self.start,), values=(self.value,), relative=self.relative)
        wanted_NC = held.columns(attribute, source_NC, times_N)
        edge_N = np.minimum(times_N - self.start, self.stop - times_N) / FADE_S
        weight_N1 = np.clip(edge_N, 0, 1)[:, None].astype(np.float32)
        return source_NC + weight_N1 * (wanted_NC - source_NC)


Motion = Keyframes | Span
Values = Mapping[str, Value | Motion]
"""Attribute name to its value, or how it moves."""


def apply(
    attributes: AttributeSet,
    values: Values,
    source_NA: NDArray[np.float32],
    times_N: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Overwrite the named attributes' columns; the others keep what the source has.

    Args:
        attributes: The model's.
        values: Attribute name to a value, or a motion.
        source_NA: (N, columns) float32, the estimate for each face.
        times_N: Seconds of each face's frame.

    Raises:
        ConfigError: an attribute is unknown or a value is not valid.
    """
    still = {name: value for name, value in values.items() if not isinstance(value, Motion)}
    wanted_NA = attributes.apply(still, source_NA)
    for name, value in values.items():
        if isinstance(value, Motion):
            columns = attributes.slice(name)
            wanted_NA[:, columns] = value.columns(attributes[name], source_NA[:, columns], times_N)
    return wanted_NA


def parse(text: str) -> Value | Motion:
    """Read a value as people type it: see the head of this module.

    Raises:
        ConfigError: a time or a number cannot be read.
    """
    if "@" not in text:
        number, relative = _number(text)
        return Keyframes(times=(0.0,), values=(number,), relative=True) if relative else number
    points = [point.partition("@") for point in text.split(",")]
    numbers = [_number(value) for value, _, _ in points]
    times = [time.split("-") for _, _, time in points]
    if len({relative for _, relative in numbers}) > 1:
        raise ConfigError(f"{text!r} mixes values with changes: expected + before all of them or none")
    relative = numbers[0][1]
    if len(points) == 1 and len(times[0]) == 2:
        start, stop = map(_seconds, times[0])
        return Span(start=start, stop=stop, value=numbers[0][0], relative=relative)
    if any(len(time) != 1 for time in times):
        raise ConfigError(f"{text!r} has several spans: expected VALUE@TIME,VALUE@TIME or VALUE@START-END")
    return Keyframes(
        times=tuple(_seconds(time[0]) for time in times),
        values=tuple(number for number, _ in numbers),
        relative=relative,
    )


def _number(text: str) -> tuple[Value, bool]:
    """Return a number, or a category's name as it is, and whether a + makes it a change."""
    text = text.strip()
    relative = text.startswith("+")
    try:
        number = float(text.removeprefix("+"))
    except ValueError:
        if relative or not text:
            raise ConfigError(f"found the value {text!r}: expected a number, such as 0.8 or +0.3") from None
        return text, False
    return number, relative


def _seconds(text: str) -> float:
    found = TIME.fullmatch(text.strip())
    if not found:
        raise ConfigError(f"found the time {text!r}: expected seconds such as 2.5s, or 1:02.5")
    parts = [float(part) for part in found.groups() if part is not None]
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + part
    return seconds
