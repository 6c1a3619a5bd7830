"""What is known of a set of images: attributes of three kinds, and rows that cannot be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute
from fader.errors import ConfigError
from fader.train.data.problems import Problem

__all__ = ["Labels"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Labels of a set of images. Shapes: N images, K attributes."""

    images: tuple[str, ...]
    """File names, in the label file's order; a name may lead into folders (class_001/x.jpg)."""
    attributes: tuple[Attribute, ...]
    """In the label file's order."""
    values_NK: NDArray[np.float32]
    """The index of a boolean (0 absent, 1 present) or categorical attribute's category, the position of a
    continuous one in its span (0 lowest, 1 highest, never beyond); NaN where a cell cannot be used."""
    split_N: NDArray[np.int8] | None = None
    """Where the data say who may see an image: 0 training, 1 validation, 2 test."""
    problems: tuple[Problem, ...] = ()
    """Rows that were left out, and cells that cannot be used."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Columns that are no attributes, and why."""
    path: Path | None = None
    """Where the labels were read from."""
    lines_N: NDArray[np.int32] | None = None
    """The line of each image in that file, 1 for the first."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(attribute.name for attribute in self.attributes)

    def select(self, names: Sequence[str]) -> "Labels":
        """Return the labels of some attributes, without the images that lack one of them.

        Args:
            names: Attributes, in the order that the labels shall have.

        Raises:
            ConfigError: the labels have no attribute of a name.
        """
        for name in names:
            if name in self.unusable:
                raise ConfigError(f"the column {name!r} is no attribute: {self.unusable[name]}")
            if name not in self.names:
                raise ConfigError(
                    f"the labels have no attribute {name!r}: choose from {', '.join(self.names)}"
                )
        columns = [self.names.index(name) for name in names]
        chosen = replace(
            self,
            attributes=tuple(self.attributes[k] for k in columns),
            values_NK=self.values_NK[:, columns],
            problems=tuple(p for p in self.problems if p.attribute is None or p.attribute in names),
        )
        return chosen.rows(np.array(np.isfinite(chosen.values_NK).all(axis=1), dtype=np.bool_))

    def rows(self, keep_N: NDArray[np.bool_]) -> "Labels":
        """Return the labels of the images for which `keep_N`, (N,) bool, is true."""
        if keep_N.all():
            return self
        return replace(
            self,
            images=tuple(name for name, keep in zip(self.images, keep_N.tolist(), strict=True) if keep),
            values_NK=self.values_NK[keep_N],
            split_N=None if self.split_N is None else self.split_N[keep_N],
            lines_N=None if self.lines_N is None else self.lines_N[keep_N],
        )

    def problem(self, row: int, reason: str) -> Problem:
        """Return what is wrong with an image, where the label file names it.

        Args:
            row: Index of the image.
            reason: What was found and what was expected.
        """
        line = None if self.lines_N is None else int(self.lines_N[row])
        return Problem(file=str(self.path or "labels"), line=line, reason=reason)
