"""The engine that works everywhere: ONNX Runtime on the CPU."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fader.bundle import GRAPHS, Bundle, Manifest
from fader.errors import BundleError
from fader.runtime.engines.session import available_threads, open_session, run_session

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
            open_session(bundle.graph(name), threads=threads) for name in ("encoder", "decoder", "classifier")
        )
        self._latent_names = [latent.name for latent in bundle.manifest.latents]
        sessions = (self._encoder, self._decoder, self._classifier)
        for name, session, expected in zip(GRAPHS, sessions, _signatures(bundle.manifest), strict=False):
            found = (_shapes(session.get_inputs()), _shapes(session.get_outputs()))
            if found != expected:
                raise BundleError(
                    f"the {name} of {bundle.folder} takes and gives {found}, its manifest says {expected}: "
                    "export the bundle again"
                )

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the latents of (N, 3, S, S) images in [-1, 1], in the manifest's order."""
        return tuple(run_session(self._encoder, {"pixels": pixels_NCHW}))

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return (N, 3, S, S) renderings in [-1, 1] of latents with (N, A) attribute columns."""
        inputs = dict(zip(self._latent_names, latents, strict=True))
        return run_session(self._decoder, {**inputs, "values": values_NA})[0]

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, A) probabilities; each attribute's columns sum to 1."""
        return run_session(self._classifier, {"pixels": pixels_NCHW})[0]

    def close(self) -> None:
        """Free the sessions."""
        del self._encoder, self._decoder, self._classifier


_Shapes = dict[str, tuple[int, ...]]


def _signatures(manifest: Manifest) -> tuple[tuple[_Shapes, _Shapes], ...]:
    """Return inputs and outputs of encoder, decoder and classifier: name to shape of one image."""
    image, columns = (3, manifest.image_size, manifest.image_size), (manifest.attributes.n_columns,)
    latents: _Shapes = {latent.name: latent.shape for latent in manifest.latents}
    return (
        ({"pixels": image}, latents),
        ({**latents, "values": columns}, {"rendering": image}),
        ({"pixels": image}, {"probabilities": columns}),
    )


def _shapes(tensors: "list[onnxruntime.NodeArg]") -> _Shapes:
    return {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
