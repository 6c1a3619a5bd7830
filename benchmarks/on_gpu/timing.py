"""How long calls take: throughput, and the latencies' percentiles."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Timing", "time_calls"]

WARM_UP = 3
MIN_CALLS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Of calls one after the other, each waited for."""

    calls: int
    """How many."""
    images_s: float
    """Images a second."""
    p50_ms: float
    """Median of a call."""
    p95_ms: float
    """95 % of the calls took at most so long."""
    p99_ms: float
    """99 %; of fewer than 100 calls, about the longest."""


def time_calls(work: Callable[[], object], n: int, seconds: float) -> Timing:
    """Call for so long, but a few times at least, after calls that do not count.

    Args:
        work: Returns when its result is there.
        n: Images of a call.
        seconds: For all calls together.
    """
    for _ in range(WARM_UP):
        work()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < MIN_CALLS or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    p50, p95, p99 = (float(1e3 * p) for p in np.percentile(taken, (50, 95, 99)))
    return Timing(calls=len(taken), images_s=n * len(taken) / sum(taken), p50_ms=p50, p95_ms=p95, p99_ms=p99)
