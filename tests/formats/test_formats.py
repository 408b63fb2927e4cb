"""What is written can be read: alike by every common reader, and the same from every format."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manikin.cohort import TABLES
from manikin.study import Made

Rows = list[dict[str, Any]]


def _folder(made: Made, table: str) -> Path:
    assert made.folder is not None
    return made.folder / ("truth" if table == "truth" else "data") / table


def _by_duckdb(files: str) -> Rows:
    with duckdb.connect() as connection:
        connection.execute("SET timezone='UTC'")
        return connection.sql(f"SELECT * FROM read_parquet('{files}')").to_arrow_table().to_pylist()


def _by_pandas(files: str) -> Rows:
    return pa.Table.from_pandas(pd.read_parquet(Path(files).parent), preserve_index=False).to_pylist()


def _by_polars(files: str) -> Rows:
    return pl.read_parquet(files).to_arrow().to_pylist()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("read", [_by_duckdb, _by_pandas, _by_polars])
def test_parquet_is_read_alike_by_every_reader(made: Made, table: str, read: Callable[[str], Rows]) -> None:
    folder = _folder(made, table)
    expected = made.table(table).to_pylist()
    found = read(f"{folder}/part-*.parquet")
    assert [{key: _plain(value) for key, value in row.items()} for row in found] == [
        {key: _plain(value) for key, value in row.items()} for row in expected
    ]


def _plain(value: Any) -> Any:
    """Return a value without what readers differ in by design: how a day or a missing number is held."""
    if isinstance(value, datetime):
        return value.date()
    return None if isinstance(value, float) and math.isnan(value) else value


def test_the_two_ways_to_look_at_values_would_see_a_difference() -> None:
    assert _plain(1.0) != _plain(1.5)
    assert _plain(date(2023, 1, 1)) != _plain(date(2023, 1, 2))


@pytest.mark.parametrize("table", TABLES)
def test_csv_holds_what_parquet_holds(made: Made, table: str) -> None:
    assert made.folder is not None
    path = made.folder / ("truth" if table == "truth" else "data") / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    expected = made.table(table)
    assert len(found) == expected.num_rows
    assert list(found[0]) == expected.column_names
    for row, true in zip(found, expected.to_pylist(), strict=True):
        for name, text in row.items():
            assert _read(text, true[name]) == true[name], name


def _read(text: str, like: Any) -> Any:
    """Return a field of CSV in the type of what it should be; a float is the very same float."""
    if like is None:
        return None if text == "" else text
    if isinstance(like, bool):
        return {"true": True, "false": False}[text]
    if isinstance(like, datetime):
        return datetime.fromisoformat(text)
    if isinstance(like, date):
        return date.fromisoformat(text)
    return type(like)(text)


def test_shards_share_one_schema(made: Made) -> None:
    for table in TABLES:
        schemas = [pq.read_schema(part) for part in _folder(made, table).glob("part-*.parquet")]
        assert len(schemas) == 4
        assert all(schema.equals(schemas[0]) for schema in schemas)


def test_only_the_formats_that_were_asked_for_are_there(make_release: Callable[..., Made], tmp_path: Path) -> None:
    make_release(tmp_path / "csv", patients=100, formats=("csv",))
    make_release(tmp_path / "parquet", patients=100, formats=("parquet",))
    assert {path.suffix for path in (tmp_path / "csv" / "data").rglob("*") if path.is_file()} == {".csv"}
    assert {path.suffix for path in (tmp_path / "csv" / "truth").rglob("*")} == {".csv"}
    assert {path.suffix for path in (tmp_path / "parquet" / "data").rglob("*") if path.is_file()} == {".parquet"}
    assert not list((tmp_path / "parquet").rglob("*.csv"))
