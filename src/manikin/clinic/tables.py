"""Tables by categories and bands: the shape in which clinical knowledge is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.expressions import Columns, Expression
from manikin.streams import Floats

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """A variable by which a table is broken down: all levels of a category, or bands of a number.

    ``starts`` are the lower ends of the bands, ascending; a band reaches to the start of the next. Patients outside
    all bands read the nearest one, and those whose category is missing the first.
    """

    variable: str
    labels: tuple[str, ...]
    starts: tuple[float, ...] = ()
    end: float = np.inf

    def cell(self, columns: Columns) -> Index:
        """Return which label each patient falls under."""
        values = np.asarray(columns[self.variable])
        if not self.starts:
            return np.maximum(values.astype(np.int64), 0)
        return np.clip(np.searchsorted(self.starts, values, side="right") - 1, 0, len(self.starts) - 1)

    def inside(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """Return which patients fall under any label."""
        values = np.asarray(columns[self.variable])
        if not self.starts:
            return values >= 0
        return (values >= self.starts[0]) & (values < self.end)

    @property
    def middles(self) -> Floats:
        """The middle of each band; one that is open reaches as far as its neighbour does."""
        ends = [*self.starts[1:], self.end]
        widths = [high - low for low, high in zip(self.starts, ends, strict=True)]
        if not np.isfinite(widths[-1]):
            widths[-1] = widths[-2] if len(widths) > 1 else 0.0
        return np.array([low + 0.5 * width for low, width in zip(self.starts, widths, strict=True)])


@dataclass(frozen=True)
class Breakdown:
    """The axes of a table; the last varies fastest. ``smooth`` joins the bands of the last axis by straight lines."""

    axes: tuple[Axis, ...]
    smooth: bool = False

    @property
    def reads(self) -> frozenset[str]:
        """The variables that choose a cell."""
        return frozenset(axis.variable for axis in self.axes)

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """The labels of every cell, in order."""
        found: list[tuple[str, ...]] = [()]
        for axis in self.axes:
            found = [(*prefix, label) for prefix in found for label in axis.labels]
        return tuple(found)

    def cell(self, columns: Columns) -> Index:
        """Return the number of each patient's cell."""
        index = self.axes[0].cell(columns)
        for axis in self.axes[1:]:
            index = index * len(axis.labels) + axis.cell(columns)
        return index

    def gather(self, cells: Sequence[Any], columns: Columns) -> Any:
        """Return the value of each patient's cell, from a value or a column of values for each cell."""
        if not self.axes:
            return cells[0]
        if self.smooth:
            return self._joined(np.array(np.broadcast_arrays(*cells), np.float64), columns)
        if all(np.ndim(value) == 0 for value in cells):
            return np.array(cells, np.float64)[self.cell(columns)]
        index = self.cell(columns)
        gathered = np.empty(index.shape)
        for number, value in enumerate(cells):
            mine = index == number
            gathered[mine] = value[mine] if np.ndim(value) else value
        return gathered

    def _joined(self, known: Floats, columns: Columns) -> Floats:
        axis = self.axes[-1]
        middles = axis.middles
        place = np.interp(columns[axis.variable], middles, np.arange(len(middles)))
        lower = np.minimum(place.astype(np.int64), len(middles) - 2)
        share = place - lower
        first = np.zeros_like(lower)
        for outer in self.axes[:-1]:
            first = first * len(outer.labels) + outer.cell(columns)
        first = first * len(middles) + lower
        low, high = (
            known[cell] if known.ndim == 1 else known[cell, np.arange(cell.size)] for cell in (first, first + 1)
        )
        return np.asarray(low * (1 - share) + high * share)


@dataclass(frozen=True)
class NumberTable:
    """A table of numbers or expressions."""

    breakdown: Breakdown
    cells: tuple[Expression, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What choosing and computing a cell needs."""
        return self.breakdown.reads.union(*(cell.reads for cell in self.cells))

    def compute(self, columns: Columns) -> Any:
        """Return the value of each patient's cell."""
        return self.breakdown.gather([cell.compute(columns) for cell in self.cells], columns)
