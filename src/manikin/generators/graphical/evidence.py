"""How far to follow a table and how far the prior: weighed by what the tables themselves show.

The prior is as sure of a share q as a sample of λ patients would be, so that what a population departs from it has the
variance q(1-q)/λ; what was measured departs from the population by noise and by chance. λ is no constant: each table's
evidence for it is computed on a grid, and what the tables of an order have in common is learnt from all of them
(empirical Bayes; Robbins 1956). Where noise drowns everything, the prior stands; where tables contradict it beyond
their uncertainty, it gives way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from manikin.streams import Floats

# Sizes of the sample that the prior is worth: from nothing to more than any site has.
SIZES: Floats = np.geomspace(3, 1e5, 26)
_ROUNDS = 20
_LEAST = 1e-6


@dataclass(frozen=True)
class Belief:
    """What is thought of a prior before any table is seen: it is worth ``patients``, give or take a factor.

    ``tables`` says how many tables' evidence that thought weighs as much as.
    """

    patients: float
    factor: float
    tables: float

    def over_sizes(self) -> Floats:
        """Return the probability of each size; heavy-tailed, so that tables can contradict it."""
        away = np.log(SIZES / self.patients) / np.log(self.factor)
        likely = 1 / (1 + away**2 / 3) ** 2
        return np.asarray(likely / likely.sum())


@dataclass(frozen=True)
class Departure:
    """How a measured table departs from what was expected: shares, expected shares, variance of noise, patients.

    Shares that are not told are NaN.
    """

    share: Floats
    expected: Floats
    noise: float
    patients: float

    @property
    def spread(self) -> Floats:
        """The variance of one patient in a cell."""
        return np.maximum(self.expected * (1 - self.expected), _LEAST)

    @property
    def uncertainty(self) -> Floats:
        """The variance with which the table tells the population's share."""
        return self.noise + self.spread / self.patients

    def log_evidence(self) -> Floats:
        """Return the logarithm of the table's likelihood for each size that the prior may be worth."""
        variance = (self.uncertainty + self.spread / SIZES[:, None])[:, np.isfinite(self.share)]
        gap = (self.share - self.expected)[np.isfinite(self.share)]
        return np.asarray(-0.5 * (np.log(variance) + gap**2 / variance).sum(axis=1))

    def followed(self, sizes: Floats) -> Floats:
        """Return how far each cell is followed, 0 to 1, given the probabilities of sizes."""
        free = self.spread / SIZES[:, None]
        return np.asarray((sizes[:, None] * free / (free + self.uncertainty)).sum(axis=0))

    def ridge(self, sizes: Floats) -> Floats:
        """Return the penalty on each cell's θ that follows it as far as that."""
        follow = np.clip(self.followed(sizes), _LEAST, 1 - _LEAST)
        return self.spread * (1 - follow) / follow


def weighed(departures: Sequence[Departure], belief: Belief) -> list[Floats]:
    """Return, for each table, the probabilities of the sizes that the prior is worth for it."""
    evidence = [one.log_evidence() for one in departures]
    before = belief.over_sizes()
    common = before
    for _ in range(_ROUNDS):
        each = [_posterior(one, common) for one in evidence]
        common = np.sum([belief.tables * before, *each], axis=0)
        common = common / common.sum()
    return [_posterior(one, common) for one in evidence]


def _posterior(evidence: Floats, common: Floats) -> Floats:
    found = evidence + np.log(common)
    return np.asarray(np.exp(found - logsumexp(found)))
