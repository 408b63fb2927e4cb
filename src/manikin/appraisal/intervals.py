"""Intervals in which a share may well lie, given how many it was counted in."""

from __future__ import annotations

import math

from manikin.appraisal.finding import Interval

# Two-sided 95% of a normal distribution.
Z95 = 1.959963984540054


def wilson(count: float, total: float) -> Interval | None:
    """Return the 95% interval of a share; None where nobody was counted.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not total:
        return None
    share = count / total
    middle = (share + Z95 * Z95 / (2 * total)) / (1 + Z95 * Z95 / total)
    half = Z95 / (1 + Z95 * Z95 / total) * math.sqrt(share * (1 - share) / total + Z95 * Z95 / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)
