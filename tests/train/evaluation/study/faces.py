"""A study of drawn faces whose truth is written in their pixels, and people who answer from it."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.train.evaluation.study import Question, study_questions
from fader.train.evaluation.study.answers import COLUMNS
from fader.train.evaluation.study.key import Key, Truth

__all__ = ["CONDITIONS", "Oracle", "answer_rows", "draw", "page_data", "questions", "write_answers"]

CONDITIONS = ("condition-a", "condition-b", "condition-c")
"""Rows of the table; the last one is a swap. No page may contain these words."""
LABELS = (True, False)
SIZE = 96

Oracle = Callable[[Truth], bool]


def draw(i: int, *, attribute: bool, blur: float) -> NDArray[np.uint8]:
    """Draw face number i with or without glasses; no two faces are equal."""
    image = np.full((SIZE, SIZE, 3), (190 - 7 * i, 200, 215), np.uint8)
    cv2.ellipse(image, (48, 52), (28, 36), 0, 0, 360, (224, 180 - 6 * i, 150), -1, cv2.LINE_AA)
    for x in (38, 58):
        cv2.circle(image, (x, 46), 3, (40, 40, 60), -1, cv2.LINE_AA)
        if attribute:
            cv2.circle(image, (x, 46), 8, (20, 20, 20), 2, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), blur).astype(np.uint8) if blur else image


def questions(
    *, attributes: Sequence[str] = ("Eyeglasses", "Smiling"), conditions: Sequence[str] = CONDITIONS
) -> list[Question]:
    """Ask about two faces for each attribute in three conditions, and about pairs of first and last one."""
    asked: list[Question] = []
    for k, attribute in enumerate(attributes):
        pictures = {
            condition: np.stack(
                [draw(2 * k + i, attribute=label != (c == 2), blur=0.5 * c) for i, label in enumerate(LABELS)]
            )
            for c, condition in enumerate(conditions)
        }
        asked += study_questions(
            attribute,
            labels=LABELS,
            sources=[f"{attribute}-{i}.png" for i in range(len(LABELS))],
            pictures=pictures,
            swapped=conditions[2:],
            pairs=[(conditions[0], conditions[2])],
        )
    return asked


def page_data(page: Path) -> dict[str, object]:
    """Return what the page holds about its study."""
    text = page.read_text(encoding="utf-8")
    data = text.split('<script type="application/json" id="study">')[1].split("</script>")[0]
    loaded = json.loads(data)
    assert isinstance(loaded, dict)
    return loaded


def answer_rows(key: Key, participant: str, *, natural: Oracle, present: Oracle) -> list[list[str]]:
    """Answer every question of a study, and of a pair choose the picture that is natural."""
    rows = []
    for item, truth in key.pictures.items():
        for question, says in (("natural", natural), ("attribute", present)):
            rows.append([key.study, participant, item, question, "yes" if says(truth) else "no"])
    for item, pair in key.pairs.items():
        chosen = max(pair, key=lambda option: natural(pair[option]))
        rows.append([key.study, participant, item, "pair", chosen])
    return rows


def write_answers(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Write a file as the page does."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path
