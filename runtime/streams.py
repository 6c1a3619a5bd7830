"""Frames that come one by one: arrays beside `av.VideoFrame`, and an async iterator over a thread.

`edit` stands for `Editor.stream` throughout: an iterator of frames to one of as many edited frames.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from concurrent.futures import Future
from fractions import Fraction
from typing import Any, TypeAlias

import av

__all__ = ["edit_async", "edit_mixed"]

_Edit: TypeAlias = Callable[[Iterator[Any]], Iterator[Any]]
QUEUE = 4
"""Edited frames that wait for their reader."""
_POLL_S = 0.1
_END = object()


def edit_mixed(
    frames: Iterable[Any],
    edit: _Edit,
    to_frame: Callable[[Any], av.VideoFrame],
    rate: float,
) -> Iterator[Any]:
    """Edit frames or arrays; each comes out as what it was.

    Args:
        frames: `av.VideoFrame`, or whatever `to_frame` takes.
        edit: Takes and gives `av.VideoFrame`.
        to_frame: Makes a frame of an array.
        rate: Arrays in a second.
    """
    were_arrays: deque[bool] = deque()
    step = 1 / Fraction(rate).limit_denominator(1001)

    def incoming() -> Iterator[av.VideoFrame]:
        for i, item in enumerate(frames):
            were_arrays.append(not isinstance(item, av.VideoFrame))
            frame = item if isinstance(item, av.VideoFrame) else to_frame(item)
            if were_arrays[-1]:
                frame.pts, frame.time_base = i, step
            yield frame

    for frame in edit(incoming()):
        yield frame.to_ndarray() if were_arrays.popleft() else frame


async def edit_async(frames: Iterable[Any] | AsyncIterable[Any], edit: _Edit) -> AsyncGenerator[Any, None]:
    """Run an edit in a thread, which ends before this iterator does: see `Editor.astream`."""
    work = _Work(frames, edit)
    try:
        while True:
            item = await work.ready.get()
            if item is _END:
                return
            if isinstance(item, _Failure):
                raise item.error
            work.slots.release()
            yield item
    finally:
        work.stop.set()
        # Elsewhere, since the thread may be waiting for this loop.
        await asyncio.shield(asyncio.to_thread(work.thread.join))


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _StoppedError(Exception):
    pass


class _Work:
    """The thread, and what passes between it and the loop."""

    def __init__(self, frames: Iterable[Any] | AsyncIterable[Any], edit: _Edit) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Queue[Any] = asyncio.Queue()
        self.slots = threading.Semaphore(QUEUE)
        self.stop = threading.Event()
        incoming = self._pulled(frames) if isinstance(frames, AsyncIterable) else self._checked(frames)
        self.thread = threading.Thread(
            target=self._run, args=(edit(incoming),), name="fader-astream", daemon=True
        )
        self.thread.start()

    def _run(self, edited: Iterator[Any]) -> None:
        try:
            for item in edited:
                while not self.slots.acquire(timeout=_POLL_S):
                    self._check()
                self._give(item)
            self._give(_END)
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to the reader
            self._give(_Failure(error))

    def _give(self, item: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.ready.put_nowait, item)

    def _check(self) -> None:
        if self.stop.is_set():
            raise _StoppedError

    def _checked(self, frames: Iterable[Any]) -> Iterator[Any]:
        for frame in frames:
            self._check()
            yield frame

    def _pulled(self, frames: AsyncIterable[Any]) -> Iterator[Any]:
        iterator = aiter(frames)

        async def following() -> Any:
            return await anext(iterator, _END)

        while True:
            self._check()
            coming: Future[Any] = asyncio.run_coroutine_threadsafe(following(), self._loop)
            while True:
                try:
                    item = coming.result(timeout=_POLL_S)
                    break
                except TimeoutError:
                    if coming.done():
                        raise
                    if self.stop.is_set():
                        coming.cancel()
                        raise _StoppedError from None
            if item is _END:
                return
            yield item
