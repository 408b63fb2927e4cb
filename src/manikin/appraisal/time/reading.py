"""Reads the tables over time back as arrays: by the row of each patient, and by the numbers of what they speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manikin.clinic import ClinicalModel
from manikin.codebook import ENDINGS, Variable
from manikin.cohort import STATES, Cohort, Entry, code_of

Array = npt.NDArray[Any]

# The number of what is not there, and of what refers to nothing that there is.
NONE, UNKNOWN = -1, -2
# The text of a value that an assay can't tell from nothing.
BELOW = "<"

_MINUTE = 60_000_000
_TIME = pa.timestamp("us", tz="UTC")
_NOTES = ("patient_id", "encounter_id", "time", "recorded", "kind", "code", "number", "text")


@dataclass(frozen=True)
class Words:
    """What the timelines of a cohort speak of, each by its number: the same in every part.

    ``variables`` are those that an entry may be a value of, and ``texts`` the ones it may be told in; ``orders`` is the
    entry of each of the pathway's tests.
    """

    states: tuple[str, ...]
    encounters: tuple[str, ...]
    entries: tuple[Entry, ...]
    variables: tuple[tuple[Variable, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    orders: Mapping[str, int]

    @cached_property
    def all_texts(self) -> tuple[str, ...]:
        """Every text, once."""
        return tuple(dict.fromkeys([*(text for texts in self.texts for text in texts), BELOW]))

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """The number of each entry, by its kind and code."""
        return {(one.kind, one.code): number for number, one in enumerate(self.entries)}


def words_of(model: ClinicalModel, cohort: Cohort) -> Words:
    """Return what a cohort's timelines speak of: the entries of its pathway, and those of the index encounter."""
    layout = cohort.layout
    assert layout.vocabulary is not None
    gathered: dict[tuple[str, str], list[Entry]] = {}
    for entry in (*layout.vocabulary.entries, *_at_index(cohort)):
        gathered.setdefault((entry.kind, entry.code), []).append(entry)
    places = {key: number for number, key in enumerate(gathered)}
    tests = zip(model.pathway.tests if model.pathway else (), layout.vocabulary.entries, strict=False)
    return Words(
        layout.vocabulary.states,
        layout.vocabulary.encounters,
        tuple(alike[0] for alike in gathered.values()),
        tuple(
            tuple(model.variables[name].meaning for name in dict.fromkeys(one.variable for one in alike) if name)
            for alike in gathered.values()
        ),
        tuple(tuple(dict.fromkeys(text for one in alike for text in one.texts)) for alike in gathered.values()),
        {test: places[entry.kind, entry.code] for test, entry in tests},
    )


def _at_index(cohort: Cohort) -> list[Entry]:
    layout = cohort.layout
    return [
        Entry(field.event, code_of(one), one.title, one.unit, one.levels, one.detection_limit, one.name)
        for field in layout.fields
        for one in (field.variable,)
        if field.event and layout.writes_index
    ]


@dataclass(frozen=True)
class Stays:
    """Stays in states, by patient and time."""

    patient: Array
    state: Array
    entered: Array
    left: Array


@dataclass(frozen=True)
class Contacts:
    """Encounters, by patient and start."""

    patient: Array
    kind: Array
    start: Array
    end: Array


@dataclass(frozen=True)
class Notes:
    """Events, by patient and time. ``contact`` is a row of the contacts, ``text`` counts the words' ``all_texts``."""

    patient: Array
    contact: Array
    time: Array
    recorded: Array
    entry: Array
    number: Array
    text: Array


Rows = TypeVar("Rows", Stays, Contacts, Notes)


@dataclass(frozen=True)
class Part:
    """What happened to some patients. Times are minutes since 1970; ``strays`` counts rows of no patient among them.

    ``begins`` is when each one's first state was entered, ``followed`` until when, ``left_by`` counts ``ENDINGS``.
    """

    patients: int
    identifiers: pa.Array
    followed: Array
    left_by: Array
    stays: Stays
    contacts: Contacts
    notes: Notes
    strays: int = 0

    @cached_property
    def uninterrupted(self) -> Stays:
        """The stays, where going on in the same state is one of them: what a person sees, whatever a model counts."""
        stays = self.stays
        on = (stays.patient[1:] == stays.patient[:-1]) & (stays.state[1:] == stays.state[:-1])
        first = np.append(True, ~on)[: len(stays.patient)]
        last = np.append(~on, True)[: len(stays.patient)]
        return Stays(stays.patient[first], stays.state[first], stays.entered[first], stays.left[last])

    @cached_property
    def begins(self) -> Array:
        """When each patient's first state was entered; for who has none, when follow-up ends."""
        first = np.searchsorted(self.stays.patient, np.arange(self.patients))
        found = np.array(self.followed)
        there = first < len(self.stays.patient)
        there[there] = self.stays.patient[first[there]] == np.flatnonzero(there)
        found[there] = self.stays.entered[first[there]]
        return found


def read_part(words: Words, cohort: Cohort, number: int) -> Part:
    """Return one part of a cohort's tables over time; a table that nobody asked for is empty."""
    identifiers = _joined(cohort.piece("analysis", number, ["patient_id"]).column(0))
    states = _piece(cohort, STATES, number, ("patient_id", "state", "entered", "left"))
    stays, lost = _by_patient(
        _coded(states[0], identifiers), _minutes(states[2]), _minutes(states[3]), _coded(states[1], words.states)
    )
    met = _piece(cohort, "encounters", number, ("patient_id", "encounter_id", "kind", "start", "end"))
    places = np.arange(len(met[0]), dtype=np.int32)
    contacts, gone = _by_patient(
        _coded(met[0], identifiers), _minutes(met[3]), _minutes(met[4]), _coded(met[2], words.encounters), places
    )
    events = _piece(cohort, "events", number, _NOTES)
    notes, strays = _by_patient(
        _coded(events[0], identifiers),
        _minutes(events[2]),
        _minutes(events[3]),
        _coded(events[1], met[1].take(pa.array(contacts[4]))),
        _entries(words, events[4], events[5]),
        pc.fill_null(events[6], np.nan).to_numpy(zero_copy_only=False),
        _coded(events[7], words.all_texts),
    )
    patient, entered, left, state = stays
    followed, left_by = _ends(cohort, number, stays, len(identifiers))
    return Part(
        len(identifiers),
        identifiers,
        followed,
        left_by,
        Stays(patient, state, entered, left),
        Contacts(contacts[0], contacts[3], contacts[1], contacts[2]),
        Notes(notes[0], notes[3], notes[1], notes[2], *notes[4:]),
        lost + gone + strays,
    )


def read_first(words: Words, cohort: Cohort, most: int) -> Part:
    """Return the first ``most`` patients, from as few parts as hold them."""
    parts: list[Part] = []
    for number in range(len(cohort.parts["analysis"])):
        missing = most - sum(part.patients for part in parts)
        if missing > 0:
            parts.append(_cut(read_part(words, cohort, number), missing))
    return parts[0] if len(parts) == 1 else _together(parts)


def _piece(cohort: Cohort, table: str, number: int, names: Sequence[str]) -> list[pa.Array]:
    """Return columns of a part of a table, each in one piece; empty ones where there is no such table."""
    if table not in cohort.parts:
        kinds = {
            "number": pa.float64(),
            **dict.fromkeys(("time", "recorded", "start", "end", "entered", "left"), _TIME),
        }
        return [pa.array([], kinds.get(name, pa.string())) for name in names]
    part = cohort.own(number, names) if table == "patients" else cohort.piece(table, number, names)
    part = part.unify_dictionaries()
    return [_joined(part.column(name)) for name in names]


def _joined(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _coded(column: pa.Array, values: pa.Array | Sequence[str]) -> Array:
    """Return which of ``values`` each element of a column is; ``NONE`` for nothing, ``UNKNOWN`` for none of them."""
    known = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    places = pc.fill_null(pc.index_in(column.dictionary, value_set=known), UNKNOWN).to_numpy()
    indices = pc.fill_null(column.indices, len(places)) if column.null_count else column.indices
    return np.asarray(np.append(places, NONE).astype(np.int32)[indices.to_numpy()])


def _entries(words: Words, kinds: pa.Array, codes: pa.Array) -> Array:
    """Return the entry of each event by its kind and code."""
    by_kind = list(dict.fromkeys(one.kind for one in words.entries))
    by_code = list(dict.fromkeys(one.code for one in words.entries))
    # One row and one column more, for what the words don't know: negative numbers count from the end.
    table = np.full((len(by_kind) + 2, len(by_code) + 2), UNKNOWN, np.int16)
    for (kind, code), number in words.places.items():
        table[by_kind.index(kind), by_code.index(code)] = number
    return np.asarray(table[_coded(kinds, by_kind), _coded(codes, by_code)])


def _minutes(column: pa.Array) -> Array:
    """Return times as whole minutes since 1970; what is written to the second is kept to the minute before."""
    return np.asarray(column.cast(_TIME).cast(pa.int64()).to_numpy(zero_copy_only=False) // _MINUTE)


def _by_patient(patient: Array, time: Array, *others: Array) -> tuple[tuple[Array, ...], int]:
    """Return columns by patient and time, without rows of nobody, and how many of those there were."""
    columns = (patient, time, *others)
    astray = patient < 0
    lost = int(astray.sum())
    if lost:
        columns = tuple(column[~astray] for column in columns)
    step = np.diff(columns[0])
    if ((step < 0) | ((step == 0) & (np.diff(columns[1]) < 0))).any():
        order = np.lexsort((columns[1], columns[0]))
        columns = tuple(column[order] for column in columns)
    return columns, lost


def _ends(cohort: Cohort, number: int, stays: tuple[Array, ...], patients: int) -> tuple[Array, Array]:
    """Return until when patients are followed and what ends it; by their last state where there is no other word."""
    if "patients" in cohort.parts:
        until, by = _piece(cohort, "patients", number, ("followed_until", "left_by"))
        return _minutes(until), _coded(by, ENDINGS)
    last = np.searchsorted(stays[0], np.arange(patients), side="right") - 1
    return stays[2][last], np.full(patients, NONE, np.int32)


def _cut(part: Part, most: int) -> Part:
    """Return the first patients of a part."""
    if part.patients <= most:
        return part

    def kept(rows: Rows, make: Callable[..., Rows]) -> Rows:
        end = int(np.searchsorted(rows.patient, most))
        return make(*(getattr(rows, one.name)[:end] for one in fields(rows)))

    return Part(
        most,
        part.identifiers[:most],
        part.followed[:most],
        part.left_by[:most],
        kept(part.stays, Stays),
        kept(part.contacts, Contacts),
        kept(part.notes, Notes),
        part.strays,
    )


def _together(parts: Sequence[Part]) -> Part:
    """Return parts as one, whose patients and contacts count on."""
    before = np.cumsum([0, *(part.patients for part in parts)])
    contacts_before = np.cumsum([0, *(len(part.contacts.patient) for part in parts)])

    def joined(one: str, make: type[Rows]) -> Rows:
        pieces = []
        for place, part in enumerate(parts):
            rows = {each.name: getattr(getattr(part, one), each.name) for each in fields(make)}
            rows["patient"] = rows["patient"] + before[place]
            if "contact" in rows:
                rows["contact"] = np.where(
                    rows["contact"] < 0, rows["contact"], rows["contact"] + contacts_before[place]
                )
            pieces.append(rows)
        return make(*(np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]))

    return Part(
        int(before[-1]),
        pa.concat_arrays([part.identifiers for part in parts]),
        np.concatenate([part.followed for part in parts]),
        np.concatenate([part.left_by for part in parts]),
        joined("stays", Stays),
        joined("contacts", Contacts),
        joined("notes", Notes),
        sum(part.strays for part in parts),
    )
