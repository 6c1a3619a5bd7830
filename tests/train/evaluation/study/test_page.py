"""The page without a browser: what stands in the file, and what does not."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train.evaluation.study.faces import CONDITIONS, draw, page_data, questions

from fader.errors import ConfigError
from fader.image import decode_rgb
from fader.train.evaluation.study import Pair, Picture, Wording, study_questions, write_study
from fader.train.evaluation.study.key import read_key


def written(path: Path, **options: Any) -> str:
    arguments = {"questions": questions(), "title": "Faces", "seed": 1, **options}
    write_study(arguments.pop("questions"), path, **arguments)
    return path.read_text(encoding="utf-8")


def test_the_page_is_the_same_whatever_the_conditions_are(tmp_path: Path) -> None:
    one = written(tmp_path / "one.html")
    other = written(tmp_path / "other.html", questions=questions(conditions=["real", "ae", "swap"]))
    assert one == other
    assert (tmp_path / "one.key.json").read_text() != (tmp_path / "other.key.json").read_text()


def test_the_page_holds_neither_conditions_nor_sources_nor_truths(tmp_path: Path) -> None:
    text = written(tmp_path / "study.html")
    assert not [word for word in (*CONDITIONS, "condition", "Eyeglasses-", "present") if word in text]
    data: Any = page_data(tmp_path / "study.html")
    shown = [option for item in data["items"] for option in item.get("options", [])]
    assert {tuple(option) for option in shown} == {("id", "picture")}
    assert {tuple(item) for item in data["items"]} == {("id", "picture", "ask"), ("id", "options")}


def test_the_order_in_the_file_is_drawn_for_pictures_and_for_sides(tmp_path: Path) -> None:
    orders = set()
    first_is_first = set()
    for seed in range(12):
        write_study(questions(), tmp_path / f"{seed}.html", title="Faces", seed=seed)
        key = read_key(tmp_path / f"{seed}.key.json")
        orders.add(tuple((truth.source, truth.condition) for truth in key.pictures.values()))
        first_is_first |= {
            next(iter(pair.values())).condition == CONDITIONS[0] for pair in key.pairs.values()
        }
    assert len(orders) == 12
    assert first_is_first == {True, False}


def test_a_seed_makes_the_same_files_again_and_another_seed_other_ids(tmp_path: Path) -> None:
    for folder in ("one", "same"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "study.html")
    for name in ("study.html", "study.key.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    written(tmp_path / "other.html", seed=2)
    one, other = read_key(tmp_path / "one" / "study.key.json"), read_key(tmp_path / "other.key.json")
    assert one.study != other.study
    assert not set(one.pictures) & set(other.pictures)


def test_the_key_tells_what_every_picture_of_the_page_is(tmp_path: Path) -> None:
    asked = questions()
    key_path = write_study(asked, tmp_path / "study.html", title="Faces", seed=1)
    assert key_path == tmp_path / "study.key.json"
    key, data = read_key(key_path), page_data(tmp_path / "study.html")
    assert (key.conditions, key.attributes) == (CONDITIONS, ("Eyeglasses", "Smiling"))
    assert key.study == data["study"]
    shown: dict[str, Any] = {}
    items: Any = data["items"]
    for item in items:
        shown |= {each["id"]: each["picture"] for each in item.get("options", [item])}
    truths = {**key.pictures, **{o: truth for pair in key.pairs.values() for o, truth in pair.items()}}
    assert set(truths) == set(shown)
    images: Any = data["pictures"]
    known = {(p.source, p.condition): p for p in asked if isinstance(p, Picture)}
    for item, truth in truths.items():
        picture = known[truth.source, truth.condition]
        assert (truth.present, truth.attribute) == (picture.present, picture.attribute)
        content = base64.b64decode(images[shown[item]].split(",")[1])
        assert np.array_equal(decode_rgb(content, name=item), picture.image)


def test_a_picture_that_is_asked_about_twice_is_embedded_once(tmp_path: Path) -> None:
    written(tmp_path / "study.html")
    data: Any = page_data(tmp_path / "study.html")
    assert len(data["items"]) == 12 + 4
    assert len(data["pictures"]) == len(set(data["pictures"])) == 12


def test_jpeg_is_smaller_and_close(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (64, 64, 3), np.uint8)
    asked = [Picture(image=noise, attribute="Young", condition="swap", present=True, source="a")]
    png = written(tmp_path / "png.html", questions=asked)
    jpeg = written(tmp_path / "jpeg.html", questions=asked, encoding="jpeg")
    assert len(jpeg) < len(png)
    assert "data:image/jpeg;base64,/9j/" in jpeg


def test_the_page_names_nothing_outside_itself(tmp_path: Path) -> None:
    text = written(tmp_path / "study.html")
    assert "default-src 'none'; img-src data:;" in text
    assert not re.findall(r"https?:|//\w+\.|@import|url\(|<iframe|<script src|<link rel=\"style", text)


def test_a_title_cannot_end_its_element_or_stand_for_a_part_of_the_page(tmp_path: Path) -> None:
    title = "</title></script><b>{{SCRIPT}} & {{DATA}}"
    plain = written(tmp_path / "plain.html")
    text = written(tmp_path / "study.html", title=title)
    assert text.count("</script>") == plain.count("</script>") == 2
    assert text.count('"use strict"') == 1
    assert "<b>" not in text
    assert page_data(tmp_path / "study.html")["title"] == title


def test_wording_is_that_of_the_study_else_that_of_the_attribute() -> None:
    wording = Wording(attributes={"Smiling": "Is she happy?"})
    assert wording.attribute("Smiling") == "Is she happy?"
    assert wording.attribute("Eyeglasses") == "Does this person wear glasses?"
    assert wording.attribute("Big_Nose") == "Would you say “Big Nose” of this picture?"


def test_every_text_of_the_wording_reaches_the_page(tmp_path: Path) -> None:
    texts = {name: f"text of {name}" for name in ("introduction", "consent", "natural", "pair")}
    wording = Wording(**texts, attributes={"Smiling": "Is she happy?"})
    text = written(tmp_path / "study.html", wording=wording)
    assert not [each for each in (*texts.values(), "Is she happy?") if f'"{each}"' not in text]


def test_a_swap_shows_the_opposite_of_the_label_and_nothing_else_does() -> None:
    singles = [question for question in questions() if isinstance(question, Picture)]
    shown = {(p.condition, p.source.endswith("0.png")): p.present for p in singles}
    a, b, c = CONDITIONS
    assert shown == {
        (a, True): True,
        (a, False): False,
        (b, True): True,
        (b, False): False,
        (c, True): False,
        (c, False): True,
    }


def test_pairs_are_of_one_face() -> None:
    pairs = [question for question in questions() if isinstance(question, Pair)]
    assert [(p.first.condition, p.second.condition) for p in pairs] == [(CONDITIONS[0], CONDITIONS[2])] * 4
    assert all(pair.first.source == pair.second.source for pair in pairs)


FACES = np.stack([draw(i, attribute=False, blur=0) for i in range(2)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [True]}, "expected as many of each"),
        ({"sources": ["a", "b", "c"]}, "expected as many of each"),
        ({"pictures": {"real": FACES, "swap": FACES[:1]}}, "expected as many of each"),
        ({"pictures": {}}, "expected as many of each"),
        ({"swapped": ["swop"]}, "'swop' has no pictures: expected one of real, swap"),
        ({"pairs": [("real", "other")]}, "'other' has no pictures"),
        ({"pairs": [("real", "real")]}, "two different conditions"),
    ],
)
def test_questions_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "labels": [True, False],
        "sources": ["a", "b"],
        "pictures": {"real": FACES, "swap": FACES},
        **changes,
    }
    with pytest.raises(ConfigError, match=message):
        study_questions("Smiling", **arguments)


def picture(image: object) -> Picture:
    return Picture(image=image, attribute="Smiling", condition="real", present=True, source="a.png")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([FACES[0], FACES[1][:, :90]], r"shapes \[\(96, 90, 3\), \(96, 96, 3\)\]: expected one"),
        ([FACES[0].astype(np.float32)], r"real of a.png is float32"),
        ([FACES[0][:, :, 0]], r"shape \(96, 96\)"),
        ([np.zeros((0, 4, 3), np.uint8)], r"shape \(0, 4, 3\)"),
    ],
)
def test_pictures_that_would_tell_or_cannot_be_shown_are_refused(
    tmp_path: Path, images: list[object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_study([picture(image) for image in images], tmp_path / "study.html", title="Faces", seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [{"questions": []}, {"title": " "}, {"seed": -1}, {"per_participant": 0}, {"per_participant": -1}],
)
def test_a_study_of_nothing_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected at least one question"):
        written(tmp_path / "study.html", **options)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ending in .html"):
        written(tmp_path / "study.pdf")
    with pytest.raises(ConfigError, match="choose another place"):
        written(tmp_path / "missing" / "study.html")


def test_the_key_of_another_study_is_never_overwritten(tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    written(page)
    kept = (tmp_path / "study.key.json").read_bytes()
    with pytest.raises(ConfigError, match="the key of another study"):
        written(page, seed=2)
    assert (tmp_path / "study.key.json").read_bytes() == kept
    before = page.read_text()
    assert written(page, per_participant=5) != before
    assert json.loads(kept)["study"] == page_data(page)["study"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.html", "study.key.json"]
