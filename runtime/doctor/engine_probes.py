"""Probes of the shipped bundle, and of each engine with it; run in a child."""

import time
from typing import Any

import numpy as np

from fader.bundle import Bundle, shipped_bundle
from fader.errors import EngineError
from fader.runtime.engines import ENGINES, open_engine

__all__ = ["probe_bundle", "probe_engine", "probe_engines"]

MEASURED_S, MAX_ROUNDS = 0.3, 20


def probe_bundle() -> dict[str, Any]:
    """Verify the shipped bundle.

    Returns:
        {"name", "id", "bytes": of its files, "size": of its images in pixels, "attributes": their names}.

    Raises:
        BundleError: it is missing or damaged.
    """
    bundle = Bundle(shipped_bundle())
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "id": bundle.id,
        "bytes": sum(record["bytes"] for record in manifest.files.values()),
        "size": manifest.image_size,
        "attributes": list(manifest.attributes.names),
    }


def probe_engines() -> list[str]:
    """Return the names of all engines that this version has."""
    return list(ENGINES)


def probe_engine(name: str) -> dict[str, Any]:
    """Open the shipped bundle on an engine, and encode and decode one picture.

    Args:
        name: One of ENGINES, or "auto".

    Returns:
        {"engine": the name of what was opened, "ms": milliseconds for one image, by itself, the best of a
        few}.

    Raises:
        EngineError: it is not installed, fails, or gives something that is no picture.
    """
    bundle = Bundle(shipped_bundle())
    engine = open_engine(bundle, name)
    size, n_columns = bundle.manifest.image_size, bundle.manifest.attributes.n_columns
    shade = np.linspace(-1, 1, size, dtype=np.float32)
    pixels_NCHW = np.broadcast_to(shade, (1, 3, size, size)).copy()
    values_NA = np.zeros((1, n_columns), np.float32)
    taken_s: list[float] = []
    end_s = time.perf_counter() + MEASURED_S
    while len(taken_s) < 3 or (time.perf_counter() < end_s and len(taken_s) < MAX_ROUNDS):
        began_s = time.perf_counter()
        rendering = engine.decode(engine.encode(pixels_NCHW), values_NA)
        taken_s.append(time.perf_counter() - began_s)
    if rendering.shape != pixels_NCHW.shape or not np.isfinite(rendering).all():
        raise EngineError(f"{engine.name} gives no picture: take another engine")
    found = {"engine": engine.name, "ms": 1e3 * min(taken_s[1:])}
    engine.close()
    return found
