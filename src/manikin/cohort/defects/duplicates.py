"""Patients who stand on record twice, under two numbers, and are not known to be one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.codebook import Kind, Variable
from manikin.cohort.defects.chart import ENCOUNTERS, EVENTS, PATIENTS, Chart, Strike, Twins
from manikin.cohort.defects.defect import Dose, Drawn, reportable, sourced
from manikin.cohort.defects.lost import inside
from manikin.errors import RequestError
from manikin.streams import Floats

BIRTH_DATE = "birth_date"
# Assumed here: a measured demographic is off by 2 to 10 percent on the second record.
_LEAST_OFF, _MOST_OFF = 0.02, 0.10


@dataclass(frozen=True)
class DuplicatePatients:
    """A share of patients has a second record, which is wrong in one of the ``demographics``.

    Of their encounters the share ``moved`` stands under the second number, with all that happened in them.
    """

    demographics: tuple[str, ...]
    dose: Dose
    moved: float = 0.5
    source: str = ""

    name = "duplicate-patients"

    def __post_init__(self) -> None:
        """Refuse a second record that contradicts in nothing, and one that takes less than nothing."""
        if not self.demographics:
            raise RequestError("The two records of a patient contradict each other in something.")
        if not 0 < self.moved <= 1:
            raise RequestError(f"What is moved to the second record lies above 0 and up to 1; got {self.moved:g}.")

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """Who stands twice, and which of their encounters are moved."""
        return (Strike(PATIENTS, self.dose), Strike(ENCOUNTERS, Dose(self.moved), index=True, nested=True))

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the second records, and what stands under them."""
        twice = drawn[0].struck
        moved = drawn[1].struck
        chart = chart.changed(ENCOUNTERS, "own", False, moved).changed(EVENTS, "own", False, inside(chart, moved))
        return replace(chart, twins=self._twins(chart, np.flatnonzero(twice), drawn[0].luck))

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.demographics), "moved": self.moved, **self.dose.written()}, self.source)

    def _twins(self, chart: Chart, patient: Any, luck: Floats) -> Twins:
        scaled = luck[patient] * len(self.demographics)
        differs = np.minimum(scaled.astype(np.int8), len(self.demographics) - 1)
        rest = scaled - differs
        values = {
            name: _another(chart.meanings[name], np.asarray(chart.clean[name])[patient], rest)
            for name in self.demographics
            if name != BIRTH_DATE
        }
        return Twins(patient, self.demographics, differs, rest, values)


def _another(variable: Variable, values: Any, luck: Floats) -> Any:
    """Return another value for each: another level, the other answer, or a number that is somewhat off."""
    if variable.kind is Kind.CONDITION:
        return ~values
    if variable.kind is Kind.CATEGORY:
        steps = 1 + np.minimum((luck * (len(variable.levels) - 1)).astype(np.int8), len(variable.levels) - 2)
        return np.where(values < 0, values, (values + steps) % len(variable.levels)).astype(values.dtype)
    sign = np.where(luck < 0.5, -1.0, 1.0)
    off = _LEAST_OFF + (_MOST_OFF - _LEAST_OFF) * (2 * luck % 1)
    return reportable(variable, values * (1 + sign * off))
