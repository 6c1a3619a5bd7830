"""From images and labels to crops: what is kept, and that labels stay with their images."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.train.data.portraits import LABELS, NAMES, NO_FACE, SIZE, crop, label

from fader.bundle import Bundle
from fader.errors import DataError
from fader.image import write_image
from fader.runtime.faces import portrait
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train import Prepared, prepare, read_labels
from fader.train.data.drawn_faces import drawn_faces, write_drawn_faces


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
    assert prepared.data.landmarks_N52 is not None
    template = np.array(template_at(CELEBA_TIGHT, SIZE))
    assert np.abs(prepared.data.landmarks_N52[:, :2] - template[:2]).max() < 2
    assert seen == [(i + 1, 6) for i in range(6)]


def test_a_folder_and_an_archive_give_the_same_images(align: Callable[..., Prepared], folder: Path) -> None:
    assert np.array_equal(align(folder).data.images_NHWC, align().data.images_NHWC)


def test_a_face_whose_points_do_not_fit_is_left_out_and_counted(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stretched face has its eyes and mouth as far from the template as one turned up or down, if not as far
    # as one turned aside.
    monkeypatch.setattr(portrait, "MAX_FIT_ERROR", 0.05)
    source = Path(shutil.copytree(folder, tmp_path / "faces"))
    stretched = cv2.resize(crop("portrait.jpg"), None, fx=1.6, fy=1)
    write_image(source / "turned.jpg", np.asarray(stretched, dtype=np.uint8))
    prepared = align(source, label(["turned.jpg", *NAMES]))
    assert (prepared.n_files, prepared.n_without_face, prepared.n_turned) == (7, 1, 1)
    assert len(prepared.data) == 5


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


def test_the_partition_stays_with_the_images(align: Callable[..., Prepared]) -> None:
    split = np.array([0, 1, 2, 0, 2, 1], dtype=np.int8)
    prepared = align(labels=replace(LABELS, split_N=split))
    assert prepared.data.split_N is not None
    assert prepared.data.split_N.tolist() == [0, 1, 0, 2, 1]


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
    data = align(source.parent, label(names), detector=None).data
    wide, tall, tiny = data.images_NHWC
    assert data.landmarks_N52 is None
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


def test_images_of_something_else_are_refused_and_leave_nothing(
    align: Callable[..., Prepared], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=r"only 0 of 1 images show a face that can be aligned: are these faces\?"
    ):
        align(folder, label([NO_FACE]))
    assert not list((tmp_path / "cache").iterdir())
