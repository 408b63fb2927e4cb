"""Which states people were in, given what was recorded: forward and backward over all segments of contacts.

A segment is a stay in a state from one contact until another at which the next state is found. Its probability is that
of its contacts, of the gaps between them and to the next, and that the state was left between the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from manikin.codebook import ENDINGS
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
    """The parameters that order states in time; ``start`` and ``onward`` are logs of probabilities.

    ``dwell`` is of stays that another state follows, ``last`` of those with which follow-up ends for good.
    """

    start: Floats
    onward: Floats
    dwell: Durations
    last: Durations
    gap: Durations


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected given the records: ``state`` has shape (people, contacts, states), all others are counts."""

    likelihood: float
    state: Floats
    onward: Floats
    dwell: Floats
    last_ended: Floats
    last_lasting: Floats
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
        silent = chances.gap.log_survival(self.gap)[self.rows, self.last]
        shown = np.cumsum(np.where(self.inside[..., None], emission, 0), axis=1)
        gaps = np.concatenate([np.zeros((people, 1, states)), np.cumsum(going_on, axis=1)[:, :-1]], axis=1)
        # Both are indexed by contacts: ``until`` by the last one of a segment, with the gap after it.
        self.until = shown + gaps + going_on
        self.until[self.rows, self.last] += silent - going_on[self.rows, self.last]
        self.since = np.concatenate([np.zeros((people, 1, states)), shown[:, :-1]], axis=1) + gaps
        self.step = chances.dwell.by_step
        # What is left of a stay after each step; after the last one, which is beyond the horizon, nothing.
        self.after = np.maximum(1 - np.cumsum(self.step, axis=0), 0)
        self.after[-1] = 0
        self.length = np.maximum(course.left[:, None] - course.step, 1)
        self.seen = np.maximum(course.step[self.rows, self.last][:, None] - course.step, 0)
        self.lasting = self._lasting()
        self.ending = self._ending()

    def _lasting(self) -> tuple[Floats, Floats]:
        """Return logs of: a stay from each contact lasts until the end, and another state, or an end, comes later."""
        states = self.after.shape[1]
        targets = np.exp(self.chances.onward)
        going, ending = (targets[:, part].sum(axis=1) for part in (slice(states), slice(states, None)))
        # Who is in a state at the last contact may have left it since: only then is another one found.
        return _log(self.after[self.seen]) + _log(going), self.chances.last.log_survival(self.length) + _log(ending)

    def _ending(self) -> Floats:
        """Return the log probability of a last segment from each contact on, shape (people, contacts, states)."""
        course, last = self.course, self.chances.last
        states = self.after.shape[1]
        leaving = self.chances.onward[:, states:][:, np.maximum(course.ending, 0)].T[:, None, :]
        known = last.log_density.T[last.bins(self.length)] + leaving
        final = np.where((course.ending >= 0)[:, None, None], known, np.logaddexp(*self.lasting))
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
            start = self.course.step[who, first:place]
            parts = begun[who, first:place] - self.since[who, first:place]
            parts += _log(
                self._left(self.course.step[who, place - 1, None] - start, self.course.step[who, place, None] - start)
            )
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
        spread = np.zeros((len(self.after) + 1) * states)
        for place in range(contacts - 1, -1, -1):
            who = slice(self.people[place])
            beyond = slice(place + 1, min(place + 1 + self.longest, contacts))
            found = self.ending[who, place]
            if beyond.start < contacts:
                begin = self.course.step[who, place, None]
                low = self.course.step[who, place : beyond.stop - 1] - begin
                high = self.course.step[who, beyond] - begin
                inside = self._left(low, high)
                parts = after[who, beyond] + self.until[who, place : beyond.stop - 1] + _log(inside)
                top = np.maximum(parts.max(axis=1), _NEVER)
                parts = np.exp(parts - top[:, None])
                found = np.logaddexp(found, _log(parts.sum(axis=1)) + top - self.since[who, place])
                weight = np.exp(np.minimum(begun[who, place] - self.since[who, place] + top - total[who, None], 0.0))
                self._spread(spread, low, high, parts * weight[:, None] / np.maximum(inside, 1e-300))
            onset[who, place] = found
            if place:
                after[who, place] = _through(found, onward.T)
        return self._expected(begun, ended, onset, after, spread, total)

    def _expected(
        self, begun: Floats, ended: Floats, onset: Floats, after: Floats, spread: Floats, total: Floats
    ) -> Expected:
        states = self.until.shape[2]
        starts = np.where(self.inside[..., None], np.exp(begun + onset - total[:, None, None]), 0)
        ends = np.where(self.inside[..., None], np.exp(ended + after - total[:, None, None]), 0)
        state = np.clip(np.cumsum(starts - ends, axis=1), 0, 1) * self.inside[..., None]
        state /= np.maximum(state.sum(axis=2, keepdims=True), 1e-300)
        state *= self.inside[..., None]
        flow = self._flow(ended, onset, total)
        final = np.exp(begun + self.ending - total[:, None, None]) * self.inside[..., None]
        gone = (self.course.ending >= 0)[:, None, None]
        goes_on = np.exp(self.lasting[0] - np.logaddexp(*self.lasting))
        size = self.chances.last.shares.shape[1]
        bins = self.chances.last.bins(self.length)
        never = np.full_like(self.seen, len(self.after) - 1)
        unknown = final * ~gone * goes_on / np.maximum(self.after[self.seen], 1e-300)
        self._spread(spread, self.seen, never, unknown)
        dwells = np.cumsum(spread.reshape(-1, states), axis=0)[:-1] * self.step
        onward = np.concatenate([flow, np.zeros((states, len(ENDINGS)))], axis=1)
        for ending in range(len(ENDINGS)):
            onward[:, states + ending] = final[self.course.ending == ending].sum(axis=(0, 1))
        unseen = [(final * ~gone * share).sum(axis=(0, 1)) for share in (goes_on, 1 - goes_on)]
        onward += self._later(*unseen)
        between, at_last = self.inside[:, 1:, None], np.zeros_like(state)
        at_last[self.rows, self.last] = state[self.rows, self.last]
        return Expected(
            float(total.sum()),
            state,
            onward,
            self.chances.dwell.by_bin(np.maximum(dwells, 0)),
            _histogram(bins, final * gone, size),
            _histogram(bins, final * ~gone * (1 - goes_on), size),
            _histogram(self.gap_bins[:, :-1], state[:, :-1] * between, size),
            _histogram(self.gap_bins, at_last, size),
        )

    def _left(self, low: Any, high: Any) -> Floats:
        """Return the probability that a state is left after ``low`` steps, and by ``high`` at the latest."""
        return np.asarray(self.after[low] - self.after[high])

    def _spread(self, total: Floats, low: Any, high: Any, weight: Floats) -> None:
        """Add weights to all steps after ``low`` and until ``high``, as differences from step to step."""
        states = weight.shape[-1]
        for place, sign in ((low, 1.0), (high, -1.0)):
            index = (np.broadcast_to(place, weight.shape[:-1])[..., None] + 1) * states + np.arange(states)
            total += sign * np.bincount(index.ravel(), weight.ravel(), minlength=total.size)

    def _later(self, goes_on: Floats, ends: Floats) -> Floats:
        """Return where those go, by state, of whom it was not seen: to another state, or for good."""
        states = self.after.shape[1]
        targets = np.exp(self.chances.onward)
        found = np.zeros_like(targets)
        for part, people in ((slice(states), goes_on), (slice(states, None), ends)):
            share = targets[:, part]
            found[:, part] = people[:, None] * share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        return found

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
    counts = np.bincount(index.ravel(), weights.ravel(), minlength=size * states)
    return np.asarray(counts.reshape(size, states).T, np.float64)


def _log(shares: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(shares, 1e-300)))


def _logsum(parts: Floats, axis: int) -> Floats:
    top = np.maximum(parts.max(axis=axis), _NEVER)
    total = np.exp(parts - np.expand_dims(top, axis)).sum(axis=axis)
    return np.asarray(np.log(np.maximum(total, 1e-300)) + top)


def _through(logs: Floats, shares: Floats) -> Floats:
    """Return logs of the product of probabilities with a matrix of shares."""
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.maximum(np.exp(logs - top) @ shares, 1e-300)) + top)
