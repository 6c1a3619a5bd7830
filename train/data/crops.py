"""Crops on disk: one array that is memory-mapped, and a report of what became of each image."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.errors import DataError
from fader.train.data.framing import Framed, Lost

__all__ = ["Crops", "read_crops", "write_crops"]

REPORT = "report.json"
IMAGES = "images.npy"
LANDMARKS = "landmarks.npy"
MIN_SHARE = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Crops:
    """Crops that were written before."""

    images_NHWC: NDArray[np.uint8]
    """(N, S, S, 3) uint8 RGB, memory-mapped."""
    landmarks_N52: NDArray[np.float32] | None
    """(N, 5, 2) float32, see `fader.runtime.faces.portrait.Portrait`; None of crops that are not aligned."""
    kept_N: NDArray[np.int64]
    """Which image each of them is."""
    n_without_face: int
    """Images in which no face was found."""
    n_turned: int
    """Images whose face is turned too far away."""
    unreadable: tuple[tuple[int, str], ...]
    """Images that cannot be read, and why."""


def read_crops(folder: Path) -> Crops | None:
    """Return a folder's crops, None where it does not hold them whole."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        kept_N = np.array(report["kept"], dtype=np.int64)
        return Crops(
            images_NHWC=np.load(folder / IMAGES, mmap_mode="r")[: len(kept_N)],
            landmarks_N52=np.load(folder / LANDMARKS) if report["aligned"] else None,
            kept_N=kept_N,
            n_without_face=report["no face"],
            n_turned=report["turned"],
            unreadable=tuple((row, reason) for row, reason in report["unreadable"]),
        )
    except (OSError, ValueError, KeyError):
        return None


def write_crops(
    folder: Path, framed: Iterable[Framed], *, total: int, size: int, on_image: Callable[[int, int], None]
) -> None:
    """Write crops into an empty folder, one by one.

    Args:
        folder: The folder.
        framed: What became of each image.
        total: How many there are, 1 or more.
        size: Height and width of the crops.
        on_image: Called with images done and in all.

    Raises:
        DataError: the disk has no room, or hardly any image makes a crop.
        OSError: the folder cannot be written.
    """
    _require_room(folder, total * size * size * 3)
    kept: list[int] = []
    landmarks: list[NDArray[np.float32]] = []
    lost: dict[str, list[tuple[int, str]]] = {"no face": [], "turned": [], "unreadable": []}
    # Written, not mapped: what a process writes through a map counts as its memory, and a full disk ends it.
    with (folder / IMAGES).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (total, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        end = file.tell() + total * size * size * 3
        for i, result in enumerate(framed):
            if isinstance(result, Lost):
                lost[result.why].append((i, result.reason))
            else:
                file.write(result.image.tobytes())
                kept.append(i)
                if result.landmarks_52 is not None:
                    landmarks.append(result.landmarks_52)
            on_image(i + 1, total)
        # A hole that takes no room, for the images that made no crop.
        file.truncate(end)
    _require_enough(len(kept), total, lost["unreadable"])
    if landmarks:
        np.save(folder / LANDMARKS, np.stack(landmarks))
    report = {
        "kept": kept,
        "aligned": bool(landmarks),
        "no face": len(lost["no face"]),
        "turned": len(lost["turned"]),
        "unreadable": lost["unreadable"],
    }
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")


def _require_room(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise DataError(
            f"the images take {needed_bytes / 1e9:.1f} GB and {folder.parent} has {free_bytes / 1e9:.1f} GB "
            "free: choose another --cache, or a smaller --size"
        )


def _require_enough(n_kept: int, total: int, unreadable: list[tuple[int, str]]) -> None:
    if n_kept >= max(1, total * MIN_SHARE):
        return
    if unreadable:
        raise DataError(f"only {n_kept} of {total} images can be used; {unreadable[0][1]}")
    raise DataError(f"only {n_kept} of {total} images show a face that can be aligned: are these faces?")
