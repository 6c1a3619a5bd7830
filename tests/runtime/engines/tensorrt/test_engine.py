"""The engine as a whole, on a simulated GPU; and what it says where there is none."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.engines.tensorrt.simulated import SimulatedGpu

from fader.bundle import Bundle
from fader.errors import BundleError, EngineError
from fader.runtime.engines.contract import Engine
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu
from fader.runtime.engines.tensorrt import EngineCache, TensorRt
from fader.runtime.engines.tensorrt.build import BUCKETS, build_plan
from fader.runtime.engines.tensorrt.library import Library
from fader.runtime.engines.tensorrt.runner import bucket_of

PACKAGE = "fader.runtime.engines.tensorrt"
HALF = 1e-3
"""What the float16 graphs, which the engine takes, may differ by."""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    simulated = SimulatedGpu()
    monkeypatch.setitem(sys.modules, "tensorrt", simulated.trt)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", simulated.runtime)
    monkeypatch.setattr(f"{PACKAGE}.engine.build_in_child", simulated.build)
    for module in ("engine", "runner"):
        monkeypatch.setattr(f"{PACKAGE}.{module}.require_driver", lambda: None)
    return simulated


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def engine(gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache) -> TensorRt:
    return TensorRt(Bundle(tiny_bundle), cache=cache)


@pytest.fixture(scope="session")
def reference(tiny_bundle: Path) -> Engine:
    return OnnxRuntimeCpu(Bundle(tiny_bundle), threads=1)


def pixels(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).uniform(-1, 1, (n, 3, 64, 64)).astype(np.float32)


def values(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).random((n, 8), np.float32)


@pytest.mark.parametrize(
    ("n", "batches"),
    [(1, [1]), (2, [2]), (3, [4]), (8, [8]), (9, [16]), (32, [32]), (33, [32, 1]), (70, [32, 32, 8])],
)
def test_a_batch_is_split_and_filled_up_to_buckets_and_gives_what_onnx_runtime_gives(
    engine: TensorRt, gpu: SimulatedGpu, reference: Engine, n: int, batches: list[int]
) -> None:
    latents = engine.encode(pixels(n))
    assert gpu.batches == batches
    for found, expected in zip(latents, reference.encode(pixels(n)), strict=True):
        np.testing.assert_allclose(found, expected, atol=HALF)
    np.testing.assert_allclose(
        engine.decode(latents, values(n)), reference.decode(latents, values(n)), atol=HALF
    )
    np.testing.assert_allclose(engine.classify(pixels(n)), reference.classify(pixels(n)), atol=HALF)


def test_a_small_batch_after_a_large_one_and_none_at_all_are_right(
    engine: TensorRt, reference: Engine
) -> None:
    engine.classify(pixels(32))
    np.testing.assert_allclose(engine.classify(pixels(3)), reference.classify(pixels(3)), atol=HALF)
    assert engine.classify(pixels(0)).shape == (0, 8)


def test_a_bundle_without_float16_graphs_is_run_in_float32(
    gpu: SimulatedGpu,
    tiny_bundle: Path,
    reference: Engine,
    cache: EngineCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = Bundle(tiny_bundle)
    for name in ("encoder", "decoder", "classifier"):
        monkeypatch.delitem(bundle.manifest.graphs, f"{name}-fp16")
    found = TensorRt(bundle, cache=cache).classify(pixels(3))
    np.testing.assert_allclose(found, reference.classify(pixels(3)), atol=1e-5)


def test_results_are_the_callers_own(engine: TensorRt) -> None:
    first = engine.classify(pixels(2))
    kept = first.copy()
    engine.classify(pixels(3))
    np.testing.assert_array_equal(first, kept)


def test_several_threads_may_use_one_engine(engine: TensorRt) -> None:
    alone = {n: engine.classify(pixels(n)) for n in range(1, 7)}
    found: dict[int, NDArray[np.float32]] = {}

    def use(n: int) -> None:
        for _ in range(5):
            found[n] = engine.classify(pixels(n))

    threads = [threading.Thread(target=use, args=(n,)) for n in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, expected in alone.items():
        np.testing.assert_array_equal(found[n], expected)


def test_views_of_any_layout_are_taken(engine: TensorRt) -> None:
    view = pixels(6)[::2, :, :, ::-1]
    np.testing.assert_array_equal(engine.classify(view), engine.classify(np.ascontiguousarray(view)))


def test_arrays_of_another_shape_are_refused_in_one_line(engine: TensorRt) -> None:
    with pytest.raises(
        EngineError, match=r"tiny/encoder-fp16 takes \{'pixels': \(1, 3, 64, 64\)\}, found .*\(1, 3, 5, 7\)"
    ):
        engine.encode(np.zeros((1, 3, 5, 7), np.float32))


def test_engines_are_built_once_with_progress_and_then_come_from_the_cache(
    gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache
) -> None:
    events: list[tuple[float, str]] = []
    for _ in range(2):
        TensorRt(
            Bundle(tiny_bundle), cache=cache, on_progress=lambda share, phase: events.append((share, phase))
        )
    graphs = ("encoder-fp16", "decoder-fp16", "classifier-fp16")
    assert events == [(0.0, f"tiny/{graph}: Building engine") for graph in graphs]
    assert len(list(cache.folder.glob("*/engine.plan"))) == 3


def test_closing_frees_everything(engine: TensorRt, gpu: SimulatedGpu) -> None:
    engine.encode(pixels(3))
    assert gpu.memory
    engine.close()
    assert not gpu.memory
    assert not gpu.streams


@pytest.mark.parametrize("blocks", [0, 1, 7])
def test_a_lack_of_memory_is_one_line_and_frees_what_was_taken(
    gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache, blocks: int
) -> None:
    gpu.blocks_left = blocks
    with pytest.raises(
        EngineError, match=r"^cuda(Malloc|HostAlloc) failed on the GPU: out of memory; free GPU"
    ):
        TensorRt(Bundle(tiny_bundle), cache=cache)
    assert not gpu.memory
    assert not gpu.streams


def test_an_engine_that_tensorrt_refuses_is_built_again(
    gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    TensorRt(Bundle(tiny_bundle), cache=cache)
    gpu.plans_loaded = 0

    def build(order: object, **options: object) -> None:
        gpu.refuse.clear()
        SimulatedGpu.build(gpu, order, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(f"{PACKAGE}.engine.build_in_child", build)
    gpu.refuse.add("decoder-fp16")
    TensorRt(Bundle(tiny_bundle), cache=cache)
    assert gpu.plans_loaded == 4


def test_an_engine_that_is_refused_twice_is_one_line_with_the_first_reason(
    gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache
) -> None:
    gpu.refuse.add("decoder-fp16")
    with pytest.raises(EngineError) as caught:
        TensorRt(Bundle(tiny_bundle), cache=cache)
    reason = "Error Code 6: The engine plan file is of another version"
    assert str(caught.value) == f"TensorRT cannot load the engine of tiny/decoder-fp16: {reason}"
    assert not gpu.memory


def test_graphs_that_do_not_fit_the_manifest_are_refused(
    gpu: SimulatedGpu, tiny_bundle: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle(tiny_bundle)
    monkeypatch.setitem(bundle.manifest.graphs, "encoder-fp16", bundle.manifest.graphs["classifier"])
    with pytest.raises(BundleError, match=r"the encoder of .* its manifest says .*: export the bundle again"):
        TensorRt(bundle, cache=cache)
    assert not gpu.memory


def test_missing_cuda_bindings_are_reported_with_the_command_that_installs_them(
    gpu: SimulatedGpu, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(
        EngineError, match=r"CUDA bindings are not installed: pip install 'fader\[tensorrt\]'"
    ):
        TensorRt(Bundle(tiny_bundle))


@given(st.integers(1, 32))
def test_the_smallest_bucket_that_holds_a_batch_is_taken(rows: int) -> None:
    index = bucket_of(rows, BUCKETS)
    assert BUCKETS[index] >= rows
    assert index == 0 or BUCKETS[index - 1] < rows


LOAD = """
import sys
from pathlib import Path
import fader.runtime.engines.tensorrt.runner as runner
from fader.errors import EngineError
from fader.runtime.engines.tensorrt.library import load_library
if sys.argv[2] == "unchecked":
    runner.require_driver = lambda: None
else:
    import fader.runtime.engines.tensorrt.library as library
    library.DRIVER = "libcuda-that-is-not-there.so.1"
try:
    runner.Runner(load_library("tensorrt_rtx"), None, Path(sys.argv[1]).read_bytes(), where="tiny/encoder")
except EngineError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("checked", "TensorRT needs an NVIDIA GPU, and libcuda-that-is-not-there.so.1 was not found: "),
        ("unchecked", "TensorRT cannot load the engine of tiny/encoder: "),
    ],
)
def test_loading_a_real_engine_without_a_gpu_is_one_line_and_no_crash(
    rtx: Library, encoder: Path, tmp_path: Path, check: str, expected: str
) -> None:
    (tmp_path / "plan").write_bytes(build_plan(rtx, encoder.read_bytes(), where=encoder, buckets=(1,)).plan)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "plan"), check],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(expected)
    assert done.stdout.count("\n") == 1


def test_the_engine_without_a_gpu_is_one_line(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PACKAGE}.library.DRIVER", "libcuda-that-is-not-there.so.1")
    with pytest.raises(
        EngineError, match=r"needs an NVIDIA GPU, and .* install the NVIDIA driver, or use another"
    ):
        TensorRt(Bundle(tiny_bundle))
