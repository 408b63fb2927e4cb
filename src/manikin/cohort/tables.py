"""Turns columns of patients into the tables of a cohort, as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manikin.codebook import Kind, Variable
from manikin.cohort.defects.log import log_table
from manikin.cohort.layout import DEFECTS, WEIGHT, Columns, Field, Layout, observed, recorded
from manikin.streams import Floats, Ordinals, Seed

Days = npt.NDArray[np.datetime64]

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_PREFIX = np.frombuffer(b"syn-", np.uint8)
_ENCOUNTER_PREFIX = np.frombuffer(b"enc-", np.uint8)
_TIME = pa.timestamp("us", tz="UTC")


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
        DEFECTS: people.defects,
    }
    return {name: makers[name]() for name in tables}


class _People:
    """The patients of a shard."""

    def __init__(self, columns: Columns, layout: Layout, seed: Seed, ordinals: Ordinals) -> None:
        self.columns = columns
        self.layout = layout
        self.count = len(ordinals)
        self.identifiers = seed.permuted(ordinals)
        self.patient_id = _text_ids(_PREFIX, self.identifiers)
        self.index_date = _index_dates(layout, seed.stream("index_date").uniform_at(ordinals))
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
        return pa.table(
            arrays
            | {
                field.variable.name: self._recorded(field)
                for field in self.layout.fields
                if field.static and field.data
            }
        )

    def encounters(self) -> pa.Table:
        """One row for each contact; so far the index encounter, to the day."""
        start = pa.array(self.index_date.astype("M8[us]")).cast(_TIME)
        kind = pa.DictionaryArray.from_arrays(pa.array(np.zeros(self.count, np.int8)), ["index"])
        return pa.table(
            {
                "encounter_id": self._encounter_id(),
                "patient_id": self.patient_id,
                "kind": kind,
                "start": start,
                "end": start,
            }
        )

    def events(self) -> pa.Table:
        """One row for each recorded observation, condition and medication, by patient."""
        fields = [field for field in self.layout.fields if field.event]
        present = (
            np.stack([self._present(field) for field in fields], axis=1)
            if fields
            else np.zeros((self.count, 0), np.bool_)
        )
        who, which = np.nonzero(present)
        numbers = np.stack([self._numbers(field) for field in fields], axis=1) if fields else np.zeros((self.count, 0))
        number = numbers[who, which]
        texts, text_code = self._texts(fields, who, which)
        kinds = ["observation", "condition", "medication"]
        return pa.table(
            {
                "patient_id": self.patient_id.take(pa.array(who)),
                "encounter_id": self._encounter_id().take(pa.array(who)),
                "time": pa.array(self.index_date[who].astype("M8[us]")).cast(_TIME),
                "kind": _dictionary(
                    np.array([kinds.index(str(field.event)) for field in fields], np.int8)[which], kinds
                ),
                "code": _dictionary(which.astype(np.int16), [_code(field.variable) for field in fields]),
                "number": pa.array(number, mask=np.isnan(number)),
                "text": _dictionary(text_code, [*texts, ""]),
                "unit": _dictionary(which.astype(np.int16), [field.variable.unit for field in fields]),
            }
        )

    def defects(self) -> pa.Table:
        """One row for each value on record that was made another than the clean one."""
        return log_table(self.columns, self.layout, self.patient_id)

    def _encounter_id(self) -> pa.Array:
        return _text_ids(_ENCOUNTER_PREFIX, self.identifiers)

    def _clean(self, field: Field) -> pa.Array:
        return _array(field.variable, self.columns[field.variable.name])

    def _recorded(self, field: Field) -> pa.Array:
        hidden = ~np.asarray(self.columns[observed(field.variable.name)]) if field.hides else None
        return _array(field.variable, self._on_record(field), hidden)

    def _on_record(self, field: Field) -> Any:
        name = field.variable.name
        return np.asarray(self.columns[recorded(name) if field.defects else name])

    def _present(self, field: Field) -> npt.NDArray[np.bool_]:
        values = self._on_record(field)
        absent = {Kind.CONDITION: 0, Kind.CATEGORY: -1}
        kind = field.variable.kind
        there = values != absent[kind] if kind in absent else ~np.isnan(values)
        seen = np.asarray(self.columns[observed(field.variable.name)]) if field.hides else True
        return np.asarray(there & seen, np.bool_)

    def _numbers(self, field: Field) -> Floats:
        return self._on_record(field) if field.variable.numeric else np.full(self.count, np.nan)

    def _texts(self, fields: list[Field], who: Any, which: Any) -> tuple[list[str], npt.NDArray[np.int32]]:
        texts: list[str] = []
        codes = np.full(len(who), -1, np.int32)
        for place, field in enumerate(fields):
            if field.variable.kind is Kind.CATEGORY:
                mine = which == place
                codes[mine] = len(texts) + self._on_record(field)[who[mine]]
                texts += field.variable.levels
        return texts, codes


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


def _index_dates(layout: Layout, uniform: Floats) -> Days:
    first, last = (np.datetime64(day) for day in layout.index_dates)
    days = int((last - first).astype(int)) + 1
    return np.asarray(first + np.floor(uniform * days).astype("m8[D]"))


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


def _dictionary(codes: Any, values: list[str]) -> pa.DictionaryArray:
    """Return text by its number; an empty text is no value.

    Each text stands in the dictionary once: where one stands twice, Arrow pads a Parquet file with stray memory.
    """
    distinct = list(dict.fromkeys(value for value in values if value))
    places = np.array([distinct.index(value) if value else -1 for value in values], np.int16)[codes]
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=places < 0), pa.array(distinct, pa.string()))


def _code(variable: Variable) -> str:
    """Return the code of the system that names an event, as ``system:code``."""
    for system in ("loinc", "rxnorm", "snomed", "icd10"):
        if system in variable.codes:
            return f"{system}:{variable.codes[system]}"
    raise KeyError(variable.name)


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
