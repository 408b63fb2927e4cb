"""The bins in which facts about populations are counted: declared beforehand, so that they can't leak.

A number falls between cuts, which stand at decision thresholds and reference limits; a category or a condition has a
bin for each of its levels; whoever may have no value on record has a last bin of their own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.codebook.variable import Kind, Variable
from manikin.errors import RequestError, closest

MISSING = "missing"
YES_NO = ("no", "yes")

Codes = npt.NDArray[np.int16]
"""Which bin each patient falls into, one column for each variable."""


@dataclass(frozen=True)
class Bins:
    """The bins of one variable, or of one question about a patient's course.

    ``levels`` are the values of a category or condition; ``cuts`` the inner edges of a number's bins, the lower edge
    belonging to a bin; ``step`` is the step to which the number is reported; ``missing`` says whether there is a last
    bin for those without a value.
    """

    name: str
    levels: tuple[str, ...] = ()
    cuts: tuple[float, ...] = ()
    unit: str = ""
    step: float | None = None
    missing: bool = False

    @property
    def count(self) -> int:
        """How many bins there are."""
        return (len(self.levels) or len(self.cuts) + 1) + self.missing

    @property
    def labels(self) -> tuple[str, ...]:
        """What each bin is called."""
        edges = [f"{cut:g}" for cut in self.cuts]
        between = (f"{low} to <{high}" for low, high in itertools.pairwise(edges))
        numbers = (f"<{edges[0]}", *between, f">={edges[-1]}") if edges else ("any",)
        return (*(self.levels or numbers), *((MISSING,) if self.missing else ()))

    def codes(self, values: Any) -> Codes:
        """Return the bin of each value: NaN, and codes of levels below 0, are missing.

        Raises:
            RequestError: There are missing values, and no bin for them.
        """
        numbers = np.asarray(values, np.float64)
        absent = ~(numbers >= 0) if self.levels else np.isnan(numbers)
        found = (
            np.where(absent, 0, numbers).astype(np.int16)
            if self.levels
            else np.searchsorted(np.array(self.cuts), numbers, side="right").astype(np.int16)
        )
        if absent.any():
            if not self.missing:
                raise RequestError(f"'{self.name}' has no value on record for some, and no bin for them.")
            found[absent] = self.count - 1
        return found

    def written(self) -> dict[str, Any]:
        """Return the bins as they stand in a file."""
        scale: dict[str, Any] = {"levels": list(self.levels)} if self.levels else {"cuts": list(self.cuts)}
        return {
            "name": self.name,
            **scale,
            **({"unit": self.unit} if self.unit else {}),
            **({"step": self.step} if self.step else {}),
            **({"missing": True} if self.missing else {}),
        }


def bins_of(variable: Variable, *, missing: bool) -> Bins:
    """Return the bins of a variable.

    Raises:
        RequestError: It is a number without declared bins.
    """
    if variable.numeric and not variable.cuts:
        raise RequestError(
            f"'{variable.name}' has no bins. They have to be declared in the model, since bins that are read off "
            f"records would leak. Write, for example: {variable.name}: {{bins: [10, 20, 30]}}"
        )
    levels = () if variable.numeric else variable.levels or YES_NO
    return Bins(variable.name, levels, variable.cuts, variable.unit, variable.precision, missing)


def drawn_from(variable: Variable, cut: float) -> float:
    """Return the least number that, drawn and then snapped to the variable's step, is reported as ``cut`` or more."""
    if variable.kind is Kind.COUNT:
        return float(math.ceil(cut))
    step = variable.precision
    # A cut between two steps belongs to the upper one.
    return cut if step is None else math.ceil(cut / step - 1e-6) * step - step / 2


@dataclass(frozen=True)
class Domain:
    """The bins of several variables: the space in which marginals are counted."""

    axes: tuple[Bins, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each variable."""
        return {axis.name: place for place, axis in enumerate(self.axes)}

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins each variable has."""
        return tuple(axis.count for axis in self.axes)

    def of(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the places of variables.

        Raises:
            RequestError: One of them is not here.
        """
        wanted = tuple(names)
        for name in wanted:
            if name not in self.places:
                raise RequestError(f"There is no variable '{name}' in this domain. {closest(name, self.places)}")
        return tuple(self.places[name] for name in wanted)

    def codes(self, columns: Mapping[str, Any]) -> Codes:
        """Return the bin of each value, shape (patients, variables)."""
        return np.column_stack([axis.codes(columns[axis.name]) for axis in self.axes])
