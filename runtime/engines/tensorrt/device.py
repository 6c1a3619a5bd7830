"""The GPU, through NVIDIA's own bindings of the CUDA runtime: streams, buffers and copies.

`cuda-bindings` is 8 MB, brings its runtime along and needs the driver alone. (CuPy is 70 MB, and its
arrays and memory pool have no use here.)
"""

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fader.errors import EngineError

__all__ = ["Buffer", "Cuda", "load_cuda"]


class Cuda:
    """The CUDA runtime on the current GPU, with errors raised.

    Source: CUDA Runtime API, whose functions return their error first in Python.
    """

    def __init__(self, runtime: ModuleType) -> None:
        """Wrap the module `cuda.bindings.runtime`."""
        self._runtime = runtime

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the runtime.

        Returns:
            What it returns beyond the error: nothing, or one value.

        Raises:
            EngineError: it failed, for example for want of memory.
        """
        error, *values = getattr(self._runtime, function)(*arguments)
        if error != self._runtime.cudaError_t.cudaSuccess:
            _, text = self._runtime.cudaGetErrorString(error)
            raise EngineError(f"{function} failed on the GPU: {text.decode()}; free GPU memory or restart")
        return values[0] if values else None

    def describe_device(self) -> dict[str, str]:
        """Return what an engine depends on: "gpu", "compute_capability", "driver_cuda" and "runtime_cuda"."""
        properties = self.call("cudaGetDeviceProperties", self.call("cudaGetDevice"))
        return {
            "gpu": properties.name.decode(),
            "compute_capability": f"{properties.major}.{properties.minor}",
            "driver_cuda": str(self.call("cudaDriverGetVersion")),
            "runtime_cuda": str(self.call("cudaRuntimeGetVersion")),
        }

    def copy_in(self, buffer: "Buffer", rows: int, stream: Any) -> None:
        """Queue the copy of the first rows from the host to the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", buffer.device, buffer.host, buffer.row_bytes * rows, kind, stream)

    def copy_out(self, buffer: "Buffer", rows: int, stream: Any) -> None:
        """Queue the copy of the first rows from the GPU to the host."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", buffer.host, buffer.device, buffer.row_bytes * rows, kind, stream)


class Buffer:
    """Memory for a batch of float32 rows: on the GPU, and pinned on the host, where copies need no detour."""

    def __init__(self, cuda: Cuda, held: ExitStack, rows: int, shape: Sequence[int]) -> None:
        """Allocate it.

        Args:
            cuda: From `load_cuda`.
            held: Frees it when it closes.
            rows: Largest batch.
            shape: Of one row.

        Raises:
            EngineError: there is not enough memory.
        """
        self.row_bytes = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        """Bytes of one row."""
        self.host: int = cuda.call("cudaHostAlloc", self.row_bytes * rows, 0)
        """Address of the pinned memory."""
        held.callback(cuda.call, "cudaFreeHost", self.host)
        floats = (ctypes.c_float * (rows * int(np.prod(shape)))).from_address(self.host)
        self.array: NDArray[np.float32] = np.ctypeslib.as_array(floats).reshape(rows, *shape)
        """The pinned memory as (rows, *shape) float32; not to be used once it is freed."""
        self.array[:] = 0  # what fills a batch up is then a number
        self.device: int = cuda.call("cudaMalloc", self.row_bytes * rows)
        """Address on the GPU."""
        held.callback(cuda.call, "cudaFree", self.device)


def load_cuda() -> Cuda:
    """Import the bindings.

    Raises:
        EngineError: they are not installed.
    """
    try:
        return Cuda(import_module("cuda.bindings.runtime"))
    except ImportError as error:
        raise EngineError("the CUDA bindings are not installed: pip install 'fader[tensorrt]'") from error
