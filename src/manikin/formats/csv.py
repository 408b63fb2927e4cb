"""CSV: one file for each table, UTF-8, a header line, an empty field where there is no value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from manikin.cohort import DEFECTS, STATES, Cohort


@dataclass(frozen=True)
class Csv:
    """Comma-separated text, which every spreadsheet opens; booleans are ``true`` and ``false``."""

    title: str = "CSV, a file for each table: data/analysis.csv"

    def write(self, cohort: Cohort, data: Path, truth: Path) -> None:
        """Write each table, part by part, so that memory stays flat."""
        for name in cohort.parts:
            folder = {
                **dict.fromkeys(("truth", STATES, *cohort.layout.truths), truth),
                DEFECTS: truth.with_name(DEFECTS),
            }.get(name, data)
            folder.mkdir(parents=True, exist_ok=True)
            self._write(cohort, name, folder / f"{name}.csv")

    @staticmethod
    def _write(cohort: Cohort, name: str, path: Path) -> None:
        with path.open("wb") as file:
            for number, table in enumerate(cohort.batches(name)):
                csv.write_csv(_plain(table), file, csv.WriteOptions(include_header=number == 0, quoting_style="needed"))


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without dictionaries, and with times as ISO 8601 in UTC."""
    columns = []
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        elif pa.types.is_timestamp(column.type):
            column = pc.strftime(column.cast(pa.timestamp("s", tz="UTC")), format="%Y-%m-%dT%H:%M:%SZ")
        columns.append(column)
    return pa.table(columns, names=table.column_names)
