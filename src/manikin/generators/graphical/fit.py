"""The fit: the distribution closest to the prior that agrees with what was measured, as far as each can be trusted.

Minimises KL(P ‖ Q) + Σ (E_P φ - a)² / 2r over P, whose answer is P ∝ Q · exp(Σ θ φ); θ is found in the dual, which is
smooth and convex: log Z(θ) - θ·a + ½ Σ r θ². Tables of one variable are weighed against the prior, wider ones against
the fit to these; how far each is followed stands in ``evidence``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from manikin.generators.graphical.carrier import Bend, Carrier, Expectation
from manikin.generators.graphical.evidence import Belief, Departure, weighed
from manikin.generators.graphical.marginals import Places
from manikin.streams import Floats

_LEAST_SHARE = 1e-4
_UNTOLD = 1e6
_STEPS = 200
_MEMORY = 20
_GRADIENT = 1e-5
_PRECISION = 1e-8 / np.finfo(np.float64).eps


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
    """A distribution to start from, and what is thought of it before any table is seen.

    ``single`` is the belief in its tables of one variable, ``joint`` in how they hang together.
    """

    carrier: Carrier
    single: Belief
    joint: Belief


@dataclass(frozen=True)
class Pull:
    """What a fit is drawn to: a departure from what was expected, and the penalty on θ of each cell."""

    departure: Departure
    followed: Floats
    ridge: Floats


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
    pulls = {**first.pulls, **_pulls(first.expected, joints, prior.joint)}
    bend, evaluations = _solved(prior.carrier, pulls, start.bend if start else first.bend)
    return Fit(prior, pulls, bend, evaluations, first)


def _single_fit(prior: Prior, singles: Sequence[Measured], start: Fit | None) -> Fit:
    """Return the fit to the tables of one variable; an earlier one where it was to the same tables."""
    nothing = Fit(prior, {}, {})
    if not singles:
        return nothing
    pulls = _pulls(_unbent(prior.carrier, [one.places for one in singles]), singles, prior.single)
    before = nothing if start is None else start.base or start
    if before.pulls.keys() == pulls.keys() and all(
        np.array_equal(pulls[one].departure.share, before.pulls[one].departure.share, equal_nan=True) for one in pulls
    ):
        return before
    return Fit(prior, pulls, *_solved(prior.carrier, pulls, before.bend))


def _unbent(carrier: Carrier, tables: Sequence[Places]) -> Expectation:
    nothing = [np.zeros(carrier.shape[place]) for (place,) in tables]
    return carrier.bent_by(tables).expectation(nothing)


def _pulls(expected: Expectation, measured: Sequence[Measured], belief: Belief) -> dict[Places, Pull]:
    departures = [Departure(one.share, expected.over(one.places), one.noise, one.patients) for one in measured]
    sizes = weighed(departures, belief)
    return {
        one.places: Pull(departure, departure.followed(size), departure.ridge(size))
        for one, departure, size in zip(measured, departures, sizes, strict=True)
    }


def _solved(carrier: Carrier, pulls: Mapping[Places, Pull], start: Bend) -> tuple[dict[Places, Floats], int]:
    """Return θ that minimises the dual, and after how many evaluations."""
    tables = tuple(pulls)
    bent = carrier.bent_by(tables)
    share = np.concatenate([np.nan_to_num(pulls[one].departure.share) for one in tables])
    told = np.concatenate([np.isfinite(pulls[one].departure.share) for one in tables])
    ridge = np.where(told, np.concatenate([pulls[one].ridge for one in tables]), _UNTOLD)
    cuts = np.cumsum([pulls[one].ridge.size for one in tables])[:-1]
    scale = 1 / np.sqrt(np.maximum(share, _LEAST_SHARE) + ridge)

    def dual(scaled: Floats) -> tuple[float, Floats]:
        theta = scaled * scale
        log_z, marginals = bent.evaluate(np.split(theta, cuts))
        gradient = np.where(told, np.concatenate(marginals) - share, 0.0) + ridge * theta
        return log_z - float((theta * share).sum()) + 0.5 * float((ridge * theta * theta).sum()), gradient * scale

    zeros = {one: np.zeros(pulls[one].ridge.size) for one in tables}
    first = np.concatenate([start.get(one, zeros[one]) for one in tables]) / scale
    found, _, report = fmin_l_bfgs_b(dual, first, m=_MEMORY, factr=_PRECISION, pgtol=_GRADIENT, maxiter=_STEPS)
    return dict(zip(tables, np.split(found * scale, cuts), strict=True)), int(report["funcalls"])
