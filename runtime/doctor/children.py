"""Probes in child processes: a crash or a time-out of one is an outcome, not the end of the doctor."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

__all__ = ["Child", "Ending", "Outcome", "read_outcome", "start_probe"]

PROBE = "fader.runtime.doctor.probe"
KILL_TIMEOUT_S = 2.0


class Ending(StrEnum):
    """How a child ended."""

    DONE = "done"
    """With a value."""
    REFUSED = "refused"
    """With an error of fader's, which says what to do."""
    FAILED = "failed"
    """With any other error."""
    CRASHED = "crashed"
    """By a signal."""
    TIMED_OUT = "timed out"
    """It was ended, because it took too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a child."""

    ending: Ending
    """How it ended."""
    value: Any = None
    """What it found, of JSON's types; None unless it is done."""
    message: str = ""
    """Why it has no value, in one line."""


class Child:
    """A running child. Leaving the context ends it and everything that it started."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start a command that prints one line of JSON, {"value": …} or {"error": text, "is_ours": bool}.

        Args:
            command: Program and arguments.
        """
        # A session of its own: what the child starts can be ended with it.
        self._process = subprocess.Popen(  # noqa: S603  # a list, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def outcome(self, timeout_s: float) -> Outcome:
        """Wait for the child's end, and return what came of it.

        Args:
            timeout_s: Seconds since its start after which it is ended.
        """
        left_s = max(0.0, self._began_s + timeout_s - time.monotonic())
        try:
            out, err = self._process.communicate(timeout=left_s)
        except subprocess.TimeoutExpired:
            self._end()
            return Outcome(ending=Ending.TIMED_OUT, message=f"not done after {timeout_s:g} s")
        return read_outcome(self._process.returncode, out, err)

    def _end(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        # A process that hangs in a driver does not even end when it is killed.
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=KILL_TIMEOUT_S)


def read_outcome(code: int, out: str, err: str) -> Outcome:
    """Return what came of a child.

    Args:
        code: Its exit status, as `subprocess` has it: below 0 for a signal.
        out: What it printed on stdout.
        err: And on stderr.
    """
    if code < 0:
        return Outcome(ending=Ending.CRASHED, message=f"crashed by {_signal_name(-code)}")
    try:
        result = json.loads(out)
    except ValueError:
        result = None
    match result:
        case {"value": value}:
            return Outcome(ending=Ending.DONE, value=value)
        case {"error": str(error), "is_ours": bool(is_ours)}:
            ending = Ending.REFUSED if is_ours else Ending.FAILED
            return Outcome(ending=ending, message=" ".join(error.split()))
    last = (err.strip().splitlines() or ["it said nothing"])[-1].strip()
    return Outcome(ending=Ending.FAILED, message=f"ended with code {code}: {last}")


def start_probe(name: str, *arguments: str) -> Child:
    """Start a probe in a child.

    Args:
        name: One of `fader.runtime.doctor.probe.PROBES`.
        arguments: The probe's.
    """
    # -P: no file of the folder in which the doctor was called takes a library's place.
    return Child([sys.executable, "-P", "-m", PROBE, name, *arguments])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
