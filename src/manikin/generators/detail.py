"""Suits a model without knowledge to what tables tell of single variables, so that what lies within a bin is smooth.

It is computed from the tables alone, which costs no privacy. How many patients are in a bin is not settled here: that
is for the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manikin.aggregates import Aggregates
from manikin.clinic import ClinicalModel, Told, codebook_of, flat_model
from manikin.codebook import Domain
from manikin.generators.agreement import flat_prior, told
from manikin.generators.graphical import Measured, fit, size_of
from manikin.generators.graphical.marginals import summed


def informed(model: ClinicalModel, aggregates: Aggregates) -> ClinicalModel:
    """Return a flat model whose numbers are as smooth as the shares of their bins suggest; see ``flat_model``.

    Raises:
        AggregatesError: The tables are about none of its variables, or in other bins.
    """
    domain, measured = told(model, aggregates)
    expected = fit(flat_prior(domain), _singles(domain, measured)).expected
    shares = {axis.name: expected.over((place,))[: axis.count - axis.missing] for place, axis in enumerate(domain.axes)}
    source = f"{aggregates.source} of {aggregates.site}, {aggregates.made:%Y-%m-%d}"
    return flat_model(codebook_of(model), Told(shares, aggregates.population, source, aggregates.made))


def _singles(domain: Domain, measured: Sequence[Measured]) -> list[Measured]:
    """Return what is told of each variable: by its own table, or else by the narrowest that it is in."""
    narrowest = sorted(measured, key=lambda one: (len(one.places), one.share.size, one.places))
    return [
        _margin(domain, place, next(one for one in narrowest if place in one.places))
        for place in range(len(domain.axes))
    ]


def _margin(domain: Domain, place: int, wide: Measured) -> Measured:
    share = summed(wide.share, domain.shape, wide.places, (place,))
    return replace(
        wide, places=(place,), share=share, noise=wide.noise * size_of(domain.shape, wide.places) / share.size
    )
