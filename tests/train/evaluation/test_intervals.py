"""Wilson's interval against tables, against its definition, and where simpler ones fail."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.errors import ConfigError
from fader.train.evaluation.intervals import wilson

COUNTS = st.integers(0, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCES = st.floats(0.01, 0.999)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals_come_out(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS, CONFIDENCES)
def test_the_interval_holds_the_share_and_stays_possible(counts: tuple[int, int], confidence: float) -> None:
    successes, n = counts
    low, high = wilson(successes, n, confidence)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= successes / n <= high


@given(COUNTS.filter(lambda counts: counts[1] > 0), CONFIDENCES)
def test_the_ends_are_where_the_score_test_just_accepts(counts: tuple[int, int], confidence: float) -> None:
    successes, n = counts
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for end in wilson(successes, n, confidence):
        distance = abs(successes / n - end)
        assert distance == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-6)


@given(COUNTS, CONFIDENCES)
def test_failures_mirror_successes(counts: tuple[int, int], confidence: float) -> None:
    successes, n = counts
    low, high = wilson(successes, n, confidence)
    assert wilson(n - successes, n, confidence) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(COUNTS, st.tuples(CONFIDENCES, CONFIDENCES))
def test_more_confidence_is_wider(counts: tuple[int, int], confidences: tuple[float, float]) -> None:
    (inner_low, inner_high), (outer_low, outer_high) = (wilson(*counts, c) for c in sorted(confidences))
    assert outer_low <= inner_low + 1e-12
    assert inner_high <= outer_high + 1e-12


def test_nothing_is_known_of_no_cases() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("arguments", [(-1, 5), (6, 5), (0, -1), (1, 2, 0.0), (1, 2, 1.0), (1, 2, math.nan)])
def test_impossible_arguments_are_refused(arguments: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="expected 0 to n cases"):
        wilson(*arguments)
