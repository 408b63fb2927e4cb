"""The fit: the distribution closest to the prior that agrees with what was measured, as far as each can be trusted.

Minimises KL(P ‖ Q) + Σ (E_P φ - a)² / 2r over P, φ being the contrasts of tables, a what they tell, followed as far as
``evidence`` lets it be, and r a small softness; the answer is P ∝ Q · exp(Σ θ φ), and θ is found in the dual, which is
smooth and convex: log Z(θ) - θ·a + ½ Σ r θ². How often each thing is, all tables of it say together, weighed against the
prior; how variables hang together, their tables say beyond that, weighed against the fit to the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import fmin_l_bfgs_b

from manikin.codebook import Bins, Domain
from manikin.generators.graphical.carrier import Bend, Carrier, Expectation
from manikin.generators.graphical.contrasts import contrasts_of
from manikin.generators.graphical.evidence import Belief, Departure, softness, weighed
from manikin.generators.graphical.marginals import Places, cells_of, summed
from manikin.streams import Floats, Seed

_STEPS = 200
_MEMORY = 20
# The search ends where no contrast is further from its goal than a small part of how sure the surest one is.
_SMALL, _LEAST = 0.02, 1e-7
_NO_END = 10.0
# How contrasts move together is seen in a sample of this size; of more contrasts it would be too large a matrix.
_DRAWN, _SEED = 4_000, Seed(1_822)
_MOST_CONTRASTS = 1_500
# How often those without a value are shared out anew, and what nothing is divided by.
_SHARINGS, _TINY = 12, 1e-300
_NO_NOISE = 1e-12


@dataclass(frozen=True)
class Measured:
    """A table as the fit sees it: the share of patients in each cell, flat, and how sure it is.

    ``noise`` is the variance of what was added to each share; ``patients`` of how many the shares are; a share that
    was suppressed is NaN.
    """

    places: Places
    share: Floats
    noise: float
    patients: float


@dataclass(frozen=True)
class Prior:
    """A distribution over a domain to start from, and what is thought of it before any table is seen.

    ``beliefs`` are about contrasts of one variable, of two, and of more.
    """

    carrier: Carrier
    domain: Domain
    beliefs: tuple[Belief, ...]


@dataclass(frozen=True)
class Pull:
    """What a fit is drawn to: a departure from what was expected, and how far each of its contrasts is followed."""

    departure: Departure
    followed: Floats


@dataclass(frozen=True)
class Fit:
    """The outcome: how each table was weighed, θ of each, and the number of evaluations that it took.

    ``base`` is the fit to the tables of one variable alone, where there are wider ones.
    """

    prior: Prior
    pulls: Mapping[Places, Pull]
    bend: Bend
    evaluations: int = 0
    base: Fit | None = None

    @cached_property
    def expected(self) -> Expectation:
        """The bent distribution."""
        return self.prior.carrier.bent_by(tuple(self.bend)).expectation(tuple(self.bend.values()))

    @cached_property
    def covariance(self) -> Floats | None:
        """How the contrasts of its tables move together from patient to patient; None where they are too many."""
        contrasts = {places: pull.departure.contrasts.functions for places, pull in self.pulls.items()}
        if sum(each.shape[1] for each in contrasts.values()) > _MOST_CONTRASTS:
            return None
        shape = self.prior.carrier.shape
        codes = self.expected.drawn(lambda stream: _SEED.stream(str(stream)).uniform(0, _DRAWN), _DRAWN)
        values = np.hstack([each[cells_of(codes, shape, places)] for places, each in contrasts.items()])
        values -= values.mean(axis=0)
        return np.asarray(values.T @ values / _DRAWN)

    def tells(self, places: Places) -> bool:
        """Return whether variables were measured together; how they hang together is the prior's word where not."""
        return any(set(places) <= set(table) for table in self.pulls)


def fit(prior: Prior, measured: Sequence[Measured], start: Fit | None = None) -> Fit:
    """Return the fit of a prior to tables, each of different variables.

    Args:
        prior: What is known without them.
        measured: The tables; those of the same variables have been made one. Of one cell, or told in none, they say nothing.
        start: An earlier fit of the same prior to some of them, from which the search begins.
    """
    telling = [one for one in measured if one.share.size > 1 and np.isfinite(one.share).any()]
    joints = [one for one in telling if len(one.places) > 1]
    first = _single_fit(prior, singles_of(prior.domain.shape, telling), start)
    if not joints:
        return first
    pulls = {**first.pulls, **_pulls(prior, first.expected, joints, {place for (place,) in first.pulls})}
    bend, evaluations = solved(prior.carrier, pulls, start.bend if start else first.bend)
    return Fit(prior, pulls, bend, evaluations, first)


def singles_of(shape: Sequence[int], measured: Sequence[Measured]) -> list[Measured]:
    """Return a table of each variable: its own, and what wider tables tell of it as well, each by its certainty.

    Wider tables are of the same patients, so that they lessen noise and not the chance of a sample.
    """
    margins: dict[Places, list[Measured]] = {}
    for one in measured:
        for place in one.places:
            share = summed(one.share, shape, one.places, (place,))
            if share.size > 1 and (len(one.places) == 1 or np.isfinite(share).all()):
                noise = one.noise * one.share.size / share.size
                margins.setdefault((place,), []).append(Measured((place,), share, noise, one.patients))
    return [_by_noise(several) if len(several) > 1 else several[0] for several in margins.values()]


def _by_noise(several: Sequence[Measured]) -> Measured:
    weights = 1 / np.maximum([one.noise for one in several], _NO_NOISE)
    share = np.array([one.share for one in several])
    told = np.isfinite(share) * weights[:, None]
    with np.errstate(invalid="ignore"):
        mean = np.where(told.any(axis=0), (np.nan_to_num(share) * told).sum(axis=0) / told.sum(axis=0), np.nan)
    return Measured(several[0].places, mean, float(1 / weights.sum()), max(one.patients for one in several))


def _single_fit(prior: Prior, singles: Sequence[Measured], start: Fit | None) -> Fit:
    """Return the fit to the tables of one variable; an earlier one where it was to the same tables."""
    nothing = Fit(prior, {}, {})
    if not singles:
        return nothing
    pulls = _pulls(prior, nothing.expected, singles)
    before = nothing if start is None else start.base or start
    if before.pulls.keys() == pulls.keys() and all(
        np.array_equal(pulls[one].departure.share, before.pulls[one].departure.share, equal_nan=True) for one in pulls
    ):
        return before
    return Fit(prior, pulls, *solved(prior.carrier, pulls, before.bend))


def _pulls(
    prior: Prior, expected: Expectation, measured: Sequence[Measured], single: Collection[int] = ()
) -> dict[Places, Pull]:
    """Return what tables pull at; of variables that are ``single`` already, only how they hang together."""
    departures = []
    for one in measured:
        departure = _departure(prior.domain, expected.over(one.places), one)
        if set(one.places) <= set(single):
            departure = replace(departure, contrasts=departure.contrasts.joint)
        departures.append(departure)
    followed = weighed(departures, prior.beliefs)
    pulls = map(Pull, departures, followed)
    return dict(zip((one.places for one in measured), pulls, strict=True))


def possible(one: Measured, axes: Sequence[Bins], expected: Floats) -> Measured:
    """Return a table as it would be if everybody had the values that the prior knows everybody to have.

    No bend reaches the bin of missing values of a variable that a model always knows. Those in it are shared out among
    the variable's other bins: as patients are who are alike in all else that the table says of them, or as the prior
    has it where it says of none (the EM algorithm for incomplete tables; Dempster, Laird and Rubin, J R Stat Soc B
    1977;39:1). The table tells of so many patients less; cells with missing values are NaN.
    """
    never = [place for place, axis in enumerate(axes) if axis.missing and _never(axes, expected, place)]
    if not never:
        return one
    shape = tuple(axis.count for axis in axes)
    inside = tuple(slice(0, -1) if place in never else slice(None) for place in range(len(shape)))
    told = np.where(np.isfinite(one.share), one.share, expected).reshape(shape)
    known = min(max(float(told[inside].sum()), _LEAST), 1.0)
    share = np.full(shape, np.nan)
    share[inside] = _shared_out(told, expected.reshape(shape)[inside], never)
    share[~np.isfinite(one.share.reshape(shape))] = np.nan
    return Measured(one.places, share.ravel(), one.noise / known**2, one.patients * known)


def _never(axes: Sequence[Bins], expected: Floats, place: int) -> bool:
    """Return whether the prior has nobody in the last bin of a variable."""
    return not np.take(expected.reshape([axis.count for axis in axes]), -1, place).any()


def _shared_out(told: Floats, prior: Floats, never: Sequence[int]) -> Floats:
    """Return the shares of the cells in which no value is missing, those with missing ones shared out among them."""

    def slab(missing: Sequence[int]) -> Floats:
        bins = [slice(None)] * told.ndim
        for place in never:
            bins[place] = slice(-1, None) if place in missing else slice(0, -1)
        return told[tuple(bins)]

    patterns = [each for count in range(1, len(never) + 1) for each in itertools.combinations(never, count)]
    complete, found = slab(()), prior
    for _ in range(_SHARINGS):
        likely = np.maximum(found, 0.0)
        parts = [slab(each) * likely / np.maximum(likely.sum(axis=each, keepdims=True), _TINY) for each in patterns]
        found = complete + np.sum(parts, axis=0)
    return np.asarray(found)


def _departure(domain: Domain, expected: Floats, measured: Measured) -> Departure:
    one = possible(measured, [domain.axes[place] for place in measured.places], expected)
    told = np.isfinite(one.share)
    share = np.where(told, one.share, expected)
    contrasts = contrasts_of([domain.axes[place] for place in one.places], expected)
    # Of cells that are not told, nothing is known but what was expected: contrasts see them as if it were so.
    return Departure(share, expected, one.noise, one.patients * float(told[expected > 0].mean()), contrasts)


def solved(
    carrier: Carrier, pulls: Mapping[Places, Pull], start: Bend, covariance: Floats | None = None
) -> tuple[dict[Places, Floats], int]:
    """Return θ that minimises the dual, and after how many evaluations.

    θ of a table is a sum of its contrasts. Contrasts are of about the same curvature, so that the search is short; it
    is shorter still where the ``covariance`` of all of them near the answer is known.
    """
    tables = tuple(pulls)
    bent = carrier.bent_by(tables)
    functions = [pulls[one].departure.contrasts.functions for one in tables]
    centres = [pulls[one].departure.expected for one in tables]
    followed = np.concatenate([pulls[one].followed for one in tables])
    penalty = softness(followed)
    # So much more is asked than is meant to be followed as the softness will leave of it.
    goal = (1 + penalty) * followed * np.concatenate([pulls[one].departure.seen for one in tables])
    cuts = np.cumsum([each.shape[1] for each in functions])[:-1]
    begin = np.concatenate([_along(pulls[one], start.get(one)) for one in tables])
    outward, inward = _scaled(penalty) if covariance is None else _whitened(covariance, penalty)

    def thetas(weights: Floats) -> list[Floats]:
        return [each @ part for each, part in zip(functions, np.split(weights, cuts), strict=True)]

    def dual(steps: Floats) -> tuple[float, Floats]:
        weights = begin + outward(steps)
        bends = thetas(weights)
        log_z, marginals = bent.evaluate(bends)
        met = [each.T @ (found - centre) for each, found, centre in zip(functions, marginals, centres, strict=True)]
        centred = log_z - sum(float(bend @ centre) for bend, centre in zip(bends, centres, strict=True))
        gradient = np.concatenate(met) - goal + penalty * weights
        return centred - float((weights * goal).sum()) + 0.5 * float((penalty * weights**2).sum()), inward(gradient)

    surest = min(float(pulls[one].departure.uncertainty.min()) for one in tables)
    close = max(_SMALL * surest**0.5, _LEAST)
    first = np.zeros(begin.size)
    found, _, report = fmin_l_bfgs_b(dual, first, m=_MEMORY, factr=_NO_END, pgtol=close, maxiter=_STEPS)
    return dict(zip(tables, thetas(begin + outward(found)), strict=True)), int(report["funcalls"])


_Linear = Callable[[Floats], Floats]


def _scaled(penalty: Floats) -> tuple[_Linear, _Linear]:
    """Return the way from steps to weights and that of gradients back, each contrast in steps of its own size."""
    scale = 1 / np.sqrt(1 + penalty)
    return lambda steps: steps * scale, lambda gradient: gradient * scale


def _whitened(covariance: Floats, penalty: Floats) -> tuple[_Linear, _Linear]:
    """Return the same in steps in which the dual is nearly round: its curvature is covariance and penalty."""
    triangle = cholesky(covariance + np.diag(penalty), lower=True)
    inverse = solve_triangular(triangle, np.eye(len(penalty)), lower=True)
    return lambda steps: steps @ inverse, lambda gradient: inverse @ gradient


def _along(pull: Pull, theta: Floats | None) -> Floats:
    """Return the weight of each contrast in an earlier θ; where there is none, what a small departure would need."""
    if theta is None:
        return pull.followed * pull.departure.seen
    functions = pull.departure.contrasts.functions
    return np.asarray(functions.T @ (theta * np.maximum(pull.departure.expected, 0.0)))
