"""The course that a model's patients take, in the words in which a cohort records it."""

from __future__ import annotations

from collections.abc import Iterator

from manikin.clinic.course import Course
from manikin.clinic.model import ClinicalModel
from manikin.clinic.pathway import Pathway
from manikin.codebook import Kind
from manikin.cohort import Encounters, Entry, Events, States, Timeline, Vocabulary, code_of

_FOUND = ("negative", "positive")


def vocabulary_of(model: ClinicalModel, pathway: Pathway) -> Vocabulary:
    """Return what the timelines of a model's patients speak of, in the order in which a course counts."""
    return Vocabulary(tuple(pathway.states), pathway.contacts, tuple(_entries(model, pathway)))


def _entries(model: ClinicalModel, pathway: Pathway) -> Iterator[Entry]:
    for test in pathway.tests.values():
        yield Entry("order", _code(test.name, test.codes), test.title)
    for name in pathway.measured:
        meaning = model.variables[name].meaning
        texts = meaning.levels if meaning.kind is Kind.CATEGORY else _FOUND if meaning.kind is Kind.CONDITION else ()
        yield Entry(
            "observation", code_of(meaning), meaning.title, meaning.unit, texts, meaning.detection_limit, meaning.name
        )
    for entry in pathway.entries.values():
        yield Entry(entry.kind, _code(entry.name, entry.codes), entry.title)


def _code(name: str, codes: object) -> str:
    assert isinstance(codes, dict)
    return next((f"{system}:{code}" for system, code in codes.items()), f"local:{name}")


def timeline_of(course: Course) -> Timeline:
    """Return a course as a cohort records it."""
    return Timeline(
        Encounters(**course.encounters),
        Events(**course.events),
        States(**course.states),
        (course.followed + course.begins).astype("i4"),
        course.left_by,
    )
