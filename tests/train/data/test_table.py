"""Tables of labels: what a column is, what its cells mean, and which rows are bad."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fader.errors import ConfigError, DataError
from fader.train import Labels
from fader.train.data.drawn_faces import drawn_faces, write_drawn_faces
from fader.train.data.table import read_table

FACES = """image,Smiling,Hair,Age
a.jpg,1,red,20
b.jpg,0,black,40
class/c.jpg,1,red,30
"""


def write(folder: Path, text: str | bytes, name: str = "faces.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def column(folder: Path, cells: list[str], **options: Any) -> Labels:
    """Read a table of one column, X."""
    rows = [f'{i}.jpg,"{cell}"' for i, cell in enumerate(cells)]
    return read_table(write(folder, "\n".join(["image,X", *rows])), **options)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read_table(path)
    (line,) = str(error.value).splitlines()
    return line


def test_three_kinds_of_columns_are_told_by_their_cells(tmp_path: Path) -> None:
    labels = read_table(write(tmp_path, FACES))
    assert labels.images == ("a.jpg", "b.jpg", "class/c.jpg")
    assert labels.names == ("Smiling", "Hair", "Age")
    assert [attribute.kind for attribute in labels.attributes] == ["boolean", "categorical", "continuous"]
    assert labels.attributes[1].categories == ("black", "red")
    assert labels.attributes[2].span == pytest.approx((20.2, 39.8))
    assert labels.values_NK.dtype == np.float32
    assert labels.values_NK.tolist() == [[1, 1, 0], [0, 0, 1], [1, 1, 0.5]]
    assert labels.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        FACES.replace(",", "\t"),
        FACES.replace(",", ";"),
        FACES.replace(",", " , "),
        FACES.replace("\n", "\r\n"),
        "\ufeff" + FACES,
        FACES.replace("\n", "\n\n,,,\n"),
        FACES.replace("red", '"red"').replace("a.jpg", '"a.jpg"'),
    ],
)
def test_separators_ends_of_lines_quotes_and_marks_do_not_matter(tmp_path: Path, text: str) -> None:
    labels = read_table(write(tmp_path, text))
    assert labels.names == ("Smiling", "Hair", "Age")
    assert labels.images == ("a.jpg", "b.jpg", "class/c.jpg")
    assert labels.values_NK.tolist() == [[1, 1, 0], [0, 0, 1], [1, 1, 0.5]]


@pytest.mark.parametrize("name", ["image", "File", "FILENAME"])
def test_the_column_of_file_names_may_stand_anywhere(tmp_path: Path, name: str) -> None:
    labels = read_table(write(tmp_path, f"Smiling,{name}\n1,a.jpg\n0,b.jpg\n"))
    assert (labels.images, labels.names) == (("a.jpg", "b.jpg"), ("Smiling",))


def test_without_such_a_name_the_first_column_has_the_file_names(tmp_path: Path) -> None:
    labels = read_table(write(tmp_path, "image_id,Smiling\n1,0\n2,1\n"))
    assert (labels.images, labels.names) == (("1", "2"), ("Smiling",))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "1"], [0, 1]),
        (["-1", "1"], [0, 1]),
        (["1.0", "0.0"], [1, 0]),
        (["True", "FALSE"], [1, 0]),
        (["no", "Yes"], [0, 1]),
        (["1", "1"], [1, 1]),
        (["-1", "-1"], [0, 0]),
    ],
)
def test_pairs_of_numbers_and_words_are_boolean(
    tmp_path: Path, cells: list[str], expected: list[int]
) -> None:
    labels = column(tmp_path, cells)
    assert labels.attributes[0].kind == "boolean"
    assert labels.values_NK[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["-1", "0", "1"], "continuous"),
        (["0", "1"] * 50 + ["2"], "continuous"),
        (["1e3", "-.5", "+2.", "7"], "continuous"),
        (["yes", "no", "maybe", "maybe"], "categorical"),
        (["a", "1", "b", "2"], "categorical"),
        (["0-9", "10-19"], "categorical"),
        (["1_0", "\uff12", "0x3"], "categorical"),
    ],
)
def test_other_cells_are_numbers_or_texts(tmp_path: Path, cells: list[str], kind: str) -> None:
    assert column(tmp_path, cells).attributes[0].kind == kind


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        (["0", "1"], "x", "X is 'x', expected 0 or 1"),
        (["-1", "1"], "?", "X is '?', expected -1 or 1"),
        (["true", "false"], "1", "X is '1', expected false or true"),
        (["yes", "no"], "perhaps", "X is 'perhaps', expected no or yes"),
        (["3", "4"], "young", "X is 'young', expected a number"),
        (["3", "4"], "nan", "X is 'nan', expected a number"),
        (["3", "4"], "1e999", "X is '1e999', expected a number"),
        (["3", "4"], "", "X has no value, expected a number"),
        (["red", "blue"], "", "X has no value, expected a category"),
    ],
)
@pytest.mark.parametrize("n", [1, 10])
def test_a_cell_that_is_not_as_nearly_all_are_is_a_bad_row(
    tmp_path: Path, good: list[str], bad: str, problem: str, n: int
) -> None:
    labels = column(tmp_path, [*good * n, bad])
    (found,) = labels.problems
    assert (found.line, found.reason, found.attribute) == (2 * n + 2, problem, "X")
    assert len(labels.images) == 2 * n + 1
    assert labels.select(["X"]).images == tuple(f"{i}.jpg" for i in range(2 * n))


def test_two_other_cells_in_ten_make_it_another_column(tmp_path: Path) -> None:
    assert column(tmp_path, [*map(str, range(9)), "x"]).attributes[0].kind == "continuous"
    assert column(tmp_path, [*map(str, range(8)), "x", "y"]).attributes[0].kind == "categorical"
    assert column(tmp_path, [*map(str, range(18)), "x", "y"]).attributes[0].kind == "continuous"


def test_rows_with_missing_cells_or_names_and_second_rows_of_an_image_are_bad(tmp_path: Path) -> None:
    path = write(tmp_path, "image,X\na,1\nb\nc,1,0\n,1\na,0\nd,0\n")
    labels = read_table(path)
    assert [str(problem) for problem in labels.problems] == [
        f"{path}:3: expected 2 cells, found 1: ['b']",
        f"{path}:4: expected 2 cells, found 3: ['c', '1', '0']",
        f"{path}:5: expected a file name, found none",
        f"{path}:6: 'a' has labels already, in line 2",
    ]
    assert labels.images == ("a", "d")
    assert labels.lines_N is not None
    assert labels.lines_N.tolist() == [2, 7]


def test_lines_are_counted_where_a_quoted_cell_goes_over_several(tmp_path: Path) -> None:
    labels = read_table(write(tmp_path, 'image,X,Note\na,1,"two\nlines"\nb,x,""\nc,0,\n'))
    assert [problem.line for problem in labels.problems if problem.attribute == "X"] == [4]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["5", "5.0"], "all its numbers are the same"),
        (["a", "a"], "it has 1 different texts, expected 2 to 64"),
        ([f"t{i}" for i in range(65)], "it has 65 different texts, expected 2 to 64"),
        ([f"t{i}" for i in range(300)], "it has over 256 different texts, expected 2 to 64"),
        (["", "", "", "1"], "only 1 of its 4 cells have a value"),
        ([""] * 3, "only 0 of its 3 cells have a value"),
    ],
)
def test_a_column_that_can_be_no_attribute_is_told_with_the_reason(
    tmp_path: Path, cells: list[str], why: str
) -> None:
    rows = [f"{i},{i % 2},{cell},1,1" for i, cell in enumerate(cells)]
    labels = read_table(write(tmp_path, "\n".join(["image,Good,Odd,a=b,a:b", *rows])))
    why_not = "an attribute needs a name, without '=' and ':'"
    assert labels.names == ("Good",)
    assert labels.unusable == {"Odd": why, "a=b": why_not, "a:b": why_not}
    assert labels.select(["Good"]).problems == ()


def test_sixty_four_categories_are_not_too_many(tmp_path: Path) -> None:
    assert len(column(tmp_path, [f"t{i}" for i in range(64)]).attributes[0].categories) == 64


def test_a_span_leaves_outliers_out_and_they_count_as_its_ends(tmp_path: Path) -> None:
    labels = column(tmp_path, [*map(str, range(1001)), "1e12", "-1e12"])
    low, high = labels.attributes[0].span or (0.0, 0.0)
    assert (low, high) == pytest.approx((9, 991), abs=1.5)
    assert labels.values_NK.min() == 0
    assert labels.values_NK.max() == 1
    assert labels.values_NK[-2:, 0].tolist() == [1, 0]
    assert labels.values_NK[500, 0] == pytest.approx((500 - low) / (high - low))


def test_where_nearly_all_numbers_are_the_same_the_span_is_all_of_them(tmp_path: Path) -> None:
    labels = column(tmp_path, [*["3"] * 500, "8"])
    assert labels.attributes[0].span == (3, 8)


def test_kinds_and_spans_can_be_told(tmp_path: Path) -> None:
    text = "image,Grade,Count,Age\n" + "".join(f"{i},{i % 3 + 8},{i % 2},{i}\n" for i in range(60))
    path = write(tmp_path, text)
    labels = read_table(path, kinds={"Grade": "categorical", "Count": "continuous"}, spans={"Age": (10, 30)})
    grade, count, age = labels.attributes
    assert grade.categories == ("8", "9", "10")
    assert [count.span, age.span] == [(0, 1), (10, 30)]
    assert labels.values_NK[[5, 20, 50], 2].tolist() == [0, 0.5, 1]
    assert labels.values_NK[:3, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": {"Y": "boolean"}}, r"has no column 'Y': choose from X"),
        ({"kinds": {"image": "boolean"}}, r"has no column 'image': choose from X"),
        ({"kinds": {"X": "boolean"}}, r"the column 'X' is to be boolean, found '10, 20, 30'"),
        ({"spans": {"X": (3.0, 3.0)}}, r"has the span \[3.0, 3.0\]: expected two finite numbers"),
    ],
)
def test_kinds_and_spans_that_do_not_fit_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        column(tmp_path, ["10", "20", "30"], **options)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "cells"), [("continuous", ["red", "blue"]), ("categorical", ["red", "red"])]
)
def test_texts_are_no_numbers_and_one_category_is_none(tmp_path: Path, kind: str, cells: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"the column 'X' is to be {kind}, found"):
        column(tmp_path, cells, kinds={"X": kind})


@pytest.mark.parametrize(
    "parts", [["train", "val", "test"], ["0", "1", "2"], ["Training", "validation", "TESTING"]]
)
@pytest.mark.parametrize("name", ["split", "Partition"])
def test_a_column_says_what_images_are_for(tmp_path: Path, parts: list[str], name: str) -> None:
    rows = "".join(f"{i},{i % 2},{part}\n" for i, part in enumerate(parts))
    labels = read_table(write(tmp_path, f"image,X,{name}\n{rows}9,1,x\n"))
    assert labels.names == ("X",)
    assert labels.split_N is not None
    assert labels.split_N.tolist() == [0, 1, 2]
    assert labels.split_N.dtype == np.int8
    assert [problem.reason for problem in labels.problems] == ["expected train, val or test, found 'x'"]


def test_a_column_of_that_name_with_something_else_is_an_attribute(tmp_path: Path) -> None:
    labels = read_table(write(tmp_path, "image,X,Split\na,1,hair\nb,0,lip\n"))
    assert labels.names == ("X", "Split")
    assert labels.split_N is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image\na\n", ":1: expected names of two or more columns, all different, found ['image']"),
        ("", ":1: expected names of two or more columns"),
        ("image,A,A\na,1,0\n", ":1: expected names of two or more columns, all different"),
        (
            "000001.jpg,1\n000002.jpg,0\n",
            ":1: expected the names of the columns, found the image '000001.jpg'",
        ),
        ('image,A\na,"1\nb,0\n', ":2: unexpected end of data: expected quotes around whole cells, or none"),
        ('image,A\na,"1"0\nb,0\n', ":2: ',' expected after '\"': expected quotes around whole cells"),
        ("image,A\n" + "a" * 200_000 + ",1\n", ":2: field larger than field limit (131072)"),
        ("image,A\n", "has no column that is an attribute ('A': only 0 of its 0 cells have a value)"),
        ("image,split\na,train\n", "has no column that is an attribute (no columns)"),
    ],
)
def test_what_is_no_table_is_refused_with_one_line(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(write(tmp_path, text))


def test_a_table_in_another_encoding_and_a_missing_one_are_refused_with_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "image,A\nm\u00fcller,1\n".encode("latin-1"))
    assert "cannot read the label file" in refusal(path)
    assert "cannot read the label file" in refusal(tmp_path / "nothing.csv")


def test_drawn_faces_read_back_with_the_labels_that_they_were_drawn_with(tmp_path: Path) -> None:
    path = write_drawn_faces(tmp_path, 60, 16, 3)
    faces = drawn_faces(60, 16, seed=3)
    labels = read_table(path, spans={"Age": faces.attributes["Age"].span or (0, 0)})
    chosen = labels.select(faces.attributes.names)
    assert chosen.attributes == tuple(faces.attributes)
    np.testing.assert_allclose(chosen.values_NK, faces.labels_NK, atol=1e-6)


word = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="=:"), min_size=1, max_size=6)
numbers = st.floats(-1e9, 1e9).map(repr)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Draw a header and rows in which each column is of one kind, apart from single cells."""
    cells = draw(
        st.lists(
            st.sampled_from([st.sampled_from(["0", "1"]), st.sampled_from(["yes", "no"]), numbers, word]),
            min_size=1,
            max_size=3,
        )
    )
    odd = st.one_of(st.just(""), word, numbers)
    row = st.tuples(word, *(st.one_of(kind, kind, kind, odd) for kind in cells)).map(list)
    rows = draw(st.lists(row, max_size=12))
    return [draw(word) for _ in range(len(cells) + 1)], rows


def outcome(path: Path) -> Labels | None:
    """Return what is read, None if it is refused with one line; anything else fails."""
    try:
        labels = read_table(path)
    except DataError as error:
        return None if len(str(error).splitlines()) == 1 else pytest.fail(f"{error!r} has several lines")
    assert all(len(str(problem).splitlines()) == 1 for problem in labels.problems)
    return labels


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_any_table_is_read_in_agreement_with_its_cells_or_refused(
    tmp_path: Path, table: tuple[list[str], list[list[str]]]
) -> None:
    header, rows = table
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows([header, *rows])
    labels = outcome(write(tmp_path, text.getvalue()))
    if labels is None:
        return
    # Every row is either there or a problem, and every cell either means what it says or is a problem.
    whole = {p.line for p in labels.problems if p.attribute is None}
    cells = {(p.line, p.attribute) for p in labels.problems}
    lines = [] if labels.lines_N is None else labels.lines_N.tolist()
    assert not whole & set(lines)
    by_line = dict(enumerate(rows, start=2))
    for line, image, values in zip(lines, labels.images, labels.values_NK.tolist(), strict=True):
        assert image in by_line[line]
        for attribute, value in zip(labels.attributes, values, strict=True):
            cell = by_line[line][header.index(attribute.name)]
            if math.isnan(value):
                assert (line, attribute.name) in cells
            elif attribute.kind == "categorical":
                assert attribute.categories[int(value)] == cell
            elif attribute.kind == "boolean":
                assert (cell.lower() in {"yes", "true", "1", "1.0", "+1"}) == (value == 1) or float(
                    cell
                ) == value
            else:
                low, high = attribute.span or (0, 1)
                said = min(max(float(cell), low), high)
                assert attribute.value_at(value) == pytest.approx(said, rel=1e-4, abs=1e-4 * (high - low))


pieces = st.sampled_from(
    ["image", "A", ",", ",", "\t", ";", "\n", "\n", "1", "0", "x.jpg", '"', " ", "\x00", "-1"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join)))
def test_any_text_is_read_or_refused_with_one_line(tmp_path: Path, text: str) -> None:
    outcome(write(tmp_path, text.encode(errors="surrogatepass")))
