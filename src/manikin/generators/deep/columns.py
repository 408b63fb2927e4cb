"""How a table of people enters a network and leaves it: each variable in its declared bins, and where within the bin.

A bin is one of a number's intervals between declared cuts and limits, one of a category's levels, or that there is no
value. Within its bin a number has a normal score, 0 in the middle, spread as a standard normal where values are even.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from manikin.codebook import Bins, Codes, Kind, Variable, bins_of, snap
from manikin.cohort import Columns, Field, observed
from manikin.errors import RequestError
from manikin.generators.sequence.scale import grid
from manikin.streams import Floats

# The farthest that a place within a bin can lie from its middle, in normal scores.
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

    def read(self, values: Any) -> tuple[Codes, Floats]:
        """Return the bin of each value and its score within it, 0 where it has none; see ``codebook.Bins.codes``."""
        numbers = np.asarray(values, np.float64)
        codes = self.bins.codes(numbers)
        if not self.variable.numeric:
            return codes, np.zeros(len(codes))
        first, count = self._steps
        inside = np.minimum(codes, len(first) - 1)
        place = np.rint(np.nan_to_num(numbers) / grid(self.variable)[2]) - first[inside]
        share = (np.clip(place, 0, count[inside] - 1) + 0.5) / count[inside]
        known = ~np.isnan(numbers)
        return codes, np.where(known, np.clip(ndtri(share), -FARTHEST, FARTHEST), 0)

    def written(self, codes: Codes, scores: Floats) -> Columns:
        """Return the columns of a cohort that hold these bins and scores: on the grid, within the bin and the limits."""
        name, absent = self.variable.name, codes == self.bins.count - 1 if self.missing else np.zeros(len(codes), np.bool_)
        if self.variable.kind is Kind.CONDITION:
            seen = {observed(name): ~absent} if self.missing else {}
            return {name: (codes == 1) & ~absent, **seen}
        if self.variable.kind is Kind.CATEGORY:
            return {name: np.where(absent, -1, codes).astype(np.int8)}
        first, count = self._steps
        inside = np.minimum(codes, len(first) - 1)
        place = np.minimum(np.floor(ndtr(scores) * count[inside]), count[inside] - 1)
        step = grid(self.variable)[2]
        return {name: np.where(absent, np.nan, snap((first[inside] + place) * step, step))}
