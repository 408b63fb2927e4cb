"""How are values distributed in each subgroup, and what is missing?"""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.codebook import Kind
from manikin.cohort import Field
from manikin.streams import Floats

_BINS = 40


def distributions(subject: Subject) -> Finding:
    """Show each variable by sex, where sex is known."""
    fields = [field for field in subject.cohort.layout.fields if field.data]
    columns = subject.columns(field.variable.name for field in fields)
    weights = subject.weights()
    groups = _groups(subject, columns)
    shown = [_drawing(field, columns[field.variable.name], groups, weights) for field in fields]
    measures = tuple(one for field in fields for one in _summary(field, columns[field.variable.name], groups, weights))
    answer = f"{len(fields)} variables" + (", by sex." if len(groups) > 1 else ".")
    return Finding(
        "distributions",
        "How are values distributed?",
        answer,
        None,
        measures,
        {"variables": [one for one in shown if one]},
    )


def missingness(subject: Subject) -> Finding:
    """Say for each variable what share of patients has no recorded value."""
    names = [field.variable.name for field in subject.cohort.layout.fields if field.data]
    absent = dict.fromkeys(names, 0)
    for number in range(len(subject.cohort.parts["analysis"])):
        table = subject.cohort.recorded(number)
        for name in names:
            absent[name] += table.column(name).null_count
    shares = {name: absent[name] / max(subject.cohort.patients, 1) for name in names}
    titles = {field.variable.name: field.variable.title for field in subject.cohort.layout.fields}
    drawn = [
        {"name": name, "title": titles[name], "share": share}
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    gaps = sum(share > 0 for share in shares.values())
    measures = tuple(Measure(titles[name], share, unit="share") for name, share in shares.items())
    answer = (
        f"{gaps} of {len(names)} variables have patients without a value, by design." if gaps else "Nothing is missing."
    )
    return Finding("missingness", "What is missing?", answer, None, measures, {"variables": drawn})


def _groups(subject: Subject, columns: dict[str, Any]) -> list[tuple[str, Any]]:
    if "sex" not in subject.cohort.layout.names:
        return [("all", slice(None))]
    levels = subject.cohort.layout.field("sex").variable.levels
    return [(level, columns["sex"] == code) for code, level in enumerate(levels) if (columns["sex"] == code).any()]


def _drawing(field: Field, values: Any, groups: list[tuple[str, Any]], weights: Floats | None) -> dict[str, Any] | None:
    variable = field.variable
    drawn: dict[str, Any] = {
        "name": variable.name,
        "title": variable.title,
        "unit": variable.unit,
        "group": field.group,
    }
    weights = np.ones(len(values)) if weights is None else weights
    if not variable.numeric:
        levels = variable.levels or ("no", "yes")
        shares = [
            {"name": name, "shares": [_share(values[who] == code, weights[who]) for code in range(len(levels))]}
            for name, who in groups
        ]
        return {**drawn, "kind": "category", "levels": list(levels), "groups": shares}
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    edges = _edges(known, variable.precision or 1.0)
    densities = [{"name": name, "density": _density(values[who], weights[who], edges)} for name, who in groups]
    reference = variable.reference[0].range if len(variable.reference) == 1 else None
    interval = (
        [reference.low, reference.high] if reference and np.isfinite([reference.low, reference.high]).all() else None
    )
    return {
        **drawn,
        "kind": "quantity",
        "edges": edges.tolist(),
        "groups": densities,
        "thresholds": list(variable.thresholds),
        "reference_interval": interval,
    }


def _edges(known: Floats, precision: float) -> Floats:
    """Return edges that lie between reportable values, so that no bin holds more of them than its neighbour."""
    low, high = np.quantile(known, [0.001, 0.999])
    step = max(precision, np.ceil(max(high - low, precision) / _BINS / precision) * precision)
    first = np.floor(low / step) * step - 0.5 * precision
    return np.asarray(np.round(first + step * np.arange(int(np.ceil((high - first) / step)) + 1), 10))


def _density(values: Floats, weights: Floats, edges: Floats) -> list[float]:
    known = np.isfinite(values)
    counts, _ = np.histogram(values[known], edges, weights=weights[known])
    total = weights[known].sum()
    return [float(one) for one in np.round(counts / np.maximum(total, 1e-12) / np.diff(edges), 10)]


def _share(yes: Any, weights: Floats) -> float:
    return float(np.round(weights[yes].sum() / max(weights.sum(), 1e-12), 6))


def _summary(field: Field, values: Any, groups: list[tuple[str, Any]], weights: Floats | None) -> list[Measure]:
    weights = np.ones(len(values)) if weights is None else weights
    unit = field.variable.unit
    if field.variable.kind is Kind.CONDITION:
        return [
            Measure(f"{field.variable.title}, {name}", _share(values[who], weights[who]), unit="share")
            for name, who in groups
        ]
    if field.variable.kind is Kind.CATEGORY:
        return [
            Measure(f"{field.variable.title}: {level}, {name}", _share(values[who] == code, weights[who]), unit="share")
            for name, who in groups
            for code, level in enumerate(field.variable.levels)
        ]
    found = []
    for name, who in groups:
        known = values[who][np.isfinite(values[who])]
        if known.size:
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            found.append(
                Measure(
                    f"{field.variable.title}, {name}, median (quartiles)",
                    float(middle),
                    (float(low), float(high)),
                    unit=unit,
                )
            )
    return found
