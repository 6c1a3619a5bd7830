"""The examination: every probe is run, and every finding is made."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import platformdirs

from fader.runtime.doctor.caches import find_cache, read_cache
from fader.runtime.doctor.children import Ending, Outcome, start_probe
from fader.runtime.doctor.codecs import find_codecs
from fader.runtime.doctor.engines import (
    AUTO,
    engine_to_try,
    find_auto,
    find_bundle,
    find_edit,
    find_engine,
    find_gpu_use,
    find_listing,
)
from fader.runtime.doctor.findings import Finding, Level
from fader.runtime.doctor.gpu import (
    driver_version,
    find_cuda_packages,
    find_gpu,
    gpu_facts,
    gpus_on_the_bus,
)
from fader.runtime.doctor.packages import (
    find_library,
    find_optional,
    find_python,
    installed_packages,
)
from fader.runtime.doctor.pairings import find_pairings
from fader.runtime.doctor.processor import find_processor, read_processor
from fader.runtime.pairing import provider_tensorrt

__all__ = ["Report", "examine"]

QUICK = ("numpy", "opencv", "pyav", "nvenc", "bundle", "engines", "gpu", "smi")
"""Probes that measure no time, and so may run at once."""
QUICK_TIMEOUT_S, ENGINE_TIMEOUT_S = 30.0, 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the doctor found."""

    findings: tuple[Finding, ...]
    """In the order in which they are to be read."""
    engine: str | None
    """The engine that "auto" takes here; None if it takes none."""
    can_edit: bool
    """Whether a clip was edited."""

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level is level for finding in self.findings)

    def to_fields(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return {
            "can_edit": self.can_edit,
            "engine": self.engine,
            "findings": [asdict(finding) for finding in self.findings],
        }


def examine(on_step: Callable[[str], None] = lambda _: None) -> Report:
    """Look at everything; it takes some seconds, and puts the choice of "auto" into the user's cache.

    Args:
        on_step: Is told what is done next.
    """
    installed = installed_packages()
    on_step("loading libraries and drivers")
    quick = _quick()
    gpu = gpu_facts(quick["gpu"], quick["smi"], on_bus=gpus_on_the_bus(), driver=driver_version())
    has_gpu = bool(gpu.devices)
    engines = _engines(quick, on_step)
    auto = _probe("engine", AUTO) if engines else None
    engine = engine_to_try(auto, engines)
    on_step("editing a clip")
    edit = _probe("edit", engine) if engine else None
    findings = [
        *find_python(),
        find_library("NumPy", "numpy", quick["numpy"], installed),
        find_library("OpenCV", "opencv-python-headless", quick["opencv"], installed),
        find_library("PyAV", "av", quick["pyav"], installed),
        *find_optional(installed, has_gpu=has_gpu),
        *find_pairings(installed, gpu, provider_tensorrt()),
        *find_processor(read_processor()),
        *find_gpu(gpu),
        *find_cuda_packages(installed, gpu),
        *find_codecs(quick["pyav"], quick["nvenc"], has_gpu=has_gpu),
        *find_cache(read_cache(platformdirs.user_cache_path("fader"))),
        find_bundle(quick["bundle"]),
        *find_listing(quick["engines"]),
        *(find_engine(name, outcome, installed, has_gpu=has_gpu) for name, outcome in engines.items()),
        *find_auto(auto, engines),
        *find_gpu_use(auto, engines, has_gpu=has_gpu),
        find_edit(edit, engine),
    ]
    return Report(
        findings=tuple(findings),
        engine=auto.value["engine"] if auto and auto.ending is Ending.DONE else None,
        can_edit=edit is not None and edit.ending is Ending.DONE,
    )


def _quick() -> dict[str, Outcome]:
    with ExitStack() as running:
        children = {name: running.enter_context(start_probe(name)) for name in QUICK}
        return {name: child.outcome(QUICK_TIMEOUT_S) for name, child in children.items()}


def _probe(name: str, *arguments: str) -> Outcome:
    with start_probe(name, *arguments) as child:
        return child.outcome(ENGINE_TIMEOUT_S)


def _engines(quick: dict[str, Outcome], on_step: Callable[[str], None]) -> dict[str, Outcome]:
    """Try one after the other, so that none takes the processor's time from another."""
    if quick["bundle"].ending is not Ending.DONE or quick["engines"].ending is not Ending.DONE:
        return {}
    outcomes = {}
    for name in quick["engines"].value:
        on_step(f"trying the engine {name}")
        outcomes[name] = _probe("engine", name)
    return outcomes
