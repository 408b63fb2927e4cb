"""What several releases of one study say together about the population: an estimate, its interval, a test.

Each release is made from a fit of its own (``manikin.generators.graphical.again``). Whoever analyses one of them as if
its rows were patients is far too sure. Whoever analyses each by itself, and combines what comes out, is as sure as
the measurement allows: how much the estimates differ is how little is known.

    releases = [analyse(table) for table in tables]
    combined(releases).interval()
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from manikin.errors import RequestError

# Up to which part of what lies between releases the chance within them is subtracted: beyond, a difference of two
# estimates that are nearly equal says nothing.
_MOST_WITHIN = 0.5


@dataclass(frozen=True)
class Combined:
    """A number of the population as releases tell it: follows Student's t about ``estimate``.

    ``variance`` is that of the estimate, ``degrees_of_freedom`` how well the variance itself is known, ``releases``
    how many were combined.
    """

    estimate: float
    variance: float
    degrees_of_freedom: float
    releases: int

    @property
    def standard_error(self) -> float:
        """The square root of the variance."""
        return math.sqrt(self.variance)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval that holds the population's number with a probability of ``level``.

        Raises:
            RequestError: The level does not lie between 0 and 1.
        """
        if not 0 < level < 1:
            raise RequestError(f"A level lies between 0 and 1, both excluded, such as 0.95; got {level:g}.")
        half = self.standard_error * float(stats.t.ppf((1 + level) / 2, self.degrees_of_freedom))
        return self.estimate - half, self.estimate + half

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of the hypothesis that the population's number is ``null``."""
        away = abs(self.estimate - null)
        if not self.variance:
            return 1.0 if away == 0 else 0.0
        return float(2 * stats.t.sf(away / self.standard_error, self.degrees_of_freedom))


def combined(estimates: Sequence[float], variances: Sequence[float] | None = None) -> Combined:
    """Return what releases say together.

    With m estimates whose mean is q and whose variance is b, the population's number has the variance T = (1 + 1/m) b
    and m - 1 degrees of freedom. Part of b is the chance by which patients of a release were drawn; with ``variances``
    its mean u is subtracted, T = (1 + 1/m) b - u with (m - 1)(1 - u/((1 + 1/m) b))² degrees of freedom. Where u is
    more than half of the first term, too few patients were drawn for that, and nothing is subtracted: the interval is
    then too wide rather than too narrow.

    Give no variances where releases were made by shared-out bins (a codebook without a clinical model): their patients
    are more evenly drawn than u says.

    Args:
        estimates: Of each release the same number: a difference, a logarithm of an odds ratio, a coefficient. Ratios
            are combined on the logarithmic scale, where they are nearly normal.
        variances: Of each estimate, as any analysis of independent patients reports it (the squared standard error).

    Raises:
        RequestError: Fewer than two estimates, numbers that are not finite, or variances that don't fit.

    Source: Raghunathan, Reiter and Rubin, Multiple imputation for statistical disclosure limitation, Journal of
    Official Statistics 19(1), 2003, sections 2 and 4; for releases under differential privacy: Räisä, Jälkö, Kaski and
    Honkela, Noise-aware statistical inference with differentially private synthetic data (AISTATS 2023),
    arXiv:2205.14485.
    """
    found = _checked(estimates, "estimate")
    m = found.size
    if m < 2:
        raise RequestError(f"What nobody knows is seen from how releases differ: two or more, better 20; got {m}.")
    between = (1 + 1 / m) * float(found.var(ddof=1))
    within = 0.0 if variances is None else _mean_within(variances, m)
    if within > _MOST_WITHIN * between:
        within = 0.0
    share = within / between if between else 0.0
    return Combined(float(found.mean()), between - within, (m - 1) * (1 - share) ** 2, m)


def _mean_within(variances: Sequence[float], m: int) -> float:
    found = _checked(variances, "variance")
    if found.size != m or bool((found < 0).any()):
        raise RequestError(f"Each of the {m} estimates has one variance, of 0 or more; got {found.size}.")
    return float(found.mean())


def _checked(numbers: Sequence[float], what: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.asarray(numbers, np.float64).ravel()
    wrong = np.flatnonzero(~np.isfinite(found))
    if wrong.size:
        raise RequestError(
            f"The {what} of release {wrong[0] + 1} is {found[wrong[0]]}: an analysis that failed there can't be left "
            "out, since it is part of what the releases say. Ask something that each of them can answer."
        )
    return found
