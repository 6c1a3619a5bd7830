"""fader-run in this process, and what is expected of every refusal."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SIZE", "Done", "Run", "files", "refused"]

SIZE = (160, 120)
"""Width and height of the clips."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a command did."""

    code: object
    out: str
    err: str


Run = Callable[..., Done]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def refused(done: Done, *words: str) -> None:
    """One line on stderr with these words in it, nothing on stdout, exit code 1."""
    assert done.code == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: ")
    for word in words:
        assert word in done.err
