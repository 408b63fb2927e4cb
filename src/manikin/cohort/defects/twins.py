"""The second records of patients who stand twice: what they say, and where among the first ones they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manikin.codebook import Days
from manikin.cohort.defects.chart import Twins
from manikin.cohort.defects.duplicates import BIRTH_DATE
from manikin.streams import Ordinals

# Numbers of second records: beyond those of any patient.
_BEYOND = np.int64(1 << 40)
_YEAR_OFF, _SWAPPED_UP_TO = 12, 12


def second_numbers(ordinals: Ordinals) -> Ordinals:
    """Return what a second record's identifier is made from; it is no patient's ordinal."""
    return ordinals | _BEYOND


def births_on_second(twins: Twins, born: Days) -> Days:
    """Return the birth dates that second records have: a year off to either side, or day and month swapped."""
    wrong = twins.differs == _place(twins, BIRTH_DATE)
    month, day = born.astype("M8[M]"), (born - born.astype("M8[M]")).astype(np.int64)
    nth = month.astype(np.int64) % 12
    swapped = (twins.luck >= 2 / 3) & (day < _SWAPPED_UP_TO) & (day != nth)
    earlier = (twins.luck < 1 / 3) | ((twins.luck >= 2 / 3) & ~swapped)
    year_off = _on_day(month + np.where(earlier, -_YEAR_OFF, _YEAR_OFF).astype("m8[M]"), day)
    turned = _on_day((month.astype("M8[Y]").astype("M8[M]") + day.astype("m8[M]")), nth)
    return np.asarray(np.where(wrong, np.where(swapped, turned, year_off), born))


def years_between(born: Days, on: Days) -> npt.NDArray[np.int64]:
    """Return completed years of age on a date."""
    years = on.astype("M8[Y]").astype(np.int64) - born.astype("M8[Y]").astype(np.int64)
    return np.asarray(years - (_day_of_year(on) < _day_of_year(born)))


def values_on_second(twins: Twins, name: str, values: Any) -> Any:
    """Return what second records say of a variable whose ``values`` stand on the first ones."""
    return np.where(twins.differs == _place(twins, name), twins.values[name], values)


def interleaved(first: pa.Table, second: pa.Table, twins: Twins) -> pa.Table:
    """Return both records of each patient next to each other, now this and now that one first."""
    sides = np.where((twins.luck * 1024).astype(np.int64) % 2 == 0, -1, 1)
    keys = np.concatenate([2 * np.arange(first.num_rows), 2 * twins.patient.astype(np.int64) + sides])
    both = pa.concat_tables([first, second]).combine_chunks()
    return both.take(pa.array(np.argsort(keys, kind="stable"))).combine_chunks()


def _place(twins: Twins, name: str) -> int:
    return twins.demographics.index(name) if name in twins.demographics else -1


def _on_day(month: Any, day: Any) -> Any:
    """Return the days of a month, counted from 0; its last one where it is shorter."""
    length = ((month + np.timedelta64(1, "M")).astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)
    return month.astype("M8[D]") + np.minimum(day, length - 1).astype("m8[D]")


def _day_of_year(day: Any) -> Any:
    """Return a number that orders days within a year."""
    month = day.astype("M8[M]")
    return (month.astype(np.int64) % 12) * 32 + (day - month.astype("M8[D]")).astype(np.int64)
