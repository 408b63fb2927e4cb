"""A cohort: the tables of a synthetic dataset, in memory or on disk, read table by table or column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manikin.codebook import Kind, Variable
from manikin.cohort.layout import CLEAN_ENCOUNTERS, CLEAN_EVENTS, DUPLICATES, WEIGHT, Layout
from manikin.errors import RequestError, closest
from manikin.streams import Floats


@dataclass(frozen=True)
class Cohort:
    """The tables of a synthetic dataset; each is a list of parts, and part k of every table holds the same patients."""

    layout: Layout
    patients: int
    parts: Mapping[str, tuple[Path | pa.Table, ...]]

    def table(self, name: str) -> pa.Table:
        """Return a whole table: patients, encounters, events, analysis or truth; states and defects where there are any.

        ``.to_pandas()`` and ``polars.from_arrow()`` are one call away.
        """
        if name not in self.parts:
            raise RequestError(f"This cohort has no table '{name}'. {closest(name, self.parts)}")
        return pa.concat_tables([_read(part, None) for part in self.parts[name]]).unify_dictionaries()

    def columns(self, names: Iterable[str], limit: int | None = None) -> dict[str, Any]:
        """Return clean columns of the first ``limit`` patients, as the clinical model sees them.

        float64 for numbers (NaN where there is none), bool for conditions, int8 codes for categories (-1 where there
        is none). A value that is not on record comes from the truth. ``sampling_weight`` may be asked for as well.
        """
        names = list(dict.fromkeys(names))
        gathered: dict[str, list[Any]] = {name: [] for name in names}
        seen = 0
        for part in range(len(self.parts["analysis"])):
            if limit is not None and seen >= limit:
                break
            columns = self.part(part, names)
            seen += len(next(iter(columns.values()))) if columns else 0
            for name in names:
                gathered[name].append(columns[name])
        return {name: np.concatenate(pieces)[:limit] for name, pieces in gathered.items()}

    def part(self, number: int, names: Iterable[str]) -> dict[str, Any]:
        """Return clean columns of one part."""
        names = list(names)
        truth = [name for name in names if name != WEIGHT and self._in_truth(name)]
        found = _columns(self.parts["truth"][number], truth) if truth else {}
        found |= _columns(self.parts["analysis"][number], [name for name in names if name not in truth])
        return {name: self._plain(name, found[name]) for name in names}

    def recorded(self, number: int) -> pa.Table:
        """Return one part of the analysis table, as it is on record."""
        return self.piece("analysis", number)

    def piece(self, table: str, number: int, names: Iterable[str] | None = None) -> pa.Table:
        """Return one part of a table as written, or only some of its columns."""
        return _read(self.parts[table][number], None if names is None else list(names))

    def dates(self, table: str, number: int, name: str) -> Any:
        """Return a column of dates of one part, as numpy days."""
        return _columns(self.parts[table][number], [name])[name].to_numpy().astype("M8[D]")

    def own(self, number: int, names: Iterable[str]) -> pa.Table:
        """Return columns of one part's ``patients`` as ``analysis`` has them: of who stands on record twice, the own."""
        found = self.piece("patients", number, names)
        if DUPLICATES not in self.layout.truths:
            return found
        every, own = (self.piece(table, number, ["patient_id"]).column(0) for table in ("patients", "analysis"))
        return found.take(pc.index_in(own, value_set=every.combine_chunks()))

    @property
    def clean(self) -> Cohort:
        """The cohort whose encounters and events are as they were before records of them became imperfect."""
        known = {"encounters": CLEAN_ENCOUNTERS, "events": CLEAN_EVENTS}
        there = {name: self.parts[clean] for name, clean in known.items() if clean in self.parts}
        return replace(self, parts={**self.parts, **there})

    def weights(self, limit: int | None = None) -> Floats | None:
        """Return the patients' weights, or None where all count alike."""
        return np.asarray(self.columns([WEIGHT], limit)[WEIGHT]) if self.layout.weighted else None

    def rows(self, name: str) -> int:
        """Return how many rows a table has."""
        return sum(
            part.num_rows if isinstance(part, pa.Table) else _parquet(part, lambda file: file.metadata.num_rows)
            for part in self.parts[name]
        )

    def batches(self, name: str) -> Iterator[pa.Table]:
        """Yield a table part by part."""
        yield from (_read(part, None) for part in self.parts[name])

    def _in_truth(self, name: str) -> bool:
        return self.layout.field(name).in_truth

    def _plain(self, name: str, column: pa.ChunkedArray) -> Any:
        if name == WEIGHT:
            return column.to_numpy()
        return plain(self.layout.field(name).variable, column)


def open_cohort(layout: Layout, patients: int, folders: Mapping[str, Path]) -> Cohort:
    """Return the cohort whose tables were written into ``folders``."""
    return Cohort(
        layout,
        patients,
        {name: tuple(sorted(folders[name].glob("part-*.parquet"))) for name in layout.tables if name in folders},
    )


def plain(variable: Variable, column: pa.ChunkedArray) -> Any:
    """Return an Arrow column as the clinical model sees it."""
    if variable.kind is Kind.CATEGORY:
        codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
        return np.concatenate(codes).astype(np.int8) if codes else np.empty(0, np.int8)
    if variable.kind is Kind.CONDITION:
        return pc.fill_null(column, False).to_numpy().astype(np.bool_)
    return column.cast(pa.float64()).to_numpy()


def _columns(part: Path | pa.Table, names: list[str]) -> dict[str, pa.ChunkedArray]:
    table = _read(part, names)
    return {name: table.column(name) for name in names}


def _read(part: Path | pa.Table, columns: list[str] | None) -> pa.Table:
    if isinstance(part, pa.Table):
        return part if columns is None else part.select(columns)
    return _parquet(part, lambda file: file.read(columns))


def _parquet(path: Path, take: Callable[[pq.ParquetFile], Any]) -> Any:
    with path.open("rb") as file:
        return take(pq.ParquetFile(file))
