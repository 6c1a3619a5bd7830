"""From image files to the aligned set: every face is found and aligned once, into a cache on disk."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fader.attributes import Attribute, AttributeSet
from fader.bundle import Bundle
from fader.errors import DataError
from fader.train.data.aligning import ALIGNMENT, Aligned, align_all
from fader.train.data.dataset import AlignedSet
from fader.train.data.labels import Labels
from fader.train.data.source import ImageSource

__all__ = ["Prepared", "prepare"]

REPORT = "aligned.json"


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
        results = align_all(labels.images, images, graphs, size, workers)
        _write(results, len(labels.images), folder, size, on_image)
    report = json.loads((folder / REPORT).read_text())
    kept = np.array(report["kept"], dtype=np.int64)
    aligned = np.load(folder / "images.npy", mmap_mode="r")[: len(kept)]
    attributes = AttributeSet([Attribute(name=name) for name in names])
    order = [list(names).index(name) for name in attributes.names]
    return Prepared(
        data=AlignedSet(
            images_NHWC=aligned, labels_NK=chosen_NK[kept][:, order].astype(np.float32), attributes=attributes
        ),
        n_files=len(labels.images),
        n_without_face=report["without_face"],
        n_turned=report["turned"],
    )


def _key(labels: Labels, source: ImageSource, size: int, detector: Bundle) -> str:
    manifest = detector.manifest
    graphs = [manifest.files[manifest.graphs[f"detector_{stage}"]]["sha256"] for stage in "pro"]
    files = [str(source.path.resolve()), *source.fingerprint(labels.images)]
    what = [ALIGNMENT, *files, size, graphs, labels.images]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


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
