"""Label files in CelebA's format: read right, bad rows named, or refused with one line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fader.errors import DataError
from fader.train import Labels
from fader.train.data.celeba import PARTITION, read_celeba_labels

CELEBA = """3
Eyeglasses Male Smiling
000001.jpg -1  1  1
000002.jpg  1 -1 -1
000003.jpg -1 -1  1
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "list_attr.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read_celeba_labels(path)
    (line,) = str(error.value).splitlines()
    return line


def test_celebas_own_format_is_read(tmp_path: Path) -> None:
    labels = read_celeba_labels(write(tmp_path, CELEBA))
    assert labels.images == ("000001.jpg", "000002.jpg", "000003.jpg")
    assert labels.names == ("Eyeglasses", "Male", "Smiling")
    assert {attribute.kind for attribute in labels.attributes} == {"boolean"}
    assert labels.values_NK.dtype == np.float32
    assert labels.values_NK.tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 1]]
    assert labels.split_N is None
    assert labels.problems == ()


@pytest.mark.parametrize("change", ["crlf", "byte order mark", "blank lines", "no last newline"])
def test_what_editors_do_to_a_file_does_not_matter(tmp_path: Path, change: str) -> None:
    text = {
        "crlf": CELEBA.replace("\n", "\r\n"),
        "byte order mark": "\ufeff" + CELEBA,
        "blank lines": CELEBA + "\n\n",
        "no last newline": CELEBA.rstrip(),
    }[change]
    assert read_celeba_labels(write(tmp_path, text)).values_NK.sum() == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: expected the number of images"),
        ("\n", ":1: expected the number of images"),
        ("three\nA\nx 1\n", ":1: expected the number of images, as in list_attr_celeba.txt, found 'three'"),
        ("²\nA\nx 1\n", ":1: expected the number of images"),
        ("-1\nA\nx 1\n", ":1: expected the number of images"),
        ("9" * 5000 + "\nA\nx 1\n", ":1: expected the number of images"),
        ("1", ":2: expected names of attributes"),
        ("1\n\nx\n", ":2: expected names of attributes, all different and without '=' and ':', found []"),
        ("1\nA B A\nx 1 1 1\n", ":2: expected names of attributes, all different"),
        ("1\nA:B\nx 1\n", ":2: expected names of attributes, all different and without '=' and ':'"),
        ("1\nA=B\nx 1\n", ":2: expected names of attributes, all different and without '=' and ':'"),
        ("0\nA\n", ":1: says 0 images, found 0"),
        ("1\nA\n", ":1: says 1 images, found 0: is the file whole?"),
        ("2\nA\nx 1\n", ":1: says 2 images, found 1: is the file whole?"),
        ("1\nA\nx 1\ny 1\n", ":1: says 1 images, found 2"),
    ],
)
def test_a_file_that_is_not_whole_or_of_another_format_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    assert message in refusal(write(tmp_path, text))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("x 1 -1\ny 0 1\nz 1 1", "4: A is '0', expected 1 or -1"),
        ("x 1 -1\n\ny 1 one\nz 1 1", "5: B is 'one', expected 1 or -1"),
        ("x 1 -1\ny 1\nz 1 1", "4: expected a file name and 2 times 1 or -1, found ['y', '1']"),
        ("x 1 -1\ny 1 1 1\nz 1 1", "4: expected a file name and 2 times 1 or -1, found ['y', '1', '1', '1']"),
        ("x 1 -1\nx 1 1\nz 1 1", "4: 'x' has labels already, in line 3"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_left_out(tmp_path: Path, rows: str, problem: str) -> None:
    path = write(tmp_path, f"3\nA B\n{rows}\n")
    labels = read_celeba_labels(path)
    assert [str(found) for found in labels.problems] == [f"{path}:{problem}"]
    sound = labels.select(["A", "B"])
    assert sound.images == ("x", "z")
    assert sound.values_NK.tolist() == [[1, 0], [1, 1]]


def test_a_file_that_is_not_text_is_refused_with_one_line(tmp_path: Path) -> None:
    assert "cannot read the label file" in refusal(write(tmp_path, b"1\nA\n\xff\xfe 1\n"))


def test_a_missing_file_and_a_folder_are_refused_with_one_line(tmp_path: Path) -> None:
    assert "cannot read the label file" in refusal(tmp_path / "nothing.txt")
    assert "cannot read the label file" in refusal(tmp_path)


def test_the_partition_beside_the_file_says_what_images_are_for(tmp_path: Path) -> None:
    (tmp_path / PARTITION).write_text("000003.jpg 2\n000001.jpg 0\n000002.jpg 1\n999999.jpg 0\n")
    labels = read_celeba_labels(write(tmp_path, CELEBA))
    assert labels.split_N is not None
    assert labels.split_N.dtype == np.int8
    assert labels.split_N.tolist() == [0, 1, 2]
    assert labels.problems == ()


def test_another_partition_can_be_named(tmp_path: Path) -> None:
    (tmp_path / PARTITION).write_text("000001.jpg 0\n")
    other = tmp_path / "mine.txt"
    other.write_text("000001.jpg 2\n000002.jpg 0\n000003.jpg 0\n")
    labels = read_celeba_labels(write(tmp_path, CELEBA), partition=other)
    assert labels.split_N is not None
    assert labels.split_N.tolist() == [2, 0, 0]
    with pytest.raises(DataError, match=r"cannot read the label file \S*nothing\.txt"):
        read_celeba_labels(write(tmp_path, CELEBA), partition=tmp_path / "nothing.txt")


def test_bad_lines_of_a_partition_and_images_without_one_are_bad_rows(tmp_path: Path) -> None:
    partition, path = tmp_path / PARTITION, write(tmp_path, CELEBA)
    partition.write_text("000001.jpg 0\n000002.jpg 3\n\n000001.jpg 1\n000003.jpg\n")
    labels = read_celeba_labels(path)
    assert [str(problem) for problem in labels.problems] == [
        f"{partition}:2: expected each file name with 0, 1 or 2, found ['000002.jpg', '3']",
        f"{partition}:4: expected each file name once with 0, 1 or 2, found ['000001.jpg', '1']",
        f"{partition}:5: expected each file name with 0, 1 or 2, found ['000003.jpg']",
        f"{path}:4: list_eval_partition.txt does not say what the image is for",
        f"{path}:5: list_eval_partition.txt does not say what the image is for",
    ]
    assert labels.images == ("000001.jpg",)
    assert labels.split_N is not None
    assert labels.split_N.tolist() == [0]


Parsed = tuple[list[str], list[list[bool]]]


def parse(text: str) -> Parsed | None:
    """Read the format again, in its simplest form, without bad rows; None if the file is to be refused."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [line.split() for line in lines[2:] if line.strip()]
    names = lines[1].split() if len(lines) > 1 else []
    counts = {str(len(rows)).zfill(n) for n in range(1, 10)}
    named = names and len(set(names)) == len(names) and not any(set(name) & set("=:") for name in names)
    if not rows or not named or lines[0].strip() not in counts:
        return None
    known: dict[str, list[str]] = {}
    for image, *row in rows:
        if len(row) == len(names):
            known.setdefault(image, row)
    sound = {image: row for image, row in known.items() if set(row) <= {"1", "-1"}}
    return list(sound), [[cell == "1" for cell in row] for row in sound.values()]


def outcome(path: Path) -> Labels | None:
    """Return what is read, None if it is refused with one line; anything else fails."""
    try:
        labels = read_celeba_labels(path)
    except DataError as error:
        return None if len(str(error).splitlines()) == 1 else pytest.fail(f"{error!r} has several lines")
    assert all(len(str(problem).splitlines()) == 1 for problem in labels.problems)
    return labels.select(labels.names)


cells = st.sampled_from(
    ["1", "-1", "x", "y.jpg", "0", "A", "B", " ", "\t", "\n", "\n", "2", "3", "\x1c", "\u2028"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(cells, max_size=30).map(" ".join), st.lists(cells).map("".join)))
@example(text="2\nA B\nx 1 -1\ny -1 1")
@example(text="²\nA\nx 1")
@example(text="1\nA\nx\u20281")
def test_any_text_is_read_right_or_refused_with_one_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text.encode(errors="surrogatepass"))
    found, expected = outcome(path), parse(text)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert list(found.images) == expected[0]
        assert found.values_NK.tolist() == expected[1]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_one_line(tmp_path: Path, content: bytes) -> None:
    outcome(write(tmp_path, content))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_written_in_the_format_comes_back(tmp_path: Path, data: st.DataObject) -> None:
    word = st.text(
        st.characters(exclude_categories=["Z", "C"], exclude_characters="=:"), min_size=1, max_size=8
    )
    names = data.draw(st.lists(word, min_size=1, max_size=4, unique=True))
    images = data.draw(st.lists(word, min_size=1, max_size=6, unique=True))
    present = data.draw(
        st.lists(
            st.lists(st.booleans(), min_size=len(names), max_size=len(names)),
            min_size=len(images),
            max_size=len(images),
        )
    )
    rows = [
        " ".join([image, *("1" if cell else "-1" for cell in row)])
        for image, row in zip(images, present, strict=True)
    ]
    labels = read_celeba_labels(write(tmp_path, "\n".join([str(len(images)), " ".join(names), *rows])))
    assert labels.names == tuple(names)
    assert labels.images == tuple(images)
    assert labels.values_NK.tolist() == present
