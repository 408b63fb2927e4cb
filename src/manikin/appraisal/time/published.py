"""Published figures about time: which targets are, and how what they are about is distributed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.clinic import ClinicalModel, ModelVariable, Published, Statistic, Target
from manikin.clinic.estimates import cells
from manikin.clinic.pathway import PATHWAY
from manikin.streams import Floats

# Units in which a quantity is a time.
_TIMES = frozenset({"min", "h", "d", "wk", "mo", "a"})
_POINTS, _MOST = 60, 12


def on_time(model: ClinicalModel) -> list[Target]:
    """Return the targets that are about the finished pathway, directly or by other variables."""
    names = following(model)
    return [target for target in model.targets.values() if target.reads & names]


def following(model: ClinicalModel) -> frozenset[str]:
    """Return the variables that read the finished pathway, directly or by others."""
    found: set[str] = set()
    while True:
        more = {name for name, one in model.variables.items() if one.parents & {PATHWAY, *found}} - found
        if not more:
            return frozenset(found)
        found |= more


def waits(subject: Subject, most: int) -> list[dict[str, Any]]:
    """Return the cumulative distribution of each time that a target is about, with what is published of it."""
    model, kept = subject.program.model, frozenset(subject.cohort.layout.names)
    timed = {
        target.name: variable
        for target in on_time(model)
        if not (subject.conditional or subject.biased) and target.reads <= {*kept, *subject.program.parameters}
        for variable in [_timed(target, model)]
        if variable is not None
    }
    reads = frozenset[str]().union(*(model.targets[name].reads for name in timed)) & kept
    if not reads:
        return []
    columns = {**subject.program.parameters, **subject.cohort.columns(reads, most)}
    weights = subject.cohort.weights(most)
    gathered: dict[tuple[str, ...], list[_Stated]] = {}
    for name, variable in timed.items():
        for stated in _stated(model.targets[name], variable, columns, weights):
            gathered.setdefault(stated.about, []).append(stated)
    return [_drawn(alike, columns) for alike in list(gathered.values())[:_MOST]]


@dataclass(frozen=True)
class _Stated:
    """A published value about a time, with the times of those patients whom it is about."""

    target: Target
    label: str
    variable: ModelVariable
    published: Published
    values: Floats
    weights: Floats

    @property
    def about(self) -> tuple[str, ...]:
        """What it is about: values about the same stand in one picture."""
        share = self.target.statistic is Statistic.SHARE
        among = self.target.among.text if self.target.among else ""
        return (self.variable.name, "" if share else self.target.of[0].text, among, self.label)


def _timed(target: Target, model: ClinicalModel) -> ModelVariable | None:
    """Return the one variable of the pathway that a target is about, if it is a time."""
    if target.statistic not in (Statistic.QUANTILE, Statistic.MEAN, Statistic.SHARE) or target.standard is not None:
        return None
    about = [model.variables[name] for name in target.of[0].reads & following(model)]
    return about[0] if len(about) == 1 and about[0].meaning.unit in _TIMES else None


def _stated(
    target: Target, variable: ModelVariable, columns: Mapping[str, Any], weights: Floats | None
) -> Iterator[_Stated]:
    share = target.statistic is Statistic.SHARE
    values = np.asarray(columns[variable.name] if share else target.of[0].compute(columns), np.float64)
    inside = np.ones(values.shape, np.bool_) if share else np.isfinite(values)
    if target.among is not None:
        inside &= np.asarray(target.among.compute(columns))
    weights = np.ones(values.shape) if weights is None else weights
    for label, published, mine in zip(target.labels, target.values, cells(target, columns, inside), strict=True):
        if published is not None and weights[mine].sum() > 0 and np.isfinite(values[mine]).any():
            yield _Stated(target, label, variable, published, values[mine], weights[mine])


def _drawn(alike: list[_Stated], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a picture of values about the same times needs."""
    one = alike[0]
    marks = [_mark(each.target, each.published, one.variable.name, columns, one.values) for each in alike]
    reach = max(_reach(one.values, mark) for mark in marks)
    return {
        "targets": [each.target.name for each in alike],
        "label": one.label,
        "title": one.variable.meaning.title,
        "unit": one.target.unit if one.target.statistic is not Statistic.SHARE else one.variable.meaning.unit,
        "curve": _curve(one.values, one.weights, reach),
        "reach": round(reach, 4),
        "marks": marks,
    }


def _curve(values: Floats, weights: Floats, reach: float) -> list[list[float]]:
    """Return steps of a cumulative distribution; who never comes to it keeps it below 1."""
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    ranked, below = values[finite][order], np.cumsum(weights[finite][order]) / weights.sum()
    distinct = np.unique(ranked[ranked <= reach])
    steps = distinct if distinct.size <= _POINTS else np.linspace(float(distinct[0]), reach, _POINTS)
    shares = np.append(0.0, below)[np.searchsorted(ranked, steps, side="right")]
    return [[round(float(x), 4), round(float(share), 4)] for x, share in zip(steps, shares, strict=True)]


def _reach(values: Floats, mark: Mapping[str, Any]) -> float:
    """Return up to which time the distribution is shown: the last patients may come to it long after what matters."""
    finite = values[np.isfinite(values)]
    late = float(np.quantile(finite, 0.97)) if finite.size else 0.0
    about = mark["high"] if mark["kind"] != "share" else mark["level"]
    return max(late if about is None else min(max(late, 1.2 * about), 4 * about), 1e-9)


def _mark(
    target: Target, published: Published, name: str, columns: Mapping[str, Any], values: Floats
) -> dict[str, Any]:
    """Return where the published value stands: at a level, or for a share at the time that it is about."""
    stated = {"value": published.value, "low": published.low, "high": published.high}
    if target.statistic is Statistic.SHARE:
        return {"kind": "share", "level": _threshold(target, name, columns, values), **stated}
    if target.statistic is Statistic.QUANTILE:
        return {"kind": "quantile", "level": target.quantile, **stated}
    return {"kind": "mean", "level": None, **stated}


def _threshold(target: Target, name: str, columns: Mapping[str, Any], values: Floats) -> float | None:
    """Return the time at which the condition that a share is about turns, where it asks for nothing else."""
    if not target.of[0].reads <= {name, *(key for key, value in columns.items() if np.ndim(value) == 0)}:
        return None
    times = np.unique(np.append(values[np.isfinite(values)], 0.0))
    holds = np.broadcast_to(target.of[0].compute({**columns, name: times}), times.shape)
    turns = np.flatnonzero(holds[1:] != holds[:-1])
    return round(float(times[turns[0]]), 4) if turns.size == 1 else None
