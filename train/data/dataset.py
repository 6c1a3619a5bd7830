"""The training set in memory-mapped form: aligned images with their labels, and batches drawn from them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["AlignedSet", "Batches"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignedSet:
    """Images of one size with their labels."""

    images_NHWC: NDArray[np.uint8]
    """(N, S, S, 3) uint8 RGB; may be memory-mapped."""
    labels_NK: NDArray[np.int64]
    """(N, K) category indices, K in the attribute set's order."""

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
    def labels_NK(self) -> NDArray[np.int64]:
        """(n, K) category indices."""
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
    """Endless random batches, an image's chance in proportion to its weight."""

    def __init__(self, subset: Subset, weights_N: NDArray[np.float64], *, batch_size: int, seed: int) -> None:
        """Prepare the draws.

        Args:
            subset: Where to draw from.
            weights_N: (len(subset),) positive.
            batch_size: Images in a batch.
            seed: Of the order.
        """
        self._subset = subset
        self._cumulative = np.cumsum(weights_N / weights_N.sum())
        self._batch_size = batch_size
        self._random = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            drawn = np.searchsorted(self._cumulative, self._random.random(self._batch_size), side="right")
            yield self._subset.batch(np.minimum(drawn, len(self._subset) - 1).astype(np.int64))
