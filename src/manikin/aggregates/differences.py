"""Do tables tell of the same shares? Asked of sites before they are summed, and of tables that share a margin.

Counts are compared as independent Poisson counts with noise on top, each table with a total of its own. Without noise
this is Pearson's chi-square. It is Cochran's Q of the shares, with as many degrees of freedom as there are free shares.

Sources: Cochran, Biometrics 1954;10:101; Higgins and Thompson, Stat Med 2002;21:1539, doi:10.1002/sim.1186 (I-squared);
DerSimonian and Laird, Control Clin Trials 1986;7:177 (tau); Holm, Scand J Statist 1979;6:65.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import Difference
from manikin.streams import Floats

# Cells of which fewer are expected are compared together, as is the rule for chi-squares (Cochran 1954).
_FEWEST = 5.0
_ROUNDS = 20
SURE = 0.001


def heterogeneity(tables: Mapping[tuple[str, ...], Sequence[tuple[Aggregate, tuple[str, ...]]]]) -> list[Difference]:
    """Return how far sites differ in each table that several of them measured.

    Args:
        tables: By attributes, each table with the sites whose patients it counts, its axes in one order.
    """
    found = []
    for attributes, several in tables.items():
        told = [(one, sites) for one, sites in several if _tells(one)]
        if len(told) < 2:
            continue
        sites = tuple(sorted(site for _, own in told for site in own))
        compared = _compared([one for one, _ in told])
        if compared.df:
            found.append(_difference(attributes, sites, compared))
    return _holm(found)


def disagreements(aggregates: Sequence[Aggregate]) -> list[Difference]:
    """Return the margins in which two tables disagree beyond their uncertainty, with Holm-adjusted P below 0.001.

    Tables of the same patients share their sampling error, which is counted for both here: the test is careful.
    """
    found = []
    for one, other in itertools.combinations(aggregates, 2):
        shared = tuple(name for name in one.attributes if name in other.attributes)
        if not shared:
            continue
        margins = [one.margin(shared), other.margin(shared)]
        if all(map(_tells, margins)):
            compared = _compared(margins)
            if compared.df:
                found.append(_difference(shared, (), compared))
    return [one for one in _holm(found) if one.adjusted < SURE]


def _tells(table: Aggregate) -> bool:
    """Return whether all cells are told, and the patients in them are more than their noise."""
    return bool(table.known.all()) and table.total > max(0.0, table.noise * np.sqrt(table.values.size))


@dataclass(frozen=True)
class _Compared:
    q: float
    df: int
    tau: float


def _difference(attributes: tuple[str, ...], sites: tuple[str, ...], compared: _Compared) -> Difference:
    q, df = compared.q, compared.df
    p = float(special.chdtrc(df, q))
    return Difference(attributes, sites, q, df, p, p, max(0.0, 1 - df / q) if q else 0.0, compared.tau)


def _compared(tables: Iterable[Aggregate]) -> _Compared:
    """Compare tables of equal axes, all of whose cells are told."""
    tables = list(tables)
    counts = np.array([one.values.ravel() for one in tables])
    noise = np.array([np.full(one.values.size, one.noise**2) for one in tables])
    counts, noise = _gathered(counts, noise)
    shares, totals = _fitted(counts, noise)
    variance = _variance(shares, totals, noise)
    used = (variance > 0).all(axis=0)
    df = (len(tables) - 1) * (int(used.sum()) - 1)
    if df <= 0:
        return _Compared(0.0, 0, 0.0)
    expected = totals[:, None] * shares
    q = float((((counts - expected) ** 2)[:, used] / variance[:, used]).sum())
    weight = (totals[:, None] ** 2 / np.where(used, variance, 1.0))[:, used]
    scale = float((weight.sum(0) - (weight**2).sum(0) / weight.sum(0)).sum())
    return _Compared(q, df, float(np.sqrt(max(0.0, q - df) / scale)) if scale > 0 else 0.0)


def _gathered(counts: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Gather cells with few expected patients, and little noise that would make up for it, into one."""
    share = np.maximum(counts.sum(0), 0) / counts.sum()
    rare = (np.maximum(counts.sum(1), 0)[:, None] * share + noise).min(0) < _FEWEST
    if rare.sum() < 2:
        return counts, noise
    return (
        np.column_stack([counts[:, ~rare], counts[:, rare].sum(1)]),
        np.column_stack([noise[:, ~rare], noise[:, rare].sum(1)]),
    )


def _fitted(counts: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return the common shares and each table's total that come closest, by weighted least squares in turns."""
    totals = np.maximum(counts.sum(1), 1.0)
    shares = counts.sum(0) / counts.sum()
    for _ in range(_ROUNDS):
        variance = _variance(shares, totals, noise)
        weight = np.where(variance > 0, 1 / np.where(variance > 0, variance, 1), 0)
        top, bottom = (weight * totals[:, None] * counts).sum(0), (weight * totals[:, None] ** 2).sum(0)
        shares = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
        if shares.sum() <= 0:
            break
        shares = shares / shares.sum()
        top, bottom = (weight * shares * counts).sum(1), (weight * shares**2).sum(1)
        totals = np.divide(top, bottom, out=totals, where=bottom > 0)
    return shares, totals


def _variance(shares: Floats, totals: Floats, noise: Floats) -> Floats:
    return np.maximum(totals[:, None] * shares, 0) + noise


def _holm(found: list[Difference]) -> list[Difference]:
    """Return the differences with P values adjusted for all that were looked at (Holm)."""
    adjusted, reached = dict[int, float](), 0.0
    for rank, place in enumerate(sorted(range(len(found)), key=lambda place: found[place].p)):
        reached = max(reached, min(1.0, found[place].p * (len(found) - rank)))
        adjusted[place] = reached
    return [replace(one, adjusted=adjusted[place]) for place, one in enumerate(found)]
