"""Does an exported graph compute what its network computes? Asserted at every batch size that is served.

For each output, with reference r and found f, over all values of a batch:

    max_abs   max |f - r|; judged relative to the range of r, because latents have no fixed one
    psnr_db   20 log10(range / rms(f - r)), at most 150
    cosine    f.r / |f||r|

where the range includes zero: it is 2 for an image that uses all of [-1, 1].
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from fader.errors import ParityError
from fader.export.graphs import Graph

__all__ = ["BATCH_SIZES", "EXACT", "HALF_ARITHMETIC", "HALF_WEIGHTS", "Tolerance", "check_parity", "compare"]

BATCH_SIZES = (1, 3, 8, 32)
"""Batch sizes at which every graph is compared."""
LIMIT_DB = 150.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How far a graph may be from its network."""

    max_abs: float
    """Largest difference of any value, as a fraction of the output's range."""
    psnr_db: float
    """Least PSNR, decibels."""
    cosine: float
    """Least cosine similarity."""


EXACT: Mapping[str, Tolerance] = {
    "encoder": Tolerance(max_abs=1e-4, psnr_db=100, cosine=0.999999),
    "decoder": Tolerance(max_abs=1e-4, psnr_db=100, cosine=0.999999),
    "classifier": Tolerance(max_abs=1e-4, psnr_db=100, cosine=0.999999),
}
"""Against the very weights that the graph holds: only the order of additions differs."""
HALF_WEIGHTS: Mapping[str, Tolerance] = {
    "encoder": Tolerance(max_abs=0.01, psnr_db=60, cosine=0.9999),
    "decoder": Tolerance(max_abs=1 / 255, psnr_db=60, cosine=0.9999),
    "classifier": Tolerance(max_abs=0.02, psnr_db=50, cosine=0.9999),
}
"""Against the checkpoint, of a graph with float16 weights: renderings stay within an 8-bit step."""
HALF_ARITHMETIC: Mapping[str, Tolerance] = {
    "encoder": Tolerance(max_abs=0.02, psnr_db=55, cosine=0.9999),
    "decoder": Tolerance(max_abs=1 / 255, psnr_db=55, cosine=0.9999),
    "classifier": Tolerance(max_abs=0.02, psnr_db=50, cosine=0.9999),
}
"""Against the checkpoint, of a graph that is also computed in float16: the same holds of renderings."""


def check_parity(
    content: bytes, graph: Graph, tolerance: Tolerance, *, name: str | None = None
) -> dict[str, float]:
    """Compare an exported graph, under ONNX Runtime on the CPU, with its network at all of BATCH_SIZES.

    Args:
        content: The ONNX file.
        graph: What it must compute; run in eval mode.
        tolerance: What may differ.
        name: What messages call the exported graph; `graph`'s name if None.

    Returns:
        The worst "max_abs" (absolute, in the output's own unit), "psnr_db" and "cosine" of any output and
        batch size.

    Raises:
        ParityError: an output's shape differs, or its values by more than the tolerance.
    """
    options = onnxruntime.SessionOptions()
    # Threads that spin between calls would take the cores from PyTorch, whose turn it is then.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = {"max_abs": 0.0, "psnr_db": LIMIT_DB, "cosine": 1.0}
    for batch in BATCH_SIZES:
        for output, reference, found in _outputs(session, graph, batch):
            where = f"{name or graph.name}'s output {output!r} at batch {batch}"
            if found.shape != reference.shape:
                raise ParityError(
                    f"{where} has shape {found.shape}, expected {reference.shape} as in PyTorch"
                )
            if not (np.isfinite(found).all() and np.isfinite(reference).all()):
                raise ParityError(
                    f"{where} has values that are not finite: take another checkpoint or --full-weights"
                )
            figures = compare(reference, found)
            _require(figures, tolerance, _range(reference), where)
            worst = {
                "max_abs": max(worst["max_abs"], figures["max_abs"]),
                "psnr_db": min(worst["psnr_db"], figures["psnr_db"]),
                "cosine": min(worst["cosine"], figures["cosine"]),
            }
    return worst


Array = NDArray[np.float64]


def _outputs(
    session: onnxruntime.InferenceSession, graph: Graph, batch: int
) -> list[tuple[str, Array, Array]]:
    inputs = graph.example(batch)
    with torch.no_grad():
        references = graph.eval()(*inputs)
    feeds = {name: tensor.numpy() for name, tensor in zip(graph.input_names, inputs, strict=True)}
    found = session.run(list(graph.output_names), feeds)
    return [
        (name, reference.numpy().astype(np.float64), np.asarray(output, dtype=np.float64))
        for name, reference, output in zip(graph.output_names, references, found, strict=True)
    ]


def _range(reference: Array) -> float:
    return float(max(reference.max(), 0.0) - min(reference.min(), 0.0))


def compare(reference: Array, found: Array) -> dict[str, float]:
    """Return "max_abs", "psnr_db" and "cosine" of two float64 arrays of one shape."""
    difference = found - reference
    rms = math.sqrt(float(np.mean(difference**2)))
    value_range = _range(reference)
    norms = float(np.linalg.norm(reference) * np.linalg.norm(found))
    return {
        "max_abs": float(np.abs(difference).max()),
        "psnr_db": _decibels(value_range, rms),
        "cosine": min(float(np.vdot(reference, found)) / norms, 1.0) if norms else float(rms == 0),
    }


def _decibels(value_range: float, rms: float) -> float:
    if rms == 0:
        return LIMIT_DB
    return min(20 * math.log10(value_range / rms), LIMIT_DB) if value_range else 0.0


def _require(figures: Mapping[str, float], tolerance: Tolerance, value_range: float, where: str) -> None:
    limit = tolerance.max_abs * value_range
    holds = (
        figures["max_abs"] <= limit
        and figures["psnr_db"] >= tolerance.psnr_db
        and figures["cosine"] >= tolerance.cosine
    )
    if not holds:
        raise ParityError(
            f"{where} differs from PyTorch by {figures['max_abs']:.3g} (at most {limit:.3g}), "
            f"PSNR {figures['psnr_db']:.1f} dB (at least {tolerance.psnr_db:g}), "
            f"cosine {figures['cosine']:.7f} (at least {tolerance.cosine:g}): "
            "export with --full-weights, or report it"
        )
