"""Distributions of time over public bins, one for each state: densities, what remains, and times drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.generators.sequence.scale import time_edges
from manikin.streams import Floats

_ITERATIONS = 3


@dataclass(frozen=True, eq=False)
class Durations:
    """How long something lasts, in steps of the clock, by state: ``shares`` has shape (states, bins).

    The last bin is beyond the horizon: what is in it is never seen to end.
    """

    edges: Floats
    shares: Floats

    @classmethod
    def unlimited(cls, states: int, horizon: int) -> Durations:
        """Return durations none of which ends before the horizon."""
        edges = time_edges(horizon)
        shares = np.zeros((states, len(edges) - 1))
        shares[:, -1] = 1
        return cls(edges, shares)

    def bins(self, steps: Any) -> Any:
        """Return the bin of each time."""
        return np.clip(np.searchsorted(self.edges, steps, side="right") - 1, 0, self.shares.shape[1] - 1)

    @property
    def log_density(self) -> Floats:
        """Log of the probability of each single step of a bin, shape (states, bins)."""
        return np.asarray(np.log(np.maximum(self.shares, 1e-300)) - np.log(np.diff(self.edges)))

    def log_survival(self, steps: Any) -> Floats:
        """Return the log of the probability of lasting these steps or longer, shape (*steps.shape, states)."""
        place = self.bins(steps)
        width = np.diff(self.edges)[place]
        left = np.clip((self.edges[place + 1] - steps) / width, 0, 1)
        after = np.cumsum(self.shares[:, ::-1], axis=1)[:, ::-1] - self.shares
        lasting = after[:, place] + left * self.shares[:, place]
        return np.asarray(np.moveaxis(np.log(np.clip(lasting, 1e-300, 1)), 0, -1))

    @property
    def by_step(self) -> Floats:
        """The probability of each single step from 0 to the horizon, and of whatever is beyond, shape (steps, states)."""
        steps = np.arange(int(self.edges[-2]))
        each = (self.shares / np.diff(self.edges))[:, self.bins(steps)].T
        each[0] = 0
        return np.vstack([each, self.shares[:, -1]])

    def by_bin(self, steps: Floats) -> Floats:
        """Return what ``by_step`` has a shape like, summed in bins, shape (states, bins)."""
        place = np.append(self.bins(np.arange(len(steps) - 1)), self.shares.shape[1] - 1)
        return np.stack([np.bincount(place, column, minlength=self.shares.shape[1]) for column in steps.T])

    def draw(self, state: Any, uniform: Floats) -> Any:
        """Return whole steps, 1 or more, of patients in these states."""
        below = np.cumsum(self.shares, axis=1)
        share = uniform * below[state, -1]
        place = np.zeros(len(share), np.int64)
        for one in np.unique(state):
            mine = state == one
            place[mine] = np.searchsorted(below[one], share[mine], side="right")
        place = np.minimum(place, self.shares.shape[1] - 1)
        start = below[state, place] - self.shares[state, place]
        within = np.clip((share - start) / np.maximum(self.shares[state, place], 1e-300), 0, 1 - 1e-9)
        width = self.edges[place + 1] - self.edges[place]
        return np.maximum(np.floor(self.edges[place] + within * width), 1).astype(np.int64)

    def learnt(self, ended: Floats, lasting: Floats, weight: float = 1.0) -> Durations:
        """Return the durations that counts speak for; these here are where what was not seen to end goes on.

        Args:
            ended: Counts of what ended in each bin, shape (states, bins).
            lasting: Counts of what had lasted until somewhere in each bin when it was last seen, shape (states, bins).
            weight: How many durations of all states together each state is taken to have seen besides its own.

        Source: self-consistency, Turnbull, J R Stat Soc B 1976;38:290.
        """
        shares = self.shares
        pooled = (ended.sum(axis=0) + 1e-3) / (ended.sum() + 1e-3 * ended.shape[1])
        for _ in range(_ITERATIONS if lasting.any() else 1):
            after = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1] - 0.5 * shares
            spread = np.cumsum(lasting / np.maximum(after, 1e-300) * (after > 0), axis=1) * shares
            # Half of a bin lies beyond what fell into its middle.
            spread -= 0.5 * lasting * shares / np.maximum(after, 1e-300) * (after > 0)
            counts = ended + spread + weight * pooled
            shares = counts / counts.sum(axis=1, keepdims=True)
        return Durations(self.edges, shares)
