"""One fact about a population: how many patients fall into each cell of a table, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from manikin.codebook import Bins
from manikin.errors import AggregatesError
from manikin.streams import Floats


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A table of counts over declared bins.

    ``values`` are numbers of patients, shape of the ``axes``; NaN where a cell is suppressed. ``noise`` is the standard
    deviation of what was added to each cell on purpose, in patients, 0 for exact counts; sampling error, which every
    table has besides, follows from the counts. ``mechanism`` says how it was made, ``rho`` what it cost in
    zero-concentrated differential privacy (0 where it is no such measurement), ``receipt`` under which entry of the
    ledger. ``sites`` are those whose patients it counts, where that is not everybody's table. ``patients`` is the number
    of patients that the table is about, where it is not that of the site: a table of a paper with its own effective one.

    Raises:
        AggregatesError: The table contradicts itself.
    """

    axes: tuple[Bins, ...]
    values: Floats
    noise: float
    mechanism: str
    rho: float = 0.0
    receipt: str = ""
    sites: tuple[str, ...] = ()
    patients: float | None = None

    def __post_init__(self) -> None:
        """Refuse a table that contradicts itself."""
        names = ", ".join(self.attributes) or "nothing"
        if not self.axes or len(set(self.attributes)) < len(self.axes):
            raise AggregatesError(f"A table has an attribute or more, each once; got {names}.")
        shape = tuple(axis.count for axis in self.axes)
        if np.shape(self.values) != shape:
            raise AggregatesError(
                f"The table of {names} has {shape} cells; got values of shape {np.shape(self.values)}."
            )
        if np.isinf(self.values).any():
            raise AggregatesError(
                f"The table of {names} has an infinite value. Write null for a cell that is not told."
            )
        for what, number in (("noise", self.noise), ("rho", self.rho)):
            if not (math.isfinite(number) and number >= 0):
                raise AggregatesError(f"The {what} of the table of {names} is a number of 0 or more; got {number:g}.")
        if self.patients is not None and not (math.isfinite(self.patients) and self.patients > 0):
            raise AggregatesError(f"The table of {names} is about more than 0 patients; got {self.patients:g}.")
        if not self.noise and bool((self.values[self.known] < 0).any()):
            raise AggregatesError(f"The table of {names} has a count below 0, and no noise that could explain it.")

    @property
    def attributes(self) -> tuple[str, ...]:
        """The variables, in the order of the table's axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which cells are told."""
        return np.isfinite(self.values)

    @property
    def total(self) -> float:
        """The number of patients in all cells that are told."""
        return float(np.nansum(self.values))

    def margin(self, names: Sequence[str]) -> Aggregate:
        """Return the table of some of the variables, in the order of ``names``; a sum of cells has all their noise.

        Raises:
            AggregatesError: A variable is not in the table.
        """
        for name in names:
            if name not in self.attributes:
                raise AggregatesError(f"'{name}' is not in the table of {', '.join(self.attributes)}.")
        places = [self.attributes.index(name) for name in names]
        others = tuple(place for place in range(len(self.axes)) if place not in places)
        summed = math.prod(self.axes[place].count for place in others)
        kept = sorted(places)
        values = self.values.sum(axis=others).transpose([kept.index(place) for place in places])
        return replace(
            self,
            axes=tuple(self.axes[place] for place in places),
            values=values,
            noise=self.noise * math.sqrt(summed),
        )
