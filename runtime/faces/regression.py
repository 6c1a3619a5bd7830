"""Smoothing without lag: a local parabola around each moment, over as long a time as the motion allows.

Source: Savitzky and Golay 1964 (local polynomials); Goldenshluger and Nemirovski 1997, Katkovnik 1999 (the
intersection of confidence intervals, which picks the time).

Shapes: N samples, C values of a sample.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["local_mean", "local_value"]

RIDGE = 1e-9
"""Keeps the fit solvable where several frames have the same time."""
MIN_STEPS = 2.5
"""A kernel reaches at least so many samples to each side: fewer would smooth nothing."""


def local_value(
    times_N: NDArray[np.float64],
    values_NC: NDArray[np.float64],
    weights_N: NDArray[np.float64],
    at: float,
    *,
    reaches_s: Sequence[float],
    trust: float,
) -> NDArray[np.float64]:
    """Return the (C,) smoothed value at one time.

    Of the reaches, the longest is taken whose parabola still agrees with those of all shorter ones within
    their uncertainty: at rest it is the longest, at a corner the shortest. A kernel is symmetric, so nothing
    lags behind.

    Args:
        times_N: Seconds, ascending, N >= 1.
        values_NC: What was measured.
        weights_N: How much each measurement counts, above 0.
        at: Seconds; between or at the times.
        reaches_s: Half-widths of the kernel, seconds, ascending.
        trust: How many standard deviations count as agreement; more smooths longer.
    """
    step = _median(times_N[1:] - times_N[:-1]) if len(times_N) > 1 else 0.0
    shortest = MIN_STEPS * step + _gap(times_N, at)
    noise = _noise(values_NC)
    low, high = np.full(values_NC.shape[1], -np.inf), np.full(values_NC.shape[1], np.inf)
    nearest_C = values_NC[int(np.argmin(np.abs(times_N - at)))]
    offsets_NC, best = values_NC - nearest_C, np.zeros_like(nearest_C)  # so that what stays, stays exactly
    for reach in sorted({max(reach, shortest) for reach in reaches_s}):
        found = _parabola(times_N, offsets_NC, weights_N, at, reach)
        if found is None:
            continue
        value, spread = found
        margin = trust * noise * spread
        low, high = np.maximum(low, value - margin), np.minimum(high, value + margin)
        if np.any(low > high):
            break
        best = value
    return np.asarray(nearest_C + best, dtype=np.float64)


def local_mean(
    times_N: NDArray[np.float64], values_N: NDArray[np.float64], at: float, reach_s: float
) -> float:
    """Return the mean of values around a time, nearer ones counting more."""
    nearest = float(values_N[int(np.argmin(np.abs(times_N - at)))])
    weights = _kernel((times_N - at) / reach_s)
    total = float(weights.sum())
    return nearest + (float(weights @ (values_N - nearest)) / total if total > 0 else 0.0)


def _gap(times_N: NDArray[np.float64], at: float) -> float:
    """Return how far it is to the farther one of the two measurements around a time."""
    after = times_N[times_N >= at]
    before = times_N[times_N <= at]
    return max(float(after[0] - at) if len(after) else 0.0, float(at - before[-1]) if len(before) else 0.0)


def _parabola(
    times_N: NDArray[np.float64],
    values_NC: NDArray[np.float64],
    weights_N: NDArray[np.float64],
    at: float,
    reach: float,
) -> tuple[NDArray[np.float64], float] | None:
    """Return the value of the fit at its middle, and its deviation for a noise of 1."""
    offsets = (times_N - at) / reach if reach > 0 else np.zeros(len(times_N))
    weights = weights_N * _kernel(offsets)
    count = int(np.count_nonzero(weights))
    if not count:
        return None
    weights /= weights.max()
    # The row that picks the value at the middle out of the measurements: of the inverse of the moments the
    # first row, by cofactors, since a solver for three unknowns is mostly overhead.
    squares = offsets * offsets
    linear, square = weights * offsets, weights * squares
    m0, m1, m2 = float(weights.sum()) + RIDGE, float(linear.sum()), float(square.sum()) + RIDGE
    if count == 1:
        row = weights / m0
    elif count == 2:
        row = (m2 * weights - m1 * linear) / (m0 * m2 - m1 * m1)
    else:
        m2_plain, m3, m4 = m2 - RIDGE, float(linear @ squares), float(square @ squares) + RIDGE
        c0, c1, c2 = m2 * m4 - m3 * m3, m2_plain * m3 - m1 * m4, m1 * m3 - m2 * m2_plain
        row = (c0 * weights + c1 * linear + c2 * square) / (m0 * c0 + m1 * c1 + m2_plain * c2)
    return row @ values_NC, float(np.sqrt(row @ row))


def _kernel(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tricube kernel: 1 in the middle, 0 from 1 on."""
    inside = np.maximum(1 - np.abs(offsets) ** 3, 0)
    return np.asarray(inside**3, dtype=np.float64)


def _noise(values_NC: NDArray[np.float64]) -> float:
    """Return the measurements' deviation from one to the next, of which motion is hardly a part."""
    if len(values_NC) < 4:
        return 0.0
    # Third differences: of noise with variance 1 they have variance 20.
    third_NC = values_NC[3:] - values_NC[:-3] + 3 * (values_NC[1:-2] - values_NC[2:-1])
    # 0.7: the median of a squared normal deviate is below its mean.
    return float(np.sqrt(_median((third_NC**2).sum(axis=1)) / (20 * 0.7 * values_NC.shape[1])))


def _median(values_N: NDArray[np.float64]) -> float:
    # numpy's own is mostly overhead for so few values, and this runs several times for each face.
    ordered = sorted(values_N.tolist())
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
