"""The draws of a walk through time: by name, patient and step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from manikin.generators.sequence.domain import Domain, Truths, lifted, snapped
from manikin.generators.sequence.scale import Scale, kept
from manikin.streams import Floats, Ordinals, Seed, Stream


@dataclass(frozen=True, eq=False)
class Chance:
    """Uniform draws of the patients of a shard; the step of a patient is the attempt of the stream."""

    seed: Seed
    ordinals: Ordinals
    _streams: dict[tuple[str, ...], Stream] = field(default_factory=dict)

    def __call__(self, rows: Any, step: int, *name: str) -> Floats:
        """Return the draws of that ``name`` of the patients in these rows, ascending."""
        if name not in self._streams:
            self._streams[name] = self.seed.stream("sequence", *name)
        return self._streams[name].uniform_at(self.ordinals[rows], step)


def normal_above(level: Floats, spread: Floats, uniform: Floats, floor: Floats) -> Floats:
    """Return normal deviates of that level and spread, of those not below ``floor``; -inf is no floor."""
    least = ndtr((floor - level) / spread)
    share = np.clip(least + uniform * (1 - least), 1e-12, 1 - 1e-12)
    return kept(np.maximum(level + spread * ndtri(share), floor))


@dataclass(eq=False)
class Memory:
    """What is known of the patients of a shard while they are drawn, by item: the latest score and value, and when it was.

    ``now`` holds the values of this very minute; ``lately`` says what was recorded at the latest contact.
    """

    domain: Domain
    scales: tuple[Scale, ...]
    score: Floats
    value: Floats
    now: Floats
    when: Floats
    lately: Truths

    @classmethod
    def blank(cls, domain: Domain, scales: tuple[Scale, ...], patients: int) -> Memory:
        """Return the memory of patients of whom nothing is known."""
        shape = (patients, len(domain.items))
        score, value, now, when = np.full((4, *shape), np.nan)
        return cls(domain, scales, score, value, now, when, np.zeros(shape, np.bool_))

    def since(self, rows: Any, step: Any) -> tuple[Floats, Truths]:
        """Return how many minutes ago each item was recorded, NaN for never, and whether at the contact before."""
        return (step[:, None] - self.when[rows]) * self.domain.clock, self.lately[rows]

    def begin_contact(self, rows: Any, step: Any, seen: Truths) -> None:
        """Begin a contact of these patients, at which items are recorded as ``seen`` says."""
        self.now[rows] = np.nan
        self.when[rows] = np.where(seen, step[:, None], self.when[rows])
        self.lately[rows] = seen

    def floor(self, item: int, rows: Any) -> Floats:
        """Return the score below which a value of ``item`` would fall below another value of this minute."""
        lowest = self._lowest(item, rows)
        return np.where(np.isnan(lowest), -np.inf, self.scales[item].floor(np.nan_to_num(lowest)))

    def note(self, item: int, rows: Any, score: Floats, carried: Truths) -> Floats:
        """Keep the scores of ``item`` and return their values: on the grid, possible, and ascending where they have to.

        Those ``carried`` are the values before.
        """
        variable = self.domain.items[item].variable
        value = np.where(carried, self.value[rows, item], snapped(variable, self.scales[item].values(score)))
        value = np.fmax(value, lifted(variable, self._lowest(item, rows)))
        self.score[rows, item], self.value[rows, item] = score, value
        self.now[rows, item] = value
        return value

    def _lowest(self, item: int, rows: Any) -> Floats:
        below = self.domain.floors[item]
        lowest = np.full(len(rows), np.nan)
        for other in below:
            lowest = np.fmax(lowest, self.now[rows, other])
        return lowest
