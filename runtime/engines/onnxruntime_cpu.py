"""The engine that works everywhere: ONNX Runtime on the CPU."""

import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import BundleError
from fader.runtime.engines.session import available_threads, open_session

__all__ = ["OnnxRuntimeCpu"]


class OnnxRuntimeCpu:
    """Runs a bundle's graphs by ONNX Runtime on the CPU, in float32."""

    name = "onnxruntime-cpu"

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        """Load the graphs.

        Args:
            bundle: Verified bundle.
            threads: Threads inside an operator; None for the number of processors of this process.

        Raises:
            EngineError: ONNX Runtime is missing or refuses a graph.
            BundleError: a graph's inputs and outputs are not the manifest's.
        """
        threads = threads or available_threads()
        self._encoder, self._decoder, self._classifier = (
            open_session(bundle.graph(name), threads=threads) for name in ("encoder", "decoder", "classifier")
        )
        self._latent_names = [latent.name for latent in bundle.manifest.latents]
        found = ([o.name for o in self._encoder.get_outputs()], [i.name for i in self._decoder.get_inputs()])
        expected = (self._latent_names, [*self._latent_names, "values"])
        if found != expected:
            raise BundleError(
                f"the graphs of {bundle.folder} have {found}, expected {expected}: export it again"
            )

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the latents of (N, 3, S, S) images in [-1, 1], in the manifest's order."""
        return tuple(self._encoder.run(None, {"pixels": pixels_NCHW}))

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return (N, 3, S, S) renderings in [-1, 1] of latents with (N, A) attribute columns."""
        inputs = dict(zip(self._latent_names, latents, strict=True))
        rendering: NDArray[np.float32] = self._decoder.run(None, {**inputs, "values": values_NA})[0]
        return rendering

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, A) probabilities; each attribute's columns sum to 1."""
        probabilities: NDArray[np.float32] = self._classifier.run(None, {"pixels": pixels_NCHW})[0]
        return probabilities

    def close(self) -> None:
        """Free the sessions."""
        del self._encoder, self._decoder, self._classifier
