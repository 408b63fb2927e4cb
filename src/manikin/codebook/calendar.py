"""When index encounters fall: days between two dates, all alike or with a season; and why follow-up ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.streams import Floats

Days = npt.NDArray[np.datetime64]

_DAYS_IN_YEAR = 365.25

# Why follow-up ends; a patient's ending is kept as its number here.
ENDINGS = ("death", "loss", "discharge", "study")


@dataclass(frozen=True)
class Season:
    """A yearly wave: on the day of the year ``peak`` there are ``1 + amplitude`` times as many as on average."""

    amplitude: float
    peak: int


@dataclass(frozen=True)
class IndexDates:
    """The span of the index dates, both ends included."""

    first: date
    last: date
    season: Season | None = None

    def at(self, uniform: Floats) -> Days:
        """Return the date at each position within the span."""
        first = np.datetime64(self.first)
        days = int((np.datetime64(self.last) - first).astype(int)) + 1
        if self.season is None:
            return np.asarray(first + np.floor(uniform * days).astype("m8[D]"))
        wave = np.cos(2 * np.pi * (day_of_year(first + np.arange(days)) - self.season.peak) / _DAYS_IN_YEAR)
        below = np.cumsum(1 + self.season.amplitude * wave)
        return np.asarray(first + np.searchsorted(below, uniform * below[-1]).astype("m8[D]"))


def day_of_year(days: Any) -> Floats:
    """Return the day of the year of each date, from 1."""
    return np.asarray((days - days.astype("M8[Y]").astype("M8[D]")).astype(np.float64) + 1)
