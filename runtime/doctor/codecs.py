"""What PyAV offers for video here."""

from collections.abc import Sequence

from fader.runtime.doctor.children import Ending, Outcome
from fader.runtime.doctor.findings import Finding, Level

__all__ = ["find_codecs"]

SECTION = "Video"
SOFTWARE = ("libx264", "libx265", "libsvtav1")
NVENC = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
WHEEL = "pip install --force-reinstall --only-binary av av"


def find_codecs(pyav: Outcome, nvenc: Outcome, *, has_gpu: bool) -> list[Finding]:
    """Judge the encoders and the hardware decoding that there are.

    Args:
        pyav: Outcome of the probe "pyav".
        nvenc: Outcome of the probe "nvenc".
        has_gpu: Whether the NVIDIA driver shows a GPU.
    """
    if pyav.ending is not Ending.DONE:
        return []
    codecs, hardware = pyav.value["codecs"], pyav.value["hardware"]
    return [_find_software(codecs), _find_nvenc(codecs, nvenc, has_gpu=has_gpu), _find_hardware(hardware)]


def _find_software(codecs: Sequence[str]) -> Finding:
    there = [name for name in SOFTWARE if name in codecs]
    missing = [name for name in SOFTWARE if name not in codecs]
    if not missing:
        return Finding(section=SECTION, name="encoders", level=Level.OK, found=", ".join(there))
    return Finding(
        section=SECTION,
        name="encoders",
        level=Level.WARNING if "libx264" in missing else Level.NOTE,
        found=f"{', '.join(there) or 'none'}; without {', '.join(missing)}",
        remedy=f"{WHEEL} (PyPI's wheels have them)",
    )


def _find_nvenc(codecs: Sequence[str], nvenc: Outcome, *, has_gpu: bool) -> Finding:
    listed = ", ".join(name for name in NVENC if name in codecs)
    if not listed:
        level, found, remedy = Level.NOTE if has_gpu else Level.OK, "not in this PyAV", WHEEL
        return Finding(
            section=SECTION, name="NVENC", level=level, found=found, remedy=remedy if has_gpu else None
        )
    if nvenc.ending is Ending.DONE:
        return Finding(section=SECTION, name="NVENC", level=Level.OK, found=f"{listed} (a frame was encoded)")
    if not has_gpu:
        found = f"{listed}: listed, and of no use without an NVIDIA GPU"
        return Finding(section=SECTION, name="NVENC", level=Level.OK, found=found)
    return Finding(
        section=SECTION,
        name="NVENC",
        level=Level.NOTE,
        found=f"{listed}: listed, and h264_nvenc does not encode here: {nvenc.message}",
        remedy="fader-run --codec libx264; the GPUs A100, H100 and H200 have no encoder",
    )


def _find_hardware(hardware: Sequence[str]) -> Finding:
    found = f"FFmpeg was built for {', '.join(hardware)}" if hardware else "FFmpeg was built without"
    return Finding(section=SECTION, name="hardware decoding", level=Level.OK, found=found)
