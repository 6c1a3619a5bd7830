"""The way a frame takes: faces are found, rendered with other values, and the difference is added to it.

Each stage is a plain generator that keeps the order; things that are not frames pass through untouched, so
that copied packets keep their place between the frames.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.gradual import Gradual
from fader.runtime.faces.selection import FaceValues
from fader.runtime.faces.tracking import TrackedFace, Tracker
from fader.runtime.latents import Latents
from fader.runtime.model import Model
from fader.runtime.motion import Values
from fader.runtime.paste import delta
from fader.runtime.video.planes import FramePlanes

__all__ = ["Edited", "FaceFrame", "crops_of", "find_faces", "paste", "render"]

P = TypeVar("P")
_log = logging.getLogger(__name__)
MAX_WAITING = 16
"""Frames that wait for a batch of faces to fill; memory is bounded by it."""
NOMINAL_STEP_S = 1 / 25
"""From one frame to the next, for the smoothing's sake, where frames carry no time."""


@dataclass(kw_only=True, slots=True)
class FaceFrame:
    """A frame on its way, with its faces."""

    planes: FramePlanes
    """The frame."""
    faces: list[TrackedFace]
    """Its faces."""
    crops: NDArray[np.uint8]
    """(faces, S, S, 3) uint8 RGB."""
    tracker: bytes = b""
    """State of the tracker after this frame (see `Tracker.save`); empty where frames are unrelated."""
    is_cut: bool = False
    """Whether a scene begins with this frame; not the first of all."""
    settled: bool = True
    """Whether faces and crops are final; until `look_ahead` has settled them, there are no crops."""
    latents: Latents | None = None
    """Of the faces; filled by `render` where they are not known before, None where there is no face."""
    deltas: list[list[NDArray[np.float32]]] = field(default_factory=list)
    """For each output, for each face (3, S, S) float32, what to add; filled by `render`."""
    n_edited: int | None = None
    """Faces that an earlier run edited, where the frame is written already: it is not drawn, nor pasted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """A finished frame."""

    frame: av.VideoFrame
    """The frame."""
    faces: tuple[TrackedFace, ...]
    """Its faces; hidden and lost ones, whose edit still shows, among them."""
    n_edited: int
    """Faces whose pixels changed."""
    output: int = 0
    """Which of the outputs it is of, from 0."""
    resumed: bool = False
    """Whether an earlier run has written it."""


def find_faces(
    items: Iterable[av.VideoFrame | P], tracker: Tracker, size: int | None, *, rotation: int = 0
) -> Iterator[FaceFrame | P]:
    """Find, follow and cut out the faces of each frame.

    Args:
        items: Frames in display order, among other things.
        tracker: Used by this generator alone.
        size: Height and width of the crops; None leaves cutting them out, and edits that come and go
            gradually, to `fader.runtime.delay.look_ahead`.
        rotation: Degrees counter-clockwise by which frames are turned for display.
    """
    time_s, gradual = 0.0, Gradual()
    for item in items:
        if isinstance(item, av.VideoFrame):
            planes = FramePlanes(item, rotation=rotation)
            time_s = time_s + NOMINAL_STEP_S if item.time is None else item.time
            faces = tracker.update(planes, time_s)
            if size is not None:
                faces = gradual.update(faces, time_s, is_cut=tracker.at_cut)
            yield FaceFrame(
                planes=planes,
                faces=faces,
                crops=np.empty((0, 0, 0, 3), np.uint8) if size is None else crops_of(planes, faces, size),
                tracker=tracker.save(),
                is_cut=tracker.at_cut,
                settled=size is not None,
            )
        else:
            yield item


def crops_of(planes: FramePlanes, faces: list[TrackedFace], size: int) -> NDArray[np.uint8]:
    """Return the (faces, size, size, 3) uint8 RGB crops of a frame's faces."""
    crops = np.empty((len(faces), size, size, 3), np.uint8)
    for crop, face in zip(crops, faces, strict=True):
        cv2.convertScaleAbs(planes.sample(face.matrix, size), dst=crop)
    return crops


def render(
    items: Iterable[FaceFrame | P],
    model: Model,
    *outputs: Values,
    follow: bool = True,
    max_waiting: int = MAX_WAITING,
) -> Iterator[FaceFrame | P]:
    """Compute what each face's edit changes, several frames' faces in one batch.

    Args:
        items: Frames with faces, among other things.
        model: Encodes and decodes.
        outputs: The wanted values of each output, of all faces or of those whom a name begins with (see
            `FaceValues`); unnamed attributes, and other faces, keep the source's estimate.
        follow: Whether frames belong to one video, so that estimates are averaged over each track.
        max_waiting: Items that wait for a batch to fill; 1 renders each frame at once.
    """
    estimates = _Estimates() if follow else None
    wanted = [FaceValues(values, model.image_size, follow=follow) for values in outputs]
    waiting: list[FaceFrame | P] = []
    n_faces = 0
    for item in items:
        waiting.append(item)
        n_faces += len(item.faces) if isinstance(item, FaceFrame) else 0
        if n_faces >= model.max_batch or len(waiting) >= max_waiting:
            yield from _rendered(waiting, model, wanted, estimates)
            waiting, n_faces = [], 0
    yield from _rendered(waiting, model, wanted, estimates)
    for face in dict.fromkeys(face for values in wanted if follow for face in values.unseen):
        _log.warning("the face %s was never seen, so nothing of it is edited; --list-faces shows all", face)


def paste(
    items: Iterable[FaceFrame | P],
    compare: Callable[[av.VideoFrame, av.VideoFrame], av.VideoFrame] | None = None,
) -> Iterator[Edited | P]:
    """Add the changes to the frames' planes: a finished frame for each output, in their order.

    Args:
        items: Rendered frames, among other things.
        compare: Makes what is shown of the frame as it was and the edited one; None shows the edited one.
    """
    for item in items:
        if isinstance(item, FaceFrame) and item.n_edited is not None:
            yield Edited(
                frame=item.planes.frame, faces=tuple(item.faces), n_edited=item.n_edited, resumed=True
            )
        elif isinstance(item, FaceFrame):
            for output, changes in enumerate(item.deltas):
                # Only where something is added does each output get a copy of its own.
                planes, n_edited = item.planes.unchanged(), 0
                for face, change in zip(item.faces, changes, strict=True):
                    if np.any(change):
                        n_edited += planes.add(change, face.matrix)
                shown = planes.frame if compare is None else compare(item.planes.frame, planes.frame)
                yield Edited(frame=shown, faces=tuple(item.faces), n_edited=n_edited, output=output)
        else:
            yield item


class _Estimates:
    """The classifier's estimate for each track: the mean over the frames so far that show it."""

    def __init__(self) -> None:
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._counts: dict[int, int] = {}

    def add(self, face: TrackedFace, source_A: NDArray[np.float32]) -> NDArray[np.float32]:
        track = face.track
        # Where a face is hidden, the classifier reads what hides it.
        if face.measured is not None or track not in self._sums:
            self._sums[track] = self._sums.get(track, np.zeros(len(source_A))) + source_A
            self._counts[track] = self._counts.get(track, 0) + 1
        return np.asarray(self._sums[track] / self._counts[track], dtype=np.float32)


def _rendered(
    waiting: list[FaceFrame | P], model: Model, wanted: Sequence[FaceValues], estimates: _Estimates | None
) -> Iterator[FaceFrame | P]:
    frames = [item for item in waiting if isinstance(item, FaceFrame)]
    for frame in frames:
        frame.deltas = [[] for _ in wanted]
        for values in wanted:
            values.see(frame.faces, frame.planes.size, frame.planes.frame.time or 0.0, is_cut=frame.is_cut)
    frames = [frame for frame in frames if frame.faces]
    if frames:
        latents = _latents(frames, model, remember=estimates is None)
        faces = [face for frame in frames for face in frame.faces]
        source_NA = latents.source_NA
        if estimates is not None:
            rows = [estimates.add(face, row) for face, row in zip(faces, source_NA, strict=True)]
            source_NA = np.stack(rows)
        source_NA = model.attributes.decided(source_NA)
        times_N = np.array([frame.planes.frame.time or 0.0 for frame in frames for _ in frame.faces])
        each_NA = [values.apply(model.attributes, source_NA, times_N) for values in wanted]
        if any(frame.n_edited is None for frame in frames):
            same_NCHW = model.unedited(latents, source_NA)
            crops = [None if model.draws_changes else crop for frame in frames for crop in frame.crops]
            for output, wanted_NA in enumerate(each_NA):
                # A call for each: an engine may round differently in a batch of another size, and an output
                # must not depend on which others are made.
                drawn_NCHW = model.render(latents, wanted_NA, source_NA)
                # No change of values, no change of pixels, whatever an almost closed mask lets through.
                strengths = [
                    face.strength * bool(moves)
                    for face, moves in zip(faces, (wanted_NA != source_NA).any(axis=1), strict=True)
                ]
                pairs = zip(drawn_NCHW, same_NCHW, crops, strengths, strict=True)
                changes = [
                    delta(edited, same, crop, strength=strength) for edited, same, crop, strength in pairs
                ]
                for frame in frames:
                    n = len(frame.faces)
                    frame.deltas[output], changes = changes[:n], changes[n:]
        for frame in frames:
            n = len(frame.faces)
            frame.latents, latents = latents[:n], latents[n:]
    yield from waiting


def _latents(frames: list[FaceFrame], model: Model, *, remember: bool) -> Latents:
    known = [frame.latents for frame in frames if frame.latents is not None]
    if len(known) == len(frames):
        return model.join(known)
    # All of them where one is new: an engine may round differently in a batch of another size.
    # A video's crops hardly ever come again: remembered, they would only push out what callers encoded.
    return model.encode(np.concatenate([frame.crops for frame in frames]), remember=remember)
