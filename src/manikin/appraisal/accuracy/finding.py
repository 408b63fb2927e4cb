"""How accurate is the test, and how accurate does this study make it look?

The study is conducted again on the tables as written: with all its biases, which must give the columns as written, and
step by step, one bias after the other, which shows what each does to the figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from manikin.appraisal.accuracy.counting import Counted, Step, count, steps_of
from manikin.appraisal.accuracy.two_by_two import RATIOS, SHARES, Estimated, TwoByTwo, area, corrected, curve
from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.cohort.accuracy import Design, reference_in_words

QUESTION = "How accurate is the test, and how accurate does this study make it look?"
_POPULATION, _ENROLLED = "The study beside the truth in the population", "The study beside the truth in those enrolled"
_PREVALENCE = "Prevalence"
_CORRECTED = "Corrected for partial verification, beside the truth in those enrolled"


def accuracy(subject: Subject) -> Finding:
    """Set what the study of accuracy finds beside what is true, and tell the course of its patients."""
    design, seed = subject.accuracy, subject.seed
    assert design is not None
    assert seed is not None
    steps = steps_of(design, subject.cohort.layout.weighted)
    counted = count(subject.cohort, design, seed, steps)
    scores = _joined(counted.scores)
    figures = _figures(counted, scores)
    corrections = _corrections(design, counted)
    ladder = [_rung(*one) for one in zip(steps, counted.steps, counted.touched, strict=True)]
    whole = Measure(
        "Columns of the study that don't follow from its design and the tables",
        float(counted.wrong),
        expected=0.0,
        passed=counted.wrong == 0,
        unit="values",
        group="Course of the study",
    )
    measures = (
        *_paired(figures, "population", _POPULATION),
        *_paired(figures, "enrolled", _ENROLLED),
        *corrections,
        *_climbed(ladder),
        whole,
    )
    drawings = {
        "index_test": design.index_test.positive.text,
        "inconclusive": "" if design.index_test.inconclusive is None else design.index_test.inconclusive.text,
        "target": design.target.text,
        "reference": reference_in_words(design.reference),
        "flow": counted.flow,
        "tables": {
            name: _cells(table)
            for name, table in (
                ("study", counted.study),
                ("enrolled", counted.enrolled),
                ("population", counted.population),
            )
        },
        "weighted": subject.cohort.layout.weighted,
        "figures": [
            {
                "name": name,
                "unit": unit,
                "of_one": name not in (*RATIOS, _PREVALENCE),
                **{which: _plain(one) for which, one in values.items()},
            }
            for name, unit, values in figures
        ],
        "corrected": {one.name: [one.value, *(one.interval or (one.value, one.value))] for one in corrections},
        "ladder": ladder,
        "curves": _curves(scores),
    }
    return Finding("accuracy", QUESTION, _answer(design, counted), counted.wrong == 0, measures, drawings)


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]} if parts and parts[0] else {}


def _samples(scores: Mapping[str, Any]) -> dict[str, tuple[Any, Any, Any]]:
    """Return score, disease and weights as the study sees them, and as they are."""
    tested = scores["tested"]
    who = {
        "study": (scores["verified"], "verdict", False),
        "enrolled": (tested & scores["enrolled"], "target", False),
        "population": (tested, "target", True),
    }
    return {
        which: (scores["score"][some], scores[disease][some], scores["weight"][some] if weighted else None)
        for which, (some, disease, weighted) in who.items()
    }


def _figures(counted: Counted, scores: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Estimated]]]:
    """Return each figure with its unit, by study, enrolled and population; those that nobody could tell are left out."""
    tables = {"study": counted.study, "enrolled": counted.enrolled, "population": counted.population}
    found = [
        (name, unit, {which: figure(table) for which, table in tables.items()})
        for unit, figures in (("share", SHARES), ("", RATIOS))
        for name, figure in figures.items()
    ]
    if scores:
        areas = {which: area(*sample) for which, sample in _samples(scores).items()}
        found.append(("Area under the ROC curve", "", areas))
    prevalence = {which: table.prevalence for which, table in tables.items()}
    return [*found, (_PREVALENCE, "share", prevalence)]


def _paired(figures: list[tuple[str, str, dict[str, Estimated]]], truth: str, group: str) -> list[Measure]:
    return [
        Measure(
            name,
            values["study"].value,
            values["study"].interval,
            values[truth].value,
            values[truth].interval,
            unit=unit,
            group=group,
        )
        for name, unit, values in figures
        if values["study"].known and values[truth].known
    ]


def _corrections(design: Design, counted: Counted) -> list[Measure]:
    """Return sensitivity and specificity as a statistician would correct them for partial verification."""
    if not design.has("partial-verification"):
        return []
    arms = counted.flow["arms"]
    tested = np.array([arms["negative"]["tested"], arms["positive"]["tested"]], np.float64)
    truth = (counted.enrolled.sensitivity, counted.enrolled.specificity)
    return [
        Measure(
            name,
            found.value,
            found.interval,
            true.value,
            true.interval,
            unit="share",
            group=_CORRECTED,
            source="Begg and Greenes 1983, doi:10.2307/2530820",
        )
        for name, found, true in zip(SHARES, corrected(counted.study, tested), truth, strict=False)
        if found.known and true.known
    ]


def _rung(step: Step, table: TwoByTwo, touched: int) -> dict[str, Any]:
    """Return a step as the report draws it."""
    return {
        "label": step.label,
        "touched": touched if step.kind else None,
        **{name: _plain(figure(table)) for name, figure in SHARES.items()},
    }


def _climbed(ladder: list[dict[str, Any]]) -> list[Measure]:
    """Return what each step makes of sensitivity and specificity, beside what they were before it."""
    return [
        Measure(
            after["label"],
            after[name][0],
            (after[name][1], after[name][2]),
            before[name][0],
            unit="share",
            group=f"{name} step by step, beside the step before",
            note="" if after["touched"] is None else f"{after['touched']:,} patients touched",
        )
        for name in ("Sensitivity", "Specificity")
        for before, after in itertools.pairwise(ladder)
        if before[name] and after[name]
    ]


def _curves(scores: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    if not scores:
        return {}
    samples = _samples(scores)
    return {which: [[round(x, 5), round(y, 5)] for x, y in curve(*samples[which])] for which in ("study", "population")}


def _cells(table: TwoByTwo) -> dict[str, float]:
    (true_negative, false_negative), (false_positive, true_positive) = np.round(table.cells, 6).tolist()
    return {"tp": true_positive, "fp": false_positive, "fn": false_negative, "tn": true_negative}


def _plain(one: Estimated) -> list[float] | None:
    """Return a figure with the ends of its interval as JSON has it."""
    if not one.known:
        return None
    low, high = one.interval or (one.value, one.value)
    return [one.value, low, high]


def _answer(design: Design, counted: Counted) -> str:
    study, true = counted.study, counted.population
    biases = len(design.biases)
    asked = f"{biases} bias{'es were' if biases != 1 else ' was'} asked for" if biases else "No bias was asked for"
    return (
        f"The study finds a sensitivity of {_said(study.sensitivity)} and a specificity of {_said(study.specificity)}; "
        f"in the population they are {_said(true.sensitivity)} and {_said(true.specificity)}. {asked}."
    )


def _said(one: Estimated) -> str:
    return "nobody can tell what" if math.isnan(one.value) else f"{100 * one.value:.1f}%"
