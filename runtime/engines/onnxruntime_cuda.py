"""ONNX Runtime on an NVIDIA GPU: buffers that stay on the device, and one CUDA graph for each batch.

Written against ONNX Runtime 1.31's documentation. The binding of buffers runs in the tests, on the CPU
provider; on a GPU it has not run yet (docs/engines.md).
"""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines.graph_engine import Arrays, GraphEngine
from fader.runtime.engines.session import import_onnxruntime, one_line
from fader.runtime.engines.signatures import SIGNED, Shapes, require_signature, signature

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntimeCuda", "open_on_gpu", "require_provider"]

BATCHES = (1, 2, 4, 8, 16, 32)
"""Each has buffers and a CUDA graph of its own; smaller batches are filled up, larger ones cut."""


class OnnxRuntimeCuda(GraphEngine):
    """Runs a bundle's graphs by ONNX Runtime's CUDA provider, in float16 where the bundle has such graphs."""

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"
    device = "cuda"
    batches: tuple[int, ...] = BATCHES

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        """Load the graphs.

        Args:
            bundle: Verified bundle.
            threads: Not used; a GPU has its own.

        Raises:
            EngineError: ONNX Runtime for GPUs is missing, or cannot use a GPU here. It never falls back.
            BundleError: a graph's inputs and outputs are not the manifest's.
        """
        del threads
        super().__init__(bundle)
        self._graphs = {graph: _Graph(self, bundle, graph) for graph in SIGNED}

    def options(self) -> dict[str, str]:
        """Return the provider's options."""
        return {"enable_cuda_graph": "1", "use_tf32": "0"}

    def sessions(self, bundle: Bundle, graph: str, form: str) -> Mapping[int, "onnxruntime.InferenceSession"]:
        """Load a graph.

        Args:
            bundle: Verified bundle.
            graph: One of SIGNED.
            form: The graph itself, or the variant of it that is to be run.

        Returns:
            For each of `batches` the session that runs it; here the same for all.

        Raises:
            EngineError: as for the constructor.
        """
        del graph
        return dict.fromkeys(self.batches, open_on_gpu(self, bundle.graph(form), self.options()))

    def cuda_graph(self, bucket: int) -> int:
        """Return by what number a session knows the CUDA graph of a batch size."""
        return bucket  # a captured graph belongs to its buffers' addresses, so each batch size has one

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """As for `GraphEngine`."""
        return self._graphs[graph].run(inputs)

    def free(self) -> None:
        """As for `GraphEngine`."""
        self._graphs.clear()


class _Bound:
    """Buffers of one batch size on the device, bound to a session."""

    def __init__(
        self,
        session: "onnxruntime.InferenceSession",
        shapes: tuple[Shapes, Shapes],
        n: int,
        device: str,
    ) -> None:
        values = import_onnxruntime().OrtValue
        self.inputs, self.outputs = (
            {
                name: values.ortvalue_from_shape_and_type([n, *shape], np.float32, device, 0)
                for name, shape in part.items()
            }
            for part in shapes
        )
        self.binding = session.io_binding()
        for name, value in self.inputs.items():
            self.binding.bind_ortvalue_input(name, value)
        for name, value in self.outputs.items():
            self.binding.bind_ortvalue_output(name, value)


class _Graph:
    """A session, and the buffers of each batch size that was met."""

    def __init__(self, engine: OnnxRuntimeCuda, bundle: Bundle, graph: str) -> None:
        half = f"{graph}-fp16"
        self._engine = engine
        self._sessions = engine.sessions(bundle, graph, half if bundle.has(half) else graph)
        self._shapes = signature(bundle, graph)
        session = self._sessions[engine.batches[0]]
        found = (
            {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
            for tensors in (session.get_inputs(), session.get_outputs())
        )
        require_signature(bundle, graph, *found)
        self._bound: dict[int, _Bound] = {}
        # The buffers are shared, and a GPU has nothing to gain from two calls at once.
        self._lock = Lock()

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run the graph on a batch of any size, and return its outputs by name.

        Raises:
            EngineError: the inputs do not fit, or ONNX Runtime fails.
        """
        total = len(next(iter(inputs.values())))
        for name, shape in self._shapes[0].items():
            if inputs[name].shape != (total, *shape):
                raise EngineError(
                    f"ONNX Runtime failed: {name} has shape {inputs[name].shape}, expected {(total, *shape)}"
                )
        outputs = {name: np.empty((total, *shape), np.float32) for name, shape in self._shapes[1].items()}
        with self._lock:
            for start in range(0, total, self._engine.batches[-1]):
                stop = min(start + self._engine.batches[-1], total)
                self._run({name: array[start:stop] for name, array in inputs.items()}, outputs, start, stop)
        return outputs

    def _run(self, inputs: Arrays, outputs: dict[str, NDArray[np.float32]], start: int, stop: int) -> None:
        bucket = next(batch for batch in self._engine.batches if batch >= stop - start)
        session = self._sessions[bucket]
        try:
            if bucket not in self._bound:
                self._bound[bucket] = _Bound(session, self._shapes, bucket, self._engine.device)
            bound = self._bound[bucket]
            for name, array in inputs.items():
                filled = np.zeros((bucket, *array.shape[1:]), np.float32)
                filled[: stop - start] = array
                bound.inputs[name].update_inplace(filled)
            options = import_onnxruntime().RunOptions()
            options.add_run_config_entry("gpu_graph_id", str(self._engine.cuda_graph(bucket)))
            session.run_with_iobinding(bound.binding, options)
            for name, value in bound.outputs.items():
                outputs[name][start:stop] = value.numpy()[: stop - start]
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            raise EngineError(f"ONNX Runtime failed: {one_line(error)}") from error


def require_provider(provider: str) -> Any:
    """Return ONNX Runtime if it was built with a provider.

    Raises:
        EngineError: it is not installed, or is the one for CPUs.
    """
    onnxruntime = import_onnxruntime()
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"this ONNX Runtime has no {provider}: pip uninstall onnxruntime, then pip install 'fader[gpu]'"
        )
    return onnxruntime


def open_on_gpu(
    engine: OnnxRuntimeCuda, graph: Path, provider_options: Mapping[str, str]
) -> "onnxruntime.InferenceSession":
    """Load a graph for an engine's provider and no other.

    Raises:
        EngineError: ONNX Runtime for GPUs is missing, or cannot use a GPU here.
    """
    onnxruntime = require_provider(engine.provider)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if engine.device == "cuda":
        _load_cuda_libraries(onnxruntime)
        # Where the provider cannot take a node, or does not load, it must not go to the CPU in silence.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(
            graph,
            options,
            providers=[(engine.provider, dict(provider_options))],
            enable_fallback=0,  # else it prints that it tries the CPU, and its error is about that
        )
    except Exception as error:  # as above
        raise EngineError(
            f"ONNX Runtime cannot use a GPU here ({one_line(error)}): fader-doctor says what is missing"
        ) from error
    if session.get_providers()[0] != engine.provider:
        raise EngineError(
            f"ONNX Runtime went to {session.get_providers()[0]} instead of {engine.provider}: fader-doctor "
            "says what is missing"
        )
    return session


def _load_cuda_libraries(onnxruntime: Any) -> None:
    # Those of NVIDIA's packages are in no folder that the system's loader looks into. What it cannot load it
    # prints; the session then fails and says so.
    with redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
