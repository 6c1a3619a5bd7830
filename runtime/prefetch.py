"""Stages in threads: a generator runs ahead of its reader by a bounded number of items."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fader.runtime.timings import Clock, Stage

__all__ = ["prefetch"]

T = TypeVar("T")
_POLL_S = 0.1


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


@contextmanager
def prefetch(
    items: Iterable[T], depth: int, *, name: str, clock: Clock | None = None
) -> Iterator[Iterator[T]]:
    """Run an iterable in a thread of its own while the body reads what it yields, in order.

    An exception in it is raised in the reader, with its cause. When the body ends, for whatever reason, the
    thread stops after the item that it is at, and a generator is closed there.

    Args:
        items: Read by the new thread alone.
        depth: Items that may wait, 1 or more; memory is bounded by them.
        name: Of the stage; its thread is called fader-NAME.
        clock: Counts it as the next stage of a chain; None where nobody asks.
    """
    stage = (clock or Clock()).stage(name)
    waiting: queue.Queue[object] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in _timed(items, stage):
                with stage.handing_on:
                    going = put(item)
                if not going:
                    break
            else:
                put(_END)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to the reader
            put(_Failure(error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name=f"fader-{name}", daemon=True)
    thread.start()
    try:
        yield _drain(waiting, stage)
    finally:
        stop.set()
        thread.join()


def _timed(items: Iterable[T], stage: Stage) -> Iterator[T]:
    source = iter(items)
    while True:
        with stage.inside:
            item = next(source, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]  # the sentinel's type is lost


def _drain(waiting: "queue.Queue[Any]", stage: Stage) -> Iterator[Any]:
    while True:
        with stage.awaited:
            item = waiting.get()
        if item is _END:
            return
        if isinstance(item, _Failure):
            raise item.error
        yield item
