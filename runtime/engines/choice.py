"""What "auto" means: the fastest engine that works here, found once by a short trial and remembered.

The trial encodes and renders a batch of shades by every engine. An engine in less than float32 counts only if
its rendering is close to that of the first, float32 one. The winner is remembered in the user's cache for
this model, this processor and these versions, whatever the number of threads: two engines differ in the
last bit, and a video must not depend on how many threads made it.
"""

import hashlib
import json
import logging
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines.contract import Engine

__all__ = ["choose"]

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino")
BATCH, ROUNDS = 8, 5
MIN_PSNR_DB = 50.0
"""Between renderings of two engines: less than one level of 255 on average."""
MEMORY = "engines.json"

log = logging.getLogger("fader")


def choose(bundle: Bundle, engines: Mapping[str, type[Any]], *, threads: int | None) -> Engine:
    """Open the fastest engine.

    Args:
        bundle: Verified bundle.
        engines: Name to class; the first is float32.
        threads: CPU threads; None for all processors of this process.

    Raises:
        EngineError: no engine works here; the first one's reason.
    """
    key = _key(bundle, engines)
    memory = platformdirs.user_cache_path("fader") / MEMORY
    remembered = _read(memory).get(key, "")
    if remembered in engines:
        try:
            known: Engine = engines[remembered](bundle, threads=threads)
            return known
        except EngineError as error:
            log.warning("engine %s worked before and does not now (%s): trying all", remembered, error)
    engine = _fastest(bundle, engines, threads)
    _remember(memory, key, engine.name)
    return engine


def _fastest(bundle: Bundle, engines: Mapping[str, type[Any]], threads: int | None) -> Engine:
    errors: list[EngineError] = []
    fitting: dict[str, Engine] = {}
    reference: NDArray[np.float32] | None = None
    for name, kind in engines.items():
        try:
            engine: Engine = kind(bundle, threads=threads)
            _, rendering = _trial(engine, bundle)
        except EngineError as error:
            log.info("engine %s: %s", name, error)
            errors.append(error)
            continue
        reference = rendering if reference is None else reference
        psnr_db = _psnr_db(rendering, reference)
        log.info("engine %s: %.0f dB", name, psnr_db)
        if psnr_db >= MIN_PSNR_DB:
            fitting[name] = engine
        else:
            engine.close()
    if not fitting:
        raise errors[0]
    # In turns, so that what else the machine does for a while does not decide.
    rounds = [{name: _trial(engine, bundle)[0] for name, engine in fitting.items()} for _ in range(ROUNDS)]
    seconds = {name: min(taken[name] for taken in rounds) for name in fitting}
    for name, taken in seconds.items():
        log.info("engine %s: %.2f ms an image", name, 1e3 * taken / BATCH)
    best = min(seconds, key=seconds.__getitem__)
    for name, engine in fitting.items():
        if name != best:
            engine.close()
    return fitting[best]


def _trial(engine: Engine, bundle: Bundle) -> tuple[float, NDArray[np.float32]]:
    """Return the seconds that a batch takes, and its rendering."""
    manifest = bundle.manifest
    shade = np.linspace(-1, 1, manifest.image_size, dtype=np.float32)
    pixels_NCHW = np.empty((BATCH, 3, manifest.image_size, manifest.image_size), np.float32)
    pixels_NCHW[:] = (
        0.5 * (shade + shade[:, None]) * np.linspace(-1, 1, BATCH, dtype=np.float32)[:, None, None, None]
    )
    # Whatever they mean to the model, something is to be drawn: zeros may ask for the image as it is.
    values_NA = np.resize(np.array([-1, 1], np.float32), (BATCH, manifest.attributes.n_columns))
    began = time.perf_counter()
    rendering = engine.decode(engine.encode(pixels_NCHW), values_NA)
    return time.perf_counter() - began, rendering


def _psnr_db(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    error = float(np.mean(np.square((one - other) / 2)))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def _key(bundle: Bundle, engines: Mapping[str, type[Any]]) -> str:
    parts = [bundle.id, _processor(), *engines, *(f"{p} {_version(p)}" for p in PACKAGES)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _processor() -> str:
    """Return the processor's model and its instructions, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _read(memory: Path) -> dict[str, str]:
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(memory: Path, key: str, name: str) -> None:
    """Write the choice; where it cannot be written, the next process tries again."""
    partial = memory.with_name(f"{memory.name}.{time.time_ns()}.partial")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(_read(memory) | {key: name}, indent=2) + "\n", encoding="utf-8")
        partial.replace(memory)
    except OSError as error:
        partial.unlink(missing_ok=True)
        log.info("cannot remember the engine in %s: %s", memory, error)
