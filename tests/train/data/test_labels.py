"""Labels of three kinds: some of the attributes, some of the images, and where a bad row is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fader.attributes import Attribute
from fader.errors import ConfigError
from fader.train import Labels, Problem

NAN = float("nan")
LABELS = Labels(
    images=("a.jpg", "b.jpg", "c.jpg"),
    attributes=(
        Attribute(name="Hat"),
        Attribute(name="Age", span=(0, 80)),
        Attribute(name="Hair", categories=("black", "red")),
    ),
    values_NK=np.array([[1, 0.5, 1], [0, NAN, 0], [NAN, 1, 0]], dtype=np.float32),
    split_N=np.array([0, 1, 2], dtype=np.int8),
    problems=(
        Problem(file="faces.csv", line=4, reason="Age has no value", attribute="Age"),
        Problem(file="faces.csv", line=5, reason="Hat is 'x'", attribute="Hat"),
        Problem(file="faces.csv", line=9, reason="expected 4 cells"),
    ),
    unusable={"id": "it has 3 different texts"},
    path=Path("faces.csv"),
    lines_N=np.array([3, 4, 5], dtype=np.int32),
)


def test_attributes_are_selected_in_the_order_asked_for() -> None:
    chosen = LABELS.select(["Hair", "Hat"])
    assert chosen.names == ("Hair", "Hat")
    assert chosen.attributes == (LABELS.attributes[2], LABELS.attributes[0])
    assert chosen.values_NK.tolist() == [[1, 1], [0, 0]]
    assert chosen.values_NK.dtype == np.float32


def test_images_without_a_value_of_a_selected_attribute_are_left_out_with_all_that_is_theirs() -> None:
    chosen = LABELS.select(["Age"])
    assert chosen.images == ("a.jpg", "c.jpg")
    assert chosen.split_N is not None
    assert chosen.split_N.tolist() == [0, 2]
    assert chosen.lines_N is not None
    assert chosen.lines_N.tolist() == [3, 5]


def test_a_bad_cell_of_another_attribute_is_no_problem() -> None:
    assert LABELS.select(["Hair"]).images == LABELS.images
    assert [problem.line for problem in LABELS.select(["Hair"]).problems] == [9]
    assert [problem.line for problem in LABELS.select(["Hair", "Age"]).problems] == [4, 9]


def test_an_unknown_attribute_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no attribute 'Beard': choose from Hat, Age, Hair"):
        LABELS.select(["Hat", "Beard"])


def test_a_column_that_is_no_attribute_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="the column 'id' is no attribute: it has 3 different texts"):
        LABELS.select(["id"])


def test_a_problem_with_an_image_is_where_the_label_file_names_it() -> None:
    assert str(LABELS.problem(1, "gone")) == "faces.csv:4: gone"
    assert str(LABELS.select(["Age"]).problem(1, "gone")) == "faces.csv:5: gone"
    assert str(replace(LABELS, path=None, lines_N=None).problem(1, "gone")) == "labels: gone"
