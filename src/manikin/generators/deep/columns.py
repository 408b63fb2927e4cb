"""How a table of people enters a network and leaves it: each variable in its declared bins, and where within the bin.

A bin is one of a number's intervals between declared cuts and limits, one of a category's levels, or that there is no
value. Each bin of a number has a few parts, whose shares say how values lie within it: equal ones between two cuts, and
ones that double towards a limit, where values thin out. By them a value has a normal score within its bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from manikin.codebook import Bins, Codes, Kind, Variable, bins_of, snap
from manikin.cohort import Columns, Field, observed
from manikin.errors import RequestError
from manikin.generators.sequence.scale import grid
from manikin.streams import Floats

# Where the parts of a bin end, from its beginning: below the first cut, between two, and beyond the last.
_PARTS = np.array([[0, 0.5, 0.75, 0.875, 1], [0, 0.25, 0.5, 0.75, 1], [0, 0.125, 0.25, 0.5, 1]])
PARTS = _PARTS.shape[1] - 1
# The farthest that a score lies from the middle of its bin.
FARTHEST = 3.0


@dataclass(frozen=True)
class Column:
    """A variable as it is learnt; ``missing`` says whether there may be no value, ``static`` whether it never changes."""

    variable: Variable
    missing: bool = False
    static: bool = False

    def __post_init__(self) -> None:
        """Refuse a variable without declared bins, or a number without limits."""
        if self.variable.kind is Kind.DATE:
            raise RequestError(f"'{self.variable.name}' is a date, which is not learnt. Leave it out of the mapping.")
        if self.bins.count and self.variable.numeric:
            low, high, _ = grid(self.variable)
            outside = [cut for cut in self.variable.cuts if not low < cut <= high]
            if outside:
                raise RequestError(
                    f"'{self.variable.name}' has bins at {', '.join(f'{cut:g}' for cut in outside)}, beyond its limits. "
                    f"Cut between {low:g} and {high:g}."
                )

    @cached_property
    def bins(self) -> Bins:
        """The declared bins."""
        return bins_of(self.variable, missing=self.missing)

    @property
    def field(self) -> Field:
        """Its place in a cohort: on record, or not for some."""
        unseen = self.missing and self.variable.kind is Kind.CONDITION
        return Field(self.variable, data=True, static=self.static, masked=unseen)

    @cached_property
    def _steps(self) -> tuple[Any, Any]:
        """The first step of the grid in each bin, and how many there are; a bin that holds none takes the nearest."""
        low, high, step = grid(self.variable)
        last = np.floor(high / step + 1e-9)
        first = np.ceil(np.array([low, *self.variable.cuts]) / step - 1e-9)
        count = np.append(first[1:], last + 1) - first
        return np.minimum(first, last), np.maximum(count, 1)

    @cached_property
    def _edges(self) -> Floats:
        """Where the parts of each bin of a number end, shape (bins, parts + 1); of one bin alone they are equal."""
        kind = np.ones(len(self.variable.cuts) + 1, np.int64)
        if len(kind) > 1:
            kind[0], kind[-1] = 0, 2
        return np.asarray(_PARTS[kind])

    @property
    def even(self) -> Floats:
        """The shares of the parts of each bin, shape (bins, parts), where values are spread evenly."""
        return np.diff(self._edges, axis=1)

    def read(self, values: Any) -> tuple[Codes, Floats]:
        """Return the bin of each value and where in it a number lies, above 0 and below 1; NaN where there is none."""
        numbers = np.asarray(values, np.float64)
        codes = self.bins.codes(numbers)
        if not self.variable.numeric:
            return codes, np.full(len(codes), np.nan)
        first, count = self._steps
        inside = np.minimum(codes, len(first) - 1)
        place = np.rint(np.nan_to_num(numbers) / grid(self.variable)[2]) - first[inside]
        share = (np.clip(place, 0, count[inside] - 1) + 0.5) / count[inside]
        return codes, np.where(np.isnan(numbers), np.nan, share)

    def parts(self, codes: Codes, places: Floats) -> npt.NDArray[np.int64]:
        """Return how many values lie in each part of each bin, shape (bins, parts)."""
        known = ~np.isnan(places)
        inside, place = codes[known].astype(np.int64), places[known]
        part = (place[:, None] >= self._edges[inside, 1:-1]).sum(axis=1)
        size = self._edges.shape[0] * PARTS
        return np.bincount(inside * PARTS + part, minlength=size).reshape(-1, PARTS).astype(np.int64)

    def scores(self, codes: Codes, places: Floats, shares: Floats) -> Floats:
        """Return normal scores of places within bins whose parts have these ``shares``; NaN where there is no place."""
        below, edges = self._inside(codes, shares)
        part = (places[:, None] >= edges[:, 1:-1]).sum(axis=1)
        rows = np.arange(len(part))
        within = (places - edges[rows, part]) / (edges[rows, part + 1] - edges[rows, part])
        share = below[rows, part] + within * (below[rows, part + 1] - below[rows, part])
        return np.asarray(np.clip(ndtri(share), -FARTHEST, FARTHEST))

    def places(self, codes: Codes, scores: Floats, shares: Floats) -> Floats:
        """Return the places of normal scores, the reverse of ``scores``."""
        below, edges = self._inside(codes, shares)
        share = ndtr(scores)
        part = (share[:, None] >= below[:, 1:-1]).sum(axis=1)
        rows = np.arange(len(part))
        width = np.maximum(below[rows, part + 1] - below[rows, part], 1e-300)
        within = np.clip((share - below[rows, part]) / width, 0, 1)
        return np.asarray(edges[rows, part] + within * (edges[rows, part + 1] - edges[rows, part]))

    def _inside(self, codes: Codes, shares: Floats) -> tuple[Floats, Floats]:
        """Return of each value's bin the shares below the ends of its parts, and those ends."""
        inside = np.minimum(codes, len(shares) - 1)
        below = np.column_stack([np.zeros(len(shares)), np.cumsum(shares, axis=1)])
        return (below / below[:, -1:])[inside], self._edges[inside]

    def written(self, codes: Codes, places: Floats) -> Columns:
        """Return the columns of a cohort that hold these bins and places: on the grid, within the bin and the limits."""
        name, absent = (
            self.variable.name,
            codes == self.bins.count - 1 if self.missing else np.zeros(len(codes), np.bool_),
        )
        if self.variable.kind is Kind.CONDITION:
            seen = {observed(name): ~absent} if self.missing else {}
            return {name: (codes == 1) & ~absent, **seen}
        if self.variable.kind is Kind.CATEGORY:
            return {name: np.where(absent, -1, codes).astype(np.int8)}
        first, count = self._steps
        inside = np.minimum(codes, len(first) - 1)
        place = np.clip(np.floor(places * count[inside]), 0, count[inside] - 1)
        step = grid(self.variable)[2]
        return {name: np.where(absent, np.nan, snap((first[inside] + place) * step, step))}
