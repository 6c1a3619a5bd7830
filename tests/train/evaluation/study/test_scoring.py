"""Scores of answers that are known, and files that nobody may score."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.train.evaluation.study.faces import CONDITIONS, answer_rows, questions, write_answers

from fader.errors import ConfigError, DataError
from fader.train.evaluation.intervals import wilson
from fader.train.evaluation.study import score_study, write_study
from fader.train.evaluation.study.answers import COLUMNS
from fader.train.evaluation.study.key import Key, Truth, read_key

A, B, C = CONDITIONS


@pytest.fixture(scope="module")
def key_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return write_study(questions(), folder / "study.html", title="Faces", seed=1)


@pytest.fixture(scope="module")
def key(key_path: Path) -> Key:
    return read_key(key_path)


def always(truth: Truth) -> bool:
    return True


def never(truth: Truth) -> bool:
    return False


def people(key: Key, folder: Path) -> list[Path]:
    """Write the answers of a keen eye, and of somebody who finds everything natural and nobody smiling."""
    keen = answer_rows(key, "keen", natural=lambda t: t.condition == A, present=lambda t: t.present)
    kind = answer_rows(key, "kind", natural=always, present=never)
    return [write_answers(folder / "keen.csv", keen), write_answers(folder / "kind.csv", kind)]


def test_the_table_counts_each_condition_and_attribute(key: Key, key_path: Path, tmp_path: Path) -> None:
    table = score_study(people(key, tmp_path), key_path)
    assert (table.n_participants, table.n_answers) == (2, 2 * (12 * 2 + 4))
    natural = {place: (c.naturalness.hits, c.naturalness.n) for place, c in table.cells.items()}
    accuracy = {place: (c.accuracy.hits, c.accuracy.n) for place, c in table.cells.items()}
    places = [(condition, attribute) for condition in CONDITIONS for attribute in ("Eyeglasses", "Smiling")]
    assert list(natural) == places
    # Two people on two pictures; one of the two shows the attribute.
    assert natural == {place: (4 if place[0] == A else 2, 4) for place in places}
    assert accuracy == dict.fromkeys(places, (3, 4))


def test_pairs_count_for_the_condition_that_was_chosen(key: Key, key_path: Path, tmp_path: Path) -> None:
    always_last = answer_rows(key, "last", natural=lambda t: t.condition == C, present=always)
    keen, _ = people(key, tmp_path)
    table = score_study([keen, keen, write_answers(tmp_path / "last.csv", always_last[:-1])], key_path)
    found = {(p.attribute, p.condition, p.over): (p.share.hits, p.share.n) for p in table.preferences}
    left_out = next(iter(key.pairs[always_last[-1][2]].values())).attribute
    assert found == {
        (attribute, A, C): (2, 3 if attribute == left_out else 4) for attribute in ("Eyeglasses", "Smiling")
    }


def test_the_text_is_the_papers_table_with_intervals(key: Key, key_path: Path, tmp_path: Path) -> None:
    keen, kind = people(key, tmp_path)
    without_pairs = [line for line in kind.read_text().splitlines(keepends=True) if ",pair," not in line]
    kind.write_text("".join(without_pairs))
    assert score_study([keen, kind], key_path).to_text() == TEXT


TEXT = """\
Faces: 2 participants, 52 answers
naturalness / accuracy, %; below, the 95 % Wilson intervals

              Eyeglasses               Smiling
condition-a   100.0 / 75.0  (n 4)      100.0 / 75.0  (n 4)
              51.0-100.0 / 30.1-95.4   51.0-100.0 / 30.1-95.4
condition-b   50.0 / 75.0  (n 4)       50.0 / 75.0  (n 4)
              15.0-85.0 / 30.1-95.4    15.0-85.0 / 30.1-95.4
condition-c   50.0 / 75.0  (n 4)       50.0 / 75.0  (n 4)
              15.0-85.0 / 30.1-95.4    15.0-85.0 / 30.1-95.4

pairs: which looks more natural, %

Eyeglasses   condition-a over condition-c   100.0   34.2-100.0  (n 2)
Smiling      condition-a over condition-c   100.0   34.2-100.0  (n 2)
"""


def test_the_json_holds_what_the_table_holds(key: Key, key_path: Path, tmp_path: Path) -> None:
    table = score_study(people(key, tmp_path), key_path, confidence=0.9)
    fields = json.loads(table.to_json())
    assert (fields["title"], fields["participants"], fields["answers"]) == ("Faces", 2, 56)
    assert fields["interval"] == {"method": "wilson", "confidence": 0.9}
    low, high = (round(100 * end, 1) for end in wilson(2, 4, 0.9))
    natural = {"percent": 50.0, "low": low, "high": high, "n": 4}
    cell = next(c for c in fields["table"] if (c["condition"], c["attribute"]) == (B, "Smiling"))
    assert cell["naturalness"] == natural
    assert len(fields["table"]) == 6
    assert [(p["attribute"], p["condition"], p["over"]) for p in fields["preferences"]] == [
        ("Eyeglasses", A, C),
        ("Smiling", A, C),
    ]


def test_what_nobody_answered_is_a_dash_and_null_not_a_number(
    key: Key, key_path: Path, tmp_path: Path
) -> None:
    table = score_study([write_answers(tmp_path / "none.csv", [])], key_path)
    assert (table.n_participants, table.n_answers) == (0, 0)
    assert "condition-b   - / -  (n 0)" in table.to_text()
    fields = json.loads(table.to_json())
    assert fields["table"][0]["accuracy"] == {"percent": None, "low": None, "high": None, "n": 0}


def test_a_condition_that_has_no_picture_of_an_attribute_has_no_cell(tmp_path: Path) -> None:
    asked = questions(attributes=["Smiling"]) + questions(attributes=["Young"])[:2]
    key_path = write_study(asked, tmp_path / "study.html", title="Faces", seed=1)
    rows = answer_rows(read_key(key_path), "one", natural=always, present=always)
    table = score_study([write_answers(tmp_path / "one.csv", rows)], key_path)
    assert set(table.cells) == {(A, "Smiling"), (B, "Smiling"), (C, "Smiling"), (A, "Young")}
    row = next(line for line in table.to_text().splitlines() if line.startswith(B))
    assert row.endswith("   -")


@given(st.data())
def test_any_answers_are_counted_as_a_plain_loop_counts_them(
    key: Key, key_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    people = data.draw(
        st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True), max_size=3, unique=True)
    )
    rows: list[list[str]] = []
    for person in people:
        every = answer_rows(key, person, natural=always, present=always)
        for row in data.draw(st.lists(st.sampled_from(every), unique_by=tuple)):
            options = list(key.pairs.get(row[2], ("yes", "no")))
            rows.append([*row[:4], data.draw(st.sampled_from(options))])
    path = write_answers(tmp_path_factory.mktemp("answers") / "all.csv", data.draw(st.permutations(rows)))
    table = score_study([path], key_path)
    assert table.n_answers == len(rows)
    assert table.n_participants == len({row[1] for row in rows})
    for (condition, attribute), cell in table.cells.items():
        items = {i for i, t in key.pictures.items() if (t.condition, t.attribute) == (condition, attribute)}
        natural = [row[4] == "yes" for row in rows if row[2] in items and row[3] == "natural"]
        right = [
            (row[4] == "yes") == key.pictures[row[2]].present
            for row in rows
            if row[2] in items and row[3] == "attribute"
        ]
        assert (cell.naturalness.hits, cell.naturalness.n) == (sum(natural), len(natural))
        assert (cell.accuracy.hits, cell.accuracy.n) == (sum(right), len(right))
    assert sum(p.share.n for p in table.preferences) == sum(row[3] == "pair" for row in rows)


def test_a_file_saved_midway_may_lie_beside_the_whole_one(key: Key, key_path: Path, tmp_path: Path) -> None:
    keen, kind = people(key, tmp_path)
    midway = tmp_path / "midway.csv"
    midway.write_text("".join(keen.read_text().splitlines(keepends=True)[:9]))
    assert score_study([midway, keen, kind], key_path) == score_study([keen, kind], key_path)


def test_a_byte_order_mark_and_empty_lines_are_read(key: Key, key_path: Path, tmp_path: Path) -> None:
    keen, _ = people(key, tmp_path)
    marked = tmp_path / "marked.csv"
    marked.write_text("\ufeff" + keen.read_text().replace("\n", "\r\n\r\n"), encoding="utf-8")
    assert score_study([marked], key_path) == score_study([keen], key_path)


def changed(number: int, change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        lines = text.splitlines()
        lines[number - 1] = ",".join(change(lines[number - 1].split(",")))
        return "\n".join(lines) + "\n"

    return apply


@pytest.mark.parametrize(
    ("damage", "line", "message"),
    [
        (lambda text: text[:0], 1, "expected the line study,participant,item,question,answer, found ''"),
        (lambda text: text.replace("study", "Study", 1), 1, "expected the line"),
        (lambda text: text.replace(",", ";"), 1, "expected the line"),
        (changed(3, lambda row: row[:4]), 3, "expected 5 cells, found 4: is the file whole"),
        (changed(4, lambda row: [*row, "x"]), 4, "expected 5 cells, found 6"),
        (changed(5, lambda row: ["elsewhere", *row[1:]]), 5, "is of study 'elsewhere', expected"),
        (changed(6, lambda row: [row[0], "", *row[2:]]), 6, "participant ''"),
        (changed(6, lambda row: [row[0], "=1+1", *row[2:]]), 6, "participant '=1.1'"),
        (changed(7, lambda row: [*row[:2], "nonesuch", *row[3:]]), 7, "an item and question of this study"),
        (changed(8, lambda row: [*row[:3], "pair", row[4]]), 8, "an item and question of this study"),
        (changed(9, lambda row: [*row[:4], "maybe"]), 9, "answered by 'maybe': expected 'yes' or 'no'"),
        (changed(29, lambda row: [*row[:4], "yes"]), 29, r"answered by 'yes': expected '\w{12}' or '\w{12}'"),
        (lambda text: text + text.splitlines()[1] + '"x"\n', 30, "not CSV|answered by"),
        (lambda text: text + '"' + text.splitlines()[1], 30, "not CSV"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_by_its_name_and_line(
    key: Key, key_path: Path, tmp_path: Path, damage: Callable[[str], str], line: int, message: str
) -> None:
    keen, _ = people(key, tmp_path)
    bad = tmp_path / "bad.csv"
    bad.write_text(damage(keen.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        score_study([keen, bad], key_path)
    assert str(caught.value).startswith(f"{bad}:{line}: ")
    assert "\n" not in str(caught.value)


def test_two_answers_of_one_person_to_one_question_are_refused(
    key: Key, key_path: Path, tmp_path: Path
) -> None:
    keen, _ = people(key, tmp_path)
    other = tmp_path / "other.csv"
    other.write_text(changed(2, lambda row: [*row[:4], "no" if row[4] == "yes" else "yes"])(keen.read_text()))
    with pytest.raises(DataError, match="give two people two names") as caught:
        score_study([keen, other], key_path)
    assert str(caught.value).startswith(f"{other}:2: keen says ")
    assert f"in {keen}:2" in str(caught.value)


def test_bytes_that_are_no_text_are_refused_by_their_line(key: Key, key_path: Path, tmp_path: Path) -> None:
    keen, _ = people(key, tmp_path)
    keen.write_bytes(keen.read_bytes().replace(b"yes", b"\xff\xfe", 1))
    number = next(n for n, part in enumerate(keen.read_bytes().split(b"\n"), 1) if b"\xff" in part)
    with pytest.raises(DataError, match="expected text in UTF-8") as caught:
        score_study([keen], key_path)
    assert str(caught.value).startswith(f"{keen}:{number}: ")


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 100))
def test_any_damage_is_one_line_that_names_the_file(
    key: Key, key_path: Path, tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    keen, _ = people(key, folder)
    content = keen.read_bytes()
    keen.write_bytes(content[:at] + junk + content[at + cut :])
    with suppress(DataError), refusal(keen):
        score_study([keen], key_path)


@contextmanager
def refusal(path: Path) -> Iterator[None]:
    """Look at the message, whether or not there is an error."""
    try:
        yield
    except DataError as error:
        message = str(error)
        if not message.startswith(f"{path}:") or len(message.splitlines()) != 1:
            pytest.fail(message)
        raise


def test_missing_files_and_impossible_settings_are_refused(key: Key, key_path: Path, tmp_path: Path) -> None:
    keen, _ = people(key, tmp_path)
    with pytest.raises(DataError, match="found no file of answers"):
        score_study([], key_path)
    with pytest.raises(DataError, match=r"cannot read the answers .*missing.csv"):
        score_study([tmp_path / "missing.csv"], key_path)
    with pytest.raises(DataError, match=r"cannot read the key .*missing.json"):
        score_study([keen], tmp_path / "missing.json")
    for confidence in (0, 1, float("nan")):
        with pytest.raises(ConfigError, match="above 0 and below 1"):
            score_study([keen], key_path, confidence=confidence)


def truth_of(fields: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = next(iter(fields["pictures"].values()))
    return first


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields.update(format="fader-study-key-2"),
        lambda fields: fields.pop("study"),
        lambda fields: fields.update(pictures=[]),
        lambda fields: fields.update(conditions=["real"]),
        lambda fields: truth_of(fields).update(present="yes"),
        lambda fields: truth_of(fields).update(attribute="Young"),
        lambda fields: truth_of(fields).update(more=1),
        lambda fields: truth_of(fields).pop("source"),
        lambda fields: next(iter(fields["pairs"].values())).popitem(),
        lambda fields: [o.update(condition=A) for o in next(iter(fields["pairs"].values())).values()],
    ],
)
def test_a_damaged_key_is_refused_in_one_line(
    key_path: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    fields = json.loads(key_path.read_text())
    damage(fields)
    bad = tmp_path / "bad.key.json"
    bad.write_text(json.dumps(fields))
    with pytest.raises(DataError, match=r"bad\.key\.json is not a whole key") as caught:
        read_key(bad)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b'{"format"', b"\xff\xfe", b"{}"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.key.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole key"):
        read_key(path)


def test_a_key_survives_its_file(key: Key, tmp_path: Path) -> None:
    path = tmp_path / "again.key.json"
    path.write_text(key.to_json(), encoding="utf-8")
    assert read_key(path) == key


def test_the_columns_are_those_that_the_page_writes() -> None:
    script = (Path(__file__).parents[4] / "train" / "evaluation" / "study" / "page.js").read_text()
    assert f"const COLUMNS = {json.dumps(COLUMNS)};" in script
