"""The model that everybody gets: whole, small, documented, and its sliders work on a face it never saw."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from fader.bundle import Bundle, shipped_bundle
from fader.runtime import Editor

MAX_BYTES = 12_000_000
MAX_GFLOP = 0.45


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    with Editor.open() as opened:
        yield opened


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = skimage.data.astronaut()
    return picture


def test_it_is_small_enough_to_ship() -> None:
    files = Bundle(shipped_bundle()).manifest.files
    assert sum(record["bytes"] for record in files.values()) < MAX_BYTES


def test_its_sliders_are_those_that_the_readme_names() -> None:
    assert Bundle(shipped_bundle()).manifest.attributes.names == ("Eyeglasses", "Male", "Smiling", "Young")


def test_its_card_names_the_data_their_licence_the_command_and_the_arithmetic() -> None:
    card = (shipped_bundle() / "README.md").read_text()
    for words in ("FairFace", "CC BY 4.0", "pseudo-labels", "fader-train", "Smiling added"):
        assert words in card
    costs = [float(number) for number in re.findall(r"([0-9.]+) GFLOP", card)]
    assert len(costs) == 2
    assert max(costs) <= MAX_GFLOP


# Added to the picture, a smile of 0 still shows teeth; what is drawn for -0.5 covers them.
@pytest.mark.parametrize(
    ("name", "value"), [("Eyeglasses", 1.0), ("Male", 1.0), ("Smiling", -0.5), ("Young", 0.0)]
)
def test_its_classifier_sees_the_edit_in_the_edited_picture(
    editor: Editor, portrait: NDArray[np.uint8], name: str, value: float
) -> None:
    column = editor.attributes.slice(name).stop - 1
    before = editor.encode(editor.crops(portrait)).source_NA[0, column]
    edited = editor.edit(portrait[None], {name: value})[0]
    after = editor.encode(editor.crops(edited)).source_NA[0, column]
    wanted = min(max(value, 0.0), 1.0)
    assert abs(before - wanted) > 0.5, f"the portrait is at {before:.2f} already"
    assert abs(after - wanted) < 0.5


def test_glasses_change_the_eyes_and_hardly_the_mouth(editor: Editor, portrait: NDArray[np.uint8]) -> None:
    edited = editor.edit(portrait[None], {"Eyeglasses": 1.0})[0]
    change = np.abs(edited.astype(int) - portrait).sum(axis=2)
    eyes, mouth = change[90:115, 190:260].mean(), change[132:150, 200:246].mean()
    assert eyes > 3 * mouth


def test_a_neutral_slider_leaves_the_picture_as_it_is(editor: Editor, portrait: NDArray[np.uint8]) -> None:
    assert np.array_equal(editor.edit(portrait[None], {})[0], portrait)
