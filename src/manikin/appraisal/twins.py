"""What differs between two worlds in which the same patients live: paired differences, and who is touched at all.

A patient's chance is the same in both worlds, so that a difference within a patient is an effect and no luck. Intervals
are those of paired data: they tell how far the mean effect of other patients may lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manikin.appraisal.finding import Interval
from manikin.appraisal.flow import Flow, flow_of
from manikin.clinic import ClinicalModel
from manikin.codebook import Kind, Variable, in_sentence
from manikin.cohort import STATES, Cohort
from manikin.streams import Floats

SCHEMA = "manikin/comparison/1"
_Z = 1.96
_HOUR = 3_600_000_000
_COURSE = "The patient’s course"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class World:
    """One side of a comparison: its name, its model, its patients, and what was changed, as (path, before, after)."""

    name: str
    model: ClinicalModel
    cohort: Cohort
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Difference:
    """An outcome in both worlds: its mean in each, and the mean of the differences within patients.

    Of a condition and of a level of a category the mean is a share (unit ``share``). ``pairs`` counts the patients who
    have the outcome in both worlds, ``differing`` those in whom it differs, in the one or the other way. ``interval``
    is the paired one of 95%; ``unpaired`` what two cohorts of other patients would have given. ``sd`` is the standard
    deviation in the first world.
    """

    name: str
    title: str
    unit: str
    group: str
    a: float
    b: float
    difference: float
    interval: Interval
    unpaired: Interval
    sd: float
    pairs: int
    differing: int

    @property
    def worth(self) -> float:
        """How many times more patients an unpaired comparison takes to tell as much."""
        paired, unpaired = (end[1] - end[0] for end in (self.interval, self.unpaired))
        return float((unpaired / paired) ** 2) if paired > 0 else float("inf")


@dataclass(frozen=True)
class Contrast:
    """All that was found when two worlds were compared, but for the effects of each patient.

    ``names``, ``changes`` and ``flows`` are of the first and of the second world; ``study`` and ``model`` are as in an
    ``Appraisal``.
    """

    study: Mapping[str, Any]
    model: Mapping[str, Any]
    names: tuple[str, str]
    changes: tuple[tuple[tuple[str, str, str], ...], tuple[tuple[str, str, str], ...]]
    patients: int
    touched: int
    differences: tuple[Difference, ...]
    flow: Flow | None = None

    @property
    def identical(self) -> int:
        """The patients who are the same in both worlds, in every table and to the byte."""
        return self.patients - self.touched

    def to_json(self) -> str:
        """Return the comparison as JSON text, the same for equal comparisons."""
        told = {
            "schema": SCHEMA,
            "study": dict(self.study),
            "model": dict(self.model),
            "scenarios": [
                {
                    "name": name,
                    "changes": [dict(zip(("place", "before", "after"), one, strict=True)) for one in changes],
                }
                for name, changes in zip(self.names, self.changes, strict=True)
            ],
            "patients": self.patients,
            "touched": self.touched,
            "identical": self.identical,
            "share_touched": self.touched / max(self.patients, 1),
            "outcomes": [asdict(one) for one in self.differences],
        }
        return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def contrast(
    one: World,
    other: World,
    study: Mapping[str, Any],
    model: Mapping[str, Any],
    progress: Progress = lambda _done, _total: None,
) -> tuple[Contrast, pa.Table]:
    """Return what differs between two worlds, and the effects: a row for each patient, touched or not.

    Args:
        one: The world with which is compared.
        other: The world that is compared with it; an effect is what it has more.
        study: What the study says of itself.
        model: What the model says of itself.
        progress: Hears of parts of the cohort done and in all.
    """
    pair = _Pair(one, other)
    touched, courses, differing = pair.followed(progress)
    outcomes = [*pair.outcomes(differing), *_course_outcomes(courses, one.model)]
    weights = one.cohort.weights()
    found = tuple(each for outcome in outcomes for each in _differences(outcome, weights))
    columns = {"patient_id": pair.identifiers, "touched": pa.array(touched)}
    for outcome in outcomes:
        columns |= _effects(outcome)
    effects = pa.table(columns).replace_schema_metadata({"a": one.name, "b": other.name})
    told = Contrast(
        study, model, (one.name, other.name), (one.changes, other.changes), len(touched), int(touched.sum()), found,
        flow_of((one.model, other.model), (one.cohort, other.cohort)),
    )  # fmt: skip
    return told, effects


# --- pairs of patients ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outcome:
    """A column of both worlds. ``levels`` are those of a category, whose codes the columns hold, -1 for none."""

    name: str
    title: str
    unit: str
    group: str
    kind: Kind
    a: Any
    b: Any
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pair:
    one: World
    other: World

    @property
    def cohorts(self) -> tuple[Cohort, Cohort]:
        return self.one.cohort, self.other.cohort

    @cached_property
    def identifiers(self) -> pa.ChunkedArray:
        return pa.chunked_array(
            [chunk for part in self.one.cohort.batches("patients") for chunk in part["patient_id"].chunks]
        )

    def followed(self, progress: Progress) -> tuple[npt.NDArray[np.bool_], dict[str, tuple[Any, Any]], set[str]]:
        """Return who is touched, what became of the patients in both worlds, and which variables differ in anybody."""
        touched, courses, differing = [], [], set[str]()
        tables = [name for name in self.one.cohort.parts if name in self.other.cohort.parts]
        total = len(self.one.cohort.parts["patients"])
        for number, parts in enumerate(zip(*(self._parts(tables, cohort) for cohort in self.cohorts), strict=True)):
            progress(number, total)
            identifiers = parts[0]["patients"]["patient_id"].combine_chunks()
            here = np.zeros(len(identifiers), np.bool_)
            for name in tables:
                here |= _differ(parts[0][name], parts[1][name], identifiers)
            touched.append(here)
            differing |= {
                name
                for table in ("analysis", "truth")
                for name in set(parts[0][table].column_names) & set(parts[1][table].column_names)
                if not parts[0][table][name].equals(parts[1][table][name])
            }
            if STATES in tables:
                courses.append(
                    [_course(one, identifiers, world) for one, world in zip(parts, self.worlds, strict=True)]
                )
        progress(total, total)
        names = [name for name in courses[0][0] if name in courses[0][1]] if courses else []
        joined = {
            name: tuple(np.concatenate([both[side][name] for both in courses]) for side in (0, 1)) for name in names
        }
        return np.concatenate(touched), joined, differing  # type: ignore[return-value]

    @property
    def worlds(self) -> tuple[World, World]:
        return self.one, self.other

    @staticmethod
    def _parts(tables: Sequence[str], cohort: Cohort) -> Iterator[dict[str, pa.Table]]:
        """Yield all tables of a cohort part by part."""
        for parts in zip(*(cohort.batches(name) for name in tables), strict=True):
            yield dict(zip(tables, parts, strict=True))

    def outcomes(self, differing: set[str]) -> Iterator[_Outcome]:
        """Yield the variables that may be effects: those that differ in anybody, and those that the pathway tells."""
        told = {name for name, one in self.one.model.variables.items() if _is_told(one.reads)}
        layouts = [cohort.layout for cohort in self.cohorts]
        for field in layouts[0].fields:
            name, meaning = field.variable.name, field.variable
            if name not in (differing | told) or name not in layouts[1].names:
                continue
            same = layouts[1].field(name).variable
            if (same.kind, same.levels, same.unit) != (meaning.kind, meaning.levels, meaning.unit):
                continue
            a, b = (cohort.columns([name])[name] for cohort in self.cohorts)
            yield _Outcome(name, meaning.title, _unit(meaning), field.group, meaning.kind, a, b, meaning.levels)


def _is_told(reads: Iterable[str]) -> bool:
    """Return whether a variable reads what a finished pathway answers."""
    return any(name.endswith(")") or name == "followed" for name in reads)


def _unit(meaning: Variable) -> str:
    return "share" if meaning.kind is Kind.CONDITION else meaning.unit


def _differ(one: pa.Table, other: pa.Table, identifiers: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which patients have any row in a table that is not the same in the other, in the columns of both."""
    rows = [_rows(table, identifiers) for table in (one, other)]
    counts = [np.bincount(row, minlength=len(identifiers)) for row in rows]
    found = counts[0] != counts[1]
    kept = [
        table if not found.any() else table.filter(pa.array(~found[row]))
        for table, row in zip((one, other), rows, strict=True)
    ]
    whose = rows[0][~found[rows[0]]]
    for name in one.column_names:
        if name in other.column_names and len(whose):
            found[whose[_unequal(kept[0][name], kept[1][name])]] = True
    return np.asarray(found)


def _rows(table: pa.Table, identifiers: pa.Array) -> npt.NDArray[np.int64]:
    """Return the place of each row's patient among the identifiers."""
    column = table["patient_id"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        places = pc.index_in(column.dictionary, value_set=identifiers).to_numpy(zero_copy_only=False)
        return np.asarray(places[column.indices.to_numpy(zero_copy_only=False)], np.int64)
    return np.asarray(pc.index_in(column, value_set=identifiers).to_numpy(zero_copy_only=False), np.int64)


def _unequal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return where two columns differ; nothing is the same as nothing."""
    one, other = (
        pc.cast(each, each.type.value_type) if pa.types.is_dictionary(each.type) else each for each in (one, other)
    )
    absent = pc.not_equal(pc.is_null(one), pc.is_null(other))
    return np.asarray(
        pc.or_(pc.fill_null(pc.not_equal(one, other), False), absent).to_numpy(zero_copy_only=False), np.bool_
    )


# --- what became of patients ------------------------------------------------------------------------------------------


def _course(part: Mapping[str, pa.Table], identifiers: pa.Array, world: World) -> dict[str, Any]:
    """Return how long each patient was followed and stayed in each state, in hours, what ended it, and counts."""
    size, states = len(identifiers), part[STATES]
    who = _rows(states, identifiers)
    entered, left = (states[name].cast(pa.int64()).to_numpy() for name in ("entered", "left"))
    begins = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(begins, who, entered)
    until = part["patients"]["followed_until"].cast(pa.int64()).to_numpy()
    found: dict[str, Any] = {"hours": (until - begins) / _HOUR}
    found["left_by"] = np.array(part["patients"]["left_by"].cast(pa.string()).to_pylist(), object)
    names = pc.cast(states["state"], pa.string()).to_numpy(zero_copy_only=False)
    pathway = world.model.pathway
    for name, state in (pathway.states if pathway else {}).items():
        if not state.ends:
            mine = names == name
            found[f"hours_in_{name}"] = np.bincount(who[mine], (left - entered)[mine] / _HOUR, size)
    for table in ("encounters", "events"):
        if table in part:
            found[table] = np.bincount(_rows(part[table], identifiers), minlength=size).astype(np.float64)
    return found


_TITLES = {
    "hours": "Follow-up",
    "left_by": "Follow-up ended by",
    "encounters": "Contacts",
    "events": "Events on record",
}


def _course_outcomes(courses: Mapping[str, tuple[Any, Any]], model: ClinicalModel) -> Iterator[_Outcome]:
    states = model.pathway.states if model.pathway else {}
    for name, (a, b) in courses.items():
        title = _TITLES.get(name) or f"Time in: {in_sentence(states[name.removeprefix('hours_in_')].title)}"
        if name == "left_by":
            levels = tuple(dict.fromkeys([*sorted(set(a) | set(b))]))
            codes = [np.array([levels.index(one) for one in side], np.int8) for side in (a, b)]
            yield _Outcome(f"course_{name}", title, "", _COURSE, Kind.CATEGORY, codes[0], codes[1], levels)
        else:
            unit = "h" if name.startswith("hours") else "1"
            yield _Outcome(f"course_{name}", title, unit, _COURSE, Kind.QUANTITY, a, b)


# --- effects ----------------------------------------------------------------------------------------------------------


def _effects(outcome: _Outcome) -> dict[str, pa.Array]:
    """Return the columns of an outcome: its value in both worlds, and the difference; of a category whether it differs."""
    name = outcome.name
    if outcome.kind is Kind.CATEGORY:
        levels = pa.array(outcome.levels, pa.string())
        a, b = (
            pa.DictionaryArray.from_arrays(pa.array(codes, mask=np.asarray(codes) < 0), levels)
            for codes in (outcome.a, outcome.b)
        )
        return {f"{name}_a": a, f"{name}_b": b, f"{name}_differs": pa.array(outcome.a != outcome.b)}
    if outcome.kind is Kind.CONDITION:
        effect = outcome.b.astype(np.int8) - outcome.a.astype(np.int8)
        return {f"{name}_a": pa.array(outcome.a), f"{name}_b": pa.array(outcome.b), f"{name}_effect": pa.array(effect)}
    # What is rounded to a step differs by steps: without the traces of binary fractions.
    columns = (outcome.a, outcome.b, np.round(outcome.b - outcome.a, 9))
    return {
        f"{name}_{what}": pa.array(np.asarray(column, np.float64), mask=np.isnan(column))
        for what, column in zip(("a", "b", "effect"), columns, strict=True)
    }


def _differences(outcome: _Outcome, weights: Floats | None) -> Iterator[Difference]:
    """Yield the paired difference of an outcome, or of each level of a category."""
    if outcome.kind is not Kind.CATEGORY:
        share = outcome.kind is Kind.CONDITION
        yield from _difference(
            outcome, outcome.a, outcome.b, outcome.name, outcome.title, outcome.unit, weights, share=share
        )
        return
    known = (outcome.a >= 0) & (outcome.b >= 0)
    for code, level in enumerate(outcome.levels):
        a, b = (np.where(known, side == code, np.nan) for side in (outcome.a, outcome.b))
        title = f"{outcome.title}: {level.replace('_', ' ')}"
        yield from _difference(outcome, a, b, f"{outcome.name}={level}", title, "share", weights, share=True)


def _difference(
    outcome: _Outcome, a: Any, b: Any, name: str, title: str, unit: str, weights: Floats | None, *, share: bool
) -> Iterator[Difference]:
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 2:
        return
    one, other = one[both], other[both]
    weight = np.ones(one.size) if weights is None else weights[both]
    gap = other - one
    means = [_mean(values, weight) for values in (one, other, gap)]
    errors = [_error(values, weight) for values in (one, other, gap)]
    apart = _Z * float(np.hypot(errors[0], errors[1]))
    paired = _matched(gap) if share and weights is None else (means[2] - _Z * errors[2], means[2] + _Z * errors[2])
    sd = float(np.sqrt(_mean((one - means[0]) ** 2, weight)))
    yield Difference(
        name, title, unit, outcome.group or "Outcomes", means[0], means[1], means[2], paired,
        (means[2] - apart, means[2] + apart), sd, int(both.sum()), int((np.abs(gap) > 1e-9).sum()),
    )  # fmt: skip


def _mean(values: Floats, weight: Floats) -> float:
    return float(np.sum(weight * values) / weight.sum())


def _error(values: Floats, weight: Floats) -> float:
    """Return the standard error of a weighted mean."""
    return float(np.sqrt(np.sum(weight**2 * (values - _mean(values, weight)) ** 2)) / weight.sum())


def _matched(gap: Floats) -> Interval:
    """Return the interval of a difference of matched shares, given each pair's: half a pair is added to each of four cells.

    Source: Agresti and Min. Stat Med 2005;24:729, doi:10.1002/sim.1781.
    """
    size, more, fewer = gap.size + 2, (gap > 0).sum() + 0.5, (gap < 0).sum() + 0.5
    centre = (more - fewer) / size
    half = _Z * float(np.sqrt(more + fewer - (more - fewer) ** 2 / size)) / size
    return float(centre - half), float(centre + half)
