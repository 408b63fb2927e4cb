"""The figures of a diagnostic test: from a table of two by two, and from the ranks of a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.appraisal.finding import Interval
from manikin.appraisal.intervals import Z95, wilson
from manikin.streams import Floats


@dataclass(frozen=True)
class Estimated:
    """A figure with its 95% interval; NaN and None where nobody could tell."""

    value: float
    interval: Interval | None = None

    @property
    def known(self) -> bool:
        """Whether it is a number."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class TwoByTwo:
    """Patients by test and disease: ``cells[test, disease]`` sums their weights, ``squares`` the squares of these.

    A share's interval takes as many patients as, with equal weights, would tell as much (Kish 1965, Survey Sampling).
    """

    cells: Floats
    squares: Floats

    @classmethod
    def of(cls, test: Any, disease: Any, who: Any, weights: Floats | None = None) -> TwoByTwo:
        """Return the table of ``who``; without weights, all count alike."""
        place = 2 * np.asarray(test, np.int64)[who] + np.asarray(disease, np.int64)[who]
        mine = None if weights is None else weights[who]
        cells = np.bincount(place, mine, 4).astype(np.float64).reshape(2, 2)
        squares = cells if mine is None else np.bincount(place, mine**2, 4).astype(np.float64).reshape(2, 2)
        return cls(cells, squares)

    def __add__(self, other: TwoByTwo) -> TwoByTwo:
        """Return the table of both."""
        return TwoByTwo(self.cells + other.cells, self.squares + other.squares)

    @property
    def sensitivity(self) -> Estimated:
        """The share of the diseased who test positive."""
        return self._share(self.cells[:, 1], self.squares[:, 1], 1)

    @property
    def specificity(self) -> Estimated:
        """The share of the others who test negative."""
        return self._share(self.cells[:, 0], self.squares[:, 0], 0)

    @property
    def positive_predictive_value(self) -> Estimated:
        """The share of those testing positive who are diseased."""
        return self._share(self.cells[1], self.squares[1], 1)

    @property
    def negative_predictive_value(self) -> Estimated:
        """The share of those testing negative who are not diseased."""
        return self._share(self.cells[0], self.squares[0], 0)

    @property
    def positive_likelihood_ratio(self) -> Estimated:
        """How many times more often the diseased test positive than the others."""
        return self._ratio(1)

    @property
    def negative_likelihood_ratio(self) -> Estimated:
        """How many times more often the diseased test negative than the others."""
        return self._ratio(0)

    @property
    def prevalence(self) -> Estimated:
        """The share of the diseased."""
        return self._share(self.cells.sum(0), self.squares.sum(0), 1)

    @staticmethod
    def _share(cells: Floats, squares: Floats, of: int) -> Estimated:
        total = float(cells.sum())
        if total == 0:
            return Estimated(math.nan)
        share = float(cells[of]) / total
        size = _size(cells, squares)
        return Estimated(share, wilson(share * size, size))

    def _ratio(self, result: int) -> Estimated:
        """Return a likelihood ratio.

        Source: Simel et al., Likelihood ratios with confidence. J Clin Epidemiol 1991;44:763,
        doi:10.1016/0895-4356(91)90128-V.
        """
        sizes = [_size(self.cells[:, one], self.squares[:, one]) for one in (1, 0)]
        shares = [float(self.cells[result, one] / max(self.cells[:, one].sum(), 1e-300)) for one in (1, 0)]
        if not all(shares):
            return Estimated(math.nan)
        ratio = shares[0] / shares[1]
        half = Z95 * math.sqrt(sum((1 - share) / (share * size) for share, size in zip(shares, sizes, strict=True)))
        return Estimated(ratio, (ratio * math.exp(-half), ratio * math.exp(half)))


Figure = Callable[[TwoByTwo], Estimated]

SHARES: dict[str, Figure] = {
    "Sensitivity": lambda table: table.sensitivity,
    "Specificity": lambda table: table.specificity,
    "Positive predictive value": lambda table: table.positive_predictive_value,
    "Negative predictive value": lambda table: table.negative_predictive_value,
}
RATIOS: dict[str, Figure] = {
    "Positive likelihood ratio": lambda table: table.positive_likelihood_ratio,
    "Negative likelihood ratio": lambda table: table.negative_likelihood_ratio,
}


def _size(cells: Floats, squares: Floats) -> float:
    """Return how many equal patients tell as much."""
    return float(cells.sum() ** 2 / squares.sum()) if squares.sum() else 0.0


def corrected(verified: TwoByTwo, tested: Floats) -> tuple[Estimated, Estimated]:
    """Return sensitivity and specificity had everybody tested been verified.

    Right where, given the result of the index test, verification is a matter of chance.

    Args:
        verified: Those with a verdict of the reference standard.
        tested: How many tested negative and positive, verified or not.

    Source: Begg and Greenes, Assessment of diagnostic tests when disease verification is subject to selection bias.
    Biometrics 1983;39:207, doi:10.2307/2530820; intervals by the delta method on the logit.
    """
    seen = verified.cells.sum(1)
    if not (seen.all() and tested.all()):
        return Estimated(math.nan), Estimated(math.nan)
    share, diseased = tested / tested.sum(), verified.cells[:, 1] / seen
    spread = float(1 / (share.prod() * tested.sum()))
    found = []
    for result, given in ((1, diseased), (0, 1 - diseased)):
        if not given.all():
            found.append(Estimated(math.nan))
            continue
        right, wrong = (float(share[one] * given[one]) for one in (result, 1 - result))
        logit = math.log(right / wrong)
        half = Z95 * math.sqrt(spread + float(((1 - given) / (seen * given)).sum()))
        found.append(Estimated(_expit(logit), (_expit(logit - half), _expit(logit + half))))
    return found[0], found[1]


def _expit(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def area(scores: Floats, diseased: Any, weights: Floats | None = None) -> Estimated:
    """Return the area under the ROC curve of a number of which more speaks for the disease.

    Source: DeLong et al., Comparing the areas under two or more correlated receiver operating characteristic curves.
    Biometrics 1988;44:837, doi:10.2307/2531595; weighted as placements are.
    """
    diseased = np.asarray(diseased, np.bool_)
    weights = np.ones(len(scores)) if weights is None else weights
    ill, well = (scores[diseased], weights[diseased]), (scores[~diseased], weights[~diseased])
    if len(ill[0]) < 2 or len(well[0]) < 2:
        return Estimated(math.nan)
    above, below = _placements(ill[0], *well), 1 - _placements(well[0], *ill)
    value = float(np.average(above, weights=ill[1]))
    half = Z95 * math.sqrt(_variance(above, ill[1], value) + _variance(below, well[1], value))
    return Estimated(value, (max(0.0, value - half), min(1.0, value + half)))


def curve(scores: Floats, diseased: Any, weights: Floats | None = None, points: int = 100) -> list[tuple[float, float]]:
    """Return the ROC curve as (1 - specificity, sensitivity), from no patient positive to all."""
    diseased = np.asarray(diseased, np.bool_)
    weights = np.ones(len(scores)) if weights is None else weights
    if not diseased.any() or diseased.all():
        return []
    cuts, place = np.unique(-scores, return_inverse=True)
    ill, well = (np.bincount(place[who], weights[who], len(cuts)).cumsum() for who in (diseased, ~diseased))
    across, up = (np.concatenate([[0.0], one / one[-1]]) for one in (well, ill))
    # Points that are evenly spread along the curve, the ends among them.
    along = np.searchsorted(across + up, np.linspace(0, 2, points)).clip(0, len(up) - 1)
    return [(float(across[one]), float(up[one])) for one in sorted(set(along.tolist()) | {0, len(up) - 1})]


def _placements(scores: Floats, others: Floats, theirs: Floats) -> Floats:
    """Return for each score the weighted share of the others that lies below it, ties counting half."""
    order = np.argsort(others, kind="stable")
    summed = np.concatenate([[0.0], np.cumsum(theirs[order])])
    ranked = others[order]
    below, upto = (summed[np.searchsorted(ranked, scores, side)] for side in ("left", "right"))
    return np.asarray((below + upto) / (2 * summed[-1]))


def _variance(placements: Floats, weights: Floats, mean: float) -> float:
    size = float(weights.sum() ** 2 / (weights**2).sum())
    spread = float(np.average((placements - mean) ** 2, weights=weights))
    return spread / max(size - 1, 1.0)
