"""One fact about a population: how many patients fall into each cell of a table, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.codebook import Bins
from manikin.streams import Floats


@dataclass(frozen=True)
class Aggregate:
    """A table of counts over declared bins.

    ``values`` are numbers of patients, shape of the ``axes``; NaN where a cell is suppressed. ``noise`` is the standard
    deviation of what was added to each cell on purpose, in patients, 0 for exact counts; sampling error, which every
    table has besides, follows from the counts. ``mechanism`` says how it was made, ``rho`` what it cost in
    zero-concentrated differential privacy (0 where it is no such measurement), ``receipt`` under which entry of the
    ledger.
    """

    axes: tuple[Bins, ...]
    values: Floats
    noise: float
    mechanism: str
    rho: float = 0.0
    receipt: str = ""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The variables, in the order of the table's axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which cells are told."""
        return np.isfinite(self.values)
