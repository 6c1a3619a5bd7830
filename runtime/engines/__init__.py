"""Inference engines behind one contract. `open_engine` is the only place that chooses one."""

from fader.bundle import Bundle
from fader.errors import ConfigError
from fader.runtime.engines.contract import Engine
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu

__all__ = ["ENGINES", "Engine", "open_engine"]

ENGINES = {"onnxruntime-cpu": OnnxRuntimeCpu}
"""Name to class; `auto` takes the first that works here."""


def open_engine(bundle: Bundle, name: str = "auto", *, threads: int | None = None) -> Engine:
    """Load a bundle's graphs.

    Args:
        bundle: Verified bundle.
        name: One of ENGINES, or "auto".
        threads: CPU threads; None for the number of processors of this process.

    Raises:
        ConfigError: there is no engine of this name.
        EngineError: the engine is not installed here, or fails.
    """
    if name != "auto" and name not in ENGINES:
        raise ConfigError(f"unknown engine {name!r}: expected auto or one of {', '.join(ENGINES)}")
    return ENGINES["onnxruntime-cpu" if name == "auto" else name](bundle, threads=threads)
