"""Rates of success with exact intervals: shares, their ratio and their difference.

Sources: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404; Przyborowski and Wilenski 1940,
doi:10.1093/biomet/31.3-4.313 (the ratio); Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I,
method 10 (the difference).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import beta, norm

from manikin.appraisal.finding import Interval

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 of nobody."""
        return self.count / self.total if self.total else 0.0

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the interval of Clopper and Pearson, which holds the share at least as often as it says."""
        return clopper_pearson(self.count, self.total, confidence)

    def __add__(self, other: Rate) -> Rate:
        """Return both together."""
        return Rate(self.count + other.count, self.total + other.total)


def clopper_pearson(count: int, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact two-sided interval of a share."""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, total - count)) if count < total else 1.0
    return low, high


def ratio_at_least(one: Rate, other: Rate, confidence: float, stops: int = 1) -> float:
    """Return the one-sided lower bound of how many times the second rate the first is.

    Given how many successes there were in both, those of the first are binomial. Exact for rare successes, and on the
    safe side for common ones. It holds as well where the line between success and failure was drawn so that it lets
    ``other.count`` through (then those of the first are negative binomial, to the same bound); where several such lines
    were drawn, on different people, there are as many ``stops``.
    """
    if not one.count or not other.total:
        return 0.0
    share = float(beta.ppf(1 - confidence, one.count, other.count + stops))
    return share / (1 - share) * other.total / one.total


def difference(one: Rate, other: Rate, confidence: float = CONFIDENCE) -> Interval:
    """Return the two-sided interval of the first rate minus the second."""
    (low, high), (other_low, other_high) = (_wilson(rate, confidence) for rate in (one, other))
    gap = one.value - other.value
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    return max(-1.0, gap - below), min(1.0, gap + above)


def _wilson(rate: Rate, confidence: float) -> Interval:
    z, n = float(norm.ppf((1 + confidence) / 2)), rate.total
    middle = (rate.count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(rate.count * (n - rate.count) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)
