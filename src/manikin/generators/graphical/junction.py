"""A junction tree: an exact distribution over bins whose tables are no larger than a budget allows.

Variables that occur together in a wish are made neighbours, the graph is filled in until its cliques form a tree, and
two passes of messages along it give the normalising constant and every clique's marginal.

Source: Koller and Friedman, Probabilistic Graphical Models, chapters 9 and 10, 2009.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from manikin.generators.graphical.marginals import Places, size_of, summed
from manikin.streams import Floats

_TINY = 1e-300


@dataclass(frozen=True)
class JunctionTree:
    """Cliques in an order in which each comes after its parent, ``parents`` by number (-1 for a root)."""

    shape: tuple[int, ...]
    cliques: tuple[Places, ...]
    parents: tuple[int, ...]

    @property
    def cells(self) -> int:
        """How many cells all cliques have together."""
        return sum(size_of(self.shape, clique) for clique in self.cliques)

    @cached_property
    def separators(self) -> tuple[Places, ...]:
        """What each clique shares with its parent."""
        return tuple(
            () if parent < 0 else tuple(place for place in clique if place in self.cliques[parent])
            for clique, parent in zip(self.cliques, self.parents, strict=True)
        )

    @cached_property
    def component(self) -> dict[int, int]:
        """The number of the root above each variable: those under different roots know nothing of each other."""
        roots: list[int] = []
        for number, parent in enumerate(self.parents):
            roots.append(number if parent < 0 else roots[parent])
        return {place: root for clique, root in zip(self.cliques, roots, strict=True) for place in clique}

    def home(self, places: Places) -> int:
        """Return the number of the smallest clique that holds all ``places``, -1 where none does."""
        holding = [number for number, clique in enumerate(self.cliques) if set(places) <= set(clique)]
        return min(holding, key=lambda number: size_of(self.shape, self.cliques[number]), default=-1)


def tree_over(shape: Sequence[int], wishes: Iterable[Places]) -> JunctionTree:
    """Return a junction tree in which each of the ``wishes`` lies within a clique.

    Variables are eliminated in the order that makes the smallest tables (greedily), those first whose neighbours know
    each other already, so that a tree stays one; ties go to the earlier one.
    """
    neighbours: dict[int, set[int]] = {place: set() for place in range(len(shape))}
    for wish in wishes:
        for one, other in itertools.permutations(wish, 2):
            neighbours[one].add(other)
    maximal: list[frozenset[int]] = []
    while neighbours:
        chosen = min(
            neighbours, key=lambda place: (_fills(neighbours, place), _cost(shape, place, neighbours[place]), place)
        )
        around = neighbours.pop(chosen)
        clique = frozenset(around | {chosen})
        if not any(clique <= other for other in maximal):
            maximal.append(clique)
        for one in around:
            neighbours[one] |= around - {one}
            neighbours[one].discard(chosen)
    return _joined(tuple(shape), [tuple(sorted(clique)) for clique in maximal])


def _fills(neighbours: Mapping[int, set[int]], place: int) -> bool:
    """Return whether two neighbours of a variable would become neighbours."""
    around = neighbours[place]
    return any(not around - {one} <= neighbours[one] for one in around)


def _cost(shape: Sequence[int], place: int, around: set[int]) -> int:
    return math.prod(shape[one] for one in around) * shape[place]


def _joined(shape: tuple[int, ...], cliques: list[Places]) -> JunctionTree:
    """Return the cliques joined where they share most (Prim): a maximum spanning tree has the running intersection."""
    order, parents = [0], [-1]
    shared = {number: (_shared(cliques, 0, number), 0) for number in range(1, len(cliques))}
    while shared:
        nearest = max(shared, key=lambda number: (shared[number][0], -number))
        weight, at = shared.pop(nearest)
        parents.append(order.index(at) if weight else -1)
        order.append(nearest)
        for number, (best, _) in shared.items():
            if (more := _shared(cliques, nearest, number)) > best:
                shared[number] = (more, nearest)
    return JunctionTree(shape, tuple(cliques[number] for number in order), tuple(parents))


def _shared(cliques: list[Places], one: int, other: int) -> int:
    return len(set(cliques[one]) & set(cliques[other]))


@dataclass(frozen=True)
class Beliefs:
    """A calibrated tree: the logarithm of its normalising constant, and the marginal of each clique, flat."""

    tree: JunctionTree
    log_z: float
    marginals: tuple[Floats, ...]

    def over(self, places: Places) -> Floats | None:
        """Return the marginal over variables, flat, in the order of ``places``.

        None where some of them hang together through others, and not within one clique.
        """
        apart = [tuple(one for one in places if self.tree.component[one] == part) for part in self._parts(places)]
        homes = [self.tree.home(part) for part in apart]
        if -1 in homes:
            return None
        table, order = np.ones(1), [place for part in apart for place in part]
        for part, home in zip(apart, homes, strict=True):
            margin = summed(self.marginals[home], self.tree.shape, self.tree.cliques[home], part)
            table = np.outer(table, margin).ravel()
        return summed(table, self.tree.shape, tuple(order), places)

    def _parts(self, places: Places) -> list[int]:
        return list(dict.fromkeys(self.tree.component[place] for place in places))


class Passing:
    """The messages of a tree, its axes worked out once for all the times that its potentials change."""

    def __init__(self, tree: JunctionTree) -> None:
        self.tree = tree
        self._steps = [
            _Step.between(tree.shape, clique, tree.cliques[parent] if parent >= 0 else (), shared)
            for clique, parent, shared in zip(tree.cliques, tree.parents, tree.separators, strict=True)
        ]

    def beliefs(self, potentials: Sequence[Floats]) -> Beliefs:
        """Return the calibrated tree.

        Args:
            potentials: The logarithm of each clique's factor, flat.
        """
        tops = [float(potential.max()) for potential in potentials]
        factors = [
            np.exp(potential - top).reshape(step.shape)
            for potential, top, step in zip(potentials, tops, self._steps, strict=True)
        ]
        scales, messages = self._gathered(factors)
        self._distributed(factors, messages)
        return Beliefs(self.tree, sum(tops) + float(np.log(scales).sum()), tuple(factor.ravel() for factor in factors))

    def _gathered(self, factors: list[Floats]) -> tuple[list[float], list[Floats]]:
        """Send messages from the leaves to the roots; return their scales, and what was sent."""
        scales, messages = [1.0] * len(factors), [np.ones(1)] * len(factors)
        for number in range(len(factors) - 1, -1, -1):
            parent, step = self.tree.parents[number], self._steps[number]
            if parent < 0:
                scales[number] = float(factors[number].sum())
                factors[number] /= scales[number]
                continue
            message = factors[number].sum(axis=step.summed)
            scales[number] = float(np.max(message))
            messages[number] = message / scales[number]
            factors[parent] *= messages[number].reshape(step.in_parent)
        return scales, messages

    def _distributed(self, factors: list[Floats], messages: list[Floats]) -> None:
        """Send messages from the roots to the leaves, so that each factor is a marginal."""
        for number, (parent, step) in enumerate(zip(self.tree.parents, self._steps, strict=True)):
            if parent >= 0:
                ratio = factors[parent].sum(axis=step.summed_in_parent) / np.maximum(messages[number], _TINY)
                factors[number] *= ratio.reshape(step.in_child)
                factors[number] /= factors[number].sum()


@dataclass(frozen=True)
class _Step:
    """How a clique speaks with its parent: over which axes each sums, and the shape in which it hears the other."""

    shape: tuple[int, ...]
    summed: tuple[int, ...]
    summed_in_parent: tuple[int, ...]
    in_child: tuple[int, ...]
    in_parent: tuple[int, ...]

    @classmethod
    def between(cls, shape: tuple[int, ...], child: Places, parent: Places, shared: Places) -> _Step:
        return cls(
            tuple(shape[place] for place in child),
            tuple(axis for axis, place in enumerate(child) if place not in shared),
            tuple(axis for axis, place in enumerate(parent) if place not in shared),
            tuple(shape[place] if place in shared else 1 for place in child),
            tuple(shape[place] if place in shared else 1 for place in parent),
        )
