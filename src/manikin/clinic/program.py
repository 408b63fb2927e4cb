"""A clinical model, compiled: what to compute in which order, over columns of patients, from addressed draws.

Compile once, sample as often as needed. A member of a dependence group takes its position from the group's copula;
every other drawn variable from its own uniform. Each value is snapped to its precision the moment it exists, and
whatever follows reads the snapped value. A pathway is one step among them: after all that it reads, and before all that
is asked of it.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from manikin.clinic.course import follow
from manikin.clinic.distributions import Position
from manikin.clinic.expressions import type_of
from manikin.clinic.model import ClinicalModel, Dependence, ModelVariable, is_question
from manikin.clinic.pathway import PATHWAY
from manikin.codebook import Kind, Range, snap
from manikin.streams import Draws, Floats

# Correlations among normal scores are snapped to this step, so that a lock says them in full.
LATENT_STEP = 1e-4


@dataclass(frozen=True)
class Copula:
    """How the normal scores of a group's members hang together: the rows of a Cholesky factor for each level."""

    group: Dependence
    factor: Floats

    def score(
        self, member: str, uniform: Floats, columns: Mapping[str, Any], clamp: tuple[Any, Any] | None
    ) -> tuple[Floats, Floats]:
        """Return the member's innovation and its normal score, kept between the positions of ``clamp``."""
        row = self.group.members.index(member)
        level = np.asarray(columns[self.group.by]) if self.group.by else 0
        centre: Any = 0.0
        for column, earlier in enumerate(self.group.members[:row]):
            if np.any(self.factor[:, row, column]):
                centre = centre + self.factor[:, row, column][level] * columns[innovation(earlier)]
        spread = self.factor[:, row, row][level]
        if clamp is not None:
            ends = [special.ndtr((special.ndtri(np.clip(end, 0, 1)) - centre) / spread) for end in clamp]
            uniform = np.clip(ends[0] + uniform * (ends[1] - ends[0]), 1e-15, 1 - 1e-15)
        drawn = np.asarray(special.ndtri(uniform))
        return drawn, centre + spread * drawn


@dataclass(frozen=True)
class Within:
    """Positions between which a variable of each patient is drawn, 0 to 1."""

    low: Floats
    high: Floats


def innovation(member: str) -> str:
    """Return the name of the column that holds a member's own part of chance."""
    return f"{member}~"


@dataclass(frozen=True)
class Program:
    """A compiled model. ``order`` holds the variables, and the pathway, so that each comes after all it reads."""

    model: ClinicalModel
    order: tuple[str, ...]
    parents: Mapping[str, frozenset[str]]
    copulas: Mapping[str, Copula]
    parameters: Mapping[str, float]
    latent: Mapping[str, Floats] = field(default_factory=dict)

    def needed_for(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the variables that have to be computed for those ``names``, in order."""
        wanted, needed = list(names), set[str]()
        while wanted:
            name = wanted.pop()
            if name in self.parents and name not in needed:
                needed.add(name)
                wanted += self.parents[name]
        return tuple(name for name in self.order if name in needed)

    def sample(
        self,
        names: Iterable[str],
        draws: Draws,
        known: Mapping[str, Any] | None = None,
        clamps: Mapping[str, Range | Within] | None = None,
        *,
        record: bool = False,
    ) -> dict[str, Any]:
        """Compute variables over columns of patients.

        Args:
            names: What to compute, in order; see ``needed_for``.
            draws: The draws of these patients.
            known: Columns that are there already; they are neither computed again nor changed.
            clamps: Ranges to which drawn variables are kept, levels by their code; or positions, for each patient.
            record: Whether the patients' course itself is wanted, and not only what variables ask of it.

        Returns:
            ``known`` and the new columns: float64 for numbers (NaN where there is none), bool for conditions, int8
            codes for categories (-1 where there is none). The model's parameters are among them, and the ``Course``
            of the patients under ``PATHWAY``, where one was needed.
        """
        columns: dict[str, Any] = {**self.parameters, **(known or {})}
        for name in names:
            if name in columns:
                continue
            if name == PATHWAY:
                self._follow(draws, columns, record=record)
            else:
                self._compute(self.model.variables[name], draws, columns, (clamps or {}).get(name))
        return columns

    @cached_property
    def beforehand(self) -> tuple[str, ...]:
        """The variables that are known at the index, whatever happens later, in order."""
        return tuple(name for name in self.order if name != PATHWAY and name not in self.model.later)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The questions that variables ask of the finished pathway."""
        everything = frozenset[str]().union(*(one.reads for one in self.model.variables.values()))
        return frozenset(name for name in everything if is_question(name))

    def _follow(self, draws: Draws, columns: dict[str, Any], *, record: bool) -> None:
        pathway = self.model.pathway
        assert pathway is not None
        meanings = {name: self.model.variables[name].meaning for name in pathway.measured}
        types = {name: type_of(meaning) for name, meaning in meanings.items()}
        course = follow(
            pathway,
            meanings,
            types,
            columns,
            draws,
            self.model.index_dates,
            self.asked - {"followed"},
            record=record,
        )
        columns[PATHWAY] = course
        columns |= course.answers()

    def _compute(
        self, variable: ModelVariable, draws: Draws, columns: dict[str, Any], clamp: Range | Within | None
    ) -> None:
        for local, table in variable.lets.items():
            columns[f"{variable.name}.{local}"] = table.compute(columns)
        position = self._position(variable, draws, columns, clamp) if variable.rule.drawn else _NOWHERE
        values = variable.rule.values(position, columns)
        if isinstance(clamp, Range) and variable.rule.drawn and variable.meaning.numeric:
            values = np.clip(values, clamp.low, clamp.high)  # far out in a tail, positions are too coarse for it
        columns[variable.name] = _finished(variable, values, columns)

    def _position(
        self, variable: ModelVariable, draws: Draws, columns: dict[str, Any], clamp: Range | Within | None
    ) -> Position:
        uniform = draws(variable.name)
        span = None
        if clamp:
            ends = (clamp.low, clamp.high)
            span = ends if isinstance(clamp, Within) else variable.rule.span(columns, clamp.low, clamp.high)
        copula = self.copulas.get(variable.name)
        if copula is not None:
            columns[innovation(variable.name)], score = copula.score(variable.name, uniform, columns, span)
            return Position(score_or_none=score)
        if span is not None:
            uniform = np.clip(span[0] + uniform * (span[1] - span[0]), 1e-15, 1 - 1e-15)
        return Position(uniform_or_none=uniform)


_NOWHERE = Position()


def compile_model(
    model: ClinicalModel,
    parameters: Mapping[str, float] | None = None,
    latent: Mapping[str, Floats] | None = None,
) -> Program:
    """Return the program of a model.

    Args:
        model: A checked model.
        parameters: Calibrated values of parameters, where they differ from the model's own.
        latent: Correlations among normal scores by group, shape (levels, members, members); by default those that
            are asked of the cohort, which calibration then corrects.
    """
    matrices = {
        group.name: nearest_correlation((latent or {}).get(group.name, group.asked())) for group in model.dependences
    }
    copulas = {
        member: Copula(group, np.asarray(np.linalg.cholesky(matrices[group.name]), np.float64))
        for group in model.dependences
        for member in group.members
    }
    known = model.variables.keys() | {PATHWAY}
    parents = {name: _parents(one, copulas.get(name)) & known for name, one in model.variables.items()}
    if model.pathway is not None:
        parents[PATHWAY] = model.pathway.reads & model.variables.keys()
    # Sorted first, so that the order depends on the model alone.
    order = tuple(graphlib.TopologicalSorter({name: sorted(parents[name]) for name in sorted(parents)}).static_order())
    values = {name: one.value for name, one in model.parameters.items()} | dict(parameters or {})
    return Program(model, order, parents, copulas, values, matrices)


def nearest_correlation(matrices: Floats) -> Floats:
    """Return the nearest correlation matrices that are positive definite, snapped; shape (levels, members, members).

    Alternating projections; Higham, IMA J Numer Anal 2002;22:329, doi:10.1093/imanum/22.3.329. A matrix that is
    positive definite already stays as it is.
    """
    return np.array([_nearest(matrix) for matrix in matrices])


def _nearest(matrix: Floats, smallest: float = 1e-3) -> Floats:
    current, correction = matrix.copy(), np.zeros_like(matrix)
    # Half is enough for one that comes in: snapping may have cost what was repaired before a little.
    enough = smallest / 2
    for _ in range(200):
        if np.linalg.eigvalsh(current)[0] >= enough:
            break
        enough = smallest * 0.999
        values, vectors = np.linalg.eigh(current - correction)
        projected = (vectors * np.maximum(values, smallest)) @ vectors.T
        correction = projected - (current - correction)
        current = projected.copy()
        np.fill_diagonal(current, 1.0)
    snapped = snap(current, LATENT_STEP)
    np.fill_diagonal(snapped, 1.0)
    return snapped


def _parents(variable: ModelVariable, copula: Copula | None) -> frozenset[str]:
    if copula is None:
        return variable.parents
    earlier = copula.group.members[: copula.group.members.index(variable.name)]
    return variable.parents.union(earlier, (copula.group.by,) if copula.group.by else ())


def _finished(variable: ModelVariable, values: Any, columns: Mapping[str, Any]) -> Any:
    """Return values snapped to their precision, and nothing for patients for whom the variable doesn't exist."""
    kind, exists = variable.meaning.kind, variable.among.compute(columns) if variable.among else None
    if kind is Kind.CONDITION:
        condition = np.asarray(values, np.bool_)
        return condition if exists is None else condition & exists
    if kind is Kind.CATEGORY:
        codes = np.asarray(values, np.int8)
        return codes if exists is None else np.where(exists, codes, np.int8(-1))
    numbers = np.asarray(values, np.float64)
    if variable.meaning.precision is not None:
        numbers = snap(numbers, variable.meaning.precision)
    return numbers if exists is None else np.where(exists, numbers, np.nan)
