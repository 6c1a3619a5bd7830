"""Real faces through the real detector: what is kept, where the eyes come to lie, and what the cache does."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from fader.bundle import Bundle
from fader.errors import ConfigError, DataError
from fader.image import write_image
from fader.runtime.faces.alignment import CELEBA_TIGHT, anchors, template_at
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.faces.tracking import Tracker
from fader.runtime.stages import crops_of
from fader.runtime.video.planes import FramePlanes
from fader.train import Labels, Prepared, prepare
from fader.train.data.aligning import align_image

Picture = NDArray[np.uint8]

SIZE = 48
CROPS = {
    "portrait.jpg": (150, 20, 220, False),
    "mirrored.jpg": (140, 0, 240, True),
    "close.jpg": (160, 40, 180, False),
    "closer.jpg": (170, 50, 150, False),
    "far.jpg": (120, 10, 280, True),
}
"""File name to left, top and side of a square of scikit-image's astronaut, and whether it is mirrored."""
NO_FACE = "bricks.jpg"
NAMES = [*list(CROPS)[:2], NO_FACE, *list(CROPS)[2:]]


def crop(name: str) -> Picture:
    x, y, side, mirrored = CROPS[name]
    square = skimage.data.astronaut()[y : y + side, x : x + side]
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)


def pictures() -> dict[str, Picture]:
    bricks = np.repeat(skimage.data.brick()[:200, :200, None], 3, axis=2)
    return {**{name: crop(name) for name in CROPS}, NO_FACE: np.ascontiguousarray(bricks)}


def label(names: list[str]) -> Labels:
    present = np.array([[i % 2 == 0, i % 3 == 0] for i in range(len(names))])
    return Labels(images=tuple(names), names=("Smiling", "Glasses"), present_NK=present)


LABELS = label(NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("faces")
    for name, picture in pictures().items():
        write_image(target / name, picture)
    return target


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "faces.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name in NAMES:
            target.write(folder / name, f"img_align/{name}")
    return path


@pytest.fixture
def align(detector_bundle: Bundle, archive: Path, tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare the archive, or what is given instead, into a cache of this test."""

    def call(source: Path = archive, labels: Labels = LABELS, **options: Any) -> Prepared:
        settings: dict[str, Any] = {"names": ["Glasses", "Smiling"], "size": SIZE, **options}
        return prepare(labels, source, detector=detector_bundle, cache=tmp_path / "cache", **settings)

    return call


@pytest.fixture(scope="module")
def detector(detector_bundle: Bundle) -> FaceDetector:
    return FaceDetector(*(detector_bundle.graph(f"detector_{stage}") for stage in "pro"))


def test_images_without_a_face_are_left_out_and_labels_stay_with_their_images(
    align: Callable[..., Prepared],
) -> None:
    seen: list[tuple[int, int]] = []
    prepared = align(on_image=lambda *step: seen.append(step))
    assert (prepared.n_files, prepared.n_without_face, prepared.n_turned) == (6, 1, 0)
    assert prepared.data.images_NHWC.shape == (5, SIZE, SIZE, 3)
    assert prepared.data.images_NHWC.dtype == np.uint8
    kept = [i for i, name in enumerate(NAMES) if name != NO_FACE]
    assert prepared.data.labels_NK.tolist() == LABELS.present_NK[kept][:, ::-1].astype(int).tolist()
    assert seen == [(i + 1, 6) for i in range(6)]


def test_a_folder_and_an_archive_give_the_same_images(align: Callable[..., Prepared], folder: Path) -> None:
    assert np.array_equal(align(folder).data.images_NHWC, align().data.images_NHWC)


def test_a_face_whose_points_do_not_fit_is_left_out_and_counted(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    # A stretched face has its eyes and mouth as far from the template as one turned up or down.
    source = Path(shutil.copytree(folder, tmp_path / "faces"))
    stretched = cv2.resize(crop("portrait.jpg"), None, fx=1.6, fy=1)
    write_image(source / "turned.jpg", np.asarray(stretched, dtype=np.uint8))
    prepared = align(source, label(["turned.jpg", *NAMES]))
    assert (prepared.n_files, prepared.n_without_face, prepared.n_turned) == (7, 1, 1)
    assert len(prepared.data) == 5


def eyes_in(crop: Picture, detector: FaceDetector) -> NDArray[np.float64]:
    border = SIZE // 2
    wide = cv2.copyMakeBorder(crop, border, border, border, border, cv2.BORDER_REPLICATE)
    large = cv2.resize(wide, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    found = detector.detect(np.asarray(large, dtype=np.uint8))
    return (anchors(found[0].landmarks)[:2] + 0.5) / 4 - 0.5 - border


def test_the_eyes_come_to_lie_where_the_template_says(
    align: Callable[..., Prepared], detector: FaceDetector
) -> None:
    template = np.array(template_at(CELEBA_TIGHT, SIZE))[:2]
    for aligned in align().data.images_NHWC:
        misses = np.linalg.norm(eyes_in(np.array(aligned), detector) - template, axis=1)
        assert misses.max() < 1.5


def test_the_crop_is_the_one_that_the_runtime_cuts_out(detector: FaceDetector) -> None:
    """Up to a fraction of a pixel: the runtime searches the scene, training the image within a border."""
    size, shifts = 128, []
    template = np.array(template_at(CELEBA_TIGHT, size))
    for name in CROPS:
        picture = crop(name)
        planes = FramePlanes(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        (running,) = crops_of(planes, Tracker(detector, template, size).update(planes, 0.0), size)
        trained = align_image(picture, detector, size)
        assert not isinstance(trained, str)
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (trained, running)]
        shifts.append(cv2.phaseCorrelate(*grey)[0])
        assert np.abs(grey[0] - grey[1]).mean() < 6
    assert np.linalg.norm(shifts, axis=1).max() < 1.5
    assert np.linalg.norm(np.mean(shifts, axis=0)) < 0.5


def test_a_second_call_takes_the_cache(
    align: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = align()
    monkeypatch.setattr("fader.train.data.preparation.align_all", None)
    second = align(names=["Smiling"])
    assert np.array_equal(first.data.images_NHWC, second.data.images_NHWC)
    assert second.data.labels_NK[:, 0].tolist() == first.data.labels_NK[:, 1].tolist()
    assert second.n_without_face == 1


@pytest.mark.parametrize("change", ["another size", "fewer labels", "a changed archive"])
def test_the_cache_is_not_taken_for_something_else(
    align: Callable[..., Prepared], archive: Path, tmp_path: Path, change: str
) -> None:
    source = shutil.copy(archive, tmp_path / "faces.zip")
    align(source)
    if change == "another size":
        assert align(source, size=32).data.images_NHWC.shape == (5, 32, 32, 3)
    elif change == "fewer labels":
        assert align(source, label(NAMES[:3])).data.images_NHWC.shape == (2, SIZE, SIZE, 3)
    else:
        with zipfile.ZipFile(source, "a") as target:
            target.writestr("more.jpg", b"")
        align(source)
    assert len([path for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")]) == 2


def test_an_image_that_changed_in_its_folder_is_aligned_again(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(folder, tmp_path / "faces"))
    before = align(source).data.images_NHWC[0].copy()
    (source / NAMES[0]).write_bytes((source / NAMES[1]).read_bytes())
    assert not np.array_equal(align(source).data.images_NHWC[0], before)


def test_a_cache_that_was_not_finished_is_made_again(align: Callable[..., Prepared], tmp_path: Path) -> None:
    whole = align().data.images_NHWC.copy()
    (cached,) = (tmp_path / "cache").iterdir()
    (cached / "aligned.json").unlink()
    (cached / "images.npy").write_bytes(b"half")
    (cached.with_name(f".{cached.name}.partial")).mkdir()
    assert np.array_equal(align().data.images_NHWC, whole)
    assert json.loads((cached / "aligned.json").read_text())["without_face"] == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [cached.name]


def test_two_processes_align_as_one_does(
    align: Callable[..., Prepared], detector_bundle: Bundle, archive: Path, tmp_path: Path
) -> None:
    one = align()
    two = prepare(
        LABELS,
        archive,
        names=["Glasses", "Smiling"],
        size=SIZE,
        detector=detector_bundle,
        cache=tmp_path / "other cache",
        workers=2,
    )
    assert np.array_equal(one.data.images_NHWC, two.data.images_NHWC)
    assert np.array_equal(one.data.labels_NK, two.data.labels_NK)
    assert (one.n_without_face, one.n_turned) == (two.n_without_face, two.n_turned)


def test_missing_images_are_named_before_anything_is_aligned(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    labels = label([*NAMES, "nothing.jpg", "neither.jpg"])
    with pytest.raises(DataError, match=r"lacks 2 labelled images, the first is nothing.jpg: is it whole\?"):
        align(labels=labels)
    assert not (tmp_path / "cache").exists()


def test_an_unknown_attribute_is_refused_before_anything_is_aligned(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no attribute 'Hat': choose from Smiling, Glasses"):
        align(names=["Hat"])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_is_none_is_named(align: Callable[..., Prepared], tmp_path: Path, workers: int) -> None:
    source = tmp_path / "faces.zip"
    with zipfile.ZipFile(source, "w") as target:
        target.writestr("broken.jpg", b"no image")
    with pytest.raises(DataError, match=r"cannot read broken\.jpg as an image") as error:
        align(source, label(["broken.jpg"]), workers=workers)
    assert len(str(error.value).splitlines()) == 1


def test_images_of_something_else_are_refused_and_leave_nothing(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=r"only 0 of 1 images show a face that can be aligned: are these faces\?"
    ):
        align(folder, label([NO_FACE]))
    assert not list((tmp_path / "cache").iterdir())


def test_the_face_in_the_middle_is_taken(detector: FaceDetector) -> None:
    alone = crop("closer.jpg")
    both = np.concatenate([alone[:, :75], alone, alone], axis=1)
    aligned = align_image(np.ascontiguousarray(both[:, 60:240]), detector, SIZE)
    assert not isinstance(aligned, str)
    expected = align_image(alone, detector, SIZE)
    assert not isinstance(expected, str)
    assert np.abs(aligned.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (23, 23)])
def test_a_picture_too_small_for_a_face_has_none(shape: tuple[int, int], detector: FaceDetector) -> None:
    assert align_image(np.zeros((*shape, 3), dtype=np.uint8), detector, SIZE) == "no face"
