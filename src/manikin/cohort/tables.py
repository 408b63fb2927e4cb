"""Turns columns of patients into the tables of a cohort, as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manikin.codebook import Days, Kind, Variable
from manikin.cohort.defects.log import log_table
from manikin.cohort.index import on_record, recording
from manikin.cohort.layout import DEFECTS, INDEX_DATE, STATES, TIMELINE, WEIGHT, Columns, Field, Layout, observed
from manikin.cohort.timeline import ENDINGS, Entry, Events, Timeline, Vocabulary, Whole
from manikin.streams import Floats, Ordinals, Seed

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_PREFIX = np.frombuffer(b"syn-", np.uint8)
_ENCOUNTER_PREFIX = np.frombuffer(b"enc-", np.uint8)
_TIME = pa.timestamp("us", tz="UTC")
_MICROSECONDS = 60_000_000  # a minute
# A patient has fewer encounters than this many bits can count, and 2^40 patients are the most there are.
_CONTACT_BITS = 20


def assemble(
    tables: tuple[str, ...], columns: Columns, layout: Layout, seed: Seed, ordinals: Ordinals
) -> dict[str, pa.Table]:
    """Return the ``tables`` that were asked for, of the patients with these ordinals."""
    people = _People(columns, layout, seed, ordinals)
    makers: Mapping[str, Callable[[], pa.Table]] = {
        "patients": people.patients,
        "encounters": people.encounters,
        "events": people.events,
        "analysis": people.analysis,
        "truth": people.truth,
        STATES: people.states,
        DEFECTS: people.defects,
    }
    return {name: makers[name]() for name in tables}


class _People:
    """The patients of a shard."""

    def __init__(self, columns: Columns, layout: Layout, seed: Seed, ordinals: Ordinals) -> None:
        self.columns = columns
        self.layout = layout
        self.seed = seed
        self.ordinals = ordinals
        self.count = len(ordinals)
        self.patient_id = _text_ids(_PREFIX, seed.permuted(ordinals))
        dates = columns.get(INDEX_DATE)
        drawn = seed.stream("index_date").uniform_at(ordinals)
        self.index_date = layout.index_dates.at(drawn) if dates is None else dates
        self.birthday = seed.stream("birthday").uniform_at(ordinals)

    def analysis(self) -> pa.Table:
        """One row for each patient: predictors and outcomes at the index encounter."""
        arrays = {"patient_id": self.patient_id, "index_date": pa.array(self.index_date)}
        if self.layout.weighted:
            arrays[WEIGHT] = pa.array(self.columns[WEIGHT])
        arrays |= {field.variable.name: self._recorded(field) for field in self.layout.fields if field.data}
        return pa.table(arrays)

    def truth(self) -> pa.Table:
        """One row for each patient: latents, and clean values of what is not always, or not rightly, on record."""
        kept = [field for field in self.layout.fields if field.in_truth]
        return pa.table({"patient_id": self.patient_id} | {field.variable.name: self._clean(field) for field in kept})

    def patients(self) -> pa.Table:
        """One row for each patient: what does not change."""
        arrays = {"patient_id": self.patient_id}
        if "age" in self.layout.names:
            arrays["birth_date"] = pa.array(birth_dates(self.index_date, self.columns["age"], self.birthday))
        arrays |= {
            field.variable.name: self._recorded(field) for field in self.layout.fields if field.static and field.data
        }
        if self.layout.vocabulary is not None:
            everyone = np.arange(self.count)
            arrays["followed_until"] = self._times(everyone, self.timeline.followed)
            arrays["left_by"] = _dictionary(self.timeline.left_by, ENDINGS)
        return pa.table(arrays)

    def encounters(self) -> pa.Table:
        """One row for each contact."""
        contacts = self.timeline.encounters
        return pa.table(
            {
                "encounter_id": self.encounter_id,
                "patient_id": self._whose(contacts.patient),
                "kind": _dictionary(contacts.kind, self.vocabulary.encounters),
                "start": self._times(contacts.patient, contacts.start),
                "end": self._times(contacts.patient, contacts.end),
            }
        )

    def events(self) -> pa.Table:
        """One row for each thing on record, by patient and time."""
        events, entries = self.timeline.events, self.vocabulary.entries
        number, text = _told(events, entries)
        encounter = events.encounter
        return pa.table(
            {
                "patient_id": self._whose(events.patient),
                "encounter_id": pa.DictionaryArray.from_arrays(
                    pa.array(encounter, mask=encounter < 0 if (encounter < 0).any() else None), self.encounter_id
                ),
                "time": self._times(events.patient, events.time),
                "recorded": self._times(events.patient, events.recorded),
                "kind": _dictionary(events.entry, [entry.kind for entry in entries]),
                "code": _dictionary(events.entry, [entry.code for entry in entries]),
                "number": number,
                "text": text,
                "unit": _dictionary(events.entry, [entry.unit for entry in entries]),
            }
        )

    def states(self) -> pa.Table:
        """One row for each stay in a state of the pathway."""
        stays = self.timeline.states
        return pa.table(
            {
                "patient_id": self._whose(stays.patient),
                "state": _dictionary(stays.state, self.vocabulary.states),
                "entered": self._times(stays.patient, stays.entered),
                "left": self._times(stays.patient, stays.left),
            }
        )

    def defects(self) -> pa.Table:
        """One row for each value on record that was made another than the clean one."""
        return log_table(self.columns, self.layout, self.patient_id)

    @cached_property
    def _recording(self) -> tuple[Timeline, Vocabulary]:
        return recording(self.columns, self.layout, self.columns.get(TIMELINE), self.count)

    @property
    def timeline(self) -> Timeline:
        """What happened to the patients."""
        return self._recording[0]

    @property
    def vocabulary(self) -> Vocabulary:
        """What their timeline speaks of."""
        return self._recording[1]

    @cached_property
    def encounter_id(self) -> pa.Array:
        """The identifiers of the encounters: of the patient's number, and of the encounter's within it."""
        patient = self.timeline.encounters.patient
        nth = np.arange(len(patient)) - np.searchsorted(patient, patient)
        return _text_ids(_ENCOUNTER_PREFIX, self.seed.permuted(self.ordinals[patient] << _CONTACT_BITS | nth))

    @cached_property
    def _midnight(self) -> npt.NDArray[np.int64]:
        """The beginning of each patient's index date, in minutes since 1970."""
        return self.index_date.astype("M8[m]").astype(np.int64)

    def _whose(self, patient: Whole) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(patient), self.patient_id)

    def _times(self, patient: Whole, minutes: Whole) -> pa.Array:
        times = self._midnight[patient] + minutes
        times *= _MICROSECONDS
        return pa.Array.from_buffers(_TIME, len(times), [None, pa.py_buffer(times)])

    def _clean(self, field: Field) -> pa.Array:
        return _array(field.variable, self.columns[field.variable.name])

    def _recorded(self, field: Field) -> pa.Array:
        hidden = ~np.asarray(self.columns[observed(field.variable.name)]) if field.hides else None
        return _array(field.variable, on_record(self.columns, field), hidden)


def birth_dates(index_date: Days, age_years: Floats, uniform: Floats) -> Days:
    """Return birth dates such that each patient has completed ``age_years`` years on the index date.

    ``uniform`` places the last birthday within the 365 days before it. Who was born on 29 February has a birthday on
    the last day of February in common years.
    """
    last_birthday = index_date - np.floor(uniform * 365).astype("m8[D]")
    month = last_birthday.astype("M8[M]")
    born = month - (12 * age_years).astype("m8[M]")
    day = last_birthday - month.astype("M8[D]")
    length = (born + np.timedelta64(1, "M")).astype("M8[D]") - born.astype("M8[D]")
    return np.asarray(born.astype("M8[D]") + np.minimum(day, length - np.timedelta64(1, "D")))


def _array(variable: Variable, values: Any, hidden: Any = None) -> pa.Array:
    """Return values as Arrow in the type of the variable's kind; nothing where there is none or it is hidden."""
    if variable.kind is Kind.CONDITION:
        return pa.array(np.asarray(values, np.bool_), mask=hidden)
    absent = np.asarray(values) < 0 if variable.kind is Kind.CATEGORY else np.isnan(values)
    mask = absent if hidden is None else absent | hidden
    if variable.kind is Kind.CATEGORY:
        return pa.DictionaryArray.from_arrays(
            pa.array(np.asarray(values), mask=mask), pa.array(variable.levels, pa.string())
        )
    if variable.kind is Kind.COUNT:
        return pa.array(np.nan_to_num(values).astype(np.int32), mask=mask)
    return pa.array(np.asarray(values, np.float64), mask=mask if mask.any() else None)


def _dictionary(codes: Any, values: Sequence[str]) -> pa.DictionaryArray:
    """Return text by its number; an empty text is no value.

    Each text stands in the dictionary once: where one stands twice, Arrow pads a Parquet file with stray memory.
    """
    distinct = list(dict.fromkeys(value for value in values if value))
    places = np.array([distinct.index(value) if value else -1 for value in values], np.int16)[codes]
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=places < 0), pa.array(distinct, pa.string()))


def _told(events: Events, entries: tuple[Entry, ...]) -> tuple[pa.Array, pa.Array]:
    """Return the numbers and texts of events. What an assay can't tell is its limit, and the text ``<``."""
    values, entry = events.value, events.entry
    worded = np.array([bool(one.texts) for one in entries], np.bool_)
    limits = np.array([-np.inf if one.limit is None else one.limit for one in entries])
    texts = [*dict.fromkeys(text for one in entries for text in one.texts), "<"]
    numeric = ~np.isnan(values) if not worded.any() else ~(np.isnan(values) | worded[entry])
    number = np.where(numeric, values, np.nan) if worded.any() else values
    code = np.full(len(values), -1, np.int32)
    if np.isfinite(limits).any():
        below = numeric & (number < limits[entry])
        number = np.where(below, limits[entry], number)
        code[below] = len(texts) - 1
    if worded.any():
        widest = max(len(one.texts) for one in entries)
        places = np.full((len(entries), widest), -1, np.int32)
        for row, one in enumerate(entries):
            places[row, : len(one.texts)] = [texts.index(text) for text in one.texts]
        told = worded[entry] & (values >= 0)
        code[told] = places[entry[told], values[told].astype(np.int64)]
    text = pa.DictionaryArray.from_arrays(pa.array(code, mask=code < 0), pa.array(texts, pa.string()))
    return pa.array(number, mask=~numeric), text


def _text_ids(prefix: npt.NDArray[np.uint8], identifiers: npt.NDArray[np.uint64]) -> pa.Array:
    """Return identifiers as text of equal length: a prefix and 16 hexadecimal digits."""
    octets = identifiers.astype(">u8").view(np.uint8).reshape(-1, 8)
    width = len(prefix) + 16
    letters = np.empty((len(octets), width), np.uint8)
    letters[:, : len(prefix)] = prefix
    letters[:, len(prefix) :: 2] = _HEX[octets >> 4]
    letters[:, len(prefix) + 1 :: 2] = _HEX[octets & 15]
    offsets = np.arange(len(octets) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(octets), pa.py_buffer(offsets), pa.py_buffer(letters.tobytes()))
