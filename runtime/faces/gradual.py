"""Edits that come and go gradually in streams, where nothing of what follows is known.

Files know better: `fader.runtime.faces.lookahead`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fader.runtime.faces.lookahead import FADE_S
from fader.runtime.faces.tracking import TrackedFace

__all__ = ["Gradual"]

GONE_S = 0.15
"""In which the edit of a lost face goes, at the place where the face was seen last; longer, and it would be
seen to stay behind."""


@dataclass(slots=True)
class _Known:
    face: TrackedFace
    share: float


class Gradual:
    """How much of each face's edit shows, frame by frame."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._last_s: float | None = None

    def update(self, faces: Sequence[TrackedFace], time_s: float, *, is_cut: bool) -> list[TrackedFace]:
        """Return the faces of the next frame with the strength of their edits, lost ones among them.

        A face that the stream or a scene begins with has all of its edit at once. One that comes later gets
        it within a quarter of a second, one that is lost keeps it where it was for a moment, less and less.

        Args:
            faces: What the tracker found.
            time_s: The frame's time, seconds.
            is_cut: Whether a scene begins with it.
        """
        is_new = is_cut or self._last_s is None
        passed_s = max(0.0, time_s - (time_s if self._last_s is None else self._last_s))
        self._last_s = time_s
        before = {} if is_new else self._known
        self._known = {}
        for face in faces:
            earlier = before.get(face.track)
            share = 1.0 if is_new else (earlier.share if earlier else 0.0) + passed_s / FADE_S
            self._known[face.track] = _Known(face, min(1.0, share))
        for track, lost in before.items():
            share = lost.share - passed_s / GONE_S
            if track not in self._known and share > 0:
                self._known[track] = _Known(replace(lost.face, score=0.0, measured=None), share)
        return [
            replace(known.face, strength=known.face.strength * known.share)
            for _, known in sorted(self._known.items())
        ]
