"""Confidence intervals of shares."""

import math
from statistics import NormalDist

from fader.errors import ConfigError

__all__ = ["wilson"]


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share; it holds for few cases and near 0 and 1, too.

    Args:
        successes: Cases that count, 0 to n.
        n: Independent cases.
        confidence: How often such an interval holds the true share, above 0 and below 1.

    Returns:
        Its ends, 0 to 1, with low <= successes / n <= high; (0, 1) where n is 0: nothing is known then.

    Raises:
        ConfigError: an argument is out of its range.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if not 0 <= successes <= n or not 0 < confidence < 1:
        raise ConfigError(
            f"{successes} of {n} cases at confidence {confidence:g}: expected 0 to n cases, and a confidence "
            "above 0 and below 1"
        )
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / n, z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    # Rounding must not leave the share itself, or what is possible, outside.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))
