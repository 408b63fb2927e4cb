"""People as a table that a network can learn: one patient a row, in declared bins and by the place within them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.codebook import Codes
from manikin.errors import RealDataError
from manikin.generators.deep import PARTS, Column, one_hot
from manikin.real_data.learning.generator import Allowance
from manikin.streams import Floats

Singles = npt.NDArray[np.float32]

# Shares are kept on a step, so that a file in single precision holds them exactly.
_SHARE_STEP = 2.0**-20
# A bin for those without a value, whose count is below so many standard deviations of its noise, is taken for empty.
_DOUBTFUL = 2.0
# Of what margins may cost, the part for places within bins.
_PARTS_COST = 0.2


@dataclass(frozen=True, eq=False)
class Table:
    """Patients: their bins, and where in its bin each number lies, NaN for none; both of shape (patients, variables)."""

    columns: tuple[Column, ...]
    codes: Codes
    places: Floats

    @property
    def size(self) -> int:
        """How many patients."""
        return len(self.codes)

    @property
    def bins(self) -> tuple[int, ...]:
        """How many bins each variable has."""
        return tuple(column.bins.count for column in self.columns)

    @cached_property
    def rows(self) -> Singles:
        """The bins of all variables, one-hot, shape (patients, bins of all)."""
        return one_hot(self.codes, self.bins).astype(np.float32)

    @property
    def numeric(self) -> tuple[int, ...]:
        """The places of the variables that are numbers."""
        return tuple(place for place, column in enumerate(self.columns) if column.variable.numeric)

    def scores(self, within: tuple[Floats, ...]) -> Singles:
        """Return the scores of numbers in bins whose parts have these shares, shape (patients, numbers); NaN for none."""
        found = [
            self.columns[place].scores(self.codes[:, place], self.places[:, place], shares)
            for place, shares in zip(self.numeric, within, strict=True)
        ]
        return np.column_stack([np.zeros((self.size, 0)), *found]).astype(np.float32)


def table_of(columns: Iterable[Column], values: Mapping[str, Any]) -> Table:
    """Return a table of patients.

    Args:
        columns: What is learnt.
        values: For each variable one number a patient, shape (patients,); NaN for none, levels by their number.

    Raises:
        RealDataError: There is nobody.
        RequestError: A value is missing, and no bin was declared for that.
    """
    columns = tuple(columns)
    read = [column.read(values[column.variable.name]) for column in columns]
    if not columns or not len(read[0][0]):
        raise RealDataError("There are no patients to learn from. Nothing was spent.")
    codes, places = (np.column_stack(part) for part in zip(*read, strict=True))
    return Table(columns, codes, places)


@dataclass(frozen=True, eq=False)
class Margins:
    """What is known of variables one by one: the shares of their bins, and of the parts of each bin of a number.

    ``patients`` is how many there are; with an allowance all of it is noisy, and ``receipts`` say that it was bought.
    """

    shares: tuple[Floats, ...]
    within: tuple[Floats, ...]
    patients: float
    receipts: tuple[str, ...] = ()


def margins_of(table: Table, allowance: Allowance | None) -> Margins:
    """Return the margins of a table, for all of an allowance if there is one."""
    numbers = [table.columns[place] for place in table.numeric]
    fine = [
        one.parts(table.codes[:, place], table.places[:, place])
        for one, place in zip(numbers, table.numeric, strict=True)
    ]
    counts = np.split(table.rows.sum(axis=0, dtype=np.float64), np.cumsum(table.bins)[:-1])
    if allowance is None:
        within = tuple(_shares(part, one.even) for part, one in zip(fine, numbers, strict=True))
        return Margins(tuple(_shares(part, np.zeros_like(part)) for part in counts), within, float(table.size))
    bins, bins_noise, first = _bought(counts, allowance.part(1 - _PARTS_COST if fine else 1), "bins of variables")
    for part, column in zip(bins, table.columns, strict=True):
        if column.missing and part[-1] < _DOUBTFUL * bins_noise:
            part[-1] = 0
    # Each variable counts everybody: those with fewer bins with less noise.
    patients = np.average([part.sum() for part in bins], weights=[1 / len(part) for part in bins])
    shares = tuple(_shares(part, np.full_like(part, 1e-3)) for part in bins)
    if not fine:
        return Margins(shares, (), max(float(patients), 1.0), (first,))
    parts, parts_noise, second = _bought(fine, allowance.part(_PARTS_COST), "parts of the bins of numbers")
    # What is lost in noise is taken for even.
    within = tuple(_shares(part, PARTS * parts_noise * one.even) for part, one in zip(parts, numbers, strict=True))
    return Margins(shares, within, max(float(patients), 1.0), (first, second))


def _bought(counts: list[Any], allowance: Allowance, what: str) -> tuple[list[Floats], float, str]:
    """Return noisy counts, of which a patient changes one in each table, with their noise and the receipt."""
    sensitivity = math.nextafter(math.sqrt(len(counts)), math.inf)
    whole = np.concatenate([part.ravel() for part in counts]).astype(np.int64)
    noisy = allowance.counts(whole, f"{what}, {len(counts)} tables, one variable each", sensitivity)
    parts = np.split(noisy.values.astype(np.float64), np.cumsum([part.size for part in counts])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, counts, strict=True)], noisy.sigma, noisy.receipt


def _shares(counts: Any, besides: Floats) -> Floats:
    """Return shares of counts, by row, with so many taken to be seen ``besides``; a row of nobody is even."""
    kept = np.maximum(counts, 0) + besides
    total = kept.sum(axis=-1, keepdims=True)
    shares = np.where(total > 0, kept / np.where(total > 0, total, 1), 1 / kept.shape[-1])
    return np.asarray(np.rint(shares / _SHARE_STEP) * _SHARE_STEP)
