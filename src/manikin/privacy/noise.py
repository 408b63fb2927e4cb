"""Privacy noise: no seed, no second draw. The mechanisms are OpenDP's, which are proven and safe in floating point.

Nothing here is drawn by whoever imports it: an ``Account`` buys first and draws then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.errors import BudgetError, MissingExtraError

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

GAUSSIAN = "discrete Gaussian"
CHOICE = "exponential mechanism"


@dataclass(frozen=True)
class Noisy:
    """Counts with discrete Gaussian noise of scale ``sigma`` in each, what they cost and the entry of the ledger."""

    values: Counts
    sigma: float
    rho: float
    receipt: str


@dataclass(frozen=True)
class Choice:
    """Which of several was chosen for its score, what that cost and the entry of the ledger."""

    index: int
    rho: float
    receipt: str


@dataclass(frozen=True)
class Noise:
    """A mechanism that is ready to draw: its scale, and the draw itself, which nobody but the ledger should call."""

    scale: float
    draw: Callable[[list[Any]], Any]


def gaussian_noise(rho: float, sensitivity: float) -> Noise:
    """Return the discrete Gaussian for counts of which one patient changes ``sensitivity`` in the L2 norm.

    Source: Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy, arXiv:2004.00010.
    """
    opendp = _opendp()
    space = (
        opendp.domains.vector_domain(opendp.domains.atom_domain(T="i64")),
        opendp.metrics.l2_distance(T="f64"),
    )
    return _calibrated(
        lambda scale: opendp.measurements.make_gaussian(*space, scale=scale),
        sensitivity / math.sqrt(2 * rho),
        sensitivity,
        rho,
    )


def choosing_noise(rho: float, sensitivity: float) -> Noise:
    """Return the exponential mechanism for scores of which one patient changes each by ``sensitivity`` at most.

    It is drawn as the largest of scores with Gumbel noise, and costs epsilon²/8.

    Source: Cesar and Rogers, Bounding, concentrating, and truncating, arXiv:2004.07223.
    """
    opendp = _opendp()
    space = (
        opendp.domains.vector_domain(opendp.domains.atom_domain(T="f64", nan=False)),
        opendp.metrics.linf_distance(T="f64"),
    )
    measure = opendp.measures.zero_concentrated_divergence()
    return _calibrated(
        lambda scale: opendp.measurements.make_noisy_max(*space, measure, scale=scale),
        2 * sensitivity / math.sqrt(8 * rho),
        sensitivity,
        rho,
    )


def _calibrated(mechanism: Callable[[float], Any], scale: float, sensitivity: float, rho: float) -> Noise:
    """Return the mechanism at the least scale, from the formula's on, whose own privacy map stays within ``rho``."""
    step = math.ulp(scale)
    while not (made := mechanism(scale)).map(sensitivity) <= rho:
        scale, step = scale + step, 2 * step
    return Noise(scale, made)


def _opendp() -> Any:
    """Return OpenDP, with the features that its own reviewers vetted as contributions."""
    try:
        import opendp.domains
        import opendp.measurements
        import opendp.measures
        import opendp.metrics
        import opendp.mod
    except ImportError as error:
        raise MissingExtraError("Privacy noise", "site") from error
    opendp.mod.enable_features("contrib")
    return opendp


def counts_of(values: Any) -> Counts:
    """Return whole counts as they can be given noise.

    Raises:
        BudgetError: They are no whole numbers of 64 bits, or none at all.
    """
    counts = np.asarray(values)
    if not counts.size or not np.can_cast(counts.dtype, np.int64):
        raise BudgetError(
            f"Noise is added to whole counts, one or more; got {counts.size} of type {counts.dtype}. Nothing was spent."
        )
    return counts.astype(np.int64)


def scores_of(values: Any) -> Scores:
    """Return finite scores among which can be chosen.

    Raises:
        BudgetError: One of them is not finite, or there are none.
    """
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise BudgetError("A choice is among one or more finite scores, in one dimension. Nothing was spent.")
    return scores
