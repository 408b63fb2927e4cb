"""How far to follow a table and how far the prior: weighed by what the tables themselves show.

A table departs from what was expected by so much in each of its contrasts. A sample of n patients lets a contrast
stray by a variance of 1/n, noise by more; the population itself departs from the prior by a variance of 1/λ, as if the
prior had been learnt from λ patients. λ is no constant: how it is distributed is learnt, for each class of contrasts,
from all tables (empirical Bayes; Robbins 1956, Efron 2010). Where noise drowns everything, the prior stands; where
tables contradict it beyond their uncertainty, it gives way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from manikin.generators.graphical.contrasts import Class, Contrasts
from manikin.streams import Floats

# Sizes of the sample that the prior is worth: from nothing to more than any site has.
SIZES: Floats = np.geomspace(1, 1e6, 31)
_ROUNDS = 30
_NEVER = 1e-300
_SOFT = 0.02
_LEAST = 1e-9


@dataclass(frozen=True)
class Belief:
    """What is thought of a prior before any table is seen: it is worth ``patients``, give or take a factor.

    Each degree of fineness multiplies that by ``finer``; ``contrasts`` says how many contrasts' evidence the thought
    weighs as much as. It is worth ``least`` patients at any rate: without such a floor, one draw of noise among hundreds
    would now and then be taken for a population that has nothing in common with what is known.
    """

    patients: float
    factor: float
    finer: float
    contrasts: float
    least: float = 1.0

    def over_sizes(self, degrees: int) -> Floats:
        """Return the probability of each size; heavy-tailed, so that tables can contradict it."""
        away = np.log(SIZES / (self.patients * self.finer**degrees)) / np.log(self.factor)
        likely = np.where(self.least <= SIZES, 1 / (1 + away**2 / 3) ** 2, _NEVER)
        return np.asarray(likely / likely.sum())


@dataclass(frozen=True)
class Departure:
    """How a measured table departs from what was expected.

    ``share`` and ``expected`` are of cells, flat; ``noise`` is the variance of what was added to each share; ``patients``
    of how many the shares are.
    """

    share: Floats
    expected: Floats
    noise: float
    patients: float
    contrasts: Contrasts

    @cached_property
    def seen(self) -> Floats:
        """The departure in each contrast."""
        return np.asarray(self.contrasts.functions.T @ (self.share - self.expected))

    @cached_property
    def uncertainty(self) -> Floats:
        """The variance with which each contrast tells the population's."""
        return np.asarray(1 / self.patients + self.noise * (self.contrasts.functions**2).sum(axis=0))

    def log_evidence(self) -> Floats:
        """Return the log-likelihood of each contrast for each size the prior may be worth, shape (contrasts, sizes)."""
        variance = self.uncertainty[:, None] + 1 / SIZES
        return np.asarray(-0.5 * (np.log(variance) + self.seen[:, None] ** 2 / variance))

    def followed(self, sizes: Floats) -> Floats:
        """Return how far each contrast is followed, 0 to 1, given the probabilities of sizes for each."""
        return np.asarray((sizes / (1 + self.uncertainty[:, None] * SIZES)).sum(axis=1))


def weighed(departures: Sequence[Departure], beliefs: Sequence[Belief]) -> list[Floats]:
    """Return how far each contrast of each table is followed.

    Args:
        departures: The tables.
        beliefs: What is thought of contrasts of one variable, of two, and of more.
    """
    if not departures:
        return []
    evidence = np.concatenate([one.log_evidence() for one in departures])
    classes = [each for one in departures for each in one.contrasts.classes]
    sizes = np.empty_like(evidence)
    for each in dict.fromkeys(classes):
        mine = np.array([one == each for one in classes])
        sizes[mine] = _posterior(evidence[mine], _belief(each, beliefs), each[1])
    cuts = np.cumsum([len(one.contrasts.classes) for one in departures])[:-1]
    return [one.followed(mine) for one, mine in zip(departures, np.split(sizes, cuts), strict=True)]


def ridge(followed: Floats) -> Floats:
    """Return the penalty with which a contrast is followed as far as that."""
    far = np.clip(followed, _LEAST, 1 - _LEAST)
    return np.asarray((1 - far) / far)


def softness(followed: Floats) -> Floats:
    """Return how much may be left of what a contrast asks, as a penalty; next to nothing where it is sure.

    Tables that contradict each other then have an answer between them.
    """
    return np.minimum(ridge(followed), _SOFT)


def _belief(which: Class, beliefs: Sequence[Belief]) -> Belief:
    return beliefs[min(which[0], len(beliefs)) - 1]


def _posterior(evidence: Floats, belief: Belief, degrees: int) -> Floats:
    """Return the probabilities of sizes for each contrast of a class, whose distribution is learnt from all of them."""
    likelihood = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    before = belief.over_sizes(degrees)
    common = before
    for _ in range(_ROUNDS):
        common = belief.contrasts * before + _given(likelihood, common).sum(axis=0)
        common = common / common.sum()
    return _given(likelihood, common)


def _given(likelihood: Floats, common: Floats) -> Floats:
    found = likelihood * common
    return np.asarray(found / found.sum(axis=1, keepdims=True))
