"""What is installed, and what of it does not fit together."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.doctor.outcomes import crashed, done, failed

from fader.runtime.doctor.findings import Finding, Level, version_numbers
from fader.runtime.doctor.gpu import Device, GpuFacts
from fader.runtime.doctor.packages import find_library, find_optional, installed_packages
from fader.runtime.doctor.pairings import find_pairings
from fader.runtime.pairing import PROVIDER, provider_tensorrt

CPU = {"onnxruntime": "1.32.0", "openvino": "2026.4.1", "torch": "2.13.0+cpu"}
GPU = {"onnxruntime-gpu": "1.31.1"}
CUDA = dict.fromkeys(("nvidia-cuda-runtime", "nvidia-cublas", "nvidia-cudnn-cu13"), "13.0.1") | {
    "nvidia-curand": "10.4.0"
}
H100 = Device(name="NVIDIA H100", capability=(9, 0), n_bytes=80 * 2**30)
NO_GPU = GpuFacts()
NEW = GpuFacts(has_library=True, driver="580.65.06", cuda=(13, 0), devices=(H100,), on_bus=1)
OLD = GpuFacts(has_library=True, driver="550.54.15", cuda=(12, 4), devices=(H100,), on_bus=1)


def one(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_library_that_works_is_named_with_its_version() -> None:
    finding = find_library("NumPy", "numpy", done(version="2.4.6"), {"numpy": "2.4.6"})
    assert (finding.level, finding.found, finding.remedy) == (Level.OK, "2.4.6", None)


def test_pyav_is_named_with_ffmpeg_s_libraries() -> None:
    outcome = done(version="18.1.0", ffmpeg="8.1.2", libraries={"libavcodec": "62.28.102"})
    assert find_library("PyAV", "av", outcome, {}).found == "18.1.0 with FFmpeg 8.1.2 (libavcodec 62.28.102)"


def test_a_missing_library_is_an_error_with_the_command_that_installs_it() -> None:
    finding = find_library("PyAV", "av", failed("ModuleNotFoundError: No module named 'av'"), {})
    assert (finding.level, finding.found) == (Level.ERROR, "not installed")
    assert finding.remedy == "pip install av"


@pytest.mark.parametrize("outcome", [failed("ImportError: libGL.so.1"), crashed()])
def test_a_broken_library_is_an_error_with_the_command_that_mends_it(outcome: object) -> None:
    finding = find_library("OpenCV", "opencv-python-headless", outcome, {"opencv-python-headless": "5.0"})  # type: ignore[arg-type]
    assert finding.level is Level.ERROR
    assert finding.found.startswith("5.0 does not work: ")
    assert finding.remedy == "pip install --force-reinstall opencv-python-headless"


def test_optional_packages_that_are_missing_are_no_errors_but_onnxruntime_is() -> None:
    levels = {finding.name: finding.level for finding in find_optional({}, has_gpu=False)}
    assert levels == {
        "onnxruntime": Level.ERROR,
        "openvino": Level.NOTE,
        "tensorrt": Level.OK,
        "torch": Level.OK,
    }
    assert find_optional({}, has_gpu=False)[0].remedy == "pip install 'fader[cpu]'"
    assert find_optional({}, has_gpu=True)[0].remedy == "pip install 'fader[gpu]'"


def test_tensorrt_is_named_with_its_major_version_and_apart_from_tensorrt_rtx() -> None:
    installed = CPU | {"tensorrt-cu13": "11.4.0.106", "tensorrt-rtx-cu13": "1.7.1.116"}
    found = {finding.name: finding.found for finding in find_optional(installed, has_gpu=True)}
    assert found["tensorrt-cu13"] == "11.4.0.106 (major version 11)"
    assert found["tensorrt-rtx-cu13"] == "1.7.1.116 (major version 1)"


@pytest.mark.parametrize(("gpu", "extra"), [(NO_GPU, "cpu"), (NEW, "gpu")])
def test_both_packages_of_onnxruntime_at_once_are_an_error(gpu: GpuFacts, extra: str) -> None:
    finding = one(find_pairings(CPU | GPU | CUDA, gpu, None))
    assert (finding.name, finding.level) == ("onnxruntime + onnxruntime-gpu", Level.ERROR)
    assert "overwrite each other" in finding.found
    assert finding.remedy == (f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'fader[{extra}]'")


def test_two_packages_of_opencv_are_a_warning() -> None:
    finding = one(find_pairings({"opencv-python": "5.0", "opencv-python-headless": "5.0"}, NO_GPU, None))
    assert finding.level is Level.WARNING
    assert finding.remedy == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python-headless"
    )


@pytest.mark.parametrize("version", ["11.4.0.106", "10.12.0", "9.3"])
def test_a_tensorrt_that_onnxruntime_s_provider_cannot_load_is_a_warning(version: str) -> None:
    finding = one(find_pairings(GPU | CUDA | {"tensorrt-cu13": version}, NEW, 10))
    assert finding.level is Level.WARNING
    assert f"links libnvinfer.so.10 and does not work with TensorRT {version}" in finding.found
    assert finding.remedy is not None
    assert "'tensorrt-cu13>=10.13,<11'" in finding.remedy


@pytest.mark.parametrize(
    "installed",
    [
        GPU | CUDA | {"tensorrt-cu13": "10.13.2"},
        GPU | CUDA,
        GPU | CUDA | {"tensorrt-rtx-cu13": "1.7.1.116"},
    ],
)
def test_a_tensorrt_that_fits_and_tensorrt_rtx_are_not_warned_of(installed: dict[str, str]) -> None:
    assert find_pairings(installed, NEW, 10) == []


def test_tensorrt_11_fits_where_onnxruntime_s_provider_is_not_installed_or_links_it() -> None:
    assert find_pairings(CUDA | {"tensorrt-cu13": "11.4.0"}, NEW, None) == []
    assert find_pairings(GPU | CUDA | {"tensorrt-cu13": "11.4.0"}, NEW, 11) == []


def test_packages_of_cuda_13_with_an_old_driver_are_a_warning() -> None:
    finding = one(find_pairings(GPU | CUDA, OLD, 10))
    assert (finding.name, finding.level) == ("CUDA 13 + driver", Level.WARNING)
    assert finding.found == (
        "nvidia-cuda-runtime, nvidia-cudnn-cu13, onnxruntime-gpu need a driver of version 580 or later; "
        "here is a driver 550.54.15 for CUDA 12.4"
    )
    assert finding.remedy == "install NVIDIA's driver 580 or later"


def test_packages_of_cuda_12_work_with_an_old_driver_and_not_with_a_very_old_one() -> None:
    packages = {"nvidia-cudnn-cu12": "9.1", "nvidia-cuda-runtime": "12.9"}
    assert find_pairings(packages, OLD, None) == []
    ancient = GpuFacts(has_library=True, driver="470.82", problem="CUDA_ERROR_UNKNOWN")
    assert "driver of version 525" in one(find_pairings(packages, ancient, None)).found


def test_what_the_driver_supports_counts_for_more_than_its_version() -> None:
    raised = GpuFacts(has_library=True, driver="550.54.15", cuda=(13, 0), devices=(H100,))
    assert find_pairings(GPU | CUDA, raised, 10) == []


def test_without_a_driver_nothing_is_said_of_what_it_would_have_to_be() -> None:
    assert find_pairings(GPU | CUDA, NO_GPU, 10) == []


def test_libraries_that_onnxruntime_s_cuda_provider_lacks_are_named() -> None:
    finding = one(find_pairings(GPU | {"nvidia-cublas": "13.0"}, NEW, 10))
    assert finding.found == ("its CUDA provider lacks nvidia-cuda-runtime, nvidia-curand, nvidia-cudnn-cu13")
    assert finding.remedy == "pip install 'onnxruntime-gpu[cuda,cudnn]'"


def test_libraries_of_the_system_do_as_well() -> None:
    libraries = frozenset({"libcudart.so.13", "libcublas.so.13", "libcurand.so.10", "libcudnn.so.9"})
    system = GpuFacts(has_library=True, cuda=(13, 1), devices=(H100,), libraries=libraries)
    assert find_pairings(GPU, system, 10) == []


def test_the_tensorrt_that_a_provider_links_is_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provider_tensorrt() is None or "onnxruntime-gpu" in installed_packages()
    (tmp_path / "onnxruntime_gpu-1.31.1.dist-info").mkdir()
    (tmp_path / "onnxruntime_gpu-1.31.1.dist-info" / "METADATA").write_text(
        "Name: onnxruntime-gpu\nVersion: 1.31.1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert provider_tensorrt() is None
    (tmp_path / PROVIDER).parent.mkdir(parents=True)
    (tmp_path / PROVIDER).write_bytes(b"\x7fELF\0libnvinfer_plugin\0libnvinfer.so.10\0libcudart.so.13\0")
    assert provider_tensorrt() == 10
    assert installed_packages()["onnxruntime-gpu"] == "1.31.1"


def test_installed_packages_are_those_of_python_s_records() -> None:
    installed = installed_packages()
    assert installed["numpy"] == metadata.version("numpy")
    assert installed["opencv-python-headless"] == metadata.version("opencv-python-headless")
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in installed)


def test_a_folder_of_a_half_removed_package_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "gone" not in installed_packages()


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("13.0.2", (13, 0, 2)),
        ("2.13.0+cpu", (2, 13, 0)),
        ("1.25.0.dev3", (1, 25, 0)),
        ("5rc1.2", (5,)),
        ("", ()),
    ],
)
def test_versions_are_compared_by_their_leading_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(version) == numbers


@given(st.text())
def test_any_text_is_taken_as_a_version(text: str) -> None:
    assert all(number >= 0 for number in version_numbers(text))
