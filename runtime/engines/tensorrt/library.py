"""Finds TensorRT and the NVIDIA driver, and says in one line what is missing.

Every other module of this package gets TensorRT from here, so that `import fader.runtime` needs neither. The
module's name is a parameter: TensorRT for RTX (`tensorrt_rtx`) has the same Python interface, and parses and
builds on machines without a GPU.
"""

import ctypes
import logging
import re
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from fader.errors import EngineError

__all__ = ["DEFAULT_LIBRARY", "MINIMUM", "Library", "load_library", "make_log", "require_driver"]

DEFAULT_LIBRARY = "tensorrt"
MINIMUM = {"tensorrt": (10, 12), "tensorrt_rtx": (1, 7)}
"""Module name to the oldest version that is used: of TensorRT, the first that deprecates weak typing."""
INSTALL = {"tensorrt": "pip install 'fader[tensorrt]'", "tensorrt_rtx": "pip install tensorrt-rtx-cu13"}
DRIVER = "libcuda.so.1"

# ILogger.Severity: internal error, error, warning, information, verbose.
LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """An imported TensorRT."""

    name: str
    """The module's name, "tensorrt" or "tensorrt_rtx"."""
    version: str
    """For example "11.4.0.106"."""
    trt: ModuleType
    """The module itself."""

    def network_flags(self) -> int:
        """Return the flags of a strongly typed network, in which every tensor has the graph's own type.

        Version 10 and TensorRT for RTX need the flag; 11 always types strongly and ignores it.
        EXPLICIT_BATCH means nothing since version 10, and 11 no longer has it.
        Source: `NetworkDefinitionCreationFlag` in the Python bindings of 10.13.2, 11.4.0 and RTX 1.7.1.
        """
        return 1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def load_library(name: str = DEFAULT_LIBRARY) -> Library:
    """Import TensorRT.

    Args:
        name: A key of MINIMUM.

    Raises:
        EngineError: it is unknown, not installed, does not load, or is too old.
    """
    if name not in MINIMUM:
        raise EngineError(f"unknown TensorRT module {name!r}: expected one of {', '.join(MINIMUM)}")
    try:
        trt = import_module(name)
    except ModuleNotFoundError as error:
        raise EngineError(f"TensorRT ({name}) is not installed: {INSTALL[name]}") from error
    except (ImportError, OSError) as error:  # the bindings are there, the libraries are not
        reason = str(error).splitlines()[0]
        raise EngineError(f"TensorRT ({name}) does not load ({reason}): {INSTALL[name]}") from error
    version = str(trt.__version__)
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < MINIMUM[name]:
        oldest = ".".join(map(str, MINIMUM[name]))
        raise EngineError(f"{name} is version {version}, expected {oldest} or later: {INSTALL[name]}")
    return Library(name=name, version=version, trt=trt)


def require_driver() -> None:
    """Make sure that an NVIDIA driver with a GPU answers, before anything that crashes without one.

    Raises:
        EngineError: there is no driver, or it has no GPU.

    Source: CUDA driver API, `cuInit` and `cuDeviceGetCount`.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError as error:
        raise EngineError(
            f"TensorRT needs an NVIDIA GPU, and {DRIVER} was not found: install the NVIDIA driver, or use "
            "another engine"
        ) from error
    count = ctypes.c_int(0)
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        raise EngineError(
            f"TensorRT needs an NVIDIA GPU, and the driver shows none (CUDA error {code}): check nvidia-smi, "
            "or use another engine"
        )


def make_log(trt: ModuleType) -> tuple[Any, list[str]]:
    """Return an ILogger that passes everything on to `logging`, and the list that it adds errors to.

    The logger must outlive every object made with it.
    """
    errors: list[str] = []
    base: Any = trt.ILogger

    class Log(base):  # type: ignore[misc]  # a class of a module that is chosen at run time
        def __init__(self) -> None:
            base.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            level = LEVELS[severity.value]
            if level >= logging.ERROR:
                errors.append(" ".join(msg.split()))
            logger.log(level, msg)

    return Log(), errors
