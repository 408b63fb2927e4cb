"""A reader of the tables, who knows everything but the coins, and guesses who is on record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.audit.world import COUNTED, World
from manikin.aggregates import Aggregate
from manikin.codebook import Bins


@dataclass(frozen=True)
class Guesses:
    """How far each canary looks as if on record: above 0 it does, and the further from it the surer."""

    scores: Any
    present: Any

    def right(self, most: int | None = None) -> tuple[int, int]:
        """Return how many guesses are right and how many were made: all, or the ``most`` sure ones."""
        surest = np.argsort(-np.abs(self.scores), kind="stable")[:most]
        return int(((self.scores[surest] > 0) == self.present[surest]).sum()), len(surest)


def read(world: World, tables: Iterable[Aggregate]) -> Guesses:
    """Return a reader's guesses: the logarithm of the odds, were the noise as it is said to be.

    Where bins are missing from the tables they were read off the records, and whose bin is there was there.
    """
    scores = np.zeros(world.canaries)
    for table in tables:
        own = [_place(world, axis) for axis in table.axes]
        if not any(axis.cuts for axis in table.axes):
            continue
        there = np.all([place >= 0 for place in own], axis=0)
        if not there.all():
            return Guesses(np.where(there, np.inf, -np.inf), world.present)
        weight = COUNTED if table.axes[0].name.startswith("visits") else 1
        scores += weight * (table.values[tuple(own)] - weight / 2) / table.noise**2
    return Guesses(scores, world.present)


def _place(world: World, axis: Bins) -> Any:
    """Return the bin of each canary on an axis, -1 for none of their own."""
    if axis.levels:
        return world.cells["stage"]
    values = world.cells.get(axis.name, world.cells["district"])
    place = {cut: number for number, cut in enumerate(axis.cuts, start=1)}
    return np.array([place.get(value, -1) for value in values])
