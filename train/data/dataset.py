"""The training set in memory-mapped form: aligned images with their labels, and batches drawn from them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import AttributeSet

__all__ = ["AlignedSet", "Batches"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignedSet:
    """Images of one size with their labels."""

    images_NHWC: NDArray[np.uint8]
    """(N, S, S, 3) uint8 RGB; may be memory-mapped."""
    labels_NK: NDArray[np.float32]
    """(N, K), K in the attribute set's order: the index of a boolean or categorical attribute's category, the
    position of a continuous one in its span (0 lowest, 1 highest)."""
    attributes: AttributeSet
    """What the labels' columns are."""
    landmarks_N52: NDArray[np.float32] | None = None
    """(N, 5, 2) float32 of aligned faces, see `fader.runtime.faces.portrait.Portrait`; None of others."""
    split_N: NDArray[np.int8] | None = None
    """Where the data say who may see an image: 0 training, 1 validation, 2 test."""

    def __len__(self) -> int:
        return len(self.labels_NK)

    def images(self, indices: NDArray[np.int64]) -> Tensor:
        """Return (n, 3, S, S) float32 in [-1, 1] in channels-last memory."""
        pixels = torch.from_numpy(self.images_NHWC[indices])
        return pixels.permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)

    def subset(self, indices: NDArray[np.int64]) -> "Subset":
        """Return a view of some of the images."""
        return Subset(parent=self, indices=indices)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subset:
    """Some images of a set, by index."""

    parent: AlignedSet
    """The whole set."""
    indices: NDArray[np.int64]
    """(n,) indices into it."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels_NK(self) -> NDArray[np.float32]:
        """(n, K) labels, as the set has them."""
        return self.parent.labels_NK[self.indices]

    def batch(self, positions: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return images (n, 3, S, S) and labels (n, K) at positions of this subset, in the set's order."""
        # Ascending, because the images are usually mapped from a disk.
        chosen = np.sort(self.indices[positions])
        return self.parent.images(chosen), torch.from_numpy(self.parent.labels_NK[chosen])

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the whole subset once, in order."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))))


class Batches:
    """Random batches without end, an image's chance in proportion to its weight.

    A batch depends on the seed and its number alone, so an interrupted run goes on with the same ones.
    """

    def __init__(
        self,
        subset: Subset,
        weights_N: NDArray[np.float64],
        *,
        batch_size: int,
        seed: int,
        rows: slice = slice(None),
    ) -> None:
        """Prepare the draws.

        Args:
            subset: Where to draw from.
            weights_N: (len(subset),) positive.
            batch_size: Images in a batch.
            seed: Of the order.
            rows: Which images of each batch are wanted, where several processes share it.
        """
        self._subset, self._batch_size, self._seed, self._rows = subset, batch_size, seed, rows
        self._cumulative = np.cumsum(weights_N / weights_N.sum())

    def positions(self, number: int) -> NDArray[np.int64]:
        """Return where in the subset the images of batch `number`, 0 or more, are, ascending."""
        random = np.random.default_rng([self._seed, number])
        drawn = np.searchsorted(self._cumulative, random.random(self._batch_size), side="right")
        positions = np.sort(np.minimum(drawn, len(self._subset) - 1).astype(np.int64))
        return positions[self._rows]

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return the images and labels of batch `number`, 0 or more."""
        return self._subset.batch(self.positions(number))

    def after(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batch `number` and all that follow it."""
        for following in itertools.count(number):
            yield self.batch(following)
