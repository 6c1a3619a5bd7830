"""OpenVINO on the CPU: the fastest engine there, above all in bfloat16.

Graphs are compiled for fixed batches, because a free batch axis costs a third of the decoder's speed. Results
do not depend on how a batch is cut.
"""

from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fader.bundle import INT8_GRAPHS, Bundle
from fader.errors import EngineError
from fader.runtime.engines.graph_engine import Arrays, GraphEngine
from fader.runtime.engines.loading import undisturbed
from fader.runtime.engines.session import available_threads
from fader.runtime.engines.signatures import IMAGE, SIGNED, require_signature

if TYPE_CHECKING:
    import openvino

__all__ = ["OpenVino", "OpenVinoBf16", "OpenVinoInt8", "openvino_core"]

BATCHES = (8, 1)
"""Larger ones bring nothing on a CPU."""


class OpenVino(GraphEngine):
    """Runs a bundle's graphs by OpenVINO on the CPU, in float32."""

    name = "openvino"
    precision = "f32"

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        """Load the graphs.

        Args:
            bundle: Verified bundle.
            threads: Threads inside an operator; None for the number of processors of this process.

        Raises:
            EngineError: OpenVINO is missing, refuses a graph, or the processor lacks the precision.
            BundleError: a graph's inputs and outputs are not the manifest's.
        """
        super().__init__(bundle)
        core = openvino_core()
        options = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads or available_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._require_precision(core)
        forms = {graph: self.form(bundle, graph) for graph in SIGNED}
        self._graphs = {
            graph: _Graph(core, bundle, graph, options, bundle.graph(form)) for graph, form in forms.items()
        }

    def form(self, bundle: Bundle, graph: str) -> str:
        """Return the name of the graph that is run as one of SIGNED."""
        # Transposed convolutions are computed in float32 alone, others in bfloat16 too.
        shuffle = f"{graph}-shuffle"
        return shuffle if bundle.has(shuffle) else graph

    def _require_precision(self, core: "openvino.Core") -> None:
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision == "bf16" and "BF16" not in capabilities:
            raise EngineError(
                "this processor has no bfloat16 arithmetic, expected avx512_bf16 or amx_bf16: "
                "take the engine openvino"
            )

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """As for `GraphEngine`."""
        return self._graphs[graph].run(inputs)

    def free(self) -> None:
        """As for `GraphEngine`."""
        self._graphs.clear()


class OpenVinoBf16(OpenVino):
    """The same in bfloat16, on processors that compute in it."""

    name = "openvino-bf16"
    precision = "bf16"


class OpenVinoInt8(OpenVino):
    """The same with a bundle's int8 encoder and decoder; the classifier stays float32.

    Opening it also raises EngineError where the bundle has no such graphs.
    """

    name = "openvino-int8"

    def form(self, bundle: Bundle, graph: str) -> str:
        """As for `OpenVino`."""
        if lacking := [name for name in INT8_GRAPHS if not bundle.has(name)]:
            raise EngineError(
                f"the bundle {bundle.folder} has no {' and no '.join(lacking)}, which the engine {self.name} "
                "runs: make them with fader-export RUN --int8 PHOTOS, or take the engine openvino"
            )
        return next((name for name in INT8_GRAPHS if name.startswith(f"{graph}-")), graph)


class _Graph:
    """A graph, compiled for each batch when it is first met."""

    def __init__(
        self, core: "openvino.Core", bundle: Bundle, graph: str, options: dict[str, Any], path: Path
    ) -> None:
        self._core, self._options, self._path = core, options, path
        model = self._read()
        self._shapes = _shapes(model.inputs)
        outputs = _shapes(model.outputs)
        require_signature(bundle, graph, self._shapes, outputs)
        self._outputs = {name: shape for name, shape in outputs.items() if name != IMAGE}
        self._idle: dict[int, SimpleQueue[openvino.InferRequest]] = {n: SimpleQueue() for n in BATCHES}
        self._compiled: dict[int, openvino.CompiledModel] = {}

    def _read(self) -> "openvino.Model":
        try:
            return self._core.read_model(self._path)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO refuses {self._path}: {_one_line(error)}") from error

    def _reshaped(self, n: int) -> "openvino.Model":
        """Return the graph for one batch, without what `GraphEngine` does not ask for."""
        model = self._read()
        for output in [port for port in model.outputs if port.get_any_name() == IMAGE]:
            model.remove_result(output.get_node())
        model.reshape({name: [n, *shape] for name, shape in self._shapes.items()})
        return model

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run the graph on a batch of any size, and return its outputs by name.

        Raises:
            EngineError: the inputs do not fit, or OpenVINO fails.
        """
        total = len(next(iter(inputs.values())))
        for name, shape in self._shapes.items():
            if inputs[name].shape != (total, *shape):
                raise EngineError(
                    f"OpenVINO failed: {name} has shape {inputs[name].shape}, expected {(total, *shape)}"
                )
        outputs = {name: np.empty((total, *shape), np.float32) for name, shape in self._outputs.items()}
        start = 0
        while start < total:
            n = next(batch for batch in BATCHES if batch <= total - start)
            rows = slice(start, start + n)
            self._run(
                {name: array[rows] for name, array in inputs.items()},
                n,
                [array[rows] for array in outputs.values()],
            )
            start += n
        return outputs

    def _run(self, inputs: Arrays, n: int, outputs: list[NDArray[np.float32]]) -> None:
        try:
            try:
                request = self._idle[n].get_nowait()
            except Empty:
                request = self._compile(n).create_infer_request()
            # OpenVINO writes there itself: copying a batch of images takes a tenth of the time of drawing it.
            for i, array in enumerate(outputs):
                request.set_output_tensor(i, openvino_module().Tensor(array, shared_memory=True))
            request.infer(
                {name: np.ascontiguousarray(array) for name, array in inputs.items()},
                share_inputs=True,
                share_outputs=True,
            )
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed: {_one_line(error)}") from error
        self._idle[n].put(request)

    def _compile(self, n: int) -> "openvino.CompiledModel":
        # Two threads may compile the same graph at once; one result is dropped, neither waits for a lock.
        if n not in self._compiled:
            self._compiled[n] = self._core.compile_model(self._reshaped(n), "CPU", self._options)
        return self._compiled[n]


@cache
def openvino_core() -> "openvino.Core":
    """Return the process's OpenVINO.

    Raises:
        EngineError: it is not installed.
    """
    # One for the process, and for good. Each gives the thread that makes it a stack for signal handlers; of
    # two that end in the order in which they began, the second puts back the first one's, freed by then.
    core: openvino.Core = openvino_module().Core()
    return core


@cache
def openvino_module() -> Any:
    """Return the module.

    Raises:
        EngineError: it is not installed.
    """
    try:
        with undisturbed():
            import openvino  # noqa: PLC0415  # an optional dependency, found missing only when it is needed
    except ImportError as error:
        raise EngineError("OpenVINO is not installed: pip install 'fader[cpu]'") from error
    return openvino


def _shapes(ports: "list[openvino.Output]") -> dict[str, tuple[int, ...]]:
    shapes = {}
    for port in ports:
        _, *sizes = port.get_partial_shape()
        shapes[port.get_any_name()] = tuple(size.get_length() if size.is_static else -1 for size in sizes)
    return shapes


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
