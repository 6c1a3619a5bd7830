"""The processor: its model, the cores that this process may use, and the arithmetic it has."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from fader.runtime.doctor.findings import Finding, Level

__all__ = ["Processor", "find_processor", "read_processor"]

SECTION = "Processor"
CPUINFO = Path("/proc/cpuinfo")
QUOTA = Path("/sys/fs/cgroup/cpu.max")
X86 = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "BF16": {"avx512_bf16", "amx_bf16"},
    "AMX": {"amx_tile"},
}
"""Name to the flags of /proc/cpuinfo of which one must be there."""
ARM = {"NEON": {"asimd"}, "DOTPROD": {"asimddp"}, "BF16": {"bf16"}, "I8MM": {"i8mm"}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """What the system tells of its processor."""

    model: str
    """Its name."""
    cores: int
    """Cores that this process may use."""
    quota: float | None
    """How many cores' time its container grants it; None if there is no bound."""
    features: dict[str, bool]
    """Name of each kind of arithmetic to whether it is there; empty where the system does not tell."""


def read_processor(cpuinfo: Path = CPUINFO, quota: Path = QUOTA) -> Processor:
    """Ask the system.

    Args:
        cpuinfo: Linux' description of the processor.
        quota: Linux' bound on this container's time, "MICROSECONDS PERIOD" or "max PERIOD".
    """
    fields = _fields(_text(cpuinfo))
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    known = ARM if "Features" in fields else X86
    return Processor(
        model=fields.get("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        quota=_quota(_text(quota)),
        features={name: bool(wanted & flags) for name, wanted in known.items()} if flags else {},
    )


def find_processor(processor: Processor) -> list[Finding]:
    """Say what the processor has, and what makes it slow."""
    return [
        Finding(section=SECTION, name="model", level=Level.OK, found=processor.model),
        _find_cores(processor),
        _find_features(processor.features),
    ]


def _find_cores(processor: Processor) -> Finding:
    found = f"{processor.cores} for this process"
    if processor.quota is None or processor.quota >= processor.cores:
        return Finding(section=SECTION, name="cores", level=Level.OK, found=found)
    threads = max(1, int(processor.quota))
    return Finding(
        section=SECTION,
        name="cores",
        level=Level.WARNING,
        found=f"{found}, and the time of {processor.quota:g}: more threads than that wait for each other",
        remedy=f"fader-run --threads {threads}",
    )


def _find_features(features: dict[str, bool]) -> Finding:
    if not features:
        found = "the system does not tell"
        return Finding(section=SECTION, name="arithmetic", level=Level.NOTE, found=found)
    there = ", ".join(name for name, has in features.items() if has) or "none of them"
    lacking = ", ".join(name for name, has in features.items() if not has)
    found = f"{there}; no {lacking}" if lacking else there
    if features.get("AVX2", True):
        return Finding(section=SECTION, name="arithmetic", level=Level.OK, found=found)
    return Finding(
        section=SECTION,
        name="arithmetic",
        level=Level.WARNING,
        found=f"{found}: edits are slow",
        remedy="in a virtual machine, pass the host's processor through",
    )


def _fields(cpuinfo: str) -> dict[str, str]:
    """Return the first processor's fields."""
    first = cpuinfo.split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _quota(text: str) -> float | None:
    match text.split():
        case [granted, period] if granted.isdigit() and period.isdigit() and int(period):
            return int(granted) / int(period)
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
