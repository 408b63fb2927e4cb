"""Chooses a tree of pairs: the cheapest way to learn how many variables hang together, without a search.

Pairs are chosen one after the other by the exponential mechanism, each the furthest from independence that joins what
was not joined yet, and all are measured together. The fit to them is in closed form.

Source: McKenna, Miklau and Sheldon, Winning the NIST contest, J Priv Confid 11(3), 2021, arXiv:2108.04978.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from manikin.aggregates import Aggregate
from manikin.generators.graphical import Places, counted
from manikin.privacy import Account
from manikin.real_data.measure import buy_together, patients_in
from manikin.real_data.people import People
from manikin.streams import Floats

# Of the price for choosing and measuring, this much pays for the choices.
_CHOICE = 0.4


@dataclass(frozen=True)
class Spanning:
    """A strategy that measures a tree of pairs; ``share`` of a measurement's price is spent here."""

    share: float = 0.6

    def choose(
        self, people: People, measured: tuple[Aggregate, ...], account: Account, rho: float
    ) -> tuple[Aggregate, ...]:
        """Return the tables of the tree, for ``rho`` in all."""
        domain = people.domain
        if len(domain.axes) < 2:
            return ()
        exact = _pairs(people)
        patients = max(patients_in(measured, domain)[0], 1.0)
        margins = {one.attributes[0]: np.maximum(one.values, 0) / max(one.values.sum(), 1.0) for one in measured}
        scores: dict[Places, float] = {
            (first, second): _apart(table, patients, margins[domain.names[first]], margins[domain.names[second]])
            for (first, second), table in exact.items()
        }
        tree = _tree(len(domain.axes), scores, account, _CHOICE * rho)
        return buy_together(domain, [(pair, exact[pair]) for pair in tree], account, (1 - _CHOICE) * rho)


def _pairs(people: People) -> dict[Places, Floats]:
    """Return the exact table of each pair; one patient changes each by one."""
    shape = people.domain.shape
    pairs = itertools.combinations(range(len(shape)), 2)
    return {pair: counted(people.codes, shape, pair) for pair in pairs}


def _apart(table: Floats, patients: float, rows: Floats, columns: Floats) -> float:
    """Return how far a table lies from the product of its noisy margins, in patients."""
    return float(np.abs(table - patients * np.outer(rows, columns).ravel()).sum())


def _tree(n_variables: int, scores: dict[Places, float], account: Account, rho: float) -> list[Places]:
    """Return the pairs of a tree, each chosen among those that join two parts; they cost ``rho`` together."""
    part, chosen = list(range(n_variables)), list[Places]()
    while len(chosen) < n_variables - 1:
        joining = [pair for pair in scores if part[pair[0]] != part[pair[1]]]
        choice = account.choose(
            np.array([scores[pair] for pair in joining]), rho / (n_variables - 1), "which pair joins the tree"
        )
        first, second = joining[choice.index]
        part = [part[first] if one == part[second] else one for one in part]
        chosen.append((first, second))
    return chosen
