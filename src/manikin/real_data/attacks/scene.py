"""What an attacker sees: the synthetic rows, a reference population, and the targets of whom it has to say a score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from manikin.codebook import Variable
from manikin.real_data.attacks.sides import MOST_SYNTHETIC, Sides, fewer
from manikin.real_data.attacks.spaces import Space, nearest, ranked, whitened
from manikin.streams import Floats, Seed

Prints = npt.NDArray[np.uint64]

NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class Scene:
    """Rows as an attacker has them, each of shape (rows, variables), NaN where missing.

    ``steps`` is the grid of each variable, 0 for none. Views of the rows that several attacks need are kept.
    """

    variables: tuple[Variable, ...]
    steps: tuple[float, ...]
    synthetic: Floats
    reference: Floats
    targets: Floats
    seed: Seed

    @cached_property
    def some(self) -> Floats:
        """As many of the synthetic rows as attacks that compare everybody with everybody can bear."""
        return fewer(self.synthetic, MOST_SYNTHETIC, self.seed, "synthetic")

    @cached_property
    def seen(self) -> Floats:
        """The rows by which spaces are laid out."""
        return np.concatenate([self.some, self.reference])

    @cached_property
    def by_rank(self) -> Points:
        """All rows in the space of ranks."""
        return self._placed(ranked(self.variables, self.seen))

    @cached_property
    def whitened(self) -> Points:
        """All rows in the space without correlations."""
        return self._placed(whitened(self.variables, self.seen))

    @cached_property
    def prints(self) -> tuple[Prints, Prints, Prints]:
        """Fingerprints of the synthetic rows, the reference and the targets, comparable with each other."""
        synthetic, reference, targets = fingerprints((self.synthetic, self.reference, self.targets), self.steps)
        return synthetic, reference, targets

    def against(self, reference: Floats) -> Scene:
        """Return the scene with another reference population."""
        return replace(self, reference=reference)

    def _placed(self, space: Space) -> Points:
        return Points(space.place(self.some), space.place(self.reference), space.place(self.targets))


@dataclass(frozen=True, eq=False)
class Points:
    """The rows of a scene as points, shape (rows, dimensions), and how far the targets lie from them."""

    synthetic: Floats
    reference: Floats
    targets: Floats

    @cached_property
    def to_synthetic(self) -> Floats:
        """Distances of each target to its nearest synthetic rows, shape (targets, ``NEIGHBOURS``)."""
        return nearest(self.targets, self.synthetic, NEIGHBOURS)

    @cached_property
    def to_reference(self) -> Floats:
        """Distances of each target to the nearest of the reference, shape (targets, ``NEIGHBOURS``)."""
        return nearest(self.targets, self.reference, NEIGHBOURS)


def scene_of(sides: Sides) -> Scene:
    """Return what an attacker sees who is to tell members from others: the targets are the rows of both, in this order."""
    targets = np.concatenate([sides.members.values, sides.others.values])
    return Scene(sides.variables, sides.steps, sides.synthetic, sides.reference.values, targets, sides.seed)


def fingerprints(sets: tuple[Floats, ...], steps: tuple[float, ...]) -> list[Prints]:
    """Return 64-bit numbers, shape (rows, variables) for each set: equal where values are equal on the grid.

    Sums of them over variables are equal where rows are equal in these variables, and by accident hardly ever.
    """
    stacked = np.concatenate(sets)
    prints = np.empty(stacked.shape, np.uint64)
    for place, step in enumerate(steps):
        # Half a step apart is the same value, however it was computed.
        on_grid = np.rint(stacked[:, place] / step) if step else stacked[:, place]
        _, code = np.unique(on_grid, return_inverse=True)
        prints[:, place] = Seed(place).permuted(code.astype(np.int64))
    return np.split(prints, np.cumsum([len(rows) for rows in sets])[:-1])
