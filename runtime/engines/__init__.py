"""Inference engines behind one contract. `open_engine` is the only place that chooses one."""

from collections.abc import Mapping
from typing import Any

from fader.bundle import Bundle
from fader.errors import ConfigError
from fader.runtime.engines.choice import choose
from fader.runtime.engines.contract import Engine
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu
from fader.runtime.engines.onnxruntime_cuda import OnnxRuntimeCuda
from fader.runtime.engines.onnxruntime_tensorrt import OnnxRuntimeTensorRt
from fader.runtime.engines.openvino_cpu import OpenVino, OpenVinoBf16, OpenVinoInt8
from fader.runtime.engines.tensorrt import TensorRt

__all__ = ["ENGINES", "Engine", "open_engine"]

TRIED: Mapping[str, type[Any]] = {
    kind.name: kind for kind in (OnnxRuntimeCpu, OpenVino, OpenVinoBf16, OnnxRuntimeCuda)
}
"""What "auto" chooses from. TensorRT builds its engines for minutes, and int8 moves some pixels by a dozen
levels, so both are taken only by name."""
ENGINES: Mapping[str, type[Any]] = {
    **TRIED,
    **{kind.name: kind for kind in (OpenVinoInt8, OnnxRuntimeTensorRt, TensorRt)},
}
"""Name to class."""


def open_engine(bundle: Bundle, name: str = "auto", *, threads: int | None = None) -> Engine:
    """Load a bundle's graphs.

    Args:
        bundle: Verified bundle.
        name: One of ENGINES, or "auto" for the fastest that works here and is ready at once.
        threads: CPU threads; None for the number of processors of this process.

    Raises:
        ConfigError: there is no engine of this name.
        EngineError: the engine is not installed here, or fails.
    """
    if name == "auto":
        return choose(bundle, TRIED, threads=threads)
    if name not in ENGINES:
        raise ConfigError(f"unknown engine {name!r}: expected auto or one of {', '.join(ENGINES)}")
    engine: Engine = ENGINES[name](bundle, threads=threads)
    return engine
