"""The fit: the distribution closest to the prior that agrees with what was measured, as far as each can be trusted.

Minimises KL(P ‖ Q) + Σ (E_P φ - a)² / 2r over P, whose answer is P ∝ Q · exp(Σ θ φ); θ is found in the dual, which is
smooth and convex: log Z(θ) - θ·a + ½ Σ r θ². Tables of one variable are weighed against the prior, wider ones against
the fit to these; how far each is followed stands in ``evidence``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import fmin_l_bfgs_b

from manikin.generators.graphical.carrier import Bend, Carrier, Expectation
from manikin.generators.graphical.evidence import Belief, Departure, weighed
from manikin.generators.graphical.marginals import Places, cells_of
from manikin.streams import Floats, Seed

_LEAST_SHARE = 1e-4
_UNTOLD = 1e6
_LEAST_RIDGE = 1e-9
_STEPS = 200
_MEMORY = 20
_GRADIENT = 1e-5
_PRECISION = 1e-8 / np.finfo(np.float64).eps
# How cells move together is seen in a sample of this size; of more cells it would be too large a matrix.
_DRAWN, _SEED = 10_000, Seed(1_822)
_MOST_CELLS = 3_000


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

    @cached_property
    def covariance(self) -> Floats | None:
        """How the cells of its tables move together from patient to patient; None where they are too many."""
        shape = self.prior.carrier.shape
        codes = self.expected.drawn(lambda stream: _SEED.stream(str(stream)).uniform(0, _DRAWN), _DRAWN)
        first = np.cumsum([0, *(theta.size for theta in self.bend.values())])
        if first[-1] > _MOST_CELLS:
            return None
        cells = np.array([cells_of(codes, shape, one) + start for one, start in zip(self.bend, first, strict=False)])
        inside = sparse.csr_array(
            (np.ones(cells.size), cells.T.ravel(), np.arange(0, cells.size + 1, len(cells))), (_DRAWN, first[-1])
        )
        share = inside.sum(axis=0) / _DRAWN
        return np.asarray((inside.T @ inside).toarray() / _DRAWN - np.outer(share, share))

    def tells(self, places: Places) -> bool:
        """Return whether variables were measured together; how they hang together is the prior's word where not."""
        return any(set(places) <= set(table) for table in self.pulls)


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
    bend, evaluations = solved(prior.carrier, pulls, start.bend if start else first.bend)
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
    return Fit(prior, pulls, *solved(prior.carrier, pulls, before.bend))


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


def solved(
    carrier: Carrier, pulls: Mapping[Places, Pull], start: Bend, covariance: Floats | None = None
) -> tuple[dict[Places, Floats], int]:
    """Return θ that minimises the dual, and the number of evaluations it took.

    Args:
        carrier: The distribution that is bent.
        pulls: What it is drawn to.
        start: θ from which the search begins.
        covariance: That of the cells near the answer, where it is known: the search then takes a tenth of the steps.
    """
    tables = tuple(pulls)
    bent = carrier.bent_by(tables)
    share = np.concatenate([np.nan_to_num(pulls[one].departure.share) for one in tables])
    told = np.concatenate([np.isfinite(pulls[one].departure.share) for one in tables])
    ridge = np.where(told, np.concatenate([pulls[one].ridge for one in tables]), _UNTOLD)
    cuts = np.cumsum([pulls[one].ridge.size for one in tables])[:-1]
    begin = np.concatenate([start.get(one, np.zeros(pulls[one].ridge.size)) for one in tables])
    outward, inward = _scaled(share, ridge) if covariance is None else _whitened(covariance, ridge)

    def dual(steps: Floats) -> tuple[float, Floats]:
        theta = begin + outward(steps)
        log_z, marginals = bent.evaluate(np.split(theta, cuts))
        gradient = np.where(told, np.concatenate(marginals) - share, 0.0) + ridge * theta
        return log_z - float((theta * share).sum()) + 0.5 * float((ridge * theta * theta).sum()), inward(gradient)

    found, _, report = fmin_l_bfgs_b(
        dual, np.zeros(begin.size), m=_MEMORY, factr=_PRECISION, pgtol=_GRADIENT, maxiter=_STEPS
    )
    return dict(zip(tables, np.split(begin + outward(found), cuts), strict=True)), int(report["funcalls"])


_Linear = Callable[[Floats], Floats]


def _scaled(share: Floats, ridge: Floats) -> tuple[_Linear, _Linear]:
    """Return the way from steps to θ and that of gradients back, each cell in steps of its own size."""
    scale = 1 / np.sqrt(np.maximum(share, _LEAST_SHARE) + ridge)
    return lambda steps: steps * scale, lambda gradient: gradient * scale


def _whitened(covariance: Floats, ridge: Floats) -> tuple[_Linear, _Linear]:
    """Return the same in steps in which the dual is nearly round: its curvature is covariance and ridge."""
    size = len(ridge)
    triangle = cholesky(covariance + np.diag(ridge + _LEAST_RIDGE), lower=True)
    inverse = solve_triangular(triangle, np.eye(size), lower=True)
    return lambda steps: steps @ inverse, lambda gradient: inverse @ gradient
