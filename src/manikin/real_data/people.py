"""Reads records into one row a patient, in declared bins, so that whoever is added or removed changes one patient alone.

No value is refused here, since an error that depends on somebody tells of somebody: what isn't a number, isn't named by
the mapping or can't be in a living person counts as missing. Every row is read by itself, without a look at others.
Nothing here leaves the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manikin.aggregates.plan import LAST, MeasurePlan
from manikin.codebook import Bins, Codes, Domain, bins_of
from manikin.errors import RealDataError, RequestError, closest
from manikin.real_data.courses import Courses
from manikin.real_data.event_questions import ALL_OR_MORE
from manikin.real_data.mapping import MISSING, MappedColumn, RecordMapping
from manikin.real_data.questions import CLIPPED, EVENTS, Counts, Question, count
from manikin.real_data.records import identity_of, meant, numbers_in, on_grid, table_of, texts_of
from manikin.streams import Floats

Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class People:
    """Patients in declared bins.

    ``codes`` has shape (patients, variables). ``clipped`` has, by the name of its question, a code for every patient
    on record: 1 for those of whom something does not count. ``courses`` is what happened to them, where that is asked.
    ``values`` are what ``codes`` are bins of, by variable: numbers, or the numbers of levels; NaN for none.
    """

    domain: Domain
    codes: Codes
    clipped: Mapping[str, Codes]
    courses: Courses | None = None
    values: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many patients."""
        return len(self.codes)

    def answer(self, question: Question) -> Counts:
        """Return how many patients fall into each cell of a question, exactly; this is not to leave the package."""
        if question.axes[0].name in self.clipped:
            return count((self.clipped[question.axes[0].name],), question.shape)
        if self.courses is not None and question.kind in (EVENTS, CLIPPED):
            return self.courses.answer(question)
        places = self.domain.of(axis.name for axis in question.axes)
        return count([self.codes[:, place] for place in places], question.shape)


def domain_of(plan: MeasurePlan, mapping: RecordMapping) -> Domain:
    """Return the bins of the variables that a plan asks about, those of the mapping where it names none.

    Raises:
        RequestError: The mapping has no column for one of them, one has no declared bins, or what is recorded is
            weighted: a patient counts once.
    """
    if mapping.weights:
        raise RequestError("The mapping has 'weights', and a measurement counts each patient once. Remove them.")
    known = {column.variable.name: column.variable for column in mapping.columns}
    for name in plan.named:
        if name not in known:
            raise RequestError(f"'{name}' is asked for, and the mapping has no column for it. {closest(name, known)}")
    wanted = dict.fromkeys((*(plan.variables or known), *plan.named))
    return Domain(tuple(bins_of(known[name], missing=name not in plan.complete) for name in wanted))


def read_people(path: Path, mapping: RecordMapping, domain: Domain, rows: str) -> People:
    """Return the patients in a file of records.

    Rows that name no patient, or of whom ``among`` does not hold, are nobody's. Of those that a patient has left, the
    first or last counts; a patient without a value where it is complete by declaration is left out.

    Raises:
        RealDataError: The file or a column can't be read, or holds no patient.
    """
    named = [name for column in mapping.columns for name in column.columns]
    places = [one for one in (mapping.patient, mapping.order) if one]
    table = table_of(path, list(dict.fromkeys([*named, *places])), as_written=True)
    columns = {column.variable.name: _values(table, column) for column in mapping.columns}
    whose = _whose(table, mapping)
    inside = np.flatnonzero(meant(columns, mapping) & (whose >= 0))
    kept, several = _one_each(whose[inside], _order(table, mapping).take(pa.array(inside)), last=rows == LAST)
    chosen = inside[kept]
    complete = [axis.name for axis in domain.axes if not axis.missing]
    known = (
        np.all([~np.isnan(columns[name][chosen]) for name in complete], axis=0)
        if complete
        else np.ones(len(chosen), bool)
    )
    if not known.any():
        raise RealDataError(f"{path} holds no patient whom the mapping means. Nothing was measured.")
    values = {axis.name: columns[axis.name][chosen][known] for axis in domain.axes}
    flags = {ROWS.name: several, LEFT_OUT.name: ~known}
    clipped = {name: flag.astype(np.int16) for name, flag in flags.items()}
    return People(domain, domain.codes(values), clipped, values=values)


def clipped_rows(mapping: RecordMapping, plan: MeasurePlan) -> tuple[Bins, ...]:
    """Return the questions of how many patients something does not count: only what can happen is asked."""
    if not plan.clipped:
        return ()
    return (*([ROWS] if mapping.patient else []), *([LEFT_OUT] if plan.complete else []))


ROWS = Bins("clipped: rows", levels=ALL_OR_MORE)
LEFT_OUT = Bins("clipped: incomplete", levels=("counts", "left out"))


def _whose(table: pa.Table, mapping: RecordMapping) -> Any:
    """Return the number of each row's patient, -1 for nobody."""
    if mapping.patient is None:
        return np.arange(table.num_rows)
    identity = identity_of(table, mapping.patient)
    numbers = identity.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(pc.equal(identity, "").to_numpy(zero_copy_only=False), -1, numbers)


def _order(table: pa.Table, mapping: RecordMapping) -> pa.Table:
    """Return by what rows follow each other: numbers, then texts such as dates, then the file."""
    if mapping.order is None:
        return pa.table({"row": np.arange(table.num_rows)})
    texts = pc.fill_null(pc.utf8_trim_whitespace(texts_of(table, mapping.order)), "")
    numbers = numbers_in(texts)
    return pa.table(
        {
            "known": pc.cast(pc.not_equal(texts, ""), pa.int8()),
            "number": np.nan_to_num(numbers, nan=np.inf),
            "text": pc.if_else(pa.array(np.isnan(numbers)), texts, ""),
            "row": np.arange(table.num_rows),
        }
    )


def _one_each(whose: Any, order: pa.Table, *, last: bool) -> tuple[Any, Truths]:
    """Return the row that counts of each patient, and who has more; what is at no time comes after all that is."""
    way = "descending" if last else "ascending"
    keys = [(name, "descending" if name == "known" else way) for name in order.column_names]
    sorted_rows = pc.sort_indices(
        order.append_column("whose", pa.array(whose)), sort_keys=[("whose", "ascending"), *keys]
    )
    rows = sorted_rows.to_numpy(zero_copy_only=False)
    _, first, times = np.unique(whose[rows], return_index=True, return_counts=True)
    return rows[first], times > 1


def _values(table: pa.Table, column: MappedColumn) -> Floats:
    """Return numbers in the codebook's unit or the numbers of levels; NaN for whatever is neither."""
    if column.levels is None:
        values, possible = numbers_in(texts_of(table, column.columns[0])) * column.scale, column.variable.possible
        return on_grid(np.where((values < possible.low) | (values > possible.high), np.nan, values), column)
    each = [pc.fill_null(pc.utf8_trim_whitespace(texts_of(table, name)), "") for name in column.columns]
    written = each[0] if len(each) == 1 else pc.binary_join_element_wise(*each, "/")
    levels = column.variable.levels or ("no", "yes")
    codes = np.full(table.num_rows, np.nan)
    for text, level in column.levels.items():
        if level != MISSING:
            codes[pc.equal(written, text).to_numpy(zero_copy_only=False)] = levels.index(level)
    return codes
