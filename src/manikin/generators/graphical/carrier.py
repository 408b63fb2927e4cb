"""Who carries the distribution that is bent: particles of a clinical model, or a junction tree over its bins.

Both answer one question, for any bend: what the normalising constant and the marginals of P ∝ Q · exp(Σ θ φ) are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from manikin.codebook import Codes
from manikin.generators.graphical.drawing import Drawing, drawing_from
from manikin.generators.graphical.junction import Beliefs, JunctionTree, Passing, tree_over
from manikin.generators.graphical.marginals import Cells, Places, cells_of, counted, size_of, spread, summed
from manikin.streams import Floats, Seed

Bend = Mapping[Places, Floats]
"""θ: for each table that is bent, a number for each of its cells, flat."""

# Marginals over variables that share no clique are counted in a sample of this size: simulation, which costs no privacy.
_DRAWN = 1 << 15
_SEED = Seed(1_957)


class Expectation(Protocol):
    """A bent distribution, as far as its marginals."""

    def over(self, places: Places) -> Floats:
        """Return the share of each cell of a table, flat."""
        ...


class Bent(Protocol):
    """Q with the tables by which it is bent, made ready for many θ."""

    def evaluate(self, thetas: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """Return log Z and the marginal of each table."""
        ...

    def expectation(self, thetas: Sequence[Floats]) -> Expectation:
        """Return the bent distribution, of which any marginal can be asked."""
        ...


class Carrier(Protocol):
    """A distribution Q over bins that can be bent."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins each variable has."""
        ...

    def bent_by(self, tables: Sequence[Places]) -> Bent:
        """Return Q made ready to be bent by some tables."""
        ...

    def cells_with(self, tables: Sequence[Places]) -> int:
        """Return how many numbers have to be held to bend by these tables."""
        ...


@dataclass(frozen=True)
class Particles:
    """A large sample of a clinical model, of which each bend is a re-weighting.

    ``codes`` are the bins of each particle, shape (particles, variables).
    """

    codes: Codes
    shape: tuple[int, ...]
    _cells: dict[Places, Cells] = field(default_factory=dict, repr=False, compare=False)

    def cells(self, places: Places) -> Cells:
        """Return the cell of each particle in a table; remembered."""
        if places not in self._cells:
            self._cells[places] = cells_of(self.codes, self.shape, places)
        return self._cells[places]

    def bent_by(self, tables: Sequence[Places]) -> BentParticles:
        """Return the particles made ready to be bent by some tables."""
        return BentParticles(self, tuple(tables))

    def cells_with(self, tables: Sequence[Places]) -> int:
        """Return the cells of the widest table: particles know no others."""
        return max((size_of(self.shape, one) for one in tables), default=0)


@dataclass(frozen=True)
class WeightedParticles:
    """Particles with weights that sum to 1."""

    particles: Particles
    weights: Floats

    def over(self, places: Places) -> Floats:
        """Return the share of each cell."""
        size = size_of(self.particles.shape, places)
        return np.asarray(np.bincount(self.particles.cells(places), self.weights, size), np.float64)

    @property
    def effective(self) -> float:
        """The effective sample size, as a share of the particles."""
        return float(1 / (self.weights @ self.weights) / self.weights.size)


class BentParticles:
    """Particles with the cells of each table at hand; a table within another is reached through it."""

    def __init__(self, particles: Particles, tables: tuple[Places, ...]) -> None:
        self.particles, self.tables = particles, tables
        widest = sorted(tables, key=len, reverse=True)
        self._hosts = [next(other for other in widest if set(one) <= set(other)) for one in tables]
        self._spread = [spread(one, host, particles.shape) for one, host in zip(tables, self._hosts, strict=True)]

    def weighed(self, thetas: Sequence[Floats]) -> tuple[float, Floats]:
        """Return log Z and the particles' weights."""
        shape = self.particles.shape
        together = {host: np.zeros(size_of(shape, host)) for host in self._hosts}
        for host, cells, theta in zip(self._hosts, self._spread, thetas, strict=True):
            together[host] += theta[cells]
        weights = np.zeros(len(self.particles.codes))
        for host, theta in together.items():
            weights += theta[self.particles.cells(host)]
        top = float(weights.max())
        weights -= top
        np.exp(weights, out=weights)
        total = float(weights.sum())
        weights /= total
        return top + float(np.log(total / weights.size)), weights

    def evaluate(self, thetas: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """Return log Z and the marginal of each table."""
        log_z, weights = self.weighed(thetas)
        now = WeightedParticles(self.particles, weights)
        wide = {host: now.over(host) for host in dict.fromkeys(self._hosts)}
        shape = self.particles.shape
        return log_z, [
            summed(wide[host], shape, host, table) for host, table in zip(self._hosts, self.tables, strict=True)
        ]

    def expectation(self, thetas: Sequence[Floats]) -> WeightedParticles:
        """Return the particles with the weights of a bend."""
        return WeightedParticles(self.particles, self.weighed(thetas)[1])


@dataclass(frozen=True)
class Independent:
    """Variables that know nothing of each other, each with the shares of its bins. Bent by way of a junction tree."""

    shares: tuple[Floats, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins each variable has."""
        return tuple(len(one) for one in self.shares)

    def bent_by(self, tables: Sequence[Places]) -> BentTree:
        """Return the junction tree in which each table has a home."""
        return BentTree(tree_over(self.shape, tables), tuple(tables), self.shares)

    def cells_with(self, tables: Sequence[Places]) -> int:
        """Return the cells of the junction tree."""
        return tree_over(self.shape, tables).cells


def flat(shape: Sequence[int]) -> Independent:
    """Return no knowledge: every cell of the domain is as likely as any other."""
    return Independent(tuple(np.full(bins, 1 / bins) for bins in shape))


class BentTree:
    """A junction tree with the home of each table."""

    def __init__(self, tree: JunctionTree, tables: tuple[Places, ...], shares: Sequence[Floats]) -> None:
        self.tree, self.tables = tree, tables
        self._passing = Passing(tree)
        self._prior = [np.zeros(size_of(tree.shape, clique)) for clique in tree.cliques]
        for place, share in enumerate(shares):
            home = tree.home((place,))
            self._prior[home] += np.log(share)[spread((place,), tree.cliques[home], tree.shape)]
        self._homes = [tree.home(table) for table in tables]
        self._spread = [
            spread(table, tree.cliques[home], tree.shape) for table, home in zip(tables, self._homes, strict=True)
        ]

    def beliefs(self, thetas: Sequence[Floats]) -> Beliefs:
        """Return the calibrated tree of a bend."""
        potentials = [one.copy() for one in self._prior]
        for home, cells, theta in zip(self._homes, self._spread, thetas, strict=True):
            potentials[home] += theta[cells]
        return self._passing.beliefs(potentials)

    def evaluate(self, thetas: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """Return log Z and the marginal of each table."""
        found = self.beliefs(thetas)
        shape, cliques = self.tree.shape, self.tree.cliques
        return found.log_z, [
            summed(found.marginals[home], shape, cliques[home], table)
            for home, table in zip(self._homes, self.tables, strict=True)
        ]

    def expectation(self, thetas: Sequence[Floats]) -> CalibratedTree:
        """Return the calibrated tree."""
        return CalibratedTree(self.beliefs(thetas))


class CalibratedTree:
    """A calibrated tree: marginals within a clique exactly, others from a sample of it."""

    def __init__(self, beliefs: Beliefs) -> None:
        self.beliefs = beliefs
        self._found: dict[Places, Floats] = {}
        self._drawn: Codes | None = None

    def over(self, places: Places) -> Floats:
        """Return the share of each cell."""
        if places not in self._found:
            within = self.beliefs.over(places)
            self._found[places] = self._counted(places) if within is None else within
        return self._found[places]

    @property
    def drawing(self) -> Drawing:
        """The means to draw from it."""
        return drawing_from(self.beliefs)

    def _counted(self, places: Places) -> Floats:
        if self._drawn is None:
            self._drawn = self.drawing.rounded(lambda step: _SEED.stream(str(step)).uniform(0, _DRAWN), _DRAWN)
        return counted(self._drawn, self.beliefs.tree.shape, places) / _DRAWN
