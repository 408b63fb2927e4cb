"""Is every value possible, and does every derived value follow from the others? Asked of the files as written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.appraisal.time import order
from manikin.clinic import Derived, ModelVariable
from manikin.cohort import Cohort
from manikin.streams import Draws, Seed

# A recomputed value may differ from the written one by the last bit of its snapping, and by nothing more.
_LAST_BIT = 1e-9


def plausibility(subject: Subject) -> Finding:
    """Count values outside their limits, broken constraints, and derived values that don't recompute."""
    names = subject.cohort.layout.names
    variables = [subject.program.model.variables[name] for name in names]
    broken: Counter[str] = Counter()
    checked = 0
    for number in range(len(subject.cohort.parts["analysis"])):
        columns = subject.cohort.part(number, names)
        checked += sum(
            int(np.isfinite(column).sum()) if column.dtype.kind == "f" else column.size for column in columns.values()
        )
        scope = {**subject.program.parameters, **columns}
        for variable in variables:
            broken += _limits(variable, columns[variable.name])
            broken += _recomputed(subject, variable, scope)
        broken += _constraints(subject, scope)
        broken += _ages(subject.cohort, number, columns)
    rules = _rules(subject, variables)
    measures = tuple(
        Measure(rule, float(broken[rule]), expected=0.0, passed=broken[rule] == 0, unit="violations", group=group)
        for rule, group in rules
    )
    over_time, rows = order(subject)
    measures += over_time
    total = int(sum(one.value for one in measures))
    found = f"{total:,} impossible values" if total else "No impossible value"
    return Finding(
        "plausibility",
        "Is every value possible, and does every derived value follow?",
        f"{found} in {checked + rows:,} checked against {len(measures)} rules.",
        total == 0,
        measures,
        {"checked": checked + rows},
    )


def _rules(subject: Subject, variables: list[ModelVariable]) -> list[tuple[str, str]]:
    limited = [(_limit_rule(one), "Limits") for one in variables if _has_limits(one)]
    derived = [(_derived_rule(one), "Recomputed values") for one in variables if _recomputable(subject, one)]
    constraints = [(one.text, "Constraints") for one in _kept_constraints(subject)]
    ages = [(_AGE_RULE, "Recomputed values")] if _has_ages(subject.cohort) else []
    return [*limited, *constraints, *derived, *ages]


def _has_limits(variable: ModelVariable) -> bool:
    return variable.meaning.numeric and bool(
        np.isfinite([variable.meaning.possible.low, variable.meaning.possible.high]).any()
    )


def _limit_rule(variable: ModelVariable) -> str:
    possible, unit = variable.meaning.possible, variable.meaning.unit
    return (
        f"{variable.meaning.title} from {possible.low:g} to {possible.high:g} {unit}".replace("-inf", "any")
        .replace("inf", "any")
        .strip()
    )


def _limits(variable: ModelVariable, values: Any) -> Counter[str]:
    if not _has_limits(variable):
        return Counter()
    possible = variable.meaning.possible
    return Counter({_limit_rule(variable): int(((values < possible.low) | (values > possible.high)).sum())})


def _recomputable(subject: Subject, variable: ModelVariable) -> bool:
    kept = {*subject.cohort.layout.names, *subject.program.parameters}
    return isinstance(variable.rule, Derived) and variable.reads <= kept


def _derived_rule(variable: ModelVariable) -> str:
    return f"{variable.meaning.title} recomputes"


def _recomputed(subject: Subject, variable: ModelVariable, scope: dict[str, Any]) -> Counter[str]:
    if not _recomputable(subject, variable):
        return Counter()
    known = {name: column for name, column in scope.items() if name != variable.name}
    again = subject.program.sample([variable.name], _NO_CHANCE, known)[variable.name]
    written = scope[variable.name]
    if written.dtype.kind != "f":
        return Counter({_derived_rule(variable): int((again != written).sum())})
    same = (np.abs(again - written) <= _LAST_BIT * np.maximum(np.abs(written), 1)) | (
        np.isnan(again) & np.isnan(written)
    )
    return Counter({_derived_rule(variable): int((~same).sum())})


def _kept_constraints(subject: Subject) -> list[Any]:
    kept = {*subject.cohort.layout.names, *subject.program.parameters}
    return [one for one in subject.program.model.constraints if one.expression.reads <= kept]


def _constraints(subject: Subject, scope: dict[str, Any]) -> Counter[str]:
    return Counter(
        {one.text: int((~np.asarray(one.expression.compute(scope))).sum()) for one in _kept_constraints(subject)}
    )


# What is derived draws nothing.
_NO_CHANCE = Draws(Seed(0), np.empty(0, np.int64))

_AGE_RULE = "Age in completed years agrees with the dates of birth and index"


def _has_ages(cohort: Cohort) -> bool:
    return "patients" in cohort.parts and "age" in cohort.layout.names


def _ages(cohort: Cohort, number: int, columns: dict[str, Any]) -> Counter[str]:
    if not _has_ages(cohort):
        return Counter()
    born = cohort.own(number, ["birth_date"]).column(0).to_numpy().astype("M8[D]")
    index = cohort.dates("analysis", number, "index_date")
    return Counter({_AGE_RULE: int((completed_years(born, index) != columns["age"]).sum())})


def completed_years(born: Any, on: Any) -> Any:
    """Return completed years of age, by the calendar; dates are numpy days."""
    years = on.astype("M8[Y]").astype(int) - born.astype("M8[Y]").astype(int)
    # Who was born on 29 February has a birthday on the last day of February in common years.
    last_of_february = _month_and_day(on + np.timedelta64(1, "D")) == _MARCH_FIRST
    return years - (np.where(last_of_february, _MARCH_FIRST - 1, _month_and_day(on)) < _month_and_day(born))


_MARCH_FIRST = 2 * 32 + 1


def _month_and_day(day: Any) -> Any:
    """Return a number that orders days within a year; months count from 0."""
    month = day.astype("M8[M]")
    return (month.astype(int) % 12) * 32 + (day - month.astype("M8[D]")).astype(int) + 1
