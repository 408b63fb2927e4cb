"""The chart of a shard's patients: what stands on record of them over time, beside what is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from manikin.codebook import Variable
from manikin.cohort.defects.defect import Bools, Dose, Drawn
from manikin.cohort.layout import Columns
from manikin.cohort.timeline import Encounters, Entry, Events, Timeline, Vocabulary, Whole

EVENTS, ENCOUNTERS, PATIENTS = "events", "encounters", "patients"
EVERY = "all"

Rows = Mapping[str, Any]
"""Columns of the rows of a table, by name."""


@dataclass(frozen=True)
class Twins:
    """Patients who stand on record twice; an array has a place for each of them.

    ``patient`` is a row of the shard, ascending. ``differs`` counts ``demographics``: in which of them the second
    record is wrong; ``luck`` says how, and ``values`` what it says then of those that are variables.
    """

    patient: Whole
    demographics: tuple[str, ...]
    differs: Whole
    luck: Any
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """What stands on record over time of a shard's patients, beside what is so.

    ``events`` hold ``value``, ``entry``, ``time``, ``recorded``, whether they are ``kept`` and stand under the
    patient's ``own`` number; ``encounters`` hold ``start``, ``end``, ``kept`` and ``own``: as on record, row by row of
    the ``timeline`` that is so. What is of the ``index`` encounter stands in the analysis table as well.
    ``marks`` says what touched a column of theirs, a bit for each defect.
    """

    clean: Columns
    timeline: Timeline
    vocabulary: Vocabulary
    meanings: Mapping[str, Variable]
    index_events: Bools
    index_encounters: Bools
    events: Rows
    encounters: Rows
    twins: Twins | None = None
    marks: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many patients there are."""
        return len(self.timeline.followed)

    @cached_property
    def before(self) -> Mapping[str, Rows]:
        """The columns as they were before anything happened to them."""
        return {EVENTS: untouched_events(self.timeline.events), ENCOUNTERS: untouched_encounters(self.timeline)}

    def rows(self, table: str) -> Rows:
        """Return what stands on record in a table."""
        return self.events if table == EVENTS else self.encounters

    def patient(self, table: str) -> Whole:
        """Return whose each row of a table is, by row of the shard."""
        if table == PATIENTS:
            return np.arange(self.count, dtype=np.int32)
        return self.timeline.events.patient if table == EVENTS else self.timeline.encounters.patient

    def changed(self, table: str, column: str, values: Any, where: Bools) -> Chart:
        """Return the chart in which a column says something else ``where`` asked."""
        rows = {**self.rows(table), column: np.where(where, values, self.rows(table)[column])}
        return replace(self, events=rows) if table == EVENTS else replace(self, encounters=rows)

    def speaking(self, entries: Sequence[Entry]) -> Chart:
        """Return the chart whose vocabulary has these entries besides."""
        known = self.vocabulary
        return replace(self, vocabulary=replace(known, entries=(*known.entries, *entries)))

    def about(self, names: tuple[str, ...]) -> Bools:
        """Return which events are of some variables or kinds, by what they truly are."""
        told = np.array([is_about(one, names) for one in self.vocabulary.entries], np.bool_)
        return np.asarray(told[self.timeline.events.entry], np.bool_)

    @cached_property
    def standing(self) -> Whole:
        """The rows of the encounters that are on record, in the order in which they stand there."""
        patient = self.timeline.encounters.patient
        owner = self._owner(patient, self.encounters["own"])
        return _in_order(patient, owner, self.encounters["start"], self.encounters["kept"])

    def as_recorded(self) -> Timeline:
        """Return the timeline on record, where what the k-th twin has under the other number is ``count + k``'s."""
        contacts, events, rows = self.timeline.encounters, self.timeline.events, self.standing
        owner = self._owner(contacts.patient, self.encounters["own"])
        place = np.full(len(contacts.patient) + 1, -1, np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        there = Encounters(
            owner[rows], contacts.kind[rows], self.encounters["start"][rows], self.encounters["end"][rows]
        )
        holder = self._owner(events.patient, self.events["own"])
        kept = _in_order(events.patient, holder, self.events["time"], self.events["kept"])
        told = Events(
            holder[kept],
            place[events.encounter[kept]],
            self.events["time"][kept],
            self.events["recorded"][kept],
            self.events["entry"][kept],
            self.events["value"][kept],
        )
        return replace(self.timeline, encounters=there, events=told)

    def _owner(self, patient: Whole, own: Bools) -> Whole:
        if self.twins is None:
            return patient
        other = np.full(self.count, -1, np.int32)
        other[self.twins.patient] = self.count + np.arange(len(self.twins.patient), dtype=np.int32)
        return np.where(own, patient, other[patient]).astype(np.int32)


def untouched_events(events: Events) -> Rows:
    """Return events before anything happens to them."""
    everything = np.ones(len(events.patient), np.bool_)
    written = {"value": events.value, "entry": events.entry, "time": events.time, "recorded": events.recorded}
    return {**written, "kept": everything, "own": everything}


def untouched_encounters(timeline: Timeline) -> Rows:
    """Return encounters before anything happens to them."""
    contacts = timeline.encounters
    everything = np.ones(len(contacts.patient), np.bool_)
    return {"start": contacts.start, "end": contacts.end, "kept": everything, "own": everything}


def is_about(entry: Entry, names: tuple[str, ...]) -> bool:
    """Return whether an entry is of one of some variables or kinds of event; of none means of any."""
    return not names or entry.variable in names or entry.kind in names


def _in_order(patient: Whole, owner: Whole, time: Whole, kept: Bools) -> Whole:
    """Return the rows that are kept, by patient, by who they stand under, and by time."""
    order = np.lexsort((time, owner, patient))
    return np.asarray(order[kept[order]])


@dataclass(frozen=True)
class Strike:
    """What can be struck over time by one draw, and with what share of it.

    Rows of a ``table``: events of these ``names``, encounters of these kinds, or patients; of any where none is named.
    ``index`` takes in what is of the index encounter, ``together`` strikes what a patient has at one time at once,
    ``follows`` asks that the patient had a value of the variable before, ``nested`` that the defect's first draw struck
    the patient, and ``shared`` names a draw that others use.
    """

    table: str
    dose: Dose
    names: tuple[str, ...] = ()
    index: bool = False
    together: bool = False
    follows: bool = False
    nested: bool = False
    shared: str = ""

    @property
    def address(self) -> str:
        """What the draw is called within its defect."""
        return f"{self.table}:{'+'.join(self.names) or EVERY}"

    def reaches(self, vocabulary: Vocabulary, own: int) -> bool:
        """Return whether anything of the kind can be on record; the first ``own`` entries are the index encounter's."""
        if self.table == ENCOUNTERS:
            return not self.names or bool({*self.names} & {*vocabulary.encounters})
        entries = vocabulary.entries if self.index else vocabulary.entries[own:]
        return (self.table == PATIENTS and not self.names) or any(is_about(one, self.names) for one in entries)

    def eligible(self, chart: Chart) -> Bools:
        """Return which rows are of the kind, whatever has happened to them."""
        if self.table == PATIENTS:
            return np.ones(chart.count, np.bool_)
        if self.table == EVENTS:
            return chart.about(self.names) & (self.index | ~chart.index_events)
        kinds = np.array([not self.names or one in self.names for one in chart.vocabulary.encounters], np.bool_)
        return np.asarray(kinds[chart.timeline.encounters.kind] & (self.index | ~chart.index_encounters), np.bool_)

    def at_risk(self, chart: Chart) -> Bools:
        """Return what can be struck."""
        found = self.eligible(chart)
        if self.table != PATIENTS:
            found = found & chart.rows(self.table)["kept"]
        if self.follows:
            found = found & (previous(chart, self.names) >= 0)
        return found if self.dose.odds_ratio is not None else found & self.preferred(chart)

    def preferred(self, chart: Chart) -> Bools:
        """Return for what the dose's condition holds; for all where it has none. It is about the patient."""
        holds = True if self.dose.when is None else self.dose.when(chart.clean)
        return np.asarray(np.broadcast_to(np.asarray(holds, np.bool_), (chart.count,))[chart.patient(self.table)])


def previous(chart: Chart, names: tuple[str, ...]) -> Whole:
    """Return the row of the patient's event before each that has a value of the same variable, -1 for none."""
    return last_of(chart, names, np.ones(len(chart.events["time"]), np.bool_))


def last_of(chart: Chart, names: tuple[str, ...], source: Bools) -> Whole:
    """Return the row of the last event before each that is a ``source`` of a value of the same variable, -1 for none."""
    valued = chart.about(names) & chart.events["kept"] & ~np.isnan(chart.events["value"])
    rows = np.flatnonzero(valued)
    variables = {name: number for number, name in enumerate(names)}
    which = np.array([variables.get(one.variable, -1) for one in chart.vocabulary.entries])[
        chart.timeline.events.entry[rows]
    ]
    patient = chart.timeline.events.patient[rows]
    order = np.lexsort((chart.timeline.events.time[rows], which, patient))
    rows, which, patient = rows[order], which[order], patient[order]
    places = np.where(source[rows], np.arange(len(rows)), -1)
    latest = np.concatenate(([-1], np.maximum.accumulate(places)[:-1])) if len(rows) else places
    same = (latest >= 0) & (patient[latest] == patient) & (which[latest] == which)
    found = np.full(len(valued), -1, np.int64)
    found[rows[same]] = rows[latest[same]]
    return found


@runtime_checkable
class OverTime(Protocol):
    """A way in which records are imperfect over time: what it may strike in a chart, and what becomes of that."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    @property
    def source(self) -> str:
        """Where its figures come from; empty where they were chosen for a purpose."""
        ...

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """The draws that it takes."""
        ...

    def rewrite(self, chart: Chart, drawn: Sequence[Drawn]) -> Chart:
        """Return what then stands in the chart; ``drawn`` answers the strikes in their order."""
        ...

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        ...
