"""The adversary on the latent, against numbers computed by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fader.attributes import Attribute, AttributeSet
from fader.train.adversary import LatentAdversary
from fader.train.objectives import attribute_loss

HAIR = AttributeSet(
    [Attribute(name="Glasses"), Attribute(name="Hair", categories=("black", "brown", "fair"))]
)
AGE = AttributeSet([Attribute(name="Age", span=(20.0, 70.0))])
AGES = np.linspace(0, 1, 100, dtype=np.float32)[:, None]


def test_categories_are_taught_and_fooled_as_in_the_paper() -> None:
    adversary = LatentAdversary(HAIR, np.zeros((1, 2), np.float32))
    outputs = torch.randn(6, 5)
    labels = torch.tensor([[0.0, 0], [1, 1], [0, 2], [1, 0], [1, 2], [0, 1]])
    others = torch.tensor([[1.0, 2], [0, 0], [1, 1], [0, 1], [0, 0], [1, 2]])
    assert adversary.n_outputs == 5
    loss = adversary.discriminator_loss(outputs, labels)
    assert loss.item() == pytest.approx(attribute_loss(outputs, labels, HAIR).item(), rel=1e-6)
    fooled = adversary.encoder_loss(outputs, labels, others)
    assert fooled.item() == pytest.approx(attribute_loss(outputs, others, HAIR).item(), rel=1e-6)


def test_bins_hold_equally_many_training_images() -> None:
    adversary = LatentAdversary(AGE, AGES**3, n_bins=4)
    assert adversary.n_outputs == 4
    labels = torch.from_numpy(AGES**3)
    sure = [torch.where(torch.arange(4) == b, 50.0, 0.0).expand(100, 4) for b in range(4)]
    right = [
        sum(
            adversary.discriminator_loss(outputs[i : i + 1], labels[i : i + 1]).item() < 1 for i in range(100)
        )
        for outputs in sure
    ]
    assert right == pytest.approx([25, 25, 25, 25], abs=1)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4))
def test_the_encoder_wants_every_bin_to_be_equally_likely(logits: list[float]) -> None:
    adversary = LatentAdversary(AGE, AGES, n_bins=4)
    outputs, anything = torch.tensor([logits]), torch.zeros(1, 1)
    loss = adversary.encoder_loss(outputs, anything, anything).item()
    even = adversary.encoder_loss(torch.zeros(1, 4), anything, anything).item()
    assert even == pytest.approx(math.log(4), rel=1e-6)
    assert loss >= even - 1e-5


def test_a_regression_adversary_is_satisfied_by_an_answer_that_is_confidently_wrong() -> None:
    adversary = LatentAdversary(AGE, AGES, continuous="regression")
    assert adversary.n_outputs == 1
    labels = torch.from_numpy(AGES)
    # The weakness: what the encoder is asked for tells the age as well as the age itself.
    assert adversary.encoder_loss(1 - labels, labels, labels).item() == 0
    assert adversary.discriminator_loss(labels, labels).item() == 0
    assert adversary.encoder_loss(torch.full((1, 1), 0.5), torch.full((1, 1), 0.5), labels[:1]).item() == 0


def test_the_baseline_is_the_loss_of_knowing_frequencies_only() -> None:
    labels = np.array([[1, 0], [1, 1], [1, 2], [0, 0]], dtype=np.float32)
    even = np.ones(4)
    expected = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4)) + 1.5 * math.log(2)
    assert LatentAdversary(HAIR, labels).baseline(labels, even) == pytest.approx(expected)
    drawn_thrice = LatentAdversary(HAIR, labels).baseline(labels, np.array([1.0, 1, 1, 3]))
    assert drawn_thrice == pytest.approx(math.log(2) + _entropy(4 / 6, 1 / 6, 1 / 6))
    assert LatentAdversary(AGE, AGES).baseline(AGES, np.ones(100)) == pytest.approx(math.log(16), abs=0.01)
    regression = LatentAdversary(AGE, AGES, continuous="regression")
    assert regression.baseline(AGES, np.ones(100)) == pytest.approx(float(AGES.var()), rel=1e-4)


def _entropy(*shares: float) -> float:
    return -sum(share * math.log(share) for share in shares)


def test_few_different_values_make_few_bins() -> None:
    values = np.repeat(np.array([0.0, 0.5, 1.0], np.float32), 10)[:, None]
    adversary = LatentAdversary(AGE, values)
    assert adversary.n_outputs <= 4
    assert adversary.baseline(values, np.ones(30)) == pytest.approx(math.log(3))


def test_categories_can_be_confused_instead_of_swapped() -> None:
    adversary = LatentAdversary(HAIR, np.zeros((1, 2), np.float32), target="uniform")
    anything = torch.zeros(3, 2)
    even = adversary.encoder_loss(torch.zeros(3, 5), anything, anything).item()
    assert even == pytest.approx(math.log(2) + math.log(3), rel=1e-6)
    assert adversary.encoder_loss(5 * torch.randn(3, 5), anything, anything).item() > even
