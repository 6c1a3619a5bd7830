"""From one video file to another: decoding, faces, rendering and encoding in threads with bounded queues."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from av.video.frame import VideoFrame

from fader.errors import ConfigError
from fader.runtime.compare import Comparison, Form
from fader.runtime.delay import look_ahead
from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.mark import mark_of
from fader.runtime.motion import Values
from fader.runtime.outputs import Copies, begin_at_zero, open_targets, share_packets
from fader.runtime.prefetch import prefetch
from fader.runtime.reports import Count, VideoProgress, VideoReport
from fader.runtime.resume import obstacle_to_resuming, open_segmented, own_store, pass_finished
from fader.runtime.stages import Edited, FaceFrame, find_faces, paste, render
from fader.runtime.store import LatentStore, VideoMemory
from fader.runtime.timings import Clock
from fader.runtime.video import EncodeOptions, ImageSequence, Part, VideoPart, VideoSource
from fader.runtime.video.containers import WRITABLE_SUFFIXES
from fader.runtime.video.contract import Target
from fader.runtime.video.opening import open_source
from fader.runtime.video.pipes import PIPE
from fader.runtime.video.segmented import SegmentedTarget
from fader.runtime.video.sequence import is_animated_webp

__all__ = ["edit_variants", "edit_video"]

T = TypeVar("T")
Name = TypeVar("Name", bound="str | os.PathLike[str]")
_Passing: TypeAlias = "FaceFrame | Copies"
QUEUE = 8


def edit_video(  # noqa: PLR0913  # what is edited, then one option for each thing that can be said of it
    editor: Editor,
    source: "str | os.PathLike[str]",
    target: "str | os.PathLike[str]",
    values: Values,
    *,
    encoding: EncodeOptions | None = None,
    faces: FaceOptions | None = None,
    store: LatentStore | None = None,
    compare: Form | None = None,
    part: Part | None = None,
    resume: bool = False,
    on_progress: Callable[[VideoProgress], None] = lambda _: None,
) -> VideoReport:
    """Edit every face in a video; everything else of it is kept.

    Resolution, frame count, time stamps, rotation, colour description and metadata stay; audio, subtitle and
    other streams are copied. The target appears under its name only when it is whole.

    Args:
        editor: The model.
        source: Video file, - for standard input, or an `ImageSequence`.
        target: File to write; its suffix chooses the container. Also -, for y4m on standard output, and
            numbered pictures such as out/%05d.png.
        values: Attribute name to strength (unitless; 0 absent, 1 present; beyond exaggerates); unnamed
            attributes keep what the classifier reads from the face.
        encoding: Codec, quality and speed; by default the source's codec at a quality near the source's.
        faces: How faces are searched for.
        store: Where faces and latents are kept for the next edit of this file, and looked up; None keeps
            nothing. The result is the same to the bit. Trouble with it is logged and never stops the edit.
        compare: "side" for the source left of the edit, "wipe" for both in one picture with a line that moves
            to and fro between them; None for the edit alone.
        part: Which frames are edited and written, with what is heard and read in their time; None for all. A
            part does without the store. Times in `values` stay those of the source.
        resume: Whether to keep finished segments, in a hidden folder beside the target, until it is whole,
            and to go on from those of an earlier call with the same arguments, however it ended. Those of
            other arguments are removed, with a warning. The file has a key frame every 250 frames at least.
        on_progress: Called in this thread after every frame; what it raises stops the work, without a file.

    Raises:
        ConfigError: an unknown attribute or codec, a value out of range, or a target that is the source.
        MediaError: the source cannot be read or the target cannot be written.
        EngineError: the engine failed.
    """
    (report,) = edit_variants(
        editor,
        source,
        {target: values},
        encoding=encoding,
        faces=faces,
        store=store,
        compare=compare,
        part=part,
        resume=resume,
        on_progress=on_progress,
    )
    return report


def edit_variants(  # noqa: PLR0913
    editor: Editor,
    source: "str | os.PathLike[str]",
    variants: Mapping[Name, Values],
    *,
    encoding: EncodeOptions | None = None,
    faces: FaceOptions | None = None,
    store: LatentStore | None = None,
    compare: Form | None = None,
    part: Part | None = None,
    resume: bool = False,
    on_progress: Callable[[VideoProgress], None] = lambda _: None,
) -> list[VideoReport]:
    """Edit a video in several ways at once: it is decoded, searched for faces and encoded to latents once.

    Each output is the same to the bit as that of `edit_video` with the same values.

    Args:
        editor: The model.
        source: Video file.
        variants: File to write to the values of its faces; one or more.
        encoding: As for `edit_video`, as what follows.
        faces: How faces are searched for.
        store: Where faces and latents are kept.
        compare: How the source is shown beside the edit.
        part: Which frames.
        resume: Whether to go on with a run that was stopped; of one variant alone.
        on_progress: Called in this thread after every frame that is in all outputs.

    Returns:
        A report for each output, in the order of `variants`.

    Raises:
        ConfigError: as of `edit_video`, or there is no variant, or two have one target.
        MediaError: as of `edit_video`.
        EngineError: as of `edit_video`.
    """
    if not variants:
        raise ConfigError("found no variant: expected a target with values, or more")
    for values in variants.values():
        editor.model.check(values)
    began, clock = time.monotonic(), Clock()
    counts = [Count() for _ in variants]
    with ExitStack() as stack:
        reading = stack.enter_context(open_source(source) if part is None else _part_of(source, part))
        comparison = Comparison(compare, reading) if compare else None
        encodings = {target: _marked(encoding, editor, values) for target, values in variants.items()}
        segments: SegmentedTarget | None = None
        targets: list[Target]
        if resume:
            target, values = _only(variants, reading, comparison, part)
            segments = stack.enter_context(
                open_segmented(Path(target), reading, editor, values, encoding=encodings[target], faces=faces)
            )
            targets, store = [segments], store or own_store(segments)
        else:
            targets = stack.enter_context(
                open_targets(encodings, comparison.source if comparison else reading)
            )
        way = _Way(editor, reading, list(variants.values()), faces, comparison, segments)
        threads = stack.enter_context(ExitStack())
        memory = None
        if store is not None and part is None and reading.path.is_file():
            memory = threads.enter_context(VideoMemory(store, reading, editor.model, faces))
        items = way.edited(memory, threads, clock)
        with clock.stage("write").inside:
            for item in items:
                if isinstance(item, Edited):
                    if segments is not None:
                        segments.note(item.n_edited)
                    targets[item.output].write(item.frame)
                    counts[item.output].add(item)
                    if item.output == len(targets) - 1:
                        on_progress(VideoProgress(frames=counts[-1].frames, total=reading.frame_count))
                else:
                    for writing, packet in zip(targets, item, strict=True):
                        writing.write(packet)
    return [
        VideoReport(
            source=Path(source),
            target=Path(target),
            frames=count.frames,
            frames_with_faces=count.with_faces,
            frames_edited=count.edited,
            faces=count.faces,
            faces_edited=count.faces_edited,
            tracks=count.tracks,
            seconds=time.monotonic() - began,
            engine=editor.engine_name,
            frames_from_store=memory.n_recalled if memory else 0,
            frames_resumed=count.resumed,
            timings=clock.read(),
        )
        for target, count in zip(variants, counts, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Way:
    """What frames go through, from one source to one or more outputs."""

    editor: Editor
    source: VideoSource
    variants: list[Values]
    faces: FaceOptions | None
    comparison: Comparison | None
    segments: SegmentedTarget | None

    def edited(
        self, memory: VideoMemory | None, threads: ExitStack, clock: Clock
    ) -> "Iterator[Edited | Copies]":
        def ahead(items: Iterable[T], name: str) -> Iterator[T]:
            return threads.enter_context(prefetch(items, QUEUE, name=name, clock=clock))

        editor, source = self.editor, self.source
        tracker = editor.tracker(self.faces)
        decoded: Iterator[VideoFrame | Copies] = share_packets(source.items(), len(self.variants))
        known: Iterator[VideoFrame | _Passing] = ahead(decoded, "decode")
        if memory is not None:
            known = memory.recall(known, tracker)
        found: Iterator[_Passing] = find_faces(known, tracker, None, rotation=source.rotation)
        found = look_ahead(found, editor.image_size)
        if self.segments is not None:
            found = pass_finished(found, self.segments)
        rendered: Iterator[_Passing] = render(ahead(found, "faces"), editor.model, *self.variants)
        if memory is not None:
            rendered = memory.record(rendered)
        if isinstance(source, VideoPart):
            rendered = begin_at_zero(rendered, source.start)
        ready = ahead(paste(rendered, self.comparison), "render")
        # Last, so first when all ends: threads that wait for the source's data could not end otherwise.
        threads.callback(source.stop)
        return ready


def _part_of(source: "str | os.PathLike[str]", part: Part) -> VideoPart:
    is_no_file = (isinstance(source, ImageSequence) or source == PIPE) and not os.path.isfile(source)  # noqa: PTH113
    if is_no_file or is_animated_webp(Path(source)):
        raise ConfigError(f"{os.fspath(source)}: a part is of a video file; leave out --preview and --frames")
    return VideoPart(os.fspath(source), part)


def _only(
    variants: Mapping[Name, Values], source: VideoSource, comparison: Comparison | None, part: Part | None
) -> tuple[Name, Values]:
    """Return the one variant of a run that can go on after it was stopped."""
    target = next(iter(variants))
    found = obstacle_to_resuming(len(variants), part=part is not None, compare=comparison is not None)
    if not found and not source.path.is_file():
        found = "a source that is no file"
    if not found and Path(target).suffix.lower() not in WRITABLE_SUFFIXES:
        found = "a target that is no video file"
    if found:
        raise ConfigError(
            f"{Path(target)}: --resume is for a whole video into one file, found {found}: leave it out"
        )
    return target, variants[target]


def _marked(encoding: EncodeOptions | None, editor: Editor, values: Values) -> EncodeOptions:
    options = encoding or EncodeOptions()
    return replace(options, mark=mark_of(editor.model, values)) if options.mark is True else options
