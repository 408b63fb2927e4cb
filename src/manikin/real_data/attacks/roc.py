"""What scores tell: how many of those who were used are claimed, at how many false claims, and the area under that.

A score says how sure an attack is that somebody was used; ``members`` are the scores of those who were, ``others`` of
those who were not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from manikin.appraisal.finding import Interval
from manikin.real_data.attacks.rates import CONFIDENCE, Rate
from manikin.streams import Floats


@dataclass(frozen=True, eq=False)
class Roc:
    """Shares claimed at every threshold, from none to all: of those not used, and of those used."""

    false: Floats
    true: Floats

    def at(self, false_share: float) -> float:
        """Return the largest share found without claiming more of the others than ``false_share``."""
        return float(self.true[np.searchsorted(self.false, false_share + 1e-12, side="right") - 1])


def roc(members: Floats, others: Floats) -> Roc:
    """Return both shares at each distinct score, the surest first; begins at (0, 0)."""
    scores = np.concatenate([members, others])
    used = np.repeat([True, False], [len(members), len(others)])
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true, false = np.cumsum(used[order])[last], np.cumsum(~used[order])[last]
    return Roc(np.append(0.0, false / len(others)), np.append(0.0, true / len(members)))


@dataclass(frozen=True)
class Auc:
    """The chance that somebody who was used scores above somebody who was not, with its variance."""

    value: float
    variance: float

    def at_least(self, confidence: float) -> float:
        """Return the one-sided lower bound."""
        return max(0.0, self.value - float(norm.ppf(confidence)) * math.sqrt(self.variance))

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the two-sided interval."""
        half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt(self.variance)
        return max(0.0, self.value - half), min(1.0, self.value + half)


def auc(members: Floats, others: Floats) -> Auc:
    """Return the area under the curve, ties counting half; its variance is that of DeLong.

    Sources: DeLong et al. 1988, doi:10.2307/2531595; Sun and Xu 2014, doi:10.1109/LSP.2014.2337313 (by ranks).
    """
    both = rankdata(np.concatenate([members, others]))
    above = (both[: len(members)] - rankdata(members)) / len(others)
    below = 1 - (both[len(members) :] - rankdata(others)) / len(members)
    variance = np.var(above, ddof=1) / len(members) + np.var(below, ddof=1) / len(others)
    return Auc(float(above.mean()), max(float(variance), _least_variance(len(members), len(others))))


def mean_auc(parts: tuple[Auc, ...]) -> Auc:
    """Return the mean of areas that were found on different people."""
    return Auc(float(np.mean([part.value for part in parts])), sum(part.variance for part in parts) / len(parts) ** 2)


def threshold(others: Floats, false_share: float) -> float:
    """Return the score above which at most ``false_share`` of those not used lie."""
    most = int(false_share * len(others) + 1e-9)
    return float(np.sort(others)[len(others) - 1 - most])


def above(scores: Floats, bound: float) -> Rate:
    """Return how many are claimed: those above a bound."""
    return Rate(int((scores > bound).sum()), len(scores))


def _least_variance(n_members: int, n_others: int) -> float:
    # Where no pair is in the wrong order DeLong's variance is 0; one pair in all cannot be excluded.
    return 1 / (12 * float(n_members) * float(n_others))
