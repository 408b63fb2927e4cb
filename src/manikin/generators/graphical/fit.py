"""The fit: the distribution closest to the prior that agrees with what was measured, as far as each can be trusted.

Minimises KL(P ‖ Q) + Σ (E_P φ - a)² / 2r over P, φ being the contrasts of tables; the answer is P ∝ Q · exp(Σ θ φ), and
θ is found in the dual, which is smooth and convex: log Z(θ) - θ·a + ½ Σ r θ². Tables of one variable are weighed
against the prior, wider ones against the fit to these; how far each contrast is followed stands in ``evidence``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from manikin.codebook import Domain
from manikin.generators.graphical.carrier import Bend, Carrier, Expectation
from manikin.generators.graphical.contrasts import contrasts_of
from manikin.generators.graphical.evidence import Belief, Departure, ridge, weighed
from manikin.generators.graphical.marginals import Places
from manikin.streams import Floats

_STEPS = 200
_MEMORY = 20
# The search ends where no contrast is further from its goal than a small part of how sure the surest one is.
_SMALL, _LEAST = 0.02, 1e-7
_NO_END = 10.0


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


def fit(prior: Prior, measured: Sequence[Measured], start: Fit | None = None) -> Fit:
    """Return the fit of a prior to tables, each of different variables.

    Args:
        prior: What is known without them.
        measured: The tables; those of the same variables have been made one.
        start: An earlier fit of the same prior to some of them, from which the search begins.
    """
    singles = [one for one in measured if len(one.places) == 1]
    joints = [one for one in measured if len(one.places) > 1]
    first = _single_fit(prior, singles, start)
    if not joints:
        return first
    pulls = {**first.pulls, **_pulls(prior, first.expected, joints)}
    bend, evaluations = _solved(prior.carrier, pulls, start.bend if start else first.bend)
    return Fit(prior, pulls, bend, evaluations, first)


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
    return Fit(prior, pulls, *_solved(prior.carrier, pulls, before.bend))


def _pulls(prior: Prior, expected: Expectation, measured: Sequence[Measured]) -> dict[Places, Pull]:
    departures = [_departure(prior.domain, expected.over(one.places), one) for one in measured]
    followed = weighed(departures, prior.beliefs)
    pulls = map(Pull, departures, followed)
    return dict(zip((one.places for one in measured), pulls, strict=True))


def _departure(domain: Domain, expected: Floats, one: Measured) -> Departure:
    told = np.isfinite(one.share)
    share = np.where(told, one.share, expected)
    contrasts = contrasts_of([domain.axes[place] for place in one.places], expected)
    # Of cells that are not told, nothing is known but what was expected: contrasts see them as if it were so.
    return Departure(share, expected, one.noise, one.patients * float(told.mean()), contrasts)


def _solved(carrier: Carrier, pulls: Mapping[Places, Pull], start: Bend) -> tuple[dict[Places, Floats], int]:
    """Return θ that minimises the dual, and after how many evaluations.

    θ of a table is a sum of its contrasts. Contrasts are of about the same curvature, so that the search is short.
    """
    tables = tuple(pulls)
    bent = carrier.bent_by(tables)
    functions = [pulls[one].departure.contrasts.functions for one in tables]
    centres = [pulls[one].departure.expected for one in tables]
    goal = np.concatenate([pulls[one].departure.seen for one in tables])
    penalty = np.concatenate([ridge(pulls[one].followed) for one in tables])
    cuts = np.cumsum([each.shape[1] for each in functions])[:-1]
    scale = 1 / np.sqrt(1 + penalty)

    def thetas(scaled: Floats) -> list[Floats]:
        return [each @ part for each, part in zip(functions, np.split(scaled * scale, cuts), strict=True)]

    def dual(scaled: Floats) -> tuple[float, Floats]:
        weights = scaled * scale
        bends = thetas(scaled)
        log_z, marginals = bent.evaluate(bends)
        met = [each.T @ (found - centre) for each, found, centre in zip(functions, marginals, centres, strict=True)]
        centred = log_z - sum(float(bend @ centre) for bend, centre in zip(bends, centres, strict=True))
        gradient = np.concatenate(met) - goal + penalty * weights
        return centred - float((weights * goal).sum()) + 0.5 * float((penalty * weights**2).sum()), gradient * scale

    first = np.concatenate([_along(pulls[one], start.get(one)) for one in tables]) / scale
    surest = min(float(pulls[one].departure.uncertainty.min()) for one in tables)
    close = max(_SMALL * surest**0.5, _LEAST)
    found, _, report = fmin_l_bfgs_b(dual, first, m=_MEMORY, factr=_NO_END, pgtol=close, maxiter=_STEPS)
    return dict(zip(tables, thetas(found), strict=True)), int(report["funcalls"])


def _along(pull: Pull, theta: Floats | None) -> Floats:
    """Return the weight of each contrast in an earlier θ; where there is none, what a small departure would need."""
    if theta is None:
        return pull.followed * pull.departure.seen
    functions = pull.departure.contrasts.functions
    return np.asarray(functions.T @ (theta * np.maximum(pull.departure.expected, 0.0)))
