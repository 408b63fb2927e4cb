"""Three sites with counts of their own, as real objects in one process, and a line between them that can be cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from manikin.codebook import Domain, bins_of
from manikin.errors import ManikinError
from manikin.federation import Journal, Plan, codebook_of
from manikin.federation.letters import REFUSED
from manikin.privacy import Budget, Ledger

SITES = ("east", "north", "south")
BUDGET = Budget(4, 1e-6)


@cache
def codebook():
    return codebook_of("diabetes-screening")


def plan_with(tables=(("sex",), ("sex", "age")), **changes):
    name, known = codebook()
    domains = tuple(Domain(tuple(bins_of(known[one], missing=True) for one in table)) for table in tables)
    given = {"sites": SITES, "survivors": 2, "rho": 0.05, **changes}
    return Plan("autumn-2026", name, "adults seen in 2025", tables=domains, **given)


def counts_of(plan, seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 1000, table.shape) for table in plan.tables]


def flat(tables):
    return np.concatenate([table.ravel() for table in tables])


@dataclass
class Sites:
    """The sites of a federation, their keys and their counts."""

    folder: Path
    keys: object
    counts: dict
    budget: Budget = BUDGET
    counted: list = field(default_factory=list)

    def site(self, name):
        """Return the site as it is after its process was started anew."""
        from manikin.federation.site import Site

        def answer(_):
            self.counted.append(name)
            return self.counts[name]

        ledger = Ledger(self.folder / f"{name}.jsonl")
        key, known = self.keys.private(name), codebook()[1]
        return Site(name, key, self.keys.sites, known, ledger.account(name, self.budget), self.journal(name), answer)

    def journal(self, name):
        return Journal(self.folder / f"{name}.rounds", name)

    def purchases(self, name):
        (statement,) = Ledger(self.folder / f"{name}.jsonl").statements()
        return statement.purchases

    def told(self, name, plan):
        """Return what a site's journal holds as its answer."""

        def never():
            raise AssertionError(f"'{name}' has answered nothing.")

        return self.journal(name).answer(plan, never).values


@dataclass
class Line:
    """A link to sites in this process; ``deaths`` says at which stage a site dies, before or after it heard the letter."""

    sites: dict
    deaths: dict = field(default_factory=dict)
    stages: list = field(default_factory=list)

    def present(self, _many, _seconds):
        return frozenset(self.sites)

    def ask(self, letters, _seconds):
        answered = {}
        for name, letter in letters.items():
            self.stages.append((letter["stage"], name))
            when, heard = self.deaths.get(name, (None, False))
            if name not in self.sites or (when == letter["stage"] and not heard):
                self.sites.pop(name, None)
                continue
            try:
                answered[name] = self.sites[name].respond(letter)
            except ManikinError as error:
                answered[name] = {REFUSED: type(error).__name__}
            if when == letter["stage"]:
                del self.sites[name], answered[name]
        return answered
