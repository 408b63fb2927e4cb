"""The log of defects: a row for whatever on record is not the clean one, so that finding it can be scored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from manikin.codebook import Kind, Variable
from manikin.cohort.defects.chart import ENCOUNTERS, EVENTS, Chart
from manikin.cohort.defects.over_time import differing
from manikin.cohort.layout import TALLY, Columns, Layout, history, observed, recorded
from manikin.cohort.timeline import Entry

# How many were at risk and how many were struck travels with each part of the log, as what is not seen in any row.
_TALLY = b"manikin.tally"
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Told:
    """A chart, with what its rows are called in the tables.

    ``midnight`` begins each patient's index date, in minutes since 1970; ``encounter_id`` names the clean encounters.
    """

    chart: Chart
    midnight: Any
    encounter_id: pa.Array
    patient_id: pa.Array
    second_id: pa.Array


@dataclass(frozen=True)
class _Rows:
    """Rows of the log, as arrays: ``time`` in minutes since 1970 and ``encounter`` by row, both -1 for none."""

    who: Any
    names: Any
    field: str
    bits: Any
    after: pa.Array
    before: pa.Array
    time: Any
    encounter: Any


def log_table(columns: Columns, layout: Layout, patient_id: pa.Array, told: Told | None = None) -> pa.Table:
    """Return the log of a shard, by patient: first what is of the index, by variable, and then what is over time."""
    pieces = [*_at_the_index(columns, layout), *(() if told is None else _over_time(told))]
    who = _joined([one.who for one in pieces], np.int64)
    order = np.argsort(who, kind="stable")
    kinds = layout.defects[0].kinds if layout.defects else ()
    times = _joined([one.time for one in pieces], np.int64)[order]
    contacts = _joined([one.encounter for one in pieces], np.int64)[order]
    fields = np.repeat(np.arange(len(pieces)), [len(one.who) for one in pieces])[order]
    encounter_id = pa.array([], pa.string()) if told is None else told.encounter_id
    table = pa.table(
        {
            "patient_id": patient_id.take(pa.array(who[order])),
            "variable": _dictionary(_joined([one.names for one in pieces], np.dtype(object))[order]),
            "time": pa.array(times * 60_000_000, pa.int64(), mask=times < 0).cast(_TIME),
            "encounter_id": encounter_id.take(pa.array(contacts, mask=contacts < 0)),
            "field": _dictionary(np.array([one.field for one in pieces], object)[fields]),
            "defect": _kinds(_joined([one.bits for one in pieces], np.int64)[order], kinds),
            "recorded": _texts([one.after for one in pieces], order),
            "clean": _texts([one.before for one in pieces], order),
        }
    )
    return table.replace_schema_metadata({_TALLY: json.dumps(columns.get(TALLY, [])).encode()})


def tally_of(part: pa.Table) -> list[tuple[int, int]]:
    """Return how many of a part of the log were at risk and were struck, as ``Layout.defects`` lists them."""
    metadata = part.schema.metadata or {}
    return [(int(at_risk), int(struck)) for at_risk, struck in json.loads(metadata.get(_TALLY, b"[]"))]


def _at_the_index(columns: Columns, layout: Layout) -> Iterator[_Rows]:
    """Yield what differs in the analysis table, a variable at a time; two defects may have undone each other."""
    for meaning in (field.variable for field in layout.fields if field.defects):
        name = meaning.name
        after, before, there = columns[recorded(name)], np.asarray(columns[name]), columns[observed(name)]
        rows = np.flatnonzero((columns[history(name)] != 0) & (~there | (after != before)))
        nothing = np.full(len(rows), -1)
        yield _Rows(
            rows,
            np.full(len(rows), name, object),
            "value",
            columns[history(name)][rows],
            _text(meaning, after[rows], there[rows]),
            _text(meaning, before[rows]),
            nothing,
            nothing,
        )


def _over_time(told: Told) -> Iterator[_Rows]:
    """Yield what differs in the encounters and events, a column at a time, and what is not there."""
    chart = told.chart
    kinds = np.array(["encounter"], object)[np.zeros(len(chart.timeline.encounters.patient), np.intp)]
    variables = np.array([one.variable or one.code for one in chart.vocabulary.entries] or [""], object)
    yield from _table(told, ENCOUNTERS, "start", kinds, np.arange(len(kinds)))
    yield from _table(told, EVENTS, "time", variables[chart.timeline.events.entry], chart.timeline.events.encounter)


def _table(told: Told, table: str, time: str, names: Any, encounter: Any) -> Iterator[_Rows]:
    chart = told.chart
    patient, now, then = chart.patient(table), chart.rows(table), chart.before[table]
    lost = ~now["kept"]

    def rows(where: Any, field: str, mark: str, after: pa.Array, before: pa.Array) -> _Rows:
        # As it stands on record: a row is found there by its time. What is lost has the time at which it would stand.
        minutes = told.midnight[patient[where]] + np.where(lost, then[time], now[time])[where]
        bits = chart.marks[table, mark][where]
        return _Rows(patient[where], names[where], field, bits, after, before, minutes, encounter[where])

    if (table, "kept") in chart.marks:
        where = np.flatnonzero(lost)
        nothing = pa.nulls(len(where), pa.string())
        yield rows(where, table.removesuffix("s"), "kept", nothing, _what(told, table, where))
        if table == EVENTS:
            where = np.flatnonzero(lost & (then["recorded"] != then["time"]))
        known = "end" if table == ENCOUNTERS else "recorded"
        nothing = pa.nulls(len(where), pa.string())
        yield rows(where, known, "kept", nothing, _moment(told, patient[where], then[known][where]))
    for field in ("start", "end") if table == ENCOUNTERS else ("time", "recorded"):
        if (table, field) in chart.marks:
            where = np.flatnonzero(~lost & (now[field] != then[field]))
            after, before = (_moment(told, patient[where], one[field][where]) for one in (now, then))
            yield rows(where, field, field, after, before)
    if table == ENCOUNTERS and (table, "own") in chart.marks and chart.twins is not None:
        where = np.flatnonzero(~lost & ~now["own"])
        place = pa.array(np.searchsorted(chart.twins.patient, patient[where]))
        own = told.patient_id.take(pa.array(patient[where]))
        yield rows(where, "patient_id", "own", told.second_id.take(place), own)
    if (table, "value") in chart.marks:
        where = np.flatnonzero(~lost & differing(then["value"], now["value"]))
        after, before = (_told(told, where, one) for one in (now, then))
        shown = np.array(after.to_pylist(), object) != np.array(before.to_pylist(), object)
        seen = pa.array(np.flatnonzero(shown))
        yield rows(where[shown], "value", "value", after.take(seen), before.take(seen))
    if (table, "entry") in chart.marks:
        where = np.flatnonzero(~lost & (now["entry"] != then["entry"]))
        codes = np.array([one.code for one in chart.vocabulary.entries], object)
        after, before = (pa.array(codes[one["entry"][where]], pa.string()) for one in (now, then))
        yield rows(where, "code", "entry", after, before)


def _what(told: Told, table: str, where: Any) -> pa.Array:
    """Return what is lost in a word: an encounter's kind, an event's value, and its code where it has none."""
    chart = told.chart
    if table == ENCOUNTERS:
        kinds = np.array(chart.vocabulary.encounters, object)
        return pa.array(kinds[chart.timeline.encounters.kind[where]], pa.string())
    texts = np.array(_told(told, where, chart.before[EVENTS]).to_pylist(), object)
    codes = np.array([one.code for one in chart.vocabulary.entries] or [""], object)
    bare = np.isnan(chart.before[EVENTS]["value"][where])
    return pa.array(np.where(bare, codes[chart.timeline.events.entry[where]], texts), pa.string())


def _told(told: Told, where: Any, rows: Any) -> pa.Array:
    """Return values of events as text: words, numbers, or the limit below which an assay can't tell."""
    entries = told.chart.timeline.events.entry[where]
    values = rows["value"][where]
    found = np.empty(len(where), object)
    for number in np.unique(entries):
        mine = entries == number
        found[mine] = _told_of(told.chart.vocabulary.entries[number], values[mine])
    return pa.array(found, pa.string())


def _told_of(entry: Entry, values: Any) -> Any:
    if entry.texts:
        return np.array([*entry.texts, None], object)[np.where(np.isnan(values), -1, values).astype(np.intp)]
    texts = np.array(pa.array(values, mask=np.isnan(values)).cast(pa.string()).to_pylist(), object)
    return texts if entry.limit is None else np.where(values < entry.limit, f"<{entry.limit:g}", texts)


def _moment(told: Told, patient: Any, minutes: Any) -> pa.Array:
    """Return times as text: ISO 8601, UTC, to the minute."""
    times = (told.midnight[patient] + minutes).astype("M8[m]")
    return pa.array(np.char.add(np.datetime_as_string(times), "Z").astype(object), pa.string())


def _kinds(bits: Any, kinds: tuple[str, ...]) -> pa.DictionaryArray:
    """Return which defects made a value what it is, joined by '+' where several did."""
    distinct, places = np.unique(bits, return_inverse=True)
    texts = ["+".join(kind for place, kind in enumerate(kinds) if one >> place & 1) for one in distinct.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int16)), pa.array(texts, pa.string()))


def _dictionary(texts: Any) -> pa.DictionaryArray:
    distinct, places = np.unique(texts.astype(str), return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int16)), pa.array(distinct.tolist(), pa.string()))


def _texts(pieces: list[pa.Array], order: Any) -> pa.Array:
    return pa.concat_arrays([*pieces, pa.array([], pa.string())]).take(pa.array(order))


def _text(variable: Variable, values: Any, present: Any = None) -> pa.Array:
    """Return values as text: no value where none is on record."""
    hidden = None if present is None else ~np.asarray(present)
    if variable.kind is Kind.CATEGORY:
        return pa.array(np.array(variable.levels, object)[values], pa.string(), mask=hidden)
    if variable.kind is Kind.CONDITION:
        return pa.array(np.asarray(values, np.bool_), mask=hidden).cast(pa.string())
    kind = pa.int64() if variable.kind is Kind.COUNT else pa.float64()
    return pa.array(values, mask=hidden).cast(kind).cast(pa.string())


def _joined(pieces: list[Any], kind: Any) -> Any:
    return np.concatenate(pieces) if pieces else np.empty(0, kind)
