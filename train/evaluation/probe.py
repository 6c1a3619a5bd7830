"""What a fresh probe reads of the attributes from codes, after the encoder can no longer adapt to it.

The latent discriminator says only how well the encoder fools that one network. So two probes that the encoder
never met, a linear one and a small network, are trained on one half of held-out codes and tested on the other
half, each half once; the better one counts.

Shapes: N images, D numbers of a code, T targets (a column for each category, one for a continuous attribute).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.train.evaluation.estimates import Estimate, balanced, mean
from fader.train.evaluation.learners import linear, network

__all__ = ["MOST", "Probe", "probe"]

MOST = 3000
"""Images from which on more of them are left out: the linear probe's time grows with their cube."""
FEWEST = 4
"""Images that each half must have of a category."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What the better probe reads of one attribute."""

    score: Estimate
    """Balanced accuracy, 0 to 1; of a continuous attribute R², at most 1."""
    baseline: float
    """What an answer that never changes gets: the majority's category, or the mean."""
    better: str
    """"linear" or "network"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """One attribute as targets of least squares."""

    attribute: Attribute
    labels_N: NDArray[np.float32]

    @property
    def targets_NT(self) -> Tensor:
        """1 and -1 for the categories; a continuous value as it is."""
        labels_N = torch.from_numpy(self.labels_N)
        if self.attribute.kind == "continuous":
            return labels_N[:, None]
        return 2.0 * (labels_N[:, None] == torch.arange(self.attribute.n_columns)) - 1

    def weights(self, rows: NDArray[np.int64]) -> Tensor:
        """Rare categories weigh as much as frequent ones; (rows,), of mean 1."""
        if self.attribute.kind == "continuous":
            return torch.ones(len(rows))
        _, index, counts = np.unique(self.labels_N[rows], return_inverse=True, return_counts=True)
        return torch.from_numpy(len(rows) / (len(counts) * counts[index])).float()

    def score(self, said_NT: Tensor) -> Estimate | None:
        if self.attribute.kind == "continuous":
            error_N = (said_NT[:, 0].numpy() - self.labels_N) ** 2
            return mean(1 - error_N / self.labels_N.var())
        return balanced(said_NT.argmax(dim=1).numpy() == self.labels_N, self.labels_N)

    @property
    def possible(self) -> bool:
        """Whether both halves have enough of two categories or more."""
        if self.attribute.kind == "continuous":
            return len(self.labels_N) >= 4 * FEWEST and bool(self.labels_N.std() > 0)
        halves = [np.unique(self.labels_N[i::2], return_counts=True) for i in range(2)]
        return np.array_equal(halves[0][0], halves[1][0]) and all(
            len(counts) > 1 and counts.min() >= FEWEST for _, counts in halves
        )

    @property
    def baseline(self) -> float:
        return 0.0 if self.attribute.kind == "continuous" else 1 / len(np.unique(self.labels_N))


def probe(
    codes_ND: NDArray[np.float32], labels_NK: NDArray[np.float32], attributes: AttributeSet
) -> dict[str, Probe]:
    """Train probes on each half of the images, test them on the other, and return the better one's scores.

    Args:
        codes_ND: Codes, or anything else of which to ask what it tells.
        labels_NK: Labels as an aligned set has them.
        attributes: Their columns.

    Returns:
        By attribute; those of which there are too few images to tell are left out. The same input gives the
        same scores.
    """
    tasks = [_Task(attribute=a, labels_N=labels_NK[:, k]) for k, a in enumerate(attributes)]
    tasks = [task for task in tasks if task.possible]
    if not tasks:
        return {}
    said = {name: [torch.empty_like(task.targets_NT) for task in tasks] for name in ("linear", "network")}
    halves = [np.arange(start, len(codes_ND), 2) for start in range(2)]
    for train, test in (halves, halves[::-1]):
        mean_D, deviation_D = codes_ND[train].mean(axis=0), codes_ND[train].std(axis=0) + 1e-6
        here, there = (torch.from_numpy((codes_ND[i] - mean_D) / deviation_D) for i in (train, test))
        targets = [task.targets_NT[train] for task in tasks]
        weights = [task.weights(train) for task in tasks]
        for name, learn in (("linear", linear), ("network", network)):
            for into, answer_NT in zip(said[name], learn(here, there, targets, weights), strict=True):
                into[test] = answer_NT
    return {task.attribute.name: _better(task, said, i) for i, task in enumerate(tasks)}


def _better(task: _Task, said: dict[str, list[Tensor]], i: int) -> Probe:
    scores = {name: score for name, answers in said.items() if (score := task.score(answers[i]))}
    name = max(scores, key=lambda name: scores[name].value)
    return Probe(score=scores[name], baseline=task.baseline, better=name)
