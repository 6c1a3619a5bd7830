"""Engines, the bundle and the edit: what their probes' outcomes mean."""

import pytest
from tests.runtime.doctor.outcomes import crashed, done, failed, refused, timed_out

from fader.runtime.doctor.children import Outcome
from fader.runtime.doctor.engines import (
    engine_to_try,
    find_auto,
    find_bundle,
    find_edit,
    find_engine,
    find_gpu_use,
    find_listing,
    uses_gpu,
)
from fader.runtime.doctor.findings import Level

CPU = done(engine="onnxruntime-cpu", ms=14.6)
OPENVINO = done(engine="openvino", ms=5.0)
CUDA = done(engine="onnxruntime-cuda", ms=1.0)
MISSING = refused("OpenVINO is not installed: pip install 'fader[cpu]'")
INSTALLED = {"openvino": "2026.4.1", "openvino-telemetry": "2025.2", "onnxruntime": "1.32.0"}


def test_an_engine_that_works_is_told_with_its_speed() -> None:
    finding = find_engine("onnxruntime-cpu", CPU, INSTALLED, has_gpu=False)
    assert (finding.level, finding.found) == (Level.OK, "14.6 ms an image, one at a time")


def test_an_engine_that_is_not_installed_is_a_note_with_the_command_that_installs_it() -> None:
    finding = find_engine("openvino", MISSING, {}, has_gpu=False)
    assert (finding.level, finding.found) == (Level.NOTE, "OpenVINO is not installed")
    assert finding.remedy == "pip install 'fader[cpu]'"


def test_an_engine_that_refuses_for_another_reason_is_quoted() -> None:
    reason = "this processor has no bfloat16 arithmetic, expected avx512_bf16: take the engine openvino"
    finding = find_engine("openvino-bf16", refused(reason), INSTALLED, has_gpu=False)
    assert (finding.level, finding.found, finding.remedy) == (Level.NOTE, reason, None)


def test_a_gpu_s_engine_on_a_machine_without_one_is_nothing_to_mend() -> None:
    reason = refused("this ONNX Runtime has no CUDA: pip install 'fader[gpu]'")
    finding = find_engine("onnxruntime-cuda", reason, INSTALLED, has_gpu=False)
    assert (finding.level, finding.found, finding.remedy) == (Level.NOTE, "needs an NVIDIA GPU", None)
    assert find_engine("onnxruntime-cuda", reason, INSTALLED, has_gpu=True).remedy == (
        "pip install 'fader[gpu]'"
    )


@pytest.mark.parametrize("outcome", [crashed(), failed("AttributeError: no Core")])
def test_an_engine_that_crashes_or_is_broken_is_a_warning(outcome: Outcome) -> None:
    finding = find_engine("openvino-bf16", outcome, INSTALLED, has_gpu=False)
    assert (finding.level, finding.found) == (Level.WARNING, outcome.message)
    assert finding.remedy == "pip install --force-reinstall openvino; or take another engine"


def test_two_packages_that_overwrite_each_other_are_not_both_installed_again() -> None:
    both = INSTALLED | {"onnxruntime-gpu": "1.31.1"}
    assert find_engine("onnxruntime-cpu", crashed(), both, has_gpu=False).remedy == "take another engine"


def test_an_engine_that_takes_too_long_is_a_warning() -> None:
    finding = find_engine("tensorrt", timed_out(), {}, has_gpu=True)
    assert (finding.level, finding.found) == (Level.WARNING, "not done after 60 s")
    assert finding.remedy == "fader-run --engine tensorrt, which waits for it; or take another engine"


def test_auto_is_told_with_what_it_takes() -> None:
    (finding,) = find_auto(CPU, {"onnxruntime-cpu": CPU})
    assert (finding.level, finding.found) == (Level.OK, "takes onnxruntime-cpu")
    assert engine_to_try(CPU, {}) == "auto"


def test_where_auto_crashes_the_fastest_engine_that_works_is_the_remedy() -> None:
    engines = {"onnxruntime-cpu": CPU, "openvino": OPENVINO, "openvino-bf16": crashed()}
    (finding,) = find_auto(crashed(), engines)
    assert (finding.level, finding.remedy) == (Level.ERROR, "fader-run --engine openvino")
    assert engine_to_try(crashed(), engines) == "openvino"


def test_where_nothing_works_there_is_no_engine_to_try() -> None:
    reason = refused("ONNX Runtime is not installed: pip install 'fader[cpu]'")
    engines = {"onnxruntime-cpu": reason, "openvino": crashed()}
    assert engine_to_try(reason, engines) is None
    (finding,) = find_auto(reason, engines)
    assert (finding.level, finding.remedy) == (Level.ERROR, "pip install 'fader[cpu]'")
    assert find_edit(None, None).level is Level.ERROR
    assert engine_to_try(None, {}) is None
    assert find_auto(None, {}) == []


@pytest.mark.parametrize(
    ("engines", "remedy"),
    [
        ({"onnxruntime-cpu": CPU}, "no engine of this version runs on a GPU"),
        ({"onnxruntime-cpu": CPU, "tensorrt": MISSING}, "mend one of tensorrt"),
        ({"onnxruntime-cpu": CPU, "onnxruntime-cuda": CUDA}, "fader-run --engine onnxruntime-cuda"),
    ],
)
def test_a_gpu_that_edits_leave_idle_is_a_warning(engines: dict[str, Outcome], remedy: str) -> None:
    (finding,) = find_gpu_use(CPU, engines, has_gpu=True)
    assert finding.level is Level.WARNING
    assert "onnxruntime-cpu, which auto takes, does not use it" in finding.found
    assert finding.remedy is not None
    assert remedy in finding.remedy


def test_no_warning_where_the_gpu_is_used_or_there_is_none() -> None:
    assert find_gpu_use(CUDA, {"onnxruntime-cuda": CUDA}, has_gpu=True) == []
    assert find_gpu_use(CPU, {"onnxruntime-cpu": CPU}, has_gpu=False) == []
    assert find_gpu_use(None, {}, has_gpu=True) == []
    assert find_gpu_use(crashed(), {}, has_gpu=True) == []


def test_engines_that_run_on_a_gpu_are_known_by_name() -> None:
    gpu = {
        name
        for name in (
            "onnxruntime-cpu",
            "openvino-bf16",
            "onnxruntime-cuda",
            "onnxruntime-tensorrt",
            "tensorrt",
        )
        if uses_gpu(name)
    }
    assert gpu == {"onnxruntime-cuda", "onnxruntime-tensorrt", "tensorrt"}


def test_the_bundle_is_told_with_its_sliders_or_its_damage() -> None:
    good = done(name="faces", attributes=["Smiling"], size=128, bytes=8_100_000, id="0123456789abcdef")
    assert find_bundle(good).found == "faces verifies: Smiling; 128 px, 8.1 MB, id 0123456789ab"
    damaged = find_bundle(refused("encoder.onnx is damaged"))
    assert (damaged.level, damaged.remedy) == (Level.ERROR, "pip install --force-reinstall --no-deps fader")
    unread = find_bundle(failed("ModuleNotFoundError: No module named 'numpy'"))
    assert (unread.level, unread.remedy) == (Level.ERROR, "mend the errors above first")


def test_engines_that_cannot_even_be_listed_are_an_error() -> None:
    assert find_listing(done()) == []
    (finding,) = find_listing(crashed())
    assert (finding.level, finding.found) == (Level.ERROR, "crashed by SIGSEGV")


def test_an_edit_is_told_with_its_frames_or_with_why_there_is_none() -> None:
    good = find_edit(done(frames=5, seconds=0.31, codec="libx264"), "auto")
    assert (good.level, good.found) == (Level.OK, "5 frames of libx264 in 0.3 s, by auto")
    bad = find_edit(refused("ONNX Runtime is not installed: pip install 'fader[cpu]'"), "openvino")
    assert (bad.level, bad.remedy) == (Level.ERROR, "pip install 'fader[cpu]'")
    assert find_edit(crashed(), "auto").remedy == "mend the errors above first"
