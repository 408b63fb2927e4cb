"""Numbers that are wrong on record: rounded, in another unit, in each other's place, mistyped, or measured badly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.cohort.defects.defect import Aim, Dose, Drawn, Records, per_variable, sourced
from manikin.errors import RequestError
from manikin.streams import Floats


@dataclass(frozen=True)
class Heaping:
    """Digit preference: values are written down as the nearest multiple of ``to``."""

    variables: tuple[str, ...]
    dose: Dose
    to: float
    source: str = ""

    name = "heaping"

    def __post_init__(self) -> None:
        """Refuse a step of nothing."""
        if not self.to > 0:
            raise RequestError(f"Values are heaped to multiples of a number above 0; got {self.to:g}.")

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for each variable."""
        return per_variable(self.variables, self.dose)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the rounded values."""
        return _altered(records, self.variables, drawn, lambda values: np.rint(values / self.to) * self.to)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), "to": self.to, **self.dose.written()}, self.source)


@dataclass(frozen=True)
class UnitMixUp:
    """Values are written down in another unit, ``factor`` times as large."""

    variables: tuple[str, ...]
    dose: Dose
    factor: float
    source: str = ""

    name = "unit-mix-up"

    def __post_init__(self) -> None:
        """Refuse a factor that is none between units."""
        if not self.factor > 0 or self.factor == 1:
            raise RequestError(f"A factor between units lies above 0 and is not 1; got {self.factor:g}.")

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for each variable."""
        return per_variable(self.variables, self.dose)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the values in the other unit."""
        return _altered(records, self.variables, drawn, lambda values: values * self.factor)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), "factor": self.factor, **self.dose.written()}, self.source)


@dataclass(frozen=True)
class Swapped:
    """Two values stand in each other's place."""

    variables: tuple[str, str]
    dose: Dose
    source: str = ""

    name = "swapped"

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for both; both have to be on record."""
        return (Aim(self.variables, self.dose, every=True),)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the two values exchanged."""
        one, other = self.variables
        first, second = records.values[one], records.values[other]
        struck = drawn[0].struck
        return records.changed(one, second, struck).changed(other, first, struck)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), **self.dose.written()}, self.source)


@dataclass(frozen=True)
class TypingError:
    """The decimal point stands one place too far to the right or to the left, as often one as the other."""

    variables: tuple[str, ...]
    dose: Dose
    source: str = ""

    name = "typing-error"

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for each variable."""
        return per_variable(self.variables, self.dose)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the mistyped values, which keep all their digits."""
        for name, one in zip(self.variables, drawn, strict=True):
            value = records.values[name]
            digits = records.meanings[name].decimals + 1
            moved = np.where(one.luck < 0.5, np.round(value * 10, digits), np.round(value / 10, digits))
            records = records.changed(name, moved, one.struck)
        return records

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), **self.dose.written()}, self.source)


@dataclass(frozen=True)
class Offset:
    """Values are too high by a fixed amount, as from a device that suits a subgroup less; too low, where negative."""

    variables: tuple[str, ...]
    dose: Dose
    by: float
    source: str = ""

    name = "offset"

    def __post_init__(self) -> None:
        """Refuse an offset of nothing."""
        if self.by == 0:
            raise RequestError("An offset of 0 changes nothing.")

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for each variable."""
        return per_variable(self.variables, self.dose)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the shifted values."""
        return _altered(records, self.variables, drawn, lambda values: values + self.by)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), "by": self.by, **self.dose.written()}, self.source)


def _altered(
    records: Records, variables: tuple[str, ...], drawn: Sequence[Drawn], change: Callable[[Floats], Floats]
) -> Records:
    """Return the records with each variable's struck values changed, to the precision in which it is reported."""
    for name, one in zip(variables, drawn, strict=True):
        records = records.changed(name, records.reportable(name, change(records.values[name])), one.struck)
    return records
