"""Label files in CelebA's format: read right, or refused with one line that names the line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fader.errors import ConfigError, DataError
from fader.train import Labels, read_celeba_labels

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
    assert labels.present_NK.dtype == np.bool_
    assert labels.present_NK.tolist() == [[False, True, True], [True, False, False], [False, False, True]]


@pytest.mark.parametrize("change", ["crlf", "byte order mark", "blank lines", "no last newline"])
def test_what_editors_do_to_a_file_does_not_matter(tmp_path: Path, change: str) -> None:
    text = {
        "crlf": CELEBA.replace("\n", "\r\n"),
        "byte order mark": "\ufeff" + CELEBA,
        "blank lines": CELEBA + "\n\n",
        "no last newline": CELEBA.rstrip(),
    }[change]
    assert read_celeba_labels(write(tmp_path, text)).present_NK.sum() == 4


def test_attributes_are_selected_in_the_order_asked_for(tmp_path: Path) -> None:
    labels = read_celeba_labels(write(tmp_path, CELEBA))
    assert labels.select(["Smiling", "Eyeglasses"]).tolist() == [[True, False], [False, True], [True, False]]


def test_an_unknown_attribute_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    labels = read_celeba_labels(write(tmp_path, CELEBA))
    with pytest.raises(ConfigError, match="no attribute 'Hat': choose from Eyeglasses, Male, Smiling"):
        labels.select(["Male", "Hat"])


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
        ("1\n\nx\n", ":2: expected names of attributes, all different, found []"),
        ("1\nA B A\nx 1 1 1\n", ":2: expected names of attributes, all different"),
        ("0\nA\n", ":1: says 0 images, found 0"),
        ("1\nA\n", ":1: says 1 images, found 0: is the file whole?"),
        ("2\nA\nx 1\n", ":1: says 2 images, found 1: is the file whole?"),
        ("1\nA\nx 1\ny 1\n", ":1: says 1 images, found 2"),
        ("2\nA\nx 1\ny 0\n", ":4: expected a file name and 1 times 1 or -1, found ['y', '0']"),
        ("2\nA\n\nx 1\ny one\n", ":5: expected a file name and 1 times 1 or -1"),
        ("1\nA B\nx 1\n", ":3: expected a file name and 2 times 1 or -1, found ['x', '1']"),
        ("1\nA B\nx 1 1 1\n", ":3: expected a file name and 2 times 1 or -1"),
        ("3\nA\nx 1\ny 1\nx -1\n", ":5: x has labels in line 3 already: remove one of them"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(write(tmp_path, text))


def test_a_file_that_is_not_text_is_refused_with_one_line(tmp_path: Path) -> None:
    assert "cannot read the label file" in refusal(write(tmp_path, b"1\nA\n\xff\xfe 1\n"))


def test_a_missing_file_and_a_folder_are_refused_with_one_line(tmp_path: Path) -> None:
    assert "cannot read the label file" in refusal(tmp_path / "nothing.txt")
    assert "cannot read the label file" in refusal(tmp_path)


def parse(text: str) -> tuple[list[str], list[list[bool]]] | None:
    """Read the format again, in its simplest form; None if it is anything else."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [line.split() for line in lines[2:] if line.strip()]
    names = lines[1].split() if len(lines) > 1 else []
    images = [row[0] for row in rows]
    sound = (
        lines[0].strip() in {str(len(rows)).zfill(n) for n in range(1, 10)}
        and images
        and names
        and len(set(names)) == len(names)
        and len(set(images)) == len(images)
        and all(len(row) == len(names) + 1 and set(row[1:]) <= {"1", "-1"} for row in rows)
    )
    return (images, [[cell == "1" for cell in row[1:]] for row in rows]) if sound else None


def outcome(path: Path) -> Labels | None:
    """Return what is read, None if it is refused with one line; anything else fails."""
    try:
        return read_celeba_labels(path)
    except DataError as error:
        return None if len(str(error).splitlines()) == 1 else pytest.fail(f"{error!r} has several lines")


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
        assert found.present_NK.tolist() == expected[1]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_one_line(tmp_path: Path, content: bytes) -> None:
    outcome(write(tmp_path, content))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_written_in_the_format_comes_back(tmp_path: Path, data: st.DataObject) -> None:
    word = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8)
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
    assert labels.present_NK.tolist() == present
