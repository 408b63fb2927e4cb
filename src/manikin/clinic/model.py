"""A clinical model: a distribution over patients that can be defended line by line.

Everything here is read from a model file and checked; nothing is computed over patients yet. ``program`` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
from scipy import special

from manikin.clinic.expressions import Expression
from manikin.clinic.pathway import PATHWAY, Pathway
from manikin.clinic.rules import Rule
from manikin.clinic.tables import Breakdown, NumberTable
from manikin.codebook import Basis, Citation, Grounds, IndexDates, Variable
from manikin.streams import Floats, Seed


def is_question(name: str) -> bool:
    """Return whether a name that an expression reads is answered by the finished pathway."""
    return name.endswith(")") or name == "followed"


class Role(StrEnum):
    """Where a variable ends up: in the data, only in the truth, or nowhere."""

    DATA = "data"
    TRUTH = "truth"
    HELPER = "helper"


@dataclass(frozen=True)
class Parameter:
    """A number with a name, which may be uncertain, and which calibration may be free to move.

    ``sd`` is the standard error, on the log scale where ``logarithmic``; ``bounds`` are set where it is free.
    """

    name: str
    value: float
    sd: float = 0.0
    logarithmic: bool = False
    bounds: tuple[float, float] | None = None
    grounds: Grounds | None = None

    def drawn(self, uniform: float) -> float:
        """Return the value at a position within its uncertainty."""
        shift = self.sd * float(special.ndtri(uniform))
        value = float(self.value * np.exp(shift)) if self.logarithmic else self.value + shift
        return value if self.bounds is None else min(max(value, self.bounds[0]), self.bounds[1])


@dataclass(frozen=True)
class ModelVariable:
    """A variable of the codebook with the way in which the model comes to its value.

    ``among`` says for whom it exists at all; ``observed`` whose value is on record, the clean one being kept in the
    truth. ``group`` is the heading under which reports show it.
    """

    meaning: Variable
    rule: Rule
    role: Role = Role.DATA
    static: bool = False
    group: str = ""
    among: Expression | None = None
    observed: Expression | None = None
    lets: Mapping[str, NumberTable] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The variable's name."""
        return self.meaning.name

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that have to be known before the variable can be computed; ``observed`` is asked afterwards."""
        own = {f"{self.name}.{name}" for name in self.lets}
        needed = self.rule.reads.union(*(table.reads for table in self.lets.values())) - own
        return needed | (self.among.reads if self.among else frozenset())

    @property
    def parents(self) -> frozenset[str]:
        """What it reads, with the pathway as a whole in the place of questions about it."""
        return frozenset(PATHWAY if is_question(name) else name for name in self.reads)


@dataclass(frozen=True)
class Correlation:
    """A published correlation between two members, in the population or within one level of the group's ``by``."""

    pair: tuple[str, str]
    values: tuple[float, ...]
    grounds: Grounds


@dataclass(frozen=True)
class Dependence:
    """A Gaussian copula over named quantities: how they move together beyond what their parents explain.

    ``correlations`` are those of the cohort (Pearson, on the logarithm of members in ``logarithmic``), one value for
    each of ``levels`` of ``by``; ``latent`` are the normal scores' own, shape (levels, members, members), found by
    calibration so that the cohort's come out as asked.
    """

    name: str
    members: tuple[str, ...]
    correlations: tuple[Correlation, ...]
    by: str | None = None
    levels: tuple[str, ...] = ("",)
    logarithmic: frozenset[str] = frozenset()
    among: Expression | None = None

    def asked(self) -> Floats:
        """Return the asked correlations as symmetric matrices, shape (levels, members, members); unnamed pairs are 0."""
        matrix = np.tile(np.eye(len(self.members)), (len(self.levels), 1, 1))
        for correlation in self.correlations:
            i, j = (self.members.index(member) for member in correlation.pair)
            matrix[:, i, j] = matrix[:, j, i] = correlation.values
        return matrix


class Statistic(StrEnum):
    """What a target says about a population."""

    SHARE = "share"
    MEAN = "mean"
    SD = "sd"
    QUANTILE = "quantile"
    CORRELATION = "correlation"
    RATIO = "ratio"


@dataclass(frozen=True)
class Published:
    """A published value with its interval; ``stated`` is false where the interval is our tolerance, not theirs."""

    value: float
    low: float
    high: float
    stated: bool

    @property
    def sd(self) -> float:
        """The standard error that the interval implies."""
        return (self.high - self.low) / 3.92


@dataclass(frozen=True)
class Standard:
    """A standard population: weights of age bands, for values that were published age-adjusted."""

    name: str
    breakdown: Breakdown
    weights: tuple[float, ...]
    grounds: Grounds


@dataclass(frozen=True)
class Target:
    """A published aggregate that the cohort must hit, in one value for each cell of its breakdown."""

    name: str
    statistic: Statistic
    of: tuple[Expression, ...]
    values: tuple[Published | None, ...]
    grounds: Grounds
    unit: str = ""
    among: Expression | None = None
    breakdown: Breakdown | None = None
    standard: Standard | None = None
    quantile: float = 0.5

    @property
    def reads(self) -> frozenset[str]:
        """The columns that the target is about."""
        needed = frozenset[str]().union(*(one.reads for one in self.of))
        needed |= self.among.reads if self.among else frozenset()
        needed |= self.breakdown.reads if self.breakdown else frozenset()
        return needed | (self.standard.breakdown.reads if self.standard else frozenset())

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is about."""
        return tuple(", ".join(labels) for labels in self.breakdown.labels) if self.breakdown else ("",)


@dataclass(frozen=True)
class Calibration:
    """Which free parameters are solved so that which targets hold."""

    free: tuple[str, ...]
    to: tuple[str, ...]


@dataclass(frozen=True)
class Constraint:
    """A rule that holds for every patient; who breaks it is drawn anew."""

    text: str
    expression: Expression
    grounds: Grounds


@dataclass(frozen=True)
class Claim:
    """A statement of the model that rests on a source."""

    about: str
    statement: str
    n_numbers: int
    grounds: Grounds
    line: int


@dataclass(frozen=True)
class Intent:
    """What a cohort is for; a study says it in its own words, a model suggests it."""

    purpose: str
    users: tuple[str, ...]
    objective: str
    recipient: str


@dataclass(frozen=True)
class ClinicalModel:
    """A checked clinical model. ``text`` is the file it was read from, to the byte.

    A ``flat`` one says what variables mean and nothing of how often anything is: only tables can tell.
    """

    name: str
    version: str
    title: str
    index: str
    population: str
    not_for: tuple[str, ...]
    intent: Intent
    index_dates: IndexDates
    sources: Mapping[str, Citation]
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, ModelVariable]
    dependences: tuple[Dependence, ...]
    constraints: tuple[Constraint, ...]
    targets: Mapping[str, Target]
    calibrations: tuple[Calibration, ...]
    claims: tuple[Claim, ...]
    text: str
    pathway: Pathway | None = None
    flat: bool = False

    @property
    def roots(self) -> frozenset[str]:
        """The drawn variables that depend on no other."""
        names = self.variables.keys()
        members = {member for group in self.dependences for member in group.members}
        return frozenset(
            name
            for name, one in self.variables.items()
            if one.rule.drawn and not (one.parents & {*names, PATHWAY}) and name not in members
        )

    @cached_property
    def later(self) -> frozenset[str]:
        """The variables that are known only when the pathway is finished."""
        return later_of(self.variables)

    def numbers_by_basis(self) -> dict[str, int]:
        """Return how many numbers of the model rest on each basis."""
        counts = {basis.value: 0 for basis in Basis}
        for claim in self.claims:
            counts[claim.grounds.basis] += claim.n_numbers
        return counts

    def world(self, number: int, seed: Seed) -> ClinicalModel:
        """Return the model with every uncertain number drawn anew by address; world 0 is the published one."""
        if number == 0:
            return self

        def position(name: str) -> float:
            return float(seed.stream("world", name).uniform(number, 1)[0])

        parameters = {
            name: replace(one, value=one.drawn(position(name))) if one.sd else one
            for name, one in self.parameters.items()
        }
        targets = {
            name: replace(
                one,
                values=tuple(_moved(value, position(f"{name}.{i}")) for i, value in enumerate(one.values)),
            )
            for name, one in self.targets.items()
        }
        return replace(self, parameters=parameters, targets=targets)


@dataclass(frozen=True)
class Codebook:
    """What variables mean, without a word on how they are distributed: of a model, or of a file of its own.

    ``text`` is the file it was read from, to the byte.
    """

    name: str
    version: str
    title: str
    population: str
    variables: tuple[Variable, ...]
    text: str

    @property
    def unbinned(self) -> tuple[str, ...]:
        """The numbers for which nobody has declared bins yet, so that they can't be measured."""
        return tuple(one.name for one in self.variables if one.numeric and not one.cuts)


def codebook_of(model: ClinicalModel) -> Codebook:
    """Return what the variables of a model mean: those that are data, without helpers and hidden truth."""
    meanings = tuple(one.meaning for one in model.variables.values() if one.role is Role.DATA)
    return Codebook(model.name, model.version, model.title, model.population, meanings, model.text)


def _moved(value: Published | None, uniform: float) -> Published | None:
    """Return a published value moved within its interval, which stays what was published."""
    if value is None or not value.stated:
        return value
    moved = value.value + value.sd * float(special.ndtri(uniform))
    return replace(value, value=min(max(moved, value.low), value.high))


def later_of(variables: Mapping[str, ModelVariable]) -> frozenset[str]:
    """Return the variables that are known only when the pathway is finished."""
    later: set[str] = set()
    rest = {PATHWAY}
    while rest:
        rest = {name for name, one in variables.items() if one.parents & rest and name not in later}
        later |= rest
    return frozenset(later)
