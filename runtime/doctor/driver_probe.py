"""What the NVIDIA driver tells, by its own library, and which CUDA libraries load. Run in a child.

Source: CUDA Driver API, https://docs.nvidia.com/cuda/cuda-driver-api (initialization, version and device
management).
"""

import ctypes
import shutil
import subprocess
from typing import Any

__all__ = ["CUDA_LIBRARIES", "probe_gpu", "probe_smi"]

DRIVER = "libcuda.so.1"
CUDA_LIBRARIES = {
    "nvidia-cuda-runtime": "libcudart.so.13",
    "nvidia-cublas": "libcublas.so.13",
    "nvidia-curand": "libcurand.so.10",
    "nvidia-cudnn-cu13": "libcudnn.so.9",
}
"""Package to the library that it brings, of those that onnxruntime-gpu for CUDA 13 loads."""
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
SMI = ("--query-gpu=name,driver_version", "--format=csv,noheader")


def probe_gpu() -> dict[str, Any]:
    """Ask the driver.

    Returns:
        {"driver": whether its library is there, "cuda": the CUDA version that it supports as [major, minor]
        or None, "problem": the driver's name of an error or None, "devices": [{"name", "capability": [major,
        minor], "bytes": of memory}], "libraries": those of CUDA_LIBRARIES that the system's folders have}.
    """
    facts: dict[str, Any] = {"driver": False, "cuda": None, "problem": None, "devices": []}
    facts["libraries"] = [name for name in CUDA_LIBRARIES.values() if _loads(name)]
    try:
        cuda = ctypes.CDLL(DRIVER)
    except OSError:
        return facts
    facts["driver"] = True
    try:
        version = ctypes.c_int()
        _check(cuda, cuda.cuDriverGetVersion(ctypes.byref(version)))
        facts["cuda"] = [version.value // 1000, version.value % 1000 // 10]
        _check(cuda, cuda.cuInit(0))
        facts["devices"] = _devices(cuda)
    except OSError as error:
        facts["problem"] = str(error)
    return facts


def probe_smi() -> list[str]:
    """Ask nvidia-smi; return "NAME, DRIVER" for each GPU, none where the program is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, *SMI]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a list, and no shell
    return done.stdout.splitlines() if done.returncode == 0 else []


def _devices(cuda: ctypes.CDLL) -> list[dict[str, Any]]:
    count = ctypes.c_int()
    _check(cuda, cuda.cuDeviceGetCount(ctypes.byref(count)))
    return [_device(cuda, ordinal) for ordinal in range(count.value)]


def _device(cuda: ctypes.CDLL, ordinal: int) -> dict[str, Any]:
    handle, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name, n_bytes = ctypes.create_string_buffer(256), ctypes.c_size_t()
    _check(cuda, cuda.cuDeviceGet(ctypes.byref(handle), ordinal))
    _check(cuda, cuda.cuDeviceGetName(name, len(name), handle))
    _check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, handle))
    _check(cuda, cuda.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MINOR, handle))
    _check(cuda, cuda.cuDeviceTotalMem_v2(ctypes.byref(n_bytes), handle))
    return {
        "name": name.value.decode(errors="replace"),
        "capability": [major.value, minor.value],
        "bytes": n_bytes.value,
    }


def _check(cuda: ctypes.CDLL, code: int) -> None:
    if code:
        name = ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(name))
        raise OSError(name.value.decode() if name.value else f"CUDA error {code}")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
