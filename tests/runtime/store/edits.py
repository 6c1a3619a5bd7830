"""Edits with and without a store, in this process and in children, and what comes out of them."""

import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import FaceClip, decoded, face_views, portrait, samples, write_clip

from fader.runtime import Editor, EncodeOptions, LatentStore, VideoReport, edit_video
from fader.runtime.delay import look_ahead
from fader.runtime.engines import Engine
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.model import Model
from fader.runtime.stages import Edited, find_faces, paste, render
from fader.runtime.store import VideoMemory
from fader.runtime.video import VideoSource

__all__ = [
    "LOSSLESS",
    "SIZE",
    "SMILE",
    "YOUNG",
    "CountingEngine",
    "copy_store",
    "counted_detector",
    "counting_editor",
    "databases",
    "digest_of",
    "edit",
    "eventful_clip",
    "plain_edit",
    "start_edit",
    "through_the_stages",
]

SMILE, YOUNG = {"Smiling": 3.0}, {"Young": -2.0, "Eyeglasses": 2.0}
LOSSLESS = EncodeOptions(codec="ffv1")
SIZE = (160, 120)
CHILD = """
import logging, sys
from pathlib import Path
from fader.runtime import Editor, EncodeOptions, LatentStore, edit_video
logging.basicConfig(level=logging.WARNING, format="%(message)s")
bundle, source, target, folder, limit = sys.argv[1:]
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
with Editor.open(bundle, engine="onnxruntime-cpu", threads=1) as editor:
    print("ready", flush=True)
    report = edit_video(editor, source, target, {"Smiling": 3.0}, encoding=EncodeOptions(codec="ffv1"),
                        store=LatentStore(Path(folder)))
print(report.frames, report.frames_from_store)
"""


class CountingEngine:
    """Passes everything on to an engine and counts the images."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.name, self.images = engine, engine.name, Counter[str]()

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.images["encode"] += len(pixels_NCHW)
        return self._engine.encode(pixels_NCHW)

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self.images["decode"] += len(values_NA)
        return self._engine.decode(latents, values_NA)

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        self.images["classify"] += len(pixels_NCHW)
        return self._engine.classify(pixels_NCHW)

    def close(self) -> None:
        self._engine.close()


def counting_editor(editor: Editor) -> tuple[Editor, Counter[str]]:
    """The same model behind an engine that counts."""
    engine = CountingEngine(editor.model.engine)
    model = Model(editor.model.bundle, engine, cache_bytes=0, max_batch=editor.model.max_batch)
    return Editor(model), engine.images


def counted_detector(patch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of every detector from here on."""
    calls: Counter[str] = Counter()
    detect, refine = FaceDetector.detect, FaceDetector.refine

    def counted_detect(self: FaceDetector, *args: object, **options: object) -> object:
        calls["detect"] += 1
        return detect(self, *args, **options)  # type: ignore[arg-type]

    def counted_refine(self: FaceDetector, *args: object) -> object:
        calls["refine"] += 1
        return refine(self, *args)  # type: ignore[arg-type]

    patch.setattr(FaceDetector, "detect", counted_detect)
    patch.setattr(FaceDetector, "refine", counted_refine)
    return calls


def eventful_clip(path: Path, clip: FaceClip | None = None, size: tuple[int, int] = SIZE) -> Path:
    """46 frames: a face that moves, nothing, two faces, a cut, and the first face once more."""
    width, height = size
    nothing = np.full((height, width, 3), 30, np.uint8)
    half = portrait((width // 2, height))
    both = np.concatenate([half, half[:, ::-1]], axis=1)
    shifted = [np.roll(both, i, axis=0) for i in range(7)]
    moving = list(face_views(26, size))
    return write_clip(path, [*moving[:20], *[nothing] * 8, *shifted, *moving[20:], *[nothing] * 5], clip)


def edit(
    editor: Editor, source: Path, folder: Path, store: LatentStore | None, values: Mapping[str, float] = SMILE
) -> tuple[VideoReport, str]:
    """Edit without loss; the report, and a digest of every sample of every frame."""
    target = folder / "edited.mkv"
    report = edit_video(editor, source, target, values, encoding=LOSSLESS, store=store)
    return report, digest_of(target)


def plain_edit(editor: Editor, source: Path, folder: Path, values: Mapping[str, float] = SMILE) -> str:
    """A digest of what comes out without a store."""
    return edit(editor, source, folder, None, values)[1]


def digest_of(path: Path) -> str:
    """A digest of every sample and time stamp of a video."""
    digest = hashlib.sha256()
    for frame in decoded(path):
        digest.update(str(frame.pts).encode())
        for plane in samples(frame):
            digest.update(plane.tobytes())
    return digest.hexdigest()


def through_the_stages(
    editor: Editor, source: Path, store: LatentStore | None, values: Mapping[str, float] = SMILE
) -> tuple[str, int]:
    """Edit in this thread, without encoding: a digest of the frames, and how many came from the store."""
    digest = hashlib.sha256()
    with VideoSource(source) as reading, _memory(editor, reading, store) as memory:
        tracker = editor.tracker()
        known = memory.recall(reading.items(), tracker) if memory else reading.items()
        found = find_faces(known, tracker, None, rotation=reading.rotation)
        rendered = render(look_ahead(found, editor.image_size), editor.model, values)
        for done in paste(memory.record(rendered) if memory else rendered):
            if isinstance(done, Edited):
                for plane in samples(done.frame):
                    digest.update(plane.tobytes())
        return digest.hexdigest(), memory.n_recalled if memory else 0


@contextmanager
def _memory(editor: Editor, reading: VideoSource, store: LatentStore | None) -> Iterator[VideoMemory | None]:
    if store is None:
        yield None
    else:
        with VideoMemory(store, reading, editor.model) as memory:
            yield memory


def databases(folder: Path) -> list[Path]:
    """The databases in a store's folder."""
    return sorted(folder.glob("*.sqlite"))


def start_edit(
    bundle: Path, source: Path, target: Path, store: Path, *, limit_bytes: int = 0
) -> "subprocess.Popen[str]":
    """Start an edit in a child, which prints "ready", then the frames and those of them from the store.

    Args:
        bundle: The model.
        source: The video.
        target: The edited one.
        store: Folder of the store.
        limit_bytes: Largest file that the child may write; 0 for any.
    """
    arguments = [str(bundle), str(source), str(target), str(store), str(limit_bytes)]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def copy_store(folder: Path, to: Path) -> LatentStore:
    """A store with the same content."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return LatentStore(to)
