"""Numbers that are wrong on record: rounded, in another unit, in each other's place, mistyped, or measured badly.

Each strikes what stands on record of a variable at the index, and by a draw of its own each event of it that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtri

from manikin.codebook import Variable
from manikin.cohort.defects.chart import EVENTS, Chart, Strike
from manikin.cohort.defects.defect import (
    Aim,
    Bools,
    Dose,
    Drawn,
    Records,
    per_variable,
    reportable,
    sourced,
    within_limits,
)
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

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for each variable."""
        return _each(self.variables, self.dose)

    def altered(self, meaning: Variable, values: Floats, luck: Floats) -> Floats:  # noqa: ARG002 - nothing is left to it
        """Return the rounded values."""
        return reportable(meaning, np.rint(values / self.to) * self.to)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the rounded values."""
        return _on_record(self, records, drawn)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the rounded values."""
        return _over_time(self, chart, drawn)

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

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for each variable."""
        return _each(self.variables, self.dose)

    def altered(self, meaning: Variable, values: Floats, luck: Floats) -> Floats:  # noqa: ARG002 - nothing is left to it
        """Return the values in the other unit."""
        return reportable(meaning, values * self.factor)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the values in the other unit."""
        return _on_record(self, records, drawn)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the values in the other unit."""
        return _over_time(self, chart, drawn)

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

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for what a patient has of both at one time."""
        return (Strike(EVENTS, self.dose, self.variables, together=True),)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the two values exchanged."""
        one, other = self.variables
        first, second = records.values[one], records.values[other]
        struck = drawn[0].struck
        return records.changed(one, second, struck).changed(other, first, struck)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the values of one time exchanged, where both are there."""
        one, other = (drawn[0].struck & chart.about((name,)) for name in self.variables)
        first, second = _at_one_time(chart, one, other)
        values = np.array(chart.events["value"])
        values[first], values[second] = values[second], values[first]
        return chart.changed(EVENTS, "value", values, one | other)

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

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for each variable."""
        return _each(self.variables, self.dose)

    def altered(self, meaning: Variable, values: Floats, luck: Floats) -> Floats:
        """Return the mistyped values, which keep all their digits."""
        digits = meaning.decimals + 1
        return np.where(luck < 0.5, np.round(values * 10, digits), np.round(values / 10, digits))

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the mistyped values."""
        return _on_record(self, records, drawn)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the mistyped values."""
        return _over_time(self, chart, drawn)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), **self.dose.written()}, self.source)


@dataclass(frozen=True)
class Offset:
    """Values are too high by a fixed amount, as from a device that suits a subgroup less; too low, where negative.

    A ``spread`` is the SD of what comes on top of it, as from a device that is less precise too.
    """

    variables: tuple[str, ...]
    dose: Dose
    by: float
    spread: float = 0.0
    source: str = ""

    name = "offset"

    def __post_init__(self) -> None:
        """Refuse an offset of nothing, and less spread than none."""
        if self.by == 0:
            raise RequestError("An offset of 0 changes nothing.")
        if self.spread < 0:
            raise RequestError(f"A spread is not below 0; got {self.spread:g}.")

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for each variable."""
        return per_variable(self.variables, self.dose)

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for each variable."""
        return _each(self.variables, self.dose)

    def altered(self, meaning: Variable, values: Floats, luck: Floats) -> Floats:
        """Return the shifted values, none of which is impossible."""
        return within_limits(meaning, values + self.by + (self.spread * ndtri(luck) if self.spread else 0.0))

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the shifted values."""
        return _on_record(self, records, drawn)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the shifted values."""
        return _over_time(self, chart, drawn)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        spread = {"spread": self.spread} if self.spread else {}
        return sourced({self.name: list(self.variables), "by": self.by, **spread, **self.dose.written()}, self.source)


class _Alters(Protocol):
    """A defect that makes other values of some variables, each by itself."""

    @property
    def variables(self) -> tuple[str, ...]: ...

    def altered(self, meaning: Variable, values: Floats, luck: Floats) -> Floats: ...


def _each(variables: tuple[str, ...], dose: Dose) -> tuple[Strike, ...]:
    return tuple(Strike(EVENTS, dose, (name,)) for name in variables)


def _on_record(defect: _Alters, records: Records, drawn: Sequence[Drawn]) -> Records:
    """Return the records with each variable's struck values altered."""
    for name, one in zip(defect.variables, drawn, strict=True):
        values = _altered(defect, records.meanings[name], records.values[name], one)
        records = records.changed(name, values, one.struck)
    return records


def _over_time(defect: _Alters, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
    """Return the chart with each variable's struck events altered."""
    for name, one in zip(defect.variables, drawn, strict=True):
        if one.struck.any():
            values = _altered(defect, chart.meanings[name], chart.events["value"], one)
            chart = chart.changed(EVENTS, "value", values, one.struck)
    return chart


def _altered(defect: _Alters, meaning: Variable, values: Floats, drawn: Drawn) -> Floats:
    found = np.array(values)
    found[drawn.struck] = defect.altered(meaning, values[drawn.struck], drawn.luck[drawn.struck])
    return found


def _at_one_time(chart: Chart, one: Bools, other: Bools) -> tuple[Any, Any]:
    """Return the rows of events that a patient has of both at the same time, side by side."""
    patient, time = chart.timeline.events.patient.astype(np.int64), chart.timeline.events.time
    key = (patient << 32) + time
    rows, others = np.flatnonzero(one), np.flatnonzero(other)
    _, mine, theirs = np.intersect1d(key[rows], key[others], return_indices=True)
    return rows[mine], others[theirs]
