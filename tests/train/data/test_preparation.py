"""Real faces through the real detector, and other pictures: what is kept and where, what the cache does."""

import errno
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from fader.attributes import Attribute
from fader.bundle import Bundle
from fader.errors import DataError
from fader.image import write_image
from fader.runtime.faces.alignment import CELEBA_TIGHT, anchors, template_at
from fader.runtime.faces.detector import FaceDetector
from fader.runtime.faces.tracking import Tracker
from fader.runtime.stages import crops_of
from fader.runtime.video.planes import FramePlanes
from fader.train import Labels, Prepared, prepare, read_labels
from fader.train.data.aligning import align_image
from fader.train.data.drawn_faces import drawn_faces, write_drawn_faces

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
    values = np.array([[i % 2 == 0, i % 3 == 0] for i in range(len(names))], dtype=np.float32)
    attributes = (Attribute(name="Smiling"), Attribute(name="Glasses"))
    return Labels(images=tuple(names), attributes=attributes, values_NK=values)


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
        settings: dict[str, Any] = {"size": SIZE, "detector": detector_bundle, **options}
        return prepare(labels, source, cache=tmp_path / "cache", **settings)

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
    assert prepared.data.attributes.names == ("Glasses", "Smiling")
    assert prepared.data.labels_NK.dtype == np.float32
    assert prepared.data.labels_NK.tolist() == LABELS.values_NK[kept][:, ::-1].tolist()
    assert prepared.data.split_N is None
    assert (prepared.problems, prepared.listing) == ((), None)
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
    monkeypatch.setattr("fader.train.data.preparation.frame_all", lambda *_: None)
    second = align(labels=LABELS.select(["Smiling"]))
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
    (cached / "report.json").unlink()
    (cached / "images.npy").write_bytes(b"half")
    (cached.with_name(f".{cached.name}.partial")).mkdir()
    (cached.with_name(f".{cached.name}.partial") / "images.npy").write_bytes(b"other half")
    assert np.array_equal(align().data.images_NHWC, whole)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [cached.name]


def test_two_processes_align_as_one_does(
    align: Callable[..., Prepared], detector_bundle: Bundle, archive: Path, tmp_path: Path
) -> None:
    one = align()
    two = prepare(
        LABELS,
        archive,
        size=SIZE,
        detector=detector_bundle,
        cache=tmp_path / "other cache",
        workers=2,
    )
    assert np.array_equal(one.data.images_NHWC, two.data.images_NHWC)
    assert np.array_equal(one.data.labels_NK, two.data.labels_NK)
    assert (one.n_without_face, one.n_turned) == (two.n_without_face, two.n_turned)


def damaged(folder: Path) -> tuple[Path, Labels]:
    """Return a folder with the six pictures and two that are none, and a label file that names one more."""
    source = folder / "faces"
    source.mkdir()
    names = [*NAMES[:3], "broken.jpg", *NAMES[3:], "text.jpg", "lost.jpg"]
    for name, picture in pictures().items():
        write_image(source / name, picture)
    (source / "broken.jpg").write_bytes(b"no image")
    (source / "text.jpg").write_bytes(b"")
    rows = "".join(f"{name},{i % 2}\n" for i, name in enumerate(names))
    (folder / "labels.csv").write_text(f"image,Smiling\n{rows}none.jpg\n")
    return source, read_labels(folder / "labels.csv")


def test_bad_rows_and_missing_images_are_named_before_anything_is_aligned(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    source, labels = damaged(tmp_path)
    with pytest.raises(
        DataError,
        match=r"labels\.csv:11: expected 2 cells, found 1: \['none\.jpg'\]; with 1 more in \S+\.csv: correct",
    ) as error:
        align(source, labels)
    (listing,) = (tmp_path / "cache").iterdir()
    assert str(listing) in str(error.value)
    assert f"labels.csv,10,{source} has no image lost.jpg" in listing.read_text()


def test_unreadable_images_are_named_when_the_others_are_aligned_and_can_be_left_out(
    align: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, labels = damaged(tmp_path)
    labels = replace(labels.rows(np.array([name != "lost.jpg" for name in labels.images])), problems=())
    with pytest.raises(DataError, match=r"labels\.csv:5: cannot read broken\.jpg as an image.*with 1 more"):
        align(source, labels)
    monkeypatch.setattr("fader.train.data.preparation.frame_all", lambda *_: None)
    assert len(align(source, labels, skip_bad_rows=True).data) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_where_bad_rows_may_be_left_out_they_are_listed_and_the_others_keep_their_labels(
    align: Callable[..., Prepared], tmp_path: Path, workers: int
) -> None:
    source, labels = damaged(tmp_path)
    prepared = align(source, labels, skip_bad_rows=True, workers=workers)
    assert [problem.line for problem in prepared.problems] == [11, 10, 5, 9]
    assert prepared.listing is not None
    assert len(prepared.listing.read_text().splitlines()) == 5
    assert (prepared.n_files, prepared.n_without_face, len(prepared.data)) == (9, 1, 5)
    assert prepared.data.labels_NK[:, 0].tolist() == [0, 1, 0, 1, 0]
    alone = align(source, label(list(CROPS)))
    assert np.array_equal(prepared.data.images_NHWC, alone.data.images_NHWC)


def test_rows_without_a_value_of_an_attribute_that_is_not_used_stop_nothing(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    rows = "".join(f"{name},{i % 2},{i if i else ''}\n" for i, name in enumerate(NAMES))
    (tmp_path / "labels.csv").write_text(f"image,Smiling,Age\n{rows}")
    labels = read_labels(tmp_path / "labels.csv")
    assert len(align(folder, labels.select(["Smiling"])).data) == 5
    with pytest.raises(DataError, match=r"labels\.csv:2: Age has no value, expected a number; correct it"):
        align(folder, labels)
    prepared = align(folder, labels, skip_bad_rows=True)
    assert len(prepared.data) == 4
    assert np.isfinite(prepared.data.labels_NK).all()


def test_the_partition_stays_with_the_images(align: Callable[..., Prepared]) -> None:
    split = np.array([0, 1, 2, 0, 2, 1], dtype=np.int8)
    prepared = align(labels=replace(LABELS, split_N=split))
    assert prepared.data.split_N is not None
    assert prepared.data.split_N.tolist() == [0, 1, 0, 2, 1]


def test_a_source_with_none_of_the_images_is_refused_even_where_bad_rows_may_be_left_out(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    with pytest.raises(
        DataError,
        match=r"has none of the 2 labelled images, such as x\.jpg: name the folder or the zip archive",
    ):
        align(labels=label(["x.jpg", "y.jpg"]), skip_bad_rows=True)
    assert not (tmp_path / "cache").exists()


def test_labels_whose_rows_are_all_bad_are_refused(align: Callable[..., Prepared], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1\nSmiling\nportrait.jpg yes\n")
    labels = read_labels(tmp_path / "labels.txt")
    with pytest.raises(DataError, match=r"labels\.txt:3: Smiling is 'yes', expected 1 or -1; correct it"):
        align(labels=labels)
    with pytest.raises(DataError, match=r"labels\.txt: expected rows of images, found none that can be used"):
        align(labels=labels, skip_bad_rows=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_archive_without_any_image_is_refused_with_the_first_reason(
    align: Callable[..., Prepared], tmp_path: Path, workers: int
) -> None:
    source = tmp_path / "faces.zip"
    with zipfile.ZipFile(source, "w") as target:
        target.writestr("broken.jpg", b"no image")
    with pytest.raises(
        DataError, match=r"only 0 of 1 images can be used; cannot read broken\.jpg as an image"
    ) as error:
        align(source, label(["broken.jpg"]), workers=workers)
    assert len(str(error.value).splitlines()) == 1


def test_pictures_of_other_things_are_cropped_in_the_middle_and_made_smaller(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    source = tmp_path / "flowers" / "class_1"
    source.mkdir(parents=True)
    picture = np.zeros((4 * SIZE, 8 * SIZE, 3), dtype=np.uint8)
    picture[:, 2 * SIZE : 4 * SIZE], picture[:, 4 * SIZE : 6 * SIZE] = (200, 0, 0), (0, 100, 0)
    picture[::4] //= 2
    write_image(source / "wide.png", picture)
    write_image(source / "tall.png", np.ascontiguousarray(picture.transpose(1, 0, 2)))
    write_image(source / "tiny.png", np.full((3, 2, 3), 77, dtype=np.uint8))
    names = ["class_1/wide.png", "class_1/tall.png", "class_1/tiny.png"]
    wide, tall, tiny = align(source.parent, label(names), detector=None).data.images_NHWC
    assert np.array_equal(np.unique(wide[:, : SIZE // 2].reshape(-1, 3), axis=0), [[175, 0, 0]])
    assert np.array_equal(np.unique(wide[:, SIZE // 2 :].reshape(-1, 3), axis=0), [[0, 88, 0]])
    assert np.array_equal(tall, wide.transpose(1, 0, 2))
    assert tiny.shape == (SIZE, SIZE, 3)
    assert np.unique(tiny).tolist() == [77]


def test_drawn_faces_of_the_right_size_come_through_as_they_are(
    align: Callable[..., Prepared], tmp_path: Path
) -> None:
    path = write_drawn_faces(tmp_path / "drawn", 30, SIZE, 5)
    faces = drawn_faces(30, SIZE, seed=5)
    prepared = align(path.parent, read_labels(path), detector=None)
    assert np.array_equal(prepared.data.images_NHWC, faces.images_NHWC)
    assert prepared.data.attributes.names == faces.attributes.names
    assert np.array_equal(prepared.data.labels_NK[:, 1:], faces.labels_NK[:, 1:])
    ages = [
        np.array([a["Age"].value_at(x) for x in n[:, 0]])
        for a, n in ((prepared.data.attributes, prepared.data.labels_NK), (faces.attributes, faces.labels_NK))
    ]
    assert np.abs(ages[0] - ages[1]).max() < 2


def test_aligned_and_cropped_images_do_not_share_a_cache(align: Callable[..., Prepared]) -> None:
    assert len(align().data) == 5
    assert len(align(detector=None).data) == 6
    assert len(align().data) == 5


@pytest.mark.parametrize("way", ["ALIGNMENT", "CROPPING"])
def test_another_way_of_making_crops_makes_them_anew(
    align: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    options = {"detector": None} if way == "CROPPING" else {}
    align(**options)
    monkeypatch.setattr(f"fader.train.data.preparation.{way}", ["another"])
    align(**options)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_images_of_something_else_are_refused_and_leave_nothing(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=r"only 0 of 1 images show a face that can be aligned: are these faces\?"
    ):
        align(folder, label([NO_FACE]))
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_without_room_for_the_images_is_refused_before_any_is_read(
    align: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("fader.train.data.crops.shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        DataError, match=r"the images take 0\.0 GB and \S+cache has 0\.0 GB free: choose another"
    ):
        align(on_image=lambda *_: pytest.fail("an image was read"))


def test_a_cache_that_cannot_be_written_is_refused_with_one_line(
    align: Callable[..., Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(DataError, match=r"^cannot make \S+cache \(File exists\): choose another --cache$"):
        align()
    (tmp_path / "cache").unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fader.train.data.crops.np.lib.format.write_array_header_1_0", full)
    with pytest.raises(
        DataError, match=r"^cannot write \S+ \(No space left on device\): choose another --cache$"
    ):
        align()
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
