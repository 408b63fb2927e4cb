"""Whether the log of defects tells what stands in the encounters and events as they were written.

The clean ones are not kept: what the log says of them makes them good. So this asks whether each row of the log about
something that is on record finds it there, and whether each lost encounter is gone.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manikin.cohort import Cohort

_SEPARATOR = "|"


def untrue_over_time(cohort: Cohort, number: int, log: pa.Table) -> int:
    """Return how many rows of a part of the log the part's encounters and events don't bear out."""
    timed = log.filter(pc.is_valid(log.column("time")))
    wrong = 0
    if "encounters" in cohort.parts:
        wrong += _of_encounters(cohort.part_of("encounters", number), timed)
    if "events" in cohort.parts:
        wrong += _of_events(cohort.part_of("events", number), timed)
    return wrong


def _of_encounters(encounters: pa.Table, log: pa.Table) -> int:
    told = _named(log, "encounter")
    ids = encounters.column("encounter_id")
    wrong = pc.sum(pc.is_in(_field(told, "encounter").column("encounter_id"), value_set=_whole(ids))).as_py() or 0
    for field in ("start", "end", "patient_id"):
        value = encounters.column(field)
        there = _key(ids, _clock(value) if pa.types.is_timestamp(value.type) else value)
        rows = _kept(_field(told, field))
        wrong += _absent(_key(rows.column("encounter_id"), rows.column("recorded")), there)
    return int(wrong)


def _of_events(events: pa.Table, log: pa.Table) -> int:
    told = log.filter(pc.not_equal(_text(log.column("variable")), "encounter"))
    place = pc.coalesce(_text(events.column("encounter_id")), _text(events.column("patient_id")))
    shown = {
        "value": _value(events),
        "time": _clock(events.column("time")),
        "recorded": _clock(events.column("recorded")),
        "code": events.column("code"),
    }
    wrong = 0
    for field, values in shown.items():
        rows = _kept(_field(told, field))
        whose = pc.coalesce(_text(rows.column("encounter_id")), _text(rows.column("patient_id")))
        there = _key(place, _clock(events.column("time")), values)
        wrong += _absent(_key(whose, _clock(rows.column("time")), rows.column("recorded")), there)
    return wrong


def _value(events: pa.Table) -> Any:
    """Return what an event says, as the log says it."""
    text, number = _text(events.column("text")), _text(events.column("number"))
    below = pc.binary_join_element_wise("<", number, "")
    return pc.if_else(pc.fill_null(pc.equal(text, "<"), False), below, pc.coalesce(text, number))


def _named(log: pa.Table, name: str) -> pa.Table:
    return log.filter(pc.equal(_text(log.column("variable")), name))


def _field(log: pa.Table, field: str) -> pa.Table:
    return log.filter(pc.equal(_text(log.column("field")), field))


def _kept(log: pa.Table) -> pa.Table:
    return log.filter(pc.is_valid(log.column("recorded")))


def _key(*columns: Any) -> Any:
    return pc.binary_join_element_wise(*(pc.fill_null(_text(one), "") for one in columns), _SEPARATOR)


def _absent(wanted: Any, there: Any) -> int:
    """Return how many keys are not there."""
    return len(wanted) - int(pc.sum(pc.is_in(wanted, value_set=_whole(there))).as_py() or 0)


def _clock(times: Any) -> Any:
    """Return times as the log writes them."""
    return pc.strftime(times.cast(pa.timestamp("s", tz="UTC")), format="%Y-%m-%dT%H:%MZ")


def _text(column: Any) -> Any:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _whole(column: Any) -> Any:
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return _text(found)
