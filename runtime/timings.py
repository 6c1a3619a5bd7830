"""Where the time of a video goes: how long each stage worked, and how long it waited for its neighbours.

Stages are chained: what one yields, the next one reads. A stage that waits for its input is faster than the
one before it; one that waits to hand on is faster than the one after it. The slowest hardly waits.
"""

import time
from dataclasses import dataclass

__all__ = ["Clock", "Stage", "StageTime", "Stopwatch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTime:
    """Seconds of one stage."""

    stage: str
    """Its name."""
    working: float
    """Computing, reading or writing."""
    for_input: float
    """Waiting for the stage before it."""
    for_output: float
    """Waiting for the stage after it."""


class Clock:
    """Times a chain of stages, from the first to the last.

    Each stage's figures are written by its own thread alone; read them when all have ended.
    """

    def __init__(self) -> None:
        """Start without a stage."""
        self._stages: list[Stage] = []

    def stage(self, name: str) -> "Stage":
        """Add the next stage of the chain."""
        self._stages.append(Stage(name, self._stages[-1] if self._stages else None))
        return self._stages[-1]

    def read(self) -> tuple[StageTime, ...]:
        """Return the stages' times, in order."""
        return tuple(stage.read() for stage in self._stages)


class Stage:
    """One stage's watches."""

    def __init__(self, name: str, before: "Stage | None") -> None:
        """Start at nought; `before` feeds it."""
        self._name, self._before = name, before
        self.inside = Stopwatch()
        """Runs while the next item is made, waiting for input included."""
        self.handing_on = Stopwatch()
        """Runs until the next stage has room."""
        self.awaited = Stopwatch()
        """Runs, in the next stage's thread, while that waits for this one."""

    def read(self) -> StageTime:
        """Return the seconds so far."""
        for_input = self._before.awaited.seconds if self._before is not None else 0.0
        return StageTime(
            stage=self._name,
            working=max(0.0, self.inside.seconds - for_input),
            for_input=for_input,
            for_output=self.handing_on.seconds,
        )


class Stopwatch:
    """Adds up the seconds of `with` blocks, of one thread at a time."""

    def __init__(self) -> None:
        """Start at nought."""
        self.seconds = self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began
