"""The engine for NVIDIA GPUs: TensorRT itself, without ONNX Runtime between."""

from pathlib import Path

from fader.bundle import Bundle
from fader.errors import BundleError
from fader.runtime.engines.graph_engine import Arrays, GraphEngine
from fader.runtime.engines.signatures import SIGNED, require_signature
from fader.runtime.engines.tensorrt.build import BUCKETS, FLAGS
from fader.runtime.engines.tensorrt.builder_process import BuildOrder, build_in_child
from fader.runtime.engines.tensorrt.cache import EngineCache
from fader.runtime.engines.tensorrt.device import load_cuda
from fader.runtime.engines.tensorrt.library import DEFAULT_LIBRARY, load_library, require_driver
from fader.runtime.engines.tensorrt.progress import OnProgress
from fader.runtime.engines.tensorrt.recipe import Recipe
from fader.runtime.engines.tensorrt.runner import PlanError, Runner

__all__ = ["TensorRt"]


class TensorRt(GraphEngine):
    """Runs a bundle's graphs by TensorRT on the current GPU, in float16
    where the bundle has such graphs.

    Reading graphs, building and caching are tested with TensorRT for RTX, which needs no GPU for them. What
    happens on the GPU (`runner`, `device`) has NOT RUN ON ONE YET: it was written against the docstrings of
    TensorRT 10.13.2, 11.4.0 and RTX 1.7.1 and of cuda-bindings 13.5.0, and is tested on a simulated GPU.
    """

    name = "tensorrt"

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,  # noqa: ARG002  # the GPU does the work
        library: str = DEFAULT_LIBRARY,
        cache: EngineCache | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Take the engines from the cache, or build them: that takes minutes, once for each bundle and GPU.

        Args:
            bundle: Verified bundle.
            threads: Not used: engines have it in common.
            library: See `load_library`.
            cache: None for the user's own.
            on_progress: See `OnProgress`; for each graph that is built.

        Raises:
            EngineError: TensorRT, the CUDA bindings, a driver or a GPU is missing, or one of them fails.
            BundleError: a graph's inputs and outputs are not the manifest's.
        """
        super().__init__(bundle)
        require_driver()
        self._library, self._cuda = load_library(library), load_cuda()
        self._cache, self._device = cache or EngineCache(), self._cuda.describe_device()
        self._on_progress = on_progress or (lambda _share, _phase: None)
        self._runners: dict[str, Runner] = {}
        try:
            for name in SIGNED:
                self._runners[name] = self._open(bundle, name)
        except BaseException:
            self.close()
            raise

    def run(self, graph: str, inputs: Arrays) -> Arrays:
        """As for `GraphEngine`."""
        return self._runners[graph].run(inputs)

    def free(self) -> None:
        """As for `GraphEngine`."""
        while self._runners:
            self._runners.popitem()[1].close()

    def _open(self, bundle: Bundle, name: str) -> Runner:
        half = f"{name}-fp16"
        form = half if bundle.has(half) else name
        recipe = Recipe(
            graph=f"{bundle.manifest.name}/{form}",
            graph_sha256=str(bundle.manifest.files[bundle.manifest.graphs[form]]["sha256"]),
            library=self._library.name,
            library_version=self._library.version,
            device=self._device,
            buckets=BUCKETS,
            flags=FLAGS,
        )
        try:
            runner = self._run(recipe, bundle.graph(form))
        except PlanError:  # whole, and made for this GPU, but TensorRT refuses it
            self._cache.drop(recipe)
            runner = self._run(recipe, bundle.graph(form))
        try:
            require_signature(bundle, name, runner.inputs, runner.outputs)
        except BundleError:
            runner.close()
            raise
        return runner

    def _run(self, recipe: Recipe, graph: Path) -> Runner:
        def build(folder: Path) -> None:
            order = BuildOrder(
                library=recipe.library,
                graph=str(graph),
                graph_sha256=recipe.graph_sha256,
                buckets=recipe.buckets,
                folder=str(folder),
            )
            build_in_child(order, on_progress=lambda share, phase: tell(share, f"{recipe.graph}: {phase}"))

        tell = self._on_progress
        waiting = f"{recipe.graph}: waiting for another process that builds this engine"
        plan = self._cache.plan(recipe, build, on_wait=lambda: tell(0.0, waiting))
        return Runner(self._library, self._cuda, plan, where=recipe.graph)
