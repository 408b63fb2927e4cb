"""The fit again, as it could just as well have come out: with other patients of the same kind, and other noise.

Each release of a study is made from a fit of its own, so that what releases differ in is what nobody knows. Patients
are drawn from the fit, as many as were measured, their tables are counted with noise as large as was added, and the
fit is drawn to its tables moved by as much as these depart from what was expected. Tables that share variables move
together, as tables of the same patients do. This is the parametric bootstrap (Efron and Tibshirani, An Introduction to
the Bootstrap, chapter 6, 1993); noise for privacy belongs into it: Ferrando, Wang and Sheldon, AISTATS 2022,
arXiv:2006.07749.

A shrunken estimate is nearer to the truth on average and beside it in every single question, which no number of
releases could tell. In coarse contrasts, those that a difference of means or a coefficient asks about, these fits
therefore hardly listen to the prior: what was measured is told without bias and with all its uncertainty. In fine ones,
which noise would drown, the prior is held on to, and doubted as much as it may err there. Where nothing was measured it
has the only word.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import ndtri

from manikin.codebook import Codes
from manikin.generators.graphical.carrier import Expectation
from manikin.generators.graphical.contrasts import LEAST
from manikin.generators.graphical.evidence import Departure, ridge
from manikin.generators.graphical.fit import Fit, Pull, solved
from manikin.generators.graphical.marginals import Places, counted
from manikin.streams import Floats, Seed

# How many patients the prior is worth in a coarse contrast of evenly filled bins, and how many times more for each
# degree by which a contrast is finer. Three leave a correlation of two halves a standard deviation of 0.6, and their
# log odds ratio one of 2.3: next to no opinion.
_WORTH, _FINER = 3.0, 10.0
# Departures of more patients are those of so many, scaled.
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
    chance = _Chance(found.expected, found.prior.carrier.shape, seed, str(number))
    pulls = {places: chance.moved(places, _loosened(pull)) for places, pull in found.pulls.items()}
    return Fit(found.prior, pulls, *solved(found.prior.carrier, pulls, found.bend, found.covariance), base=found.base)


@dataclass(frozen=True)
class _Chance:
    """The chance of one release: who its patients would have been, what noise, and where the prior errs."""

    expected: Expectation
    shape: tuple[int, ...]
    seed: Seed
    number: str
    drawn: dict[float, Codes] = field(default_factory=dict)

    def moved(self, places: Places, pull: Pull) -> Pull:
        """Return a pull to a table moved by chance, by noise, and by as much as the prior may err."""
        departure = pull.departure
        share = departure.share + self._sampled(places, departure.patients)
        share += np.sqrt(departure.noise) * self._normal("noise", places, share.size)
        # Where the prior errs by its variance v, unc f / (1 - f), the answer moves as if the table did by unc² / v.
        doubt = np.sqrt(departure.uncertainty * ridge(pull.followed))
        doubt *= self._normal("prior", places, doubt.size)
        share += _likely(departure) * (departure.contrasts.functions @ doubt)
        return Pull(replace(departure, share=share), pull.followed)

    def _sampled(self, places: Places, patients: float) -> Floats:
        """Return by how much the shares among some patients depart from what is expected."""
        # Tables of the same number of patients are tables of the same patients.
        if patients not in self.drawn:
            size = int(min(max(round(patients), 1), _DRAWN))
            self.drawn[patients] = self.expected.drawn(partial(self._uniform, f"{patients:.6g}", size), size)
        size = len(self.drawn[patients])
        share = counted(self.drawn[patients], self.shape, places) / size
        return np.asarray((share - self.expected.over(places)) * np.sqrt(size / patients))

    def _uniform(self, patients: str, size: int, stream: int) -> Floats:
        return self.seed.stream("again", self.number, "patients", patients, str(stream)).uniform(0, size)

    def _normal(self, what: str, places: Places, size: int) -> Floats:
        uniform = self.seed.stream("again", self.number, what, str(places)).uniform(0, size)
        return np.asarray(ndtri(uniform), np.float64)


def _loosened(pull: Pull) -> Pull:
    """Return a pull that the prior hardly holds back, except in fine contrasts."""
    departure, contrasts = pull.departure, pull.departure.contrasts
    # What is rare stands far out in a contrast: by its fourth moment the prior is doubted by odds, and not by numbers.
    worth = _WORTH * _FINER ** np.array([finer for _, finer in contrasts.classes], np.float64)
    worth *= _likely(departure) @ contrasts.functions**4
    return Pull(departure, 1 / (1 + departure.uncertainty * worth))


def _likely(departure: Departure) -> Floats:
    """Return the shares under which contrasts are orthonormal."""
    return np.maximum(departure.expected, LEAST)
