"""Percentiles of a number of which no more is known than the shares of its bins: a smooth distribution within limits.

The shares below the cuts, as normal scores, are joined by a smooth, monotone curve over the values or over their
logarithms, whichever makes it straighter, so that what is normal or lognormal comes out as such. The outermost bins end
at the limits and fall off towards them.

Source: Fritsch and Butland, SIAM J Sci Stat Comput 1984;5:300, doi:10.1137/0905021, for the curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from manikin.codebook import Kind, Range, Variable, drawn_from
from manikin.errors import RequestError
from manikin.streams import Floats

# Limits are where values are rare: at least so many normal scores from the middle; and nobody is as far as the other.
_LIMIT, _FURTHEST = 3.0, 4.5
# The least share of a bin as far as the curve is concerned; how many patients are in it is not for the curve to say.
_LEAST = 1e-3
# Points of the curve in each bin, and the digits that are kept of its values.
_POINTS, _DIGITS = 4, 6
# On a logarithmic scale, values end at this part of the first cut where the limit itself is 0.
_NEAR_ZERO = 0.05


@dataclass(frozen=True)
class Percentiles:
    """Values by the percentage of patients below them, both ascending, and the ends beyond which there are none.

    ``logarithmic`` says whether their logarithms are joined.
    """

    below: tuple[float, ...]
    values: tuple[float, ...]
    low: float
    high: float
    logarithmic: bool


def limits_of(variable: Variable) -> Range:
    """Return where the outermost bins of a number end: at what is usual or, where bins lie beyond that, possible.

    Raises:
        RequestError: No limits are declared, or a bin lies beyond them.
    """
    first, last = variable.cuts[0], variable.cuts[-1]
    least = 0.0 if variable.kind is Kind.COUNT and np.isinf(variable.possible.low) else variable.possible.low
    lows = (variable.usual.low, least)
    highs = (variable.usual.high, variable.possible.high)
    low = next((end for end in lows if -np.inf < end < first), None)
    high = next((end for end in highs if last <= end < np.inf), None)
    if low is None or high is None:
        side = f"below {first:g}" if low is None else f"from {last:g} on"
        raise RequestError(
            f"'{variable.name}' has a bin {side}, and no limit at which that ends. Declare in the codebook what is "
            f"possible, for example: limits: {{possible: {_example(variable)}}}"
        )
    return Range(low, high)


def percentiles(variable: Variable, shares: Floats) -> Percentiles:
    """Return the percentiles of a number with declared bins.

    Args:
        variable: The number.
        shares: Of those with a value, how many are in each bin; need not sum to 1.
    """
    limits, edges = limits_of(variable), np.array([drawn_from(variable, cut) for cut in variable.cuts])
    likely = np.maximum(shares / shares.sum(), _LEAST)
    scores = special.ndtri(np.cumsum(likely)[:-1] / likely.sum())
    high = limits.high + (1.0 if variable.kind is Kind.COUNT else 0.0)
    plain = np.array([limits.low, *edges, high])
    positive = np.array([max(limits.low, _NEAR_ZERO * edges[0]), *edges, high])
    logarithmic = bool(edges[0] > 0 and limits.low >= 0) and _straight(np.log(positive), scores) > _straight(
        plain, scores
    )
    at, where = _curve(*_with_tails(np.log(positive) if logarithmic else plain, scores))
    values = np.array([float(f"{one:.{_DIGITS}g}") for one in (np.exp(at) if logarithmic else at)])
    below = np.round(100 * special.ndtr(where), 6)
    kept = np.append(True, (np.diff(values) > 0) & (np.diff(below) > 0))
    return Percentiles(tuple(below[kept].tolist()), tuple(values[kept].tolist()), limits.low, limits.high, logarithmic)


def _straight(places: Floats, scores: Floats) -> float:
    """Return how straight normal scores are over places, R², each point weighed by how sure a share makes its score."""
    all_scores = np.array([-_LIMIT, *scores, _LIMIT])
    below = special.ndtr(all_scores)
    sure = np.exp(-(all_scores**2)) / (below * (1 - below))
    found = np.cov(places, all_scores, aweights=sure)
    return float(found[0, 1] ** 2 / (found[0, 0] * found[1, 1]))


def _with_tails(places: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return places and scores with those of the ends: as far as the limits ask, or as the outermost line leads."""
    low_place, low_score = _tail(-places[:3][::-1], -scores[:2][::-1])
    high_place, high_score = _tail(places[-3:], scores[-2:])
    return np.array([-low_place, *places[1:-1], high_place]), np.array([-low_score, *scores, high_score])


def _tail(places: Floats, scores: Floats) -> tuple[float, float]:
    """Return where the upper end lies; ``places`` are up to two cuts and the limit, ``scores`` those of the cuts."""
    cut, limit, score = float(places[-2]), float(places[-1]), float(scores[-1])
    slope = float((scores[-1] - scores[-2]) / (places[-2] - places[-3])) if len(scores) > 1 else 0.0
    end = max(_LIMIT, score + 0.5, score + slope * (limit - cut))
    return (limit, end) if end <= _FURTHEST else (cut + (limit - cut) * (_FURTHEST - score) / (end - score), _FURTHEST)


def _curve(places: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return points of a smooth monotone curve through these: cubic pieces whose slopes are harmonic means."""
    steps = np.diff(scores)
    slopes = np.diff(places) / steps
    weight = (steps[:-1] + 2 * steps[1:]) / (3 * (steps[:-1] + steps[1:]))
    inner = slopes[:-1] * slopes[1:] / (weight * slopes[1:] + (1 - weight) * slopes[:-1])
    tangents = np.array([slopes[0], *inner, slopes[-1]])
    part = np.arange(_POINTS)[:, None] / _POINTS
    start, end = places[:-1], places[1:]
    cubic = (
        (1 + 2 * part) * (1 - part) ** 2 * start
        + part * (1 - part) ** 2 * steps * tangents[:-1]
        + part**2 * (3 - 2 * part) * end
        + part**2 * (part - 1) * steps * tangents[1:]
    )
    between = scores[:-1] + part * steps
    return np.append(cubic.T.ravel(), places[-1]), np.append(between.T.ravel(), scores[-1])


def _example(variable: Variable) -> str:
    first, last = variable.cuts[0], variable.cuts[-1]
    wide = last - first or abs(last) or 1.0
    return f"{max(first - wide, 0.0):g}..{last + wide:g}"
