"""The code of a batch of images, and what the classifier read from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Latents"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Latents:
    """What `Editor.encode` returns and `Editor.decode` takes; batch N."""

    tensors: tuple[NDArray[np.float32], ...]
    """Each (N, C, H, W) float32, in the order of the bundle's manifest."""
    source_NA: NDArray[np.float32]
    """(N, columns) float32: the classifier's estimate of every attribute, which unnamed attributes keep."""
    bundle_id: str
    """Id of the bundle that made them; no other can decode them."""

    def __len__(self) -> int:
        return len(self.source_NA)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> "Latents":
        """Return some of the batch, as a view where `rows` is a slice."""
        return Latents(
            tensors=tuple(tensor[rows] for tensor in self.tensors),
            source_NA=self.source_NA[rows],
            bundle_id=self.bundle_id,
        )

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(tensor.nbytes for tensor in self.tensors) + self.source_NA.nbytes
