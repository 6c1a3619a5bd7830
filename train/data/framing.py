"""Image files to crops of one size, in one process or several, which need no torch."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.errors import DataError
from fader.image import decode_rgb
from fader.image_source import ImageSource
from fader.runtime.faces.detector import FaceDetector
from fader.train.data.aligning import align_image, crop_image

__all__ = ["Crop", "Framed", "Graphs", "Lost", "frame_all"]

CHUNK = 64
AHEAD = 2
"""Chunks that each process may be ahead of the one that writes them down, which bounds the memory."""

Graphs = tuple[Path, Path, Path]
"""The face detector's graphs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """An image that makes no crop."""

    why: Literal["no face", "turned", "unreadable"]
    """What is wrong with it."""
    reason: str = ""
    """For an unreadable one, what was found and what was expected."""


class Crop(NamedTuple):
    """An image as the set has it."""

    image: NDArray[np.uint8]
    """(size, size, 3) uint8 RGB."""
    landmarks_52: NDArray[np.float32] | None
    """(5, 2) float32, see `fader.runtime.faces.portrait.Portrait`; None where no face was looked for."""


Framed = Crop | Lost


def frame_all(
    names: Sequence[str], images: ImageSource, graphs: Graphs | None, size: int, workers: int
) -> Iterator[Framed]:
    """Yield what becomes of each image, in order.

    Args:
        names: Files of the source.
        images: The source; other processes open it anew.
        graphs: Of the detector whose faces are aligned, see `align_image`; None crops, see `crop_image`.
        size: Height and width of the crops.
        workers: Processes; 1 starts none.
    """
    chunks = (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))
    if workers == 1:
        tools = _tools(images, graphs)
        for chunk in chunks:
            yield from _frame_chunk(tools, size, chunk)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker) as pool:
        waiting: deque[Future[list[Framed]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_frame_in_worker, images.path, graphs, size, chunk))
            if len(waiting) > AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


Tools = tuple[FaceDetector | None, ImageSource]


def _tools(images: ImageSource, graphs: Graphs | None) -> Tools:
    return FaceDetector(*graphs) if graphs else None, images


def _start_worker() -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process of the terminal; the parent's answer is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=1)
def _worker_tools(source: Path, graphs: Graphs | None) -> Tools:
    # Once a process: an archive of 200,000 images takes seconds to open.
    return _tools(ImageSource(source), graphs)


def _frame_in_worker(source: Path, graphs: Graphs | None, size: int, names: Sequence[str]) -> list[Framed]:
    return _frame_chunk(_worker_tools(source, graphs), size, names)


def _frame_chunk(tools: Tools, size: int, names: Sequence[str]) -> list[Framed]:
    return [_frame(tools, size, name) for name in names]


def _frame(tools: Tools, size: int, name: str) -> Framed:
    detector, images = tools
    try:
        image = decode_rgb(images.read(name), name=name)
    except DataError as error:
        return Lost(why="unreadable", reason=str(error))
    if detector is None:
        return Crop(crop_image(image, size), None)
    aligned = align_image(image, detector, size)
    if isinstance(aligned, str):
        return Lost(why="turned" if aligned == "turned" else "no face")
    return Crop(aligned.crop, aligned.landmarks_52)
