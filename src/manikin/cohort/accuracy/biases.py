"""The biases that studies of diagnostic accuracy live with, each a step of its own in the course of a study.

Source: Whiting et al., Sources of variation and bias in studies of diagnostic accuracy: a systematic review. Ann Intern
Med 2004;140:189, doi:10.7326/0003-4819-140-3-200402030-00010.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np

from manikin.cohort.accuracy.course import INCONCLUSIVE, POSITIVE, RESULTS, Bools, Condition, Course, Luck, Patients
from manikin.errors import RequestError
from manikin.streams import Floats

DAYS_PER_YEAR = 365.25


class Phase(IntEnum):
    """When in a study a bias comes in; the reference standard is read between ``WAIT`` and ``VERDICT``."""

    ENROLMENT = 1
    CHOICE = 2
    WAIT = 3
    VERDICT = 4
    READING = 5


@dataclass(frozen=True)
class Group:
    """Of whom a bias speaks: those with a result of the index test, those for whom a condition holds, or both."""

    result: str = ""
    condition: Condition | None = None

    def __post_init__(self) -> None:
        """Refuse a result that the index test can't have."""
        if self.result and self.result not in RESULTS:
            raise RequestError(f"The index test is {', '.join(RESULTS)}; got '{self.result}'.")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition, where there is one."""
        return () if self.condition is None else (self.condition,)

    @property
    def text(self) -> str:
        """The group as a study file says it where it stands alone."""
        return f"index {self.result}" if self.result else "" if self.condition is None else self.condition.text

    def among(self, patients: Patients, course: Course) -> Bools:
        """Return who belongs to it."""
        found = np.ones(patients.count, np.bool_)
        if self.result:
            found &= course.blind == RESULTS.index(self.result)
        for one in self.conditions:
            found &= patients.truly(one)
        return found


EVERYBODY = Group()


class Reference(Protocol):
    """A reference standard: what it says of patients of whom the truth is known."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that it reads."""
        ...

    def obtained(self, patients: Patients) -> Bools:
        """Return of whom it can be had at all."""
        ...

    def verdict(self, patients: Patients, diseased: Bools, uniform: Floats) -> Bools:
        """Return whom it calls diseased; ``diseased`` is who is, and one draw of each patient decides."""
        ...

    def written(self) -> Any:
        """Return it as a study file says it."""
        ...


@dataclass(frozen=True)
class Fallible:
    """A reference standard that errs, by chance alone: not more often where the index test errs too."""

    sensitivity: float = 1.0
    specificity: float = 1.0

    conditions = ()

    def __post_init__(self) -> None:
        """Refuse what is no probability, and a standard that says nothing about the disease or its opposite."""
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1):
            raise RequestError("Sensitivity and specificity of a reference standard lie from 0 to 100%.")
        if self.sensitivity + self.specificity <= 1:
            raise RequestError("A reference standard tells more than chance: sensitivity and specificity pass 100%.")

    def obtained(self, patients: Patients) -> Bools:
        """Return everybody."""
        return np.ones(patients.count, np.bool_)

    def verdict(self, patients: Patients, diseased: Bools, uniform: Floats) -> Bools:  # noqa: ARG002 - a shape
        """Return whom it calls diseased."""
        return np.asarray(uniform < np.where(diseased, self.sensitivity, 1 - self.specificity))

    def written(self) -> dict[str, float]:
        """Return it as a study file says it."""
        return {"sensitivity": self.sensitivity, "specificity": self.specificity}


PERFECT = Fallible()


@dataclass(frozen=True)
class Judged:
    """A reference standard that is a condition on what is on record; it errs where that does."""

    condition: Condition

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its condition."""
        return (self.condition,)

    def obtained(self, patients: Patients) -> Bools:
        """Return who has all values on record."""
        return patients.on_record(self.condition)

    def verdict(self, patients: Patients, diseased: Bools, uniform: Floats) -> Bools:  # noqa: ARG002 - a shape
        """Return whom it calls diseased."""
        return patients.seemingly(self.condition)

    def written(self) -> str:
        """Return it as a study file says it."""
        return self.condition.text


class Bias(Protocol):
    """A way in which a study's figures come to differ from the truth."""

    @property
    def name(self) -> str:
        """What a study file and the truth call it."""
        ...

    @property
    def phase(self) -> Phase:
        """When it comes in."""
        ...

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that it reads."""
        ...

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course with it."""
        ...

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        ...


def _with_group(written: dict[str, Any], key: str, group: Group) -> dict[str, Any]:
    """Return an entry with its group: the result under ``key``, which may stay empty, and the condition as ``when``."""
    if key and not group.result:
        return {key: group.text, **written}
    found = {key: group.text, **written} if key else dict(written)
    return found if group.condition is None else {**found, "when": group.condition.text}


@dataclass(frozen=True)
class Spectrum:
    """Of a group, only the share ``keep`` enters the study: clear-cut cases make a test look better than it is."""

    group: Group
    keep: float

    name, phase = "spectrum", Phase.ENROLMENT

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition of its group."""
        return self.group.conditions

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which the others are not enrolled."""
        out = course.enrolled & self.group.among(patients, course) & (luck() >= self.keep)
        return replace(course, enrolled=course.enrolled & ~out).touching(self.name, out)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        return _with_group({"keep": self.keep}, self.name, self.group)


@dataclass(frozen=True)
class PartialVerification:
    """Of a group, only the share ``verified`` gets the reference standard."""

    group: Group
    verified: float

    name, phase = "partial-verification", Phase.CHOICE

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition of its group."""
        return self.group.conditions

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which the others don't get it."""
        out = course.tested & course.chosen & self.group.among(patients, course) & (luck() >= self.verified)
        return replace(course, chosen=course.chosen & ~out).touching(self.name, out)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        return _with_group({"verified": self.verified}, self.name, self.group)


@dataclass(frozen=True)
class Progression:
    """Between the tests, a ``share`` of those without the target condition come to have it, and some are ``cured``.

    With ``mean_days``, patients wait for the reference standard by an exponential distribution, and both shares are
    those of a year.
    """

    share: float
    cured: float = 0.0
    mean_days: float | None = None
    group: Group = EVERYBODY

    name, phase = "progression", Phase.WAIT

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition of its group."""
        return self.group.conditions

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which the reference standard finds some in another state than the index test did."""
        chance = np.where(course.target, self.cured, self.share)
        days = course.days
        if self.mean_days is not None:
            days = np.floor(-self.mean_days * np.log(luck("wait")))
            chance = 1 - (1 - chance) ** (days / DAYS_PER_YEAR)
        moved = self.group.among(patients, course) & (luck() < chance)
        return replace(course, later=course.target ^ moved, days=days).touching(self.name, moved & course.verified)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        cured = {"cured": self.cured} if self.cured else {}
        wait = {} if self.mean_days is None else {"mean-days": self.mean_days}
        return _with_group({self.name: self.share, **cured, **wait}, "", self.group)


@dataclass(frozen=True)
class DifferentialVerification:
    """A group gets another ``reference`` standard than the rest."""

    group: Group
    reference: Reference

    name, phase = "differential-verification", Phase.VERDICT

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of its group and of the other reference standard."""
        return (*self.group.conditions, *self.reference.conditions)

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which the group is judged by the other standard."""
        who = self.group.among(patients, course)
        after = replace(
            course,
            other=course.other | who,
            obtained=np.where(who, self.reference.obtained(patients), course.obtained),
            verdict=np.where(who, self.reference.verdict(patients, course.later, luck()), course.verdict),
        )
        return after.touching(self.name, who & after.verified)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        return _with_group({"reference": self.reference.written()}, self.name, self.group)


@dataclass(frozen=True)
class Incorporation:
    """In a ``share``, the index test is part of the reference standard, which is positive where either is."""

    share: float
    group: Group = EVERYBODY

    name, phase = "incorporation", Phase.READING

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition of its group."""
        return self.group.conditions

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which a positive index test makes a positive verdict."""
        struck = course.verified & self.group.among(patients, course) & (luck() < self.share)
        verdict = course.verdict | (struck & (course.index == POSITIVE))
        return replace(course, verdict=verdict).touching(self.name, struck)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        return _with_group({self.name: self.share}, "", self.group)


@dataclass(frozen=True)
class Review:
    """Who reads one test knows the other's result, and a ``share`` of disagreements is read so that both agree.

    ``reader`` is the test that is read again: the ``index`` test or the ``reference`` standard.
    """

    reader: str
    share: float
    group: Group = EVERYBODY

    name, phase = "review", Phase.READING

    def __post_init__(self) -> None:
        """Refuse a test that is none of the two."""
        if self.reader not in READERS:
            raise RequestError(f"A reader reads the {' or the '.join(READERS)}; got '{self.reader}'.")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The condition of its group."""
        return self.group.conditions

    def apply(self, patients: Patients, course: Course, luck: Luck) -> Course:
        """Return the course in which some disagreements are gone."""
        positive = course.index == POSITIVE
        differ = course.verified & (course.index != INCONCLUSIVE) & (course.verdict != positive)
        pulled = differ & self.group.among(patients, course) & (luck() < self.share)
        if self.reader == "index":
            after = replace(course, index=np.where(pulled, course.verdict, course.index).astype(np.int8))
        else:
            after = replace(course, verdict=np.where(pulled, positive, course.verdict))
        return after.touching(self.name, pulled)

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        return _with_group({self.name: self.reader, "share": self.share}, "", self.group)


READERS = ("index", "reference")
