"""Chooses what else to measure: wherever what was measured so far, and the prior, are most likely wrong.

A round chooses a table by the exponential mechanism, measures it, and fits anew. A table's score is how far the exact
counts lie from what the fit expects, less a part of what noise would add. Where a round taught nothing beyond its noise,
the next ones are fewer and better paid, as in AIM (McKenna et al., PVLDB 2022, doi:10.14778/3551793.3551817). Unlike
there, the first expectation is the prior's; and since the fit follows only what stands out of the noise, a wide table
with a coarse pattern is worth more than its cells, each for itself, would let one think.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manikin.aggregates import Aggregate
from manikin.codebook import Domain
from manikin.generators.agreement import shares_of, together
from manikin.generators.graphical import Fit, Independent, Places, Prior, counted, fit, size_of
from manikin.privacy import Account
from manikin.real_data.measure import buy, patients_in
from manikin.real_data.people import People
from manikin.real_data.questions import Order, Question
from manikin.real_data.spanning import Spanning
from manikin.streams import Floats

# Of a round's price, this much pays for the choice and the rest for the table.
_CHOICE = 0.1
# There are at least so many rounds for each variable.
_ROUNDS = 2.5
# Who taught less than this part of what noise moves is followed by fewer rounds, each of so much more.
_TAUGHT, _DEARER = 0.5, 2.0
# Tables wider than two variables are candidates where there are not too many, and none has more cells than this.
_WIDEST, _MOST_CANDIDATES, _MOST_CELLS = 3, 400, 1_000
# How much of the noise counts against a table: its fine contrasts, which it drowns, are not followed anyway.
_COUNTED = 0.5
# Where a tree's tables would stray by more than this part of all patients, and the prior knows of no dependence, nothing
# else is measured. It was set on open surveys, and hangs on no record of a site.
_DROWNED = 0.05
# The mean of a normal deviate's size.
_MEAN_SIZE = float(np.sqrt(2 / np.pi))


@dataclass(frozen=True)
class Adaptive:
    """A strategy that asks where a prior is most likely wrong.

    ``share`` of a measurement's price is spent here; ``cells`` bounds the tables that the fit has to hold, of which
    each round may use what its part of the budget is.
    """

    prior: Prior
    share: float = 0.65
    cells: int = 60_000

    def choose(
        self, people: People, measured: tuple[Aggregate, ...], account: Account, rho: float
    ) -> tuple[Aggregate, ...]:
        """Return the tables that were chosen and measured, for ``rho`` in all."""
        if isinstance(self.prior.carrier, Independent) and _drowned(people.domain, measured, rho):
            return Spanning(self.share).choose(people, measured, account, rho)
        search = _Search(self, people, account, list(measured), rho)
        while search.left > 1e-6 * rho and search.round():
            pass
        return tuple(search.measured[len(measured) :])


class _Search:
    """The state of a search: what was measured, the fit to it, what is left and what a round costs."""

    def __init__(
        self, strategy: Adaptive, people: People, account: Account, measured: list[Aggregate], rho: float
    ) -> None:
        self.strategy, self.people, self.account, self.measured = strategy, people, account, measured
        self.rho = self.left = rho
        self.price = rho / (_ROUNDS * len(people.domain.axes))
        self.patients = max(patients_in(measured, people.domain)[0], 1.0)
        self.candidates = _candidates(people.domain)
        self._exact: dict[Places, Floats] = {}
        self.fit = self._fitted(None)

    def round(self) -> bool:
        """Choose a table, measure it and fit anew; return whether there was one to choose."""
        price = self.left if self.left < 1.5 * self.price else self.price
        possible = [places for places in self.candidates if self._possible(places)]
        if not possible:
            return False
        noise = float(1 / np.sqrt(2 * (1 - _CHOICE) * price))
        scores = np.array([self._score(places, noise) for places in possible])
        choice = self.account.choose(scores, _CHOICE * price, "which table to measure")
        chosen = possible[choice.index]
        before = self.fit.expected.over(chosen)
        self.measured.append(self._bought(chosen, (1 - _CHOICE) * price))
        self.left -= price
        self.candidates.remove(chosen)
        self.fit = self._fitted(self.fit)
        moved = float(np.abs(self.fit.expected.over(chosen) - before).sum()) * self.patients
        if moved <= _TAUGHT * _MEAN_SIZE * noise * before.size:
            self.price *= _DEARER
        return True

    def _score(self, places: Places, noise: float) -> float:
        """Return how much there is to learn from a table; one patient changes it by one at most."""
        if places not in self._exact:
            self._exact[places] = counted(self.people.codes, self.people.domain.shape, places)
        expected = self.fit.expected.over(places)
        return (
            float(np.abs(self._exact[places] - self.patients * expected).sum())
            - _COUNTED * _MEAN_SIZE * noise * expected.size
        )

    def _possible(self, places: Places) -> bool:
        """Return whether a table may be chosen: one of three variables after two of its pairs, none that is too costly."""
        if len(places) > 2 and sum(pair in self.fit.bend for pair in itertools.combinations(places, 2)) < 2:
            return False
        allowed = self.strategy.cells * max(0.3, 1 - self.left / self.rho)
        return self.fit.prior.carrier.cells_with((*self.fit.bend, places)) <= allowed

    def _bought(self, places: Places, rho: float) -> Aggregate:
        axes = tuple(self.people.domain.axes[place] for place in places)
        return buy(self.people, Order(Question("adaptive", axes), rho), self.account)

    def _fitted(self, start: Fit | None) -> Fit:
        domain = self.people.domain
        tables = [one for one in self.measured if set(one.attributes) <= set(domain.names)]
        return fit(self.strategy.prior, together([shares_of(one, domain, self.patients) for one in tables]), start)


def _drowned(domain: Domain, measured: Sequence[Aggregate], rho: float) -> bool:
    """Return whether noise leaves so little of a pair that a tree of them, chosen in one go, tells more than a search."""
    pairs = max(len(domain.axes) - 1, 1)
    noise = float(np.sqrt(pairs / (2 * rho)))
    cells = float(
        np.mean([size_of(domain.shape, one) for one in itertools.combinations(range(len(domain.axes)), 2)] or [1])
    )
    return bool(noise * np.sqrt(cells) > _DROWNED * max(patients_in(measured, domain)[0], 1.0))


def _candidates(domain: Domain) -> list[Places]:
    """Return the tables that may be chosen: all pairs, and wider ones where they are not too many."""
    places, found = range(len(domain.axes)), list[Places]()
    for width in range(2, _WIDEST + 1):
        wide = [one for one in itertools.combinations(places, width) if size_of(domain.shape, one) <= _MOST_CELLS]
        if width == 2 or len(found) + len(wide) <= _MOST_CANDIDATES:
            found += wide
    return found
