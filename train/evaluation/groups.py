"""Groups of images, in which figures are told apart: a model may serve some people worse than others."""

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet

__all__ = ["Group", "groups_of"]

Group = NDArray[np.bool_]
"""(N,) which images belong to it."""


def groups_of(labels_NK: NDArray[np.float32], attributes: AttributeSet) -> dict[str, Group]:
    """Return the groups that attributes make, by name.

    Args:
        labels_NK: (N, K), as an aligned set has them, N at least 1.
        attributes: Their columns; a continuous one makes two halves, below its median and not.
    """
    groups: dict[str, Group] = {}
    for k, attribute in enumerate(attributes):
        groups |= _groups(labels_NK[:, k], attribute)
    return groups


def _groups(labels_N: NDArray[np.float32], attribute: Attribute) -> dict[str, Group]:
    name = attribute.name
    if attribute.kind == "boolean":
        return {name: labels_N == 1, f"not {name}": labels_N == 0}
    if attribute.kind == "categorical":
        return {f"{name}={category}": labels_N == c for c, category in enumerate(attribute.categories)}
    median = float(np.median(labels_N))
    value = f"{attribute.value_at(median):.3g}"
    return {f"{name} < {value}": labels_N < median, f"{name} ≥ {value}": labels_N >= median}
