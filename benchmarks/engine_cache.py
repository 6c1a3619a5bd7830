"""How long an engine takes to come from the cache, as a share of building it.

    python benchmarks/engine_cache.py [--library tensorrt_rtx] [--rounds 3]

Builds the shipped model's graphs with all batch buckets in an empty cache, as the engine does, then asks the
cache again. Loading the engine onto a GPU is in neither figure. Needs no GPU with `tensorrt_rtx`.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from fader.bundle import Bundle, shipped_bundle
from fader.runtime.engines.tensorrt.build import BUCKETS, FLAGS
from fader.runtime.engines.tensorrt.builder_process import BuildOrder, build_in_child
from fader.runtime.engines.tensorrt.cache import EngineCache
from fader.runtime.engines.tensorrt.library import Library, load_library
from fader.runtime.engines.tensorrt.recipe import Recipe

GRAPHS = ("encoder", "decoder", "classifier")


def time_plan(library: Library, bundle: Bundle, name: str, folder: Path) -> tuple[float, int]:
    """Return the seconds until the cache gives a graph's engine, and its bytes."""
    digest = str(bundle.manifest.files[bundle.manifest.graphs[name]]["sha256"])
    recipe = Recipe(
        graph=name,
        graph_sha256=digest,
        library=library.name,
        library_version=library.version,
        device={},
        buckets=BUCKETS,
        flags=FLAGS,
    )

    def build(work: Path) -> None:
        graph = str(bundle.graph(name))
        build_in_child(
            BuildOrder(
                library=library.name, graph=graph, graph_sha256=digest, buckets=BUCKETS, folder=str(work)
            )
        )

    began = time.perf_counter()
    plan = EngineCache(folder).plan(recipe, build)
    return time.perf_counter() - began, len(plan)


def main(
    library: Annotated[str, typer.Option(help="tensorrt or tensorrt_rtx.")] = "tensorrt_rtx",
    rounds: Annotated[int, typer.Option(help="Medians are of so many.")] = 3,
) -> None:
    """Print a table."""
    loaded, bundle = load_library(library), Bundle(shipped_bundle())
    print(f"{loaded.name} {loaded.version}, {len(BUCKETS)} profiles, medians of {rounds}")
    print("| graph | engine, MB | built, s | from the cache, s | share, % |\n|---|---|---|---|---|")
    for name in GRAPHS:
        cold, warm = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                cold.append(time_plan(loaded, bundle, name, Path(folder))[0])
                seconds, n_bytes = time_plan(loaded, bundle, name, Path(folder))
                warm.append(seconds)
        built, found = statistics.median(cold), statistics.median(warm)
        print(f"| {name} | {n_bytes / 1e6:.1f} | {built:.2f} | {found:.3f} | {100 * found / built:.1f} |")


if __name__ == "__main__":
    typer.run(main)
