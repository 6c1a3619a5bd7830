"""The machine: its name, its memory, and its two ceilings, measured by PyTorch in the same run."""

import gc
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import torch
from torch import Tensor

from fader.errors import EngineError

__all__ = ["Ceilings", "Machine", "find_machine"]

PACKAGES = (
    "torch",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt-cu13",
    "tensorrt-cu12",
    "tensorrt",
    "cuda-bindings",
    "openvino",
)
CALLS = 12
TYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceilings:
    """What the machine can do at most, as measured."""

    matrix_flop_s: dict[str, float]
    """Precision to FLOP/s of one large matrix product."""
    copy_bytes_s: float
    """Bytes read and written by a copy within the device's memory."""
    upload_bytes_s: float
    """From pinned memory of the host to the device."""
    download_bytes_s: float
    """And back."""


class Machine:
    """A device of PyTorch's."""

    def __init__(self, kind: str) -> None:
        """Take "cuda" or "cpu"."""
        self.device = torch.device(kind)
        self.is_gpu = kind == "cuda"
        self.name = torch.cuda.get_device_name() if self.is_gpu else f"cpu: {platform.machine()}"

    def wait(self) -> None:
        """Return when everything that was queued is done."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def used_bytes(self) -> int:
        """Return the bytes of the device's memory that are taken, by whatever program; 0 for a processor."""
        if not self.is_gpu:
            return 0
        free, total = torch.cuda.mem_get_info()
        return int(total - free)

    def release(self) -> None:
        """Give back what PyTorch keeps for later, so that it counts for nobody who comes next."""
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()

    def describe(self) -> dict[str, object]:
        """Return what results depend on."""
        found: dict[str, object] = {"name": self.name, "python": platform.python_version()}
        for package in PACKAGES:
            try:
                found[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                found[package] = None
        if self.is_gpu:
            properties = torch.cuda.get_device_properties(self.device)
            found |= {
                "capability": f"{properties.major}.{properties.minor}",
                "memory_bytes": properties.total_memory,
                "multiprocessors": properties.multi_processor_count,
                "cuda": torch.version.cuda,
                "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            }
        return found

    def ceilings(self, *, size: int, seconds: float) -> Ceilings:
        """Measure them.

        Args:
            size: Rows and columns of the matrices; copies are of as many bytes as 16 of them take in float32.
            seconds: For each.
        """
        rates = {
            name: self.matrix_rate(name, size=size, seconds=seconds)
            for name in TYPES
            if self.is_gpu or name != "tf32"
        }
        there = torch.empty(16 * size * size, device=self.device)
        here = torch.empty(there.shape, pin_memory=self.is_gpu)
        other, n_bytes = torch.empty_like(there), there.numel() * there.element_size()

        def speed(target: Tensor, source: Tensor) -> float:
            return n_bytes * self._calls_per_s(lambda: target.copy_(source, non_blocking=True), seconds)

        return Ceilings(
            matrix_flop_s=rates,
            copy_bytes_s=2 * speed(other, there),
            upload_bytes_s=speed(there, here),
            download_bytes_s=speed(here, there),
        )

    def matrix_rate(self, name: str, *, size: int, seconds: float) -> float:
        """Return FLOP/s of one large matrix product in a precision, one of TYPES."""
        one, two = (torch.randn(size, size, device=self.device).to(TYPES[name]) for _ in range(2))
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        try:
            return 2 * size**3 * self._calls_per_s(lambda: one @ two, seconds)
        finally:
            torch.set_float32_matmul_precision(before)

    def _calls_per_s(self, work: Callable[[], object], seconds: float) -> float:
        """Queue calls by the dozen, as the device wants them; the best dozen counts."""
        work()
        self.wait()
        best, end = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < end or not best:
            began = time.perf_counter()
            for _ in range(CALLS):
                work()
            self.wait()
            best = max(best, CALLS / (time.perf_counter() - began))
        return best


def find_machine(kind: str) -> Machine:
    """Return the device.

    Args:
        kind: "cuda" or "cpu".

    Raises:
        EngineError: PyTorch cannot use a GPU here.
    """
    if kind == "cuda" and not torch.cuda.is_available():
        reason = "is built for CPUs" if torch.version.cuda is None else f"is for CUDA {torch.version.cuda}"
        raise EngineError(
            f"PyTorch finds no NVIDIA GPU here (torch {torch.__version__} {reason}): run this on a machine "
            "with a GPU, its driver and PyTorch for CUDA, or try the benchmark itself with --device cpu"
        )
    return Machine(kind)
