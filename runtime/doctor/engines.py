"""The shipped bundle, the engines, and whether an edit can be made."""

from collections.abc import Mapping

from rich.filesize import decimal

from fader.runtime.doctor.children import Ending, Outcome
from fader.runtime.doctor.findings import Finding, Level
from fader.runtime.doctor.packages import Installed

__all__ = [
    "AUTO",
    "engine_to_try",
    "find_auto",
    "find_bundle",
    "find_edit",
    "find_engine",
    "find_gpu_use",
    "find_listing",
    "uses_gpu",
]

AUTO = "auto"
SECTION = "Engines"
GPU_WORDS = ("cuda", "tensorrt")


def uses_gpu(engine: str) -> bool:
    """Tell from an engine's name whether it runs on a GPU."""
    return any(word in engine for word in GPU_WORDS)


def engine_to_try(auto: Outcome | None, engines: Mapping[str, Outcome]) -> str | None:
    """Return the engine that an edit should take here, None if there is none.

    Args:
        auto: Outcome of the probe of "auto"; None if it was not tried, for want of a bundle.
        engines: Name to outcome of each one's probe.
    """
    if auto is not None and auto.ending is Ending.DONE:
        return AUTO
    works = {name: outcome.value["ms"] for name, outcome in engines.items() if outcome.ending is Ending.DONE}
    return min(works, key=works.__getitem__, default=None)


def find_bundle(outcome: Outcome) -> Finding:
    """Judge the shipped bundle by the outcome of its probe."""
    if outcome.ending is Ending.DONE:
        value = outcome.value
        found = (
            f"{value['name']} verifies: {', '.join(value['attributes'])}; {value['size']} px, "
            f"{decimal(value['bytes'])}, id {value['id'][:12]}"
        )
        return _finding("shipped model", Level.OK, found)
    is_damaged = outcome.ending is Ending.REFUSED
    remedy = "pip install --force-reinstall --no-deps fader" if is_damaged else "mend the errors above first"
    return _finding("shipped model", Level.ERROR, outcome.message, remedy)


def find_listing(outcome: Outcome) -> list[Finding]:
    """Say why the engines cannot even be listed, by the outcome of that probe."""
    if outcome.ending is Ending.DONE:
        return []
    return [_finding("all engines", Level.ERROR, outcome.message, "mend the errors above first")]


def find_engine(name: str, outcome: Outcome, installed: Installed, *, has_gpu: bool) -> Finding:
    """Judge an engine by the outcome of its probe.

    Args:
        name: One of ENGINES.
        outcome: Of its probe.
        installed: Packages.
        has_gpu: Whether the NVIDIA driver shows a GPU.
    """
    if outcome.ending is Ending.DONE:
        return _finding(name, Level.OK, f"{outcome.value['ms']:.1f} ms an image, one at a time")
    if outcome.ending is Ending.REFUSED and uses_gpu(name) and not has_gpu:
        return _finding(name, Level.NOTE, "needs an NVIDIA GPU")
    if outcome.ending is Ending.REFUSED:
        return _finding(name, Level.NOTE, *_split(outcome.message))
    if outcome.ending is Ending.TIMED_OUT:
        remedy = f"fader-run --engine {name}, which waits for it; or take another engine"
    else:
        packages = _packages_of(name, installed)
        # Of two that overwrite each other neither can be installed again.
        is_one = len(packages) == 1
        again = f"pip install --force-reinstall {packages[0]}; or " if is_one else ""
        remedy = f"{again}take another engine"
    return _finding(name, Level.WARNING, outcome.message, remedy)


def _packages_of(engine: str, installed: Installed) -> list[str]:
    family = engine.split("-", maxsplit=1)[0]
    packages = [package for package in installed if package == family or package.startswith(f"{family}-")]
    # Their helpers (openvino-telemetry, tensorrt-cu13-libs) come along as dependencies.
    return [package for package in packages if not package.endswith(("-telemetry", "-libs", "-bindings"))]


def find_auto(auto: Outcome | None, engines: Mapping[str, Outcome]) -> list[Finding]:
    """Say which engine "auto" takes; arguments as for `engine_to_try`."""
    if auto is None:
        return []
    if auto.ending is Ending.DONE:
        return [_finding(AUTO, Level.OK, f"takes {auto.value['engine']}")]
    other = engine_to_try(auto, engines)
    found, remedy = _split(auto.message)
    return [_finding(AUTO, Level.ERROR, found, f"fader-run --engine {other}" if other else remedy)]


def find_gpu_use(auto: Outcome | None, engines: Mapping[str, Outcome], *, has_gpu: bool) -> list[Finding]:
    """Warn of a GPU that edits leave idle.

    Args:
        auto: Outcome of the probe of "auto".
        engines: Name to outcome of each one's probe.
        has_gpu: Whether the NVIDIA driver shows a GPU.
    """
    if not has_gpu or auto is None or auto.ending is not Ending.DONE or uses_gpu(auto.value["engine"]):
        return []
    able = [name for name in engines if uses_gpu(name)]
    working = [name for name in able if engines[name].ending is Ending.DONE]
    if working:
        remedy = (
            f"compare: fader-run --engine {working[0]}; auto takes the one that it measured as the fastest"
        )
    elif able:
        remedy = f"mend one of {', '.join(able)}, as said above"
    else:
        remedy = "nothing: no engine of this version runs on a GPU"
    found = f"there is one, and {auto.value['engine']}, which auto takes, does not use it"
    return [_finding("GPU", Level.WARNING, found, remedy)]


def find_edit(outcome: Outcome | None, engine: str | None) -> Finding:
    """Say whether a clip can be edited here, from file to file.

    Args:
        outcome: Of the probe "edit"; None if it was not tried, for want of an engine.
        engine: Which it was to take.
    """
    if outcome is not None and outcome.ending is Ending.DONE:
        value = outcome.value
        found = f"{value['frames']} frames of {value['codec']} in {value['seconds']:.1f} s, by {engine}"
        return _finding("an edit", Level.OK, found)
    found, remedy = _split(outcome.message) if outcome else ("no engine works here", None)
    return _finding("an edit", Level.ERROR, found, remedy or "mend the errors above first")


def _split(message: str) -> tuple[str, str | None]:
    """Part what was found from the command that mends it, where an error names one."""
    found, colon, command = message.partition(": pip ")
    return (found, f"pip {command}") if colon else (message, None)


def _finding(name: str, level: Level, found: str, remedy: str | None = None) -> Finding:
    return Finding(section=SECTION, name=name, level=level, found=found, remedy=remedy)
