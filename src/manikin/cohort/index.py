"""The index encounter as a timeline: what is on record of each patient there, as events among the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.codebook import Kind, Variable
from manikin.cohort.layout import Columns, Field, Layout, observed, recorded
from manikin.cohort.timeline import Encounters, Entry, Events, States, Timeline, Vocabulary, Whole
from manikin.streams import Floats

_CONTACT = "index"


def recording(columns: Columns, layout: Layout, timeline: Timeline | None, count: int) -> tuple[Timeline, Vocabulary]:
    """Return all that is on record of a shard's patients over time, and what it speaks of."""
    fields = [field for field in layout.fields if field.event and layout.writes_index]
    entries = tuple(_entry(field) for field in fields)
    if timeline is None or layout.vocabulary is None:
        everyone = np.arange(count, dtype=np.int32)
        at = np.zeros(count, np.int32)
        alone = Encounters(everyone, np.zeros(count, np.int8), at, at)
        events = _index_events(columns, fields, at, everyone, count)
        none = States(*(np.empty(0, np.int32) for _ in range(4)))
        return Timeline(alone, events, none, at, np.full(count, -1, np.int8)), Vocabulary((), (_CONTACT,), entries)
    known = layout.vocabulary
    begins, first = _begins(timeline, count)
    merged = _before(_index_events(columns, fields, begins, first, count), timeline.events, len(entries), count)
    together = Timeline(timeline.encounters, merged, timeline.states, timeline.followed, timeline.left_by)
    return together, Vocabulary(known.states, known.encounters, (*entries, *known.entries))


def on_record(columns: Columns, field: Field) -> Any:
    """Return what stands on record of a variable."""
    name = field.variable.name
    return np.asarray(columns[recorded(name) if field.defects else name])


def code_of(variable: Variable) -> str:
    """Return the code of the system that names an event, as ``system:code``; one of our own where there is none."""
    for system in ("loinc", "rxnorm", "snomed", "icd10"):
        if system in variable.codes:
            return f"{system}:{variable.codes[system]}"
    return f"local:{variable.name}"


def _entry(field: Field) -> Entry:
    variable = field.variable
    texts = variable.levels if variable.kind is Kind.CATEGORY else ()
    limit = variable.detection_limit
    return Entry(str(field.event), code_of(variable), variable.title, variable.unit, texts, limit, variable.name)


def _index_events(columns: Columns, fields: list[Field], at: Whole, encounter: Whole, count: int) -> Events:
    """Return an event for each recorded observation, condition and medication of the index encounter, by patient."""
    if not fields:
        none = np.empty(0, np.int32)
        return Events(none, none, none, none, none, np.empty(0))
    present = np.stack([_present(columns, field) for field in fields], axis=1)
    values = np.stack([_values(columns, field, count) for field in fields], axis=1)
    who, which = np.nonzero(present)
    who = who.astype(np.int32)
    return Events(who, encounter[who], at[who], at[who], which.astype(np.int16), values[present])


def _begins(timeline: Timeline, count: int) -> tuple[Whole, Whole]:
    """Return when each patient's time begins, and the encounter that is open then, -1 for none."""
    stays, contacts = timeline.states, timeline.encounters
    begins = stays.entered[np.searchsorted(stays.patient, np.arange(count))]
    first = np.searchsorted(contacts.patient, np.arange(count)).astype(np.int32)
    safe = np.minimum(first, max(len(contacts.patient) - 1, 0))
    there = (
        (first < len(contacts.patient))
        & (contacts.patient[safe] == np.arange(count))
        & (contacts.start[safe] == begins)
        if len(contacts.patient)
        else np.zeros(count, np.bool_)
    )
    return begins, np.where(there, first, -1).astype(np.int32)


def _before(index: Events, others: Events, shift: int, count: int) -> Events:
    """Return the events of the index encounter before all others of each patient, whose entries count from ``shift``.

    Both are by patient already, so that each event's place follows from counting.
    """
    here = np.bincount(index.patient, minlength=count)
    there = np.bincount(others.patient, minlength=count)
    mine = np.arange(len(index.patient)) + (np.cumsum(there) - there)[index.patient]
    theirs = np.arange(len(others.patient)) + np.cumsum(here)[others.patient]

    def joined(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
        both = np.empty(len(one) + len(other), other.dtype)
        both[mine], both[theirs] = one, other
        return both

    return Events(
        joined(index.patient, others.patient),
        joined(index.encounter, others.encounter),
        joined(index.time, others.time),
        joined(index.recorded, others.recorded),
        joined(index.entry, others.entry + np.int16(shift)),
        joined(index.value, others.value),
    )


def _present(columns: Columns, field: Field) -> npt.NDArray[np.bool_]:
    values = on_record(columns, field)
    absent = {Kind.CONDITION: 0, Kind.CATEGORY: -1}
    kind = field.variable.kind
    there = values != absent[kind] if kind in absent else ~np.isnan(values)
    seen = np.asarray(columns[observed(field.variable.name)]) if field.hides else True
    return np.asarray(there & seen, np.bool_)


def _values(columns: Columns, field: Field, count: int) -> Floats:
    if field.variable.kind is Kind.CONDITION:
        return np.full(count, np.nan)
    return np.asarray(on_record(columns, field), np.float64)
