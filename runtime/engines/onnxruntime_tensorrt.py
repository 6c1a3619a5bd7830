"""ONNX Runtime's TensorRT provider: the same graphs as by TensorRT itself, built and run by ONNX Runtime.

Written against the provider of ONNX Runtime 1.31, which no test runs: it NEEDS A GPU AND HAS NOT RUN
ON ONE YET (docs/engines.md). What its source decided here:

- Without a precision option the network is strongly typed, so that a float16 graph gives a float16 engine;
  with `trt_fp16_enable` TensorRT would round what the graph keeps in float32.
- It runs an engine's first optimisation profile alone and captures one CUDA graph for a session. So each
  batch size has a session and an engine of its own.
- With explicit profiles it builds the engine when the session is made, not in the middle of a video.

Source: `tensorrt_execution_provider.cc` of ONNX Runtime; https://onnxruntime.ai/docs/execution-providers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines.onnxruntime_cuda import OnnxRuntimeCuda, open_on_gpu, require_provider
from fader.runtime.engines.provider_cache import ProviderCache
from fader.runtime.engines.signatures import Shapes, signature
from fader.runtime.engines.tensorrt.device import load_cuda
from fader.runtime.engines.tensorrt.library import load_library, require_driver
from fader.runtime.engines.tensorrt.recipe import Recipe
from fader.runtime.pairing import fits, provider_tensorrt, requirement

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntimeTensorRt", "profile_options", "require_pairing"]

OPTIONS = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1", "trt_cuda_graph_enable": "1"}


class OnnxRuntimeTensorRt(OnnxRuntimeCuda):
    """Runs a bundle's graphs by ONNX Runtime's TensorRT provider, in float16 where it has such graphs."""

    name = "onnxruntime-tensorrt"
    provider = "TensorrtExecutionProvider"
    batches = (1, 8, 32)

    def __init__(
        self, bundle: Bundle, *, threads: int | None = None, cache: ProviderCache | None = None
    ) -> None:
        """Take the engines from the cache, or build them: that takes minutes, once for each bundle and GPU.

        Args:
            bundle: Verified bundle.
            threads: Not used: engines have it in common.
            cache: None for the user's own.

        Raises:
            EngineError: a GPU, ONNX Runtime for GPUs or the TensorRT that it wants is missing, or one of them
                fails. It never falls back.
            BundleError: a graph's inputs and outputs are not the manifest's.
        """
        runtime = require_provider(self.provider)
        require_driver()
        self._version = f"{runtime.__version__} with TensorRT {require_pairing()}"
        self._gpu = load_cuda().describe_device()
        self._cache = cache or ProviderCache()
        super().__init__(bundle, threads=threads)

    def options(self) -> dict[str, str]:
        """Return the provider's options but those that name a folder or depend on the graph."""
        return dict(OPTIONS)

    def sessions(self, bundle: Bundle, graph: str, form: str) -> Mapping[int, "onnxruntime.InferenceSession"]:
        """As for `OnnxRuntimeCuda`; each batch size has a session of its own."""
        return {bucket: self._session(bundle, graph, form, bucket) for bucket in self.batches}

    def cuda_graph(self, bucket: int) -> int:
        """As for `OnnxRuntimeCuda`; a session has one batch size, and one graph, which is number 0."""
        del bucket
        return 0

    def _session(self, bundle: Bundle, graph: str, form: str, bucket: int) -> "onnxruntime.InferenceSession":
        options = {**self.options(), **profile_options(signature(bundle, graph)[0], bucket)}
        recipe = Recipe(
            graph=f"{bundle.manifest.name}/{form}",
            graph_sha256=str(bundle.manifest.files[bundle.manifest.graphs[form]]["sha256"]),
            library=self.name,
            library_version=self._version,
            device=self._gpu,
            buckets=(bucket,),
            flags=options,
        )

        def load(folder: Path, timings: Path) -> "onnxruntime.InferenceSession":
            folders = {"trt_engine_cache_path": str(folder), "trt_timing_cache_path": str(timings)}
            return open_on_gpu(self, bundle.graph(form), {**options, **folders})

        return self._cache.open(recipe, load)


def profile_options(inputs: Shapes, bucket: int) -> dict[str, str]:
    """Return the options of one optimisation profile, for exactly one batch size.

    Args:
        inputs: Name to shape of one row.
        bucket: Rows of a batch.
    """
    shapes = ",".join(f"{name}:{'x'.join(map(str, (bucket, *shape)))}" for name, shape in inputs.items())
    return {f"trt_profile_{end}_shapes": shapes for end in ("min", "opt", "max")}


def require_pairing() -> str:
    """Make sure that ONNX Runtime's provider and TensorRT fit, and load TensorRT for it.

    Returns:
        TensorRT's version.

    Raises:
        EngineError: TensorRT is not installed, does not load, or is another version than the provider links.
    """
    major = provider_tensorrt()
    try:
        version = load_library().version
    except EngineError as error:
        if major is None:
            raise
        # What installs TensorRT for the engine "tensorrt" may bring a version that this provider cannot load.
        found = str(error).partition(": pip ")[0]
        raise EngineError(
            f"{found}, expected TensorRT {major}, which ONNX Runtime's provider links: pip install "
            f"{requirement(major)} 'fader[tensorrt]'"
        ) from error
    if major is not None and not fits(version, major):
        raise EngineError(
            f"ONNX Runtime's provider links libnvinfer.so.{major} and does not work with TensorRT {version}: "
            f"pip install {requirement(major)}, or take the engine tensorrt"
        )
    return version
