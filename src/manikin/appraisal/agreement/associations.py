"""How two variables hang together in a table, as a correlation of their bins that each side's shares give.

A number counts by its bin; a category with two levels by being of the second; any other by being of one level, that
whose correlation the aggregates changed most. Who has no value of either counts as nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from manikin.appraisal.agreement.shares import SURE, Shares
from manikin.codebook import Bins
from manikin.streams import Floats


@dataclass(frozen=True)
class Association:
    """Two variables, the level that counts where it is one of several, and their correlation as each side has it.

    ``told`` has a standard error; it is None where a cell was suppressed, and ``cohort`` where it can't be counted.
    """

    names: tuple[str, str]
    levels: tuple[str, str]
    model: float
    told: float | None
    error: float
    fit: float
    cohort: float | None

    @property
    def moved(self) -> float:
        """By how much the correlation moved."""
        return self.fit - self.model

    @property
    def away(self) -> float:
        """How far what was told lies from the model, in standard errors."""
        return 0.0 if self.told is None or not self.error > 0 else (self.told - self.model) / self.error

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of what was told."""
        if self.told is None:
            return None
        return max(self.told - SURE * self.error, -1.0), min(self.told + SURE * self.error, 1.0)


def associations(tables: Sequence[Shares]) -> list[Association]:
    """Return the association of each two variables that a table holds together, those that moved most first."""
    narrowest: dict[tuple[str, str], Shares] = {}
    for table in sorted(tables, key=lambda one: len(one.axes)):
        for one, other in itertools.combinations(table.names, 2):
            narrowest.setdefault((one, other), table)
    found = [most for names, table in narrowest.items() if (most := _most_moved(names, table)) is not None]
    return sorted(found, key=lambda one: -abs(one.moved))


def _most_moved(names: tuple[str, str], table: Shares) -> Association | None:
    """Return the association by those levels by which it moved most; None where there is none."""
    places = tuple(table.names.index(name) for name in names)
    others = tuple(place for place in range(len(table.axes)) if place not in places)
    shape = tuple(axis.count for axis in table.axes)
    summed = int(np.prod([shape[place] for place in others], dtype=np.int64))

    def margin(shares: Floats | None) -> Floats | None:
        return None if shares is None else shares.reshape(shape).sum(axis=others)

    sides = [margin(each) for each in (table.model, table.among_possible, table.fit, table.cohort)]
    axes = [table.axes[place] for place in places]
    found = [
        _association(names, (one[0], other[0]), (one[1], other[1]), sides, table, summed)
        for one in _scores(axes[0])
        for other in _scores(axes[1])
    ]
    known = [one for one in found if np.isfinite([one.model, one.fit]).all()]
    return max(known, key=lambda one: abs(one.moved), default=None)


def _association(
    names: tuple[str, str],
    levels: tuple[str, str],
    scores: tuple[Floats, Floats],
    sides: Sequence[Floats | None],
    table: Shares,
    summed: int,
) -> Association:
    """Return the association by these scores; the error is that of what was told, were the fit true."""
    fit_shares = np.asarray(sides[2])
    model, told, fit, cohort = (None if each is None else _correlation(each, *scores)[0] for each in sides)
    influence = _correlation(fit_shares, *scores)[1]
    variance = (np.maximum(fit_shares, 0.0) / table.patients + table.noise * summed) * influence**2
    known = told is not None and np.isfinite(told)
    return Association(
        names,
        levels,
        float(np.nan if model is None else model),
        told if known else None,
        float(np.sqrt(variance.sum())),
        float(np.nan if fit is None else fit),
        cohort if cohort is not None and np.isfinite(cohort) else None,
    )


def _correlation(shares: Floats, one: Floats, other: Floats) -> tuple[float, Floats]:
    """Return the correlation of scores in a table, and the influence of each cell's share on it.

    Source of the influence: Devlin, Gnanadesikan and Kettenring, Biometrika 1975;62:531.
    """
    here = np.isfinite(one)[:, None] & np.isfinite(other)[None, :]
    present = float(shares[here].sum())
    if not present > 0:
        return np.nan, np.zeros_like(shares)
    weights = np.where(here, shares, 0.0) / present
    along, across = (_standard(np.nan_to_num(each), weights.sum(axis=axis)) for each, axis in ((one, 1), (other, 0)))
    if along is None or across is None:
        return np.nan, np.zeros_like(shares)
    product = np.outer(along, across)
    value = float((weights * product).sum())
    influence = product - value * (along[:, None] ** 2 + across[None, :] ** 2) / 2
    return value, np.where(here, influence, 0.0) / present


def _standard(scores: Floats, weights: Floats) -> Floats | None:
    """Return scores with mean 0 and variance 1; None where all are alike, or noise left no variance."""
    centred = scores - weights @ scores
    variance = float(weights @ centred**2)
    return np.asarray(centred / np.sqrt(variance)) if variance > 0 else None


def _scores(axis: Bins) -> Iterator[tuple[str, Floats]]:
    """Yield the ways in which the bins of a variable count, each with its level; NaN for those without a value."""
    bins = axis.count - axis.missing
    gone = [np.nan] * axis.missing
    if not axis.levels:
        yield "", np.array([*range(bins), *gone], np.float64)
        return
    for level in [1] if bins == 2 else range(bins):
        name = "" if bins == 2 and axis.levels[1] == "yes" else axis.levels[level]
        yield name, np.array([*(float(code == level) for code in range(bins)), *gone])
