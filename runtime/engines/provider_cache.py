"""Engines that ONNX Runtime builds itself, kept so that a crash, a second process or damage does no harm.

    <folder>/<key>/                 what the provider wrote, and entry.json with its files' digests
    <folder>/<key>.lock             held while the entry is built or loaded
    <folder>/<key>.building/        a build under way, or what a crash left of one
    <folder>/timings-<key>/         the provider's timing cache, for one version and GPU

The provider writes its files in place and believes what it finds. So it is given a folder of its own for each
engine, which becomes the entry by a rename once everything is whole.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import platformdirs

from fader.bundle import file_record
from fader.errors import EngineError
from fader.runtime.engines.tensorrt.cache import ENTRY, MAX_BYTES
from fader.runtime.engines.tensorrt.eviction import tidy
from fader.runtime.engines.tensorrt.locks import file_lock
from fader.runtime.engines.tensorrt.recipe import Recipe

__all__ = ["Load", "ProviderCache"]

Loaded = TypeVar("Loaded")
Load = Callable[[Path, Path], Loaded]
"""Given a folder for the engine and one for timings, opens a session: it reads the engine or builds it."""
TIMINGS = "timings"

log = logging.getLogger("fader")


class ProviderCache:
    """A folder of such engines, safe to share between processes."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        """Choose the folder; it is made when the first engine is built.

        Args:
            folder: None for "fader/onnxruntime-tensorrt" in the user's cache directory.
            max_bytes: Bound of all entries together; the least recently used go first, the newest stays.
        """
        self.folder = folder or platformdirs.user_cache_path("fader") / "onnxruntime-tensorrt"
        self.max_bytes = max_bytes

    def open(self, recipe: Recipe, load: Load[Loaded]) -> Loaded:
        """Return what `load` gives, with an engine that was kept, or one that is built.

        Args:
            recipe: What the engine is made of.
            load: See `Load`.

        Raises:
            EngineError: the folder cannot be written, or `load` raised it for a new engine.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            waiting = f"{recipe.graph}: waiting for another process that builds this engine"
            with file_lock(self._path(recipe, ".lock"), on_wait=lambda: log.info(waiting)):
                loaded = self._load(recipe, load)
                if loaded is None:
                    loaded = self._build(recipe, load)
            tidy(self.folder, max_bytes=self.max_bytes, keep=recipe.key)
        except OSError as error:
            raise EngineError(
                f"cannot keep engines in {self.folder} ({error}): make room there, or set XDG_CACHE_HOME"
            ) from error
        return loaded

    def _path(self, recipe: Recipe, ending: str = "") -> Path:
        return self.folder / (recipe.key + ending)

    def _load(self, recipe: Recipe, load: Load[Loaded]) -> Loaded | None:
        """Load the entry, if it is there, whole, and taken by the provider."""
        folder = self._path(recipe)
        try:
            entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
            if entry != _entry(recipe, folder):
                return None
        except (OSError, ValueError):
            return None
        try:
            loaded = load(folder, folder / TIMINGS)
        except EngineError as error:
            log.warning("%s: building its engine again (%s)", recipe.graph, error)
            return None
        (folder / ENTRY).touch()
        return loaded

    def _build(self, recipe: Recipe, load: Load[Loaded]) -> Loaded:
        work, timings = self._path(recipe, ".building"), self.folder / f"timings-{recipe.timings_key}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        log.info("%s: building the engine for batches of %d, minutes", recipe.graph, recipe.buckets[0])
        began = time.monotonic()
        try:
            # One build at a time: they measure kernels, and share what they measured.
            with file_lock(self.folder / f"{timings.name}.lock"):
                if timings.is_dir():
                    shutil.copytree(timings, work / TIMINGS)
                else:
                    (work / TIMINGS).mkdir()
                loaded = load(work, work / TIMINGS)
                shutil.rmtree(timings, ignore_errors=True)
                (work / TIMINGS).rename(timings)
            (work / ENTRY).write_text(json.dumps(_entry(recipe, work), indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(self._path(recipe), ignore_errors=True)
            work.rename(self._path(recipe))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        log.info("%s: built in %.0f s", recipe.graph, time.monotonic() - began)
        return loaded


def _entry(recipe: Recipe, folder: Path) -> dict[str, object]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != ENTRY)
    return {
        "graph": recipe.graph,
        "identity": recipe.identity(),
        "files": {path.name: file_record(path) for path in files},
    }
