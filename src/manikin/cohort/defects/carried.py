"""Values that nobody took anew: the last one is carried forward, as copied notes do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import EVENTS, Chart, Strike, last_of
from manikin.cohort.defects.defect import Dose, Drawn, sourced


@dataclass(frozen=True)
class CarryForward:
    """A value on record repeats the patient's previous one of that variable, as that one stands on record."""

    variables: tuple[str, ...]
    dose: Dose
    source: str = ""

    name = "carry-forward"

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for each variable; there has to be a value before."""
        return tuple(Strike(EVENTS, self.dose, (name,), follows=True) for name in self.variables)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the repeated values; several in a row repeat the same one."""
        for name, one in zip(self.variables, drawn, strict=True):
            before = last_of(chart, (name,), ~one.struck)
            carried = one.struck & (before >= 0)
            chart = chart.changed(EVENTS, "value", chart.events["value"][np.where(carried, before, 0)], carried)
        return chart

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: list(self.variables), **self.dose.written()}, self.source)
