"""A command called in this process, in which torch is loaded already, and how it ended."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int | str | None
    out: str
    err: str

    def error(self) -> str:
        """Return the one line of an error."""
        assert self.code == 1
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        return self.err


Run = Callable[..., Outcome]
"""Runs a command with the words given."""


def call(
    main: Callable[[], None],
    words: list[str | Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outcome:
    """Run a command's entry point with a command line, its name first."""
    monkeypatch.setattr(sys, "argv", [*map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return Outcome(code=ended.value.code, out=captured.out, err=captured.err)
