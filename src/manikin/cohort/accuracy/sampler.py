"""A sampler around a sampler: the same patients, who take part in a study of diagnostic accuracy besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.codebook import Basis, Citation, Grounds, Kind, Variable
from manikin.cohort.accuracy.course import NEGATIVE, NONE, POSITIVE, RESULTS, Course, patients_of
from manikin.cohort.accuracy.design import Design
from manikin.cohort.layout import Columns, Field, Layout, Sampler
from manikin.streams import Ordinals, Seed

_GROUP = "Study of diagnostic accuracy"
_GROUNDS = Grounds(
    Citation("accuracy", "Conducted on these patients as the study file says under 'accuracy'"), Basis.DERIVED
)


@dataclass(frozen=True)
class Studied:
    """Draws from a sampler, and then conducts a study of diagnostic accuracy on what stands on record."""

    sampler: Sampler
    design: Design

    @property
    def seed(self) -> Seed:
        """The seed of both the patients and their study."""
        return self.sampler.seed

    @property
    def layout(self) -> Layout:
        """The sampler's, with the columns of the study at the end."""
        inner = self.sampler.layout
        return replace(inner, fields=(*inner.fields, *fields_of(self.design)))

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of these patients with those of the study beside them."""
        columns = self.sampler.draw(ordinals)
        patients = patients_of(columns, self.sampler.layout, self.design.reads, len(ordinals))
        course = self.design.conduct(patients, self.seed, ordinals)
        return {**columns, **columns_of(self.design, course)}


def columns_of(design: Design, course: Course) -> dict[str, Any]:
    """Return the course of a study as columns: what the study knows, and what is true."""
    verdict = np.where(course.verdict, POSITIVE, NEGATIVE)
    found = {
        "accuracy_enrolled": course.enrolled,
        "accuracy_index": np.where(course.enrolled, course.index, NONE).astype(np.int8),
        "accuracy_verified": course.verified,
        "accuracy_reference": np.where(course.verified, verdict, NONE).astype(np.int8),
        "accuracy_standard": np.where(course.verified, course.other, NONE).astype(np.int8),
        "accuracy_days": np.where(course.verified, course.days, np.nan),
        "accuracy_target": course.target,
        "accuracy_target_later": course.later,
        "accuracy_index_blind": course.blind,
    } | {_flag(kind): course.touched[kind] for kind in design.kinds}
    return {field.variable.name: found[field.variable.name] for field in fields_of(design)}


def fields_of(design: Design) -> tuple[Field, ...]:
    """Return the columns of a study: those that it knows are data, those that only we know are truth."""
    return tuple(
        Field(replace(one, grounds=(_GROUNDS,)), data, group=_GROUP)
        for data, variables in ((True, _known(design)), (False, _true(design)))
        for one in variables
    )


def _known(design: Design) -> Iterator[Variable]:
    yield Variable("accuracy_enrolled", Kind.CONDITION, "Enrolled in the study of accuracy")
    yield Variable(
        "accuracy_index",
        Kind.CATEGORY,
        "Result of the index test, as reported",
        levels=RESULTS,
        note=f"Positive where {design.index_test.positive.text}, by what is on record.",
    )
    yield Variable("accuracy_verified", Kind.CONDITION, "Has the reference standard beside the index test")
    yield Variable("accuracy_reference", Kind.CATEGORY, "Verdict of the reference standard", levels=RESULTS[:2])
    if design.has("differential-verification"):
        yield Variable("accuracy_standard", Kind.CATEGORY, "Which reference standard", levels=("usual", "other"))
    if any(getattr(one, "mean_days", None) for one in design.biases):
        yield Variable("accuracy_days", Kind.COUNT, "From index test to reference standard", unit="d")


def _true(design: Design) -> Iterator[Variable]:
    yield Variable(
        "accuracy_target",
        Kind.CONDITION,
        "Has the target condition when the index test is done",
        note=f"Where {design.target.text}.",
    )
    if design.has("progression"):
        yield Variable(
            "accuracy_target_later", Kind.CONDITION, "Has the target condition when the reference standard is done"
        )
    yield Variable(
        "accuracy_index_blind",
        Kind.CATEGORY,
        "Result of the index test, read blind",
        levels=RESULTS,
        note="Of everybody with the values on record, enrolled or not.",
    )
    touched = {
        "spectrum": "Kept out of the study by spectrum bias",
        "partial-verification": "Left without the reference standard by partial verification",
        "progression": "Changed state between the tests",
        "differential-verification": "Judged by another reference standard than most",
        "incorporation": "Judged with the index test as part of the reference standard",
        "review": "Read so that both tests agree",
    }
    for kind in design.kinds:
        yield Variable(_flag(kind), Kind.CONDITION, touched.get(kind, f"Touched by {kind}"))


def _flag(kind: str) -> str:
    return f"accuracy_by_{kind.replace('-', '_')}"
