"""One engine on the GPU: NumPy arrays in and out, in batches of any size."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.device import Buffer, Cuda
from fader.runtime.engines.tensorrt.library import Library, make_log, require_driver

__all__ = ["PlanError", "Runner", "bucket_of"]


class PlanError(EngineError):
    """TensorRT refuses a serialized engine: it was built for another GPU or version, or is damaged."""


class Runner:
    """A deserialized engine with a context for each of its profiles.

    The contexts share one stream and one pair of buffers for each tensor, so one batch runs at a time: a
    second thread waits.

    Source: `ICudaEngine` and `IExecutionContext` in TensorRT's Python interface: a profile serves one context
    at a time and is chosen asynchronously; shapes and addresses are set after it.
    """

    def __init__(self, library: Library, cuda: Cuda, plan: bytes, *, where: str) -> None:
        """Deserialize an engine that has a profile for each of some batch sizes, in rising order.

        Args:
            library: The library that built it.
            cuda: From `load_cuda`.
            plan: The serialized engine.
            where: What people call the graph, for messages.

        Raises:
            PlanError: the engine was built for another GPU or version.
            EngineError: there is no driver, or memory is short.
        """
        require_driver()
        self._library, self._cuda, self._where = library, cuda, where
        self._lock = threading.Lock()
        self._log, self._errors = make_log(library.trt)
        self._runtime = library.trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise PlanError(self._message("load the engine"))
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        shapes = {name: tuple(self._engine.get_tensor_shape(name))[1:] for name in names}
        is_input = {
            name: self._engine.get_tensor_mode(name) == library.trt.TensorIOMode.INPUT for name in names
        }
        self.inputs = {name: shape for name, shape in shapes.items() if is_input[name]}
        """Name to shape of one row."""
        self.outputs = {name: shape for name, shape in shapes.items() if not is_input[name]}
        """Name to shape of one row."""
        self._check_types(names)
        self.buckets = self._read_buckets()
        """Batch sizes, one for each profile."""
        with ExitStack() as held:
            self._stream = cuda.call("cudaStreamCreate")
            held.callback(cuda.call, "cudaStreamDestroy", self._stream)
            rows = self.buckets[-1]
            self._buffers = {name: Buffer(cuda, held, rows, shape) for name, shape in shapes.items()}
            self._contexts = [self._make_context(i) for i in range(len(self.buckets))]
            self._held = held.pop_all()

    def run(self, feeds: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Run a batch of N rows: split where it exceeds the largest bucket, filled up to the next bucket.

        Args:
            feeds: (N, *shape) float32 for each input.

        Returns:
            (N, *shape) float32 for each output, in the engine's order.

        Raises:
            EngineError: an input has another shape, or TensorRT or the GPU failed.
        """
        rows = self._check(feeds)
        results = {name: np.empty((rows, *shape), np.float32) for name, shape in self.outputs.items()}
        with self._lock:
            for start in range(0, rows, self.buckets[-1]):
                part = slice(start, min(start + self.buckets[-1], rows))
                self._run_part(feeds, results, part)
        return results

    def close(self) -> None:
        """Free the engine and its memory; it cannot be used afterwards."""
        with self._lock:
            self._cuda.call("cudaStreamSynchronize", self._stream)
            del self._contexts, self._engine
            self._held.close()

    def _run_part(
        self, feeds: Mapping[str, Any], results: Mapping[str, NDArray[np.float32]], part: slice
    ) -> None:
        rows = part.stop - part.start
        for name in self.inputs:
            self._buffers[name].array[:rows] = feeds[name][part]
            self._cuda.copy_in(self._buffers[name], rows, self._stream)
        context = self._contexts[bucket_of(rows, self.buckets)]
        self._made(context.execute_async_v3(int(self._stream)), "run the engine")
        for name in self.outputs:
            self._cuda.copy_out(self._buffers[name], rows, self._stream)
        self._cuda.call("cudaStreamSynchronize", self._stream)
        for name, result in results.items():
            result[part] = self._buffers[name].array[:rows]

    def _make_context(self, profile: int) -> Any:
        # By default every context holds as much memory as the largest profile needs.
        strategy = self._library.trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE
        context = self._made(self._engine.create_execution_context(strategy), "make a context")
        chosen = context.set_optimization_profile_async(profile, int(self._stream))
        self._made(chosen, "choose a profile")
        self._cuda.call("cudaStreamSynchronize", self._stream)
        for name, shape in self.inputs.items():
            self._made(context.set_input_shape(name, (self.buckets[profile], *shape)), f"set {name}'s shape")
        for name, buffer in self._buffers.items():
            self._made(context.set_tensor_address(name, buffer.device), f"set {name}'s address")
        return context

    def _read_buckets(self) -> list[int]:
        name = next(iter(self.inputs))
        profiles = range(self._engine.num_optimization_profiles)
        return [int(self._engine.get_tensor_profile_shape(name, i)[2][0]) for i in profiles]  # [2]: largest

    def _check_types(self, names: Sequence[str]) -> None:
        for name in names:
            found = self._engine.get_tensor_dtype(name)
            if found != self._library.trt.DataType.FLOAT:
                raise EngineError(
                    f"{name} of {self._where} is {found}, expected float32 at inputs and outputs: export the "
                    "bundle again"
                )

    def _check(self, feeds: Mapping[str, NDArray[np.float32]]) -> int:
        rows = len(next(iter(feeds.values())))
        found = {name: feed.shape for name, feed in feeds.items()}
        expected = {name: (rows, *shape) for name, shape in self.inputs.items()}
        if found != expected:
            raise EngineError(f"{self._where} takes {expected}, found {found}: pass arrays of these shapes")
        return rows

    def _made(self, result: Any, what: str) -> Any:
        """Return a result of TensorRT's, which is None or False where it failed and has logged why."""
        if result is None or result is False:
            raise EngineError(self._message(what))
        return result

    def _message(self, what: str) -> str:
        reason = self._errors[0] if self._errors else "it gives no reason"
        self._errors.clear()
        return f"TensorRT cannot {what} of {self._where}: {reason}"


def bucket_of(rows: int, buckets: Sequence[int]) -> int:
    """Return the index of the smallest bucket that holds so many rows, of buckets in rising order."""
    return next(i for i, bucket in enumerate(buckets) if bucket >= rows)
