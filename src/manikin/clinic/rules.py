"""How a variable comes to its value: by a draw, by odds, by an order of levels, by shares or by a formula.

Every drawn rule is an inverse CDF: it takes the patient's position in the distribution and is monotone in it, so that
``span`` can say between which positions a wished-for range of values lies, and a draw can be clamped to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from manikin.clinic.distributions import Draw, Family, FamilyDraw, Mixture, PointMass, Position, Quantiles, Truncated
from manikin.clinic.expressions import Columns, Expression
from manikin.clinic.tables import Breakdown
from manikin.streams import Floats

Span = tuple[Any, Any]


class Rule(Protocol):
    """How a variable comes to its value."""

    @property
    def reads(self) -> frozenset[str]:
        """What has to be known beforehand."""
        ...

    @property
    def drawn(self) -> bool:
        """Whether chance has a part in it."""
        ...

    def values(self, position: Position, columns: Columns) -> Any:
        """Return the values of patients at a position; a derived value ignores it."""
        ...

    def span(self, columns: Columns, low: float, high: float) -> Span:
        """Return the positions between which values from ``low`` to ``high`` lie; levels count by their code."""
        ...


class DrawSpec(Protocol):
    """A distribution whose parameters still depend on the patient."""

    @property
    def reads(self) -> frozenset[str]:
        """What the parameters need."""
        ...

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution with the parameters of each patient."""
        ...


@dataclass(frozen=True)
class FamilySpec:
    """A family with its parameters as expressions."""

    family: Family
    parameters: Mapping[str, Expression]

    @property
    def reads(self) -> frozenset[str]:
        """What the parameters need."""
        return frozenset().union(*(parameter.reads for parameter in self.parameters.values()))

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution with the parameters of each patient."""
        return FamilyDraw(
            self.family, self.family.spelt({name: one.compute(columns) for name, one in self.parameters.items()})
        )


@dataclass(frozen=True)
class QuantilesSpec:
    """A distribution by its known quantiles."""

    scores: Floats
    values: tuple[Expression, ...]
    logarithmic: bool

    @property
    def reads(self) -> frozenset[str]:
        """What the quantiles need."""
        return frozenset().union(*(value.reads for value in self.values))

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution with the quantiles of each patient."""
        found = [value.compute(columns) for value in self.values]
        return Quantiles(self.scores, np.array(np.broadcast_arrays(*found), np.float64), self.logarithmic)


@dataclass(frozen=True)
class HistogramSpec:
    """Bands with their weights; within a band every value is as likely as any other."""

    edges: Floats
    weights: tuple[Expression, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What the weights need."""
        return frozenset().union(*(weight.reads for weight in self.weights))

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution with the weights of each patient."""
        found = [weight.compute(columns) for weight in self.weights]
        return Histogram(self.edges, np.array(np.broadcast_arrays(*found), np.float64))


@dataclass(frozen=True)
class Histogram:
    """Bands with their weights, shape (bands,) or (bands, n)."""

    edges: Floats
    weights: Floats

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        below = self._below()
        uniform = position.uniform
        if below.ndim == 1:
            return np.interp(uniform, below, self.edges)
        band = np.clip((below[1:] < uniform).sum(axis=0), 0, len(self.edges) - 2)
        each = np.arange(uniform.size)
        left, right = below[band, each], below[band + 1, each]
        share = (uniform - left) / np.where(right > left, right - left, 1)
        return np.asarray(self.edges[band] + share * (self.edges[band + 1] - self.edges[band]))

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        below = self._below()
        if below.ndim == 1:
            return np.interp(value, self.edges, below)
        return np.array([np.interp(value, self.edges, one) for one in below.T])

    def _below(self) -> Floats:
        below = np.cumsum(self.weights, axis=0)
        return np.concatenate([np.zeros_like(below[:1]), below / below[-1]])


@dataclass(frozen=True)
class TruncatedSpec:
    """A distribution kept to a range."""

    inner: DrawSpec
    low: Expression
    high: Expression

    @property
    def reads(self) -> frozenset[str]:
        """What the distribution and its ends need."""
        return self.inner.reads | self.low.reads | self.high.reads

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution with its ends for each patient."""
        return Truncated(self.inner.resolve(columns), self.low.compute(columns), self.high.compute(columns))


@dataclass(frozen=True)
class PointMassSpec:
    """A value that many share exactly; the rest lie above."""

    value: Expression
    share: Expression
    rest: DrawSpec

    @property
    def reads(self) -> frozenset[str]:
        """What the value, its share and the rest need."""
        return self.value.reads | self.share.reads | self.rest.reads

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution for each patient."""
        return PointMass(self.value.compute(columns), self.share.compute(columns), self.rest.resolve(columns))


@dataclass(frozen=True)
class MixtureSpec:
    """Several distributions with their shares."""

    shares: tuple[Expression, ...]
    parts: tuple[DrawSpec, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What shares and parts need."""
        shares = frozenset[str]().union(*(share.reads for share in self.shares))
        return shares.union(*(part.reads for part in self.parts))

    def resolve(self, columns: Columns) -> Draw:
        """Return the distribution for each patient; the shares are scaled to sum to 1."""
        shares = [share.compute(columns) for share in self.shares]
        total = sum(shares)
        return Mixture(tuple(share / total for share in shares), tuple(part.resolve(columns) for part in self.parts))


@dataclass(frozen=True)
class TableSpec:
    """A distribution for each cell of a table."""

    breakdown: Breakdown
    cells: tuple[DrawSpec, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What choosing a cell and its parameters need."""
        return self.breakdown.reads.union(*(cell.reads for cell in self.cells))

    def resolve(self, columns: Columns) -> Draw:
        """Return each patient's distribution: one family where all cells share it, else cell by cell."""
        draws = [cell.resolve(columns) for cell in self.cells]
        families = [draw for draw in draws if isinstance(draw, FamilyDraw)]
        if len(families) == len(draws) and len({draw.family.name for draw in families}) == 1:
            first = families[0]
            names = first.parameters.keys()
            gather = self.breakdown.gather
            return FamilyDraw(
                first.family, {name: gather([draw.parameters[name] for draw in families], columns) for name in names}
            )
        known = [draw for draw in draws if isinstance(draw, Quantiles) and draw.values.ndim == 1]
        if len(known) == len(draws) and all(np.array_equal(draw.scores, known[0].scores) for draw in known):
            knots = [
                self.breakdown.gather(list(knot), columns)
                for knot in zip(*(draw.values for draw in known), strict=True)
            ]
            return Quantiles(known[0].scores, np.array(knots), known[0].logarithmic)
        return ByCell(self.breakdown.cell(columns), tuple(draws))


@dataclass(frozen=True)
class ByCell:
    """A distribution for each cell, and the cell of each patient."""

    cell: Any
    draws: tuple[Draw, ...]

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        return self._chosen([draw.at(position) for draw in self.draws])

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        return self._chosen([draw.cdf(value) for draw in self.draws])

    def _chosen(self, each: Sequence[Any]) -> Floats:
        chosen = np.empty(self.cell.shape)
        for number, values in enumerate(each):
            mine = self.cell == number
            chosen[mine] = np.broadcast_to(values, chosen.shape)[mine]
        return chosen


@dataclass(frozen=True)
class DrawRule:
    """A number drawn from a distribution; ``whole`` numbers are rounded down."""

    draw: DrawSpec
    whole: bool = False
    drawn = True

    @property
    def reads(self) -> frozenset[str]:
        """What the distribution needs."""
        return self.draw.reads

    def values(self, position: Position, columns: Columns) -> Floats:
        """Return the values at a position."""
        values = self.draw.resolve(columns).at(position)
        return np.floor(values) if self.whole else values

    def span(self, columns: Columns, low: float, high: float) -> Span:
        """Return the positions between which values from ``low`` to ``high`` lie."""
        draw = self.draw.resolve(columns)
        # A whole number n stands for [n, n+1) where it is rounded down, and for the step at n where it is a count;
        # from just below the lower end, so that the step at it is inside.
        return draw.cdf(np.nextafter(low, -np.inf)), draw.cdf(np.nextafter(high + 1, -np.inf) if self.whole else high)


@dataclass(frozen=True)
class Term:
    """A part of a linear predictor: a coefficient (a log odds ratio) times an expression."""

    factor: Expression
    coefficient: Expression

    @property
    def reads(self) -> frozenset[str]:
        """What the term needs."""
        return self.factor.reads | self.coefficient.reads


@dataclass(frozen=True)
class Predictor:
    """A sum of terms on the log-odds scale."""

    terms: tuple[Term, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What the terms need."""
        return frozenset().union(*(term.reads for term in self.terms))

    def compute(self, columns: Columns) -> Any:
        """Return the log odds of each patient; a missing factor counts as 0."""
        total: Any = 0.0
        for term in self.terms:
            factor = term.factor.compute(columns)
            if np.ndim(factor) and np.asarray(factor).dtype.kind == "f":
                factor = np.nan_to_num(factor)
            total = total + term.coefficient.compute(columns) * factor
        return total


@dataclass(frozen=True)
class OddsRule:
    """A condition whose log odds are an intercept and a sum of terms."""

    intercept: Expression
    predictor: Predictor
    drawn = True

    @property
    def reads(self) -> frozenset[str]:
        """What the odds need."""
        return self.intercept.reads | self.predictor.reads

    def probability(self, columns: Columns) -> Any:
        """Return the probability of the condition."""
        return special.expit(self.intercept.compute(columns) + self.predictor.compute(columns))

    def values(self, position: Position, columns: Columns) -> Any:
        """Return whether the condition holds at a position: it does for the upper share."""
        return position.uniform > 1 - self.probability(columns)

    def span(self, columns: Columns, low: float, high: float) -> Span:
        """Return the positions of no (0) and yes (1)."""
        absent = 1 - self.probability(columns)
        return (absent if low > 0 else 0.0), (1.0 if high >= 1 else absent)


@dataclass(frozen=True)
class LevelsRule:
    """A category whose cumulative shares are known: from shares by level, or from proportional odds."""

    cumulative: CumulativeSpec
    drawn = True

    @property
    def reads(self) -> frozenset[str]:
        """What the shares need."""
        return self.cumulative.reads

    def values(self, position: Position, columns: Columns) -> Any:
        """Return the code of each patient's level."""
        uniform = position.uniform
        codes = np.zeros(uniform.shape, np.int8)
        for below in self.cumulative.compute(columns):
            codes += uniform > below
        return codes

    def span(self, columns: Columns, low: float, high: float) -> Span:
        """Return the positions of the levels with codes from ``low`` to ``high``."""
        ends = [0.0, *self.cumulative.compute(columns), 1.0]
        return ends[int(low)], ends[int(high) + 1]


class CumulativeSpec(Protocol):
    """The share of patients at or below each level but the last."""

    @property
    def reads(self) -> frozenset[str]:
        """What the shares need."""
        ...

    def compute(self, columns: Columns) -> list[Any]:
        """Return one cumulative share, or column of them, for each level but the last."""
        ...


@dataclass(frozen=True)
class Shares:
    """Shares of levels, by cell where a table gives them; each cell is scaled to sum to 1."""

    levels: tuple[tuple[Expression, ...], ...]
    breakdown: Breakdown | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What the shares need."""
        chosen = self.breakdown.reads if self.breakdown else frozenset()
        return chosen.union(*(share.reads for cell in self.levels for share in cell))

    def compute(self, columns: Columns) -> list[Any]:
        """Return the cumulative shares."""
        cells = [[share.compute(columns) for share in cell] for cell in self.levels]
        columnwise = list(zip(*cells, strict=True))
        shares = (
            [self.breakdown.gather(one, columns) for one in columnwise]
            if self.breakdown
            else [one[0] for one in columnwise]
        )
        # Where nobody has any share, as an input is missing, the first level stands for none.
        total = np.where(sum(shares) > 0, sum(shares), 1.0)
        return [below / total for below in np.cumsum(np.array(np.broadcast_arrays(*shares), np.float64), axis=0)[:-1]]


@dataclass(frozen=True)
class ProportionalOdds:
    """Ordered levels: the log odds of being at or below level k are cutpoint k minus the predictor."""

    cutpoints: tuple[Expression, ...]
    predictor: Predictor

    @property
    def reads(self) -> frozenset[str]:
        """What cutpoints and predictor need."""
        return self.predictor.reads.union(*(cut.reads for cut in self.cutpoints))

    def compute(self, columns: Columns) -> list[Any]:
        """Return the cumulative shares."""
        predictor = self.predictor.compute(columns)
        return [special.expit(cut.compute(columns) - predictor) for cut in self.cutpoints]


@dataclass(frozen=True)
class Derived:
    """A value that follows from others."""

    expression: Expression
    drawn = False

    @property
    def reads(self) -> frozenset[str]:
        """What the formula reads."""
        return self.expression.reads

    def values(self, position: Position, columns: Columns) -> Any:  # noqa: ARG002 - chance has no part in it
        """Return the derived values."""
        return self.expression.compute(columns)

    def span(self, columns: Columns, low: float, high: float) -> Span:  # noqa: ARG002 - asked of every rule
        """Refuse: a derived value has no draw to clamp."""
        raise TypeError("A derived value follows from others; it has no draw to clamp.")
