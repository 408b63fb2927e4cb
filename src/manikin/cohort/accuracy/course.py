"""What becomes of patients in a study of diagnostic accuracy: enrolled, tested, verified, judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manikin.cohort.defects.defect import there
from manikin.cohort.layout import Columns, Layout, observed, recorded
from manikin.streams import Floats

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]

RESULTS = ("negative", "positive", "inconclusive")
NONE, NEGATIVE, POSITIVE, INCONCLUSIVE = -1, 0, 1, 2

Luck = Callable[..., Floats]
"""Gives a uniform draw of each patient, from a stream named by its arguments."""


class Condition(Protocol):
    """A condition on patients, compiled by whoever knows the model; has to survive pickling."""

    @property
    def text(self) -> str:
        """The condition as it was written."""
        ...

    @property
    def reads(self) -> frozenset[str]:
        """The variables that it reads."""
        ...

    @property
    def number(self) -> Callable[[Columns], Any] | None:
        """The number that it compares with a threshold, turned so that more of it speaks for it; None if it doesn't."""
        ...

    def __call__(self, columns: Columns) -> Any:
        """Return for whom of the patients in these columns it holds."""
        ...


@dataclass(frozen=True)
class Patients:
    """Patients as they are, and as they stand on record: tests see the record."""

    true: Columns
    seen: Columns
    present: Mapping[str, Bools]
    count: int

    def truly(self, condition: Condition) -> Bools:
        """Return for whom a condition holds."""
        return self._whole(condition(self.true))

    def seemingly(self, condition: Condition) -> Bools:
        """Return for whom a condition holds by what is on record."""
        return self._whole(condition(self.seen))

    def on_record(self, condition: Condition) -> Bools:
        """Return who has all values on record that a condition reads."""
        return self._whole(np.logical_and.reduce([self.present[name] for name in sorted(condition.reads)], axis=0))

    def _whole(self, found: Any) -> Bools:
        return np.broadcast_to(np.asarray(found, np.bool_), (self.count,))


def patients_of(columns: Columns, layout: Layout, names: frozenset[str], count: int) -> Patients:
    """Return patients by the columns of a sampler, with the ``names`` that their study reads."""
    seen, present = {}, {}
    for name in names:
        field_ = layout.field(name)
        seen[name] = columns[recorded(name)] if field_.defects else columns[name]
        shown = np.asarray(columns[observed(name)], np.bool_) if field_.data and field_.hides else True
        present[name] = there(field_.variable, columns[name]) & shown
    return Patients(columns, seen, present, count)


@dataclass(frozen=True)
class Course:
    """Each patient's way through the study, so far.

    ``target`` is whether they have the target condition when the index test is done, ``later`` when the reference
    standard is. ``blind`` is the index test's result as read by somebody who knows nothing else, ``index`` as
    reported; ``obtained`` is whether the reference standard's values are on record, ``other`` whether it was not the
    same as for most. ``verdict`` is what the reference standard says; it counts for those who are ``verified``.
    ``days`` lie between the tests. ``touched`` tells whom each bias touched.
    """

    target: Bools
    later: Bools
    blind: Codes
    index: Codes
    enrolled: Bools
    chosen: Bools
    obtained: Bools
    other: Bools
    verdict: Bools
    days: Floats
    touched: Mapping[str, Bools] = field(default_factory=dict)

    @property
    def tested(self) -> Bools:
        """Who is enrolled and has a result of the index test."""
        return np.asarray(self.enrolled & (self.blind != NONE))

    @property
    def verified(self) -> Bools:
        """Who has, besides, a verdict of the reference standard."""
        return np.asarray(self.tested & self.chosen & self.obtained)

    def touching(self, bias: str, who: Bools) -> Course:
        """Return the course in which a bias has touched ``who``, beside those whom it touched before."""
        before = self.touched.get(bias, np.zeros(len(who), np.bool_))
        return replace(self, touched={**self.touched, bias: before | who})
