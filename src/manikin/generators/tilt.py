"""What a fit asks of a sampler: to accept some candidates more often than others, or to draw patients within given bins.

Neither changes anything within a bin: continuous values, latents and pathways come along as the clinical model has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manikin.clinic import Program
from manikin.clinic.expressions import Columns
from manikin.clinic.program import Within
from manikin.codebook import Bins, Codes, Domain, Kind, Variable, drawn_from
from manikin.generators.graphical import BLOCK, Drawing, Places
from manikin.generators.graphical.marginals import cells_of
from manikin.streams import Floats, Ordinals, Seed

Truths = npt.NDArray[np.bool_]
Clamps = Mapping[str, Within]


def hidden(name: str) -> str:
    """Return the name of the column that says who, by decision of a fit, has no value of a variable on record."""
    return f"~hidden {name}"


class Bent(Protocol):
    """How a sampler of a clinical model is bent."""

    @property
    def domain(self) -> Domain:
        """The variables that decide, in bins."""
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

    ``block`` patients are shared out together, so that marginals are met up to a patient in each cell.
    """

    domain: Domain
    drawing: Drawing
    block: int = BLOCK

    def begun(self, program: Program, seed: Seed, ordinals: Ordinals, attempt: int) -> tuple[Clamps, Columns]:
        """Return the positions of each patient's bins, and who is without a value on record, whose value is any."""
        codes = self.codes(seed, ordinals, attempt)
        clamps, unrecorded = {}, {}
        for axis, mine in zip(self.domain.axes, codes.T, strict=True):
            low, high = edges(program, axis)
            clamps[axis.name] = Within(low[mine], high[mine])
            if axis.missing:
                unrecorded[hidden(axis.name)] = mine == axis.count - 1
        return clamps, unrecorded

    def acceptance(self, program: Program, columns: Columns) -> Any:  # noqa: ARG002
        """Return that everyone is accepted."""
        return 1.0

    def codes(self, seed: Seed, ordinals: Ordinals, attempt: int = 0) -> Codes:
        """Return the bins of patients, computed with the whole block of each, shape (patients, variables)."""
        numbers, places = np.unique(ordinals // self.block, return_inverse=True)
        blocks = [self._block(seed, int(number) * self.block, attempt) for number in numbers]
        return np.asarray(np.concatenate(blocks)[places * self.block + ordinals % self.block], np.int16)

    def _block(self, seed: Seed, first: int, attempt: int) -> Codes:
        streams = [seed.stream("bins", name) for name in self.domain.names]
        return self.drawing.rounded(lambda place: streams[place].uniform(first, self.block, attempt), self.block)


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


def _values(meaning: Variable, axis: Bins, code: int) -> tuple[float, float]:
    """Return the least and the greatest value of a bin as they are drawn, before they are snapped; levels by code."""
    if axis.levels:
        return code, code
    inner = [drawn_from(meaning, cut) for cut in axis.cuts]
    low, high = (-math.inf, *inner, math.inf)[code : code + 2]
    return low, high - 1 if meaning.kind is Kind.COUNT else high
