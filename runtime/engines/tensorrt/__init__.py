"""TensorRT on NVIDIA GPUs: engines are built on the user's machine, once, and kept in the user's cache."""

from fader.runtime.engines.tensorrt.cache import EngineCache
from fader.runtime.engines.tensorrt.engine import TensorRt

__all__ = ["EngineCache", "TensorRt"]
