"""Reads rows about real people, as columns in the codebook's terms. Nothing here leaves the package.

Errors name columns and rules, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from manikin.codebook import Kind
from manikin.errors import RealDataError
from manikin.real_data.mapping import MISSING, MappedColumn, RecordMapping
from manikin.streams import Floats

# A number as people and machines write it; no two parts can match the same digits, so that no text takes long.
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"


@dataclass(frozen=True)
class Sample:
    """People, real or synthetic, in the codebook's terms: a column for each variable, and their weights.

    Numbers are float64 with NaN where missing; conditions 0, 1 or NaN; categories are codes of levels or NaN.
    """

    columns: dict[str, Floats]
    weights: Floats

    @property
    def size(self) -> int:
        """How many people."""
        return len(self.weights)

    def taken(self, who: Any) -> Sample:
        """Return some of the people."""
        return Sample({name: column[who] for name, column in self.columns.items()}, self.weights[who])


def read_records(path: Path, mapping: RecordMapping) -> Sample:
    """Return the people in a file of records, of those whom the mapping compares.

    Raises:
        RealDataError: The file or a column can't be read as mapped.
    """
    named = [name for column in mapping.columns for name in column.columns]
    table = table_of(path, list(dict.fromkeys([*named, *([mapping.weights] if mapping.weights else [])])))
    columns = {column.variable.name: _values(table, column) for column in mapping.columns}
    weights = numbers_of(table, mapping.weights) if mapping.weights else np.ones(table.num_rows)
    weights = np.nan_to_num(weights)
    if (weights < 0).any():
        raise RealDataError(f"Column '{mapping.weights}': weights are 0 or more.")
    return compared(Sample(columns, weights), mapping)


def compared(sample: Sample, mapping: RecordMapping) -> Sample:
    """Return a sample as both sides are compared: rounded to a common grid, top-coded alike, exclusions applied."""
    columns = dict(sample.columns)
    for column in mapping.columns:
        name = column.variable.name
        columns[name] = on_grid(columns[name], column)
    inside = (sample.weights > 0) & meant(columns, mapping)
    if not inside.any():
        raise RealDataError("Nobody is left whom the mapping's 'among' compares.")
    return Sample(columns, sample.weights).taken(inside)


def on_grid(values: Floats, column: MappedColumn) -> Floats:
    """Return numbers top-coded and rounded as their column says; what is no number stays as it is."""
    if not column.variable.numeric:
        return values
    steps = [step for step in (column.precision, column.variable.precision) if step]
    values = values if column.at_most is None else np.minimum(values, column.at_most)
    # Halves go up: rounded to even, whole numbers would crowd on every other step of a grid of two.
    return np.floor(values / max(steps) + 0.5) * max(steps) if steps else values


def meant(columns: Dict[str, Floats], mapping: RecordMapping) -> Any:
    """Return whom the mapping's ``among`` means, a truth value a row."""
    if mapping.among is None:
        return np.ones(len(next(iter(columns.values()))), np.bool_)
    return np.asarray(mapping.among.compute({name: _for_expression(columns[name], mapping, name) for name in columns}))


def _for_expression(values: Floats, mapping: RecordMapping, name: str) -> Any:
    kind = next(column.variable.kind for column in mapping.columns if column.variable.name == name)
    return (
        np.nan_to_num(values, nan=-1).astype(np.int8)
        if kind is Kind.CATEGORY
        else values == 1
        if kind is Kind.CONDITION
        else values
    )


def table_of(path: Path, columns: list[str], *, as_written: bool = False) -> pa.Table:
    """Return columns of a CSV or Parquet file, each of which is there once.

    ``as_written`` keeps what a CSV file holds as text: elsewhere one patient's value decides how a column is read.
    """
    options = csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())) if as_written else None
    try:
        table = csv.read_csv(path, convert_options=options) if path.suffix.lower() == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowException):
        # The library's own words quote the row.
        raise RealDataError(
            f"{path} can't be read as {'CSV' if path.suffix.lower() == '.csv' else 'Parquet'}."
        ) from None
    for name in columns:
        # The names that are there stay unsaid: in a file without a header they are somebody's values.
        if table.column_names.count(name) != 1:
            found = "more than one column" if name in table.column_names else "no column"
            raise RealDataError(
                f"{path} has {found} '{name}'. Its first line names each column once, as the mapping does."
            )
    if table.num_rows == 0:
        raise RealDataError(f"{path} holds no rows.")
    return table.select(columns)


def _values(table: pa.Table, column: MappedColumn) -> Floats:
    if column.levels is None:
        values, possible = numbers_of(table, column.columns[0]) * column.scale, column.variable.possible
        # What can't be in a living person was not measured.
        return np.where((values < possible.low) | (values > possible.high), np.nan, values)
    each = [texts_of(table, name) for name in column.columns]
    written = each[0] if len(each) == 1 else pc.binary_join_element_wise(*(pc.fill_null(one, "") for one in each), "/")
    known = column.variable.levels or ("no", "yes")
    codes = np.full(table.num_rows, np.nan)
    named = np.zeros(table.num_rows, np.bool_)
    for value, level in column.levels.items():
        mine = pc.fill_null(pc.equal(written, value), False).to_numpy(zero_copy_only=False)
        named |= mine
        codes[mine] = np.nan if level == MISSING else known.index(level)
    there = pc.greater(pc.utf8_length(pc.replace_substring(written, "/", "")), 0)
    if not named[pc.fill_null(there, False).to_numpy(zero_copy_only=False)].all():
        raise RealDataError(
            f"Column '{'/'.join(column.columns)}' holds values that the mapping of '{column.variable.name}' doesn't name."
        )
    return codes


def texts_of(table: pa.Table, column: str) -> pa.ChunkedArray:
    """Return a column as text."""
    try:
        return table.column(column).cast(pa.string())
    except pa.ArrowException:
        raise RealDataError(f"Column '{column}' holds something other than text, numbers or yes and no.") from None


def numbers_of(table: pa.Table, column: str) -> Floats:
    """Return a column as numbers, NaN where there is none."""
    try:
        return np.asarray(table.column(column).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowException:
        raise RealDataError(f"Column '{column}' holds something other than numbers.") from None


def numbers_in(texts: pa.ChunkedArray) -> Floats:
    """Return texts as numbers, NaN where something else stands; none is refused."""
    bare = pc.utf8_trim_whitespace(texts)
    numbers = pc.if_else(pc.match_substring_regex(bare, _NUMBER), bare, None).cast(pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def identity_of(table: pa.Table, column: str) -> pa.Array:
    """Return a column of identifiers as text, empty where there is none; 7 and 7.0 are one."""
    texts = pc.replace_substring_regex(texts_of(table, column), r"\.0$", "")
    return pa.array(pc.fill_null(texts, "").combine_chunks().cast(pa.string()))
