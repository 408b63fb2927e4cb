"""What is not on record over time: results that came to nobody's knowledge, and visits of which nothing was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import ENCOUNTERS, EVENTS, EVERY, Chart, Strike
from manikin.cohort.defects.defect import Dose, Drawn, sourced


@dataclass(frozen=True)
class MissingEvents:
    """Events are lost: of each variable by itself, or all that a patient has of them at one time ``together``."""

    variables: tuple[str, ...]
    dose: Dose
    together: bool = False
    source: str = ""

    name = "missing-events"

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for all, or one for each."""
        if self.together:
            return (Strike(EVENTS, self.dose, self.variables, together=True),)
        return tuple(Strike(EVENTS, self.dose, (name,)) for name in self.variables)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart without the events that are lost."""
        lost = np.logical_or.reduce([one.struck for one in drawn])
        return chart.changed(EVENTS, "kept", False, lost)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        together = {"together": True} if self.together else {}
        return sourced({self.name: list(self.variables), **together, **self.dose.written()}, self.source)


@dataclass(frozen=True)
class MissingVisits:
    """Whole encounters are lost with everything in them; the index encounter never is, or nobody knew the patient."""

    encounters: tuple[str, ...]
    dose: Dose
    source: str = ""

    name = "missing-visits"

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for all kinds of encounter."""
        return (Strike(ENCOUNTERS, self.dose, self.encounters),)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart without these encounters and their events."""
        lost = drawn[0].struck
        within = inside(chart, lost)
        return chart.changed(ENCOUNTERS, "kept", False, lost).changed(EVENTS, "kept", False, within)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: named(self.encounters), **self.dose.written()}, self.source)


def inside(chart: Chart, encounters: Any) -> Any:
    """Return which events happened in some encounters."""
    return np.append(encounters, False)[chart.timeline.events.encounter]


def named(names: tuple[str, ...]) -> list[str] | str:
    """Return names as a study file says them: a list, or the word for all."""
    return list(names) or EVERY
