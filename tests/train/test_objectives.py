"""The losses against numbers computed by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.train.objectives import attribute_loss, columns, other_categories, ramp

GLASSES = AttributeSet([Attribute(name="Glasses")])
HAIR = AttributeSet(
    [Attribute(name="Glasses"), Attribute(name="Hair", categories=("black", "brown", "fair"))]
)


def test_the_attribute_loss_is_summed_over_attributes_and_averaged_over_images() -> None:
    # softmax of (0, log 3) is (1/4, 3/4); of (log 2, 0, 0) it is (1/2, 1/4, 1/4)
    logits = torch.tensor([[0, math.log(3), math.log(2), 0, 0], [0, math.log(3), math.log(2), 0, 0]])
    labels = torch.tensor([[1, 0], [0, 2]])
    expected = (-math.log(3 / 4) - math.log(1 / 4)) / 2 + (-math.log(1 / 2) - math.log(1 / 4)) / 2
    assert attribute_loss(logits, labels, HAIR).item() == pytest.approx(expected, rel=1e-6)


def test_a_discriminator_that_knows_nothing_has_the_loss_of_guessing() -> None:
    loss = attribute_loss(torch.zeros(4, 5), torch.tensor([[0, 0], [1, 1], [0, 2], [1, 0]]), HAIR)
    assert loss.item() == pytest.approx(math.log(2) + math.log(3), rel=1e-6)


def test_the_encoders_gradient_points_away_from_what_the_discriminator_reads() -> None:
    # The discriminator's logits are (-z, z): at z = 2 it is sure of category 1, the true one. The loss for
    # the other category is log(1 + exp(2 z)), its slope 2 sigmoid(2 z): descending lowers z.
    latent = torch.tensor([[2.0]], requires_grad=True)
    truth = torch.tensor([[1]])
    fooled = other_categories(truth, GLASSES, torch.Generator())
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
    return torch.tensor(draw(st.lists(rows, min_size=1, max_size=8))), attributes


@settings(deadline=None)
@given(case=labelled(), seed=st.integers(0, 2**32))
def test_other_categories_are_never_the_same_and_always_exist(
    case: tuple[Tensor, AttributeSet], seed: int
) -> None:
    labels, attributes = case
    others = other_categories(labels, attributes, torch.Generator().manual_seed(seed))
    assert others.dtype == torch.int64
    assert (others != labels).all()
    for k, attribute in enumerate(attributes):
        assert others[:, k].min() >= 0
        assert others[:, k].max() < len(attribute.categories)
        if attribute.kind == "boolean":
            assert torch.equal(others[:, k], 1 - labels[:, k])


def test_every_other_category_is_drawn_about_equally_often() -> None:
    attributes = AttributeSet([Attribute(name="Hair", categories=("a", "b", "c", "d"))])
    others = other_categories(torch.full((6000, 1), 2), attributes, torch.Generator().manual_seed(0))
    counts = torch.bincount(others[:, 0], minlength=4)
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
            value = label if attribute.kind == "boolean" else attribute.categories[label]
            assert row.tolist() == attribute.columns(value).tolist()


def test_the_ramp_is_linear_from_zero_and_then_constant() -> None:
    assert [ramp(0.5, t, 4) for t in (0, 1, 2, 3, 4, 5, 1000)] == [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert ramp(1e-4, 250_000, 500_000) == 5e-5


def test_a_ramp_of_no_length_is_constant() -> None:
    assert ramp(0.5, 0, 0) == ramp(0.5, 9, 0) == 0.5
