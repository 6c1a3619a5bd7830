"""NVIDIA's driver: asked through a library that stands in for it, and judged from made-up facts."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.doctor.outcomes import crashed, done, failed, timed_out

from fader.runtime.doctor.children import Ending, Outcome, start_probe
from fader.runtime.doctor.findings import Level
from fader.runtime.doctor.gpu import (
    Device,
    GpuFacts,
    driver_version,
    find_cuda_packages,
    find_gpu,
    gpu_facts,
    gpus_on_the_bus,
)

DEVICE = {"name": "NVIDIA L4", "capability": [8, 9], "bytes": 24_000_000_000}
L4 = Device(name="NVIDIA L4", capability=(8, 9), n_bytes=24_000_000_000)
ANSWER: dict[str, Any] = {
    "driver": True,
    "cuda": [13, 0],
    "problem": None,
    "devices": [DEVICE],
    "libraries": [],
}
NO_DRIVER: dict[str, Any] = {"driver": False, "cuda": None, "problem": None, "devices": [], "libraries": []}
NO_SMI = Outcome(ending=Ending.DONE, value=[])

STAND_IN = r"""
#include <string.h>
#include <stdlib.h>
int cuDriverGetVersion(int *v) { *v = 13010; return 0; }
int cuInit(unsigned flags) {
    const char *code = getenv("STAND_IN_CODE");
    if (code && !strcmp(code, "crash")) abort();
    return code ? atoi(code) : 0;
}
int cuGetErrorName(int code, const char **name) {
    if (code != 100) return 1;
    *name = "CUDA_ERROR_NO_DEVICE";
    return 0;
}
int cuDeviceGetCount(int *n) { *n = 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 40 + ordinal; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, device == 40 ? "NVIDIA First" : "NVIDIA Second", size);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? device - 32 : attribute == 76 ? 6 : -1;
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 80000000000; return 0; }
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children find a libcuda.so.1 that answers without a GPU."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "cuda.c").write_text(STAND_IN)
    command = [compiler, "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "cuda.c")]
    subprocess.run(command, check=True)
    before = os.environ.get("LD_LIBRARY_PATH")
    monkeypatch.setenv("LD_LIBRARY_PATH", ":".join(filter(None, [str(tmp_path), before])))


def ask() -> GpuFacts:
    with start_probe("gpu") as child:
        return gpu_facts(child.outcome(60), NO_SMI, on_bus=1, driver=None)


@pytest.mark.usefixtures("driver")
def test_the_driver_is_asked_for_its_gpus() -> None:
    facts = ask()
    assert facts.cuda == (13, 1)
    assert [(device.name, device.capability) for device in facts.devices] == [
        ("NVIDIA First", (8, 6)),
        ("NVIDIA Second", (9, 6)),
    ]
    found = [finding.found for finding in find_gpu(facts)]
    assert found[0] == "of unknown version, for CUDA 13.1 and older"
    assert found[1] == "NVIDIA First, compute capability 8.6, 80.0 GB"


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(("code", "problem"), [("100", "CUDA_ERROR_NO_DEVICE"), ("999", "CUDA error 999")])
def test_a_driver_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch, code: str, problem: str) -> None:
    monkeypatch.setenv("STAND_IN_CODE", code)
    facts = ask()
    assert (facts.cuda, facts.problem, facts.devices) == ((13, 1), problem, ())


@pytest.mark.usefixtures("driver")
def test_a_driver_that_crashes_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_CODE", "crash")
    driver, device = find_gpu(ask())
    assert driver.level is Level.WARNING
    assert driver.found == "of unknown version: asking it crashed by SIGABRT"
    assert driver.remedy is not None
    assert "restart the machine" in driver.remedy
    assert device.level is Level.WARNING


def test_nvidia_smi_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA L4, 580.65.06'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with start_probe("smi") as child:
        outcome = child.outcome(60)
    assert outcome.value == ["NVIDIA L4, 580.65.06"]
    facts = gpu_facts(done(**ANSWER), outcome, on_bus=1, driver="1.0")
    assert facts.driver == "580.65.06"
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    with start_probe("smi") as child:
        assert child.outcome(60).value == []


def test_a_machine_without_a_gpu_is_all_right() -> None:
    (finding,) = find_gpu(gpu_facts(done(**NO_DRIVER), NO_SMI, on_bus=0, driver=None))
    assert (finding.level, finding.found) == (Level.OK, "none: edits run on the processor")


def test_a_gpu_without_a_driver_is_a_warning() -> None:
    (finding,) = find_gpu(gpu_facts(done(**NO_DRIVER), NO_SMI, on_bus=2, driver=None))
    assert finding.level is Level.WARNING
    assert finding.remedy == "install NVIDIA's driver 580 or later; in a container, start it with --gpus all"


def test_a_gpu_that_the_driver_hides_is_a_warning() -> None:
    hidden = {**ANSWER, "devices": [], "problem": "CUDA_ERROR_NO_DEVICE"}
    driver, device = find_gpu(gpu_facts(done(**hidden), NO_SMI, on_bus=1, driver="580.65.06"))
    assert (driver.level, driver.found) == (Level.OK, "580.65.06, for CUDA 13.0 and older")
    assert device.level is Level.WARNING
    assert device.remedy is not None
    assert "CUDA_VISIBLE_DEVICES" in device.remedy
    assert all(
        finding.level is Level.OK
        for finding in find_gpu(gpu_facts(done(**hidden), NO_SMI, on_bus=0, driver="580.65.06"))
    )


@pytest.mark.parametrize("outcome", [crashed(), timed_out(), failed("OSError: x")])
def test_a_driver_that_cannot_be_asked_is_a_warning_with_its_version(outcome: Outcome) -> None:
    facts = gpu_facts(outcome, NO_SMI, on_bus=1, driver="580.65.06")
    assert facts.devices == ()
    driver = find_gpu(facts)[0]
    assert driver.level is Level.WARNING
    assert driver.found.startswith("580.65.06: ")
    assert outcome.message in driver.found


def test_an_nvidia_smi_that_hangs_leaves_what_linux_tells() -> None:
    assert gpu_facts(done(**ANSWER), timed_out(), on_bus=1, driver="580.65.06").driver == "580.65.06"


def test_display_devices_of_nvidia_are_counted_on_the_bus(tmp_path: Path) -> None:
    for name, vendor, kind in [
        ("a", "0x10de", "0x030200"),
        ("b", "0x10de", "0x040300"),  # a GPU's sound
        ("c", "0x8086", "0x030000"),
        ("d", "0x10de", "0x030000"),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert gpus_on_the_bus(tmp_path) == 2
    assert gpus_on_the_bus(tmp_path / "nonesuch") == 0
    assert gpus_on_the_bus() >= 0


def test_the_version_of_the_driver_is_what_linux_tells(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("580.65.06\n")
    assert driver_version(tmp_path / "version") == "580.65.06"
    assert driver_version(tmp_path / "nonesuch") is None


def test_packages_of_cuda_are_listed_where_there_is_something_to_list() -> None:
    assert find_cuda_packages({"numpy": "2.4"}, GpuFacts(libraries=frozenset({"libcudart.so.13"}))) == []
    (finding,) = find_cuda_packages(
        {"nvidia-cublas": "13.0"}, GpuFacts(libraries=frozenset({"libcudnn.so.9"}))
    )
    assert finding.found == "nvidia-cublas 13.0, libcudnn.so.9 of the system"
    (finding,) = find_cuda_packages({}, GpuFacts(devices=(L4,)))
    assert finding.found == "none"
