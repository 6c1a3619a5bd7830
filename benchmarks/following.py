"""Faces followed through a clip with one of three smoothings; shared by the other scripts here."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from fader.runtime import Editor
from fader.runtime.delay import look_ahead
from fader.runtime.motion import Values
from fader.runtime.stages import Edited, FaceFrame, crops_of, find_faces, paste, render
from fader.runtime.video import VideoSource

__all__ = ["SMOOTHINGS", "Picture", "edited_pairs", "followed", "picture"]

Picture = NDArray[np.uint8]
SMOOTHINGS = ("none", "One Euro", "zero-phase")


def followed(editor: Editor, clip: Path, smoothing: str = "zero-phase") -> Iterator[FaceFrame]:
    """Yield the clip's frames with faces: as measured, as live input has them, or as files have them."""
    with VideoSource(clip) as source:
        frames = (item for item in source.items() if isinstance(item, av.VideoFrame))
        size = editor.image_size if smoothing == "One Euro" else None
        found = find_faces(frames, editor.tracker(), size, rotation=source.rotation)
        settled = look_ahead(found, editor.image_size) if smoothing == "zero-phase" else found
        for frame in settled:
            if isinstance(frame, FaceFrame):
                yield as_measured(frame, editor.image_size) if smoothing == "none" else frame


def as_measured(frame: FaceFrame, size: int) -> FaceFrame:
    """Return the frame with the faces where the frame alone shows them."""
    frame.faces = [replace(f, matrix=f.measured.matrix) for f in frame.faces if f.measured is not None]
    frame.crops, frame.settled = crops_of(frame.planes, frame.faces, size), True
    return frame


def edited_pairs(
    editor: Editor, clip: Path, values: Values, smoothing: str = "zero-phase"
) -> Iterator[tuple[Picture, Picture]]:
    """Yield each frame before and after the edit, as (H, W, 3) uint8 RGB."""
    before: deque[Picture] = deque()

    def remembered() -> Iterator[FaceFrame]:
        for frame in followed(editor, clip, smoothing):
            before.append(picture(frame.planes.frame))
            yield frame

    for done in paste(render(remembered(), editor.model, values)):
        if isinstance(done, Edited):
            yield before.popleft(), picture(done.frame)


def picture(frame: av.VideoFrame) -> Picture:
    """Return a frame as (H, W, 3) uint8 RGB."""
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
