"""Bends a clinical model until it agrees with aggregates, and never sees a record while doing so.

A model whose measured variables hang together is carried by particles, a large sample of it; one whose measured
variables know nothing of each other, as those of a bare codebook, by a junction tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.aggregates import SITE, Aggregate, Aggregates, about_everyone, check_against, digest, patients_of
from manikin.clinic import ClinicalModel, Program
from manikin.codebook import Bins, Domain, bins_of
from manikin.errors import AggregatesError
from manikin.generators.graphical import (
    BLOCK,
    Belief,
    CalibratedTree,
    Fit,
    Independent,
    Measured,
    Particles,
    Places,
    Prior,
    WeightedParticles,
    again,
    fit,
    flat,
)
from manikin.generators.tilt import Bent, Clamped, Tilt, binned, edges, read_by
from manikin.streams import Draws, Floats, Seed

# The sample that stands for a model. It is simulation, and the same inside an institution and outside.
PARTICLES = 100_000
_SEED = Seed(20_261)
# What is thought of published knowledge before a site speaks: as sure as a sample of 500 of its patients would be, and
# never less so than one of 30. Of a codebook's own shares nearly nothing is thought, and that variables are independent is
# hardly knowledge either. These are assumptions of the method; the tables' evidence overrules them (docs/learning.md).
KNOWLEDGE = (Belief(500, 3, 1.5, 10, least=30), Belief(500, 3, 1.5, 10, least=30))
NO_KNOWLEDGE = (Belief(3, 10, 1.5, 1), Belief(30, 4, 2, 10), Belief(120, 4, 2, 10))
# θ is snapped, so that a lock tells it in full.
_THETA_STEP = 2.0**-30
# How much of the bent distribution may lie where weights are cut off, so that candidates are not refused for the sake of a few.
_CUT_OFF = 0.002
_LEAST_ACCEPTED = 1 / 2_000
# A bin that a root of a model leaves empty is rare, and not impossible.
_RARE = 1e-6


@dataclass(frozen=True)
class Agreement:
    """A fit of a clinical model to aggregates: how the model was bent, and what to make patients with.

    ``log_z`` and ``ceiling`` scale the weights of candidates where particles carry the model; see ``Tilt``.
    """

    aggregates: Aggregates
    program: Program
    fit: Fit
    log_z: float = 0.0
    ceiling: float = 1.0

    @property
    def domain(self) -> Domain:
        """The variables that were fitted, in bins."""
        return self.fit.prior.domain

    @property
    def by_particles(self) -> bool:
        """Whether candidates of the model are accepted by weight; otherwise bins are drawn first."""
        return isinstance(self.fit.prior.carrier, Particles)

    @property
    def effective(self) -> float:
        """The effective sample size of the bent particles as a share of all; 1 where bins are drawn."""
        expected = self.fit.expected
        return expected.effective if isinstance(expected, WeightedParticles) else 1.0

    @property
    def sample(self) -> float:
        """How many patients what is expected was counted in: infinite where it was computed."""
        expected = self.fit.expected
        return self.effective * expected.weights.size if isinstance(expected, WeightedParticles) else np.inf

    @property
    def cut_off(self) -> float:
        """How much of the bent distribution is lost where weights are cut off."""
        expected = self.fit.expected
        if not isinstance(expected, WeightedParticles):
            return 0.0
        return float(np.maximum(expected.weights - self.ceiling / expected.weights.size, 0.0).sum())

    def bent(self, block: int = BLOCK) -> Bent:
        """Return what a sampler needs; where bins are drawn first, so many patients are shared out together."""
        return bent_by(self.fit, self.log_z, self.ceiling, block)

    def again(self, seed: Seed, number: int) -> Agreement:
        """Return the agreement of a release by its number: this one for 0, others redrawn within its uncertainty.

        Raises:
            AggregatesError: It lies so far from the model that hardly a candidate would be accepted.
        """
        if not number:
            return self
        redrawn = snapped(again(self.fit, seed, number))
        log_z, ceiling = _scale(redrawn)
        return replace(self, fit=redrawn, log_z=log_z, ceiling=ceiling)

    def locked(self) -> dict[str, Any]:
        """Return what a lock has to tell, so that patients can be made again on any processor."""
        names = self.domain.names
        bend = [
            {"variables": [names[place] for place in places], "theta": theta.tolist()}
            for places, theta in self.fit.bend.items()
        ]
        return {"aggregates": digest(self.aggregates), "bend": bend, "log_z": self.log_z, "ceiling": self.ceiling}

    def as_locked(self, stored: Mapping[str, Any]) -> Agreement:
        """Return the agreement with the numbers of a lock in the place of those that were just computed."""
        bend = {
            tuple(self.domain.places[name] for name in one["variables"]): np.array(one["theta"], np.float64)
            for one in stored["bend"]
        }
        return replace(self, fit=replace(self.fit, bend=bend), log_z=stored["log_z"], ceiling=stored["ceiling"])


def bent_by(found: Fit, log_z: float | None = None, ceiling: float = 1.0, block: int = BLOCK) -> Bent:
    """Return what a sampler needs of a fit; the scale of weights is computed where it is not given."""
    expected = found.expected
    if isinstance(expected, CalibratedTree):
        return Clamped(found.prior.domain, expected.beliefs, block)
    scale = _scale(found) if log_z is None else (log_z, ceiling)
    return Tilt(found.prior.domain, dict(found.bend), *scale)


def prior_of(program: Program, domain: Domain, particles: int = PARTICLES) -> Prior:
    """Return a clinical model as what a fit starts from.

    Args:
        program: The calibrated model.
        domain: The variables that are fitted, in bins.
        particles: How large a sample stands for the model.
    """
    if program.model.flat:
        return flat_prior(domain)
    if _independent(program, domain):
        return Prior(Independent(tuple(_shares(program, axis) for axis in domain.axes)), domain, NO_KNOWLEDGE)
    columns = program.sample(program.needed_for(read_by(program, domain)), Draws(_SEED, np.arange(particles)))
    codes, inside = binned(program, columns, domain)
    return Prior(Particles(codes[inside], domain.shape), domain, KNOWLEDGE)


def flat_prior(domain: Domain) -> Prior:
    """Return no knowledge but of the bins: what fits start from where there is a codebook and no clinical model."""
    return Prior(flat(domain.shape), domain, NO_KNOWLEDGE)


def agree(program: Program, aggregates: Aggregates, particles: int = PARTICLES) -> Agreement:
    """Return the fit of a clinical model to aggregates.

    Raises:
        AggregatesError: The aggregates are about none of the model's variables, in other bins, or so far from the model
            that hardly a candidate would be accepted.
    """
    domain, measured = told(program.model, aggregates)
    found = snapped(fit(prior_of(program, domain, particles), measured))
    return Agreement(aggregates, program, found, *_scale(found))


def told(model: ClinicalModel, aggregates: Aggregates) -> tuple[Domain, list[Measured]]:
    """Return what aggregates say of a model's variables: the variables in bins, and a table for each set of them.

    Tables by site and those about events say nothing of them, and are left out.

    Raises:
        AggregatesError: There is no other table, or one is of other variables or bins than the model's.
    """
    wanted = about_everyone(aggregates)
    tables = tuple(one for one in wanted.aggregates if not _beside(one))
    if not any(_fits(model, one) for one in tables):
        raise AggregatesError(
            f"None of the tables is about variables of '{model.name}': there is nothing to agree with. "
            f"They were measured in the codebook {aggregates.codebook}."
        )
    domain = Domain(tuple({axis.name: axis for one in tables for axis in one.axes}.values()))
    check_against(replace(wanted, aggregates=tables), _declared(model, domain))
    return domain, together([shares_of(one, domain, patients_of(wanted, one)) for one in tables])


def shares_of(table: Aggregate, domain: Domain, patients: float) -> Measured:
    """Return a table of counts as shares of patients, its axes in the order of the domain."""
    places = domain.of(table.attributes)
    order = np.argsort(places)
    share = table.values.transpose(order).ravel() / max(patients, 1.0)
    return Measured(
        tuple(int(places[axis]) for axis in order), share, (table.noise / max(patients, 1.0)) ** 2, max(patients, 1.0)
    )


def together(tables: Sequence[Measured]) -> list[Measured]:
    """Return tables, those of the same variables made one by the weight of their certainty."""
    by_places: dict[Places, list[Measured]] = {}
    for one in tables:
        by_places.setdefault(one.places, []).append(one)
    return [_pooled(several) if len(several) > 1 else several[0] for several in by_places.values()]


def snapped(found: Fit) -> Fit:
    """Return a fit whose θ are multiples of a step, and the same on every processor that reads them."""
    bend = {places: np.rint(theta / _THETA_STEP) * _THETA_STEP for places, theta in found.bend.items()}
    return replace(found, bend=bend)


def _fits(model: ClinicalModel, table: Aggregate) -> bool:
    return all(name in model.variables for name in table.attributes)


def _beside(table: Aggregate) -> bool:
    """Return whether a table is by site, or about events: their questions have names such as ``events: hba1c``."""
    return SITE in table.attributes or any(":" in name for name in table.attributes)


def _declared(model: ClinicalModel, domain: Domain) -> Domain:
    meanings = [one.meaning for one in model.variables.values()]
    known = [one for one in meanings if one.name in domain.places or one.cuts or not one.numeric]
    return Domain(tuple(bins_of(one, missing=True) for one in known))


def _independent(program: Program, domain: Domain) -> bool:
    """Return whether variables have nothing in common in a model: each a root of its own, and on record by itself."""
    variables = program.model.variables
    return program.model.roots.issuperset(domain.names) and not any(
        axis.missing and variables[axis.name].observed is not None for axis in domain.axes
    )


def _shares(program: Program, axis: Bins) -> Floats:
    """Return the shares of a root's bins; who is without a value the model doesn't say, so that theirs is one of many."""
    low, high = edges(program, axis)
    shares = np.maximum(high - low, _RARE)
    if axis.missing:
        shares[-1] = shares[:-1].sum() / (axis.count - 1)
    return np.asarray(shares / shares.sum())


def _pooled(several: Sequence[Measured]) -> Measured:
    # A share is as sure as its noise and the chance of a sample let it be; of a cell in the middle, say.
    variance = [one.noise + 1 / (one.share.size * one.patients) for one in several]
    weights = np.array([[1 / each] * one.share.size for each, one in zip(variance, several, strict=True)])
    shares = np.array([one.share for one in several])
    weights[np.isnan(shares)] = 0.0
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(total > 0, (np.nan_to_num(shares) * weights).sum(axis=0) / total, np.nan)
    parts = weights[:, 0] / weights[:, 0].sum() if weights[:, 0].any() else np.full(len(several), 1 / len(several))
    noise = float(sum(part**2 * one.noise for part, one in zip(parts, several, strict=True)))
    chance = sum(part**2 / one.patients for part, one in zip(parts, several, strict=True))
    return Measured(several[0].places, share, noise, float(1 / chance))


def _scale(found: Fit) -> tuple[float, float]:
    """Return log Z of a bend of particles, and the weight at which candidates' weights are cut off."""
    expected = found.expected
    if not isinstance(expected, WeightedParticles):
        return 0.0, 1.0
    log_z, _ = found.prior.carrier.bent_by(tuple(found.bend)).evaluate(tuple(found.bend.values()))
    ceiling = _ceiling(np.sort(expected.weights) * expected.weights.size)
    if 1 / ceiling < _LEAST_ACCEPTED:
        raise AggregatesError(
            f"The aggregates lie so far from the model that only one candidate in {ceiling:,.0f} would be accepted. "
            "Ask whether they are about the model's population, or use a model that is nearer to it."
        )
    return log_z, ceiling


def _ceiling(weights: Floats) -> float:
    """Return the weight above which a small part of the distribution lies, from ascending weights that average 1."""
    # What is cut off at the k-th weight: the sum of all above it, less as many times it.
    above = np.cumsum(weights[::-1])[::-1] - weights * np.arange(weights.size, 0, -1)
    return float(weights[np.argmax(above <= _CUT_OFF * weights.size)])
