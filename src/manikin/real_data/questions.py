"""What is asked of patients, and what each answer costs: a plan and a codebook decide it, before a record is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.aggregates.plan import MeasurePlan
from manikin.codebook import Bins, Domain
from manikin.errors import RequestError

Counts = npt.NDArray[np.int64]
"""How many fall into each cell, exactly."""

# Kinds of question, as the weights of a plan name them.
VARIABLES, PAIRS, OUTCOMES, TRIPLES, EVENTS, CLIPPED = "variables", "pairs", "outcomes", "triples", "events", "clipped"
# A table with more cells would hold noise and nobody.
MOST_CELLS = 2_000_000


@dataclass(frozen=True)
class Question:
    """One table that is asked for.

    ``sensitivity`` is how far one patient, with all that is on record of them, can move the table at most, in the
    Euclidean norm: 1 where a patient counts in one cell, ``k`` where they may count ``k`` times in the same.
    """

    kind: str
    axes: tuple[Bins, ...]
    sensitivity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a table that no memory or budget serves."""
        if math.prod(self.shape) > MOST_CELLS:
            raise RequestError(
                f"The table of {self.what} has {math.prod(self.shape):,} cells; at most {MOST_CELLS:,} are possible."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins each axis has."""
        return tuple(axis.count for axis in self.axes)

    @property
    def what(self) -> str:
        """What is asked, in words."""
        return " × ".join(axis.name for axis in self.axes)


@dataclass(frozen=True)
class Order:
    """A question with its price in zero-concentrated differential privacy."""

    question: Question
    rho: float

    @property
    def noise(self) -> float:
        """The standard deviation of the noise in each cell, in patients or in what else is counted."""
        return self.question.sensitivity / math.sqrt(2 * self.rho)


def questions_of(plan: MeasurePlan, domain: Domain, clipping: Iterable[Bins] = ()) -> tuple[Question, ...]:
    """Return what a plan asks about patients: each variable, then the stated pairs, outcomes and triples, each once."""
    asked: dict[frozenset[str], Question] = {}
    outcomes = ((outcome, name) for outcome in plan.outcomes for name in domain.names if name != outcome)
    groups: Sequence[tuple[str, Iterable[tuple[str, ...]]]] = (
        (VARIABLES, ((name,) for name in domain.names)),
        (PAIRS, plan.pairs),
        (OUTCOMES, outcomes),
        (TRIPLES, plan.triples),
    )
    for kind, names in itertools.chain.from_iterable(((kind, one) for one in group) for kind, group in groups):
        axes = tuple(domain.axes[place] for place in domain.of(names))
        asked.setdefault(frozenset(names), Question(kind, axes))
    return (*asked.values(), *(Question(CLIPPED, (bins,)) for bins in clipping))


def priced(questions: Sequence[Question], rho: float, plan: MeasurePlan) -> tuple[Order, ...]:
    """Return the questions with their prices, which add up to ``rho`` and follow the plan's weights."""
    weights = [plan.weight(question.kind) for question in questions]
    total = sum(weights)
    return tuple(Order(question, rho * weight / total) for question, weight in zip(questions, weights, strict=True))


def count(codes: Sequence[Any], shape: tuple[int, ...]) -> Counts:
    """Return how many have each combination of bins; ``codes`` are those of each axis."""
    cells = np.ravel_multi_index(tuple(np.asarray(one, np.int64) for one in codes), shape)
    return np.bincount(cells, minlength=math.prod(shape)).reshape(shape).astype(np.int64)
