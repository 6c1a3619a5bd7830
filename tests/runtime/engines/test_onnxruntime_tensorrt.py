"""ONNX Runtime's TensorRT provider: options, pairing, the cache, and no way to anything but the GPU.

A session that stands in notes what it is asked for, writes an engine as the provider does, and runs the graph
on the CPU. All else is the real thing.
"""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines import ENGINES, TRIED, open_engine
from fader.runtime.engines import onnxruntime_tensorrt as module
from fader.runtime.engines.contract import Engine
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu
from fader.runtime.engines.onnxruntime_tensorrt import OnnxRuntimeTensorRt, profile_options, require_pairing
from fader.runtime.engines.provider_cache import ProviderCache

PROVIDER = OnnxRuntimeTensorRt.provider
BUCKETS = (1, 8, 32)
PLAN = "TensorrtExecutionProvider_TRTKernel_graph_0_0_sm90.engine"
HALF = 1e-3
"""What the float16 graphs, which the engine takes, may differ by."""

RealSession = onnxruntime.InferenceSession


class OnCpu(OnnxRuntimeTensorRt):
    """The engine with its buffers on the CPU."""

    device = "cpu"


class Provider:
    """Stands for `onnxruntime.InferenceSession`."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, dict[str, str]]] = []  # graph, options
        self.built: list[str] = []
        self.taken = [PROVIDER, "CPUExecutionProvider"]
        self.error = ""
        self.runs: list[tuple[int, str]] = []  # batch, number of the CUDA graph

    def __call__(
        self,
        graph: Path,
        _options: Any,
        *,
        providers: Sequence[tuple[str, Mapping[str, str]]],
        enable_fallback: int,
    ) -> Any:
        assert enable_fallback == 0
        ((provider, settings),) = providers
        assert provider == PROVIDER
        self.opened.append((graph.name, dict(settings)))
        self._build(graph, Path(settings["trt_engine_cache_path"]), Path(settings["trt_timing_cache_path"]))
        return Session(self, RealSession(graph, providers=["CPUExecutionProvider"]))

    def _build(self, graph: Path, folder: Path, timings: Path) -> None:
        assert timings.is_dir() or (folder / PLAN).exists()
        if (folder / PLAN).exists():
            return
        if self.error:
            (folder / PLAN).write_bytes(b"half an engine")
            raise RuntimeError(f"{self.error}\nand more of it")
        (folder / PLAN).write_bytes(b"engine of " + graph.name.encode())
        known = timings / "TensorrtExecutionProvider_cache_sm90.timing"
        known.write_text((known.read_text() if known.exists() else "") + graph.name)
        self.built.append(graph.name)


class Session:
    def __init__(self, provider: Provider, session: Any) -> None:
        self.provider, self.session = provider, session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def get_providers(self) -> list[str]:
        return self.provider.taken

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        self.session.run_with_iobinding(binding, options)
        number = options.get_run_config_entry("gpu_graph_id")
        self.provider.runs.append((len(binding.get_outputs()[0].numpy()), number))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A machine with a GPU, ONNX Runtime for GPUs and the TensorRT that it wants."""
    stand_in = Provider()
    gpu = {"gpu": "Simulated GPU", "compute_capability": "9.0"}
    monkeypatch.setattr(onnxruntime, "InferenceSession", stand_in)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDER, "CPUExecutionProvider"])
    monkeypatch.setattr(module, "require_driver", lambda: None)
    monkeypatch.setattr(module, "load_cuda", lambda: SimpleNamespace(describe_device=lambda: gpu))
    put_tensorrt(monkeypatch, "10.13.2.6", links=10)
    return stand_in


def put_tensorrt(monkeypatch: pytest.MonkeyPatch, version: str, *, links: int | None) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__=version))
    monkeypatch.setattr(module, "provider_tensorrt", lambda: links)


@pytest.fixture
def cache(tmp_path: Path) -> ProviderCache:
    return ProviderCache(tmp_path / "engines")


@pytest.fixture(scope="module")
def reference(tiny_bundle: Path) -> Engine:
    return OnnxRuntimeCpu(Bundle(tiny_bundle), threads=1)


def pixels(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).uniform(-1, 1, (n, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "batches"), [(1, [1]), (2, [8]), (8, [8]), (9, [32]), (33, [32, 1]), (70, [32, 32, 8])]
)
def test_a_batch_is_split_and_filled_up_to_the_batch_sizes_that_have_a_session(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache, reference: Engine, n: int, batches: list[int]
) -> None:
    engine = OnCpu(Bundle(tiny_bundle), cache=cache)
    latents = engine.encode(pixels(n))
    assert provider.runs == [(batch, "0") for batch in batches]
    for found, expected in zip(latents, reference.encode(pixels(n)), strict=True):
        np.testing.assert_allclose(found, expected, atol=HALF)
    values = np.random.default_rng(n).random((n, 8), np.float32)
    np.testing.assert_allclose(engine.decode(latents, values), reference.decode(latents, values), atol=HALF)
    np.testing.assert_allclose(engine.classify(pixels(n)), reference.classify(pixels(n)), atol=HALF)


def test_every_batch_size_of_every_graph_has_a_profile_an_engine_and_a_folder_of_its_own(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache
) -> None:
    OnCpu(Bundle(tiny_bundle), cache=cache)
    graphs = ("encoder-fp16.onnx", "decoder-fp16.onnx", "classifier-fp16.onnx")
    assert [name for name, _ in provider.opened] == [name for name in graphs for _ in BUCKETS]
    assert [options["trt_profile_opt_shapes"] for _, options in provider.opened[:3]] == [
        f"pixels:{n}x3x64x64" for n in BUCKETS
    ]
    for _, options in provider.opened:
        assert options["trt_profile_min_shapes"] == options["trt_profile_max_shapes"]
        assert options["trt_cuda_graph_enable"] == "1"
        # A precision option would end the strong typing, by which the graph decides.
        assert not {key for key in options if key.endswith(("fp16_enable", "bf16_enable", "int8_enable"))}
    folders = [options["trt_engine_cache_path"] for _, options in provider.opened]
    assert len(set(folders)) == 9
    assert len([path for path in cache.folder.iterdir() if (path / PLAN).exists()]) == 9


def test_the_decoder_s_profile_names_all_of_its_inputs(tiny_bundle: Path) -> None:
    inputs = {"latent": (32, 8, 8), "values": (8,)}
    assert profile_options(inputs, 8) == dict.fromkeys(
        ("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes"),
        "latent:8x32x8x8,values:8x8",
    )


def test_engines_are_built_once_and_builds_share_what_they_timed(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache
) -> None:
    for _ in range(2):
        OnCpu(Bundle(tiny_bundle), cache=cache)
    assert len(provider.built) == 9
    (timings,) = cache.folder.glob("timings-*/*.timing")
    assert timings.read_text() == "".join(provider.built)
    assert not list(cache.folder.glob("*.building"))


@pytest.mark.parametrize("damage", ["cut", "gone", "no entry", "another version"])
def test_a_damaged_engine_is_built_again(
    provider: Provider,
    tiny_bundle: Path,
    cache: ProviderCache,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    OnCpu(Bundle(tiny_bundle), cache=cache)
    plan = next(cache.folder.glob(f"*/{PLAN}"))
    if damage == "cut":
        plan.write_bytes(plan.read_bytes()[:-1])
    elif damage == "gone":
        shutil.rmtree(plan.parent)
    elif damage == "no entry":
        (plan.parent / "entry.json").write_text("{")
    else:
        put_tensorrt(monkeypatch, "10.14.1", links=10)
    OnCpu(Bundle(tiny_bundle), cache=cache)
    assert len(provider.built) == (18 if damage == "another version" else 10)


def test_an_engine_that_tensorrt_refuses_is_built_again(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    OnCpu(Bundle(tiny_bundle), cache=cache)
    real = Provider._build

    def build(self: Provider, graph: Path, folder: Path, timings: Path) -> None:
        if graph.stem == "decoder-fp16" and (folder / PLAN).exists():
            raise RuntimeError("TensorRT EP could not deserialize engine from cache")
        real(self, graph, folder, timings)

    monkeypatch.setattr(Provider, "_build", build)
    OnCpu(Bundle(tiny_bundle), cache=cache)
    assert provider.built[9:] == ["decoder-fp16.onnx"] * 3


def test_a_build_that_fails_is_one_line_and_leaves_nothing_to_be_believed(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache
) -> None:
    provider.error = "TensorRT EP failed to create engine from network"
    with pytest.raises(EngineError) as caught:
        OnCpu(Bundle(tiny_bundle), cache=cache)
    reason = "TensorRT EP failed to create engine from network"
    assert str(caught.value) == (
        f"ONNX Runtime cannot use a GPU here ({reason}): fader-doctor says what is missing"
    )
    assert not list(cache.folder.rglob(PLAN))
    provider.error = ""
    OnCpu(Bundle(tiny_bundle), cache=cache)
    assert len(provider.built) == 9


def test_a_folder_that_cannot_be_written_is_one_line(
    provider: Provider, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"^cannot keep engines in .*file.*: make room there, or set XDG"):
        OnCpu(Bundle(tiny_bundle), cache=ProviderCache(tmp_path / "file"))


def test_the_entry_tells_people_what_it_is(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache
) -> None:
    OnCpu(Bundle(tiny_bundle), cache=cache)
    entry = json.loads(next(cache.folder.glob("*/entry.json")).read_text())
    assert entry["graph"].startswith("tiny/")
    assert entry["identity"]["library_version"] == f"{onnxruntime.__version__} with TensorRT 10.13.2.6"
    assert entry["identity"]["device"]["gpu"] == "Simulated GPU"


@pytest.mark.parametrize("taken", ["CPUExecutionProvider", "CUDAExecutionProvider"])
def test_a_session_that_went_elsewhere_is_refused(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache, taken: str
) -> None:
    provider.taken = [taken]
    with pytest.raises(
        EngineError, match=f"ONNX Runtime went to {taken} instead of {PROVIDER}: fader-doctor"
    ):
        OnCpu(Bundle(tiny_bundle), cache=cache)


def test_on_a_gpu_no_node_may_go_to_the_cpu(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def open_session(graph: Path, options: Any, **_: Any) -> Any:
        seen.append(options.get_session_config_entry("session.disable_cpu_ep_fallback"))
        raise RuntimeError("seen")

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    with pytest.raises(EngineError, match="seen"):
        OnnxRuntimeTensorRt(Bundle(tiny_bundle), cache=cache)
    assert seen == ["1"]


def test_the_onnx_runtime_for_cpus_is_refused_with_the_command_that_installs_the_other(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        EngineError, match=rf"no {PROVIDER}: pip uninstall onnxruntime, then pip install 'fader\[gpu\]'"
    ):
        open_engine(Bundle(tiny_bundle), "onnxruntime-tensorrt")


def test_a_machine_without_a_driver_is_refused_before_anything_is_built(
    provider: Provider, tiny_bundle: Path, cache: ProviderCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def require_driver() -> None:
        raise EngineError("TensorRT needs an NVIDIA GPU")

    monkeypatch.setattr(module, "require_driver", require_driver)
    with pytest.raises(EngineError, match="TensorRT needs an NVIDIA GPU"):
        OnCpu(Bundle(tiny_bundle), cache=cache)
    assert not provider.opened


@pytest.mark.parametrize(
    ("version", "links", "remedy"),
    [
        ("11.4.0.106", 10, r"'tensorrt-cu13>=10\.13,<11'"),
        ("10.12.0", 10, r"'tensorrt-cu13>=10\.13,<11'"),
        ("10.13.2", 11, r"'tensorrt-cu13==11\.\*'"),
    ],
)
def test_a_tensorrt_that_the_provider_does_not_link_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, version: str, links: int, remedy: str
) -> None:
    put_tensorrt(monkeypatch, version, links=links)
    with pytest.raises(
        EngineError,
        match=rf"links libnvinfer\.so\.{links} and .* TensorRT {version}: pip install {remedy}, or take ",
    ):
        require_pairing()


@pytest.mark.parametrize(
    ("version", "links"), [("10.13.2", 10), ("10.14", 10), ("11.4.0", 11), ("11.4", None)]
)
def test_a_tensorrt_that_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, version: str, links: int | None
) -> None:
    put_tensorrt(monkeypatch, version, links=links)
    assert require_pairing() == version


def test_a_missing_tensorrt_is_one_line_with_the_version_that_the_provider_links(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(module, "provider_tensorrt", lambda: 10)
    with pytest.raises(EngineError) as caught:
        require_pairing()
    assert str(caught.value) == (
        "TensorRT (tensorrt) is not installed, expected TensorRT 10, which ONNX Runtime's provider links: "
        "pip install 'tensorrt-cu13>=10.13,<11' 'fader[tensorrt]'"
    )
    monkeypatch.setattr(module, "provider_tensorrt", lambda: None)
    with pytest.raises(EngineError, match=r"is not installed: pip install 'fader\[tensorrt\]'"):
        require_pairing()


def test_it_is_taken_by_name_alone() -> None:
    assert "onnxruntime-tensorrt" in ENGINES
    assert "onnxruntime-tensorrt" not in TRIED
