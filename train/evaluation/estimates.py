"""Figures with their 95 % intervals. N images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fader.train.evaluation.intervals import wilson

__all__ = ["Estimate", "balanced", "mean", "middle", "share"]

RESAMPLES = 1000
MIDDLE_95 = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure and how well it is known."""

    value: float
    """In the figure's own units."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    n: int
    """Images that it comes from."""


def share(hits_N: NDArray[np.bool_]) -> Estimate | None:
    """Return the share of images that are hits, with Wilson's interval; None of no images."""
    n, hits = len(hits_N), int(hits_N.sum())
    if not n:
        return None
    low, high = wilson(hits, n)
    return Estimate(value=hits / n, low=low, high=high, n=n)


def balanced(correct_N: NDArray[np.bool_], classes_N: NDArray[Any]) -> Estimate | None:
    """Return the balanced accuracy: the mean over classes of the share that is correct; None of no images.

    A constant answer, and chance, get 1 / classes.

    Args:
        correct_N: Whether an image's class was named.
        classes_N: Its class.

    Source: the interval is that of a mean of independent shares, Zou & Donner 2008 (MOVER).
    """
    shares = [one for c in np.unique(classes_N) if (one := share(correct_N[classes_N == c]))]
    if not shares:
        return None
    value = sum(one.value for one in shares) / len(shares)
    below = math.hypot(*(one.value - one.low for one in shares)) / len(shares)
    above = math.hypot(*(one.high - one.value for one in shares)) / len(shares)
    return Estimate(value=value, low=value - below, high=value + above, n=len(correct_N))


def mean(values_N: NDArray[Any]) -> Estimate | None:
    """Return the mean over images, with the percentile interval of the bootstrap; None of no images.

    The resamples are the same in every call for as many images.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    n, values_N = len(values_N), values_N.astype(np.float64)
    if not n:
        return None
    random = np.random.default_rng(0)
    draws = np.array([values_N[random.integers(n, size=n)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(draws, MIDDLE_95)
    return Estimate(value=float(values_N.mean()), low=float(low), high=float(high), n=n)


def middle(draws: NDArray[np.float64], *, n: int) -> Estimate:
    """Return the mean of draws of one figure, and the interval that holds the middle 95 % of them.

    Args:
        draws: The draws.
        n: Images that each of them comes from.
    """
    low, high = np.quantile(draws, MIDDLE_95)
    return Estimate(value=float(draws.mean()), low=float(low), high=float(high), n=n)
