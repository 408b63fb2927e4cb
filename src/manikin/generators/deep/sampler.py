"""Draws rows of a table from a network that was learnt: patient by address, as every sampler does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from manikin.codebook import Domain, IndexDates
from manikin.cohort import Columns, Layout
from manikin.generators.deep.columns import FARTHEST, Column
from manikin.generators.deep.network import Network, Shape, chosen, kept
from manikin.generators.protection import UNPROTECTED, Protection
from manikin.streams import Floats, Ordinals, Seed

# When synthetic patients come, unless told otherwise: when real ones came is nowhere used.
_YEAR = IndexDates(date(2024, 1, 1), date(2024, 12, 31))
_FIRST_SEED = Seed(1)


@dataclass(frozen=True, eq=False)
class TableSampler:
    """Draws patients from a network over declared bins.

    A variational autoencoder's network reads ``latents`` normal deviates. That of a conditional adversarial one reads a
    bin of a variable besides, which are drawn by ``shares``, those of each variable's bins; the former has no need of
    them. ``protection`` says how the patients who were learnt from are protected.
    """

    columns: tuple[Column, ...]
    latents: int
    network: Network
    shares: tuple[Floats, ...] | None = None
    protection: Protection = UNPROTECTED
    title: str = ""
    index_dates: IndexDates = _YEAR
    seed: Seed = _FIRST_SEED

    def seeded(self, seed: Seed) -> TableSampler:
        """Return the same network whose chance follows from another seed."""
        return replace(self, seed=seed)

    @property
    def domain(self) -> Domain:
        """The bins of all variables."""
        return Domain(tuple(column.bins for column in self.columns))

    @property
    def layout(self) -> Layout:
        """The shape of what it makes."""
        return Layout(tuple(column.field for column in self.columns), self.index_dates)

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of the patients with these ordinals, ascending."""
        hidden = self.network.hidden(self._entering(ordinals))
        codes = self._codes(hidden, ordinals)
        scores = self._scores(hidden, codes, ordinals)
        found: dict[str, npt.NDArray[np.generic]] = {}
        for place, column in enumerate(self.columns):
            found |= column.written(codes[:, place], scores[:, place])
        return found

    def chances(self, ordinals: Ordinals) -> list[Floats]:
        """Return the chances of each variable's bins for these patients, before any is drawn."""
        return self.network.chances(self.network.hidden(self._entering(ordinals)))

    def _entering(self, ordinals: Ordinals) -> Floats:
        latents = [ndtri(self._uniform(ordinals, "latent", str(place))) for place in range(self.latents)]
        if self.shares is None:
            return np.column_stack(latents)
        return np.column_stack([*latents, self._condition(ordinals, self.shares)])

    def _condition(self, ordinals: Ordinals, shares: tuple[Floats, ...]) -> Floats:
        """Return a bin of some variable for each patient, one-hot."""
        flat = np.concatenate(shares) / len(shares)
        place = chosen(np.tile(flat, (len(ordinals), 1)), self._uniform(ordinals, "condition"))
        return np.asarray(place[:, None] == np.arange(len(flat)), np.float64)

    def _codes(self, hidden: Floats, ordinals: Ordinals) -> npt.NDArray[np.int16]:
        return np.column_stack(
            [
                chosen(chances, self._uniform(ordinals, "bin", column.variable.name))
                for column, chances in zip(self.columns, self.network.chances(hidden), strict=True)
            ]
        )

    def _scores(self, hidden: Floats, codes: npt.NDArray[np.int16], ordinals: Ordinals) -> Floats:
        """Return the score of each number within its bin; of other variables 0."""
        found = np.zeros(codes.shape)
        if not self._numeric:
            return found
        centre, spread = self.network.places(hidden, one_hot(codes, self.network.shape.bins))
        for number, place in enumerate(self._numeric):
            deviate = ndtri(self._uniform(ordinals, "place", self.columns[place].variable.name))
            found[:, place] = kept(np.clip(centre[:, number] + spread[:, number] * deviate, -FARTHEST, FARTHEST))
        return found

    @cached_property
    def _numeric(self) -> tuple[int, ...]:
        return tuple(place for place, column in enumerate(self.columns) if column.variable.numeric)

    def _uniform(self, ordinals: Ordinals, *name: str) -> Floats:
        return self.seed.stream("deep", *name).uniform_at(ordinals)


def shape_of(columns: tuple[Column, ...], enters: int, hidden: tuple[int, ...]) -> Shape:
    """Return the shape of a network that writes these columns."""
    numbers = sum(column.variable.numeric for column in columns)
    return Shape(enters, hidden, tuple(column.bins.count for column in columns), numbers)


def one_hot(codes: npt.NDArray[np.int16], bins: tuple[int, ...]) -> Floats:
    """Return the bins of all variables side by side, 1 for each that is meant, shape (patients, bins of all)."""
    found = np.zeros((len(codes), sum(bins)))
    starts = np.cumsum((0, *bins[:-1]))
    np.put_along_axis(found, codes + starts, 1, axis=1)
    return found
