"""The page in Chromium: what participants see, press and save."""

import csv
import re
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.webdriver.common.keys import Keys
from tests.train.evaluation.study.faces import CONDITIONS, questions
from tests.train.evaluation.study.participant import Participant

from fader.train.evaluation.study import Picture, Wording, score_study, write_study
from fader.train.evaluation.study.key import read_key

# Chromium's store does not always come back within a test; a rerun is shown as one.
pytestmark = pytest.mark.flaky(reruns=2, only_rerun="in vain")

A, B, C = CONDITIONS
ASKED = questions()
N_STEPS = 12 * 2 + 4
LEFT, RIGHT = cycle(["1", Keys.ARROW_LEFT]), cycle([Keys.ARROW_RIGHT, "2"])
YES, NO = cycle(["y", "1", Keys.ARROW_LEFT, "Y"]), cycle(["n", "2", Keys.ARROW_RIGHT, "N"])


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write_study(ASKED, tmp_path / "study.html", title="Faces & <people>", seed=1)
    return tmp_path / "study.html"


def recognise(image: NDArray[np.uint8]) -> Picture:
    (found,) = (p for p in ASKED if isinstance(p, Picture) and np.array_equal(p.image, image))
    return found


def answer_truly(participant: Participant) -> None:
    """Press the key of the right answer: only condition A is natural, and it wins every pair."""
    seen = [recognise(image) for image in participant.pictures()]
    if len(seen) == 2:
        assert participant.question == Wording().pair
        participant.press(next(LEFT if seen[0].condition == A else RIGHT))
    elif participant.question == Wording().natural:
        participant.press(next(YES if seen[0].condition == A else NO))
    else:
        assert participant.question == Wording().attribute(seen[0].attribute)
        participant.press(next(YES if seen[0].present else NO))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_study_is_answered_by_keyboard_reloaded_midway_saved_and_scored(
    participant: Participant, page: Path
) -> None:
    participant.open(page)
    assert participant.element("h1").text == participant.driver.title == "Faces & <people>"
    participant.start("anna")
    for step in range(N_STEPS):
        assert participant.count == f"Question {step + 1} of {N_STEPS}"
        if step in {5, N_STEPS - 2}:
            before = (participant.question, [image.tobytes() for image in participant.pictures()])
            participant.reload()
            assert (participant.question, [image.tobytes() for image in participant.pictures()]) == before
        answer_truly(participant)
    assert participant.screen == "end"
    assert participant.element("#saved").text == "Not saved yet."
    participant.press("s")
    saved = participant.saved()
    key_path = page.with_suffix(".key.json")
    assert saved.name == f"answers-{read_key(key_path).study}-anna.csv"
    table = score_study([saved], key_path)
    assert (table.n_participants, table.n_answers) == (1, N_STEPS)
    natural = {place: (cell.naturalness.hits, cell.naturalness.n) for place, cell in table.cells.items()}
    places = [(condition, attribute) for condition in CONDITIONS for attribute in ("Eyeglasses", "Smiling")]
    assert natural == {place: (2 if place[0] == A else 0, 2) for place in places}
    assert {cell.accuracy.percent for cell in table.cells.values()} == {100}
    preferred = [(p.attribute, p.condition, p.over, p.share.hits, p.share.n) for p in table.preferences]
    assert preferred == [("Eyeglasses", A, C, 2, 2), ("Smiling", A, C, 2, 2)]
    assert participant.console() == []


def test_mouse_and_finger_answer_as_the_keys_do(participant: Participant, page: Path) -> None:
    participant.look_at(390, 844, phone=True)
    participant.open(page)
    participant.start("bob")
    for step in range(N_STEPS):
        buttons = participant.elements("#task .answers button")
        buttons[step % 2].click()
    assert participant.screen == "end"
    participant.element("#end .save").click()
    answers = [row["answer"] for row in rows(participant.saved())]
    assert answers[: N_STEPS - 4] == ["yes", "no"] * 12
    assert score_study([participant.saved()], page.with_suffix(".key.json")).n_answers == N_STEPS


def test_backspace_goes_back_shows_what_was_said_and_corrects_it(
    participant: Participant, page: Path
) -> None:
    participant.open(page)
    participant.start()
    participant.press("y", "y", "n", Keys.BACKSPACE, Keys.BACKSPACE)
    assert participant.count == f"Question 2 of {N_STEPS}"
    assert [b.get_attribute("aria-pressed") for b in participant.elements("#single button")] == [
        "true",
        "false",
    ]
    participant.press("n", "s")
    assert [row["answer"] for row in rows(participant.saved())] == ["yes", "no", "no"]
    participant.press(Keys.BACKSPACE, Keys.BACKSPACE, Keys.BACKSPACE)
    assert participant.count == f"Question 1 of {N_STEPS}"
    assert not participant.element("#task .back").is_enabled()


def test_answers_are_saved_at_any_time_and_the_study_goes_on(participant: Participant, page: Path) -> None:
    participant.open(page)
    participant.start("cleo")
    for _ in range(3):
        answer_truly(participant)
    participant.element("#bar .save").click()
    assert len(rows(participant.saved())) == 3
    assert participant.count == f"Question 4 of {N_STEPS}"
    assert score_study([participant.saved()], page.with_suffix(".key.json")).n_answers == 3


def orders(participant: Participant, names: list[str]) -> list[list[str]]:
    code = """return arguments[0].map((name) => stepsOf(name).map((step) =>
        [step.item.id, step.question, ...(step.options ?? []).map((option) => option.id)].join(" ")))"""
    found = participant.script(code, names)
    assert isinstance(found, list)
    return found


def test_every_participant_has_an_order_of_their_own_and_keeps_it(
    participant: Participant, page: Path
) -> None:
    participant.open(page)
    names = [f"p{i}" for i in range(200)]
    found = orders(participant, names)
    participant.refresh()
    assert orders(participant, names) == found
    assert len({tuple(order) for order in found}) == 200
    key = read_key(page.with_suffix(".key.json"))
    for order in found:
        singles, pairs = order[: N_STEPS - 4], order[N_STEPS - 4 :]
        asked = [step.split() for step in singles]
        assert [question for _, question in asked] == ["natural", "attribute"] * 12
        assert {item for item, _ in asked} == set(key.pictures)
        assert [item for item, _ in asked[::2]] == [item for item, _ in asked[1::2]]
        assert {step.split()[0] for step in pairs} == set(key.pairs)
        assert all(set(step.split()[2:]) == set(key.pairs[step.split()[0]]) for step in pairs)
    first = [key.pictures[order[0].split()[0]].condition for order in found]
    # Six standard deviations of fair draws on either side.
    assert all(27 < first.count(condition) < 107 for condition in CONDITIONS)
    left = [step.split()[2] for order in found for step in order if " pair " in step]
    assert all(57 < left.count(option) < 143 for pair in key.pairs.values() for option in pair)


def test_a_file_that_lacks_a_changed_answer_is_not_called_saved(participant: Participant, page: Path) -> None:
    participant.open(page)
    participant.start()
    for _ in range(N_STEPS):
        participant.press("1")
    participant.press("s")
    first = participant.saved()
    participant.press(Keys.BACKSPACE, "1")
    assert participant.element("#saved").text == f"Saved to your downloads: {first.name}"
    participant.press(Keys.BACKSPACE, "2")
    assert participant.element("#saved").text == "Not saved yet."
    assert not participant.elements("#next")


def test_fewer_questions_for_each_participant_are_drawn_from_all(
    participant: Participant, tmp_path: Path
) -> None:
    write_study(ASKED, tmp_path / "study.html", title="Faces", seed=1, per_participant=5)
    participant.open(tmp_path / "study.html")
    assert re.fullmatch(r"There are about \d+ questions\.", participant.element("#extent").text)
    found = orders(participant, [f"p{i}" for i in range(60)])
    items = [{step.split()[0] for step in order} for order in found]
    assert {len(each) for each in items} == {5}
    assert len(set().union(*items)) == 16


def test_nobody_begins_without_a_name_and_consent(participant: Participant, page: Path) -> None:
    participant.open(page)
    drawn = participant.element("#participant").get_attribute("value")
    assert re.fullmatch("[a-z]{8}", str(drawn))
    participant.element("#start button").click()
    assert participant.screen == "welcome"
    participant.element("#consent").click()
    for name in ("two words", "a,b", "=1", "ä", " "):
        participant.element("#participant").clear()
        participant.element("#participant").send_keys(name)
        participant.element("#start button").click()
        assert participant.screen == "welcome", name
    participant.element("#participant").clear()
    participant.element("#participant").send_keys("A_b-1")
    participant.element("#start button").click()
    assert participant.screen == "task"


@pytest.mark.parametrize("name", ["constructor", "__proto__", "y", "1"])
def test_any_allowed_name_is_a_participant(participant: Participant, page: Path, name: str) -> None:
    participant.open(page)
    participant.start(name)
    participant.press("y", "n")
    participant.refresh()
    participant.press("s")
    assert [(row["participant"], row["answer"]) for row in rows(participant.saved())] == [
        (name, "yes"),
        (name, "no"),
    ]


def test_the_next_participant_starts_afresh_and_an_earlier_one_can_come_back(
    participant: Participant, page: Path
) -> None:
    participant.open(page)
    participant.start("anna")
    for _ in range(N_STEPS):
        participant.press("1")
    assert not participant.elements("#next")
    participant.press("s")
    participant.saved()
    participant.element("#next").click()
    assert participant.screen == "welcome"
    assert not participant.element("#consent").is_selected()
    participant.refresh()
    assert participant.screen == "welcome"
    participant.start("bob")
    assert participant.count == f"Question 1 of {N_STEPS}"
    participant.script("localStorage.setItem(STORE, JSON.stringify({ ...state, current: '' }))")
    participant.refresh()
    participant.start("anna")
    assert participant.screen == "end"


def test_a_held_key_a_shortcut_and_another_key_answer_nothing(participant: Participant, page: Path) -> None:
    participant.open(page)
    participant.start()
    for how in ("repeat", "ctrlKey", "metaKey", "altKey"):
        event = f"new KeyboardEvent('keydown', {{key: 'y', {how}: true, bubbles: true}})"
        participant.script(f"document.activeElement.dispatchEvent({event})")
    participant.press("x", "3", Keys.ARROW_UP, Keys.ENTER)
    assert participant.count == f"Question 1 of {N_STEPS}"
    participant.press("y")
    assert participant.count == f"Question 2 of {N_STEPS}"


def test_a_browser_that_keeps_nothing_says_so_and_still_saves(participant: Participant, page: Path) -> None:
    code = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    command = "Page.addScriptToEvaluateOnNewDocument"
    script = participant.driver.execute_cdp_cmd(command, {"source": code})
    try:
        participant.open(page)
        participant.start("dora")
        assert "save them before you leave" in participant.element("#unkept").text
        participant.press("y", "s")
        assert len(rows(participant.saved())) == 1
    finally:
        participant.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_what_another_page_left_in_the_store_does_no_harm(participant: Participant, page: Path) -> None:
    participant.open(page)
    for junk in ("{", "3", "null", '{"current": "x"}', '{"current": 3, "people": {}}'):
        participant.script("localStorage.setItem(STORE, arguments[0])", junk)
        participant.refresh()
        assert participant.screen == "welcome"
    participant.start("anna")
    assert participant.screen == "task"


def test_the_page_asks_nothing_of_the_network_and_could_not(participant: Participant, page: Path) -> None:
    participant.open(page)
    participant.start()
    participant.press("y")
    loaded = participant.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in loaded)
    code = """const done = arguments[0];
        document.addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective));
        fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => done("not refused"), 1000));"""
    assert participant.driver.execute_async_script(code) == "connect-src"


CONTRASTS = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => {
  const own = parse(getComputedStyle(e).backgroundColor);
  return own.length === 3 || own[3] === 1 || !e.parentElement ? own : ground(e.parentElement);
};
return [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && !e.disabled)
  .filter((e) => e.matches("input") || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    return [e.outerHTML.slice(0, 60), (a + 0.05) / (b + 0.05)];
  });
"""

Visit = Callable[[str], None]


def each_screen(participant: Participant, page: Path, visit: Visit) -> None:
    """Show every screen once: welcome, a picture that was answered before, a pair, the end."""
    participant.open(page)
    visit("welcome")
    participant.start()
    participant.press("y", Keys.BACKSPACE)
    visit("single")
    for step in range(N_STEPS):
        if step == N_STEPS - 1:
            visit("pair")
        participant.press("1")
    participant.press("s")
    visit("end")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(
    participant: Participant, page: Path, scheme: str
) -> None:
    participant.look_at(1280, 800, scheme=scheme)
    grounds: set[Any] = set()

    def visit(screen: str) -> None:
        found = participant.script(CONTRASTS)
        assert len(found) >= 4, screen
        assert {text: ratio for text, ratio in found if ratio < 4.5} == {}
        grounds.add(participant.script("return getComputedStyle(document.body).backgroundColor"))

    each_screen(participant, page, visit)
    (ground,) = grounds
    assert (int(re.findall(r"\d+", ground)[0]) > 128) == (scheme == "light")


@pytest.mark.parametrize(
    ("width", "height", "phone"), [(360, 640, True), (390, 844, True), (1280, 720, False)]
)
def test_every_question_fits_the_screen_and_a_finger(
    participant: Participant, page: Path, width: int, height: int, phone: bool
) -> None:
    participant.look_at(width, height, phone=phone)

    def visit(screen: str) -> None:
        code = "const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]"
        scroll_width, scroll_height = participant.script(code)
        assert scroll_width <= width
        assert scroll_height <= height or screen == "welcome"
        assert all(button.size["height"] >= 40 for button in participant.elements("button"))
        answers = participant.elements("#task .answers button")
        assert all(button.size["height"] >= 48 and button.size["width"] >= 48 for button in answers)
        images = participant.elements("#task img")
        assert len({(image.size["width"], image.size["height"]) for image in images}) <= 1
        assert all(image.size["width"] >= 120 for image in images)

    each_screen(participant, page, visit)


def test_everything_has_a_name_for_those_who_listen(participant: Participant, page: Path) -> None:
    names: dict[str, list[str]] = {}

    def visit(screen: str) -> None:
        names[screen] = [
            e.accessible_name.strip() for e in participant.elements("button, input, progress, main img")
        ]
        assert participant.element("html").get_attribute("lang") == "en"
        focused = participant.driver.switch_to.active_element
        if screen in {"single", "pair"}:
            assert focused.text == participant.question

    each_screen(participant, page, visit)
    assert names["welcome"][1:] == [Wording().consent, "Start"]
    assert names["welcome"][0] == "Participant name"
    picture = "The picture that the question is about"
    step = [f"Question 1 of {N_STEPS}", "Save answers"]
    assert names["single"] == [*step, picture, "Yes", "No", "Back"]
    assert [name for name in names["pair"] if name.endswith("picture")] == ["Left picture", "Right picture"]
    assert names["end"][-3:] == ["Save answers", "Back", "Next participant"]
    assert all(names["end"])
