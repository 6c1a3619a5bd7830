"""NVIDIA's driver and GPUs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from fader.runtime.doctor.children import Ending, Outcome
from fader.runtime.doctor.findings import Finding, Level
from fader.runtime.doctor.packages import Installed

__all__ = [
    "Device",
    "GpuFacts",
    "driver_version",
    "find_cuda_packages",
    "find_gpu",
    "gpu_facts",
    "gpus_on_the_bus",
]

SECTION = "GPU"
NVIDIA, DISPLAY = "0x10de", "0x03"
PCI = Path("/sys/bus/pci/devices")
MODULE = Path("/sys/module/nvidia/version")
INSTALL = "install NVIDIA's driver 580 or later; in a container, start it with --gpus all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A GPU as the driver shows it."""

    name: str
    """Its maker's name for it."""
    capability: tuple[int, int]
    """Compute capability."""
    n_bytes: int
    """Memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuFacts:
    """What is known of NVIDIA's driver and GPUs."""

    on_bus: int = 0
    """NVIDIA's display devices on the PCI bus, with or without a driver."""
    has_library: bool = False
    """Whether the driver's library, libcuda, is there."""
    driver: str | None = None
    """The driver's version."""
    cuda: tuple[int, int] | None = None
    """The CUDA version that it supports."""
    problem: str | None = None
    """Why it shows no GPU."""
    devices: tuple[Device, ...] = ()
    """GPUs that it shows to this process."""
    libraries: frozenset[str] = field(default_factory=frozenset)
    """CUDA libraries that load from the system's folders."""
    smi: tuple[str, ...] = ()
    """nvidia-smi's line for each GPU: "NAME, DRIVER"."""


def gpus_on_the_bus(folder: Path = PCI) -> int:
    """Count NVIDIA's display devices.

    Args:
        folder: Where Linux lists the devices.
    """
    return sum(
        _text(device / "vendor") == NVIDIA and _text(device / "class").startswith(DISPLAY)
        for device in folder.glob("*")
    )


def driver_version(module: Path = MODULE) -> str | None:
    """Return the version of the driver that is loaded, None where Linux does not tell.

    Args:
        module: Where it tells.
    """
    return _text(module) or None


def gpu_facts(asked: Outcome, smi: Outcome, *, on_bus: int, driver: str | None) -> GpuFacts:
    """Put together what is known.

    Args:
        asked: Outcome of the probe "gpu".
        smi: Outcome of the probe "smi".
        on_bus: From `gpus_on_the_bus`.
        driver: From `driver_version`.
    """
    lines = tuple(smi.value or ())
    if lines:
        driver = lines[0].rpartition(", ")[2]
    if asked.ending is not Ending.DONE:
        problem = f"asking it {asked.message}" if asked.ending is Ending.CRASHED else asked.message
        return GpuFacts(on_bus=on_bus, has_library=True, driver=driver, problem=problem, smi=lines)
    value: dict[str, Any] = asked.value
    return GpuFacts(
        on_bus=on_bus,
        has_library=value["driver"],
        driver=driver,
        cuda=(value["cuda"][0], value["cuda"][1]) if value["cuda"] else None,
        problem=value["problem"],
        devices=tuple(
            Device(
                name=device["name"],
                capability=(device["capability"][0], device["capability"][1]),
                n_bytes=device["bytes"],
            )
            for device in value["devices"]
        ),
        libraries=frozenset(value["libraries"]),
        smi=lines,
    )


def find_gpu(gpu: GpuFacts) -> list[Finding]:
    """Say which driver and GPUs there are, and what keeps them from working."""
    if not gpu.has_library:
        if gpu.on_bus:
            found = f"{gpu.on_bus} on the PCI bus, and no driver (libcuda.so.1)"
            return [_finding("NVIDIA GPU", Level.WARNING, found, INSTALL)]
        return [_finding("NVIDIA GPU", Level.OK, "none: edits run on the processor")]
    return [*_find_driver(gpu), *_find_devices(gpu)]


def _find_driver(gpu: GpuFacts) -> Iterator[Finding]:
    version = gpu.driver or "of unknown version"
    found = f"{version}, for CUDA {gpu.cuda[0]}.{gpu.cuda[1]} and older" if gpu.cuda else version
    if gpu.problem is None or gpu.problem == "CUDA_ERROR_NO_DEVICE":
        yield _finding("driver", Level.OK, found)
    else:
        remedy = "restart the machine; if that does not help, install NVIDIA's driver again"
        yield _finding("driver", Level.WARNING, f"{found}: {gpu.problem}", remedy)


def _find_devices(gpu: GpuFacts) -> Iterator[Finding]:
    for i, device in enumerate(gpu.devices):
        capability = ".".join(map(str, device.capability))
        found = f"{device.name}, compute capability {capability}, {decimal(device.n_bytes)}"
        yield _finding(f"GPU {i}", Level.OK, found)
    if not gpu.devices and (gpu.on_bus or gpu.smi):
        found = "the machine has one, and the driver shows none to this process"
        remedy = "see nvidia-smi and CUDA_VISIBLE_DEVICES; in a container, start it with --gpus all"
        yield _finding("NVIDIA GPU", Level.WARNING, found, remedy)
    elif not gpu.devices:
        yield _finding("NVIDIA GPU", Level.OK, "none: edits run on the processor")


def find_cuda_packages(installed: Installed, gpu: GpuFacts) -> list[Finding]:
    """List the CUDA packages and libraries that there are; nothing where there is neither GPU nor package."""
    packages = [
        f"{name} {version}" for name, version in sorted(installed.items()) if name.startswith("nvidia-")
    ]
    there = packages + [f"{name} of the system" for name in sorted(gpu.libraries)]
    if not packages and not gpu.devices:
        return []
    return [_finding("CUDA libraries", Level.OK, ", ".join(there) or "none")]


def _finding(name: str, level: Level, found: str, remedy: str | None = None) -> Finding:
    return Finding(section=SECTION, name=name, level=level, found=found, remedy=remedy)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
