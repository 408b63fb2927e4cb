"""Does the cohort agree with what is published: its targets, and the correlations that were asked for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.clinic import (
    ClinicalModel,
    Correlation,
    Dependence,
    Estimate,
    Published,
    Statistic,
    Target,
    estimate,
    realised_correlations,
)
from manikin.clinic import correlation as pearson
from manikin.codebook import in_sentence
from manikin.streams import Floats

# Two-sided 99.9%: with hundreds of targets, chance alone must not fail a cohort for being small.
CHANCE = 3.29
# Fewer patients say too little about a mean, a spread or a correlation to be judged by; a share is judged by its count.
_FEWEST = 30
_INTERVAL = 1.96
CORRELATION_BAR = 0.03
_MOST_IN_MATRIX = 20
_BESIDE = "about another population than the one that the model was bent to"


def targets(subject: Subject) -> Finding:
    """Set every target beside what was generated."""
    question = "Does it agree with published epidemiology?"
    model = subject.program.model
    if subject.conditional:
        answer = f"Not asked: all patients have {subject.conditional}, and the targets are about the whole population."
        return Finding("targets", question, answer, None)
    if subject.biased:
        answer = f"Not asked: too few were let in on purpose ({subject.biased}), and the targets are about the whole population."
        return Finding("targets", question, answer, None)
    if subject.scenario:
        answer = (
            f"Not asked: this is the scenario '{subject.scenario}', and the targets are about the world as published."
        )
        return Finding("targets", question, answer, None)
    columns = subject.columns(
        frozenset[str]().union(*(target.reads for target in model.targets.values())) & set(subject.cohort.layout.names)
    )
    weights = subject.weights()
    measures = tuple(
        _measure(target, label, published, found)
        for target in model.targets.values()
        for label, published, found in zip(
            target.labels, target.values, estimate(target, columns, weights), strict=True
        )
        if published is not None and np.isfinite([found.value, found.se]).all()
    )
    judged = [one for one in measures if one.passed is not None]
    met = sum(bool(one.passed) for one in judged)
    if subject.agreement:
        beside = tuple(replace(one, passed=None, note=_BESIDE) for one in measures)
        answer = (
            f"Shown beside and not judged: the model was bent to the patients of {subject.agreement.aggregates.site}, and these "
            f"values are about the population that was published. {met} of {len(judged)} would be met all the same."
        )
        return Finding("targets", question, answer, None, beside)
    verified = [one for one in judged if one.basis == "verified"]
    answer = f"{met} of {len(judged)} published values are met, {sum(bool(one.passed) for one in verified)} of {len(verified)} verified ones among them."
    return Finding("targets", question, answer, met == len(judged) if judged else None, measures)


def _measure(target: Target, label: str, published: Published, found: Estimate) -> Measure:
    half = _INTERVAL * found.se
    share = target.statistic is Statistic.SHARE
    low, high = (
        (CHANCE * found.se,) * 2 if not share else (_by_chance(end, found) for end in (published.low, published.high))
    )
    passed = published.low - low <= found.value <= published.high + high
    few = not share and found.n < _FEWEST
    return Measure(
        name=_spoken(label) or "all",
        value=found.value,
        interval=(found.value - half, found.value + half),
        expected=published.value,
        expected_interval=(published.low, published.high),
        passed=None if few else bool(passed),
        unit="share" if share else target.unit,
        group=target.name,
        source=str(target.grounds.source),
        basis=target.grounds.basis.value,
        note="too few patients to judge by"
        if few
        else ""
        if published.stated
        else "tolerance is ours: the source gives no interval",
    )


def _by_chance(share: float, found: Estimate) -> float:
    """Return by how much the share of a sample this size may differ from a true one; one patient always may."""
    binomial = np.sqrt(np.clip(share, 0, 1) * (1 - np.clip(share, 0, 1)) / found.n)
    return float(CHANCE * max(binomial, found.se) + 1 / found.n)


def _spoken(label: str) -> str:
    """Return a cell's label as a person says it: ``male, 60..`` as male, 60 and over."""
    words = [
        f"{low} to {high}"
        if low and high
        else f"{low} and over"
        if low
        else f"up to {high}"
        if dots
        else part.replace("_", " ")
        for part in label.split(", ")
        for low, dots, high in (part.partition("..") if ".." in part else ("", "", ""),)
    ]
    return ", ".join(words)


def correlations(subject: Subject) -> Finding:
    """Set every correlation that was asked for beside the one obtained."""
    model, names = subject.program.model, _matrix_names(subject)
    groups = [group for group in model.dependences if set(group.members) <= set(subject.cohort.layout.names)]
    reads = {name for group in groups for name in (*group.members, group.by, *_reads(group)) if name}
    columns, weights = subject.columns(reads | set(names)), subject.weights()
    size = _effective(len(columns[names[0]]) if names else 0, weights)
    measures = (
        []
        if subject.conditional or subject.biased or subject.scenario
        else [one for group in groups for one in _realised(group, model, columns, weights, size)]
    )
    mean_error, passed = _judged(measures, size)
    passed = None if subject.agreement else passed
    beside = " They are of the model as published, and not judged: it was bent." if subject.agreement else ""
    answer = (
        f"{len(measures)} correlations were asked for; the cohort's lie within {mean_error:.3f} of them on average.{beside}"
        if measures
        else "No correlation was asked for."
    )
    drawings = {
        "variables": [model.variables[name].meaning.title for name in names],
        "matrix": _matrix(columns, names, weights),
        "asked": _asked(names, subject),
        "mean_error": None if passed is None else mean_error,
    }
    return Finding("correlations", "Do values move together as published?", answer, passed, tuple(measures), drawings)


def _effective(size: int, weights: Floats | None) -> float:
    """Return how many equal patients tell as much as those with these weights."""
    return float(size) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())


def _reads(group: Dependence) -> frozenset[str]:
    return group.among.reads if group.among else frozenset()


def _realised(
    group: Dependence, model: ClinicalModel, columns: Mapping[str, Any], weights: Floats | None, size: float
) -> list[Measure]:
    """Return a measure for each correlation that a group asks of each of its levels."""
    realised = realised_correlations(group, columns, weights)
    titles = {name: model.variables[name].meaning.title for name in group.members}
    return [
        _correlation((titles[asked.pair[0]], titles[asked.pair[1]]), asked, group.levels[level], wanted, obtained, size)
        for place, asked in enumerate(group.correlations)
        for level, wanted in enumerate(asked.values)
        if np.isfinite(obtained := float(realised[level, place]))
    ]


def _judged(measures: list[Measure], size: float) -> tuple[float, bool | None]:
    """Return the mean absolute error, and whether it is small enough; None where too few patients could tell."""
    errors = [abs(one.value - one.expected) for one in measures if one.expected is not None]
    if not errors:
        return 0.0, None
    mean_error = float(np.mean(errors))
    in_level = size / len({one.group for one in measures})
    # How far a sample's correlation scatters around 0: |N(0, 1)| has mean sqrt(2/pi) and SD sqrt(1 - 2/pi).
    mean, sd = np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)
    chance = (mean + CHANCE * sd / np.sqrt(len(errors))) / np.sqrt(max(in_level, 1))
    return mean_error, bool(mean_error <= CORRELATION_BAR + chance) if in_level >= _FEWEST else None


def _correlation(
    titles: tuple[str, str], asked: Correlation, level: str, wanted: float, obtained: float, size: float
) -> Measure:
    one, other = titles
    half = _INTERVAL * (1 - obtained**2) / np.sqrt(max(size - 1, 1))
    return Measure(
        name=f"{one} and {in_sentence(other)}",
        value=obtained,
        interval=(obtained - half, obtained + half),
        expected=wanted,
        group=level.capitalize() or "All",
        source=str(asked.grounds.source),
        basis=asked.grounds.basis.value,
    )


def _matrix_names(subject: Subject) -> list[str]:
    """Return the numeric variables of the correlation picture: those with an asked correlation first."""
    numeric = [field.variable.name for field in subject.cohort.layout.fields if field.variable.numeric and field.data]
    asked = {name for group in subject.program.model.dependences for pair in group.correlations for name in pair.pair}
    chosen = [name for name in numeric if name in asked] + [name for name in numeric if name not in asked]
    return [name for name in numeric if name in set(chosen[:_MOST_IN_MATRIX])]


def _matrix(columns: Mapping[str, Any], names: list[str], weights: Floats | None) -> list[list[float]]:
    size = len(columns[names[0]]) if names else 0
    weights = np.ones(size) if weights is None else weights
    rows = []
    for one in names:
        row = []
        for other in names:
            both = np.isfinite(columns[one]) & np.isfinite(columns[other])
            value = pearson(columns[one][both], columns[other][both], weights[both]) if both.sum() > 2 else float("nan")
            row.append(round(value, 4) if np.isfinite(value) else 0.0)
        rows.append(row)
    return rows


def _asked(names: list[str], subject: Subject) -> list[list[float]]:
    found = []
    for group in subject.program.model.dependences:
        for asked in group.correlations:
            if set(asked.pair) <= set(names):
                i, j = (names.index(name) for name in asked.pair)
                found.append([i, j, float(np.mean(asked.values))])
    return found
