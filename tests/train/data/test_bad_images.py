"""Rows and images that are none: what is named, what is left out, what is refused."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.train.data.portraits import CROPS, NAMES, label, pictures

from fader.errors import DataError
from fader.image import write_image
from fader.train import Labels, Prepared, read_labels


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
