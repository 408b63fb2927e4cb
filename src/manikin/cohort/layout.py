"""The shape of a synthetic dataset: which variable stands in which table, and who can make its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from manikin.codebook import Kind, Variable
from manikin.streams import Ordinals, Seed

Columns = Mapping[str, Any]
"""Columns of patients by variable: float64, bool, or int8 codes of levels; see ``clinic.program``."""

WEIGHT = "sampling_weight"
TABLES = ("patients", "encounters", "events", "analysis", "truth")


def observed(name: str) -> str:
    """Return the name of the column that says whose value of a variable is on record."""
    return f"{name}?"


@dataclass(frozen=True)
class Field:
    """A variable's place: in the data or only in the truth, static or not, always or sometimes on record."""

    variable: Variable
    data: bool
    static: bool = False
    masked: bool = False
    group: str = ""

    @property
    def event(self) -> str | None:
        """The kind of event that a value becomes in the ``events`` table, by its first code; None for none."""
        if not self.data or self.static:
            return None
        codes = self.variable.codes
        if self.variable.kind is Kind.CONDITION:
            return "medication" if "rxnorm" in codes else "condition" if {"snomed", "icd10"} & codes.keys() else None
        return "observation" if "loinc" in codes else None


@dataclass(frozen=True)
class Layout:
    """All fields of a cohort, the span of its index dates, and whether its patients carry weights."""

    fields: tuple[Field, ...]
    index_dates: tuple[date, date]
    weighted: bool = False

    def field(self, name: str) -> Field:
        """Return the field of a variable."""
        return next(field for field in self.fields if field.variable.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that are kept."""
        return tuple(field.variable.name for field in self.fields)


class Sampler(Protocol):
    """Makes the columns of any patients, by their address alone; has to survive pickling."""

    @property
    def layout(self) -> Layout:
        """The shape of what it makes."""
        ...

    @property
    def seed(self) -> Seed:
        """The seed from which its chance follows."""
        ...

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of the patients with these ordinals, ascending."""
        ...
