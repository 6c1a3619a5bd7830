"""Which TensorRT the installed onnxruntime-gpu was built for, told by files alone: nothing is loaded.

ONNX Runtime's provider links one major version of TensorRT by name (libnvinfer.so.10) and loads no other.
"""

import re
from importlib import metadata
from pathlib import Path

__all__ = ["PROVIDER", "fits", "provider_tensorrt", "requirement"]

PROVIDER = "onnxruntime/capi/libonnxruntime_providers_tensorrt.so"
OLDEST_10 = (10, 13)
"""The first TensorRT 10 for CUDA 13, for which onnxruntime-gpu is built."""


def provider_tensorrt() -> int | None:
    """Return the major version of TensorRT that onnxruntime-gpu links, None where that is not installed."""
    try:
        library = Path(str(metadata.distribution("onnxruntime-gpu").locate_file(PROVIDER)))
        linked = re.search(rb"libnvinfer\.so\.(\d+)", library.read_bytes())
    except (metadata.PackageNotFoundError, OSError):
        return None
    return int(linked[1]) if linked else None


def fits(version: str, major: int) -> bool:
    """Whether a version of TensorRT, for example "10.13.2", serves a provider that links a major version."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return numbers[:1] == (major,) and (major != OLDEST_10[0] or numbers >= OLDEST_10)


def requirement(major: int) -> str:
    """Return what pip is to install for a provider that links a major version of TensorRT, quoted."""
    return "'tensorrt-cu13>=10.13,<11'" if major == OLDEST_10[0] else f"'tensorrt-cu13=={major}.*'"
