"""Times that are wrong on record: written down as round ones, or read from a clock that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import ENCOUNTERS, EVENTS, Chart, Strike
from manikin.cohort.defects.defect import Dose, Drawn, sourced
from manikin.cohort.defects.lost import inside, named
from manikin.errors import RequestError

DAY_MINUTES = 1_440
LONGEST_MINUTES = 10 * 366 * DAY_MINUTES


@dataclass(frozen=True)
class RoundingOfTimes:
    """Times are written down as the nearest multiple of ``to`` minutes on the clock.

    ``names`` are variables or kinds of event; all where none is named. A result never comes before its specimen:
    what the nearest multiple would put later than it was known is rounded down.
    """

    names: tuple[str, ...]
    dose: Dose
    to: int
    source: str = ""

    name = "rounding-of-times"

    def __post_init__(self) -> None:
        """Refuse a step that is none on a clock."""
        if not 1 < self.to <= DAY_MINUTES or DAY_MINUTES % self.to:
            raise RequestError(f"Times are rounded to a step that divides a day; got {self.to} min.")

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw for all."""
        return (Strike(EVENTS, self.dose, self.names, index=True),)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the round times; what was known at once still is."""
        time, recorded, struck = chart.events["time"], chart.events["recorded"], drawn[0].struck
        at_once = time == recorded
        nearest = (time + self.to // 2) // self.to * self.to
        rounded = np.where(at_once | (nearest <= recorded), nearest, time // self.to * self.to)
        chart = chart.changed(EVENTS, "time", rounded.astype(time.dtype), struck)
        return chart.changed(EVENTS, "recorded", rounded.astype(time.dtype), struck & at_once)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: named(self.names), "to": in_minutes(self.to), **self.dose.written()}, self.source)


@dataclass(frozen=True)
class ClockShift:
    """A clock is wrong by some minutes during some encounters: a ward's, or that of a device.

    Of struck ``encounters`` of these kinds, start, end and all events move together; where ``variables`` are named,
    only events of these do, in encounters of any kind.
    """

    dose: Dose
    by: int
    encounters: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    source: str = ""

    name = "clock-shift"

    def __post_init__(self) -> None:
        """Refuse a clock that is right, and one that shows another decade."""
        if not 0 < abs(self.by) <= LONGEST_MINUTES:
            raise RequestError(f"A clock is wrong by a minute to ten years; got {self.by} min.")
        if self.encounters and self.variables:
            raise RequestError("A clock is a ward's or a device's: name encounters or variables.")

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """One draw of encounters."""
        return (Strike(ENCOUNTERS, self.dose, self.encounters, index=True),)

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the times that the clock showed."""
        struck = drawn[0].struck
        moved = inside(chart, struck)
        if self.variables:
            moved = moved & chart.about(self.variables)
        else:
            for column in ("start", "end"):
                chart = chart.changed(ENCOUNTERS, column, chart.encounters[column] + self.by, struck)
        for column in ("time", "recorded"):
            chart = chart.changed(EVENTS, column, chart.events[column] + self.by, moved)
        return chart

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        about = list(self.variables) or named(self.encounters)
        return sourced({self.name: about, "by": in_minutes(self.by), **self.dose.written()}, self.source)


def in_minutes(minutes: int) -> str:
    """Return a time as a study file says it."""
    return f"{minutes} min"
