"""Labels of any form are recognised by what is in them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fader.errors import ConfigError, DataError, FaderError
from fader.train import read_labels

CELEBA = "2\nHat Young\na.jpg 1 -1\nb.jpg -1 1\n"
TABLE = "image,Hat,Young\na.jpg,1,0\nb.jpg,0,1\n"
EXPECTED = [[1, 0], [0, 1]]


def write(folder: Path, text: str, name: str = "labels.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text", [CELEBA, TABLE, TABLE.replace(",", "\t"), "\ufeff" + CELEBA, "\ufeff" + TABLE]
)
@pytest.mark.parametrize("name", ["labels.txt", "labels.csv", "labels"])
def test_a_file_is_recognised_by_its_first_line_whatever_its_name(
    tmp_path: Path, text: str, name: str
) -> None:
    labels = read_labels(write(tmp_path, text, name))
    assert labels.names == ("Hat", "Young")
    assert labels.values_NK.tolist() == EXPECTED


def test_celeba_as_downloaded_is_read_with_its_partition(tmp_path: Path) -> None:
    write(tmp_path, CELEBA, "list_attr_celeba.txt")
    write(tmp_path, "a.jpg 0\nb.jpg 2\n", "list_eval_partition.txt")
    for path in (tmp_path, tmp_path / "list_attr_celeba.txt"):
        labels = read_labels(path)
        assert labels.values_NK.tolist() == EXPECTED
        assert labels.split_N is not None
        assert labels.split_N.tolist() == [0, 2]


def test_options_reach_the_reader(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE)
    labels = read_labels(path, kinds={"Hat": "continuous"}, spans={"Young": (0.0, 2.0)})
    assert [attribute.span for attribute in labels.attributes] == [(0.01, 0.99), (0, 2)]
    partition = write(tmp_path, "a.jpg 1\nb.jpg 2\n", "mine.txt")
    split_N = read_labels(write(tmp_path, CELEBA), partition=partition).split_N
    assert split_N is not None
    assert split_N.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (CELEBA, {"kinds": {"Hat": "boolean"}}, "is in CelebA's format, whose attributes are boolean"),
        (CELEBA, {"spans": {"Hat": (0, 1)}}, "is in CelebA's format, whose attributes are boolean"),
        (TABLE, {"partition": Path("p.txt")}, r"is a table, which takes no list_eval_partition\.txt"),
    ],
)
def test_options_of_another_form_are_refused(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_labels(write(tmp_path, text), **options)


@pytest.mark.parametrize("text", ["", "image\na.jpg\n", "000001.jpg 1 -1\n", "two\nHat\n"])
def test_a_file_of_no_known_form_is_refused_with_what_was_expected(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        DataError,
        match=r"^\S+:1: expected the number of images, as in list_attr_celeba\.txt, or names of columns with "
        r"commas or tabs between them, found '[^\n]*'$",
    ):
        read_labels(write(tmp_path, text))


def test_a_folder_without_labels_a_missing_file_and_an_archive_are_refused_with_one_line(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match=r"expected class_\*/image_\*\.txt or list_attr_celeba\.txt in it$"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match=r"^cannot read the label file \S+: [^\n]*$"):
        read_labels(tmp_path / "nothing.csv")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(bytes(range(256)))
    archive = Path(shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "images"))
    with pytest.raises(DataError, match=r"^[^\n]*images\.zip[^\n]*$"):
        read_labels(archive)


heads = st.sampled_from(["", "2\nA B\n", "1\nA\n", "image,A\n", "A;file\n", "x\tsplit\tB\n", "\ufeff"])
words = st.sampled_from(
    [
        "a.jpg",
        "1",
        "-1",
        "0",
        "yes",
        "red",
        "3.5",
        "",
        " ",
        ",",
        ",",
        ";",
        "\t",
        "\n",
        "\n",
        '"',
        "\x00",
        "\r",
    ]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=heads, body=st.one_of(st.binary(max_size=60), st.lists(words, max_size=40).map("".join)))
def test_any_file_is_read_or_refused_with_one_line(tmp_path: Path, head: str, body: bytes | str) -> None:
    path = tmp_path / "labels"
    path.write_bytes(head.encode() + (body if isinstance(body, bytes) else body.encode()))
    try:
        labels = read_labels(path)
    except FaderError as error:
        message = str(error)
    else:
        labels.select(labels.names)
        message = "read"
    assert len(message.splitlines()) == 1
