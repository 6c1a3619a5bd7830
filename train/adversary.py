"""The adversary on the latent: what the discriminator answers, what it is taught, what fools it.

Boolean and categorical attributes are classes, as in the paper: the discriminator names the category, and the
encoder is to make it name another one. Of a continuous attribute it names the bin, of bins that hold equally
many training images, and the encoder is to make all bins equally likely. Predicting the number itself
("regression") is what the paper's readers try first: the encoder satisfies it with a code that is confidently
wrong, from which a fresh network reads the attribute all the same.

Source: Lample et al. 2017, section 3.2; Tzeng et al. 2015 (uniform confusion).
Shapes: N images, K attributes.
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fader.attributes import Attribute, AttributeSet

__all__ = ["ContinuousAdversary", "LatentAdversary", "Target"]

ContinuousAdversary = Literal["bins", "regression"]
Target = Literal["other", "uniform"]


class LatentAdversary:
    """How the discriminator's outputs are read, for every attribute of a set."""

    def __init__(
        self,
        attributes: AttributeSet,
        labels_NK: NDArray[np.float32],
        *,
        target: Target = "other",
        continuous: ContinuousAdversary = "bins",
        n_bins: int = 16,
    ) -> None:
        """Look at the training labels.

        Args:
            attributes: The set.
            labels_NK: (N, K) of the training images, as `fader.train.objectives` has them.
            target: What the encoder wants the discriminator to say of categories: another one, or that all
                are equally likely.
            continuous: What is asked about continuous attributes.
            n_bins: Bins of a continuous attribute; fewer where many images have the same value.
        """
        self._heads: list[_Classes | _Bins | _Number] = []
        start = 0
        for k, attribute in enumerate(attributes):
            head = _head(attribute, labels_NK[:, k], target, continuous, n_bins)
            head.outputs = slice(start, start + head.n_outputs)
            self._heads.append(head)
            start += head.n_outputs
        self.n_outputs = start
        """Outputs that the discriminator must have."""
        self.n_indicators = sum(max(1, head.n_outputs - 1) for head in self._heads)
        """Columns of `indicators`."""

    def discriminator_loss(self, outputs_NO: Tensor, labels_NK: Tensor) -> Tensor:
        """Return the discriminator's loss, summed over attributes and averaged over images."""
        return self._sum(
            head.loss(outputs_NO[:, head.outputs], labels_NK[:, k]) for k, head in enumerate(self._heads)
        )

    def encoder_loss(self, outputs_NO: Tensor, labels_NK: Tensor, others_NK: Tensor) -> Tensor:
        """Return the encoder's loss against the discriminator.

        Args:
            outputs_NO: The discriminator's.
            labels_NK: What is true.
            others_NK: What else it might be; see `other_values`.
        """
        return self._sum(
            head.fooled(outputs_NO[:, head.outputs], labels_NK[:, k], others_NK[:, k])
            for k, head in enumerate(self._heads)
        )

    def indicators(self, labels_NK: Tensor) -> Tensor:
        """Return (N, n_indicators) float32, what linear readers are asked.

        A 1 for the category or bin that is there; the last ones are left out, as they follow from the others.
        Of a regression it is the value.
        """
        return torch.cat([head.indicators(labels_NK[:, k]) for k, head in enumerate(self._heads)], dim=1)

    def baseline(self, labels_NK: NDArray[np.float32], weights_N: NDArray[np.float64]) -> float:
        """Return the loss of a discriminator that sees nothing and knows how frequent everything is.

        Args:
            labels_NK: Of the training images.
            weights_N: How often each is drawn, relatively.
        """
        shares_N = weights_N / weights_N.sum()
        return sum(head.ignorance(labels_NK[:, k], shares_N) for k, head in enumerate(self._heads))

    @staticmethod
    def _sum(losses: Iterable[Tensor]) -> Tensor:
        return torch.stack(list(losses)).sum()


def _head(
    attribute: Attribute,
    labels_N: NDArray[np.float32],
    target: Target,
    continuous: ContinuousAdversary,
    n_bins: int,
) -> "_Classes | _Bins | _Number":
    if attribute.kind != "continuous":
        return _Classes(attribute.n_columns, target)
    return _Bins(labels_N, n_bins) if continuous == "bins" else _Number()


class _Classes:
    outputs = slice(0, 0)

    def __init__(self, n: int, target: Target) -> None:
        self.n_outputs, self._target = n, target

    def loss(self, logits_NC: Tensor, labels_N: Tensor) -> Tensor:
        return functional.cross_entropy(logits_NC, labels_N.long())

    def fooled(self, logits_NC: Tensor, _: Tensor, others_N: Tensor) -> Tensor:
        if self._target == "uniform":
            return _confusion(logits_NC)
        return functional.cross_entropy(logits_NC, others_N.long())

    def indicators(self, labels_N: Tensor) -> Tensor:
        return _one_hot(labels_N.long(), self.n_outputs)

    def ignorance(self, labels_N: NDArray[np.float32], shares_N: NDArray[np.float64]) -> float:
        return _entropy(np.bincount(labels_N.astype(int), shares_N))


class _Bins:
    outputs = slice(0, 0)

    def __init__(self, labels_N: NDArray[np.float32], n_bins: int) -> None:
        inner = np.quantile(labels_N, np.arange(1, n_bins) / n_bins, method="nearest")
        self.edges = torch.from_numpy(np.unique(inner).astype(np.float32))
        self.n_outputs = len(self.edges) + 1

    def _bin(self, labels_N: Tensor) -> Tensor:
        return torch.bucketize(labels_N.contiguous(), self.edges.to(labels_N.device), right=True)

    def loss(self, logits_NB: Tensor, labels_N: Tensor) -> Tensor:
        return functional.cross_entropy(logits_NB, self._bin(labels_N))

    def fooled(self, logits_NB: Tensor, _: Tensor, __: Tensor) -> Tensor:
        return _confusion(logits_NB)

    def indicators(self, labels_N: Tensor) -> Tensor:
        return _one_hot(self._bin(labels_N), self.n_outputs)

    def ignorance(self, labels_N: NDArray[np.float32], shares_N: NDArray[np.float64]) -> float:
        return _entropy(np.bincount(self._bin(torch.from_numpy(labels_N)).numpy(), shares_N))


class _Number:
    outputs = slice(0, 0)
    n_outputs = 1

    def loss(self, guess_N1: Tensor, labels_N: Tensor) -> Tensor:
        return functional.mse_loss(guess_N1[:, 0].float(), labels_N)

    def fooled(self, guess_N1: Tensor, labels_N: Tensor, _: Tensor) -> Tensor:
        return functional.mse_loss(guess_N1[:, 0].float(), 1 - labels_N)

    def indicators(self, labels_N: Tensor) -> Tensor:
        return labels_N[:, None].float()

    def ignorance(self, labels_N: NDArray[np.float32], shares_N: NDArray[np.float64]) -> float:
        mean = np.sum(labels_N * shares_N)
        return float(np.sum(np.square(labels_N - mean) * shares_N))


def _one_hot(labels_N: Tensor, n: int) -> Tensor:
    return functional.one_hot(labels_N, n)[:, : max(1, n - 1)].float()


def _confusion(logits_NC: Tensor) -> Tensor:
    return -functional.log_softmax(logits_NC.float(), dim=1).mean()


def _entropy(shares: NDArray[np.floating[Any] | np.integer[Any]]) -> float:
    return float(-sum(share * math.log(share) for share in shares if share > 0))
