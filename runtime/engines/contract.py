"""What an inference engine must do; everything above it is the same for all engines.

Shapes: N images, C channels, H height, W width, A attribute columns. Arrays are float32 and C-contiguous.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs one bundle's graphs. Methods may be called from several threads at once."""

    name: str
    """For the log and for `Editor.engine_name`, for example "onnxruntime-cpu"."""

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the latents of (N, 3, S, S) images in [-1, 1], in the manifest's order.

        A latent that is the images themselves is the very array that was given.
        """

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return (N, 3, S, S) renderings in [-1, 1] of latents with (N, A) attribute columns."""

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, A) probabilities; each attribute's columns sum to 1."""

    def close(self) -> None:
        """Free what the engine holds; no other method may be called afterwards."""
