"""What a model's sliders are called and how their positions become the numbers that networks read.

A boolean attribute is a slider: strength alpha becomes the two columns [1 - alpha, alpha]. A continuous one
is the same slider with units of its own: alpha is where its value lies in its span. A categorical attribute
has a column for each category, and its value is the category's name.

Source: Lample et al. 2017, section 3 and 4; the columns' order is that of the published models.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError

__all__ = ["Attribute", "AttributeSet", "Kind", "Value", "is_attribute_name"]

Kind = Literal["boolean", "continuous", "categorical"]

Value = float | int | str
"""A strength (boolean), a number in the attribute's own units (continuous), or a category's name."""
UNLIKELY, LIKELY = 0.25, 0.75
"""Estimates of a boolean that count as none, and as certainty."""
MAX_STRENGTH = 1000
"""Far beyond any use, and far from where a network's arithmetic overflows."""


def is_attribute_name(text: str) -> bool:
    """Tell whether a text can name an attribute: some text without "=" and ":", which end names in edits."""
    return bool(text) and not set(text) & {"=", ":"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One slider of a model."""

    name: str
    """As in the label file, for example "Eyeglasses"."""
    categories: tuple[str, ...] = ("0", "1")
    """Names of the categories; a boolean attribute has the two "0" (absent) and "1" (present)."""
    span: tuple[float, float] | None = None
    """Lowest and highest usual value of a continuous attribute, in its own units; None for others."""

    def __post_init__(self) -> None:
        if not is_attribute_name(self.name):
            raise ConfigError(f"attribute name {self.name!r}: expected a name without '=' and ':'")
        if len(self.categories) < 2 or len(set(self.categories)) != len(self.categories):
            raise ConfigError(
                f"attribute {self.name!r} has categories {list(self.categories)}: "
                "expected two or more, all different"
            )

        if self.span is not None and not (
            self.categories == ("0", "1")
            and all(map(math.isfinite, self.span))
            and self.span[0] < self.span[1]
        ):
            raise ConfigError(
                f"attribute {self.name!r} has the span {list(self.span)}: expected two finite numbers, the "
                "lower one first, and no categories"
            )

    @property
    def kind(self) -> Kind:
        """What the values are: strengths, numbers in units, or names."""
        if self.span is not None:
            return "continuous"
        return "boolean" if self.categories == ("0", "1") else "categorical"

    @property
    def n_columns(self) -> int:
        """Columns of the networks' input: two for a slider, else one for each category."""
        return len(self.categories)

    def describe(self) -> str:
        """Return what people may set it to."""
        if self.span is not None:
            return f"number, usually {self.span[0]:g} to {self.span[1]:g}, beyond exaggerates"
        if self.kind == "boolean":
            return "slider: 0 absent, 1 present, beyond exaggerates"
        return f"one of {', '.join(self.categories)}"

    def position(self, value: float) -> float:
        """Return where a slider's value lies: 0 absent or lowest, 1 present or highest."""
        low, high = self.span or (0.0, 1.0)
        return (value - low) / (high - low)

    def value_at(self, position: float) -> float:
        """Return the value of a slider at a position; the inverse of `position`."""
        low, high = self.span or (0.0, 1.0)
        return low + position * (high - low)

    def to_fields(self) -> dict[str, Any]:
        """Return what `from_fields` reads, as JSON's types."""
        if self.span is not None:
            return {"name": self.name, "span": list(self.span)}
        return {"name": self.name, "categories": list(self.categories)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Attribute":
        """Make an attribute from what `to_fields` returned.

        Raises:
            ConfigError: the attribute is not valid.
            KeyError: a field is missing.
            TypeError: a field is of another type.
            ValueError: a number is none, or a span has not two.
        """
        if "span" in fields:
            low, high = map(float, fields["span"])
            return cls(name=str(fields["name"]), span=(low, high))
        return cls(name=str(fields["name"]), categories=tuple(str(c) for c in fields["categories"]))

    def columns(self, value: Value) -> NDArray[np.float32]:
        """Return the network's input for one value.

        Args:
            value: For a boolean attribute a strength (unitless: 0 absent, 1 present, beyond exaggerates),
                from -1000 to 1000; for a continuous one a number in its units, as far beyond its span; for a
                categorical one the name of a category.

        Returns:
            (n_columns,) float32; its sum is 1.

        Raises:
            ConfigError: the value is out of range, not a number, or not a category.
        """
        if self.kind != "categorical":
            strength = self._strength(value)
            return np.array([1.0 - strength, strength], dtype=np.float32)
        if str(value) not in self.categories:
            raise ConfigError(f"{self.name}={value!r}: expected one of {', '.join(self.categories)}")
        one_hot = np.zeros(len(self.categories), dtype=np.float32)
        one_hot[self.categories.index(str(value))] = 1.0
        return one_hot

    def _strength(self, value: Value) -> float:
        try:
            strength = self.position(float(value))
        except (TypeError, ValueError, OverflowError):
            strength = math.nan
        if not abs(strength) <= MAX_STRENGTH:
            low, high, some = (self.value_at(at) for at in (-MAX_STRENGTH, MAX_STRENGTH, 0.8))
            raise ConfigError(
                f"{self.name}={value!r}: expected a number from {low:g} to {high:g}, "
                f"such as {self.name}={some:g}"
            )
        return strength


class AttributeSet:
    """The sliders of one model in the order of the columns: by their number, then by name."""

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        """Sort the attributes into the columns' order.

        Args:
            attributes: At least one, with different names.

        Raises:
            ConfigError: no attribute, or two of the same name.
        """
        self._attributes = tuple(sorted(attributes, key=lambda a: (a.n_columns, a.name)))
        if not self._attributes:
            raise ConfigError("found no attribute, expected at least one: name them as in the label file")
        if len(set(self.names)) != len(self.names):
            raise ConfigError(f"attributes {list(self.names)}: expected all names different")
        starts = np.cumsum([0, *(a.n_columns for a in self._attributes)])
        self._slices = {
            a.name: slice(int(start), int(stop))
            for a, start, stop in zip(self._attributes, starts[:-1], starts[1:], strict=True)
        }

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self._attributes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the columns' order."""
        return tuple(a.name for a in self._attributes)

    @property
    def n_columns(self) -> int:
        """Total number of columns (the networks' n_attr)."""
        return sum(a.n_columns for a in self._attributes)

    def __getitem__(self, name: str) -> Attribute:
        for attribute in self._attributes:
            if attribute.name == name:
                return attribute
        raise ConfigError(f"unknown attribute {name!r}: this model has {', '.join(self.names)}")

    def slice(self, name: str) -> slice:
        """Return the columns that belong to one attribute.

        Raises:
            ConfigError: no attribute has this name.
        """
        return self._slices[self[name].name]

    def decided(self, estimates_NA: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is drawn for estimates: a boolean that is likely absent is absent, and the other way.

        A classifier that half sees glasses on a bare face would otherwise have half of a pair drawn there.
        Between UNLIKELY and LIKELY it changes smoothly, so that a video's estimates may drift.

        Args:
            estimates_NA: (N, n_columns) float32.

        Returns:
            (N, n_columns) float32, a copy.
        """
        decided_NA = estimates_NA.astype(np.float32, copy=True)
        for attribute in self:
            if attribute.kind == "boolean":
                absent, present = self.slice(attribute.name).start, self.slice(attribute.name).stop - 1
                share = np.clip((estimates_NA[:, present] - UNLIKELY) / (LIKELY - UNLIKELY), 0, 1)
                decided_NA[:, present] = share * share * (3 - 2 * share)
                decided_NA[:, absent] = 1 - decided_NA[:, present]
        return decided_NA

    def apply(self, values: Mapping[str, Value], source_NA: NDArray[np.float32]) -> NDArray[np.float32]:
        """Overwrite the named attributes' columns; the others keep what the source has.

        Args:
            values: Attribute name to strength or category.
            source_NA: (N, n_columns) float32, the estimate for each image.

        Returns:
            (N, n_columns) float32, a copy.

        Raises:
            ConfigError: an attribute is unknown or a value is not valid.
        """
        wanted_NA = source_NA.astype(np.float32, copy=True)
        for name, value in values.items():
            wanted_NA[:, self.slice(name)] = self[name].columns(value)
        return wanted_NA
