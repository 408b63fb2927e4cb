"""What right guesses prove: bounds from below on epsilon.

Sources: Steinke, Nasr and Jagielski, Privacy auditing with one (1) training run, arXiv:2305.08846, theorem 5.2; Balle
and Wang, Improving the Gaussian mechanism, arXiv:1805.06530, theorem 8 (the exact epsilon of Gaussian noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, binom, norm

from benchmarks.audit.reader import Guesses

CONFIDENCE = 0.95
# Without knowing the mechanism only sure guesses prove much: one canary in so many.
SURE = 16


@dataclass(frozen=True)
class Finding:
    """What an audit of one measurement found: bounds from below on its epsilon, ``if_gaussian`` and ``whatever`` it is."""

    right: int
    guesses: int
    if_gaussian: float
    whatever: float

    @property
    def epsilon(self) -> float:
        """The larger bound."""
        return max(self.if_gaussian, self.whatever)


def audited(guesses: Guesses, delta: float, confidence: float = CONFIDENCE) -> Finding:
    """Return what the guesses of a reader prove, wrongly so once in 1/(1 - ``confidence``) times at most."""
    half = (1 - confidence) / 2
    right, made = guesses.right()
    sure = guesses.right(made // SURE)
    return Finding(
        right,
        made,
        gaussian_epsilon(_shift(right, made, half), delta),
        one_run_epsilon(made, *sure, delta, half),
    )


def _shift(right: int, guesses: int, error: float) -> float:
    """Return by how many standard deviations a canary moves the tables at least, if a guess is right by Phi(shift/2)."""
    return max(0.0, 2 * float(norm.ppf(at_least(right, guesses, error))))


def at_least(hits: int, trials: int, error: float) -> float:
    """Return the Clopper and Pearson bound from below on a probability."""
    return float(beta.ppf(error, hits, trials - hits + 1)) if hits else 0.0


def gaussian_epsilon(shift: float, delta: float) -> float:
    """Return the exact epsilon at a ``delta`` of Gaussian noise whose mean moves by ``shift`` standard deviations."""

    def excess(epsilon: float) -> float:
        tail = math.exp(epsilon + norm.logcdf(-shift / 2 - epsilon / shift))
        return float(norm.cdf(shift / 2 - epsilon / shift)) - tail - delta

    if shift <= 0 or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, shift**2 / 2 + shift * math.sqrt(-2 * math.log(delta))))


def one_run_epsilon(canaries: int, right: int, guesses: int, delta: float, error: float) -> float:
    """Return the largest epsilon that so many right guesses refute, whatever the mechanism."""

    def possible(epsilon: float) -> float:
        hit = 1 / (1 + math.exp(-epsilon))
        by_chance = float(binom.sf(right - 1, guesses, hit))
        below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, hit))
        slack = float(np.max(below / np.arange(1, right + 1), initial=0.0))
        return min(1.0, by_chance + 2 * canaries * delta * slack) - error

    return 0.0 if possible(0.0) >= 0 else float(brentq(possible, 0.0, 40.0))
