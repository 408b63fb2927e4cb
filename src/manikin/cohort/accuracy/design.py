"""A study of diagnostic accuracy as it is designed, and how it is conducted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.cohort.accuracy.biases import PERFECT, Bias, Phase, Reference
from manikin.cohort.accuracy.course import (
    INCONCLUSIVE,
    NEGATIVE,
    NONE,
    POSITIVE,
    Codes,
    Condition,
    Course,
    Patients,
)
from manikin.streams import Ordinals, Seed


@dataclass(frozen=True)
class IndexTest:
    """The test under study: positive where a condition on the record holds, inconclusive where another does."""

    positive: Condition
    inconclusive: Condition | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What it reads."""
        return (self.positive,) if self.inconclusive is None else (self.positive, self.inconclusive)

    def read(self, patients: Patients) -> Codes:
        """Return the result of each patient, by what is on record; none where a value isn't."""
        found = np.where(patients.seemingly(self.positive), POSITIVE, NEGATIVE)
        if self.inconclusive is not None:
            found = np.where(patients.seemingly(self.inconclusive), INCONCLUSIVE, found)
        there = np.logical_and.reduce([patients.on_record(one) for one in self.conditions])
        return np.where(there, found, NONE).astype(np.int8)

    def written(self) -> Any:
        """Return it as a study file says it."""
        if self.inconclusive is None:
            return self.positive.text
        return {"positive": self.positive.text, "inconclusive": self.inconclusive.text}


@dataclass(frozen=True)
class Design:
    """What is compared with what in a study of diagnostic accuracy, and by which biases.

    ``target`` is what is really the case. Biases come in when their phase does, those of one phase as written.
    """

    index_test: IndexTest
    target: Condition
    reference: Reference = PERFECT
    biases: tuple[Bias, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """The variables that it reads."""
        own = (*self.index_test.conditions, self.target, *self.reference.conditions)
        return frozenset[str]().union(
            *(one.reads for one in (*own, *(read for bias in self.biases for read in bias.conditions)))
        )

    @property
    def perfect(self) -> bool:
        """Whether the reference standard is the truth itself."""
        return self.reference == PERFECT

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of its biases, each once, in the order written."""
        return tuple(dict.fromkeys(one.name for one in self.biases))

    @property
    def in_order(self) -> tuple[Bias, ...]:
        """Its biases in the order in which they come in."""
        return tuple(sorted(self.biases, key=lambda one: one.phase))

    def has(self, kind: str) -> bool:
        """Return whether it has a bias of a kind."""
        return kind in self.kinds

    def conduct(self, patients: Patients, seed: Seed, ordinals: Ordinals) -> Course:
        """Return what becomes of the patients with these ordinals."""

        def luck(*address: str) -> Any:
            return seed.stream("accuracy", *address).uniform_at(ordinals)

        course = self._begun(patients)
        judged = False
        for bias, address in sorted(self._addressed(), key=lambda one: one[0].phase):
            if bias.phase >= Phase.VERDICT and not judged:
                course, judged = self._judged(patients, course, luck("reference")), True
            course = bias.apply(patients, course, lambda *more, address=address: luck(*address, *more))
        return course if judged else self._judged(patients, course, luck("reference"))

    def _begun(self, patients: Patients) -> Course:
        """Return the course before anything has happened."""
        target, index = patients.truly(self.target), self.index_test.read(patients)
        all_, nobody = np.ones(patients.count, np.bool_), np.zeros(patients.count, np.bool_)
        return Course(
            target=target,
            later=target,
            blind=index,
            index=index,
            enrolled=all_,
            chosen=all_,
            obtained=self.reference.obtained(patients),
            other=nobody,
            verdict=nobody,
            days=np.full(patients.count, np.nan),
        )

    def _judged(self, patients: Patients, course: Course, uniform: Any) -> Course:
        return replace(course, verdict=self.reference.verdict(patients, course.later, uniform))

    def _addressed(self) -> list[tuple[Bias, tuple[str, ...]]]:
        """Return each bias with the address of its draws; whoever asks for the same twice draws anew."""
        seen: Counter[str] = Counter()
        found = []
        for bias in self.biases:
            seen[bias.name] += 1
            again = (str(seen[bias.name]),) if seen[bias.name] > 1 else ()
            found.append((bias, (bias.name, *again)))
        return found

    def written(self) -> dict[str, Any]:
        """Return the design as a study file says it."""
        reference = {} if self.perfect else {"reference": self.reference.written()}
        biases = {"biases": [one.written() for one in self.biases]} if self.biases else {}
        return {"index-test": self.index_test.written(), "target": self.target.text, **reference, **biases}

    def in_words(self) -> list[str]:
        """Return the design as lines for people."""
        return [
            f"Index test: positive where {self.index_test.positive.text}{self._doubt()}",
            f"Target condition: {self.target.text}",
            f"Reference standard: {reference_in_words(self.reference)}",
            *(f"Bias: {bias_in_words(one)}" for one in self.biases),
        ]

    def _doubt(self) -> str:
        one = self.index_test.inconclusive
        return "" if one is None else f", inconclusive where {one.text}"


def reference_in_words(reference: Reference) -> str:
    """Return a reference standard as a line for people."""
    written = reference.written()
    if not isinstance(written, dict):
        return f"positive where {written}"
    if reference == PERFECT:
        return "without error"
    return f"sensitivity {_said(written['sensitivity'])}, specificity {_said(written['specificity'])}"


def bias_in_words(bias: Bias) -> str:
    """Return a bias as a line for people."""
    (kind, about), *rest = bias.written().items()
    said = [f"{key.replace('-', ' ')} {_said(value, key)}" for key, value in rest if key != "reference"]
    other = getattr(bias, "reference", None)
    said += [] if other is None else [f"judged by {reference_in_words(other)}"]
    kind = kind.replace("-", " ")
    return f"{kind}, {_said(about)}" + (f" ({', '.join(said)})" if said else "")


def _said(value: Any, key: str = "") -> str:
    if key == "mean-days":
        return f"{value:g}"
    return f"{100 * value:.6g}%" if isinstance(value, float) else str(value)
