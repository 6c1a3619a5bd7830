"""Whether what the judge sees moves with the slider. N images, P positions."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["MONOTONE", "POSITIONS", "spearman"]

POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Where sliders are put: 0 absent or lowest, 1 present or highest, 1.5 exaggerates."""
MONOTONE = 0.9
"""Spearman's correlation from which on an image's slider counts as monotone."""


def spearman(positions_P: NDArray[np.float64], seen_NP: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N,) rank correlations, -1 to 1, of what is seen with the position.

    Args:
        positions_P: Ascending, all different.
        seen_NP: What is seen of each image at each position; where it never changes the correlation is 0.
    """
    ranks_NP, order_P = _ranks(seen_NP), _ranks(positions_P[None].astype(np.float32))[0]
    ranks_NP -= ranks_NP.mean(axis=1, keepdims=True)
    order_P -= order_P.mean()
    size_N = np.sqrt((ranks_NP**2).sum(axis=1) * (order_P**2).sum())
    rho_N: NDArray[np.float64] = np.divide(
        ranks_NP @ order_P, size_N, out=np.zeros(len(seen_NP)), where=size_N > 0
    )
    return rho_N


def _ranks(values_NP: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ranks within rows; equal values share the mean of theirs."""
    less = (values_NP[:, None, :] < values_NP[:, :, None]).sum(axis=2)
    equal = (values_NP[:, None, :] == values_NP[:, :, None]).sum(axis=2)
    return np.asarray(less + (equal - 1) / 2)
