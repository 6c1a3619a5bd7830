"""How far a build is, from TensorRT's nested phases."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["OnProgress", "Phases", "make_monitor"]

OnProgress = Callable[[float, str], None]
"""Called with an estimate of the share done (0 to 1, never falling) and a few words: what is being done."""
STEP = 0.001
OUTER = 2  # depth of the phases whose beginning is always told; those within are many and short


@dataclass(slots=True)
class _Phase:
    parent: str | None
    depth: int
    steps: int
    done: int = 0
    inner_done: int = 0


class Phases:
    """The phases that are under way, and what share of the outermost they make.

    TensorRT tells how many steps a phase has, not how many phases a step has. So each phase within a step is
    given half of what the step has left: the estimate never falls and never ends early.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        """Start with none.

        Args:
            on_progress: Told of every new outer phase, and of every tenth of a per cent.
        """
        self._on_progress = on_progress
        self._phases: dict[str, _Phase] = {}
        self._told = -1.0
        self._lock = threading.Lock()  # TensorRT may build in several threads

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase of so many steps within its parent, None for the outermost."""
        with self._lock:
            depth = self._phases[parent].depth + 1 if parent in self._phases else 0
            self._phases[name] = _Phase(parent, depth, max(steps, 1))
            self._tell(name, always=depth <= OUTER)

    def step(self, name: str, index: int) -> None:
        """Note that a step, counted from 0, is done."""
        with self._lock:
            if phase := self._phases.get(name):
                phase.done, phase.inner_done = min(index + 1, phase.steps), 0
                self._tell(name, always=False)

    def finish(self, name: str) -> None:
        """End a phase."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase and phase.parent in self._phases:
                self._phases[phase.parent].inner_done += 1

    def _share(self, name: str) -> float:
        phase = self._phases[name]
        inner = max(
            (self._share(child) for child, p in self._phases.items() if p.parent == name), default=0.0
        )
        left = 0.5**phase.inner_done
        return min((phase.done + 1 - left + left / 2 * inner) / phase.steps, 1.0)

    def _tell(self, name: str, *, always: bool) -> None:
        roots = [other for other, phase in self._phases.items() if not phase.depth]
        share = max(self._told, 0.0, *(self._share(root) for root in roots))
        if always or share >= self._told + STEP:
            self._told = share
            phase = self._phases[name]
            self._on_progress(share, f"{name}, {phase.done} of {phase.steps}")


def make_monitor(trt: ModuleType, phases: Phases) -> Any:
    """Return an IProgressMonitor that follows a build.

    Source: `IProgressMonitor` in TensorRT's Python interface: parent_phase is None for an independent phase,
    steps are counted from 0, and step_complete returns whether to go on.
    """
    base: Any = trt.IProgressMonitor

    class Monitor(base):  # type: ignore[misc]  # a class of a module that is chosen at run time
        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            phases.step(phase_name, step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()
