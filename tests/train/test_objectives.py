"""The losses against numbers computed by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.train.draws import Draws
from fader.train.objectives import (
    attribute_loss,
    columns,
    cooled,
    exaggeration_loss,
    example_error,
    monotonicity_loss,
    other_values,
    ramp,
)

GLASSES = AttributeSet([Attribute(name="Glasses")])
HAIR = AttributeSet(
    [Attribute(name="Glasses"), Attribute(name="Hair", categories=("black", "brown", "fair"))]
)


def test_the_attribute_loss_is_summed_over_attributes_and_averaged_over_images() -> None:
    # softmax of (0, log 3) is (1/4, 3/4); of (log 2, 0, 0) it is (1/2, 1/4, 1/4)
    logits = torch.tensor([[0, math.log(3), math.log(2), 0, 0], [0, math.log(3), math.log(2), 0, 0]])
    labels = torch.tensor([[1.0, 0], [0, 2]])
    expected = (-math.log(3 / 4) - math.log(1 / 4)) / 2 + (-math.log(1 / 2) - math.log(1 / 4)) / 2
    assert attribute_loss(logits, labels, HAIR).item() == pytest.approx(expected, rel=1e-6)


def test_the_attribute_loss_of_an_image_counts_by_its_weight() -> None:
    logits, labels = torch.randn(3, 5), torch.tensor([[0.0, 0], [1, 1], [0, 2]])
    alone = [attribute_loss(logits[i : i + 1], labels[i : i + 1], HAIR).item() for i in range(3)]
    weighted = attribute_loss(logits, labels, HAIR, torch.tensor([1.0, 0, 4])).item()
    assert weighted == pytest.approx((alone[0] + 4 * alone[2]) / 3, rel=1e-5)


def test_a_discriminator_that_knows_nothing_has_the_loss_of_guessing() -> None:
    loss = attribute_loss(torch.zeros(4, 5), torch.tensor([[0.0, 0], [1, 1], [0, 2], [1, 0]]), HAIR)
    assert loss.item() == pytest.approx(math.log(2) + math.log(3), rel=1e-6)


def test_the_encoders_gradient_points_away_from_what_the_discriminator_reads() -> None:
    # The discriminator's logits are (-z, z): at z = 2 it is sure of category 1, the true one. The loss for
    # the other category is log(1 + exp(2 z)), its slope 2 sigmoid(2 z): descending lowers z.
    latent = torch.tensor([[2.0]], requires_grad=True)
    truth = torch.tensor([[1.0]])
    fooled = other_values(truth, GLASSES, Draws.for_images(0, 1))
    attribute_loss(latent @ torch.tensor([[-1.0, 1.0]]), fooled, GLASSES).backward()  # type: ignore[no-untyped-call]
    assert latent.grad is not None
    assert latent.grad.item() == pytest.approx(2 / (1 + math.exp(-4)), rel=1e-6)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Tensor, AttributeSet]:
    sizes = draw(st.lists(st.integers(2, 6), min_size=1, max_size=4))
    attributes = AttributeSet(
        [
            Attribute(name=f"a{i}", categories=("0", "1") if n == 2 else tuple("abcdef"[:n]))
            for i, n in enumerate(sizes)
        ]
    )
    rows = st.tuples(*(st.integers(0, len(attribute.categories) - 1) for attribute in attributes))
    return torch.tensor(draw(st.lists(rows, min_size=1, max_size=8)), dtype=torch.float32), attributes


@settings(deadline=None)
@given(case=labelled(), seed=st.integers(0, 2**32))
def test_other_values_are_never_the_same_and_always_exist(
    case: tuple[Tensor, AttributeSet], seed: int
) -> None:
    labels, attributes = case
    others = other_values(labels, attributes, Draws.for_images(seed, len(labels)))
    assert others.dtype == torch.float32
    assert (others != labels).all()
    for k, attribute in enumerate(attributes):
        assert others[:, k].min() >= 0
        assert others[:, k].max() < len(attribute.categories)
        if attribute.kind == "boolean":
            assert torch.equal(others[:, k], 1 - labels[:, k])


def test_every_other_category_is_drawn_about_equally_often() -> None:
    attributes = AttributeSet([Attribute(name="Hair", categories=("a", "b", "c", "d"))])
    others = other_values(torch.full((6000, 1), 2.0), attributes, Draws.for_images(0, 6000))
    counts = torch.bincount(others[:, 0].long(), minlength=4)
    assert counts[2] == 0
    assert counts.sum() == 6000
    assert (counts[[0, 1, 3]] - 2000).abs().max() < 200


@settings(deadline=None)
@given(case=labelled())
def test_columns_are_those_of_the_attribute_set(case: tuple[Tensor, AttributeSet]) -> None:
    labels, attributes = case
    found = columns(labels, attributes)
    assert found.shape == (len(labels), attributes.n_columns)
    assert found.dtype == torch.float32
    for k, attribute in enumerate(attributes):
        for row, label in zip(found[:, attributes.slice(attribute.name)], labels[:, k].tolist(), strict=True):
            value = label if attribute.kind == "boolean" else attribute.categories[int(label)]
            assert row.tolist() == attribute.columns(value).tolist()


def test_the_ramp_is_linear_from_zero_and_then_constant() -> None:
    assert [ramp(0.5, t, 4) for t in (0, 1, 2, 3, 4, 5, 1000)] == [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert ramp(1e-4, 250_000, 500_000) == 5e-5


def test_a_ramp_of_no_length_is_constant() -> None:
    assert ramp(0.5, 0, 0) == ramp(0.5, 9, 0) == 0.5


def test_the_learning_rate_stays_and_then_falls_to_zero_along_a_line() -> None:
    assert [cooled(0.4, t, 6, 4) for t in (0, 1, 2, 3, 4, 5)] == pytest.approx([0.4, 0.4, 0.4, 0.3, 0.2, 0.1])
    assert cooled(0.4, 9, 6, 4) == 0
    assert cooled(0.4, 9, 6, 0) == 0.4


AGES = AttributeSet([Attribute(name="Age", span=(20.0, 70.0)), Attribute(name="Glasses")])


def test_a_continuous_label_is_a_share_of_two_columns() -> None:
    labels = torch.tensor([[0.25, 1.0]])
    assert columns(labels, AGES).tolist() == [[0.75, 0.25, 0, 1]]
    # softmax of (0, log 3) is (1/4, 3/4)
    logits = torch.tensor([[0, math.log(3), 0, 0]])
    expected = -0.75 * math.log(1 / 4) - 0.25 * math.log(3 / 4) + math.log(2)
    assert attribute_loss(logits, labels, AGES).item() == pytest.approx(expected, rel=1e-6)


def test_other_continuous_values_lie_anywhere_in_the_span() -> None:
    others = other_values(torch.full((4000, 2), 0.5), AGES, Draws.for_images(1, 4000))
    ages = others[:, 0]
    assert 0 <= ages.min() < 0.01
    assert 0.99 < ages.max() <= 1
    assert ages.mean().item() == pytest.approx(0.5, abs=0.02)


def test_what_moves_with_its_slider_costs_nothing_and_what_moves_against_it_two() -> None:
    moved = torch.tensor([[0.3, 0.0], [-0.2, 0.0]])
    with_it, against, still = torch.tensor([[9.0, 5], [-9, 5]]), torch.tensor([[-9.0, 5], [9, 5]]), 0 * moved
    assert monotonicity_loss(with_it, moved).item() == pytest.approx(0, abs=1e-6)
    assert monotonicity_loss(against, moved).item() == pytest.approx(2, abs=1e-6)
    assert monotonicity_loss(still, moved).item() == pytest.approx(1)
    assert monotonicity_loss(still, still).item() == 0


def test_an_exaggerated_edit_costs_what_it_lacks_to_be_seen_a_little_surer_and_nothing_else() -> None:
    raised = torch.tensor([[0.5, 0.0], [0.25, 0.0]])
    surer, less = torch.tensor([[0.3, -9.0], [5.0, -9.0]]), torch.tensor([[-0.75, -9.0], [5.0, -9.0]])
    assert exaggeration_loss(surer, raised).item() == 0
    assert exaggeration_loss(less, raised).item() == pytest.approx((0.25 + 0.75) / 2)
    assert exaggeration_loss(less, 0 * raised).item() == 0


def test_errors_of_examples_count_large_ones_and_fine_ones_more() -> None:
    target = torch.zeros(1, 3, 16, 16)
    assert float(example_error(target + 0.1, target, target)) == pytest.approx(0.1 + 8 * 0.1**2, rel=1e-5)
    stripes = 0.1 * (-1.0) ** torch.arange(16)
    fine = float(example_error(target + stripes, target, target))
    assert fine == pytest.approx(0.1 + 8 * 0.1**2 + 2 * 0.1, rel=0.1)


def test_errors_of_examples_count_more_where_the_edit_changes_much() -> None:
    target = torch.zeros(1, 3, 16, 16)
    plain = float(example_error(target + 0.1, target, target))
    changed = [float(example_error(target + 0.1, target, target + change)) for change in (0.2, -0.4, 1.0)]
    assert changed == pytest.approx([2 * plain, 3 * plain, 3 * plain])
