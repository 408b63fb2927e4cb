"""Counts what a study of accuracy finds and what is true, part by part of a cohort, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from manikin.appraisal.accuracy.two_by_two import TwoByTwo
from manikin.appraisal.check import MOST_PATIENTS
from manikin.cohort import WEIGHT, Cohort, Columns, observed, plain, recorded
from manikin.cohort.accuracy import (
    INCONCLUSIVE,
    NEGATIVE,
    POSITIVE,
    RESULTS,
    Course,
    Design,
    Patients,
    bias_in_words,
    columns_of,
    patients_of,
    reference_in_words,
)
from manikin.streams import Floats, Ordinals, Seed


@dataclass(frozen=True)
class Step:
    """A study on the way from the truth to the one that was asked for: what comes in with it."""

    label: str
    design: Design
    kind: str = ""


@dataclass
class Counted:
    """What is counted, part by part; tables and counts add up, scores are kept."""

    study: TwoByTwo
    enrolled: TwoByTwo
    population: TwoByTwo
    steps: list[TwoByTwo]
    touched: list[int]
    flow: dict[str, Any]
    wrong: int
    scores: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Counted) -> None:
        """Count another part besides."""
        self.study += other.study
        self.enrolled += other.enrolled
        self.population += other.population
        self.steps = [one + more for one, more in zip(self.steps, other.steps, strict=True)]
        self.touched = [one + more for one, more in zip(self.touched, other.touched, strict=True)]
        self.flow = _added(self.flow, other.flow)
        self.wrong += other.wrong
        self.scores += other.scores


def steps_of(design: Design, weighted: bool) -> list[Step]:
    """Return the studies from one without any fault to the one that was asked for."""
    ideal = Design(design.index_test, design.target)
    steps = [Step("Over-sampling" if weighted else "No bias, and a reference standard without error", ideal)]
    if not design.perfect:
        ideal = replace(ideal, reference=design.reference)
        steps.append(Step(f"Reference standard ({reference_in_words(design.reference)})", ideal))
    for count, bias in enumerate(design.in_order, start=1):
        label = bias_in_words(bias)
        steps.append(Step(label[:1].upper() + label[1:], replace(ideal, biases=design.in_order[:count]), bias.name))
    return steps


def count(cohort: Cohort, design: Design, seed: Seed, steps: list[Step]) -> Counted:
    """Return what is counted in a cohort that took part in the study of ``design``, and had it in each of ``steps``."""
    found: Counted | None = None
    first = 0
    for number in range(len(cohort.parts["analysis"])):
        columns = _columns(cohort, number, design.reads)
        size = cohort.recorded(number).num_rows
        ordinals = np.arange(first, first + size, dtype=np.int64)
        patients = patients_of(columns, cohort.layout, design.reads, size)
        weights = np.asarray(cohort.part(number, [WEIGHT])[WEIGHT]) if cohort.layout.weighted else None
        one = _part(design, steps, patients, seed, ordinals, weights)
        one.wrong = _differing(cohort, number, columns_of(design, design.conduct(patients, seed, ordinals)))
        if first >= MOST_PATIENTS:
            one.scores = []
        if found is None:
            found = one
        else:
            found.add(one)
        first += size
    assert found is not None
    return found


def _columns(cohort: Cohort, number: int, names: frozenset[str]) -> Columns:
    """Return columns of a part as its sampler gave them: clean values, what is on record, and of whom."""
    found: dict[str, Any] = dict(cohort.part(number, sorted(names)))
    record = cohort.recorded(number)
    for name in names:
        place = cohort.layout.field(name)
        if place.data and place.hides:
            found[observed(name)] = record.column(name).is_valid().to_numpy()
            found[recorded(name)] = plain(place.variable, record.column(name))
    return found


def _part(
    design: Design,
    steps: list[Step],
    patients: Patients,
    seed: Seed,
    ordinals: Ordinals,
    weights: Floats | None,
) -> Counted:
    course = design.conduct(patients, seed, ordinals)
    told = (course.blind >= NEGATIVE) & (course.blind != INCONCLUSIVE)
    courses = [step.design.conduct(patients, seed, ordinals) for step in steps]
    return Counted(
        study=_naive(course),
        enrolled=TwoByTwo.of(course.blind == POSITIVE, course.target, told & course.enrolled),
        population=TwoByTwo.of(course.blind == POSITIVE, course.target, told, weights),
        steps=[_naive(one) for one in courses],
        touched=list(_newly_touched(steps, courses)),
        flow=_flow(course),
        wrong=0,
        scores=[_scores(design, patients, course, weights)],
    )


def _naive(course: Course) -> TwoByTwo:
    """Return the table of a study: its own result of the index test by its own verdict."""
    return TwoByTwo.of(course.index == POSITIVE, course.verdict, course.verified & (course.index != INCONCLUSIVE))


def _newly_touched(steps: list[Step], courses: list[Course]) -> Iterator[int]:
    """Yield how many patients each step's bias touches whom none of its kind has touched before."""
    before: dict[str, int] = {}
    for step, course in zip(steps, courses, strict=True):
        now = int(course.touched[step.kind].sum()) if step.kind else 0
        yield now - before.get(step.kind, 0)
        before[step.kind] = now


def _flow(course: Course) -> dict[str, Any]:
    """Return the counts of a STARD diagram.

    Source: Bossuyt et al., STARD 2015. BMJ 2015;351:h5527, doi:10.1136/bmj.h5527.
    """
    tested, verified, true = course.tested, course.verified, course.target
    return {
        "eligible": len(true),
        "enrolled": int(course.enrolled.sum()),
        "tested": int(tested.sum()),
        "arms": {
            result: {
                "tested": int(arm.sum()),
                "not_chosen": int((arm & ~course.chosen).sum()),
                "not_on_record": int((arm & course.chosen & ~course.obtained).sum()),
                "unverified_truly_present": int((arm & ~verified & true).sum()),
                "verified": int((arm & verified).sum()),
                "present": int((arm & verified & course.verdict).sum()),
                "present_truly": int((arm & verified & course.verdict & true).sum()),
                "absent": int((arm & verified & ~course.verdict).sum()),
                "absent_truly": int((arm & verified & ~course.verdict & ~true).sum()),
            }
            for code, result in enumerate(RESULTS)
            for arm in (tested & (course.index == code),)
        },
    }


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _added(value, other[key]) if isinstance(value, Mapping) else value + other[key]
        for key, value in one.items()
    }


def _scores(design: Design, patients: Patients, course: Course, weights: Floats | None) -> dict[str, Any]:
    """Return the number behind the index test with what study and truth say; empty where it is no number."""
    number = design.index_test.positive.number
    if number is None:
        return {}
    return {
        "score": np.asarray(number(patients.seen), np.float64),
        "tested": course.blind >= NEGATIVE,
        "enrolled": course.enrolled,
        "verified": course.verified,
        "verdict": course.verdict,
        "target": course.target,
        "weight": np.ones(patients.count) if weights is None else weights,
    }


def _differing(cohort: Cohort, number: int, expected: Mapping[str, Any]) -> int:
    """Return how many values of a part are not those that the study gives."""
    written = cohort.part(number, expected)
    return sum(
        int(((written[name] != column) & ~(_absent(written[name]) & _absent(column))).sum())
        for name, column in expected.items()
    )


def _absent(column: Any) -> Any:
    return np.isnan(column) if np.asarray(column).dtype.kind == "f" else np.zeros(len(column), np.bool_)
