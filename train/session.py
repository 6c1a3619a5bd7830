"""How a run is run: for how long, by whom, and who is told where it is."""

from collections.abc import Callable
from dataclasses import dataclass

from fader.train.distributed import ALONE, Processes

__all__ = ["Observer", "Progress", "Session"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run is; given to its observer."""

    phase: str
    """"guide", "judge", "prototypes" or "autoencoder"."""
    done: int
    """Steps done in this phase."""
    total: int
    """Steps in this phase."""
    note: str = ""
    """Latest figures, for people."""
    alarm: str = ""
    """What there is to worry about, once."""


Observer = Callable[[Progress], None]


def _ignore(_: Progress) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What does not change the result."""

    minutes: float | None = None
    """Stop after this time, None to go on to the last iteration."""
    processes: Processes = ALONE
    """This process among those that train together."""
    observe: Observer = _ignore
    """Called often with the progress."""
