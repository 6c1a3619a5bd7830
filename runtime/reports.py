"""What is told of a video while it is edited, and when it is done."""

from dataclasses import dataclass
from pathlib import Path

from fader.runtime.stages import Edited
from fader.runtime.timings import StageTime

__all__ = ["Count", "VideoProgress", "VideoReport"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoProgress:
    """How far a video is; given to `on_progress` after every frame."""

    frames: int
    """Frames written."""
    total: int | None
    """Frames in all, as the container says; None if it does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoReport:
    """What was done to a video."""

    source: Path
    """The file read."""
    target: Path
    """The file written."""
    frames: int
    """Frames written, as many as were read."""
    frames_with_faces: int
    """Frames in which a face was found."""
    frames_edited: int
    """Frames in which a pixel changed."""
    faces: int
    """Faces found, summed over frames."""
    faces_edited: int
    """Faces whose pixels changed, summed over frames."""
    tracks: int
    """Different faces that were followed."""
    seconds: float
    """Time taken, by all outputs together."""
    engine: str
    """The engine that rendered."""
    frames_from_store: int = 0
    """Frames whose faces and latents an earlier edit had stored."""
    frames_resumed: int = 0
    """Frames that an earlier run, which was stopped, had written."""
    timings: tuple[StageTime, ...] = ()
    """Where the time went, of all outputs together: decode, faces, render, write."""


class Count:
    """Adds up finished frames of one output."""

    def __init__(self) -> None:
        """Start at nought."""
        self.frames = self.with_faces = self.edited = self.faces = self.faces_edited = self.resumed = 0
        self._tracks: set[int] = set()

    def add(self, done: Edited) -> None:
        """Count one more frame."""
        self.frames += 1
        self.with_faces += bool(done.faces)
        self.edited += bool(done.n_edited)
        self.faces += len(done.faces)
        self.faces_edited += done.n_edited
        self.resumed += done.resumed
        self._tracks.update(face.track for face in done.faces)

    @property
    def tracks(self) -> int:
        """Different faces."""
        return len(self._tracks)
