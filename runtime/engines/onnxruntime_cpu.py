"""The engine that works everywhere: ONNX Runtime on the CPU."""

from typing import TYPE_CHECKING

from fader.bundle import Bundle
from fader.runtime.engines.graph_engine import Arrays, GraphEngine
from fader.runtime.engines.session import available_threads, open_session, run_session
from fader.runtime.engines.signatures import SIGNED, require_signature

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntimeCpu"]


class OnnxRuntimeCpu(GraphEngine):
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
        super().__init__(bundle)
        threads = threads or available_threads()
        self._sessions = {graph: _load(bundle, graph, threads) for graph in SIGNED}

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """As for `GraphEngine`."""
        session = self._sessions[graph]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, run_session(session, inputs), strict=True))

    def free(self) -> None:
        """As for `GraphEngine`."""
        self._sessions.clear()


def _load(bundle: Bundle, graph: str, threads: int) -> "onnxruntime.InferenceSession":
    session = open_session(bundle.graph(graph), threads=threads)
    inputs, outputs = (
        {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
        for tensors in (session.get_inputs(), session.get_outputs())
    )
    require_signature(bundle, graph, inputs, outputs)
    return session
