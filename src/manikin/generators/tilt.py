"""What a fit asks of a sampler: to accept some candidates more often than others, or to draw patients within given bins.

Neither changes anything within a bin: continuous values, latents and pathways come along as the clinical model has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manikin.clinic import Program
from manikin.clinic.expressions import Columns
from manikin.clinic.program import Within
from manikin.codebook import Bins, Codes, Domain, Kind, Range, Variable, drawn_from
from manikin.generators.graphical import BLOCK, Beliefs, Drawing, Places, drawing_from
from manikin.generators.graphical.marginals import cells_of
from manikin.streams import Floats, Ordinals, Seed, Stream

_TINY = 1e-300

Truths = npt.NDArray[np.bool_]
Clamps = Mapping[str, Within]
Facts = Mapping[str, Range]
Span = tuple[float, float]


def hidden(name: str) -> str:
    """Return the name of the column that says who, by decision of a fit, has no value of a variable on record."""
    return f"~hidden {name}"


class Bent(Protocol):
    """How a sampler of a clinical model is bent."""

    @property
    def domain(self) -> Domain:
        """The variables that decide, in bins."""
        ...

    def within(self, program: Program, facts: Facts) -> Bent:
        """Return what draws candidates of whom facts about roots of the model hold, as far as that can be done beforehand."""
        ...

    def begun(self, program: Program, seed: Seed, ordinals: Ordinals, attempt: int) -> tuple[Clamps, Columns]:
        """Return where candidates are kept while they are drawn, and columns that are decided before."""
        ...

    def acceptance(self, program: Program, columns: Columns) -> Any:
        """Return the probability with which each candidate is accepted."""
        ...


@dataclass(frozen=True)
class Tilt:
    """A weight of each candidate, exp(Σ θ) and at most ``ceiling``, 1 on average over the clinical model.

    Someone without a value that all have who were measured is in no cell, and weighs 1.
    """

    domain: Domain
    thetas: Mapping[Places, Floats]
    log_z: float
    ceiling: float

    def within(self, program: Program, facts: Facts) -> Tilt:  # noqa: ARG002
        """Return the same tilt: what a root is clamped to is no matter of weights."""
        return self

    def begun(self, program: Program, seed: Seed, ordinals: Ordinals, attempt: int) -> tuple[Clamps, Columns]:  # noqa: ARG002
        """Return nothing: candidates are drawn as ever."""
        return {}, {}

    def acceptance(self, program: Program, columns: Columns) -> Any:
        """Return each candidate's weight as a share of the heaviest."""
        codes, inside = binned(program, columns, self.domain)
        return np.minimum(np.where(inside, self.weights(codes), 1.0) / self.ceiling, 1.0)

    def weights(self, codes: Codes) -> Floats:
        """Return the weight of patients in bins, shape (patients,)."""
        total = np.full(len(codes), -self.log_z)
        for places, theta in self.thetas.items():
            total += theta[cells_of(codes, self.domain.shape, places)]
        return np.asarray(np.exp(total))


@dataclass(frozen=True)
class Clamped:
    """Bins that are drawn first, patients then within them: for a prior whose variables know nothing of each other.

    ``block`` patients are shared out together, so that marginals are met up to a patient in each cell; who is drawn
    again is drawn by himself. ``spans`` are the positions between which variables lie of which a fact is given.
    """

    domain: Domain
    beliefs: Beliefs
    block: int = BLOCK
    spans: Mapping[str, Span] = field(default_factory=dict)
    _known: dict[str, tuple[Floats, Floats]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def drawing(self) -> Drawing:
        """The means to draw bins."""
        return drawing_from(self.beliefs)

    def within(self, program: Program, facts: Facts) -> Clamped:
        """Return the drawing of those of whom facts hold: bins by how much of each fits, values within what does."""
        spans, weights = {}, {}
        for place, axis in enumerate(self.domain.axes):
            if axis.name in facts:
                low, high = edges(program, axis)
                span = _span(program, axis.name, facts[axis.name])
                fitting = (np.clip(high, *span) - np.clip(low, *span)) / np.maximum(high - low, _TINY)
                # Of what nobody fits, the acceptance tells.
                if fitting.any():
                    spans[axis.name], weights[place] = span, fitting
        return replace(self, beliefs=self.beliefs.weighed(weights), spans=spans, _known={}) if spans else self

    def begun(self, program: Program, seed: Seed, ordinals: Ordinals, attempt: int) -> tuple[Clamps, Columns]:
        """Return the positions of each patient's bins, and what follows from the bin alone: levels, who has no value.

        Of those without a value on record, whatever fits the facts may be true.
        """
        codes = self.codes(seed, ordinals, attempt)
        clamps, decided = dict[str, Within](), dict[str, Any]()
        for axis, mine in zip(self.domain.axes, codes.T, strict=True):
            if axis.levels and not axis.missing:
                decided[axis.name] = mine.astype(np.bool_ if _condition(program, axis) else np.int8)
                continue
            low, high = self._ends(program, axis)
            clamps[axis.name] = Within(low[mine], high[mine])
            if axis.missing:
                decided[hidden(axis.name)] = mine == axis.count - 1
        return clamps, decided

    def acceptance(self, program: Program, columns: Columns) -> Any:  # noqa: ARG002
        """Return that everyone is accepted."""
        return 1.0

    def codes(self, seed: Seed, ordinals: Ordinals, attempt: int = 0) -> Codes:
        """Return the bins of patients, ascending: of first candidates with all of their block; shape (patients, variables)."""
        streams = [seed.stream("bins", name) for name in self.domain.names]
        if attempt:
            return self.drawing.independent(lambda place: streams[place].uniform_at(ordinals, attempt), len(ordinals))
        numbers = ordinals // self.block
        firsts = np.unique(numbers) * self.block
        mine = np.split(ordinals, np.searchsorted(ordinals, firsts[1:]))
        parts = [self._block(streams, int(first))[rows - first] for first, rows in zip(firsts, mine, strict=True)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _block(self, streams: Sequence[Stream], first: int) -> Codes:
        return self.drawing.rounded(lambda place: streams[place].uniform(first, self.block), self.block)

    def _ends(self, program: Program, axis: Bins) -> tuple[Floats, Floats]:
        """Return the positions at which each bin begins and ends, as far as facts allow; remembered."""
        if axis.name not in self._known:
            span = self.spans.get(axis.name, (0.0, 1.0))
            low, high = edges(program, axis)
            self._known[axis.name] = np.clip(low, *span), np.clip(high, *span)
        return self._known[axis.name]


def binned(program: Program, columns: Columns, domain: Domain) -> tuple[Codes, Truths]:
    """Return the bins of patients of a clinical model, and who falls into one of each variable."""
    size = len(next(column for column in columns.values() if np.ndim(column)))
    inside, codes = np.ones(size, np.bool_), []
    for axis in domain.axes:
        one, values = program.model.variables[axis.name], np.asarray(columns[axis.name], np.float64)
        absent = ~(values >= 0) if axis.levels else np.isnan(values)
        if axis.missing and one.observed is not None:
            absent |= ~np.broadcast_to(np.asarray(one.observed.compute(columns)), (size,))
        if not axis.missing:
            inside &= ~absent
        codes.append(axis.codes(np.where(absent, np.nan if axis.missing else 0.0, values)))
    return np.column_stack(codes), inside


def read_by(program: Program, domain: Domain) -> frozenset[str]:
    """Return what has to be known of a patient to say into which bins they fall."""
    asked = [program.model.variables[axis.name].observed for axis in domain.axes if axis.missing]
    return frozenset(domain.names).union(*(one.reads for one in asked if one is not None))


def edges(program: Program, axis: Bins) -> tuple[Floats, Floats]:
    """Return the positions at which each bin of a root of the model begins and ends; those without a value have any."""
    one = program.model.variables[axis.name]
    bins = axis.count - axis.missing
    spans = [one.rule.span(program.parameters, *_values(one.meaning, axis, code)) for code in range(bins)]
    low, high = np.array(spans, np.float64).reshape(bins, 2).T
    return (np.append(low, 0.0), np.append(high, 1.0)) if axis.missing else (low, high)


def _span(program: Program, name: str, fact: Range) -> Span:
    """Return the positions between which a fact about a root of the model holds."""
    low, high = program.model.variables[name].rule.span(program.parameters, fact.low, fact.high)
    return float(low), float(high)


def _condition(program: Program, axis: Bins) -> bool:
    return program.model.variables[axis.name].meaning.kind is Kind.CONDITION


def _values(meaning: Variable, axis: Bins, code: int) -> tuple[float, float]:
    """Return the least and the greatest value of a bin as they are drawn, before they are snapped; levels by code."""
    if axis.levels:
        return code, code
    inner = [drawn_from(meaning, cut) for cut in axis.cuts]
    low, high = (-math.inf, *inner, math.inf)[code : code + 2]
    return low, high - 1 if meaning.kind is Kind.COUNT else high
