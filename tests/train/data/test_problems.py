"""Bad rows: written down, and the end of the run unless they may be left out."""

import csv
from pathlib import Path

import pytest

from fader.errors import DataError
from fader.train import Problem
from fader.train.data.problems import settle

FIRST = Problem(file="faces, mine.csv", line=7, reason="Age is 'old', expected a number")
OTHERS = [Problem(file="faces, mine.csv", line=n, reason="Age has no value") for n in range(8, 11)]


def read(listing: Path) -> list[list[str]]:
    with listing.open(newline="") as file:
        return list(csv.reader(file))


def test_without_problems_nothing_happens(tmp_path: Path) -> None:
    settle([], skip=False, listing=tmp_path / "list.csv")
    assert not list(tmp_path.iterdir())


def test_one_problem_stops_the_run_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        settle([FIRST], skip=False, listing=tmp_path / "list.csv")
    assert str(error.value) == (
        "faces, mine.csv:7: Age is 'old', expected a number; correct it, or leave it out with --skip-bad-rows"
    )


def test_of_several_problems_the_first_is_told_and_all_are_listed(tmp_path: Path) -> None:
    listing = tmp_path / "list.csv"
    with pytest.raises(DataError) as error:
        settle([FIRST, *OTHERS], skip=False, listing=listing)
    assert str(error.value) == (
        f"faces, mine.csv:7: Age is 'old', expected a number; with 3 more in {listing}: correct them, or "
        "leave such rows out with --skip-bad-rows"
    )
    assert read(listing) == [
        ["file", "line", "reason"],
        ["faces, mine.csv", "7", "Age is 'old', expected a number"],
        *(["faces, mine.csv", str(n), "Age has no value"] for n in range(8, 11)),
    ]


def test_problems_that_may_be_left_out_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    settle([FIRST], skip=True, listing=tmp_path / "list.csv")
    assert len(read(tmp_path / "list.csv")) == 2


def test_a_list_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cannot write \S*: Is a directory; choose another --cache$"):
        settle([FIRST], skip=True, listing=tmp_path)
