"""Suppresses small cells of exact tables, and as many more that nobody can work the small ones out from the others.

This is no differential privacy: who knows a good deal already may still learn something. What holds is that from all
tables together, their shared margins and the number of patients, every suppressed cell can only be narrowed down to
an interval at least as wide as the smallest count that is told. The intervals are found by linear programming.

Source of the criterion: Fischetti and Salazar-González, Solving the cell suppression problem on tabular data with
linear constraints, Management Science 2001;47:1008, doi:10.1287/mnsc.47.7.1008.9805.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from manikin.codebook import Bins
from manikin.errors import RealDataError
from manikin.real_data.questions import Counts
from manikin.streams import Floats

Truths = npt.NDArray[np.bool_]

# Up to so many cells, the attacker is given the joint table of all variables, which is all that can be known; beyond,
# what tables share two by two.
MOST_JOINT_CELLS = 2_000
_SLACK = 1e-6


@dataclass(frozen=True, eq=False)
class Table:
    """An exact table, and which of its cells are not told; those that are ``plain`` always are."""

    axes: tuple[Bins, ...]
    counts: Counts
    hidden: Truths
    plain: Truths

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(axis.name for axis in self.axes)

    @property
    def left(self) -> Truths:
        """The cells that are told and may be hidden yet."""
        return ~(self.hidden | self.plain)


def suppress(asked: Sequence[tuple[tuple[Bins, ...], Counts]], total: int, min_cell: int) -> tuple[Table, ...]:
    """Return tables of the same patients, in which every count below ``min_cell`` is hidden, and safely so.

    Told is, however, where everybody has a value on record: that nobody is in a bin of missing values.

    Args:
        asked: Axes and exact counts of each table.
        total: The number of patients, which is told.
        min_cell: The smallest count that is told.

    Raises:
        RealDataError: There are fewer patients than that, so that nothing can be told.
    """
    if total < min_cell:
        raise RealDataError(f"There are fewer than {min_cell} patients, so that nothing can be told of them.")
    plain = [_nobody_lacks(axes, counts) for axes, counts in asked]
    tables = [
        Table(axes, counts, (counts < min_cell) & ~told, told)
        for (axes, counts), told in zip(asked, plain, strict=True)
    ]
    before = -1
    while narrow := _narrow(tables, total, min_cell):
        if before == (before := sum(int(table.hidden.sum()) for table in tables)):
            raise RealDataError("These tables can't be told safely together. Ask for fewer, or with --epsilon.")
        # A table that is hidden as a whole needs help from others; one that becomes so only now may be safe by that.
        whole = [table for table in tables if not table.left.any()]
        for table, cell in narrow:
            _hide_beside(table, cell, tables if table in whole else [])
    return tuple(tables)


def intervals(tables: Sequence[Table], total: int, enough: float = np.inf) -> list[Floats]:
    """Return between what every cell lies, by all that is told: shape of the table and two; told cells are a point.

    Intervals that are found to be wider than ``enough`` are not looked at any further.
    """
    attack = _Attack(tuple(tables), total)
    return attack.intervals(enough)


def _nobody_lacks(axes: tuple[Bins, ...], counts: Counts) -> Truths:
    """Return which cells are in a bin of missing values in which nobody is at all."""
    empty = np.zeros(counts.shape, np.bool_)
    for place, axis in enumerate(axes):
        if axis.missing and not counts.take(-1, axis=place).any():
            np.moveaxis(empty, place, 0)[-1] = True
    return empty


def _narrow(tables: Sequence[Table], total: int, min_cell: int) -> list[tuple[Table, tuple[int, ...]]]:
    found = []
    for table, interval in zip(tables, intervals(tables, total, min_cell), strict=True):
        width = interval[..., 1] - interval[..., 0]
        cells = np.argwhere(table.hidden & (width < min_cell - _SLACK))
        found += [(table, tuple(int(one) for one in cell)) for cell in cells]
    return found


def _hide_beside(table: Table, cell: tuple[int, ...], others: Sequence[Table]) -> None:
    """Hide the smallest told cells beside a narrow one.

    They stand in each line through it that hides nothing else; where there is no such line, in any line; where all of
    them are hidden, in the table, or in the smallest of ``others`` that shares a variable.
    """
    lines = [tuple(slice(None) if axis == free else at for axis, at in enumerate(cell)) for free in range(len(cell))]
    told = [line for line in lines if table.left[line].any()]
    alone = [line for line in told if table.hidden[line].sum() == 1]
    linked = [one for one in others if set(one.names) & set(table.names) and one.left.any()]
    if told:
        for line in alone or told[:1]:
            _hide_smallest(table, line)
    elif table.left.any():
        _hide_smallest(table, ...)
    elif linked:
        _hide_smallest(min(linked, key=lambda one: len(one.axes)), ...)


def _hide_smallest(table: Table, where: Any) -> None:
    """Hide the smallest cell that may be hidden yet in a part of a table, if there is one."""
    part, left, hidden = table.counts[where], table.left[where], table.hidden[where]
    if left.any():
        cell = np.argmin(np.where(left, part, np.iinfo(np.int64).max))
        hidden[np.unravel_index(cell, hidden.shape)] = True


@dataclass(frozen=True, eq=False)
class _Attack:
    """All that somebody can compute who has the tables: the unknown cells, and the sums that they must add up to.

    Unknowns are the hidden cells of the tables in their order; after them, where it is small enough, those of the
    joint table of all variables, of which each table is a margin.
    """

    tables: tuple[Table, ...]
    total: int

    def intervals(self, enough: float) -> list[Floats]:
        """Return between what every cell lies."""
        low, high = self._ranges(enough)
        found = []
        for table, numbers in zip(self.tables, self._numbers, strict=True):
            ends = np.stack([table.counts, table.counts], axis=-1).astype(np.float64)
            mine = numbers[table.hidden]
            ends[table.hidden] = np.stack([low[mine], high[mine]], axis=-1)
            found.append(ends)
        return found

    def _ranges(self, enough: float) -> tuple[Floats, Floats]:
        """Return the least and largest value that was reached of each hidden cell; every solution tells of many."""
        truth = np.concatenate([table.counts[table.hidden] for table in self.tables]).astype(np.float64)
        low, high = truth.copy(), truth.copy()
        for part, inside, due in self._parts():
            mine = part[part < len(truth)]
            for number, sign in itertools.product(range(len(mine)), (1.0, -1.0)):
                if high[mine[number]] - low[mine[number]] < enough:
                    aim = np.zeros(len(part))
                    aim[number] = sign
                    reached = linprog(aim, A_eq=inside, b_eq=due, bounds=(0, self.total), method="highs").x
                    # Without a solution nothing is known to be possible, so that more will be hidden.
                    if reached is not None:
                        low[mine] = np.minimum(low[mine], reached[: len(mine)])
                        high[mine] = np.maximum(high[mine], reached[: len(mine)])
        return low, high

    @cached_property
    def _numbers(self) -> list[Any]:
        """The number of each table's unknown cells, -1 for cells that are told."""
        first, found = 0, []
        for table in self.tables:
            numbers = np.full(table.counts.shape, -1)
            numbers[table.hidden] = first + np.arange(table.hidden.sum())
            first += int(table.hidden.sum())
            found.append(numbers)
        return found

    def _parts(self) -> Iterator[tuple[Any, Any, Floats]]:
        """Yield unknowns that hang together, with their sums; those of different parts tell nothing of each other."""
        sums, due = self._sums()
        rows, columns = sums.shape
        linked = csr_array(([1.0] * sums.nnz, (sums.tocoo().row, sums.tocoo().col + rows)), (rows + columns,) * 2)
        _, labels = connected_components(linked, directed=False)
        for label in np.unique(labels[rows:]):
            part, inside = np.flatnonzero(labels[rows:] == label), labels[:rows] == label
            yield part, sums[inside][:, part], due[inside]

    def _sums(self) -> tuple[Any, Floats]:
        """Return what is known of the unknowns, as sparse sums and what they come to."""
        views = [(one.names, numbers, one.counts) for one, numbers in zip(self.tables, self._numbers, strict=True)]
        views += self._joint()
        rows: list[tuple[dict[int, float], float]] = []
        for names, numbers, counts in views:
            rows += [(cells, self.total - known) for cells, known in _margin(names, numbers, counts, ())]
        for shared in _shared([names for names, _, _ in views]):
            first, *others = (_margin(*view, shared) for view in views if set(shared) <= set(view[0]))
            rows += [
                (cells | {cell: -one for cell, one in theirs.items()}, other - known)
                for margin in others
                for (cells, known), (theirs, other) in zip(first, margin, strict=True)
            ]
        rows = [row for row in rows if row[0]]
        places = [(number, cell, one) for number, (cells, _) in enumerate(rows) for cell, one in cells.items()]
        at, cell, value = zip(*places, strict=True) if places else ((), (), ())
        unknowns = 1 + max((int(numbers.max()) for _, numbers, _ in views), default=-1)
        return csr_array((value, (at, cell)), (len(rows), unknowns)), np.array([due for _, due in rows])

    def _joint(self) -> list[tuple[tuple[str, ...], Any, Counts]]:
        """Return the joint table, of which nothing is told, where it is small enough."""
        axes = {axis.name: axis.count for table in self.tables for axis in table.axes}
        if np.prod([float(count) for count in axes.values()]) > MOST_JOINT_CELLS:
            return []
        first = sum(int(table.hidden.sum()) for table in self.tables)
        numbers = first + np.arange(np.prod(list(axes.values()))).reshape(tuple(axes.values()))
        return [(tuple(axes), numbers, np.zeros(numbers.shape, np.int64))]


def _shared(names: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the sets of variables that two tables share."""
    both = (tuple(name for name in one if name in other) for one, other in itertools.combinations(names, 2))
    return list({frozenset(one): one for one in both if one}.values())


def _margin(
    names: tuple[str, ...], numbers: Any, counts: Counts, kept: tuple[str, ...]
) -> list[tuple[dict[int, float], float]]:
    """Return each cell of a margin: the unknowns in it, and the sum of what is told."""
    places = [names.index(name) for name in kept]
    order = (*places, *(place for place in range(len(names)) if place not in places))
    size = int(np.prod([counts.shape[place] for place in places]))
    unknown, known = (array.transpose(order).reshape(size, -1) for array in (numbers, counts))
    return [
        (dict.fromkeys(cells[cells >= 0].tolist(), 1.0), float(values[cells < 0].sum()))
        for cells, values in zip(unknown, known, strict=True)
    ]
