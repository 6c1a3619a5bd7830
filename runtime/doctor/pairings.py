"""Packages that do not fit each other, or not the driver.

Sources: NVIDIA's table of CUDA versions and drivers, https://docs.nvidia.com/deploy/cuda-compatibility; what
the libraries of onnxruntime-gpu's wheel link.
"""

from collections.abc import Iterator

from fader.runtime.doctor.driver_probe import CUDA_LIBRARIES
from fader.runtime.doctor.findings import Finding, Level, version_numbers
from fader.runtime.doctor.gpu import GpuFacts
from fader.runtime.doctor.packages import Installed, tensorrt_package
from fader.runtime.pairing import fits, requirement

__all__ = ["find_pairings"]

SECTION = "Packages"
ONE_OF = (
    ("onnxruntime", "onnxruntime-gpu"),
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
)
"""Packages that own the same files: the last one installed overwrites the others."""
MIN_DRIVER = {12: 525, 13: 580}
"""CUDA's major version to the oldest major version of NVIDIA's Linux driver."""
ORT_CUDA_13 = (1, 31)
"""fader wants this version of onnxruntime-gpu or a later one; its wheel is built for CUDA 13."""


def find_pairings(installed: Installed, gpu: GpuFacts, links_tensorrt: int | None) -> list[Finding]:
    """Find what does not fit.

    Args:
        installed: Packages.
        gpu: What the driver tells.
        links_tensorrt: From `provider_tensorrt`.
    """
    return [
        *_find_doubles(installed, gpu),
        *_find_provider(installed, links_tensorrt),
        *_find_cuda(installed, gpu),
        *_find_cuda_libraries(installed, gpu),
    ]


def _find_doubles(installed: Installed, gpu: GpuFacts) -> Iterator[Finding]:
    for names in ONE_OF:
        there = [name for name in names if name in installed]
        if len(there) < 2:
            continue
        is_onnxruntime = "onnxruntime" in there
        kept = f"'fader[{'gpu' if gpu.devices else 'cpu'}]'" if is_onnxruntime else "opencv-python-headless"
        yield Finding(
            section=SECTION,
            name=" + ".join(there),
            level=Level.ERROR if is_onnxruntime else Level.WARNING,
            found="both are installed, and overwrite each other's files",
            remedy=f"pip uninstall -y {' '.join(there)} && pip install {kept}",
        )


def _find_provider(installed: Installed, links_tensorrt: int | None) -> Iterator[Finding]:
    package = tensorrt_package(installed)
    if package is None or links_tensorrt is None:
        return
    version = installed[package]
    if not fits(version, links_tensorrt):
        yield Finding(
            section=SECTION,
            name=f"onnxruntime-gpu + {package}",
            level=Level.WARNING,
            found=f"ONNX Runtime's TensorRT provider links libnvinfer.so.{links_tensorrt} and does not work "
            f"with TensorRT {version}",
            remedy=f"pip install {requirement(links_tensorrt)}, if you want that provider",
        )


def _find_cuda(installed: Installed, gpu: GpuFacts) -> Iterator[Finding]:
    # The driver's own word counts for more than its version: a compatibility package may have raised it.
    if gpu.cuda is None and gpu.driver is None:
        return
    for major, oldest in MIN_DRIVER.items():
        if gpu.cuda is not None:
            is_served = gpu.cuda >= (major, 0)
        else:
            is_served = version_numbers(gpu.driver or "")[:1] >= (oldest,)
        packages = _packages_of_cuda(major, installed)
        if packages and not is_served:
            driver = f"driver {gpu.driver}" if gpu.driver else "driver"
            supports = f" for CUDA {gpu.cuda[0]}.{gpu.cuda[1]}" if gpu.cuda else ""
            yield Finding(
                section=SECTION,
                name=f"CUDA {major} + driver",
                level=Level.WARNING,
                found=f"{', '.join(packages)} need a driver of version {oldest} or later; here is a {driver}"
                f"{supports}",
                remedy=f"install NVIDIA's driver {oldest} or later",
            )


def _packages_of_cuda(major: int, installed: Installed) -> list[str]:
    packages = [name for name in installed if name.endswith(f"-cu{major}")]
    if version_numbers(installed.get("nvidia-cuda-runtime", ""))[:1] == (major,):
        packages.append("nvidia-cuda-runtime")
    if major == 13 and version_numbers(installed.get("onnxruntime-gpu", "")) >= ORT_CUDA_13:
        packages.append("onnxruntime-gpu")
    return sorted(packages)


def _find_cuda_libraries(installed: Installed, gpu: GpuFacts) -> Iterator[Finding]:
    if "onnxruntime-gpu" not in installed or not gpu.devices:
        return
    missing = [
        package
        for package, library in CUDA_LIBRARIES.items()
        if package not in installed and library not in gpu.libraries
    ]
    if missing:
        yield Finding(
            section=SECTION,
            name="onnxruntime-gpu + CUDA",
            level=Level.WARNING,
            found=f"its CUDA provider lacks {', '.join(missing)}",
            remedy="pip install 'onnxruntime-gpu[cuda,cudnn]'",
        )
