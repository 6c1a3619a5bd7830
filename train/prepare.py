"""From image files to the aligned set: the runtime's own code finds and aligns faces, once, into a cache."""

import hashlib
import json
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import DataError
from fader.image import decode_rgb
from fader.runtime.faces.alignment import (
    CELEBA_TIGHT,
    anchors,
    fit_error,
    fit_similarity,
    template_at,
    warp_crop,
)
from fader.runtime.faces.boxes import square
from fader.runtime.faces.detector import FaceDetector
from fader.train.dataset import AlignedSet
from fader.train.labels import Labels
from fader.train.source import ImageSource

__all__ = ["Prepared", "prepare"]

Graphs = tuple[Path, Path, Path]
Aligned = NDArray[np.uint8] | str

REPORT = "aligned.json"
CHUNK = 64
ALIGNMENT = 2
"""Counted up when an image would be aligned in another way, so that no older set is taken from the cache."""
MAX_FIT_ERROR = 0.04
"""A face whose points miss the template by more than this share of the crop's side is turned too far away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The aligned set and what became of the files."""

    data: AlignedSet
    """Aligned images, memory-mapped, in the label file's order; labels in the order of the names given."""
    n_files: int
    """Images in the label file."""
    n_without_face: int
    """Images left out because no face was found."""
    n_turned: int
    """Images left out because the face is turned too far away to be aligned."""


def prepare(
    labels: Labels,
    source: Path,
    *,
    names: Sequence[str],
    size: int,
    detector: Bundle,
    cache: Path,
    workers: int = 1,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
) -> Prepared:
    """Align every labelled image, or take the result of an earlier call from the cache.

    Args:
        labels: Which images, and their attributes.
        source: Folder or zip archive with the images; a face is at least half as high as an image's shorter
            side, as in CelebA's aligned images.
        names: Attributes, in the order that the labels shall have.
        size: Height and width of the aligned images.
        detector: Bundle whose detector graphs find the faces.
        cache: Folder for aligned sets; made if missing.
        workers: Processes; 1 starts none.
        on_image: Called with images done and in all.

    Raises:
        DataError: images are missing or unreadable, or hardly any has a face.
        ConfigError: an attribute is unknown.
    """
    chosen_NK = labels.select(names)
    images = ImageSource(source)
    if missing := images.missing(labels.images):
        raise DataError(
            f"{source} lacks {len(missing)} labelled images, the first is {missing[0]}: is it whole?"
        )
    folder = cache / _key(labels, images, size, detector)
    if not (folder / REPORT).exists():
        graphs = detector.graph("detector_p"), detector.graph("detector_r"), detector.graph("detector_o")
        results = _align_all(labels.images, images, graphs, size, workers)
        _write(results, len(labels.images), folder, size, on_image)
    report = json.loads((folder / REPORT).read_text())
    kept = np.array(report["kept"], dtype=np.int64)
    aligned = np.load(folder / "images.npy", mmap_mode="r")[: len(kept)]
    return Prepared(
        data=AlignedSet(images_NHWC=aligned, labels_NK=chosen_NK[kept].astype(np.int64)),
        n_files=len(labels.images),
        n_without_face=report["without_face"],
        n_turned=report["turned"],
    )


def _key(labels: Labels, source: ImageSource, size: int, detector: Bundle) -> str:
    manifest = detector.manifest
    graphs = [manifest.files[manifest.graphs[f"detector_{stage}"]]["sha256"] for stage in "pro"]
    files = [str(source.path.resolve()), *source.fingerprint(labels.images)]
    what = [ALIGNMENT, *files, size, graphs, CELEBA_TIGHT, MAX_FIT_ERROR, labels.images]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _align_all(
    names: Sequence[str], images: ImageSource, graphs: Graphs, size: int, workers: int
) -> Iterator[Aligned]:
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    if workers == 1:
        tools = FaceDetector(*graphs), images
        for chunk in chunks:
            yield from _align_chunk(tools, size, chunk)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker) as pool:
        for results in pool.map(partial(_align_in_worker, images.path, graphs, size), chunks):
            yield from results


def _start_worker() -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process of the terminal; the parent's answer is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=1)
def _worker_tools(source: Path, graphs: Graphs) -> tuple[FaceDetector, ImageSource]:
    # Once a process: an archive of 200,000 images takes seconds to open.
    return FaceDetector(*graphs), ImageSource(source)


def _align_in_worker(source: Path, graphs: Graphs, size: int, names: Sequence[str]) -> list[Aligned]:
    return _align_chunk(_worker_tools(source, graphs), size, names)


def _align_chunk(tools: tuple[FaceDetector, ImageSource], size: int, names: Sequence[str]) -> list[Aligned]:
    detector, images = tools
    return [align_image(decode_rgb(images.read(name), name=name), detector, size) for name in names]


def _write(
    results: Iterable[Aligned], total: int, folder: Path, size: int, on_image: Callable[[int, int], None]
) -> None:
    work = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    images = np.lib.format.open_memmap(work / "images.npy", "w+", np.uint8, (total, size, size, 3))
    kept: list[int] = []
    lost = {"no face": 0, "turned": 0}
    for i, result in enumerate(results):
        if isinstance(result, str):
            lost[result] += 1
        else:
            images[len(kept)] = result
            kept.append(i)
        on_image(i + 1, total)
    if len(kept) < max(1, total // 10):
        shutil.rmtree(work)
        raise DataError(
            f"only {len(kept)} of {total} images show a face that can be aligned: are these faces?"
        )
    images.flush()
    report = {"kept": kept, "without_face": lost["no face"], "turned": lost["turned"]}
    (work / REPORT).write_text(json.dumps(report))
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)


def align_image(image: NDArray[np.uint8], detector: FaceDetector, size: int) -> NDArray[np.uint8] | str:
    """Return the aligned crop of an image's main face, or "no face" or "turned".

    Args:
        image: (H, W, 3) uint8 RGB; the face is at least half as high as its shorter side, and may fill it.
        detector: Finds the face.
        size: Height and width of the crop.
    """
    # Training images are often cut so tightly that a detector made for whole scenes sees no head.
    border = min(image.shape[:2]) // 2
    padded = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    wide = np.asarray(padded, dtype=np.uint8)
    faces = detector.detect(wide, min_size=border)
    if not faces:
        return "no face"
    centre = np.array([wide.shape[1], wide.shape[0]]) / 2
    nearest = min(faces, key=lambda face: float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - centre)))
    # The runtime, too, reads landmarks in the box that the last stage found. In the one that the last stage
    # was given, they make crops that show 2 % less.
    (face,) = detector.refine(partial(warp_crop, wide), square(nearest.box[None]))
    points, template = anchors(face.landmarks), np.array(template_at(CELEBA_TIGHT, size))
    matrix = fit_similarity(points, template)
    if fit_error(matrix, points, template) > MAX_FIT_ERROR * size:
        return "turned"
    return np.rint(warp_crop(wide, matrix, size)).astype(np.uint8)
