"""Engines on disk: built once for each recipe, by whichever process comes first.

    <folder>/<key>/engine.plan      the serialized engine
    <folder>/<key>/entry.json       what it is, for people, and its digest; its time stamp is the last use
    <folder>/<key>.lock             held while the entry is built
    <folder>/<key>.building/        a build under way, or what a crash left of one
    <folder>/<key>.timings          a timing cache, of one library version and GPU

An entry appears whole, by a rename; a reader needs no lock.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.builder_process import PLAN, TIMINGS
from fader.runtime.engines.tensorrt.eviction import tidy
from fader.runtime.engines.tensorrt.locks import file_lock
from fader.runtime.engines.tensorrt.recipe import Recipe

__all__ = ["ENTRY", "MAX_BYTES", "EngineCache"]

ENTRY = "entry.json"
SCHEMA = 1
MAX_BYTES = 4 << 30


class EngineCache:
    """A folder of engines, safe to share between processes."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        """Choose the folder; it is made when the first engine is built.

        Args:
            folder: None for "fader/tensorrt" in the user's cache directory.
            max_bytes: Bound of all entries together; the least recently used go first, the newest stays.
        """
        self.folder = folder or platformdirs.user_cache_path("fader") / "tensorrt"
        self.max_bytes = max_bytes

    def plan(
        self, recipe: Recipe, build: Callable[[Path], None], *, on_wait: Callable[[], None] | None = None
    ) -> bytes:
        """Return the engine of a recipe, built if there is none, or if what is there is damaged.

        Args:
            recipe: What the engine is made of.
            build: Given a folder, writes PLAN to it; the last timing cache lies there as TIMINGS, to be
                replaced.
            on_wait: Called before waiting for another process that builds this engine.

        Raises:
            EngineError: the folder cannot be written, or `build` raised it.
        """
        if (found := self._read(recipe)) is not None:
            return found
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with file_lock(self._path(recipe, ".lock"), on_wait=on_wait):
                found = self._read(recipe)
                if found is None:
                    found = self._build(recipe, build)
            tidy(self.folder, max_bytes=self.max_bytes, keep=recipe.key)
        except OSError as error:
            raise EngineError(
                f"cannot keep engines in {self.folder} ({error}): name another folder, or make room there"
            ) from error
        return found

    def drop(self, recipe: Recipe) -> None:
        """Forget an engine, for example one that TensorRT refuses to load."""
        with suppress(OSError), file_lock(self._path(recipe, ".lock")):
            shutil.rmtree(self._path(recipe), ignore_errors=True)

    def _path(self, recipe: Recipe, ending: str = "") -> Path:
        return self.folder / (recipe.key + ending)

    def _read(self, recipe: Recipe) -> bytes | None:
        """Return the plan if it is there and whole."""
        folder = self._path(recipe)
        try:
            entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
            plan = (folder / PLAN).read_bytes()
            found = (SCHEMA, recipe.identity(), _record(plan))
            if (entry["schema"], entry["identity"], entry["plan"]) != found:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        with suppress(OSError):  # a folder that may only be read serves as well
            os.utime(folder / ENTRY)
        return plan

    def _build(self, recipe: Recipe, build: Callable[[Path], None]) -> bytes:
        work, timings = self._path(recipe, ".building"), self.folder / f"{recipe.timings_key}.timings"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            with suppress(FileNotFoundError):
                shutil.copyfile(timings, work / TIMINGS)
            began = time.monotonic()
            build(work)
            plan = (work / PLAN).read_bytes()
            if (work / TIMINGS).exists():
                (work / TIMINGS).replace(timings)
            entry = _entry(recipe, plan, seconds=time.monotonic() - began)
            (work / ENTRY).write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(self._path(recipe), ignore_errors=True)
            work.rename(self._path(recipe))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return plan


def _record(plan: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan)}


def _entry(recipe: Recipe, plan: bytes, *, seconds: float) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "graph": recipe.graph,
        "identity": recipe.identity(),
        "plan": _record(plan),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "build_s": round(seconds, 3),
    }
