"""Sliders: the order of their columns, and what values become."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError

GLASSES = Attribute(name="Eyeglasses")
HAIR = Attribute(name="Hair", categories=("black", "brown", "fair"))

NAMES = st.text(st.characters(exclude_characters="=:", exclude_categories=["Cs"]), min_size=1, max_size=8)


@pytest.fixture
def mixed() -> AttributeSet:
    return AttributeSet(
        [Attribute(name="Young"), HAIR, Attribute(name="Age", categories=("a", "b", "c")), GLASSES]
    )


def test_columns_are_ordered_by_number_of_categories_and_then_by_name(mixed: AttributeSet) -> None:
    assert mixed.names == ("Eyeglasses", "Young", "Age", "Hair")
    assert [mixed.slice(name) for name in mixed.names] == [
        slice(0, 2),
        slice(2, 4),
        slice(4, 7),
        slice(7, 10),
    ]
    assert mixed.n_columns == 10


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.randoms())
def test_the_order_in_which_attributes_are_given_does_not_matter(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = (AttributeSet([Attribute(name=n) for n in some]) for some in (names, shuffled))
    assert first.names == second.names == tuple(sorted(names))


@given(st.floats(-1000, 1000))
def test_a_boolean_value_becomes_two_columns_that_sum_to_one(strength: float) -> None:
    columns = GLASSES.columns(strength)
    assert columns.dtype == np.float32
    np.testing.assert_array_equal(columns, np.array([1 - strength, strength], np.float32))


def test_a_strength_may_be_written_as_text_as_on_the_command_line() -> None:
    np.testing.assert_array_equal(GLASSES.columns("0.25"), np.array([0.75, 0.25], np.float32))


def test_a_category_becomes_one_hot_columns() -> None:
    np.testing.assert_array_equal(HAIR.columns("brown"), [0, 1, 0])


@pytest.mark.parametrize(
    "value", ["abc", "", math.nan, math.inf, -math.inf, "nan", "1e999", 10**400, 1e30, None]
)
def test_a_value_that_is_no_usable_number_is_refused_in_one_line(value: float) -> None:
    with pytest.raises(ConfigError, match=r"Eyeglasses=.*expected a number") as caught:
        GLASSES.columns(value)
    assert "\n" not in str(caught.value)


def test_an_unknown_category_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'green': expected one of black, brown, fair"):
        HAIR.columns("green")


def test_an_unknown_attribute_is_refused_with_the_known_ones(mixed: AttributeSet) -> None:
    source_NA = np.zeros((1, 10), np.float32)
    with pytest.raises(
        ConfigError, match="unknown attribute 'Glasses': this model has Eyeglasses, Young, Age, Hair"
    ):
        mixed.apply({"Glasses": 1.0}, source_NA)
    with pytest.raises(ConfigError, match="this model has"):
        mixed.slice("Glasses")


def test_apply_overwrites_the_named_columns_only_and_leaves_its_input_alone(mixed: AttributeSet) -> None:
    source_NA = np.random.default_rng(0).random((3, 10), np.float32)
    before = source_NA.copy()
    wanted_NA = mixed.apply({"Young": 2.0, "Hair": "fair"}, source_NA)
    np.testing.assert_array_equal(source_NA, before)
    np.testing.assert_array_equal(wanted_NA[:, :2], before[:, :2])
    np.testing.assert_array_equal(wanted_NA[:, 4:7], before[:, 4:7])
    np.testing.assert_array_equal(wanted_NA[:, 2:4], [[-1, 2]] * 3)
    np.testing.assert_array_equal(wanted_NA[:, 7:], [[0, 0, 1]] * 3)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ([], "found no attribute"),
        ([Attribute(name="A"), Attribute(name="A")], "all names different"),
    ],
)
def test_a_set_without_attributes_or_with_a_name_twice_is_refused(
    attributes: list[Attribute], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        AttributeSet(attributes)


@pytest.mark.parametrize(
    ("name", "categories"), [("", ("0", "1")), ("A=B", ("0", "1")), ("A", ("x",)), ("A", ("x", "x"))]
)
def test_an_attribute_without_a_usable_name_or_categories_is_refused(
    name: str, categories: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Attribute(name=name, categories=categories)


AGE = Attribute(name="Age", span=(20.0, 70.0))


@given(st.floats(-5000, 5000))
def test_a_continuous_value_becomes_its_place_in_the_span(age: float) -> None:
    low, high = AGE.columns(age)
    assert high == pytest.approx((age - 20) / 50, abs=1e-4)
    assert low + high == pytest.approx(1, abs=1e-4)
    assert AGE.value_at(AGE.position(age)) == pytest.approx(age, abs=1e-6)


def test_the_ends_of_a_span_are_absent_and_present() -> None:
    np.testing.assert_array_equal(AGE.columns(20), [1, 0])
    np.testing.assert_array_equal(AGE.columns("70"), [0, 1])


def test_a_value_far_outside_the_span_is_refused_in_the_attributes_own_units() -> None:
    with pytest.raises(
        ConfigError, match=r"Age=1000000000\.0: expected a number from -49980 to 50020, such as Age=60"
    ):
        AGE.columns(1e9)


@pytest.mark.parametrize("span", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_a_span_without_extent_is_refused(span: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match=r"'Age' has the span .*: expected two finite numbers"):
        Attribute(name="Age", span=span)


@pytest.mark.parametrize(
    ("attribute", "kind", "what"),
    [
        (GLASSES, "boolean", "slider: 0 absent, 1 present, beyond exaggerates"),
        (AGE, "continuous", "number, usually 20 to 70, beyond exaggerates"),
        (HAIR, "categorical", "one of black, brown, fair"),
    ],
)
def test_each_kind_says_what_it_takes_and_comes_back_from_json(
    attribute: Attribute, kind: str, what: str
) -> None:
    assert attribute.kind == kind
    assert attribute.describe() == what
    assert Attribute.from_fields(json.loads(json.dumps(attribute.to_fields()))) == attribute


def test_sliders_of_both_kinds_stand_before_categories() -> None:
    assert AttributeSet([HAIR, GLASSES, AGE]).names == ("Age", "Eyeglasses", "Hair")


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9))
def test_estimates_are_decided_without_changing_their_order(estimates: list[float]) -> None:
    glasses = AttributeSet([GLASSES])
    given_NA = np.array([[1 - p, p] for p in sorted(estimates)], np.float32)
    decided_NA = glasses.decided(given_NA)
    assert (np.diff(decided_NA[:, 1]) >= 0).all()
    np.testing.assert_allclose(decided_NA.sum(axis=1), 1, atol=1e-6)
    assert (decided_NA[given_NA[:, 1] <= 0.25, 1] == 0).all()
    assert (decided_NA[given_NA[:, 1] >= 0.75, 1] == 1).all()
    np.testing.assert_array_equal(given_NA, np.array([[1 - p, p] for p in sorted(estimates)], np.float32))


def test_only_booleans_are_decided() -> None:
    age = Attribute(name="Age", span=(0.0, 100.0))
    mixed = AttributeSet([GLASSES, age, HAIR])
    estimates_NA = np.array([[0.6, 0.4, 0.6, 0.4, 0.2, 0.5, 0.3]], np.float32)
    decided_NA = mixed.decided(estimates_NA)
    for attribute in mixed:
        columns = mixed.slice(attribute.name)
        same = np.array_equal(decided_NA[:, columns], estimates_NA[:, columns])
        assert same == (attribute.kind != "boolean")
