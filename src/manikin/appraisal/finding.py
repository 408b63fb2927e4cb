"""The shape of evidence: a finding answers one question about a cohort, with figures that can be judged.

A ``Check`` asks; a ``Finding`` answers; a ``Gate`` says which answers stop a release. There is no single score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True)
class Measure:
    """One figure: what was measured, with its interval, beside what was expected.

    ``value`` is in ``unit`` (shares are fractions with unit ``"share"``). ``passed`` is None where the figure is
    reported and not judged. ``group`` is the heading under which a report shows it; ``basis`` says how well the
    expected value is grounded (verified, secondary, recalled, derived, assumption).
    """

    name: str
    value: float
    interval: Interval | None = None
    expected: float | None = None
    expected_interval: Interval | None = None
    passed: bool | None = None
    unit: str = ""
    group: str = ""
    source: str = ""
    basis: str = ""
    note: str = ""

    @property
    def within(self) -> bool:
        """Whether the value lies in the expected interval itself, without any allowance for chance."""
        return (
            self.expected_interval is not None and self.expected_interval[0] <= self.value <= self.expected_interval[1]
        )


@dataclass(frozen=True)
class Finding:
    """The answer to one question, in a sentence, with its figures and what a report needs to draw it.

    ``drawings`` holds plain JSON values only.
    """

    check: str
    question: str
    answer: str
    passed: bool | None
    measures: tuple[Measure, ...] = ()
    drawings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Finding:
        """Return the finding that was written as JSON."""
        return cls.from_stored(json.loads(text))

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Finding:
        """Return the finding in a JSON object; intervals become pairs again."""
        return cls(**{**stored, "measures": tuple(_measure(one) for one in stored["measures"])})


def _measure(stored: Mapping[str, Any]) -> Measure:
    return Measure(**{**stored, **{key: _pair(stored[key]) for key in ("interval", "expected_interval")}})


def _pair(ends: list[float] | None) -> Interval | None:
    return None if ends is None else (ends[0], ends[1])


@dataclass(frozen=True)
class Gate:
    """A threshold that evidence must pass, who set it, and what happens when it fails."""

    name: str
    threshold: str
    reached: str
    passed: bool
    set_by: str
    on_failure: str
