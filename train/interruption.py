"""Ctrl-C and SIGTERM, kept until an iteration is whole: a checkpoint of half an update continues no run."""

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interruption"]

TERMINATED = 143


class Interruption:
    """While entered, the first signal is remembered; a second one is Ctrl-C as ever."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """What arrived, or None."""
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Signals are the main thread's; a library's caller in another thread has its own way to stop.
        if threading.current_thread() is threading.main_thread():
            self._old = {
                number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def reraise(self) -> None:
        """Raise what the signal would have raised; SIGTERM exits with 143."""
        if self.signal == signal.SIGTERM:
            raise SystemExit(TERMINATED)
        raise KeyboardInterrupt
