"""From image files to the training set: every image is decoded, and aligned, once, into a cache on disk."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fader.attributes import AttributeSet
from fader.bundle import Bundle
from fader.errors import DataError
from fader.image_source import ImageSource
from fader.train.data.aligning import ALIGNMENT, CROPPING
from fader.train.data.crops import Crops, read_crops, write_crops
from fader.train.data.dataset import AlignedSet
from fader.train.data.folder import fill_once
from fader.train.data.framing import Graphs, frame_all
from fader.train.data.labels import Labels
from fader.train.data.problems import Problem, settle

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The set and what became of the files."""

    data: AlignedSet
    """Images of one size, memory-mapped, in the label file's order, with their labels and partition."""
    n_files: int
    """Images in the label file, without rows that could not be read."""
    n_without_face: int
    """Images left out because no face was found."""
    n_turned: int
    """Images left out because the face is turned too far away to be aligned."""
    problems: tuple[Problem, ...]
    """Bad rows, which were left out: those of the label file, and images that are missing or unreadable."""
    listing: Path | None
    """CSV file that lists the bad rows; None where there are none."""


def prepare(
    labels: Labels,
    source: Path,
    *,
    size: int,
    cache: Path,
    detector: Bundle | None = None,
    workers: int = 1,
    skip_bad_rows: bool = False,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
) -> Prepared:
    """Bring every labelled image to one size, or take the result of an earlier call from the cache.

    Memory does not grow with the images' size: they go to the disk one by one, and stay there.

    Args:
        labels: Which images, and their attributes: those selected, see `Labels.select`.
        source: Folder or zip archive with the images.
        size: Height and width of the set's images.
        cache: Folder for such sets; made if missing.
        detector: Bundle whose detector graphs find the faces, which are aligned as in the runtime; a face is
            at least half as high as an image's shorter side, as in CelebA's aligned images. None for pictures
            of something else: the square in their middle is taken.
        workers: Processes; 1 starts none.
        skip_bad_rows: Whether bad rows are left out; otherwise any of them is an error, those that the label
            file tells of before the images are read, unreadable images when all have been.
        on_image: Called with images done and in all.

    Raises:
        DataError: there are bad rows, hardly any image has a face, or the cache cannot be written.
    """
    images = ImageSource(source)
    chosen, problems = _present(labels.select(labels.names), images)
    _make(cache)
    key = _key(chosen, images, size, detector)
    folder, listing = cache / key, cache / f"{key}.bad_rows.csv"
    settle(problems, skip=skip_bad_rows, listing=listing)
    if not chosen.images:
        raise DataError(
            f"{labels.path or 'the labels'}: expected rows of images, found none that can be used"
        )
    framed = frame_all(chosen.images, images, _graphs(detector), size, workers)
    crops = _crops(
        folder, partial(write_crops, framed=framed, total=len(chosen.images), size=size, on_image=on_image)
    )
    problems += [chosen.problem(row, reason) for row, reason in crops.unreadable]
    settle(problems, skip=skip_bad_rows, listing=listing)
    return Prepared(
        data=_set(chosen, crops),
        n_files=len(labels.images),
        n_without_face=crops.n_without_face,
        n_turned=crops.n_turned,
        problems=tuple(problems),
        listing=listing if problems else None,
    )


def _present(labels: Labels, images: ImageSource) -> tuple[Labels, list[Problem]]:
    """Return the labels of images that are there, and all bad rows so far."""
    missing = set(images.missing(labels.images))
    if missing and len(missing) == len(labels.images):
        raise DataError(
            f"{images.path} has none of the {len(missing)} labelled images, such as {labels.images[0]}: name "
            "the folder or the zip archive that they are in"
        )
    problems = [
        labels.problem(row, f"{images.path} has no image {name}")
        for row, name in enumerate(labels.images)
        if name in missing
    ]
    there_N = np.array([name not in missing for name in labels.images], dtype=np.bool_)
    return labels.rows(there_N), [*labels.problems, *problems]


def _make(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make {cache} ({error.strerror}): choose another --cache") from error


def _key(labels: Labels, source: ImageSource, size: int, detector: Bundle | None) -> str:
    how: list[Any] = [CROPPING]
    if detector is not None:
        manifest = detector.manifest
        how = [
            ALIGNMENT,
            *(manifest.files[manifest.graphs[f"detector_{stage}"]]["sha256"] for stage in "pro"),
        ]
    what = [how, size, str(source.path.resolve()), source.fingerprint(labels.images), labels.images]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _graphs(detector: Bundle | None) -> Graphs | None:
    if detector is None:
        return None
    return detector.graph("detector_p"), detector.graph("detector_r"), detector.graph("detector_o")


def _crops(folder: Path, write: Callable[[Path], None]) -> Crops:
    try:
        fill_once(folder, lambda: read_crops(folder) is not None, write)
    except OSError as error:
        raise DataError(f"cannot write {folder} ({error.strerror}): choose another --cache") from error
    if (crops := read_crops(folder)) is None:
        raise DataError(f"{folder} was removed while it was in use: start again")
    return crops


def _set(labels: Labels, crops: Crops) -> AlignedSet:
    attributes = AttributeSet(labels.attributes)
    order = [labels.names.index(name) for name in attributes.names]
    return AlignedSet(
        images_NHWC=crops.images_NHWC,
        labels_NK=labels.values_NK[crops.kept_N][:, order],
        attributes=attributes,
        landmarks_N52=crops.landmarks_N52,
        split_N=None if labels.split_N is None else labels.split_N[crops.kept_N],
    )
