"""What all engines that run a bundle's three graphs have in common: which input goes where."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines.signatures import IMAGE

__all__ = ["Arrays", "GraphEngine"]

Arrays = Mapping[str, NDArray[np.float32]]
"""Name of an input or output to its batch."""


class GraphEngine(ABC):
    """An `Engine` that needs to know only how a graph is run."""

    def __init__(self, bundle: Bundle) -> None:
        self._latent_names = [latent.name for latent in bundle.manifest.latents]
        self._closed = False

    @abstractmethod
    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """Run "encoder", "decoder" or "classifier" on a batch of any size, and return its outputs by name.

        An encoder's IMAGE may be left out.

        Raises:
            EngineError: the inputs do not fit, or the engine fails.
        """

    @abstractmethod
    def free(self) -> None:
        """Free what the engine holds."""

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """As for `Engine`."""
        outputs = self._run_open("encoder", {"pixels": pixels_NCHW})
        # The image passes as it came: copied by the graph and out of it, it would cost as much as a layer.
        return tuple(pixels_NCHW if name == IMAGE else outputs[name] for name in self._latent_names)

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """As for `Engine`."""
        inputs = dict(zip(self._latent_names, latents, strict=True))
        return self._run_open("decoder", {**inputs, "values": values_NA})["rendering"]

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """As for `Engine`."""
        return self._run_open("classifier", {"pixels": pixels_NCHW})["probabilities"]

    def close(self) -> None:
        """As for `Engine`; the other methods raise EngineError afterwards."""
        self._closed = True
        self.free()

    def _run_open(self, graph: str, inputs: Arrays) -> Arrays:
        if self._closed:
            raise EngineError(f"the engine was closed before it was asked to run the {graph}: open it again")
        return self.run(graph, inputs)
