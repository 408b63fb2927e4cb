"""Distributions, sampled by inverse CDF so that each draw uses exactly one uniform and can be clamped to a range.

A family maps a position to a value: ``quantile`` from a uniform, and where that is cheaper ``from_score`` from a
standard normal score, which is what a copula deals in. ``cdf`` goes back, for clamping. All are monotone.

Parameters are arrays or single values that broadcast; a family never loops over patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from manikin.streams import Floats

Parameters = Mapping[str, Any]
Quantile = Callable[[Floats, Parameters], Floats]

# A quantile that rounding carried out of the open interval would be infinite.
_EDGE = 1e-15

# A mixture is inverted to this normal score, far below any reporting precision, in at most so many steps.
_CLOSE_ENOUGH, _MOST_CURVED, _MOST_STEPS = 1e-9, 16, 60

# No count of anything clinical comes near; the functions of whole numbers know no infinity.
_MOST_COUNTED = 1e12


@dataclass(frozen=True)
class Position:
    """Where in its distribution a patient stands: a uniform, or a normal score, each made from the other on demand."""

    uniform_or_none: Floats | None = None
    score_or_none: Floats | None = None

    @property
    def uniform(self) -> Floats:
        """The position as a share of the distribution below it."""
        if self.uniform_or_none is not None:
            return self.uniform_or_none
        assert self.score_or_none is not None
        return np.clip(special.ndtr(self.score_or_none), _EDGE, 1 - _EDGE)

    @property
    def score(self) -> Floats:
        """The position as a standard normal score."""
        if self.score_or_none is not None:
            return self.score_or_none
        assert self.uniform_or_none is not None
        return np.asarray(special.ndtri(self.uniform_or_none))


class Draw(Protocol):
    """A distribution whose parameters are known for each patient."""

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        ...

    def cdf(self, value: float) -> Floats | float:
        """Return the share of the distribution at or below ``value``."""
        ...


@dataclass(frozen=True)
class Family:
    """A family of distributions: the spellings of its parameters, and its two functions.

    ``spellings`` are the sets of parameters that may be written; the first is the canonical one. ``positive`` names
    parameters above zero, ``shares`` those in (0, 1), ``ascending`` those that are written from low to high; ``spelt``
    turns other spellings into the canonical one.
    """

    name: str
    spellings: tuple[tuple[str, ...], ...]
    quantile: Quantile
    cdf: Callable[[Any, Parameters], Any]
    from_score: Quantile | None = None
    positive: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    ascending: tuple[str, ...] = ()
    whole: bool = False
    spelt: Callable[[Parameters], Parameters] = lambda parameters: parameters


@dataclass(frozen=True)
class FamilyDraw:
    """A family with the parameters of each patient."""

    family: Family
    parameters: Parameters

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        if self.family.from_score is not None:
            return self.family.from_score(position.score, self.parameters)
        return self.family.quantile(position.uniform, self.parameters)

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        return self.family.cdf(value, self.parameters)


@dataclass(frozen=True)
class Truncated:
    """A distribution kept to a range: what lies outside is drawn anew inside, in proportion."""

    inner: Draw
    low: Any
    high: Any

    def at(self, position: Position) -> Floats:
        """Return the values at a position within the range."""
        below, above = self._ends()
        uniform = below + position.uniform * (above - below)
        values = self.inner.at(Position(np.clip(uniform, _EDGE, 1 - _EDGE)))
        return np.asarray(np.clip(values, self.low, self.high))

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        below, above = self._ends()
        return np.clip((self.inner.cdf(value) - below) / np.maximum(above - below, _EDGE), 0, 1)

    def _ends(self) -> tuple[Any, Any]:
        # From just below the lower end, so that a whole number at it keeps its share.
        return self.inner.cdf(np.nextafter(self.low, -np.inf)), self.inner.cdf(self.high)


@dataclass(frozen=True)
class PointMass:
    """A value that many share exactly, and below which nobody lies; the rest follow another distribution."""

    value: Any
    share: Any
    rest: Draw

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        uniform = position.uniform
        above = np.clip((uniform - self.share) / np.maximum(1 - self.share, _EDGE), _EDGE, 1 - _EDGE)
        return np.asarray(
            np.where(uniform <= self.share, self.value, np.maximum(self.rest.at(Position(above)), self.value))
        )

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        return np.where(value < self.value, 0.0, self.share + (1 - self.share) * self.rest.cdf(value))


@dataclass(frozen=True)
class Mixture:
    """Several distributions with shares that sum to 1, inverted numerically so that clamping stays exact."""

    shares: tuple[Any, ...]
    parts: tuple[Draw, ...]

    def at(self, position: Position) -> Floats:
        """Return the values at a position: the root between the parts' own quantiles.

        False position with the Illinois correction (Dowell & Jarratt, BIT 1971;11:168, doi:10.1007/BF01934364) on the
        scale of normal scores, where the way to the root is nearly straight, and a halving every eighth step. What is
        left after some steps is a jump, at a whole number, to which only halving leads.
        """
        score = position.score
        each = np.stack([np.broadcast_to(part.at(position), score.shape) for part in self.parts])
        low, high = each.min(axis=0), each.max(axis=0)
        under, over = self._beyond(low, score), self._beyond(high, score)
        middle, found, side = high, over, np.zeros(score.shape, np.int8)
        for step in range(1, _MOST_STEPS):
            if np.abs(found).max() < _CLOSE_ENOUGH:
                break
            slope = np.where(over > under, over - under, 1.0)
            halve = step % 8 == 0 or step > _MOST_CURVED
            middle = 0.5 * (low + high) if halve else np.clip(high - over * (high - low) / slope, low, high)
            found = self._beyond(middle, score)
            below = found < 0
            # The end that stays twice loses half its weight, so that it does not stay for ever.
            under = np.where(below, found, np.where(side > 0, 0.5 * under, under))
            over = np.where(below, np.where(side < 0, 0.5 * over, over), found)
            side = np.where(below, np.int8(-1), np.int8(1))
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        # Where the share jumps, at a whole number, the upper end is the value at which it is reached.
        return np.asarray(np.where(np.abs(found) < _CLOSE_ENOUGH, middle, high))

    def _beyond(self, value: Any, score: Floats) -> Floats:
        return np.asarray(special.ndtri(np.clip(self.cdf(value), _EDGE, 1 - _EDGE)) - score)

    def cdf(self, value: Any) -> Any:
        """Return the share at or below ``value``."""
        return sum(share * part.cdf(value) for share, part in zip(self.shares, self.parts, strict=True))


def _normal_cdf(value: Any, p: Parameters) -> Any:
    return special.ndtr((value - p["mean"]) / p["sd"])


def _lognormal_cdf(value: Any, p: Parameters) -> Any:
    with np.errstate(divide="ignore"):
        return special.ndtr(np.log(np.maximum(value, 0) / p["median"]) / p["log_sd"])


def _lognormal_spelt(p: Parameters) -> Parameters:
    if "mean" in p:
        variance = np.log1p((p["sd"] / p["mean"]) ** 2)
        return {"median": p["mean"] * np.exp(-0.5 * variance), "log_sd": np.sqrt(variance)}
    if "q1" in p:
        # The quartiles of a standard normal lie at +-0.6745, so that log-SD = ln(q3/q1) / 1.349.
        return {"median": p["median"], "log_sd": np.log(p["q3"] / p["q1"]) / 1.3489795}
    return p


def _beta_spelt(p: Parameters) -> Parameters:
    if "mean" not in p:
        return p
    total = p["mean"] * (1 - p["mean"]) / p["sd"] ** 2 - 1
    return {"a": p["mean"] * total, "b": (1 - p["mean"]) * total}


def _gamma_spelt(p: Parameters) -> Parameters:
    if "mean" not in p:
        return p
    return {"shape": (p["mean"] / p["sd"]) ** 2, "scale": p["sd"] ** 2 / p["mean"]}


def _discrete(inverse: Callable[[Any, Parameters], Any], below: Callable[[Any, Parameters], Any]) -> Quantile:
    """Return the smallest whole number whose share at or below it reaches the uniform, from a continuous guess."""

    def quantile(uniform: Floats, p: Parameters) -> Floats:
        guess = np.maximum(np.ceil(inverse(uniform, p)), 0)
        lower = np.maximum(guess - 1, 0)
        guess = np.where(below(lower, p) >= uniform, lower, guess)
        return np.asarray(np.where(below(guess, p) < uniform, guess + 1, guess))

    return quantile


def _negbin_share(p: Parameters) -> Any:
    return p["k"] / (p["k"] + p["mean"])


def _weibull_cdf(value: Any, p: Parameters) -> Any:
    return -np.expm1(-((np.maximum(value, 0) / p["scale"]) ** p["shape"]))


def _uniform_quantile(uniform: Floats, p: Parameters) -> Floats:
    return np.asarray(p["low"] + uniform * (p["high"] - p["low"]))


def _poisson_cdf(value: Any, p: Parameters) -> Any:
    return np.where(np.asarray(value) < 0, 0.0, special.pdtr(_counted(value), p["mean"]))


def _negbin_cdf(value: Any, p: Parameters) -> Any:
    share = _negbin_share(p)
    return np.where(np.asarray(value) < 0, 0.0, special.betainc(p["k"], _counted(value) + 1, share))


def _counted(value: Any) -> Any:
    return np.floor(np.clip(value, 0, _MOST_COUNTED))


_FAMILIES = (
    Family(
        "normal",
        (("mean", "sd"),),
        lambda u, p: p["mean"] + p["sd"] * special.ndtri(u),
        _normal_cdf,
        lambda z, p: p["mean"] + p["sd"] * z,
        positive=("sd",),
    ),
    Family(
        "lognormal",
        (("median", "log_sd"), ("mean", "sd"), ("q1", "median", "q3")),
        lambda u, p: p["median"] * np.exp(p["log_sd"] * special.ndtri(u)),
        _lognormal_cdf,
        lambda z, p: p["median"] * np.exp(p["log_sd"] * z),
        positive=("median", "log_sd", "mean", "sd", "q1", "q3"),
        ascending=("q1", "median", "q3"),
        spelt=_lognormal_spelt,
    ),
    Family(
        "uniform",
        (("low", "high"),),
        _uniform_quantile,
        lambda x, p: np.clip((x - p["low"]) / (p["high"] - p["low"]), 0, 1),
        ascending=("low", "high"),
    ),
    Family(
        "beta",
        (("a", "b"), ("mean", "sd")),
        lambda u, p: special.betaincinv(p["a"], p["b"], u),
        lambda x, p: special.betainc(p["a"], p["b"], np.clip(x, 0, 1)),
        positive=("a", "b", "sd"),
        shares=("mean",),
        spelt=_beta_spelt,
    ),
    Family(
        "gamma",
        (("shape", "scale"), ("mean", "sd")),
        lambda u, p: p["scale"] * special.gammaincinv(p["shape"], u),
        lambda x, p: special.gammainc(p["shape"], np.maximum(x, 0) / p["scale"]),
        positive=("shape", "scale", "mean", "sd"),
        spelt=_gamma_spelt,
    ),
    Family(
        "weibull",
        (("shape", "scale"),),
        lambda u, p: p["scale"] * (-np.log1p(-u)) ** (1 / p["shape"]),
        _weibull_cdf,
        positive=("shape", "scale"),
    ),
    Family(
        "exponential",
        (("mean",),),
        lambda u, p: -p["mean"] * np.log1p(-u),
        lambda x, p: -np.expm1(-np.maximum(x, 0) / p["mean"]),
        positive=("mean",),
    ),
    Family(
        "poisson",
        (("mean",),),
        _discrete(lambda u, p: special.pdtrik(u, p["mean"]), _poisson_cdf),
        _poisson_cdf,
        positive=("mean",),
        whole=True,
    ),
    Family(
        "negative_binomial",
        (("mean", "k"),),
        _discrete(lambda u, p: special.nbdtrik(u, p["k"], _negbin_share(p)), _negbin_cdf),
        _negbin_cdf,
        positive=("mean", "k"),
        whole=True,
    ),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _FAMILIES}


@dataclass(frozen=True)
class Quantiles:
    """A distribution known by some of its quantiles, joined by straight lines over the normal score.

    ``scores`` are the normal scores of the known shares, ascending, shape (k,); ``values`` the quantiles, shape
    (k,) or (k, n). Beyond the outermost known shares the outermost lines go on. ``logarithmic`` joins logarithms,
    for quantities that are positive and skewed.
    """

    scores: Floats
    values: Floats
    logarithmic: bool

    def at(self, position: Position) -> Floats:
        """Return the values at a position."""
        known = np.log(self.values) if self.logarithmic else self.values
        score = position.score
        piece = np.clip(np.searchsorted(self.scores, score) - 1, 0, len(self.scores) - 2)
        left, right = self._knots(known, piece)
        start = self.scores[piece]
        line = left + (right - left) * (score - start) / (self.scores[piece + 1] - start)
        return np.exp(line) if self.logarithmic else line

    def cdf(self, value: float) -> Any:
        """Return the share at or below ``value``."""
        known, wanted = self.values, np.asarray(value, np.float64)
        if self.logarithmic:
            with np.errstate(divide="ignore"):
                known, wanted = np.log(known), np.log(np.maximum(wanted, 0))
        columns = known if known.ndim == 2 else known[:, None]
        piece = np.clip((columns < wanted).sum(axis=0) - 1, 0, len(self.scores) - 2)
        each = np.arange(columns.shape[1])
        left, right = columns[piece, each], columns[piece + 1, each]
        slope = (self.scores[piece + 1] - self.scores[piece]) / np.maximum(right - left, _EDGE)
        with np.errstate(over="ignore"):  # as far out as numbers go
            share = special.ndtr(self.scores[piece] + slope * (wanted - left))
        return share if known.ndim == 2 or wanted.ndim else share[0]

    @staticmethod
    def _knots(known: Floats, piece: Any) -> tuple[Floats, Floats]:
        if known.ndim == 1:
            return known[piece], known[piece + 1]
        each = np.arange(known.shape[1])
        return known[piece, each], known[piece + 1, each]
