"""A GPU in memory: what the engine uses of TensorRT and the CUDA runtime, as their documentation has it.

Work on a stream is done when the stream is synchronised, not before. Addresses, sizes and directions of
copies are checked. A profile serves one context. A plan is JSON: an ONNX file, which ONNX Runtime runs, and
buckets.
"""

import ctypes
import enum
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from fader.runtime.engines.tensorrt.builder_process import PLAN, BuildOrder

__all__ = ["SimulatedGpu"]


class Stream:
    def __init__(self, handle: int) -> None:
        self.handle, self.queue = handle, list[Callable[[], object]]()

    def __int__(self) -> int:
        return self.handle


class Mode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class SimulatedGpu:
    """State of the GPU; `runtime` and `trt` are the modules."""

    def __init__(self) -> None:
        self.memory: dict[int, tuple[str, Any]] = {}  # address: kind, block
        self.streams: dict[int, Stream] = {}
        self.batches: list[int] = []  # bucket of every execution
        self.blocks_left = 10**6
        self.refuse: set[str] = set()  # plans that deserialize_cuda_engine refuses
        self.plans_loaded = 0
        self.runtime, self.trt = self._runtime(), self._trt()

    def build(self, order: BuildOrder, *, on_progress: Callable[[float, str], None]) -> None:
        """What stands for `build_in_child`."""
        on_progress(0.0, "Building engine")
        plan = {"graph": order.graph, "buckets": order.buckets}
        (Path(order.folder) / PLAN).write_text(json.dumps(plan))

    def block(self, address: int, kind: str, n_bytes: int) -> Any:
        found, block = self.memory[address]
        assert found == kind, f"{found} memory used as {kind}"
        assert n_bytes <= ctypes.sizeof(block)
        return block

    def _allocate(self, kind: str, n_bytes: int) -> tuple[int, int | None]:
        if self.blocks_left <= 0:
            return 2, None
        self.blocks_left -= 1
        block = (ctypes.c_ubyte * n_bytes)()
        ctypes.memset(block, 0xFF, n_bytes)  # not a number, as fresh memory may be
        self.memory[ctypes.addressof(block)] = (kind, block)
        return 0, ctypes.addressof(block)

    def _free(self, kind: str, address: int) -> tuple[int]:
        self.block(address, kind, 0)
        del self.memory[address]
        return (0,)

    def _copy(self, to: int, source: int, n_bytes: int, kind: int, stream: Stream) -> tuple[int]:
        ends = {1: ("device", "pinned"), 2: ("pinned", "device")}[kind]
        self.block(to, ends[0], n_bytes)
        self.block(source, ends[1], n_bytes)
        self.streams[int(stream)].queue.append(partial(ctypes.memmove, to, source, n_bytes))
        return (0,)

    def _stream(self) -> tuple[int, Stream]:
        stream = Stream(1000 + len(self.streams))
        self.streams[int(stream)] = stream
        return 0, stream

    def _synchronise(self, stream: Stream) -> tuple[int]:
        while self.streams[int(stream)].queue:
            time.sleep(0.001)  # other threads run while a GPU works
            self.streams[int(stream)].queue.pop(0)()
        return (0,)

    def _destroy(self, stream: Stream) -> tuple[int]:
        del self.streams[int(stream)]
        return (0,)

    def _runtime(self) -> ModuleType:
        module = ModuleType("cuda.bindings.runtime")
        properties = SimpleNamespace(name=b"Simulated GPU", major=9, minor=0)
        module.__dict__.update(
            cudaError_t=SimpleNamespace(cudaSuccess=0),
            cudaMemcpyKind=SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2),
            cudaGetErrorString=lambda error: (0, {2: b"out of memory"}[error]),
            cudaGetDevice=lambda: (0, 0),
            cudaGetDeviceProperties=lambda _device: (0, properties),
            cudaDriverGetVersion=lambda: (0, 13000),
            cudaRuntimeGetVersion=lambda: (0, 13000),
            cudaHostAlloc=lambda size, _flags: self._allocate("pinned", size),
            cudaMalloc=lambda size: self._allocate("device", size),
            cudaFreeHost=lambda address: self._free("pinned", address),
            cudaFree=lambda address: self._free("device", address),
            cudaMemcpyAsync=self._copy,
            cudaStreamCreate=self._stream,
            cudaStreamSynchronize=self._synchronise,
            cudaStreamDestroy=self._destroy,
        )
        return module

    def _trt(self) -> ModuleType:
        module = ModuleType("tensorrt")
        module.__dict__.update(
            __version__="11.4.0.106",
            ILogger=object,
            Runtime=lambda log: Runtime(self, log),
            TensorIOMode=Mode,
            DataType=SimpleNamespace(FLOAT="float32"),
            ExecutionContextAllocationStrategy=SimpleNamespace(ON_PROFILE_CHANGE="on profile change"),
        )
        return module


class Runtime:
    def __init__(self, gpu: SimulatedGpu, log: Any) -> None:
        self.gpu, self.log = gpu, log

    def deserialize_cuda_engine(self, plan: bytes) -> "Engine | None":
        fields = json.loads(plan)
        self.gpu.plans_loaded += 1
        if Path(fields["graph"]).stem in self.gpu.refuse:
            self.log.log(
                SimpleNamespace(value=1), "Error Code 6:\nThe engine plan file is of another version"
            )
            self.log.log(SimpleNamespace(value=1), "and what follows from that")
            return None
        return Engine(self.gpu, fields["graph"], fields["buckets"])


class Engine:
    def __init__(self, gpu: SimulatedGpu, graph: str, buckets: list[int]) -> None:
        self.gpu, self.buckets = gpu, buckets
        self.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        ends = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.inputs = [end.name for end in self.session.get_inputs()]
        self.shapes = {end.name: (-1, *end.shape[1:]) for end in ends}
        self.names: list[str] = list(self.shapes)
        self.num_io_tensors, self.num_optimization_profiles = len(self.names), len(buckets)
        self.profiles_taken: set[int] = set()

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def get_tensor_dtype(self, name: str) -> str:
        return "float32" if name in self.shapes else "unknown"

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name in self.inputs else Mode.OUTPUT

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert name in self.inputs
        return [(self.buckets[profile], *self.shapes[name][1:])] * 3

    def create_execution_context(self, strategy: str) -> "Context":
        assert strategy == "on profile change"
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.profile = engine, -1
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        if profile in self.engine.profiles_taken:
            return False
        self.engine.profiles_taken.add(profile)

        def take() -> None:
            self.profile, self.shapes = profile, {}

        self.engine.gpu.streams[stream].queue.append(take)
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if shape != (self.engine.buckets[self.profile], *self.engine.shapes[name][1:]) or self.profile < 0:
            return False
        self.shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name in self.engine.names

    def execute_async_v3(self, stream: int) -> bool:
        if set(self.addresses) != set(self.engine.names) or set(self.shapes) != set(self.engine.inputs):
            return False
        self.engine.gpu.streams[stream].queue.append(self._execute)
        return True

    def _execute(self) -> None:
        bucket = self.engine.buckets[self.profile]
        views = {name: self._view(name, bucket) for name in self.engine.names}
        outputs = self.engine.session.run(None, {name: views[name] for name in self.engine.inputs})
        for end, output in zip(self.engine.session.get_outputs(), outputs, strict=True):
            views[end.name][:] = output
        self.engine.gpu.batches.append(bucket)

    def _view(self, name: str, bucket: int) -> Any:
        shape = (bucket, *self.engine.shapes[name][1:])
        n_bytes = 4 * int(np.prod(shape))
        block = self.engine.gpu.block(self.addresses[name], "device", n_bytes)
        return np.frombuffer(block, np.float32, n_bytes // 4).reshape(shape)
