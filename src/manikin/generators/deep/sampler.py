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
# Shares are matched on so many patients, in so many rounds; below the least share a bin is as good as empty.
_PILOT, _ROUNDS = 20_000, 12
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class TableSampler:
    """Draws patients from a network over declared bins.

    The network reads ``latents`` normal deviates; a ``conditional`` one also a bin of some variable, which a patient is
    given by ``shares``, those of each variable's bins. ``within`` are the shares of the parts of each bin of each number, in
    order. ``protection`` says how the patients who were learnt from are protected.
    """

    columns: tuple[Column, ...]
    latents: int
    network: Network
    shares: tuple[Floats, ...]
    within: tuple[Floats, ...]
    conditional: bool = False
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
        given = self._given(ordinals)
        hidden = self._hidden(ordinals, given)
        codes = np.column_stack(
            [
                chosen(chances, self._uniform(ordinals, "bin", column.variable.name))
                for column, chances in zip(self.columns, self._chances(hidden, given), strict=True)
            ]
        )
        places = self._places(hidden, codes, ordinals)
        found: dict[str, npt.NDArray[np.generic]] = {}
        for number, column in enumerate(self.columns):
            found |= column.written(codes[:, number], places[:, number])
        return found

    def _hidden(self, ordinals: Ordinals, given: Floats) -> Floats:
        latents = [ndtri(self._uniform(ordinals, "latent", str(place))) for place in range(self.latents)]
        return self.network.hidden(np.column_stack([*latents, given]))

    def _given(self, ordinals: Ordinals) -> Floats:
        """Return the bin of some variable that each patient is given, one-hot; of no width where none are."""
        if not self.conditional:
            return np.zeros((len(ordinals), 0))
        flat = np.concatenate(self.shares) / len(self.shares)
        place = chosen(np.tile(flat, (len(ordinals), 1)), self._uniform(ordinals, "given"))
        return np.asarray(place[:, None] == np.arange(len(flat)), np.float64)

    def _chances(self, hidden: Floats, given: Floats) -> list[Floats]:
        """Return the chances of each variable's bins: 1 for one that is given, else as the network says."""
        chances = self.network.chances(hidden)
        if not self.conditional:
            return chances
        parts = np.split(given, self.network.ends[:-1], axis=1)
        return [np.where(part.any(axis=1, keepdims=True), part, one) for part, one in zip(parts, chances, strict=True)]

    def _places(self, hidden: Floats, codes: npt.NDArray[np.int16], ordinals: Ordinals) -> Floats:
        """Return where each number lies in its bin; of other variables 0."""
        found, shape = np.zeros(codes.shape), self.network.shape
        centre = np.zeros((len(codes), len(self._numeric)))
        spread = np.ones_like(centre)
        if shape.numbers:
            centre, spread = self.network.places(hidden, one_hot(codes, shape.bins))
        for number, place in enumerate(self._numeric):
            column = self.columns[place]
            deviate = ndtri(self._uniform(ordinals, "place", column.variable.name))
            score = kept(np.clip(centre[:, number] + spread[:, number] * deviate, -FARTHEST, FARTHEST))
            found[:, place] = column.places(codes[:, place], score, self.within[number])
        return found

    @cached_property
    def _numeric(self) -> tuple[int, ...]:
        return tuple(place for place, column in enumerate(self.columns) if column.variable.numeric)

    def _uniform(self, ordinals: Ordinals, *name: str) -> Floats:
        return self.seed.stream("deep", *name).uniform_at(ordinals)


def shape_of(columns: tuple[Column, ...], enters: int, hidden: tuple[int, ...], *, places: bool) -> Shape:
    """Return the shape of a network that writes these columns, and with ``places`` says where in bins numbers lie."""
    numbers = sum(column.variable.numeric for column in columns) if places else 0
    return Shape(enters, hidden, tuple(column.bins.count for column in columns), numbers)


def one_hot(codes: npt.NDArray[np.int16], bins: tuple[int, ...]) -> Floats:
    """Return the bins of all variables side by side, 1 for each that is meant, shape (patients, bins of all)."""
    found = np.zeros((len(codes), sum(bins)))
    starts = np.cumsum((0, *bins[:-1]))
    np.put_along_axis(found, codes + starts, 1, axis=1)
    return found


def matched(sampler: TableSampler) -> TableSampler:
    """Return the sampler whose bins have its ``shares``, by other biases; what goes together stays as it was learnt.

    Shares were bought before, so that this costs nothing.
    """
    wanted = np.log(np.maximum(np.concatenate(sampler.shares), _LEAST_SHARE))
    given = sampler._given(np.arange(_PILOT))
    hidden = sampler._hidden(np.arange(_PILOT), given)
    for _ in range(_ROUNDS):
        found = np.concatenate([one.mean(axis=0) for one in sampler._chances(hidden, given)])
        bias = sampler.network.weights["bins.bias"] + wanted - np.log(np.maximum(found, _LEAST_SHARE))
        sampler = replace(sampler, network=sampler.network.with_weights({"bins.bias": bias}))
    return sampler
