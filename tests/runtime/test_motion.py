"""Values that move: what people type, and what a face is given at a time."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError
from fader.runtime.motion import Keyframes, Span, apply, parse

ATTRIBUTES = AttributeSet(
    [
        Attribute(name="Smiling"),
        Attribute(name="Age", span=(20.0, 70.0)),
        Attribute(name="Hair", categories=("black", "fair", "grey")),
    ]
)
SOURCE_A = np.array([0.5, 0.5, 0.8, 0.2, 1.0, 0.0, 0.0], np.float32)
"""45 years, Smiling 0.2, black hair."""


def strengths(name: str, typed: str, *times: float) -> list[float]:
    """Return the slider's positions at times."""
    source_NA = np.tile(SOURCE_A, (len(times), 1))
    wanted_NA = apply(ATTRIBUTES, {name: parse(typed)}, source_NA, np.array(times))
    columns = wanted_NA[:, ATTRIBUTES.slice(name)]
    np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-5)
    return [float(column) for column in columns[:, 1]]


def test_a_value_is_a_value_at_all_times() -> None:
    assert strengths("Smiling", "0.8", 0, 5) == pytest.approx([0.8, 0.8])
    assert strengths("Smiling", "-0.5", 0) == pytest.approx([-0.5])


def test_keyframes_move_evenly_and_hold_before_and_after() -> None:
    assert strengths("Smiling", "0@1s,1@3s", 0, 1, 2, 3, 9) == pytest.approx([0, 0, 0.5, 1, 1])


def test_a_span_fades_in_and_out_of_what_the_face_has() -> None:
    found = strengths("Smiling", "1@2s-5s", 1, 2, 2.125, 3, 5, 6)
    assert found == pytest.approx([0.2, 0.2, 0.6, 1, 0.2, 0.2])


def test_a_change_starts_at_what_the_face_has() -> None:
    assert strengths("Smiling", "+0.3", 0) == pytest.approx([0.5])
    assert strengths("Smiling", "+-0.3", 0) == pytest.approx([-0.1])
    assert strengths("Smiling", "+0@0,+1@2", 1) == pytest.approx([0.7])


def test_units_of_continuous_attributes_are_their_own() -> None:
    assert strengths("Age", "20@0,70@10", 5) == pytest.approx([0.5])
    assert strengths("Age", "+10", 0) == pytest.approx([0.5 + 10 / 50])


def test_categories_hold_until_the_next_one() -> None:
    wanted_NA = apply(
        ATTRIBUTES,
        {"Hair": parse("black@0s,grey@2s")},
        np.tile(SOURCE_A, (3, 1)),
        np.array([0.0, 1.9, 2.0]),
    )
    assert wanted_NA[:, ATTRIBUTES.slice("Hair")].argmax(axis=1).tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("typed", "motion"),
    [
        ("1@0:02-1:00:00", Span(start=2, stop=3600, value=1.0)),
        ("0@0,1@1:02.5", Keyframes(times=(0, 62.5), values=(0.0, 1.0))),
        ("+0.5@3s", Keyframes(times=(3.0,), values=(0.5,), relative=True)),
    ],
)
def test_times_are_seconds_or_minutes_or_hours(typed: str, motion: object) -> None:
    assert parse(typed) == motion


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("1@", "found the time ''"),
        ("1@now", "found the time 'now': expected seconds such as 2.5s"),
        ("@2s", "found the value ''"),
        ("+much", r"found the value '\+much': expected a number"),
        ("1@5s-2s", "found the span 5s-2s: expected its end after its start"),
        ("0@3s,1@2s", "expected ascending times"),
        ("0@1s,+1@2s", "mixes values with changes"),
        ("0@1s-2s,1@3s-4s", "has several spans"),
    ],
)
def test_what_cannot_be_read_is_one_line(typed: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse(typed)
    assert "\n" not in str(error.value)


def test_categories_cannot_be_changed_by_an_amount() -> None:
    change = Keyframes(times=(0.0,), values=("grey",), relative=True)
    with pytest.raises(ConfigError, match="Hair has categories"):
        apply(ATTRIBUTES, {"Hair": change}, SOURCE_A[None], np.zeros(1))


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_one_line(typed: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(typed)
