"""Swaps of the three kinds of attributes: who is edited, to what, and what counts as seen and as kept."""

import numpy as np
import torch
from tests.train.evaluation.bands import (
    AGE,
    ATTRIBUTES,
    GLASSES,
    HAIR,
    Painter,
    greys,
    paint,
    random_labels,
    read_bands,
)

from fader.train.evaluation.swaps import DIRECTIONS, Swap, draw_swaps, kept, medians, plan

SWAPS = {swap.name: swap for swaps in plan(ATTRIBUTES) for swap in swaps}


def test_the_plan_has_every_way_to_change_every_attribute() -> None:
    assert list(SWAPS) == [
        "Age raised",
        "Age lowered",
        "Glasses added",
        "Glasses removed",
        "Hair=black added",
        "Hair=blond added",
        "Hair=red added",
    ]
    assert all(name.endswith(DIRECTIONS) for name in SWAPS)
    assert [swap.target for swap in SWAPS.values()] == [0.9, 0.1, 1, 0, 0, 1, 2]


def test_every_image_is_edited_once_for_a_slider_and_once_for_every_other_category() -> None:
    labels = random_labels(50)
    middle = medians(labels)
    times = {
        attribute.name: sum(swap.applies(labels, middle).astype(int) for swap in swaps)
        for attribute, swaps in zip(ATTRIBUTES, plan(ATTRIBUTES), strict=True)
    }
    assert {name: set(np.asarray(n).tolist()) for name, n in times.items()} == {
        "Age": {1},
        "Glasses": {1},
        "Hair": {2},
    }
    raised = SWAPS["Age raised"].applies(labels, middle)
    assert labels[raised, AGE].max() < labels[~raised, AGE].min()


def test_drawn_swaps_have_the_new_value_and_keep_the_others() -> None:
    labels = random_labels(20, seed=3)
    latents = (paint(greys(torch.from_numpy(labels))),)
    seen: dict[Swap, int] = {}
    for swap, rows, drawn in draw_swaps(
        Painter(), latents, torch.from_numpy(labels), medians(labels), ATTRIBUTES
    ):
        wanted = labels[rows].copy()
        wanted[:, swap.k] = swap.target
        torch.testing.assert_close(read_bands(drawn), greys(torch.from_numpy(wanted)))
        assert np.array_equal(rows, swap.applies(labels, medians(labels)))
        seen[swap] = len(drawn)
    assert list(seen) == list(SWAPS.values())
    assert sum(seen.values()) == 20 + 20 + 2 * 20


def test_a_category_is_seen_when_the_judge_names_it_and_a_position_on_its_side_of_the_middle() -> None:
    said = np.array([[0.4, 1, 2], [0.6, 0, 1], [0.5, 1, 0]], dtype=np.float32)
    middle = np.array([0.5, 1, 1], dtype=np.float32)

    def seen(name: str) -> list[bool]:
        return list(SWAPS[name].seen(said, middle).tolist())

    assert seen("Age raised") == [False, True, False]
    assert seen("Age lowered") == [True, False, False]
    assert seen("Glasses added") == [True, False, True]
    assert seen("Glasses removed") == [False, True, False]
    assert seen("Hair=blond added") == [False, True, False]


def test_real_images_like_the_edited_ones_have_the_value_or_the_outermost_quarter_of_it() -> None:
    labels = random_labels(400)
    assert np.array_equal(SWAPS["Hair=red added"].like(labels), labels[:, HAIR] == 2)
    assert np.array_equal(SWAPS["Glasses removed"].like(labels), labels[:, GLASSES] == 0)
    old, young = SWAPS["Age raised"].like(labels), SWAPS["Age lowered"].like(labels)
    assert old.sum() == young.sum() == 100
    assert labels[old, AGE].min() > 0.7
    assert labels[young, AGE].max() < 0.3


def test_another_category_is_not_kept_and_a_small_change_of_a_position_is() -> None:
    before = np.array([[0.5, 1, 2], [0.5, 1, 2]], dtype=np.float32)
    after = np.array([[0.55, 0, 2], [0.7, 1, 1]], dtype=np.float32)
    assert kept(before, after, ATTRIBUTES).tolist() == [[True, False, True], [False, True, False]]
