"""The stage that lets frames wait until those after them are known: for files, where nobody waits for it."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from fader.runtime.faces.lookahead import AHEAD, Seen, settle
from fader.runtime.stages import NOMINAL_STEP_S, FaceFrame, crops_of

__all__ = ["look_ahead"]

P = TypeVar("P")
MAX_OTHERS = 4096
"""Other things that wait between the frames; memory is bounded by them."""


def look_ahead(items: Iterable[FaceFrame | P], size: int) -> Iterator[FaceFrame | P]:
    """Settle where each face is and how strongly it is edited, and cut it out.

    Args:
        items: Frames as `find_faces` leaves them without a size, and settled ones, among other things.
        size: Height and width of the crops.

    Yields:
        The same in the same order, frames up to `AHEAD` frames late. Where very many other things come
        between two frames, the first of them overtake the frames that wait.
    """
    waiting: deque[FaceFrame | P] = deque()
    window = _Window(size)
    for item in items:
        waiting.append(item)
        if isinstance(item, FaceFrame):
            window.add(item)
        elif len(waiting) > MAX_OTHERS + AHEAD:
            other = next(i for i, waits in enumerate(waiting) if not isinstance(waits, FaceFrame))
            yield waiting[other]
            del waiting[other]
        while waiting and window.lets_pass(waiting[0]):
            yield _passed(waiting.popleft(), window)
    while waiting:
        yield _passed(waiting.popleft(), window)


def _passed(item: FaceFrame | P, window: "_Window") -> FaceFrame | P:
    return window.settled(item) if isinstance(item, FaceFrame) else item


class _Window:
    """What was seen in the frames that wait, and in those just before them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen: deque[Seen] = deque()
        self._n_past = 0

    def add(self, frame: FaceFrame) -> None:
        time, last = frame.planes.frame.time, self._seen[-1].time_s if self._seen else -NOMINAL_STEP_S
        time = last + NOMINAL_STEP_S if time is None else time
        self._seen.append(Seen.of(frame.faces, self._size, time, is_cut=frame.is_cut))

    def lets_pass(self, item: object) -> bool:
        return not isinstance(item, FaceFrame) or item.settled or len(self._seen) - self._n_past > AHEAD

    def settled(self, frame: FaceFrame) -> FaceFrame:
        """Settle the first frame that waits, and let it be one of those before."""
        if not frame.settled:
            frame.faces = settle(list(self._seen), self._n_past, self._size)
            frame.crops = crops_of(frame.planes, frame.faces, self._size)
            frame.settled = True
        self._n_past += 1
        if self._n_past > AHEAD:
            self._seen.popleft()
            self._n_past -= 1
        return frame
