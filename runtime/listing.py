"""The faces of a video without an edit: which tracks there are, from when to when, and where."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from fader.console import progress
from fader.runtime.editor import Editor
from fader.runtime.faces.smoothing import pose_of
from fader.runtime.faces.tracking import FaceOptions, TrackedFace
from fader.runtime.video import VideoSource
from fader.runtime.video.planes import FramePlanes

__all__ = ["Track", "sentence_of", "tracks_in"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One face that was followed."""

    number: int
    """As `--face` takes it."""
    start: float
    """Time of the first frame, seconds."""
    stop: float
    """Time of the last frame, seconds."""
    frames: int
    """Frames in which it was seen."""
    x: float
    """Where it is on average, as a share of the frame's width."""
    y: float
    """Where it is on average, as a share of the height."""
    height: float
    """How high the model's crop of it is on average, as a share of the frame's height."""


def tracks_in(
    editor: Editor, path: str | Path, faces: FaceOptions | None = None, *, quiet: bool = True
) -> list[Track]:
    """Follow the faces of a video as an edit does.

    Args:
        editor: The model, whose crops they are.
        path: Video file.
        faces: How faces are searched for; other options number other tracks.
        quiet: Without a progress bar.

    Raises:
        ConfigError: frames are no crops, though they were said to be.
        MediaError: the video cannot be read.
    """
    tracker, seen = editor.tracker(faces), dict[int, list[tuple[float, ...]]]()
    with VideoSource(path) as source, progress(source.path.name, unit="frames", quiet=quiet) as bar:
        n = 0
        for item in source.items():
            if not isinstance(item, av.VideoFrame):
                continue
            planes = FramePlanes(item, rotation=source.rotation)
            time_s = item.time or 0.0
            for face in tracker.update(planes, time_s):
                place = _place(face, planes.size, editor.image_size)
                seen.setdefault(face.track, []).append((time_s, *place))
            n += 1
            bar.at(n, source.frame_count)
    return [_track(number, np.array(rows)) for number, rows in sorted(seen.items())]


def sentence_of(track: Track) -> str:
    """Say in a line when and where a face is."""
    return (
        f"{track.number:4}  {track.start:8.2f}s to {track.stop:8.2f}s  {track.frames:6} frames  "
        f"at {track.x:.2f},{track.y:.2f}  {track.height:4.0%} of the height"
    )


def _place(face: TrackedFace, size: tuple[int, int], crop: int) -> tuple[float, float, float]:
    octaves, _, x, y = pose_of(face.matrix, crop).tolist()
    return (x + 0.5) / size[0], (y + 0.5) / size[1], 2**octaves / size[1]


def _track(number: int, rows: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Track:
    _, x, y, height = rows.mean(axis=0).tolist()
    start, stop = float(rows[0, 0]), float(rows[-1, 0])
    return Track(number=number, start=start, stop=stop, frames=len(rows), x=x, y=y, height=height)
