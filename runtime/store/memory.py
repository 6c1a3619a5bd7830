"""The two stages that read what is stored of a video and write what is not, between those of an edit.

decode → **recall** → find_faces → look_ahead → render → **record** → paste. Frames of earlier edits pass as
they are, and look_ahead takes what was measured in them for those after them; the first one that is not known
sets the tracker to where it was, and everything from there on is computed and recorded. Whatever goes wrong
with the store is logged once, and the edit goes on without it.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import av

from fader.errors import StoreError
from fader.runtime.faces.tracking import FaceOptions, Tracker
from fader.runtime.model import Model
from fader.runtime.stages import FaceFrame
from fader.runtime.store.database import DamagedStoreError, SourceDatabase, remove
from fader.runtime.store.folder import LatentStore
from fader.runtime.store.keys import store_key
from fader.runtime.store.records import Record
from fader.runtime.video import VideoSource
from fader.runtime.video.planes import FramePlanes

__all__ = ["VideoMemory"]

_log = logging.getLogger(__name__)
P = TypeVar("P")
AT_ONCE = 16
"""Frames in one transaction."""


class VideoMemory:
    """What is known of one video, for one edit.

    `recall` and `record` are stages of the same edit; each frame passes the first before the second.
    """

    n_recalled: int
    """Frames that came from the store."""

    def __init__(
        self, store: LatentStore, source: VideoSource, model: Model, faces: FaceOptions | None = None
    ) -> None:
        """Open the video's database; one that is damaged is removed and begun anew.

        Args:
            store: Where.
            source: The video, a file.
            model: What the latents are of.
            faces: How faces are searched for.
        """
        self.n_recalled = 0
        self._store, self._source, self._model = store, source, model
        self._waiting: deque[Record] = deque()
        self._pending: list[Record] = []
        self._database: SourceDatabase | None = None
        self._path = Path()
        try:
            self._stamp = _stamp(source.path)
            key = store_key(source, model, faces or FaceOptions())
            self._path = store.database(key)
            try:
                self._database = SourceDatabase(self._path, key, str(source.path.absolute()))
            except DamagedStoreError as error:
                self._give_up(error)
                self._database = SourceDatabase(self._path, key, str(source.path.absolute()))
            os.utime(self._path)  # the order of eviction
        except (StoreError, OSError) as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit the last frames, of an edit that was broken off too, and close the database."""
        self._commit()
        self._close()

    def recall(
        self, items: Iterable[av.VideoFrame | P], tracker: Tracker
    ) -> Iterator[FaceFrame | av.VideoFrame | P]:
        """Turn the frames that are known into frames with faces and latents; pass on everything else.

        Args:
            items: Decoded frames from the first on, among other things.
            tracker: Will follow the faces of the frames that are not known.
        """
        known: tuple[av.VideoFrame, bytes] | None = None
        at_end = False
        for item in items:
            if at_end or not isinstance(item, av.VideoFrame):
                yield item
            elif (frame := self._recalled(item)) is not None:
                known = item, frame.tracker
                self.n_recalled += 1
                yield frame
            else:
                at_end = True
                if known is not None:
                    last = FramePlanes(known[0], rotation=self._source.rotation)
                    tracker.resume(known[1], last)
                yield item

    def record(self, items: Iterable[FaceFrame | P]) -> Iterator[FaceFrame | P]:
        """Store the frames that `recall` did not know, as they pass."""
        number = 0
        for item in items:
            if isinstance(item, FaceFrame):
                if number >= self.n_recalled and self._database is not None:
                    self._pending.append(Record.of(item, number))
                    if len(self._pending) >= AT_ONCE:
                        self._commit()
                number += 1
            yield item

    def _recalled(self, frame: av.VideoFrame) -> FaceFrame | None:
        try:
            if not self._waiting and self._database is not None:
                self._waiting.extend(self._database.read(self.n_recalled, AT_ONCE))
            if not self._waiting:
                return None
            record = self._waiting.popleft()
            if record.pts != frame.pts:
                raise DamagedStoreError(f"{self._path}: frame {record.number} has another time stamp")
            return record.frame(frame, self._model, rotation=self._source.rotation)
        except StoreError as error:
            self._give_up(error)
            return None

    def _commit(self) -> None:
        records, self._pending = self._pending, []
        if not records or self._database is None:
            return
        try:
            if _stamp(self._source.path) != self._stamp:
                raise DamagedStoreError(f"{self._source.path} was changed while it was read")
            self._store.make_room(self._path)
            if not self._database.append(records):
                _log.info("%s: another edit of %s is storing it", self._path, self._source.path)
                self._close()
        except (StoreError, OSError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._close()
        if isinstance(error, DamagedStoreError):
            remove(self._path)
            _log.warning("%s; it is removed, and what it held is computed again", error)
        else:
            said = str(error)
            if isinstance(error, OSError) and error.filename is not None:
                said = f"{error.filename}: {error.strerror}"
            _log.warning("%s; this edit goes on without the store", said)

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
