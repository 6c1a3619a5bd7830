"""Faces cut out of image files by the runtime's own code, in one process or several, which need no torch."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

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
from fader.train.data.source import ImageSource

__all__ = ["ALIGNMENT", "Aligned", "align_all", "align_image"]

CHUNK = 64
MAX_FIT_ERROR = 0.04
"""A face whose points miss the template by more than this share of the crop's side is turned too far away."""
ALIGNMENT = [2, CELEBA_TIGHT, MAX_FIT_ERROR]
"""What crops depend on, for the cache; the number goes up when an image would be aligned in another way."""

Graphs = tuple[Path, Path, Path]
Aligned = NDArray[np.uint8] | str
"""(size, size, 3) uint8 RGB, or "no face" or "turned"."""


def align_all(
    names: Sequence[str], images: ImageSource, graphs: Graphs, size: int, workers: int
) -> Iterator[Aligned]:
    """Yield what becomes of each image, in order; see `align_image`.

    Args:
        names: Files of the source.
        images: The source; other processes open it anew.
        graphs: The detector's three.
        size: Height and width of the crops.
        workers: Processes; 1 starts none.

    Raises:
        DataError: an image is missing or cannot be read.
    """
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
