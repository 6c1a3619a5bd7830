"""ONNX Runtime sessions with the settings that fader uses; the only place that imports onnxruntime."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fader.errors import EngineError
from fader.runtime.engines.loading import undisturbed

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "available_threads",
    "import_onnxruntime",
    "one_line",
    "open_session",
    "run_session",
    "threads_beside_video",
]


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_beside_video() -> int:
    """Return how many threads an engine is to have where a video is decoded and encoded at the same time.

    Half of the processors: the others are taken, and an engine's threads that wait for each other there only
    spin.
    """
    return -(-available_threads() // 2)


def import_onnxruntime() -> Any:
    """Return the module.

    Raises:
        EngineError: it is not installed.
    """
    try:
        with undisturbed():
            import onnxruntime  # noqa: PLC0415  # an optional dependency, found missing only when it is needed
    except ImportError as error:
        raise EngineError(
            "ONNX Runtime is not installed: pip install 'fader[cpu]' (or 'fader[gpu]', not both)"
        ) from error
    return onnxruntime


def one_line(error: Exception) -> str:
    """Return the first line of what an engine says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def open_session(graph: Path, *, threads: int) -> "onnxruntime.InferenceSession":
    """Load a graph for the CPU.

    Args:
        graph: ONNX file.
        threads: Threads inside an operator, 1 or more.

    Raises:
        EngineError: ONNX Runtime is not installed, or refuses the graph.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Several small graphs take turns here: threads that spin for their next call starve the others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # its errors are raised; printed too, they would be said twice
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise EngineError(f"ONNX Runtime refuses {graph}: {one_line(error)}") from error


def run_session(
    session: "onnxruntime.InferenceSession", inputs: Mapping[str, NDArray[Any]]
) -> list[NDArray[np.float32]]:
    """Run a graph.

    Args:
        session: From `open_session`.
        inputs: Name to array, as the graph wants them.

    Returns:
        Its outputs, in the graph's order.

    Raises:
        EngineError: ONNX Runtime failed, for example for want of memory.
    """
    try:
        outputs: list[NDArray[np.float32]] = session.run(None, dict(inputs))
    except Exception as error:  # as above
        raise EngineError(f"ONNX Runtime failed: {one_line(error)}") from error
    return outputs
