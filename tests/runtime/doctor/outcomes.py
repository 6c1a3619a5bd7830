"""Made-up outcomes of probes, and packages that stand before the real ones in children."""

import os
from pathlib import Path
from typing import Any

import pytest

from fader.runtime.doctor.children import Ending, Outcome

__all__ = ["crashed", "done", "failed", "refused", "stand_in", "timed_out"]


def done(**value: Any) -> Outcome:
    return Outcome(ending=Ending.DONE, value=value)


def refused(message: str) -> Outcome:
    return Outcome(ending=Ending.REFUSED, message=message)


def failed(message: str) -> Outcome:
    return Outcome(ending=Ending.FAILED, message=message)


def crashed() -> Outcome:
    return Outcome(ending=Ending.CRASHED, message="crashed by SIGSEGV")


def timed_out() -> Outcome:
    return Outcome(ending=Ending.TIMED_OUT, message="not done after 60 s")


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    """Let children import these modules, name to source, instead of the installed ones."""
    for name, source in modules.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(source)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
