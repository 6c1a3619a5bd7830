"""Engines on disk: built once, found again, rebuilt when damaged, evicted when old."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.engines.tensorrt.stand_in import put_in_the_way

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.builder_process import PLAN, TIMINGS, BuildOrder, build_in_child
from fader.runtime.engines.tensorrt.cache import ENTRY, EngineCache
from fader.runtime.engines.tensorrt.eviction import MAX_AGE_S
from fader.runtime.engines.tensorrt.recipe import Recipe


class Build:
    """Writes a plan of so many bytes, and counts."""

    def __init__(self, n_bytes: int = 1000) -> None:
        self.n_bytes, self.calls = n_bytes, 0
        self.timings_found: list[bytes] = []

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        saved = folder / TIMINGS
        self.timings_found.append(saved.read_bytes() if saved.exists() else b"")
        saved.write_bytes(b"timings %d" % self.calls)
        (folder / PLAN).write_bytes(bytes([self.calls]) * self.n_bytes)


def real_build(order: BuildOrder) -> Callable[[Path], None]:
    return lambda folder: build_in_child(dataclasses.replace(order, folder=str(folder)))


def unwanted(folder: Path) -> None:
    raise AssertionError("built again")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def other(recipe: Recipe, i: int) -> Recipe:
    return dataclasses.replace(recipe, graph_sha256=f"{i:064}")


def names(cache: EngineCache, pattern: str = "*") -> set[str]:
    return {path.name for path in cache.folder.glob(pattern)}


def age(cache: EngineCache, recipe: Recipe, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(cache.folder / recipe.key / ENTRY, (then, then))


def test_an_engine_is_built_once_and_then_found(
    cache: EngineCache, recipe: Recipe, order: BuildOrder
) -> None:
    plan = cache.plan(recipe, real_build(order))
    assert EngineCache(cache.folder).plan(recipe, unwanted) == plan
    assert names(cache) == {recipe.key, f"{recipe.timings_key}.timings"}


def test_an_entry_says_what_it_is(cache: EngineCache, recipe: Recipe) -> None:
    cache.plan(recipe, Build())
    assert {path.name for path in (cache.folder / recipe.key).iterdir()} == {PLAN, ENTRY}
    entry = json.loads((cache.folder / recipe.key / ENTRY).read_text())
    assert entry["graph"] == "tiny/encoder"
    assert entry["identity"]["library_version"] == recipe.library_version
    assert entry["identity"]["device"] == {"gpu": "none", "compute_capability": "0.0"}
    assert entry["plan"]["bytes"] == 1000


CHANGES: list[dict[str, Any]] = [
    {"graph_sha256": "0" * 64},
    {"library": "tensorrt"},
    {"library_version": "11.4.0.106"},
    {"device": {"gpu": "another", "compute_capability": "0.0"}},
    {"device": {"gpu": "none", "compute_capability": "9.0"}},
    {"device": {"gpu": "none", "compute_capability": "0.0", "driver_cuda": "13000"}},
    {"buckets": (1, 2, 4)},
    {"buckets": (2, 1)},
    {"flags": {"strongly_typed": True, "tf32": True}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_whatever_matters_to_an_engine_changes_its_key(
    cache: EngineCache, recipe: Recipe, change: dict[str, Any]
) -> None:
    build = Build()
    cache.plan(recipe, build)
    cache.plan(dataclasses.replace(recipe, **change), build)
    assert build.calls == 2


def test_the_name_of_a_graph_does_not_matter(cache: EngineCache, recipe: Recipe) -> None:
    cache.plan(recipe, Build())
    cache.plan(dataclasses.replace(recipe, graph="copy/encoder"), unwanted)


def cut(folder: Path) -> None:
    (folder / PLAN).write_bytes((folder / PLAN).read_bytes()[:-1])


def flip(folder: Path) -> None:
    content = bytearray((folder / PLAN).read_bytes())
    content[500] ^= 1
    (folder / PLAN).write_bytes(content)


DAMAGES: list[Callable[[Path], Any]] = [
    cut,
    flip,
    lambda folder: (folder / PLAN).unlink(),
    lambda folder: (folder / ENTRY).unlink(),
    lambda folder: (folder / ENTRY).write_text("{"),
    lambda folder: (folder / ENTRY).write_text("[]"),
    lambda folder: (folder / ENTRY).write_text("{}"),
    lambda folder: (folder / ENTRY).write_text(
        (folder / ENTRY).read_text().replace('"schema": 1', '"schema": 0')
    ),
    lambda folder: (folder / ENTRY).write_text((folder / ENTRY).read_text().replace("none", "some")),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_built_again(
    cache: EngineCache, recipe: Recipe, order: BuildOrder, damage: Callable[[Path], Any]
) -> None:
    build = Build()
    cache.plan(recipe, build)
    damage(cache.folder / recipe.key)
    assert cache.plan(recipe, build) == b"\2" * 1000
    assert cache.plan(recipe, unwanted) == b"\2" * 1000


def test_a_dropped_entry_is_built_again(cache: EngineCache, recipe: Recipe) -> None:
    build = Build()
    cache.drop(recipe)
    cache.plan(recipe, build)
    cache.drop(recipe)
    assert cache.plan(recipe, build) == b"\2" * 1000


def test_the_least_recently_used_go_when_the_folder_is_full(tmp_path: Path, recipe: Recipe) -> None:
    cache = EngineCache(tmp_path / "engines", max_bytes=5000)  # three of them, with their descriptions
    for i in range(3):
        cache.plan(other(recipe, i), Build())
        age(cache, other(recipe, i), 100 - i)
    cache.plan(other(recipe, 0), unwanted)  # used again
    cache.plan(other(recipe, 3), Build())
    kept = {other(recipe, i).key for i in (0, 2, 3)}
    assert names(cache) - {f"{recipe.timings_key}.timings"} == kept


def test_the_newest_stays_even_if_it_alone_exceeds_the_bound(tmp_path: Path, recipe: Recipe) -> None:
    cache = EngineCache(tmp_path / "engines", max_bytes=1)
    cache.plan(other(recipe, 0), Build())
    cache.plan(recipe, Build())
    assert cache.plan(recipe, unwanted)
    assert other(recipe, 0).key not in names(cache)


def test_what_was_not_used_for_a_month_goes(cache: EngineCache, recipe: Recipe) -> None:
    old = dataclasses.replace(recipe, library_version="1.0")
    for one in (old, other(recipe, 1)):
        cache.plan(one, Build())
    age(cache, old, MAX_AGE_S + 60)
    then = time.time() - MAX_AGE_S - 60
    os.utime(cache.folder / f"{old.timings_key}.timings", (then, then))
    cache.plan(recipe, Build())
    assert names(cache) == {recipe.key, other(recipe, 1).key, f"{recipe.timings_key}.timings"}


def test_files_of_others_in_the_folder_stay(tmp_path: Path, recipe: Recipe) -> None:
    cache = EngineCache(tmp_path, max_bytes=1)
    mine = [tmp_path / "holiday", tmp_path / "x.building", tmp_path / "deadbeef"]
    for folder in mine:
        folder.mkdir()
        (folder / "picture").write_bytes(b"1234")
    (tmp_path / "x.lock").touch()
    cache.plan(recipe, Build())
    assert all((folder / "picture").exists() for folder in mine)
    assert (tmp_path / "x.lock").exists()


def test_what_a_crash_left_of_a_build_is_cleared_away(cache: EngineCache, recipe: Recipe) -> None:
    for one in (recipe, other(recipe, 1)):
        left = cache.folder / f"{one.key}.building"
        left.mkdir(parents=True)
        (left / PLAN).write_bytes(b"half")
    cache.plan(recipe, Build())
    assert not names(cache, "*.building")
    assert not names(cache, "*.lock")


def test_builds_share_a_timing_cache_by_library_version_and_gpu(cache: EngineCache, recipe: Recipe) -> None:
    build = Build()
    for one in (
        recipe,
        other(recipe, 1),
        dataclasses.replace(recipe, library_version="2"),
        dataclasses.replace(recipe, device={"gpu": "another"}),
        other(recipe, 2),
    ):
        cache.plan(one, build)
    assert build.timings_found == [b"", b"timings 1", b"", b"", b"timings 2"]


@pytest.mark.parametrize("kind", [EngineError, KeyboardInterrupt])
def test_a_build_that_fails_or_is_cancelled_leaves_nothing(
    cache: EngineCache, recipe: Recipe, kind: type[BaseException]
) -> None:
    def build(folder: Path) -> None:
        (folder / PLAN).write_bytes(b"half")
        raise kind("stop")

    with pytest.raises(kind, match="stop"):
        cache.plan(recipe, build)
    assert not names(cache, f"{recipe.key}*") - {f"{recipe.key}.lock"}
    assert cache.plan(recipe, Build())


def test_a_cancelled_child_leaves_nothing_under_the_final_name(
    cache: EngineCache, recipe: Recipe, order: BuildOrder
) -> None:
    def cancel(share: float, phase: str) -> None:
        raise KeyboardInterrupt

    def build(folder: Path) -> None:
        build_in_child(dataclasses.replace(order, folder=str(folder)), on_progress=cancel)

    with pytest.raises(KeyboardInterrupt):
        cache.plan(recipe, build)
    assert names(cache) == {f"{recipe.key}.lock"}


def test_a_folder_that_cannot_be_made_is_reported_in_one_line(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        EngineError, match=r"cannot keep engines in .*file/engines \(.*\): name another folder"
    ):
        EngineCache(tmp_path / "file" / "engines").plan(recipe, Build())


def test_the_users_cache_directory_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EngineCache().folder == tmp_path / "fader" / "tensorrt"


def test_threads_that_start_at_once_build_once(cache: EngineCache, recipe: Recipe) -> None:
    build, waited, plans = Build(), threading.Event(), []

    def slow(folder: Path) -> None:
        assert waited.wait(20)  # until another waits for this build
        build(folder)

    def ask() -> None:
        plans.append(cache.plan(recipe, slow, on_wait=waited.set))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.calls == 1
    assert plans == [b"\1" * 1000] * 4


PROCESS = """
import dataclasses, hashlib, json, sys
from pathlib import Path
from fader.runtime.engines.tensorrt.builder_process import BuildOrder, build_in_child
from fader.runtime.engines.tensorrt.cache import EngineCache
from fader.runtime.engines.tensorrt.recipe import Recipe

folder, order, recipe = map(json.loads, sys.argv[1:])
order, recipe = BuildOrder(**order), Recipe(**{**recipe, "buckets": tuple(recipe["buckets"])})
build = lambda folder: build_in_child(dataclasses.replace(order, folder=str(folder)))
plan = EngineCache(Path(folder)).plan(recipe, build, on_wait=lambda: Path(folder, "waited").touch())
print(hashlib.sha256(plan).hexdigest())
"""

COUNT_AND_WAIT_FOR_THE_OTHER = """
with open(os.path.join(here, "builds"), "a") as file:
    file.write("x")
end = time.monotonic() + 30
while not os.path.exists({waited!r}) and time.monotonic() < end:
    time.sleep(0.01)
"""


def test_processes_that_start_at_once_build_once(
    cache: EngineCache, recipe: Recipe, order: BuildOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = COUNT_AND_WAIT_FOR_THE_OTHER.format(waited=str(cache.folder / "waited"))
    put_in_the_way(monkeypatch, tmp_path / "stand-in", before)
    arguments = [
        json.dumps(x) for x in (str(cache.folder), dataclasses.asdict(order), dataclasses.asdict(recipe))
    ]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    first, second = (process.communicate(timeout=60)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "stand-in" / "builds").read_text() == "x"
    assert first == second
    assert (cache.folder / "waited").exists()
    assert cache.plan(recipe, unwanted)
