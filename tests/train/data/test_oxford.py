"""Colours of flowers, from captions as Reed et al. distribute them."""

from pathlib import Path

import pytest

from fader.errors import DataError
from fader.train import read_labels
from fader.train.data.oxford import COLOURS, read_captions


def write(folder: Path, name: str, captions: list[str]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{caption}\n" for caption in captions))


def colours(folder: Path) -> dict[str, set[str]]:
    labels = read_captions(folder)
    return {
        image: {name for name, value in zip(labels.names, values, strict=True) if value}
        for image, values in zip(labels.images, labels.values_NK.tolist(), strict=True)
    }


PLAIN = ["this flower has five round petals"]


def test_a_flower_has_the_colours_that_five_captions_name(tmp_path: Path) -> None:
    write(tmp_path, "class_00001/image_06734.txt", ["Pink petals, yellow in the centre."] * 5 + PLAIN * 5)
    write(tmp_path, "class_00001/image_06735.txt", ["pink petals"] * 4 + ["white petals"] * 6)
    write(tmp_path, "class_00102/image_00001.txt", PLAIN * 10)
    assert colours(tmp_path) == {
        "image_06734.jpg": {"Pink", "Yellow"},
        "image_06735.jpg": {"White"},
        "image_00001.jpg": set(),
    }


def test_a_caption_counts_once_and_only_whole_words_count(tmp_path: Path) -> None:
    write(tmp_path, "class_00001/image_1.txt", ["red, red, red"] * 4 + ["a coloured flower"] * 6)
    write(
        tmp_path, "class_00001/image_2.txt", ["a PURPLISH flower", "violet", "lilac-purple"] * 2 + PLAIN * 4
    )
    assert colours(tmp_path) == {"image_1.jpg": set(), "image_2.jpg": {"Purple"}}


def test_colours_are_boolean_attributes_without_a_partition(tmp_path: Path) -> None:
    write(tmp_path, "class_00001/image_1.txt", PLAIN * 10)
    labels = read_captions(tmp_path)
    assert labels.names == tuple(COLOURS)
    assert {attribute.kind for attribute in labels.attributes} == {"boolean"}
    assert labels.split_N is None


def test_the_folder_of_the_captions_or_the_one_around_it_may_be_named(tmp_path: Path) -> None:
    write(tmp_path, "text_c10/class_00001/image_1.txt", ["blue"] * 10)
    (tmp_path / "text_c10" / "class_00001" / "image_1.h5").touch()
    (tmp_path / "jpg").mkdir()
    assert colours(tmp_path) == colours(tmp_path / "text_c10") == {"image_1.jpg": {"Blue"}}
    assert read_labels(tmp_path).names == tuple(COLOURS)


def test_too_few_captions_and_a_second_file_of_an_image_are_bad_rows(tmp_path: Path) -> None:
    write(tmp_path, "class_00001/image_1.txt", ["red"] * 4 + [""])
    write(tmp_path, "class_00001/image_2.txt", ["red"] * 10)
    write(tmp_path, "class_00002/image_2.txt", ["blue"] * 10)
    labels = read_captions(tmp_path)
    assert [str(problem) for problem in labels.problems] == [
        f"{tmp_path}: class_00001/image_1.txt has 4 captions, expected 10",
        f"{tmp_path}: 'image_2.jpg' has labels already",
    ]
    assert labels.images == ("image_2.jpg",)
    assert str(labels.problem(0, "gone")) == f"{tmp_path}: gone"


def test_stray_bytes_in_captions_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "class_00001").mkdir()
    (tmp_path / "class_00001" / "image_1.txt").write_bytes(b"\xffwhite\x00 petals\xe9\n" * 10)
    assert colours(tmp_path) == {"image_1.jpg": {"White"}}


def test_a_folder_without_captions_and_an_unreadable_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^\S+ holds no class_\*/image_\*\.txt: expected the captions of Reed"
    ):
        read_captions(tmp_path)
    (tmp_path / "class_00001" / "image_1.txt").mkdir(parents=True)
    with pytest.raises(DataError, match=r"^cannot read the captions \S+image_1\.txt: Is a directory$"):
        read_captions(tmp_path)
