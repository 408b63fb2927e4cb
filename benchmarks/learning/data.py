"""Tables about real people, in bins that were declared and not read off the data, and how each is split.

Every column's bins come from the codebook, from published reference limits or are round numbers; what fits none of them
falls into a declared bin. The values behind the bins stay beside them, because the two-sample test looks at those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.learning.columns import Column, category, flag, scale
from manikin.codebook import Variable
from manikin.real_data.mapping import MappedColumn, read_mapping
from manikin.real_data.records import read_records
from manikin.study import study_of

NHANES_MAPPING = Path(__file__).parents[1] / "nhanes" / "mapping.yaml"
NHANES_VARIABLES = (
    "age",
    "sex",
    "bmi",
    "sbp",
    "dbp",
    "hdl",
    "total_cholesterol",
    "diabetes_diagnosed",
    "smoking",
    "physically_active",
)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: ``codes`` int16 bins and ``values`` float64 behind them, both rows by columns."""

    codes: Any
    values: Any

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.codes)

    def taken(self, which: Any) -> Rows:
        """Return some of the rows."""
        return Rows(self.codes[which], self.values[which])


@dataclass(frozen=True)
class Outcome:
    """What is predicted from the other columns: that a column lies in one of these bins."""

    column: int
    positive: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """People, one a row."""

    name: str
    columns: tuple[Column, ...]
    rows: Rows
    outcome: Outcome

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        return tuple(column.name for column in self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins each column has."""
        return tuple(column.bins for column in self.columns)


@dataclass(frozen=True)
class DataSet:
    """A table and how it is split: a site of so many people drawn by seed, or half of them where none is named."""

    file: str
    read: Callable[[Path], Table]
    site: int | None = None

    def split(self, table: Table, seed: int) -> tuple[Rows, Rows]:
        """Return the site's rows and the held-out ones, which are all others; drawn without replacement."""
        order = np.random.default_rng(seed).permutation(table.rows.size)
        size = self.site or table.rows.size // 2
        return table.rows.taken(order[:size]), table.rows.taken(order[size:])


def nhanes(path: Path) -> Table:
    """Return adults of NHANES 2009-2012 complete on ten variables of ``diabetes-screening``, unweighted, in its bins."""
    _, model = study_of("diabetes-screening")
    mapping = read_mapping(NHANES_MAPPING, {name: one.meaning for name, one in model.variables.items()})
    sample = read_records(path, mapping)
    mapped = {column.variable.name: column for column in mapping.columns}
    columns = tuple(_of_codebook(mapped[name]) for name in NHANES_VARIABLES)
    values = np.column_stack([sample.columns[name] for name in NHANES_VARIABLES])
    return _table("nhanes", columns, values[np.isfinite(values).all(axis=1)], "diabetes_diagnosed", ("yes",))


def diabetes130(path: Path) -> Table:
    """Return the first encounter of each patient of the 130 hospitals: patients are the privacy unit, so rows are."""
    everybody, patients, encounters = encounters130(path)
    first = np.sort(_first_of_each(patients, encounters))
    return _table("diabetes130", everybody.columns, everybody.rows.values[first], "readmitted", ("<30",))


def encounters130(path: Path) -> tuple[Table, Any, Any]:
    """Return all encounters of the 130 hospitals, with the numbers of their patients and their own."""
    read = _columns_of(path)
    chapters = np.array([_chapter(code) for code in read["diag_1"]])
    columns = (
        category("age", tuple(f"[{low}-{low + 10})" for low in range(0, 100, 10))),
        category("gender", ("Female", "Male"), other=True),
        category("race", ("Caucasian", "AfricanAmerican", "Hispanic", "Asian", "Other"), other=True),
        scale("time_in_hospital", (2, 3, 5, 8), low=1, high=14, step=1),
        scale("num_medications", (6, 11, 16, 21, 31), low=1, high=60, step=1),
        scale("number_inpatient", (1, 2, 3), low=0, high=6, step=1),
        category("diag_1", CHAPTERS),
        category("A1Cresult", ("None", "Norm", ">7", ">8")),
        category("max_glu_serum", ("None", "Norm", ">200", ">300")),
        category("insulin", ("No", "Down", "Steady", "Up")),
        category("change", ("No", "Ch")),
        category("diabetesMed", ("No", "Yes")),
        category("readmitted", ("NO", ">30", "<30")),
    )
    written = {**read, "diag_1": chapters}
    values = np.column_stack([column.read(written[column.name]) for column in columns])
    table = _table("diabetes130", columns, values, "readmitted", ("<30",))
    return table, read["patient_nbr"], read["encounter_id"]


# Groups of diagnoses as in Strack et al. 2014, table 2 (doi:10.1155/2014/781670): first and last three-digit code, and
# the symptom codes that belong to them.
_GROUPS: Mapping[str, tuple[int, int, int | None]] = {
    "circulatory": (390, 459, 785),
    "respiratory": (460, 519, 786),
    "digestive": (520, 579, 787),
    "diabetes": (250, 250, None),
    "injury": (800, 999, None),
    "musculoskeletal": (710, 739, None),
    "genitourinary": (580, 629, 788),
    "neoplasms": (140, 239, None),
}
CHAPTERS = (*_GROUPS, "other")


def thyroid(path: Path) -> Table:
    """Return the Garavan Institute's thyroid records; labs binned at reference limits, 'not measured' a bin of its own."""
    read = _columns_of(path)
    flags = (
        "on_thyroxine",
        "query_hypothyroid",
        "query_hyperthyroid",
        "sick",
        "psych",
        "tumor",
        "pregnant",
        "thyroid_surgery",
    )
    columns = (
        # Ages that nobody reaches are kept as unknown.
        scale("age", (20, 30, 40, 50, 60, 70, 80), low=0, high=100, step=1, missing=True, possible=(0, 110)),
        category("sex", ("F", "M"), other=True),
        *(flag(name, no="f", yes="t") for name in flags),
        # Reference limits of the assays of the time: TSH 0.4-4 mU/L, T3 1.2-2.8 nmol/L, TT4 and FTI 60-150 nmol/L.
        scale("TSH", (0.1, 0.4, 1, 2, 4, 10, 20), low=0, high=100, step=0.01, missing=True),
        scale("T3", (0.8, 1.2, 2, 2.8, 4), low=0, high=8, step=0.1, missing=True),
        scale("TT4", (40, 60, 90, 120, 150, 200), low=0, high=300, step=1, missing=True),
        scale("T4U", (0.7, 0.85, 1, 1.15, 1.4), low=0.4, high=2, step=0.01, missing=True),
        scale("FTI", (40, 60, 90, 120, 150, 200), low=0, high=300, step=1, missing=True),
        category("referral_source", ("other", "SVI", "SVHC", "STMW"), other=True),
        category("class", ("-",), other=True),
    )
    values = np.column_stack([column.read(read[column.name]) for column in columns])
    return _table("thyroid", columns, values, "class", ("other",))


def wdbc(path: Path) -> Table:
    """Return ten mean features of nuclei of the Wisconsin breast cancer set, in six bins each at round cut points."""
    read = _columns_of(path)
    columns = (
        scale("mean radius", (10, 12, 14, 17, 20), low=6, high=28, step=0.01),
        scale("mean texture", (14, 17, 20, 23, 27), low=9, high=40, step=0.01),
        scale("mean perimeter", (65, 75, 90, 110, 130), low=40, high=190, step=0.1),
        scale("mean area", (350, 450, 600, 900, 1300), low=140, high=2500, step=0.1),
        scale("mean smoothness", (0.08, 0.09, 0.1, 0.11, 0.125), low=0.05, high=0.17, step=0.0001),
        scale("mean compactness", (0.05, 0.08, 0.11, 0.15, 0.2), low=0.02, high=0.35, step=0.0001),
        scale("mean concavity", (0.02, 0.05, 0.1, 0.15, 0.2), low=0, high=0.43, step=0.0001),
        scale("mean concave points", (0.02, 0.04, 0.06, 0.09, 0.12), low=0, high=0.2, step=0.0001),
        scale("mean symmetry", (0.15, 0.17, 0.19, 0.21, 0.24), low=0.1, high=0.31, step=0.0001),
        scale("mean fractal dimension", (0.055, 0.06, 0.065, 0.07, 0.08), low=0.05, high=0.1, step=0.00001),
        category("target", ("0", "1")),
    )
    values = np.column_stack([column.read(read[column.name]) for column in columns])
    return _table("wdbc", columns, values, "target", ("0",))


DATA: Mapping[str, DataSet] = {
    "nhanes-1000": DataSet("nhanes_2009_2012/nhanes_2009_2012.parquet", nhanes, site=1000),
    "nhanes-5000": DataSet("nhanes_2009_2012/nhanes_2009_2012.parquet", nhanes, site=5000),
    "diabetes130": DataSet("diabetes130_us_hospitals/diabetic_data.parquet", diabetes130),
    "thyroid": DataSet("thyroid_uci/thyroid0387.parquet", thyroid),
    "wdbc": DataSet("wdbc_breast/wdbc.parquet", wdbc),
}


def _table(name: str, columns: tuple[Column, ...], values: Any, outcome: str, positive: tuple[str, ...]) -> Table:
    codes = np.column_stack([column.coded(values[:, place]) for place, column in enumerate(columns)])
    place = [column.name for column in columns].index(outcome)
    bins = tuple(columns[place].levels.index(level) for level in positive)
    return Table(name, columns, Rows(codes, values), Outcome(place, bins))


def _of_codebook(mapped: MappedColumn) -> Column:
    """Return a column in the codebook's bins; the outermost end where values are no longer usual."""
    variable: Variable = mapped.variable
    if not variable.numeric:
        return category(variable.name, variable.levels or ("no", "yes"))
    cuts = tuple(cut for cut in variable.cuts if mapped.at_most is None or cut <= mapped.at_most)
    first, last = cuts[0] - (cuts[1] - cuts[0]), cuts[-1] + (cuts[-1] - cuts[-2])
    low = variable.usual.low if np.isfinite(variable.usual.low) else max(first, variable.possible.low)
    high = variable.usual.high if np.isfinite(variable.usual.high) else min(last, variable.possible.high)
    high = high if mapped.at_most is None else min(high, mapped.at_most)
    step = max(mapped.precision or 0.0, variable.precision or 0.0)
    return scale(variable.name, cuts, low=min(low, cuts[0]), high=max(high, cuts[-1]), step=step)


def _columns_of(path: Path) -> dict[str, Any]:
    table = pq.read_table(path)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _first_of_each(groups: Any, order: Any) -> Any:
    """Return the place of the row of each group that comes first by ``order``."""
    sorted_places = np.lexsort((order, groups))
    starts = np.flatnonzero(np.diff(groups[sorted_places], prepend=groups.min() - 1))
    return sorted_places[starts]


def _chapter(code: Any) -> str:
    whole = str(code).split(".", maxsplit=1)[0]
    if not whole.isdigit():
        return "other"
    number = int(whole)
    return next(
        (name for name, (low, high, extra) in _GROUPS.items() if low <= number <= high or number == extra), "other"
    )
