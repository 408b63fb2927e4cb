"""Turns columns of patients into the tables of a cohort, as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manikin.codebook import ENDINGS, Days, Kind, Variable
from manikin.cohort.defects.chart import Chart, Twins
from manikin.cohort.defects.duplicates import BIRTH_DATE
from manikin.cohort.defects.log import Told, log_table
from manikin.cohort.defects.twins import (
    births_on_second,
    interleaved,
    second_numbers,
    values_on_second,
    years_between,
)
from manikin.cohort.index import on_record, recording
from manikin.cohort.layout import (
    CHART,
    CLEAN_ENCOUNTERS,
    CLEAN_EVENTS,
    DEFECTS,
    DUPLICATES,
    INDEX_DATE,
    STATES,
    TIMELINE,
    WEIGHT,
    Columns,
    Field,
    Layout,
    observed,
)
from manikin.cohort.timeline import Entry, Events, Timeline, Vocabulary, Whole
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
        "encounters": lambda: people.encounters(people.timeline),
        "events": lambda: people.events(people.timeline),
        "analysis": people.analysis,
        "truth": people.truth,
        STATES: people.states,
        CLEAN_ENCOUNTERS: lambda: people.encounters(people.truly),
        CLEAN_EVENTS: lambda: people.events(people.truly),
        DUPLICATES: people.duplicates,
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
        dates: Days | None = columns.get(INDEX_DATE)
        if dates is None:
            dates = layout.index_dates.at(seed.stream("index_date").uniform_at(ordinals))
        self.index_date = dates
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
        """One row for each patient: what does not change. Who stands on record twice has two."""
        arrays = {"patient_id": self.patient_id}
        if "age" in self.layout.names:
            arrays[BIRTH_DATE] = pa.array(self.birth_date)
        arrays |= {
            field.variable.name: self._recorded(field) for field in self.layout.fields if field.static and field.data
        }
        if self.layout.vocabulary is not None:
            everyone = np.arange(self.count)
            arrays["followed_until"] = self._times(everyone, self.timeline.followed)
            arrays["left_by"] = _dictionary(self.timeline.left_by, ENDINGS)
        table = pa.table(arrays)
        return table if self.twins is None else interleaved(table, self._second(table, self.twins), self.twins)

    def duplicates(self) -> pa.Table:
        """One row for each patient who stands on record twice: under which numbers, and what contradicts."""
        if self.twins is None:
            return _NO_DUPLICATES
        return pa.table(
            {
                "patient_id": self.patient_id.take(pa.array(self.twins.patient)),
                "duplicate_id": self.second_id,
                "differs": _dictionary(self.twins.differs, self.twins.demographics),
            }
        )

    def encounters(self, timeline: Timeline) -> pa.Table:
        """One row for each contact."""
        contacts = timeline.encounters
        return pa.table(
            {
                "encounter_id": self.contact_ids(timeline),
                "patient_id": self._whose(contacts.patient),
                "kind": _dictionary(contacts.kind, self.vocabulary.encounters),
                "start": self._times(contacts.patient, contacts.start),
                "end": self._times(contacts.patient, contacts.end),
            }
        )

    def events(self, timeline: Timeline) -> pa.Table:
        """One row for each thing that was recorded, by patient and time."""
        events, entries = timeline.events, self.vocabulary.entries
        number, text = _told(events, entries)
        encounter = events.encounter
        return pa.table(
            {
                "patient_id": self._whose(events.patient),
                "encounter_id": pa.DictionaryArray.from_arrays(
                    pa.array(encounter, mask=encounter < 0 if (encounter < 0).any() else None),
                    self.contact_ids(timeline),
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
        chart = self._chart
        if chart is None:
            return log_table(self.columns, self.layout, self.patient_id)
        told = Told(chart, self._midnight, self.contact_ids(chart.timeline), self.patient_id, self.second_id)
        return log_table(self.columns, self.layout, self.patient_id, told)

    @property
    def _chart(self) -> Chart | None:
        return self.columns.get(CHART)

    @property
    def twins(self) -> Twins | None:
        """Who stands on record twice."""
        return None if self._chart is None else self._chart.twins

    @cached_property
    def _recording(self) -> tuple[Timeline, Vocabulary]:
        if self._chart is not None:
            return self._chart.as_recorded(), self._chart.vocabulary
        return recording(self.columns, self.layout, self.columns.get(TIMELINE), self.count)

    @property
    def timeline(self) -> Timeline:
        """What happened to the patients, as it stands on record."""
        return self._recording[0]

    @property
    def truly(self) -> Timeline:
        """What happened to the patients, before records of it became imperfect."""
        return self.timeline if self._chart is None else self._chart.timeline

    @property
    def vocabulary(self) -> Vocabulary:
        """What their timeline speaks of."""
        return self._recording[1]

    def contact_ids(self, timeline: Timeline) -> pa.Array:
        """Return identifiers of encounters: of the patient's number, and of the encounter's within it.

        An encounter on record has the one that it had before records became imperfect.
        """
        patient = self.truly.encounters.patient
        nth = np.arange(len(patient)) - np.searchsorted(patient, patient)
        found = _text_ids(_ENCOUNTER_PREFIX, self.seed.permuted(self.ordinals[patient] << _CONTACT_BITS | nth))
        return found if self._chart is None or timeline is self.truly else found.take(pa.array(self._chart.standing))

    @cached_property
    def birth_date(self) -> Days:
        """The true birth dates."""
        return birth_dates(self.index_date, self.columns["age"], self.birthday)

    @cached_property
    def _person(self) -> Whole:
        """Whose record each is: the patients' own, and then the second ones."""
        everyone = np.arange(self.count, dtype=np.int32)
        return everyone if self.twins is None else np.concatenate([everyone, self.twins.patient])

    @cached_property
    def second_id(self) -> pa.Array:
        """The identifiers of the second records."""
        return _text_ids(_PREFIX, self.seed.permuted(second_numbers(self.ordinals[self._person[self.count :]])))

    def _second(self, table: pa.Table, twins: Twins) -> pa.Table:
        """Return the second records of the patients in a table: the same, but for their number and what contradicts."""
        rows = pa.array(twins.patient)
        changed = {"patient_id": self.second_id}
        if BIRTH_DATE in table.column_names:
            index_date, own = self.index_date[twins.patient], self.birth_date[twins.patient]
            born = births_on_second(twins, own)
            changed[BIRTH_DATE] = pa.array(born)
            if "age" in table.column_names:
                years = np.where(born == own, self.columns["age"][twins.patient], years_between(born, index_date))
                changed["age"] = pa.array(years.astype(np.int32), mask=table["age"].take(rows).is_null().to_numpy())
        for name in twins.values:
            field = self.layout.field(name)
            values = values_on_second(twins, name, np.asarray(on_record(self.columns, field))[twins.patient])
            hidden = self._hidden(field)
            changed[name] = _array(field.variable, values, None if hidden is None else hidden[twins.patient])
        second = table.take(rows)
        return pa.table({name: changed.get(name, second[name]) for name in table.column_names})

    @cached_property
    def _midnight(self) -> npt.NDArray[np.int64]:
        """The beginning of each patient's index date, in minutes since 1970."""
        return self.index_date.astype("M8[m]").astype(np.int64)

    def _whose(self, patient: Whole) -> pa.DictionaryArray:
        everyone = self.patient_id if self.twins is None else pa.concat_arrays([self.patient_id, self.second_id])
        return pa.DictionaryArray.from_arrays(pa.array(patient), everyone)

    def _times(self, patient: Whole, minutes: Whole) -> pa.Array:
        times = self._midnight[self._person[patient]] + minutes
        times *= _MICROSECONDS
        return pa.Array.from_buffers(_TIME, len(times), [None, pa.py_buffer(times)])

    def _clean(self, field: Field) -> pa.Array:
        return _array(field.variable, self.columns[field.variable.name])

    def _recorded(self, field: Field) -> pa.Array:
        return _array(field.variable, on_record(self.columns, field), self._hidden(field))

    def _hidden(self, field: Field) -> Any:
        return ~np.asarray(self.columns[observed(field.variable.name)]) if field.hides else None


_NO_DUPLICATES = pa.table(
    {
        "patient_id": pa.array([], pa.string()),
        "duplicate_id": pa.array([], pa.string()),
        "differs": pa.DictionaryArray.from_arrays(pa.array([], pa.int16()), pa.array([], pa.string())),
    }
)


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
