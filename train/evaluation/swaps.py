"""Swaps: edits that give an image another value of one attribute, and whether the judge sees them.

Boolean: what an image has is removed, what it lacks is added. Categorical: every other category is put in.
Continuous: images of the lower half are raised to 90 % of the span, those of the upper half lowered to 10 %.

Shapes: N images, K attributes, A attribute columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.models import AutoEncoder
from fader.train.objectives import columns

__all__ = ["DIRECTIONS", "Direction", "Swap", "draw_swaps", "kept", "medians", "plan"]

Direction = Literal["added", "removed", "raised", "lowered"]
DIRECTIONS: tuple[Direction, ...] = ("added", "removed", "raised", "lowered")
"""The last word of every swap's name; "raised" and "lowered" are a continuous attribute's."""
HIGH, LOW = 0.9, 0.1
SAME = 0.1
"""Share of a continuous attribute's span within which the judge's estimate counts as unchanged."""


def medians(values_NK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (K,) medians of labels or estimates: they tell high from low of continuous attributes."""
    return np.median(values_NK, axis=0).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Swap:
    """One way to change one attribute."""

    k: int
    """The attribute's place in the set."""
    attribute: Attribute
    """The attribute."""
    direction: Direction
    """Which way."""
    target: float
    """What the attribute is set to, as labels have it."""

    @property
    def name(self) -> str:
        """For people: "Eyeglasses added", "Hair=blond added", "Age raised"."""
        categorical = self.attribute.kind == "categorical"
        value = f"={self.attribute.categories[int(self.target)]}" if categorical else ""
        return f"{self.attribute.name}{value} {self.direction}"

    def applies(self, labels_NK: NDArray[np.float32], medians_K: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return (N,) which images are edited so.

        Args:
            labels_NK: Their labels.
            medians_K: Of all images' labels.
        """
        labels_N, median = labels_NK[:, self.k], medians_K[self.k]
        if self.attribute.kind == "continuous":
            return np.asarray(labels_N < median if self.direction == "raised" else labels_N >= median)
        return np.asarray(labels_N != self.target)

    def seen(self, estimates_NK: NDArray[np.float32], medians_K: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return (N,) for which images the judge says what they were edited to.

        Args:
            estimates_NK: The judge's.
            medians_K: Of its estimates for all real images; a continuous attribute must come to lie on the
                right side.
        """
        said_N, median = estimates_NK[:, self.k], medians_K[self.k]
        if self.attribute.kind == "continuous":
            return np.asarray(said_N > median if self.direction == "raised" else said_N < median)
        return np.asarray(said_N == self.target)

    def like(self, labels_NK: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return (N,) which real images are what edited ones should be; if continuous, a quarter."""
        labels_N = labels_NK[:, self.k]
        if self.direction == "raised":
            return np.asarray(labels_N >= np.quantile(labels_N, 0.75))
        if self.direction == "lowered":
            return np.asarray(labels_N <= np.quantile(labels_N, 0.25))
        return np.asarray(labels_N == self.target)


def plan(attributes: AttributeSet) -> list[list[Swap]]:
    """Return all swaps of a set: a list for each attribute, in the set's order."""
    return [_swaps(k, attribute) for k, attribute in enumerate(attributes)]


def _swaps(k: int, attribute: Attribute) -> list[Swap]:
    ways: list[tuple[Direction, float]]
    if attribute.kind == "boolean":
        ways = [("added", 1.0), ("removed", 0.0)]
    elif attribute.kind == "continuous":
        ways = [("raised", HIGH), ("lowered", LOW)]
    else:
        ways = [("added", float(c)) for c in range(attribute.n_columns)]
    return [Swap(k=k, attribute=attribute, direction=way, target=target) for way, target in ways]


def draw_swaps(
    autoencoder: AutoEncoder,
    latents: Sequence[Tensor],
    labels_NK: Tensor,
    medians_K: NDArray[np.float32],
    attributes: AttributeSet,
    start_NA: Tensor | None = None,
) -> Iterator[tuple[Swap, NDArray[np.bool_], Tensor]]:
    """Draw every swap that applies to images of a batch.

    Args:
        autoencoder: In eval mode.
        latents: Of the batch.
        labels_NK: Of the batch, on the latents' device.
        medians_K: Of all images' labels.
        attributes: The set.
        start_NA: Columns of what the images show, which their other attributes keep; None for what the labels
            say.

    Yields:
        A swap, (N,) which images it applies to, and those images after it, (M, 3, S, S) in [-1, 1].
    """
    labels = labels_NK.cpu().numpy()
    for swaps in plan(attributes):
        rows = [swap.applies(labels, medians_K) for swap in swaps]
        edited_NK = [labels[row] for row in rows]
        for swap, one_NK in zip(swaps, edited_NK, strict=True):
            one_NK[:, swap.k] = swap.target
        # One pass for all of an attribute's swaps: of a boolean's two, each applies to a part of the batch.
        chosen_M = torch.from_numpy(np.concatenate([np.flatnonzero(row) for row in rows]))
        wanted_MA = columns(torch.from_numpy(np.concatenate(edited_NK)), attributes).to(labels_NK.device)
        shown_NA = columns(labels_NK, attributes) if start_NA is None else start_NA
        shown_MA = shown_NA[chosen_M.to(shown_NA.device)]
        if start_NA is not None:
            own = attributes.slice(swaps[0].attribute.name)
            swapped_MC = wanted_MA[:, own]
            wanted_MA = shown_MA.clone()
            wanted_MA[:, own] = swapped_MC
        chosen = tuple(latent[chosen_M.to(latent.device)] for latent in latents)
        drawn_MCHW = autoencoder.decode(chosen, autoencoder.asked(wanted_MA, shown_MA))
        yield from zip(swaps, rows, torch.split(drawn_MCHW, [int(row.sum()) for row in rows]), strict=True)


def kept(
    before_NK: NDArray[np.float32], after_NK: NDArray[np.float32], attributes: AttributeSet
) -> NDArray[np.bool_]:
    """Return (N, K) on which attributes the judge does not change its mind."""
    within_K = [SAME if attribute.kind == "continuous" else 0.0 for attribute in attributes]
    return np.asarray(np.abs(after_NK - before_NK) <= np.array(within_K))
