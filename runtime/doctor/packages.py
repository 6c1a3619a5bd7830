"""What is installed: Python, and the packages that edits need or can use."""

import platform
import re
from collections.abc import Mapping
from importlib import metadata

from fader import __version__
from fader.runtime.doctor.children import Ending, Outcome
from fader.runtime.doctor.findings import Finding, Level, version_numbers

__all__ = [
    "Installed",
    "find_library",
    "find_optional",
    "find_python",
    "installed_packages",
    "tensorrt_package",
]

SECTION = "Packages"
Installed = Mapping[str, str]
"""Name of a package, in lower case with hyphens, to its version."""
TENSORRT = ("tensorrt-cu13", "tensorrt-cu12", "tensorrt")
TENSORRT_RTX = ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx")


def installed_packages() -> dict[str, str]:
    """Return the packages that Python's own records list, without loading any; see `Installed`."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        # Half-removed packages leave folders without a name or a version.
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        if name and version:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def tensorrt_package(installed: Installed) -> str | None:
    """Return the name under which TensorRT (not TensorRT-RTX) is installed, None where it is not."""
    return next((name for name in TENSORRT if name in installed), None)


def find_python() -> list[Finding]:
    """Say which Python and which fader these are."""
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [
        Finding(section=SECTION, name="Python", level=Level.OK, found=python),
        Finding(section=SECTION, name="fader", level=Level.OK, found=__version__),
    ]


def find_library(name: str, package: str, outcome: Outcome, installed: Installed) -> Finding:
    """Judge a library that every edit needs.

    Args:
        name: What people call it.
        package: What pip calls it.
        outcome: Of its probe; the value has "version".
        installed: Packages.
    """
    if outcome.ending is Ending.DONE:
        found = str(outcome.value["version"])
        if "ffmpeg" in outcome.value:
            libraries = (f"{key} {version}" for key, version in outcome.value["libraries"].items())
            found += f" with FFmpeg {outcome.value['ffmpeg']} ({', '.join(libraries)})"
        return Finding(section=SECTION, name=name, level=Level.OK, found=found)
    if package not in installed and "ModuleNotFoundError" in outcome.message:
        found, remedy = "not installed", f"pip install {package}"
    else:
        version = installed.get(package, "of another package")
        found = f"{version} does not work: {outcome.message}"
        remedy = f"pip install --force-reinstall {package}"
    return Finding(section=SECTION, name=name, level=Level.ERROR, found=found, remedy=remedy)


def find_optional(installed: Installed, *, has_gpu: bool) -> list[Finding]:
    """Say which packages are there that engines and training use.

    Args:
        installed: Packages.
        has_gpu: Whether the NVIDIA driver shows a GPU.
    """
    runtime = [name for name in ("onnxruntime", "onnxruntime-gpu") if name in installed]
    extra = "gpu" if has_gpu else "cpu"
    findings = [_there(name, installed[name]) for name in runtime] or [
        _missing("onnxruntime", "the face detector needs it", Level.ERROR, f"pip install 'fader[{extra}]'")
    ]
    if "openvino" in installed:
        findings.append(_there("openvino", installed["openvino"]))
    else:
        reason = "the fastest engines on a processor need it"
        findings.append(_missing("openvino", reason, Level.NOTE, "pip install openvino"))
    return [*findings, *_find_tensorrt(installed), _find_torch(installed)]


def _find_tensorrt(installed: Installed) -> list[Finding]:
    names = [tensorrt_package(installed), next((name for name in TENSORRT_RTX if name in installed), None)]
    findings = []
    for name in filter(None, names):
        major = "".join(map(str, version_numbers(installed[name])[:1]))
        findings.append(_there(name, f"{installed[name]} (major version {major})"))
    return findings or [_missing("tensorrt", "only NVIDIA GPUs use it", Level.OK, None)]


def _find_torch(installed: Installed) -> Finding:
    if "torch" in installed:
        return _there("torch", f"{installed['torch']} (edits do without)")
    reason = "edits do without; fader-train and fader-export need it"
    return _missing("torch", reason, Level.OK, "pip install 'fader[export]'")


def _there(name: str, version: str) -> Finding:
    return Finding(section=SECTION, name=name, level=Level.OK, found=version)


def _missing(name: str, reason: str, level: Level, remedy: str | None) -> Finding:
    return Finding(section=SECTION, name=name, level=level, found=f"not installed: {reason}", remedy=remedy)
