"""Scores the answers of a study with its key."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from fader.errors import ConfigError, DataError
from fader.train.evaluation.study.answers import Answer, read_answers
from fader.train.evaluation.study.key import Key, Truth, read_key
from fader.train.evaluation.study.table import Cell, Preference, Share, StudyTable

__all__ = ["score_study"]


def score_study(answer_csvs: Sequence[Path], key: Path, *, confidence: float = 0.95) -> StudyTable:
    """Score what people answered.

    Args:
        answer_csvs: Files that participants saved, at least one.
        key: The file that `write_study` returned.
        confidence: Of the Wilson intervals, above 0 and below 1.

    Returns:
        Naturalness and accuracy of each condition and attribute, and the preferences of the pairs.

    Raises:
        ConfigError: a confidence that is none.
        DataError: a file is missing, damaged or of another study; the message names file and line.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence {confidence:g}: expected a number above 0 and below 1, such as 0.95")
    if not answer_csvs:
        raise DataError("found no file of answers: expected the CSV files that the participants saved")
    truth = read_key(key)
    answers = read_answers(answer_csvs, truth)
    return StudyTable(
        title=truth.title,
        conditions=truth.conditions,
        attributes=truth.attributes,
        cells=_cells(answers, truth, confidence),
        preferences=_preferences(answers, truth, confidence),
        n_participants=len({answer.participant for answer in answers}),
        n_answers=len(answers),
        confidence=confidence,
    )


def _cells(answers: list[Answer], key: Key, confidence: float) -> dict[tuple[str, str], Cell]:
    hits: defaultdict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for answer in answers:
        if (truth := key.pictures.get(answer.item)) is not None:
            right = True if answer.question == "natural" else truth.present
            said = answer.value == "yes"
            hits[truth.condition, truth.attribute, answer.question].append(said == right)
    asked = {(truth.condition, truth.attribute) for truth in key.pictures.values()}
    return {
        (condition, attribute): Cell(
            naturalness=_share(hits[condition, attribute, "natural"], confidence),
            accuracy=_share(hits[condition, attribute, "attribute"], confidence),
        )
        for condition in key.conditions
        for attribute in key.attributes
        if (condition, attribute) in asked
    }


def _preferences(answers: list[Answer], key: Key, confidence: float) -> tuple[Preference, ...]:
    chosen: dict[tuple[str, frozenset[str]], list[str]] = {_compared(pair): [] for pair in key.pairs.values()}
    for answer in answers:
        if answer.question == "pair":
            pair = key.pairs[answer.item]
            chosen[_compared(pair)].append(pair[answer.value].condition)
    return tuple(
        Preference(
            attribute=attribute,
            condition=one,
            over=other,
            share=_share(
                [condition == one for condition in chosen[attribute, frozenset((one, other))]], confidence
            ),
        )
        for attribute in key.attributes
        for one, other in combinations(key.conditions, 2)
        if (attribute, frozenset((one, other))) in chosen
    )


def _compared(pair: Mapping[str, Truth]) -> tuple[str, frozenset[str]]:
    return next(iter(pair.values())).attribute, frozenset(truth.condition for truth in pair.values())


def _share(cases: list[bool], confidence: float) -> Share:
    return Share(hits=sum(cases), n=len(cases), confidence=confidence)
