"""People as points: what is far and what is near among numbers, categories and missing values.

A space is laid out by what an attacker sees, the synthetic rows and the reference population, never by the targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from manikin.codebook import Variable
from manikin.real_data.attacks.sides import Ints
from manikin.streams import Floats

_BLOCK = 4_000_000  # distances at a time, 32 MB
_RIDGE = 1e-3
_DIAGONAL = 2**-0.5  # two values of a category lie at distance 1


@dataclass(frozen=True, eq=False)
class Space:
    """A way to make points of rows: ``place`` of (rows, variables) gives (rows, dimensions)."""

    place: Callable[[Floats], Floats]


def ranked(variables: tuple[Variable, ...], seen: Floats) -> Space:
    """Return the space in which numbers are their ranks among those seen, from 0 to 1, and categories lie 1 apart."""

    def place(values: Floats) -> Floats:
        return np.column_stack(
            [
                part
                for place, variable in enumerate(variables)
                for part in _columns(variable, values[:, place], _ranks(seen[:, place]), seen[:, place])
            ]
        )

    return Space(place)


def whitened(variables: tuple[Variable, ...], seen: Floats) -> Space:
    """Return the space in which those seen have no correlations and unit spread: distances are those of Mahalanobis."""

    def raw(values: Floats) -> Floats:
        return np.column_stack(
            [
                part
                for place, variable in enumerate(variables)
                for part in _columns(variable, values[:, place], _scores(seen[:, place]), seen[:, place])
            ]
        )

    points = raw(seen)
    middle = points.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(points, rowvar=False).reshape(points.shape[1], -1))
    turn = axes / np.sqrt(np.maximum(spread, _RIDGE * spread.max()))
    return Space(lambda values: (raw(values) - middle) @ turn)


def _columns(variable: Variable, values: Floats, scale: Callable[[Floats], Floats], seen: Floats) -> Iterator[Floats]:
    """Yield what a variable becomes: a number, or a dimension for each level; one more where some have no value."""
    absent = np.isnan(values)
    if variable.numeric:
        yield np.where(absent, 0.5, scale(np.where(absent, 0.0, values)))
    else:
        for level in range(max(2, len(variable.levels))):
            yield _DIAGONAL * (values == level)
    if np.isnan(seen).any():
        yield _DIAGONAL * absent


def _ranks(seen: Floats) -> Callable[[Floats], Floats]:
    known = np.sort(seen[~np.isnan(seen)])
    if not len(known):
        return np.zeros_like
    # Between two values that were seen a rank is in between too, or nobody there could be told apart.
    grid, first, count = np.unique(known, return_index=True, return_counts=True)
    return lambda values: np.interp(values, grid, (first + 0.5 * count) / len(known))


def _scores(seen: Floats) -> Callable[[Floats], Floats]:
    known = seen[~np.isnan(seen)]
    if not len(known):
        return np.zeros_like
    low, middle, high = np.quantile(known, [0.1, 0.5, 0.9])
    width = (high - low) / 2.56 or float(known.std()) or 1.0
    # What lies far out is drawn in, so that one wild value does not decide all distances.
    return lambda values: np.arcsinh((values - middle) / width)


def nearest(points: Floats, among: Floats, k: int = 1) -> Floats:
    """Return the Euclidean distances to the ``k`` nearest of others, ascending, shape (points, k)."""
    k = min(k, len(among))
    found = [
        np.sort(np.partition(square, k - 1, axis=1)[:, :k], axis=1) if k > 1 else square.min(axis=1, keepdims=True)
        for square in _squares(points, among)
    ]
    return np.asarray(np.sqrt(np.concatenate(found)))


def log_density(points: Floats, of: Floats, bandwidth: float) -> Floats:
    """Return the log density of Gaussian kernels at points, up to a constant that is the same for all."""
    found = [logsumexp(-square / (2 * bandwidth**2), axis=1) for square in _squares(points, of)]
    return np.asarray(np.concatenate(found) - np.log(len(of)))


def closest_mixed(
    variables: tuple[Variable, ...], points: Floats, among: Floats, ranges: Floats | None = None
) -> tuple[Ints, Floats]:
    """Return the place of, and the distance to, the nearest of others by Gower's distance.

    Numbers are scaled by their range in both sets together, or in ``ranges``, and two values of a category lie 1 apart. That there is no
    value is one as well: it lies 1 from any category, and from 0.5 to 1 from a number. Of several at the same distance
    the first is nearest. Source: Gower 1971, doi:10.2307/2528823.
    """
    ranges = np.concatenate([points, among]) if ranges is None else ranges
    scaled = [
        part
        for place, variable in enumerate(variables)
        for part in _gower(variable, points[:, place], among[:, place], ranges[:, place])
    ]
    here, there = (np.column_stack(side) for side in zip(*scaled, strict=True))
    size = max(1, _BLOCK // len(among))
    places, distances = [], []
    for first in range(0, len(here), size):
        block = cdist(here[first : first + size], there, "cityblock")
        places.append(block.argmin(axis=1))
        distances.append(block.min(axis=1))
    return np.concatenate(places), np.concatenate(distances)


def _gower(variable: Variable, here: Floats, there: Floats, ranges: Floats) -> Iterator[tuple[Floats, Floats]]:
    if variable.numeric:
        known = ranges[~np.isnan(ranges)]
        low, width = (float(known.min()), float(np.ptp(known)) or 1.0) if len(known) else (0.0, 1.0)
        yield _unit(here, low, width), _unit(there, low, width)
    else:
        for level in range(max(2, len(variable.levels))):
            yield 0.5 * (here == level), 0.5 * (there == level)
    if np.isnan(here).any() or np.isnan(there).any():
        yield 0.5 * np.isnan(here), 0.5 * np.isnan(there)


def _unit(values: Floats, low: float, width: float) -> Floats:
    return np.where(np.isnan(values), 0.5, (values - low) / width)


def _squares(points: Floats, among: Floats) -> Iterator[Floats]:
    """Yield squared distances, a block of points at a time."""
    middle = among.mean(axis=0)
    points, among = points - middle, among - middle
    lengths = np.einsum("ij,ij->i", among, among)
    size = max(1, _BLOCK // len(among))
    for first in range(0, len(points), size):
        block = points[first : first + size]
        square = block @ among.T
        square *= -2
        square += np.einsum("ij,ij->i", block, block)[:, None]
        square += lengths
        yield np.maximum(square, 0.0, out=square)
