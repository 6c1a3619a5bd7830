"""Random numbers of an update that depend on the seed and the iteration alone.

A run that was interrupted therefore draws the same ones when it goes on, and so do several processes that
share a batch: each draws for the whole batch and takes its own rows.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["Draws", "seed_of"]


def seed_of(*what: int) -> int:
    """Return a 63-bit seed made of numbers of 0 or more."""
    return int(np.random.SeedSequence(what).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Draws:
    """A stream of random numbers for the images of a batch."""

    def __init__(self, seed: int, rows: slice, total: int, device: torch.device | str = "cpu") -> None:
        """Begin a stream.

        Args:
            seed: Of the stream; see `seed_of`.
            rows: Which images of the batch this process has.
            total: Images in the whole batch.
            device: Where the numbers are wanted; another device draws other numbers.
        """
        self.rows, self.total, self.device = rows, total, torch.device(device)
        self._generator = torch.Generator(self.device).manual_seed(seed)

    @classmethod
    def for_images(cls, seed: int, n: int, device: torch.device | str = "cpu") -> "Draws":
        """Begin a stream for a batch that one process has alone."""
        return cls(seed, slice(0, n), n, device)

    def uniform(self, *shape: int) -> Tensor:
        """Return (n, *shape) float32 in [0, 1), n the images of this process."""
        return torch.rand((self.total, *shape), generator=self._generator, device=self.device)[self.rows]

    def normal(self, *shape: int) -> Tensor:
        """Return (n, *shape) float32 of mean 0 and deviation 1."""
        return torch.randn((self.total, *shape), generator=self._generator, device=self.device)[self.rows]

    def choice(self, weights: Sequence[float]) -> Tensor:
        """Return (n,) int64 indices, each with a chance in proportion to its weight."""
        shares = torch.tensor(weights, dtype=torch.float32, device=self.device)
        drawn = torch.multinomial(shares, self.total, replacement=True, generator=self._generator)
        return drawn[self.rows]

    def number(self) -> float:
        """Return one number in [0, 1) for the whole batch."""
        return torch.rand((), generator=self._generator, device=self.device).item()
