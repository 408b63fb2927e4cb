"""Sites that measure otherwise, or name what they measure otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import EVENTS, PATIENTS, Chart, Strike
from manikin.cohort.defects.defect import Aim, Dose, Drawn, Records, sourced, within_limits
from manikin.errors import RequestError
from manikin.streams import Floats


@dataclass(frozen=True)
class SiteEffect:
    """A site's values are ``scale`` times as large and higher ``by`` some more, or stand under its own ``code``.

    Whose site it is, is drawn once for each ``site``, however many effects it has; or the dose's condition says so.
    """

    variables: tuple[str, ...]
    dose: Dose
    site: str
    scale: float = 1.0
    by: float = 0.0
    code: str = ""
    source: str = ""

    name = "site-effect"

    def __post_init__(self) -> None:
        """Refuse an effect of nothing, and one code for several variables."""
        if self.scale <= 0:
            raise RequestError(f"The scale of a site lies above 0; got {self.scale:g}.")
        if not self._measures and not self.code:
            raise RequestError("A site has a scale, an offset or a code of its own.")
        if self.code and len(self.variables) > 1:
            raise RequestError("A code names one variable.")

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The draw of the site, for values at the index; none where only the code is another."""
        return (Aim(self.variables, self.dose, shared=self._stream),) if self._measures else ()

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """The same draw of the site, for what follows."""
        return (Strike(PATIENTS, self.dose, self.variables, index=bool(self.code), shared=self._stream),)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the site's values."""
        for one in drawn:
            for name in self.variables:
                values = within_limits(records.meanings[name], self._altered(records.values[name]))
                records = records.changed(name, values, one.struck & records.present[name])
        return records

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return the chart with the site's values and codes."""
        here = drawn[0].struck[chart.timeline.events.patient]
        for name in self.variables if self._measures else ():
            meaning = chart.meanings[name]
            values = within_limits(meaning, self._altered(chart.events["value"]))
            chart = chart.changed(EVENTS, "value", values, here & chart.about((name,)) & ~chart.index_events)
        return self._renamed(chart, here) if self.code else chart

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        effects = {
            **({"scale": self.scale} if self.scale != 1 else {}),
            **({"by": self.by} if self.by else {}),
            **({"code": self.code} if self.code else {}),
        }
        return sourced(
            {self.name: list(self.variables), "site": self.site, **effects, **self.dose.written()}, self.source
        )

    @property
    def _measures(self) -> bool:
        return self.scale != 1 or self.by != 0

    @property
    def _stream(self) -> str:
        return f"site:{self.site}"

    def _altered(self, values: Floats) -> Floats:
        return np.asarray(values * self.scale + self.by)

    def _renamed(self, chart: Chart, here: Any) -> Chart:
        """Return the chart in which the variable's events here have the site's code."""
        about = chart.about(self.variables)
        entries = chart.vocabulary.entries
        mine = [number for number, one in enumerate(entries) if one.variable in self.variables]
        place = np.arange(len(entries))
        place[mine] = len(entries) + np.arange(len(mine))
        other = place[chart.events["entry"]].astype(chart.events["entry"].dtype)
        named = chart.changed(EVENTS, "entry", other, here & about)
        return named.speaking([replace(entries[number], code=self.code) for number in mine])
