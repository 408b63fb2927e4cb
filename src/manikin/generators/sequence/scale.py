"""Scales on which values are learnt: a value's normal score among all, by a histogram over public bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from manikin.codebook import Kind, Variable
from manikin.errors import RequestError
from manikin.streams import Floats

# Beyond it lie 2 of 100,000 values; a score is kept on a step, so that whatever follows reads the same number.
FARTHEST = 4.25
SCORE_STEP = 2.0**-12

_MOST_STEPS = 1024
_COARSE_BINS = 256
# Time: one bin for each of the first steps, later ones a tenth wider than those before.
_SINGLE_STEPS = 120
_WIDENING = 1.1


def grid(variable: Variable) -> tuple[float, float, float]:
    """Return lowest and highest possible value and the step of a variable; levels count from 0."""
    if not variable.numeric:
        return 0.0, float(len(variable.levels or ("no", "yes")) - 1), 1.0
    step = variable.precision or (1.0 if variable.kind is Kind.COUNT else None)
    if step is None or not np.isfinite([variable.possible.low, variable.possible.high]).all():
        raise RequestError(
            f"'{variable.name}' is learnt on its codebook scale, and that has no limits or no precision. Write both."
        )
    return variable.possible.low, variable.possible.high, step


def value_edges(variable: Variable) -> Floats:
    """Return the edges of bins of a variable, from its limits and its step: one a step, or fewer where those are many."""
    low, high, step = grid(variable)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    if last - first <= _MOST_STEPS:
        steps = np.arange(first, last + 2)
    else:
        growing = first + np.concatenate([[0.0], np.geomspace(1, last - first + 1, _COARSE_BINS)])
        steps = np.unique(np.rint(growing))
    return np.asarray((steps - 0.5) * step)


def time_edges(horizon: int) -> Floats:
    """Return the edges of bins of time from 1 step to the horizon, and one bin for whatever is beyond."""
    edges = [float(step) for step in range(1, min(horizon, _SINGLE_STEPS) + 1)]
    while edges[-1] < horizon:
        edges.append(min(np.ceil(edges[-1] * _WIDENING), float(horizon)))
    return np.array([*edges, horizon + 1.0, 2.0 * horizon + 2.0])


@dataclass(frozen=True, eq=False)
class Scale:
    """A distribution over public bins, by which a value becomes a normal score and a score a value.

    ``edges`` has shape (bins + 1,), ``shares`` (bins,).
    """

    edges: Floats
    shares: Floats

    @classmethod
    def learnt(cls, edges: Floats, values: Floats) -> Scale:
        """Return the scale of ``values``; of none, all bins count alike."""
        counts = np.histogram(values, edges)[0].astype(np.float64)
        return cls(edges, counts / counts.sum() if counts.sum() else np.full(len(counts), 1 / len(counts)))

    @property
    def below(self) -> Floats:
        """The share below each edge."""
        return np.concatenate([[0.0], np.cumsum(self.shares)])

    def scores(self, values: Floats, uniform: Floats) -> Floats:
        """Return normal scores; ``uniform`` spreads the values of a bin over the bin's share of the scale."""
        place = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, len(self.shares) - 1)
        below = self.below
        share = below[place] + uniform * (below[place + 1] - below[place])
        return kept(ndtri(np.clip(share, 1e-9, 1 - 1e-9)))

    def floor(self, values: Floats) -> Floats:
        """Return the score below which no value of the bin of ``values``, or above, lies."""
        return self.scores(values, np.zeros_like(values))

    def width(self, values: Floats) -> Floats:
        """Return how wide the bin of each value is in scores, a step at least."""
        return np.maximum(self.scores(values, np.ones_like(values)) - self.floor(values), SCORE_STEP)

    def values(self, scores: Floats) -> Floats:
        """Return values of these scores, off the grid still; every one lies in a bin that holds something."""
        below = self.below
        share = np.minimum(ndtr(scores), np.nextafter(below[-1], 0))
        place = np.clip(np.searchsorted(below, share, side="right") - 1, 0, len(self.shares) - 1)
        within = (share - below[place]) / np.maximum(self.shares[place], 1e-300)
        width = self.edges[place + 1] - self.edges[place]
        return np.asarray(self.edges[place] + np.clip(within, 1e-9, 1 - 1e-9) * width)


def kept(scores: Floats) -> Floats:
    """Return scores on their step and within the farthest."""
    return np.asarray(np.rint(np.clip(scores, -FARTHEST, FARTHEST) / SCORE_STEP) * SCORE_STEP)
