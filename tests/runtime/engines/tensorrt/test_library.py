"""What is missing is said in one line, with the command that installs it."""

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.library import Library, load_library, require_driver


def test_the_installed_library_is_found_with_its_version(rtx: Library) -> None:
    assert rtx.name == "tensorrt_rtx"
    assert rtx.version == rtx.trt.__version__


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tensorrt", r"pip install 'fader\[tensorrt\]'"),
        ("tensorrt_rtx", "pip install tensorrt-rtx-cu13"),
    ],
)
def test_a_missing_library_is_reported_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match=rf"TensorRT \({name}\) is not installed: {command}$"):
        load_library(name)


def test_bindings_without_their_libraries_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.11: no such file\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match=r"does not load \(libnvinfer\.so\.11: no such file\): pip install"):
        load_library("tensorrt")


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(
        EngineError, match="unknown TensorRT module 'os': expected one of tensorrt, tensorrt_rtx"
    ):
        load_library("os")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("10.11.0.33", False), ("8.6.1", False), ("10.12.0.36", True), ("11.4.0.106", True)],
)
def test_only_versions_that_can_type_strongly_are_taken(
    monkeypatch: pytest.MonkeyPatch, version: str, expected: bool
) -> None:
    module = ModuleType("tensorrt")
    module.__dict__["__version__"] = version
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    if expected:
        assert load_library("tensorrt").version == version
    else:
        with pytest.raises(EngineError, match=rf"tensorrt is version {version}, expected 10\.12 or later"):
            load_library("tensorrt")


def test_without_a_driver_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fader.runtime.engines.tensorrt.library.DRIVER", "libcuda-that-is-not-there.so.1")
    with pytest.raises(
        EngineError, match=r"needs an NVIDIA GPU, and .* was not found: install the NVIDIA driver"
    ):
        require_driver()


@pytest.mark.parametrize(("code", "gpus"), [(100, 0), (0, 0)])
def test_a_driver_without_a_gpu_is_no_better(monkeypatch: pytest.MonkeyPatch, code: int, gpus: int) -> None:
    monkeypatch.setattr(ctypes, "CDLL", driver(code, gpus))
    with pytest.raises(EngineError, match=rf"the driver shows none \(CUDA error {code}\): check nvidia-smi"):
        require_driver()


def test_a_driver_with_a_gpu_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", driver(0, 1))
    require_driver()


def driver(code: int, gpus: int) -> Any:
    def count(address: Any) -> int:
        address._obj.value = gpus
        return 0

    return lambda _name: SimpleNamespace(cuInit=lambda _flags: code, cuDeviceGetCount=count)
