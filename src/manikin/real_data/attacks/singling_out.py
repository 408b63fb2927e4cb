"""Can somebody be singled out? Descriptions that fit one synthetic row alone are tried on people.

Two attackers: one takes values that are rare by themselves, the other combinations. What counts is whether a description
that fits one synthetic row fits exactly one of those who were used, more often than one of as many others.

Source: Giomi et al. 2023, arXiv:2211.10459, section 5.1; Cohen and Nissim 2020, arXiv:1904.06009.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.appraisal import Finding
from manikin.codebook import Variable
from manikin.real_data.attacks.residual import Contest, gate, measure
from manikin.real_data.attacks.sides import Ints, Whose, drawn, fewer, sides_of
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing
from manikin.streams import Floats, Seed

QUESTION = "Can somebody be singled out?"
GROUP = "Singling out"
ATTACKS, COMBINED = 1_000, 3
_MOST_ROWS = 10_000
_BATCH, _BATCHES = 1_000, 20
_DEALS = 100
_CELLS = 20_000_000  # comparisons at a time


@dataclass(frozen=True)
class SinglingOut:
    """Asks whether somebody can be singled out, by one value and by ``combined`` ones."""

    whose: Whose | None = None
    tolerance: Tolerance = DEFAULT
    combined: int = COMBINED
    attacks: int = ATTACKS

    def __call__(self, examined: Examined) -> Finding:
        """Return the risk by one value and by several, each beside the control and blind guesses."""
        sides = sides_of(examined, self.whose, known=0.0)
        if sides is None:
            return Finding("singling out", QUESTION, UNASSESSED, None)
        sides, seed = sides.evened(), sides.seed
        synthetic = fewer(sides.synthetic, _MOST_ROWS, seed, "singling out")
        members, others = sides.one_each()
        width = min(self.combined, len(sides.variables))
        found = {
            "One rare value": (rare_values(sides.variables, synthetic, self.attacks, seed), 1),
            f"{width} values together": (combinations(sides.variables, synthetic, width, self.attacks, seed), width),
        }
        contests = {
            name: contest(queries, blind(synthetic, len(queries), wide, seed), members, others, seed)
            for name, (queries, wide) in found.items()
            if len(queries)
        }
        if not contests:
            return Finding("singling out", QUESTION, "Not assessed: no description fits one synthetic row alone.", None)
        gates = tuple(gate(f"Singling out, {name.lower()}", one, self.tolerance) for name, one in contests.items())
        measures = tuple(measure(name, one, self.tolerance, GROUP) for name, one in contests.items())
        worst = max(one.value for one in measures)
        answer = f"At most {worst:.1%} of descriptions single out people who were used beyond what they do of others."
        return Finding("singling out", QUESTION, answer, all(one.passed for one in gates), measures, as_drawing(*gates))


@dataclass(frozen=True, eq=False)
class Queries:
    """Descriptions, each a conjunction of conditions on some variables; arrays of shape (descriptions, conditions).

    A condition says that the variable at ``places`` lies from ``low`` to ``high``, or, where ``low`` is NaN, has no value;
    where ``negated``, that it has one, and not so.
    """

    places: Ints
    low: Floats
    high: Floats
    negated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many descriptions."""
        return len(self.places)

    def taken(self, which: Ints) -> Queries:
        """Return some of them."""
        return Queries(self.places[which], self.low[which], self.high[which], self.negated[which])

    def counts(self, rows: Floats) -> Ints:
        """Return how many rows each fits."""
        size = max(1, _CELLS // (len(rows) * self.places.shape[1]))
        parts = [self.taken(np.arange(first, min(first + size, len(self)))) for first in range(0, len(self), size)]
        return np.concatenate([part.fits(rows).sum(axis=0) for part in parts]) if parts else np.zeros(0, np.int64)

    def unique(self) -> Queries:
        """Return each once, in the order in which they come first."""
        keys = np.hstack([self.places, np.nan_to_num(self.low, nan=1e300), np.nan_to_num(self.high, nan=1e300)])
        return self.taken(np.sort(np.unique(keys, axis=0, return_index=True)[1]))

    def fits(self, rows: Floats) -> npt.NDArray[np.bool_]:
        """Return which fits which, shape (rows, descriptions)."""
        fits = np.ones((len(rows), len(self)), np.bool_)
        for place, low, high, negated in zip(self.places.T, self.low.T, self.high.T, self.negated.T, strict=True):
            values = rows[:, place]
            inside = (values >= low) & (values <= high)
            absent, none = np.isnan(values), np.isnan(low)
            inside[:, none] = absent[:, none]
            # Unlike a value is another value; unlike no value is any.
            inside[:, negated] ^= none[negated] | ~absent[:, negated]
            fits &= inside
        return fits


def contest(queries: Queries, naive: Queries, members: Floats, others: Floats, seed: Seed) -> Contest:
    """Return how many descriptions fit exactly one person, of those used, of the control, and if made blindly.

    Both sides hold equally many people. Whoever is unusual is found by many descriptions at once; how far the sides
    differ by that is found by dealing the same people anew.
    """
    fits = np.concatenate([queries.fits(members), queries.fits(others)]).astype(np.float32)
    sides = [np.repeat([1.0, 0.0], len(members)), *_dealt(len(members), seed)]
    used = np.array(sides, np.float32) @ fits
    alone, control = (used == 1).sum(axis=1), (fits.sum(axis=0) - used == 1).sum(axis=1)
    spread = float(np.sqrt(np.mean((alone - control)[1:] ** 2.0)))
    blindly = int((naive.counts(members) == 1).sum())
    return Contest(len(queries), int(alone[0]), int(control[0]), blindly, spread)


def _dealt(size: int, seed: Seed) -> list[Floats]:
    """Return ways to deal twice ``size`` people into two equal sides, 1 for the one and 0 for the other."""
    orders = [drawn(2 * size, 2 * size, seed, f"dealt {number}") for number in range(_DEALS)]
    return [(order < size).astype(np.float64) for order in orders]


def rare_values(variables: tuple[Variable, ...], synthetic: Floats, most: int, seed: Seed) -> Queries:
    """Return descriptions by one value that fit one synthetic row: its extremes, values seen once, a value missing once."""
    conditions = [
        (place, *one) for place, variable in enumerate(variables) for one in _rare(variable, synthetic[:, place])
    ]
    if not conditions:
        return _queries(np.zeros((0, 1), np.int64), np.zeros((0, 1)), np.zeros((0, 1)))
    places, low, high = (np.array(one)[:, None] for one in zip(*conditions, strict=True))
    queries = _queries(places, low, high)
    queries = queries.taken(drawn(len(queries), len(queries), seed, "rare values")).unique()
    return queries.taken(np.flatnonzero(queries.counts(synthetic) == 1)[:most])


def combinations(variables: tuple[Variable, ...], synthetic: Floats, width: int, most: int, seed: Seed) -> Queries:
    """Return descriptions by several values of one synthetic row that fit no other: beyond a number, or of a category."""
    middle = np.array([np.nanmedian(column) if (~np.isnan(column)).any() else 0.0 for column in synthetic.T])
    numeric = np.array([variable.numeric for variable in variables])
    found: Queries | None = None
    for batch in range(_BATCHES):
        name = f"combinations {batch}"
        rows = (seed.stream("attacks", name).uniform(0, _BATCH) * len(synthetic)).astype(np.int64)
        places = _choices(len(variables), width, _BATCH, seed, name)
        values = synthetic[rows[:, None], places]
        beyond, below = numeric[places] & (values > middle[places]), numeric[places] & (values <= middle[places])
        tried = _queries(places, np.where(below, -np.inf, values), np.where(beyond, np.inf, values))
        alone = tried.taken(np.flatnonzero(tried.counts(synthetic) == 1))
        found = _both(found, alone).unique() if found is not None else alone.unique()
        if len(found) >= most:
            break
    assert found is not None
    return found.taken(np.arange(min(most, len(found))))


def blind(synthetic: Floats, count: int, width: int, seed: Seed) -> Queries:
    """Return descriptions made at random of values that occur: equal, unequal, less, more."""
    places = _choices(synthetic.shape[1], width, count, seed, f"blind {width}")
    draws = seed.stream("attacks", "blind values", str(width)).uniform(0, count * width).reshape(count, width)
    kinds = seed.stream("attacks", "blind kinds", str(width)).uniform(0, count * width).reshape(count, width)
    known = [np.unique(column) for column in synthetic.T]
    sizes = np.array([len(one) for one in known])
    values = np.array(
        [
            [known[place][pick] for place, pick in zip(*pair, strict=True)]
            for pair in zip(places, (draws * sizes[places]).astype(int), strict=True)
        ]
    ).reshape(count, width)
    # As in Anonymeter: equal, unequal, more, less, at least, at most; a missing value is there or is not.
    kind = (kinds * 6).astype(int)
    low = np.select(
        [kind == 2, kind == 4, (kind == 3) | (kind == 5)], [np.nextafter(values, np.inf), values, -np.inf], values
    )
    high = np.select(
        [kind == 3, kind == 5, (kind == 2) | (kind == 4)], [np.nextafter(values, -np.inf), values, np.inf], values
    )
    absent = np.isnan(values)
    return Queries(places, np.where(absent, np.nan, low), np.where(absent, np.nan, high), kind == 1)


def _rare(variable: Variable, values: Floats) -> Iterator[tuple[float, float]]:
    """Yield the lower and upper ends of conditions that may fit one row."""
    if np.isnan(values).sum() == 1:
        yield np.nan, np.nan
    known, times = np.unique(values[~np.isnan(values)], return_counts=True)
    if variable.numeric and len(known):
        yield -np.inf, known[0]
        yield known[-1], np.inf
    for value in known[times == 1]:
        yield value, value


def _choices(of: int, width: int, count: int, seed: Seed, name: str) -> Ints:
    """Return for each description which variables it is about, ascending."""
    draws = seed.stream("attacks", name, "variables").uniform(0, count * of).reshape(count, of)
    return np.sort(np.argsort(draws, axis=1)[:, :width], axis=1)


def _queries(places: Ints, low: Floats, high: Floats) -> Queries:
    return Queries(places, low, high, np.zeros(places.shape, np.bool_))


def _both(one: Queries, other: Queries) -> Queries:
    return Queries(
        np.concatenate([one.places, other.places]),
        np.concatenate([one.low, other.low]),
        np.concatenate([one.high, other.high]),
        np.concatenate([one.negated, other.negated]),
    )
