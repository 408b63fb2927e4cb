"""Sets of real people, dealt into those who are used, those who never are, and fresh ones from whom nobody is attacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning.columns import Column
from benchmarks.learning.data import DATA, Rows, Table, encounters130, nhanes, wdbc
from manikin.codebook import Disclosure, Kind, Variable
from manikin.real_data.attacks import Whose
from manikin.real_data.examining import Examined
from manikin.real_data.mapping import MappedColumn, RecordMapping
from manikin.real_data.records import Sample
from manikin.streams import Seed


@dataclass(frozen=True, eq=False)
class People:
    """A table, and whose each row is; ``order`` says which row of a patient comes first."""

    table: Table
    patients: Any
    order: Any

    @property
    def count(self) -> int:
        """How many patients."""
        return int(self.patients.max()) + 1


@dataclass(frozen=True)
class Set:
    """A set of people: where it lies, how it is read, and how many patients are on each side."""

    file: str
    read: Callable[[Path], People]
    side: int


@dataclass(frozen=True, eq=False)
class Deal:
    """Rows of those used, of those never used, and of fresh people, with whose they are."""

    table: Table
    used: Rows
    unused: Rows
    fresh: Rows
    whose: Whose
    first: Any

    def examined(self, values: Any, seed: int) -> Examined:
        """Return synthetic values beside the people."""
        mapping = mapping_of(self.table)
        return Examined(
            sample(self.table, values),
            sample(self.table, self.used.values),
            sample(self.table, self.unused.values),
            mapping,
            Seed(seed),
        )


def deal(people: People, size: int, seed: int) -> Deal:
    """Return three sides of so many patients, drawn without replacement; nobody is on two."""
    order = np.random.default_rng(seed).permutation(people.count)
    size = min(size, people.count // 3)
    parts = [np.flatnonzero(np.isin(people.patients, order[place * size : (place + 1) * size])) for place in range(3)]
    used, unused, fresh = (people.table.rows.taken(rows) for rows in parts)
    whose = Whose(people.patients[parts[0]], people.patients[parts[1]])
    ordered = np.lexsort((people.order[parts[0]], whose.real))
    first = ordered[np.append(True, np.diff(whose.real[ordered]) > 0)]
    return Deal(people.table, used, unused, fresh, whose, np.sort(first))


def mapping_of(table: Table) -> RecordMapping:
    """Return a table's columns as an appraisal knows them; its outcome is sensitive."""
    secret = table.names[table.outcome.column]
    columns = tuple(MappedColumn(_variable(column, secret), (column.name,)) for column in table.columns)
    return RecordMapping(table.name, columns, None, None)


def sample(table: Table, values: Any) -> Sample:
    """Return rows as people."""
    return Sample({name: values[:, place] for place, name in enumerate(table.names)}, np.ones(len(values)))


def _variable(column: Column, secret: str) -> Variable:
    disclosure = Disclosure.SENSITIVE if column.name == secret else Disclosure.PLAIN
    if column.levels:
        return Variable(column.name, Kind.CATEGORY, column.name, levels=column.levels, disclosure=disclosure)
    step = column.step or None
    return Variable(
        column.name, Kind.QUANTITY, column.name, unit="1", cuts=column.cuts, precision=step, disclosure=disclosure
    )


def _each_a_patient(read: Callable[[Path], Table]) -> Callable[[Path], People]:
    def people(path: Path) -> People:
        table = read(path)
        return People(table, np.arange(table.rows.size), np.zeros(table.rows.size))

    return people


def _encounters(path: Path) -> People:
    table, patients, encounters = encounters130(path)
    return People(table, np.unique(patients, return_inverse=True)[1], encounters)


SETS: Mapping[str, Set] = {
    "nhanes": Set(DATA["nhanes-1000"].file, _each_a_patient(nhanes), 3000),
    "wdbc": Set(DATA["wdbc"].file, _each_a_patient(wdbc), 200),
    "diabetes130": Set(DATA["diabetes130"].file, _encounters, 3000),
}
