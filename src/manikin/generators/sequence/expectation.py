"""Which states people were in, given what was recorded: forward and backward over all segments of contacts.

A segment is a stay in a state from one contact until another at which the next state is entered. Its probability is
that of its contacts, of the gaps between them, of no further contact before it ends, and of its length in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from manikin.generators.sequence.durations import Durations
from manikin.streams import Floats

_NEVER = -1e30


@dataclass(frozen=True, eq=False)
class Course:
    """Contacts of people by row, those with most first, padded: ``step`` has shape (people, most contacts).

    ``left`` is when they were last followed, ``ending`` why they left, -1 where it was only that nobody looked on.
    """

    step: Any
    count: Any
    left: Any
    ending: Any


@dataclass(frozen=True, eq=False)
class Chances:
    """The parameters that order states in time, as logs of probabilities."""

    start: Floats
    onward: Floats
    dwell: Durations
    gap: Durations


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected given the records: ``state`` has shape (people, contacts, states), all others are counts."""

    likelihood: float
    state: Floats
    onward: Floats
    dwell_ended: Floats
    dwell_lasting: Floats
    gap_ended: Floats
    gap_lasting: Floats


def expect(course: Course, emission: Floats, chances: Chances, longest: int) -> Expected:
    """Return expected states and counts.

    Args:
        course: The contacts.
        emission: Log probability of each contact in each state, shape (people, contacts, states).
        chances: The model.
        longest: How many contacts a stay has at most, unless nothing follows it.
    """
    pieces = _Pieces(course, emission, chances, longest)
    begun, ended = pieces.forward()
    return pieces.backward(begun, ended)


class _Pieces:
    """Logs of probabilities of parts of segments: that of contacts i to j is ``until[j] - since[i]`` and the dwell."""

    def __init__(self, course: Course, emission: Floats, chances: Chances, longest: int) -> None:
        people, contacts, states = emission.shape
        self.course, self.chances, self.longest = course, chances, longest
        self.inside = np.arange(contacts) < course.count[:, None]
        self.rows = np.arange(people)
        self.last = course.count - 1
        # Of how many people a contact of that number exists.
        self.people = (course.count[:, None] > np.arange(contacts)).sum(axis=0)
        gap = np.diff(course.step, axis=1, append=course.step[:, -1:])
        gap[self.rows, self.last] = np.maximum(course.left - course.step[self.rows, self.last], 1)
        self.gap = np.maximum(gap, 1)
        self.gap_bins = chances.gap.bins(self.gap)
        going_on = np.moveaxis(chances.gap.log_density[:, self.gap_bins], 0, -1)
        self.silent = chances.gap.log_survival(self.gap)
        shown = np.cumsum(np.where(self.inside[..., None], emission, 0), axis=1)
        gaps = np.concatenate([np.zeros((people, 1, states)), np.cumsum(going_on, axis=1)[:, :-1]], axis=1)
        # ``until`` is indexed by the last contact of a segment.
        self.until = shown + gaps + self.silent
        self.since = np.concatenate([np.zeros((people, 1, states)), shown[:, :-1]], axis=1) + gaps
        self.log_dwell = np.ascontiguousarray(chances.dwell.log_density.T)
        self.ending = self._ending()

    def _ending(self) -> Floats:
        """Return the log probability of a last segment from each contact on, shape (people, contacts, states)."""
        course, dwell = self.course, self.chances.dwell
        length = np.maximum(course.left[:, None] - course.step, 1)
        states = self.log_dwell.shape[1]
        leaving = self.chances.onward[:, states:][:, np.maximum(course.ending, 0)].T[:, None, :]
        known = self.log_dwell[dwell.bins(length)] + leaving
        lasting = dwell.log_survival(length)
        final = np.where((course.ending >= 0)[:, None, None], known, lasting)
        final = final + self.until[self.rows, self.last][:, None] - self.since
        return np.where(self.inside[..., None], final, _NEVER)

    def forward(self) -> tuple[Floats, Floats]:
        """Return logs of: a segment begins at a contact, one ended just before it; shape (people, contacts, states)."""
        people, contacts, states = self.until.shape
        begun = np.full((people, contacts, states), _NEVER)
        ended = np.full((people, contacts, states), _NEVER)
        begun[:, 0] = self.chances.start
        onward = np.exp(self.chances.onward[:, :states])
        for place in range(1, contacts):
            who = slice(self.people[place])
            first = max(0, place - self.longest)
            length = self.course.step[who, place, None] - self.course.step[who, first:place]
            parts = begun[who, first:place] - self.since[who, first:place]
            parts += self.log_dwell[self.chances.dwell.bins(length)]
            ended[who, place] = _logsum(parts, 1) + self.until[who, place - 1]
            begun[who, place] = _through(ended[who, place], onward)
        return begun, ended

    def backward(self, begun: Floats, ended: Floats) -> Expected:
        """Return what is expected, from the last contact to the first."""
        people, contacts, states = self.until.shape
        total = logsumexp((begun + self.ending).reshape(people, -1), axis=1)
        onward = np.exp(self.chances.onward[:, :states])
        after = np.full((people, contacts, states), _NEVER)
        onset = np.full((people, contacts, states), _NEVER)
        dwells = np.zeros((states, len(self.log_dwell)))
        for place in range(contacts - 1, -1, -1):
            who = slice(self.people[place])
            beyond = slice(place + 1, min(place + 1 + self.longest, contacts))
            found = self.ending[who, place]
            if beyond.start < contacts:
                bins = self.chances.dwell.bins(self.course.step[who, beyond] - self.course.step[who, place, None])
                parts = after[who, beyond] + self.until[who, place : beyond.stop - 1]
                parts += self.log_dwell[bins]
                top = np.maximum(parts.max(axis=1), _NEVER)
                parts = np.exp(parts - top[:, None])
                found = np.logaddexp(found, np.log(np.maximum(parts.sum(axis=1), 1e-300)) + top - self.since[who, place])
                weight = np.exp(np.minimum(begun[who, place] - self.since[who, place] + top - total[who, None], 0.0))
                parts *= weight[:, None]
                index = bins[..., None] * states + np.arange(states)
                counts = np.bincount(index.ravel(), parts.ravel(), minlength=dwells.size)
                dwells += counts.reshape(-1, states).T
            onset[who, place] = found
            if place:
                after[who, place] = _through(found, onward.T)
        return self._expected(begun, ended, onset, after, dwells, total)

    def _expected(
        self, begun: Floats, ended: Floats, onset: Floats, after: Floats, dwells: Floats, total: Floats
    ) -> Expected:
        states = self.until.shape[2]
        starts = np.where(self.inside[..., None], np.exp(begun + onset - total[:, None, None]), 0)
        ends = np.where(self.inside[..., None], np.exp(ended + after - total[:, None, None]), 0)
        state = np.clip(np.cumsum(starts - ends, axis=1), 0, 1) * self.inside[..., None]
        state /= np.maximum(state.sum(axis=2, keepdims=True), 1e-300)
        state *= self.inside[..., None]
        between = self.inside[:, 1:]
        flow = self._flow(ended, onset, total)
        onward = np.concatenate([flow, np.zeros((states, 4))], axis=1)
        final = np.exp(begun + self.ending - total[:, None, None]) * self.inside[..., None]
        length = np.maximum(self.course.left[:, None] - self.course.step, 1)
        leaving = (self.course.ending >= 0)[:, None, None]
        bins = self.chances.dwell.bins(length)
        dwells = dwells + _histogram(bins, final * leaving, dwells.shape[1])
        lasting = _histogram(bins, final * ~leaving, dwells.shape[1])
        for ending in range(4):
            onward[:, states + ending] = final[self.course.ending == ending].sum(axis=(0, 1))
        stays = state[:, :-1] - ends[:, 1:]
        leaves = np.concatenate([ends[:, 1:], np.zeros_like(ends[:, :1])], axis=1)
        leaves[self.rows, self.last] = state[self.rows, self.last]
        stays = np.clip(np.where(between[..., None], stays, 0), 0, 1)
        size = self.chances.gap.shares.shape[1]
        return Expected(
            float(total.sum()),
            state,
            onward,
            dwells,
            lasting,
            _histogram(self.gap_bins[:, :-1], stays, size),
            _histogram(self.gap_bins, np.clip(leaves, 0, 1), size),
        )

    def _flow(self, ended: Floats, onset: Floats, total: Floats) -> Floats:
        """Return how often each state is expected to follow each."""
        states = self.until.shape[2]
        between = self.inside[:, 1:]
        left = (ended[:, 1:] - total[:, None, None])[between]
        right = onset[:, 1:][between]
        top = right.max(axis=1, keepdims=True)
        flow = np.exp(np.minimum(left + top, 700)).T @ np.exp(right - top)
        return np.asarray(flow * np.exp(self.chances.onward[:, :states]))


def _histogram(bins: Any, weights: Floats, size: int) -> Floats:
    """Return the weights in each bin, by state, shape (states, bins)."""
    states = weights.shape[-1]
    index = bins[..., None] * states + np.arange(states)
    return np.bincount(index.ravel(), weights.ravel(), minlength=size * states).reshape(size, states).T


def _logsum(parts: Floats, axis: int) -> Floats:
    top = np.maximum(parts.max(axis=axis), _NEVER)
    total = np.exp(parts - np.expand_dims(top, axis)).sum(axis=axis)
    return np.asarray(np.log(np.maximum(total, 1e-300)) + top)


def _through(logs: Floats, shares: Floats) -> Floats:
    """Return logs of the product of probabilities with a matrix of shares."""
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.maximum(np.exp(logs - top) @ shares, 1e-300)) + top)
