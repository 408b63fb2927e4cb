"""The fit again, as it could just as well have come out: with other patients of the same kind, and other noise.

Each release of a study is made from a fit of its own, so that what releases differ in is what nobody knows. Patients
are drawn from the fit, as many as were measured, their tables are counted with noise as large as was added, and the
fit is drawn to its tables moved by as much as these departed from what was expected. Tables that share variables move
together, as tables of the same patients do. This is the parametric bootstrap (Efron and Tibshirani, An Introduction to
the Bootstrap, chapter 6, 1993); that noise for privacy belongs into it: Ferrando, Wang and Sheldon, Parametric
bootstrap for differentially private confidence intervals, arXiv:2006.07749.

A shrunken estimate is nearer to the truth on average and beside it in every single question, which no number of
releases could tell. These fits therefore hold on to the prior far less than the fit itself: what was measured is told
without bias and with all its uncertainty, and the prior speaks where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from manikin.codebook import Codes
from manikin.generators.graphical.carrier import Expectation
from manikin.generators.graphical.fit import Fit, Pull, solved
from manikin.generators.graphical.marginals import Places, counted
from manikin.streams import Floats, Seed

# How many patients' worth the prior keeps of its say in a cell that was measured: enough to have one answer where noise
# asks for shares below 0 (docs/inference.md measures 1, 3 and 10).
_WORTH = 3.0
# Of more patients the departures are those of so many, scaled.
_DRAWN = 200_000


def again(found: Fit, seed: Seed, number: int) -> Fit:
    """Return a fit redrawn within its uncertainty; it costs no privacy, being simulation from what is known already.

    Args:
        found: The fit to tables as they were measured.
        seed: From which all chance follows.
        number: Of the release, from 1: each is drawn by itself.
    """
    if not found.pulls:
        return found
    departures = _departures(found, seed, str(number))
    pulls = {places: _moved(pull, departures[places]) for places, pull in found.pulls.items()}
    return Fit(found.prior, pulls, *solved(found.prior.carrier, pulls, found.bend, found.covariance), base=found.base)


def _moved(pull: Pull, by: Floats) -> Pull:
    """Return a pull to shares that are moved, and hardly held back by the prior."""
    departure = replace(pull.departure, share=pull.departure.share + by)
    free = departure.spread / _WORTH
    return Pull(departure, free / (free + departure.uncertainty), departure.uncertainty * _WORTH)


def _departures(found: Fit, seed: Seed, number: str) -> Mapping[Places, Floats]:
    """Return by how much tables of patients drawn from the fit, with noise, depart from what the fit expects."""
    expected, shape = found.expected, found.prior.carrier.shape
    drawn: dict[float, Codes] = {}
    departures = {}
    for places, pull in found.pulls.items():
        # Tables of the same number of patients are tables of the same patients.
        patients = pull.departure.patients
        if patients not in drawn:
            drawn[patients] = _drawn(expected, seed, number, patients)
        size = len(drawn[patients])
        chance = counted(drawn[patients], shape, places) / size - expected.over(places)
        noise = ndtri(seed.stream("again", number, "noise", str(places)).uniform(0, chance.size))
        departures[places] = chance * np.sqrt(size / patients) + noise * np.sqrt(pull.departure.noise)
    return departures


def _drawn(expected: Expectation, seed: Seed, number: str, patients: float) -> Codes:
    size = int(min(max(round(patients), 1), _DRAWN))

    def uniform(stream: int) -> Floats:
        return seed.stream("again", number, "patients", f"{patients:.6g}", str(stream)).uniform(0, size)

    return expected.drawn(uniform, size)
