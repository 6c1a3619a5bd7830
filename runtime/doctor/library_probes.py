"""Probes of the libraries that every edit needs, run in a child; values are of JSON's types."""

from importlib import import_module
from typing import Any

__all__ = ["probe_numpy", "probe_opencv"]


def probe_numpy() -> dict[str, Any]:
    """Load NumPy and multiply; return {"version"}."""
    numpy = import_module("numpy")
    numpy.ones((8, 8), "float32") @ numpy.ones((8, 8), "float32")
    return {"version": numpy.__version__}


def probe_opencv() -> dict[str, Any]:
    """Load OpenCV and warp a picture; return {"version"}."""
    cv2, numpy = import_module("cv2"), import_module("numpy")
    cv2.warpAffine(numpy.zeros((8, 8, 3), "uint8"), numpy.eye(2, 3), (8, 8))
    return {"version": cv2.__version__}
