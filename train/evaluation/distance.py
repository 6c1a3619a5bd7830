"""How far edited images are from real images that have the attribute.

The distance is the kernel inception distance, on features of the judge instead of Inception's: the judge gave
no feedback, so nothing was trained to please its features. Two figures give it a scale: the distance between
two halves of the real images that have the attribute, which a perfect edit comes near, and that of real
images that lack it, which an edit that does nothing keeps.

Source: Binkowski, Sutherland, Arbel, Gretton 2018, "Demystifying MMD GANs". N and M images, F features,
R draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fader.train.evaluation.estimates import Estimate, middle

__all__ = ["Distance", "distance", "kid"]

DRAWS = 100
MOST = 500
FEWEST = 10

Features = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """Distances to real images that have the attribute: means and middle 95 % of 100 draws of n images."""

    edited: Estimate
    """Of edited images."""
    halves: Estimate
    """Of other real images that have it."""
    untouched: Estimate
    """Of the real images that were edited, as they were before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    """A set of images, and which of them each draw takes."""

    features_NF: Features
    drawn_RN: NDArray[np.float64]
    """1 or 0; as many 1 in every row."""


def kid(one_NF: Features, other_MF: Features) -> float:
    """Return the kernel distance of two sets of features: about 0 for the same source, in no unit.

    Args:
        one_NF: 2 images or more.
        other_MF: 2 images or more.
    """
    one, other = (_Set(features_NF=f, drawn_RN=np.ones((1, len(f)))) for f in (one_NF, other_MF))
    return float(_within(one)[0] + _within(other)[0] - 2 * _across(one, other)[0])


def _kernel(one_NF: Features, other_MF: Features) -> NDArray[np.float64]:
    products_NM = one_NF.astype(np.float64) @ other_MF.astype(np.float64).T
    return np.asarray((products_NM / one_NF.shape[1] + 1) ** 3)


def _within(those: _Set) -> NDArray[np.float64]:
    """Return (R,) mean kernels of pairs of different images of a draw."""
    kernel_NN = _kernel(those.features_NF, those.features_NF)
    np.fill_diagonal(kernel_NN, 0)
    n = those.drawn_RN[0].sum()
    return np.asarray(((those.drawn_RN @ kernel_NN) * those.drawn_RN).sum(axis=1) / (n * (n - 1)))


def _across(one: _Set, other: _Set) -> NDArray[np.float64]:
    """Return (R,) mean kernels of pairs of an image of one draw and one of the other."""
    kernel_NM = _kernel(one.features_NF, other.features_NF)
    n = one.drawn_RN[0].sum() * other.drawn_RN[0].sum()
    return np.asarray(((one.drawn_RN @ kernel_NM) * other.drawn_RN).sum(axis=1) / n)


def distance(edited_NF: Features, untouched_NF: Features, real_MF: Features) -> Distance | None:
    """Measure edits; None where there are too few images.

    Args:
        edited_NF: Features of edited images.
        untouched_NF: Of the same images before.
        real_MF: Of real images that have what the edits put in.
    """
    random = np.random.default_rng(0)
    pool, real_pool = (random.permutation(len(f))[: 2 * MOST] for f in (edited_NF, real_MF))
    n = min(len(pool), len(real_pool) // 2, MOST)
    if n < FEWEST:
        return None
    drawn_RN, halves_RM = np.zeros((DRAWS, len(pool))), np.zeros((2, DRAWS, len(real_pool)))
    for i in range(DRAWS):
        drawn_RN[i, random.permutation(len(pool))[:n]] = 1
        halves_RM[0, i, (order := random.permutation(len(real_pool)))[:n]] = 1
        halves_RM[1, i, order[n : 2 * n]] = 1
    real, other = (_Set(features_NF=real_MF[real_pool], drawn_RN=half) for half in halves_RM)
    edited, untouched = (_Set(features_NF=f[pool], drawn_RN=drawn_RN) for f in (edited_NF, untouched_NF))
    real_R = _within(real)
    draws = [_within(those) + real_R - 2 * _across(those, real) for those in (edited, other, untouched)]
    edit, halves, before = (middle(draws_R, n=n) for draws_R in draws)
    return Distance(edited=edit, halves=halves, untouched=before)
