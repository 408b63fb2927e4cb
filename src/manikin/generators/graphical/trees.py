"""The fit in closed form, where tables of two variables form a tree and nothing was known before.

Margins depart from even shares, and each pair from the product of its margins, as far as can be trusted; proportional
fitting gives each pair its margins back, and a tree of such pairs is its own junction tree. Nothing has to be searched.

Source: Chow and Liu, IEEE Transactions on Information Theory 14:462, 1968.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manikin.codebook import Domain
from manikin.generators.graphical.carrier import CalibratedTree
from manikin.generators.graphical.contrasts import contrasts_of
from manikin.generators.graphical.evidence import Belief, Departure, weighed
from manikin.generators.graphical.fit import Measured, singles_of
from manikin.generators.graphical.junction import Beliefs, tree_over
from manikin.generators.graphical.marginals import Places
from manikin.streams import Floats

_SWEEPS = 12
_LEAST = 1e-9


def fit_tree(
    domain: Domain, beliefs: Sequence[Belief], singles: Sequence[Measured], pairs: Sequence[Measured]
) -> CalibratedTree:
    """Return the fit to tables of every variable and to pairs of them that form a forest.

    Args:
        domain: The variables.
        beliefs: What is thought of contrasts of one variable and of two, as in ``Prior``.
        singles: A table of each variable, in the domain's order.
        pairs: Tables of two variables, no way along them leading back.
    """
    shape = domain.shape
    even = [np.full(bins, 1 / bins) for bins in shape]
    informed = sorted(singles_of(shape, [*singles, *pairs]), key=lambda one: one.places)
    margins = [share * ratio for share, ratio in zip(even, _ratios(domain, beliefs, informed, even, 1), strict=True)]
    margins = [margin / margin.sum() for margin in margins]
    products = [np.outer(*(margins[place] for place in one.places)).ravel() for one in pairs]
    ratios = dict(zip((one.places for one in pairs), _ratios(domain, beliefs, pairs, products, 2), strict=True))
    tree = tree_over(shape, tuple(ratios))
    return CalibratedTree(Beliefs(tree, 0.0, tuple(_table(clique, margins, ratios) for clique in tree.cliques)))


def _ratios(
    domain: Domain, beliefs: Sequence[Belief], measured: Sequence[Measured], expected: Sequence[Floats], of: int
) -> list[Floats]:
    """Return by what factor each cell departs from what was expected, in contrasts of ``of`` variables."""
    departures = [
        Departure(
            one.share, share, one.noise, one.patients, contrasts_of([domain.axes[at] for at in one.places], share)
        )
        for one, share in zip(measured, expected, strict=True)
    ]
    found = []
    for one, followed in zip(departures, weighed(departures, beliefs), strict=True):
        mine = np.array([which[0] == of for which in one.contrasts.classes])
        found.append(np.maximum(1 + one.contrasts.functions @ (followed * one.seen * mine), _LEAST))
    return found


def _table(clique: Places, margins: Sequence[Floats], ratios: Mapping[Places, Floats]) -> Floats:
    if len(clique) == 1:
        return margins[clique[0]]
    rows, columns = (margins[place] for place in clique)
    table = np.outer(rows, columns) * ratios[clique].reshape(len(rows), len(columns))
    for _ in range(_SWEEPS):
        table *= (rows / table.sum(axis=1))[:, None]
        table *= columns / table.sum(axis=0)
    return table.ravel()
