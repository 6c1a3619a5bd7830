"""Faces to calibrate on: the same from a folder and from an archive, and too few are refused."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.scenes import write_photos

from fader.bundle import Bundle
from fader.errors import DataError
from fader.export import photographs
from fader.export.photographs import Faces, read_faces
from fader.runtime.faces.detector import FaceDetector

Read = Callable[[Path], Faces]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 photographs with a face; not to be changed."""
    return write_photos(tmp_path_factory.mktemp("faces") / "photos")


@pytest.fixture(scope="module")
def detector(detector_bundle: Bundle) -> FaceDetector:
    return FaceDetector(*(detector_bundle.graph(f"detector_{stage}") for stage in "pro"))


@pytest.fixture
def read(detector: FaceDetector, detector_bundle: Bundle) -> Read:
    manifest = detector_bundle.manifest
    return lambda photos: read_faces(photos, detector, np.array(manifest.template), manifest.image_size)


def same(one: Faces, other: Faces) -> bool:
    return np.array_equal(one.calibration_NSS3, other.calibration_NSS3) and np.array_equal(
        one.test_NSS3, other.test_NSS3
    )


def test_a_third_of_the_faces_is_kept_for_the_comparison(read: Read, photos: Path) -> None:
    faces = read(photos)
    assert faces.calibration_NSS3.shape == (12, 64, 64, 3)
    assert faces.test_NSS3.shape == (6, 64, 64, 3)
    assert faces.n_photographs == 18
    seen = {face.tobytes() for face in faces.calibration_NSS3}
    assert not seen & {face.tobytes() for face in faces.test_NSS3}


def test_an_archive_and_files_of_other_kinds_change_nothing(read: Read, photos: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "archive"), "zip", photos)
    with_others = Path(shutil.copytree(photos, tmp_path / "copy"))
    (with_others / "notes.txt").write_text("who is who")
    (with_others / "broken.jpg").write_bytes(b"\xff\xd8 cut off")
    faces = read(photos)
    assert same(faces, read(tmp_path / "archive.zip"))
    found = read(with_others)
    assert found.n_photographs == 19
    # One more name does not move the others: their order is by their own digests.
    assert same(faces, found)


def test_photographs_in_folders_of_the_folder_are_found(read: Read, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "album" / "summer")
    assert len(read(tmp_path / "album").test_NSS3) == 6


def test_no_more_than_the_most_are_looked_at(
    read: Read, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "MAX_FACES", 17)
    faces = read(photos)
    assert (len(faces.calibration_NSS3), len(faces.test_NSS3), faces.n_photographs) == (12, 5, 17)


def test_too_few_faces_are_refused_in_one_line(read: Read, photos: Path, tmp_path: Path) -> None:
    for i in range(15):
        shutil.copy(photos / f"{i}.png", tmp_path)
    with pytest.raises(DataError, match=r"found 15 faces in the 15 photographs of .*, expected 16 or more"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["portrait.png", "nothing"])
def test_what_is_neither_a_folder_nor_an_archive_is_refused_in_one_line(
    read: Read, photos: Path, tmp_path: Path, name: str
) -> None:
    shutil.copy(photos / "0.png", tmp_path / "portrait.png")
    path = tmp_path / name
    with pytest.raises(DataError, match=f"cannot read images from {re.escape(str(path))}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
