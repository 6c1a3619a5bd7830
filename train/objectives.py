"""The losses. Shapes: N images, A attribute columns, K attributes.

Source: Lample et al. 2017, equations 2 and 3.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fader.attributes import AttributeSet

__all__ = ["attribute_loss", "columns", "other_categories", "ramp"]


def ramp(weight: float, iteration: int, length: int) -> float:
    """Return a weight that grows linearly from 0 to `weight` over `length` iterations, then stays."""
    return weight if length == 0 else weight * min(iteration, length) / length


def columns(labels_NK: Tensor, attributes: AttributeSet) -> Tensor:
    """Return the (N, A) float32 one-hot columns of (N, K) int64 category indices, K in the set's order."""
    parts = [
        functional.one_hot(labels_NK[:, k], len(attribute.categories))
        for k, attribute in enumerate(attributes)
    ]
    return torch.cat(parts, dim=1).float()


def attribute_loss(logits_NA: Tensor, labels_NK: Tensor, attributes: AttributeSet) -> Tensor:
    """Return the cross-entropy, summed over attributes and averaged over images, as a scalar."""
    losses = [
        functional.cross_entropy(logits_NA[:, attributes.slice(attribute.name)], labels_NK[:, k])
        for k, attribute in enumerate(attributes)
    ]
    return torch.stack(losses).sum()


def other_categories(labels_NK: Tensor, attributes: AttributeSet, generator: torch.Generator) -> Tensor:
    """Return (N, K) labels that all differ: 1 - y for a boolean, a random other category for the rest."""
    sizes_K = torch.tensor([len(attribute.categories) for attribute in attributes])
    random_NK = torch.rand(labels_NK.shape, generator=generator)
    shift_NK = 1 + (random_NK * (sizes_K - 1)).long().clamp(max=sizes_K - 2)
    return (labels_NK + shift_NK) % sizes_K
