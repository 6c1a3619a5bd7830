"""The engine that works everywhere: ONNX Runtime on the CPU."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.runtime.engines.session import available_threads, open_session, run_session
from fader.runtime.engines.signatures import require_signature

if TYPE_CHECKING:
    import onnxruntime

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
            _load(bundle, graph, threads) for graph in ("encoder", "decoder", "classifier")
        )
        self._latent_names = [latent.name for latent in bundle.manifest.latents]

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """As for `Engine`."""
        return tuple(run_session(self._encoder, {"pixels": pixels_NCHW}))

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """As for `Engine`."""
        inputs = dict(zip(self._latent_names, latents, strict=True))
        return run_session(self._decoder, {**inputs, "values": values_NA})[0]

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """As for `Engine`."""
        return run_session(self._classifier, {"pixels": pixels_NCHW})[0]

    def close(self) -> None:
        """Free the sessions."""
        del self._encoder, self._decoder, self._classifier


def _load(bundle: Bundle, graph: str, threads: int) -> "onnxruntime.InferenceSession":
    session = open_session(bundle.graph(graph), threads=threads)
    inputs, outputs = (
        {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
        for tensors in (session.get_inputs(), session.get_outputs())
    )
    require_signature(bundle, graph, inputs, outputs)
    return session
