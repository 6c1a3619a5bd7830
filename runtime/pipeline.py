"""From one video file to another: decoding, faces, rendering and encoding in threads with bounded queues."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions, Tracker
from fader.runtime.motion import Values
from fader.runtime.prefetch import prefetch
from fader.runtime.stages import Edited, FaceFrame, find_faces, paste, render
from fader.runtime.store import LatentStore, VideoMemory
from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget

__all__ = ["VideoProgress", "VideoReport", "edit_video"]

T = TypeVar("T")
_Passing: TypeAlias = "FaceFrame | Packet[Stream]"
QUEUE = 8


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
    """Time taken."""
    engine: str
    """The engine that rendered."""
    frames_from_store: int = 0
    """Frames whose faces and latents an earlier edit had stored."""


class _Count:
    def __init__(self) -> None:
        self.frames = self.with_faces = self.edited = self.faces = self.faces_edited = 0
        self.tracks: set[int] = set()

    def add(self, done: Edited) -> None:
        self.frames += 1
        self.with_faces += bool(done.faces)
        self.edited += bool(done.n_edited)
        self.faces += len(done.faces)
        self.faces_edited += done.n_edited
        self.tracks.update(face.track for face in done.faces)


def edit_video(
    editor: Editor,
    source: str | Path,
    target: str | Path,
    values: Values,
    *,
    encoding: EncodeOptions | None = None,
    faces: FaceOptions | None = None,
    store: LatentStore | None = None,
    on_progress: Callable[[VideoProgress], None] = lambda _: None,
) -> VideoReport:
    """Edit every face in a video; everything else of it is kept.

    Resolution, frame count, time stamps, rotation, colour description and metadata stay; audio, subtitle and
    other streams are copied. The target appears under its name only when it is whole.

    Args:
        editor: The model.
        source: Video file.
        target: File to write; its suffix chooses the container.
        values: Attribute name to strength (unitless; 0 absent, 1 present; beyond exaggerates); unnamed
            attributes keep what the classifier reads from the face.
        encoding: Codec, quality and speed; by default the source's codec at a quality near the source's.
        faces: How faces are searched for.
        store: Where faces and latents are kept for the next edit of this file, and looked up; None keeps
            nothing. The result is the same to the bit. Trouble with it is logged and never stops the edit.
        on_progress: Called in this thread after every frame; what it raises stops the work, without a file.

    Raises:
        ConfigError: an unknown attribute or codec, a value out of range, or a target that is the source.
        MediaError: the source cannot be read or the target cannot be written.
        EngineError: the engine failed.
    """
    editor.model.check(values)
    began = time.monotonic()
    count = _Count()
    with (
        VideoSource(source) as reading,
        VideoTarget.open(target, reading, encoding) as writing,
        ExitStack() as threads,
    ):
        memory = None
        if store is not None:
            memory = threads.enter_context(VideoMemory(store, reading, editor.model, faces))
        for item in _edited(editor, reading, values, editor.tracker(faces), memory, threads):
            if isinstance(item, Edited):
                writing.write(item.frame)
                count.add(item)
                on_progress(VideoProgress(frames=count.frames, total=reading.frame_count))
            else:
                writing.write(item)
    return VideoReport(
        source=Path(source),
        target=Path(target),
        frames=count.frames,
        frames_with_faces=count.with_faces,
        frames_edited=count.edited,
        faces=count.faces,
        faces_edited=count.faces_edited,
        tracks=len(count.tracks),
        seconds=time.monotonic() - began,
        engine=editor.engine_name,
        frames_from_store=memory.n_recalled if memory else 0,
    )


def _edited(
    editor: Editor,
    source: VideoSource,
    values: Values,
    tracker: Tracker,
    memory: VideoMemory | None,
    threads: ExitStack,
) -> "Iterator[Edited | Packet[Stream]]":
    def ahead(items: Iterable[T], name: str) -> Iterator[T]:
        return threads.enter_context(prefetch(items, QUEUE, name=f"fader-{name}"))

    known: Iterator[VideoFrame | _Passing] = ahead(source.items(), "decode")
    if memory is not None:
        known = memory.recall(known, tracker)
    found: Iterator[_Passing] = find_faces(known, tracker, editor.image_size, rotation=source.rotation)
    rendered: Iterator[_Passing] = render(ahead(found, "faces"), editor.model, values)
    if memory is not None:
        rendered = memory.record(rendered)
    edited: Iterator[Edited | Packet[Stream]] = paste(rendered)
    return ahead(edited, "render")
