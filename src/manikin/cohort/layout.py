"""The shape of a synthetic dataset: which variable stands in which table, and who can make its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from manikin.codebook import IndexDates, Kind, Variable
from manikin.cohort.timeline import Vocabulary
from manikin.streams import Ordinals, Seed

Columns = Mapping[str, Any]
"""Columns of patients by variable: float64, bool, or int8 codes of levels; see ``clinic.program``."""

WEIGHT = "sampling_weight"
TABLES = ("patients", "encounters", "events", "analysis", "truth")
# The table that cohorts have besides whose patients go through states, and the key of a shard's ``Timeline``.
STATES = "states"
TIMELINE = "~timeline"
# The key of the dates of a shard's index encounters; where a sampler has none, they are drawn.
INDEX_DATE = "~index_date"
# The table that imperfect cohorts have besides, and the key under which a shard's columns say how many were struck.
DEFECTS = "defects"
TALLY = "~tally"
# The key of a shard's ``Chart``, where records are imperfect over time, and the tables that the truth has then: what
# stands in ``encounters`` and ``events`` as it was before, and who stands on record twice.
CHART = "~chart"
CLEAN_ENCOUNTERS, CLEAN_EVENTS, DUPLICATES = "clean_encounters", "clean_events", "duplicates"


def observed(name: str) -> str:
    """Return the name of the column that says whose value of a variable is on record."""
    return f"{name}?"


def recorded(name: str) -> str:
    """Return the name of the column that holds what is on record of a variable whose records are imperfect."""
    return f"{name}!"


def history(name: str) -> str:
    """Return the name of the column that says which defects struck a value, a bit for each of ``Asked.kinds``."""
    return f"{name}~"


@dataclass(frozen=True)
class Field:
    """A variable's place: in the data or only in the truth, static or not, always or sometimes on record.

    ``defects`` names what was done to its records on purpose; what is ``later`` is not known at the index encounter.
    """

    variable: Variable
    data: bool
    static: bool = False
    masked: bool = False
    group: str = ""
    defects: tuple[str, ...] = ()
    later: bool = False

    @property
    def in_truth(self) -> bool:
        """Whether the truth holds it: it is nowhere else, or what is on record may be absent or wrong."""
        return not self.data or self.hides

    @property
    def hides(self) -> bool:
        """Whether a column says whose value is on record."""
        return self.masked or bool(self.defects)

    @property
    def event(self) -> str | None:
        """The kind of event that a value becomes in the ``events`` table, by its first code; None for none."""
        if not self.data or self.static or self.later:
            return None
        codes = self.variable.codes
        if self.variable.kind is Kind.CONDITION:
            return "medication" if "rxnorm" in codes else "condition" if {"snomed", "icd10"} & codes.keys() else None
        return "observation" if "loinc" in codes else None


@dataclass(frozen=True)
class Asked:
    """One draw of a defect: the share asked of those at risk, of which variables, and who is struck more often.

    ``kinds`` are the names of all defects of the cohort, in the order of the bits of ``history``.
    """

    defect: str
    variables: tuple[str, ...]
    share: float
    outcome: str = ""
    when: str = ""
    odds_ratio: float | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """All fields of a cohort, its index dates, whether its patients carry weights, its defects, and its timelines.

    ``vocabulary`` is None where patients are seen at their index encounter only; ``writes_index`` says whether what is
    in the data there is among the events. ``truths`` are tables that the truth has besides.
    """

    fields: tuple[Field, ...]
    index_dates: IndexDates
    weighted: bool = False
    defects: tuple[Asked, ...] = ()
    vocabulary: Vocabulary | None = None
    writes_index: bool = True
    truths: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that a cohort of this shape has."""
        return (*TABLES, *((STATES,) if self.vocabulary else ()), *self.truths, *((DEFECTS,) if self.defects else ()))

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
