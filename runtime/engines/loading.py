"""Loading native libraries: an interruption waits until they are whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["undisturbed"]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back while the body runs, and deliver them afterwards.

    A library whose loading is interrupted crashes the process, or passes for one that is not installed.
    """
    held: list[int] = []
    with ExitStack() as restored:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if callable(before):
                    restored.callback(signal.signal, number, before)
                    signal.signal(number, lambda got, _: held.append(got))
        yield
    for got in held:
        signal.raise_signal(got)
