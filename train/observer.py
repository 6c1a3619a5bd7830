"""Where a run is, told to whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Observer", "Progress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run is; given to its observer."""

    phase: str
    """"guide", "judge" or "autoencoder"."""
    done: int
    """Steps done in this phase."""
    total: int
    """Steps in this phase."""
    note: str = ""
    """Latest figures, for people."""
    alarm: str = ""
    """What there is to worry about, once."""


Observer = Callable[[Progress], None]
