"""What is taken from the cache of crops, what is made anew, and a cache that cannot be used."""

import errno
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.train.data.portraits import LABELS, NAMES, SIZE, label

from fader.errors import DataError
from fader.train import Prepared


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
