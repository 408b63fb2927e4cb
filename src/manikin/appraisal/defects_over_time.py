"""Whether the log of defects tells how the encounters and events on record differ from the clean ones, and all of it.

What is on record, with each change that the log tells undone, has to be what is true: row by row of the encounters,
which have identifiers, and place by place of the events, where a place is an encounter or, outside of any, a patient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manikin.cohort import CLEAN_ENCOUNTERS, CLEAN_EVENTS, DUPLICATES, Cohort

Codes = npt.NDArray[np.int64]

_ISO = "%Y-%m-%dT%H:%MZ"
_MINUTE = 60_000_000


def untrue_over_time(cohort: Cohort, number: int, log: pa.Table) -> int:
    """Return how many things of a part's encounters and events differ otherwise than the part of the log says."""
    timed = log.filter(pc.is_valid(log.column("time")))
    of_encounter = pc.equal(_text(timed.column("variable")), "encounter")
    wrong = 0
    if {"encounters", CLEAN_ENCOUNTERS} <= cohort.parts.keys():
        recorded, clean = (cohort.piece(name, number) for name in ("encounters", CLEAN_ENCOUNTERS))
        wrong += _of_encounters(recorded, clean, timed.filter(of_encounter))
    if {"events", CLEAN_EVENTS} <= cohort.parts.keys():
        recorded, clean = (cohort.piece(name, number) for name in ("events", CLEAN_EVENTS))
        owned = _owned(cohort, number, recorded)
        wrong += _of_events(owned, clean, timed.filter(pc.invert(of_encounter)))
    return wrong


def _owned(cohort: Cohort, number: int, events: pa.Table) -> pa.Table:
    """Return events under the patients' own numbers."""
    if DUPLICATES not in cohort.parts:
        return events
    twins, ids = cohort.piece(DUPLICATES, number), _text(events.column("patient_id"))
    place = pc.index_in(ids, value_set=_whole(twins.column("duplicate_id")))
    own = pc.coalesce(twins.column("patient_id").take(place), ids)
    return events.set_column(events.column_names.index("patient_id"), "patient_id", own)


def _of_encounters(recorded: pa.Table, clean: pa.Table, log: pa.Table) -> int:
    ids = _whole(clean.column("encounter_id"))
    place = _found(recorded.column("encounter_id"), ids)
    lost = _found(_of(log, "encounter").column("encounter_id"), ids)
    gone = np.ones(len(ids), np.bool_)
    gone[place] = False
    told = np.zeros(len(ids), np.bool_)
    told[lost] = True
    wrong = int((gone != told).sum()) + len(lost) - int(told.sum())
    for field in ("start", "end", "patient_id"):
        rows = _of(log, field)
        whose, kept = _found(rows.column("encounter_id"), ids), _array(pc.is_valid(rows.column("recorded")))
        now, then, said, was = _alike(
            *(one.column(field) for one in (recorded, clean)), rows["recorded"], rows["clean"]
        )
        wrong += int((was != then[whose]).sum())
        wrong += abs(int(told.sum()) - int((~kept).sum())) if field == "end" else int((~kept).sum())
        then[whose[kept]] = said[kept]
        wrong += int((then[place] != now).sum())
    return wrong


def _of_events(recorded: pa.Table, clean: pa.Table, log: pa.Table) -> int:
    places = _coded(*(_place(one) for one in (recorded, clean, log)))
    lost, late = _mask(log, "event"), _mask(log, "recorded") & _array(pc.is_null(log.column("recorded")))
    wrong = 0
    for field in ("value", "time", "recorded"):
        here = _mask(log, field) & ~late
        now, then = (_value(one) if field == "value" else one.column(field) for one in (recorded, clean))
        was = log.column("clean") if field == "value" else log.column("time")
        columns = _alike(now, then, log.column("recorded"), log.column("clean"), was)
        # What is on record and what the log says was there before, against what was there and what the log says is.
        # A lost event's result came at its time, unless another row says when.
        left = [(places[0], columns[0]), *((places[2][one], columns[way][one]) for one, way in ((here, 3), (lost, 4)))]
        right = [(places[1], columns[1]), (places[2][here], columns[2][here])]
        if field == "recorded":
            left.append((places[2][late], columns[3][late]))
            right.append((places[2][late], columns[4][late]))
        wrong += _unlike(left, right)
    return wrong + _of_codes(recorded, clean, log, places)


def _of_codes(recorded: pa.Table, clean: pa.Table, log: pa.Table, places: list[Codes]) -> int:
    """Return how many codes that are not the clean ones differ from what the log says of them, to either side."""
    here = _mask(log, "code")
    now, said = _coded(_text(recorded.column("code")), log.column("recorded"))
    own = pc.is_in(_text(recorded.column("code")), value_set=_whole(pc.unique(clean.column("code"))))
    other = ~_array(own)
    return _unlike([(places[0][other], now[other])], [(places[2][here], said[here])])


def _unlike(left: list[tuple[Codes, Codes]], right: list[tuple[Codes, Codes]]) -> int:
    """Return how many pairs of place and content are on one side and not on the other."""
    keys = [np.concatenate([(place << 40) + content for place, content in side]) for side in (left, right)]
    distinct, where = np.unique(np.concatenate(keys), return_inverse=True)
    sides = np.repeat([1, -1], [len(one) for one in keys])
    balance = np.bincount(where, sides, len(distinct))
    return int(max(balance[balance > 0].sum(), -balance[balance < 0].sum()))


def _alike(*columns: Any) -> list[Codes]:
    """Return columns as numbers that are equal where they say the same: texts of times as times, others as texts."""
    if not any(pa.types.is_timestamp(one.type) for one in columns):
        return _coded(*columns)
    return [_minutes(one) for one in columns]


def _minutes(column: Any) -> Codes:
    if not pa.types.is_timestamp(column.type):
        column = pc.strptime(column, format=_ISO, unit="us", error_is_null=True).cast(pa.timestamp("us", tz="UTC"))
    return np.asarray(pc.fill_null(column.cast(pa.int64()), -_MINUTE).to_numpy() // _MINUTE)


def _coded(*columns: Any) -> list[Codes]:
    """Return columns of texts as numbers of one dictionary; nothing is a text of its own."""
    texts = [_whole(pc.fill_null(_text(one), "")) for one in columns]
    codes = pa.concat_arrays(texts).dictionary_encode().indices.to_numpy().astype(np.int64)
    return np.split(codes, np.cumsum([len(one) for one in texts])[:-1])


def _place(table: pa.Table) -> Any:
    return pc.coalesce(_text(table.column("encounter_id")), _text(table.column("patient_id")))


def _value(events: pa.Table) -> Any:
    """Return what an event says, as the log says it; its code, where it says nothing."""
    text, number = _text(events.column("text")), _text(events.column("number"))
    below = pc.binary_join_element_wise("<", number, "")
    told = pc.if_else(pc.fill_null(pc.equal(text, "<"), False), below, pc.coalesce(text, number))
    return pc.coalesce(told, _text(events.column("code")))


def _found(ids: Any, among: pa.Array) -> Codes:
    """Return the place of each identifier; of one that isn't there, the last."""
    return np.asarray(_array(pc.fill_null(pc.index_in(_text(ids), value_set=among), -1)), np.int64)


def _of(log: pa.Table, field: str) -> pa.Table:
    return log.filter(pc.equal(_text(log.column("field")), field))


def _mask(log: pa.Table, field: str) -> npt.NDArray[np.bool_]:
    return np.asarray(_array(pc.equal(_text(log.column("field")), field)), np.bool_)


def _array(column: Any) -> Any:
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()


def _text(column: Any) -> Any:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _whole(column: Any) -> Any:
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return _text(pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found)
