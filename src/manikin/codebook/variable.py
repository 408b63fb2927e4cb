"""What a variable means. Nothing here is inferred from data: bins and limits are public knowledge.

A ``Variable`` that exists is valid: its unit is UCUM, its limits are ordered, its bins ascend.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from manikin.codebook.units import check_unit
from manikin.errors import UnitError
from manikin.streams import Floats


class Kind(StrEnum):
    """What values a variable takes."""

    QUANTITY = "quantity"
    CATEGORY = "category"
    CONDITION = "condition"
    COUNT = "count"
    DATE = "date"


class Disclosure(StrEnum):
    """How much a value tells about who somebody is."""

    IDENTIFYING = "identifying"
    QUASI_IDENTIFYING = "quasi-identifying"
    SENSITIVE = "sensitive"
    PLAIN = "plain"


class Basis(StrEnum):
    """How well a number is grounded, from read in the source itself to assumed."""

    VERIFIED = "verified"
    SECONDARY = "secondary"
    RECALLED = "recalled"
    DERIVED = "derived"
    ASSUMPTION = "assumption"


@dataclass(frozen=True)
class Citation:
    """A published source."""

    key: str
    cite: str
    url: str = ""

    def __str__(self) -> str:
        """Return the reference as a line of text."""
        return f"{self.cite} {self.url}".strip()


@dataclass(frozen=True)
class Grounds:
    """Where a number comes from: a source, how well that was checked, and where in the source it stands."""

    source: Citation
    basis: Basis
    where: str = ""


@dataclass(frozen=True)
class Range:
    """An interval, closed at both ends; an end left open is infinite."""

    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        """Refuse an interval that holds nothing."""
        if not self.low <= self.high:
            raise ValueError(f"A range goes from low to high; got {self.low:g} to {self.high:g}.")


@dataclass(frozen=True)
class ReferenceInterval:
    """The central 95% of healthy people of a sex and an age."""

    range: Range
    sex: str | None = None
    age: Range = Range()


@dataclass(frozen=True)
class Variable:
    """One variable of the codebook.

    ``precision`` is the step to which values are reported, in ``unit``; ``cuts`` are the inner edges of the bins, at
    decision thresholds and reference limits; values outside ``possible`` can't occur in a living person, values
    outside ``usual`` are rare and worth a second look. ``levels`` are a category's values in their order.
    """

    name: str
    kind: Kind
    title: str = ""
    unit: str = ""
    levels: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    possible: Range = Range()
    usual: Range = Range()
    reference: tuple[ReferenceInterval, ...] = ()
    thresholds: tuple[float, ...] = ()
    cuts: tuple[float, ...] = ()
    precision: float | None = None
    detection_limit: float | None = None
    substance: str | None = None
    disclosure: Disclosure = Disclosure.PLAIN
    grounds: tuple[Grounds, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a meaning that contradicts itself."""
        if self.kind is Kind.QUANTITY or (self.kind is Kind.COUNT and self.unit):
            check_unit(self.unit)
        elif self.unit:
            raise UnitError(f"A {self.kind} has no unit; '{self.unit}' was given.")
        if self.kind is Kind.CATEGORY and len(set(self.levels)) < max(2, len(self.levels)):
            raise ValueError("A category needs two values or more, each named once.")
        if any(high <= low for low, high in itertools.pairwise(self.cuts)):
            raise ValueError(f"Bins ascend; got {', '.join(f'{cut:g}' for cut in self.cuts)}.")
        if self.precision is not None and self.precision <= 0:
            raise ValueError(f"A precision is a step above 0; got {self.precision:g}.")
        if not (self.possible.low <= self.usual.low and self.usual.high <= self.possible.high):
            raise ValueError("Extreme limits lie within the impossible ones.")

    @property
    def numeric(self) -> bool:
        """Whether values are numbers on a scale."""
        return self.kind in (Kind.QUANTITY, Kind.COUNT)

    @property
    def decimals(self) -> int:
        """How many digits after the point a reported value needs."""
        if self.precision is None:
            return 0 if self.kind is Kind.COUNT else 3
        return next((digits for digits in range(10) if abs(round(self.precision, digits) - self.precision) < 1e-12), 10)


def in_sentence(title: str) -> str:
    """Return a title as it stands within a sentence: its first word is small unless it is an abbreviation."""
    first = title.split(" ", 1)[0]
    return title if first[1:] != first[1:].lower() else title[:1].lower() + title[1:]


def snap(values: Floats, precision: float) -> Floats:
    """Return ``values`` rounded to multiples of ``precision``, in place where possible.

    Elementary functions differ in the last bit between processors; a snapped value does not. Steps below 1 are
    scaled by their whole reciprocal, so that 0.1 gives the nearest double to each decimal.
    """
    inverse = round(1 / precision)
    if inverse > 1 and abs(inverse * precision - 1) < 1e-9:
        values = np.rint(values * inverse)
        values /= inverse
        return values
    return np.rint(values / precision) * precision
