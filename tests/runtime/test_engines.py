"""The engine: one contract, results that depend on neither batches nor threads, and errors in one line."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import portrait

from fader.bundle import MANIFEST, Bundle
from fader.errors import BundleError, ConfigError, EngineError
from fader.image import to_model
from fader.runtime import Editor
from fader.runtime.engines import ENGINES, TRIED, Engine, open_engine
from fader.runtime.engines.choice import choose
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu
from fader.runtime.engines.onnxruntime_cuda import OnnxRuntimeCuda
from fader.runtime.engines.openvino_cpu import OpenVinoInt8
from fader.runtime.engines.session import available_threads, open_session

pytestmark = pytest.mark.usefixtures("tiny_bundle")


class BoundOnCpu(OnnxRuntimeCuda):
    """The engine for GPUs with its buffers on the CPU: all of it but CUDA."""

    name = "onnxruntime-cuda, on the CPU"
    provider = "CPUExecutionProvider"
    device = "cpu"

    def options(self) -> dict[str, str]:
        return {}


HERE: dict[str, type[Any]] = {**TRIED, "onnxruntime-cuda": BoundOnCpu, "openvino-int8": OpenVinoInt8}
"""TensorRT has tests of its own, on a simulated GPU."""


@pytest.fixture(scope="module", params=sorted(HERE))
def engine(request: pytest.FixtureRequest, int8_bundle: Path) -> Engine:
    try:
        engine: Engine = HERE[request.param](Bundle(int8_bundle), threads=1)
    except EngineError as error:
        pytest.skip(str(error))
    return engine


@pytest.fixture(scope="module")
def pixels_NCHW() -> NDArray[np.float32]:
    return to_model(np.stack([portrait((64, 64), zoom=2 + 0.1 * i) for i in range(7)]))


def values(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((n, 8), np.float32)


def slowed(seconds: float, opened: list[str]) -> type[OnnxRuntimeCpu]:
    """Return an engine that takes longer than it must, and notes when it is opened."""

    class Slowed(OnnxRuntimeCpu):
        name = "slow" if seconds else "quick"

        def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
            opened.append(self.name)
            super().__init__(bundle, threads=threads)

        def decode(
            self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
        ) -> NDArray[np.float32]:
            time.sleep(seconds)
            return super().decode(latents, values_NA)

    return Slowed


class Missing(OnnxRuntimeCpu):
    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        raise EngineError(f"a driver is missing for {bundle.folder}, {threads}")


class Inexact(OnnxRuntimeCpu):
    name = "inexact"

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return super().decode(latents, values_NA) + np.float32(0.02)


def test_shapes_and_ranges_are_those_of_the_contract(
    engine: Engine, pixels_NCHW: NDArray[np.float32], tiny_bundle: Path
) -> None:
    latents = engine.encode(pixels_NCHW)
    assert [latent.shape[1:] for latent in latents] == [
        spec.shape for spec in Bundle(tiny_bundle).manifest.latents
    ]
    rendering = engine.decode(latents, values(7))
    assert rendering.shape == pixels_NCHW.shape
    assert rendering.dtype == np.float32
    assert np.abs(rendering).max() <= 1
    probabilities = engine.classify(pixels_NCHW)
    assert probabilities.shape == (7, 8)
    np.testing.assert_allclose(probabilities.reshape(7, 4, 2).sum(axis=2), 1, atol=1e-6)


def test_what_a_call_returned_stays_as_it_was_when_others_run(
    engine: Engine, pixels_NCHW: NDArray[np.float32]
) -> None:
    latents = engine.encode(pixels_NCHW)
    results = [*latents, engine.decode(latents, values(7)), engine.classify(pixels_NCHW)]
    copies = [result.copy() for result in results]
    others = engine.encode(-pixels_NCHW)
    engine.decode(others, 1 - values(7))
    engine.classify(-pixels_NCHW)
    for result, copy in zip(results, copies, strict=True):
        np.testing.assert_array_equal(result, copy)


def test_the_latent_that_is_the_image_is_what_was_given(
    engine: Engine, pixels_NCHW: NDArray[np.float32], tiny_bundle: Path
) -> None:
    names = [spec.name for spec in Bundle(tiny_bundle).manifest.latents]
    assert engine.encode(pixels_NCHW)[names.index("image")] is pixels_NCHW


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_batch_gives_bit_for_bit_what_its_images_give_alone(
    engine: Engine, pixels_NCHW: NDArray[np.float32], n: int
) -> None:
    parts = [slice(i, i + n) for i in range(0, 7, n)]
    latents = engine.encode(pixels_NCHW)
    for i, latent in enumerate(latents):
        np.testing.assert_array_equal(
            latent, np.concatenate([engine.encode(pixels_NCHW[p])[i] for p in parts])
        )
    classes = np.concatenate([engine.classify(pixels_NCHW[p]) for p in parts])
    np.testing.assert_array_equal(engine.classify(pixels_NCHW), classes)
    alone = [engine.decode(tuple(latent[p] for latent in latents), values(7)[p]) for p in parts]
    np.testing.assert_array_equal(engine.decode(latents, values(7)), np.concatenate(alone))


@pytest.mark.parametrize("threads", [2, 3])
def test_results_do_not_depend_on_the_number_of_threads(
    engine: Engine, pixels_NCHW: NDArray[np.float32], int8_bundle: Path, threads: int
) -> None:
    kind: Any = type(engine)
    other = kind(Bundle(int8_bundle), threads=threads)
    for one, two in zip(engine.encode(pixels_NCHW), other.encode(pixels_NCHW), strict=True):
        np.testing.assert_array_equal(one, two)
    latents = engine.encode(pixels_NCHW)
    np.testing.assert_array_equal(engine.decode(latents, values(7)), other.decode(latents, values(7)))


def test_auto_takes_the_fastest_engine_and_remembers_it(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened: list[str] = []
    engines = {"quick": slowed(0.0, opened), "slow": slowed(0.02, opened)}
    assert choose(Bundle(tiny_bundle), engines, threads=1).name == "quick"
    assert opened == ["quick", "slow"]
    assert choose(Bundle(tiny_bundle), engines, threads=1).name == "quick"
    assert opened == ["quick", "slow", "quick"]


def test_auto_takes_one_engine_for_every_number_of_threads(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened: list[str] = []
    engines = {"quick": slowed(0.0, opened), "slow": slowed(0.02, opened)}
    for threads in (1, 2, None):
        assert choose(Bundle(tiny_bundle), engines, threads=threads).name == "quick"
    assert opened == ["quick", "slow", "quick", "quick"]


@pytest.mark.parametrize("name", sorted(HERE))
def test_a_closed_engine_refuses_in_one_line(
    int8_bundle: Path, pixels_NCHW: NDArray[np.float32], name: str
) -> None:
    try:
        engine = HERE[name](Bundle(int8_bundle), threads=1)
    except EngineError as error:
        pytest.skip(str(error))
    engine.close()
    with pytest.raises(EngineError, match="the engine was closed before it was asked to run the encoder"):
        engine.encode(pixels_NCHW)


def test_auto_passes_over_engines_that_do_not_work_here(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose(Bundle(tiny_bundle), {"gone": Missing, "slow": slowed(0.02, [])}, threads=1).name == "slow"
    with pytest.raises(EngineError, match="a driver is missing"):
        choose(Bundle(tiny_bundle), {"gone": Missing}, threads=1)


def test_auto_never_takes_an_engine_whose_pictures_differ(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engines: dict[str, type[Any]] = {"slow": slowed(0.02, []), "inexact": Inexact}
    assert choose(Bundle(tiny_bundle), engines, threads=1).name == "slow"


def test_auto_tries_again_where_its_memory_is_damaged_or_its_choice_is_gone(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    engines = {"slow": slowed(0.02, []), "quick": slowed(0.0, [])}
    assert choose(Bundle(tiny_bundle), engines, threads=1).name == "quick"
    assert choose(Bundle(tiny_bundle), engines | {"quick": Missing}, threads=1).name == "slow"
    (tmp_path / "fader" / "engines.json").write_bytes(b"\xff{")
    assert choose(Bundle(tiny_bundle), engines, threads=1).name == "quick"


def test_bfloat16_differs_by_less_than_a_level_on_average(
    tiny_bundle: Path, pixels_NCHW: NDArray[np.float32]
) -> None:
    bundle = Bundle(tiny_bundle)
    try:
        half = open_engine(bundle, "openvino-bf16", threads=1)
    except EngineError as error:
        assert "no bfloat16 arithmetic" in str(error)  # noqa: PT017
        return
    full = open_engine(bundle, "openvino", threads=1)
    one, two = (engine.decode(engine.encode(pixels_NCHW), values(7)) for engine in (half, full))
    assert 0 < np.abs(one - two).mean() < 2 / 255


def test_int8_draws_nearly_what_float32_draws_and_the_image_keeps_every_bit(
    int8_bundle: Path, pixels_NCHW: NDArray[np.float32]
) -> None:
    int8, full = (open_engine(Bundle(int8_bundle), name, threads=1) for name in ("openvino-int8", "openvino"))
    (coded, image), latents = int8.encode(pixels_NCHW), full.encode(pixels_NCHW)
    np.testing.assert_array_equal(image, pixels_NCHW)
    assert 0 < np.abs(coded - latents[0]).max() < 0.1 * np.abs(latents[0]).max()
    difference = np.abs(int8.decode((coded, image), values(7)) - full.decode(latents, values(7)))
    assert 0 < difference.mean() < 2 / 255
    np.testing.assert_array_equal(int8.classify(pixels_NCHW), full.classify(pixels_NCHW))


def test_int8_is_taken_by_name_alone() -> None:
    assert "openvino-int8" in ENGINES
    assert "openvino-int8" not in TRIED


def test_a_bundle_without_int8_graphs_is_refused_with_the_command_that_makes_them(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError) as caught:
        Editor.open(tiny_bundle, engine="openvino-int8")
    assert str(caught.value) == (
        f"the bundle {tiny_bundle} has no encoder-int8 and no decoder-int8, which the engine openvino-int8 "
        "runs: make them with fader-export RUN --int8 PHOTOS, or take the engine openvino"
    )


def test_an_unknown_engine_is_refused_with_the_known_ones(tiny_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="unknown engine 'abacus': expected auto or one of onnxruntime-cpu"):
        Editor.open(tiny_bundle, engine="abacus")


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(image_size=128),
        lambda fields: fields["attributes"].pop(),
        lambda fields: fields["latents"][0].update(shape=[4, 4, 4]),
        lambda fields: fields["latents"][0].update(name="other"),
        lambda fields: fields["latents"].pop(),
        lambda fields: fields["graphs"].update(encoder="decoder.onnx"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graphs_is_refused(
    tiny_bundle: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    fields = json.loads((folder / MANIFEST).read_text())
    change(fields)
    (folder / MANIFEST).write_text(json.dumps(fields))
    with pytest.raises(BundleError, match=r"its manifest says .*: export the bundle again") as caught:
        open_engine(Bundle(folder))
    assert "\n" not in str(caught.value)


def test_a_graph_that_the_engine_cannot_read_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not a graph")
    with pytest.raises(EngineError, match="ONNX Runtime refuses") as caught:
        open_session(tmp_path / "a.onnx", threads=1)
    assert "\n" not in str(caught.value)


def test_an_engine_that_fails_says_so_in_one_line(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"(ONNX Runtime|OpenVINO) failed: ") as caught:
        engine.encode(np.zeros((1, 3, 5, 7), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "engine", "message"),
    [
        ("onnxruntime", "onnxruntime-cpu", r"ONNX Runtime is not installed: pip install 'fader\[cpu\]' .*"),
        ("openvino", "openvino", r"OpenVINO is not installed: pip install 'fader\[cpu\]'"),
    ],
)
def test_a_missing_engine_is_reported_with_the_command_that_installs_it(
    tiny_bundle: Path, module: str, engine: str, message: str
) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from fader.errors import EngineError\n"
        "from fader.runtime import Editor\n"
        f"try: Editor.open({str(tiny_bundle)!r}, engine={engine!r})\n"
        "except EngineError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert re.fullmatch(message + "\n", done.stdout)


def test_an_engine_for_gpus_never_runs_on_something_else(tiny_bundle: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        message = "(cannot use a GPU here|instead of CUDAExecutionProvider)"
    else:
        message = r"has no CUDAExecutionProvider: pip uninstall onnxruntime, then pip install 'fader\[gpu\]'"
    with pytest.raises(EngineError, match=message):
        open_engine(Bundle(tiny_bundle), "onnxruntime-cuda")


def test_there_is_at_least_one_thread() -> None:
    assert available_threads() >= 1
