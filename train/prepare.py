"""From image files to the aligned set: faces are found and aligned by the runtime's own code, once, into a cache on disk."""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import DataError
from fader.image import decode_rgb
from fader.runtime.faces.alignment import CELEBA_TIGHT, anchors, fit_error, fit_similarity, template_at, warp_crop
from fader.runtime.faces.detector import FaceDetector
from fader.train.dataset import AlignedSet
from fader.train.labels import Labels
from fader.train.source import ImageSource

__all__ = ["Prepared", "prepare"]

CHUNK = 64
MAX_FIT_ERROR = 0.04
"""Faces whose three points miss the template by more than this share of the crop's side are turned too far away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The aligned set and what became of the files."""

    data: AlignedSet
    """Aligned images, memory-mapped, in the label file's order; labels of the chosen attributes."""
    n_files: int
    """Images in the label file."""
    n_without_face: int
    """Images left out because no face was found."""
    n_turned: int
    """Images left out because the face is turned too far to align."""


def prepare(
    labels: Labels,
    source: Path,
    *,
    names: Sequence[str],
    size: int,
    detector: Bundle,
    cache: Path,
    workers: int = 1,
    on_image: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Align every labelled image, or take the result of an earlier call from the cache.

    Args:
        labels: Which images, and their attributes.
        source: Folder or zip archive with the images.
        names: Attributes, in the order of the label columns wanted.
        size: Height and width of the aligned images.
        detector: Bundle whose detector graphs find the faces.
        cache: Folder for aligned sets; made if missing.
        workers: Processes.
        on_image: Called with images done and in all.

    Raises:
        DataError: images are missing or unreadable, or hardly any has a face.
        ConfigError: an attribute is unknown.
    """
    chosen_NK = labels.select(names)
    if missing := ImageSource(source).missing(labels.images):
        raise DataError(f"{source} lacks {len(missing)} labelled images, the first is {missing[0]}: is it whole?")
    folder = cache / _key(labels, source, size, detector)
    if not (folder / "aligned.json").exists():
        align = partial(_align_chunk, source, _graphs(detector), size)
        _align_all(labels.images, align, folder, size, workers=workers, on_image=on_image)
    report = json.loads((folder / "aligned.json").read_text())
    kept = np.array(report["kept"], dtype=np.int64)
    images = np.load(folder / "images.npy", mmap_mode="r")[: len(kept)]
    return Prepared(
        data=AlignedSet(images_NHWC=images, labels_NK=chosen_NK[kept].astype(np.int64)),
        n_files=len(labels.images),
        n_without_face=report["without_face"],
        n_turned=report["turned"],
    )


def _key(labels: Labels, source: Path, size: int, detector: Bundle) -> str:
    stat = source.stat()
    graphs = [detector.manifest.files[detector.manifest.graphs[f"detector_{stage}"]]["sha256"] for stage in "pro"]
    what = [str(source.resolve()), stat.st_size, stat.st_mtime_ns, size, graphs, CELEBA_TIGHT, MAX_FIT_ERROR, labels.images]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _graphs(detector: Bundle) -> tuple[Path, Path, Path]:
    return detector.graph("detector_p"), detector.graph("detector_r"), detector.graph("detector_o")


def _align_all(
    names: Sequence[str],
    align: Callable[[Sequence[str]], list[NDArray[np.uint8] | str]],
    folder: Path,
    size: int,
    *,
    workers: int,
    on_image: Callable[[int, int], None],
) -> None:
    work = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    total = len(names)
    images = np.lib.format.open_memmap(work / "images.npy", "w+", np.uint8, (total, size, size, 3))
    chunks = [names[start : start + CHUNK] for start in range(0, total, CHUNK)]
    kept: list[int] = []
    done, lost = 0, {"no face": 0, "turned": 0}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for results in pool.map(align, chunks):
            for result in results:
                if isinstance(result, str):
                    lost[result] += 1
                else:
                    images[len(kept)] = result
                    kept.append(done)
                done += 1
            on_image(done, total)
    if len(kept) < max(1, total // 10):
        shutil.rmtree(work)
        raise DataError(f"only {len(kept)} of {total} images show a face that can be aligned: are these faces?")
    images.flush()
    report = {"kept": kept, "without_face": lost["no face"], "turned": lost["turned"]}
    (work / "aligned.json").write_text(json.dumps(report))
    work.rename(folder)


def _align_chunk(
    source: Path, graphs: tuple[Path, Path, Path], size: int, names: Sequence[str]
) -> list[NDArray[np.uint8] | str]:
    cv2.setNumThreads(1)
    detector, images = FaceDetector(*graphs), ImageSource(source)
    return [align_image(decode_rgb(images.read(name), name=name), detector, size) for name in names]


def align_image(image: NDArray[np.uint8], detector: FaceDetector, size: int) -> NDArray[np.uint8] | str:
    """Return the aligned crop of an image's main face, or "no face" or "turned".

    Args:
        image: (H, W, 3) uint8 RGB; the face may fill it to the border.
        detector: Finds the face.
        size: Height and width of the crop.
    """
    # Training images are often cut so tightly that a detector made for whole scenes sees no head.
    border = min(image.shape[:2]) // 2
    wide = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    faces = detector.detect(np.asarray(wide, dtype=np.uint8), min_size=border)
    if not faces:
        return "no face"
    centre = np.array([wide.shape[1], wide.shape[0]]) / 2
    face = min(faces, key=lambda f: float(np.linalg.norm((f.box[:2] + f.box[2:]) / 2 - centre)))
    points, template = anchors(face.landmarks), np.array(template_at(CELEBA_TIGHT, size))
    matrix = fit_similarity(points, template)
    if fit_error(matrix, points, template) > MAX_FIT_ERROR * size:
        return "turned"
    return np.rint(warp_crop(wide, matrix, size)).astype(np.uint8)
