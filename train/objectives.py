"""The losses on attributes and on known results. Shapes: N images, A attribute columns, K attributes.

Labels are (N, K) float32: the index of a boolean or categorical attribute's category, and the position of a
continuous one in its span (0 lowest, 1 highest).

Source: Lample et al. 2017, equations 2 and 3.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fader.attributes import Attribute, AttributeSet
from fader.train.augment import blurred
from fader.train.draws import Draws

__all__ = [
    "attribute_loss",
    "columns",
    "cooled",
    "exaggeration_loss",
    "example_error",
    "monotonicity_loss",
    "other_values",
    "ramp",
]

MARGIN = 0.25
"""Logits that an exaggerated edit must add: enough to show in the order, far from a caricature."""

SQUARES = 8.0
"""Weight of squared errors of examples beside absolute ones."""
EMPHASIS, MUCH = 3.0, 0.4
"""Weight of errors where an edit changes an image by so much or more, beside those where it does not: what is
left there, such as a shimmer of teeth on shut lips, is what an edit that failed is known by."""
FINE, FINER = 2.0, 1.0
"""Weight of absolute errors of what is finer than a blur, and its deviation in pixels: it is little of an
image, but what skin and shut lips are known by."""


def ramp(weight: float, iteration: int, length: int) -> float:
    """Return a weight that grows linearly from 0 to `weight` over `length` iterations, then stays."""
    return weight if length == 0 else weight * min(iteration, length) / length


def cooled(rate: float, iteration: int, iterations: int, length: int) -> float:
    """Return a learning rate that falls linearly over the last `length` of `iterations`, towards 0."""
    return rate * min(max(iterations - iteration, 0) / length, 1) if length else rate


def columns(labels_NK: Tensor, attributes: AttributeSet) -> Tensor:
    """Return the (N, A) float32 columns that the decoder reads, K in the set's order."""
    return torch.cat([_columns(labels_NK[:, k], a) for k, a in enumerate(attributes)], dim=1)


def _columns(labels_N: Tensor, attribute: Attribute) -> Tensor:
    if attribute.kind == "categorical":
        return functional.one_hot(labels_N.long(), attribute.n_columns).float()
    return torch.stack([1 - labels_N, labels_N], dim=1)


def attribute_loss(
    logits_NA: Tensor,
    labels_NK: Tensor,
    attributes: AttributeSet,
    weights_N: Tensor | None = None,
    *,
    enough: float = 0.0,
) -> Tensor:
    """Return the cross-entropy, summed over attributes and averaged over images, as a scalar.

    A continuous attribute's two columns are the shares of its span's ends.

    Args:
        logits_NA: (N, A).
        labels_NK: (N, K).
        attributes: What the columns are.
        weights_N: (N,) factors of images' losses.
        enough: Cross-entropy of an attribute, nats, that counts as none.
    """
    losses = [
        functional.cross_entropy(
            logits_NA[:, attributes.slice(a.name)], _columns(labels_NK[:, k], a), reduction="none"
        )
        for k, a in enumerate(attributes)
    ]
    summed_N = (torch.stack(losses) - enough).clamp(min=0).sum(dim=0)
    return summed_N.mean() if weights_N is None else (weights_N * summed_N).mean()


def other_values(labels_NK: Tensor, attributes: AttributeSet, draws: Draws) -> Tensor:
    """Return (N, K) labels that differ from these.

    1 - y for a boolean, a random other category for a categorical attribute, and anywhere in the span for a
    continuous one.
    """
    random_NK = draws.uniform(labels_NK.shape[1])
    others = []
    for k, attribute in enumerate(attributes):
        labels_N, random_N = labels_NK[:, k], random_NK[:, k]
        if attribute.kind == "continuous":
            others.append(random_N)
        else:
            n = attribute.n_columns
            shift_N = 1 + (random_N * (n - 1)).floor().clamp(max=n - 2)
            others.append((labels_N + shift_N) % n)
    return torch.stack(others, dim=1)


def monotonicity_loss(change_NK: Tensor, moved_NK: Tensor) -> Tensor:
    """Return how far what is seen moves against the sliders, 0 to 2, as a scalar.

    Args:
        change_NK: (N, K) change of what a network sees of each slider.
        moved_NK: (N, K) change of the slider; where it is 0 nothing is asked.

    Source: Pati & Lerch 2021 (AR-VAE), equation 2, with their delta of 1.
    """
    error_NK = (torch.tanh(change_NK) - moved_NK.sign()).abs()
    asked_NK = moved_NK != 0
    return (error_NK * asked_NK).sum() / asked_NK.sum().clamp(min=1)


def exaggeration_loss(change_MK: Tensor, raised_MK: Tensor) -> Tensor:
    """Return by how many logits exaggerated edits fail to be seen a little surer, 0 or more, as a scalar.

    Args:
        change_MK: (M, K) change of what a network sees of each slider, from 1 to beyond, in logits.
        raised_MK: (M, K) change of the slider; where it is 0 nothing is asked.
    """
    missing_MK = (MARGIN - change_MK).clamp(min=0)
    asked_MK = raised_MK > 0
    return (missing_MK * asked_MK).sum() / asked_MK.sum().clamp(min=1)


def example_error(edits_NCHW: Tensor, targets_NCHW: Tensor, images_NCHW: Tensor) -> Tensor:
    """Return how far edits are from what they should look like, as a scalar.

    Of several possible results, squares ask for the mean, which is blurred, and absolute values for the
    median, which may be no change.

    Args:
        edits_NCHW: (N, 3, S, S) in [-1, 1].
        targets_NCHW: (N, 3, S, S) in [-1, 1].
        images_NCHW: (N, 3, S, S) in [-1, 1], before the edit.
    """
    apart_NCHW = edits_NCHW - targets_NCHW
    fine_NCHW = apart_NCHW - blurred(apart_NCHW, FINER)
    change_N1HW = (targets_NCHW - images_NCHW).abs().amax(dim=1, keepdim=True)
    weight_N1HW = 1 + (EMPHASIS - 1) * (change_N1HW / MUCH).clamp(max=1)
    return (weight_N1HW * (apart_NCHW.abs() + SQUARES * apart_NCHW**2 + FINE * fine_NCHW.abs())).mean()
