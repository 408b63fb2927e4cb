"""Learns a hidden semi-Markov model from histories, by expectation and maximisation from a start by likeness.

Source: Rabiner, Proc IEEE 1989;77:257, doi:10.1109/5.18626, with explicit durations as in Yu 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manikin.codebook import ENDINGS
from manikin.errors import RequestError
from manikin.generators.sequence.contacts import (
    SETTINGS,
    Contacts,
    contacts_of,
    scales_of,
    static_scales,
    static_scores,
)
from manikin.generators.sequence.domain import FIRST_SEED, STUDY, Domain, Histories, Truths
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.expectation import Chances, Course, Expected, expect
from manikin.generators.sequence.scale import time_edges
from manikin.generators.sequence.semi_markov import Emission, SemiMarkov
from manikin.streams import Floats, Seed

_TINY = 1e-12
_LEAST_SPREAD = 0.05
_STRONGEST_MEMORY = 0.995
_LIKENESS_ROUNDS = 15
# What ``_line`` learns of an item, in this order.
_LINE = ("first", "first_spread", "level", "memory", "spread", "carried")
# Beside whether an item is recorded (0 or 1), how much a unit of its normal score counts for likeness.
_VALUES_COUNT = 0.4
# First guesses average over so many contacts before and after; each is followed for some rounds, the best to the end.
_AROUND = (0, 2, 8)
_TRIED = 4


@dataclass(frozen=True)
class Learning:
    """How many hidden states, and how long and from how many people they are learnt.

    ``longest`` is how many contacts a stay has at most, unless nothing follows it; ``pooled`` is how many contacts of
    all states together each state is taken to have seen besides its own.
    """

    states: int = 6
    rounds: int = 12
    people: int = 500
    longest: int = 40
    pooled: float = 1.0
    seed: Seed = FIRST_SEED


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is learnt from: contacts in rows and, padded, by person."""

    contacts: Contacts
    course: Course
    place: Any
    static: Floats


def learn_semi_markov(domain: Domain, histories: Histories, learning: Learning = Learning()) -> SemiMarkov:
    """Return the hidden semi-Markov model that these histories speak for.

    What it holds are shares, levels and spreads by state and the shares of public bins; no history is kept. It was
    learnt without differential privacy, and says that it is ``controlled``.
    """
    if not len(histories.timeline.events.patient):
        raise RequestError(f"There are no events to learn '{domain.title}' from.")
    scales, fixed = scales_of(domain, histories), static_scales(domain, histories)
    some = np.argsort(learning.seed.stream("people").uniform(0, histories.size), kind="stable")[: learning.people]
    taken = histories.taken(np.sort(some))
    lesson = _lesson(domain, contacts_of(domain, taken, scales), taken, static_scores(domain, taken, fixed))
    onset, observed = frame_of(domain, histories)
    model = SemiMarkov(
        domain,
        tuple(f"state {number + 1}" for number in range(learning.states)),
        np.full(learning.states, 1 / learning.states),
        np.full((learning.states, learning.states + len(ENDINGS)), 1 / (learning.states + len(ENDINGS))),
        _even(learning.states, domain),
        _even(learning.states, domain),
        _even(learning.states, domain),
        onset,
        observed,
        False,
        _blank(learning.states, domain),
        scales,
        fixed,
    )
    # From one start, likelihood may climb to a lower hill than from another.
    tried = [
        _climbed(_shown(model, lesson, _alike(lesson, learning, around), learning.pooled), lesson, learning, _TRIED)
        for around in _AROUND
    ]
    _, model = max(tried, key=lambda one: one[0])
    return _climbed(model, lesson, learning, learning.rounds)[1]


def _climbed(model: SemiMarkov, lesson: _Lesson, learning: Learning, rounds: int) -> tuple[float, SemiMarkov]:
    """Return the model after some rounds, and the log likelihood before the last of them."""
    likelihood = -np.inf
    inside = np.arange(lesson.place.shape[1]) < lesson.course.count[:, None]
    for _ in range(rounds):
        chances = Chances(_log(model.start), _log(model.onward), model.dwell, model.last, model.gap)
        emitted = _emitted(model.emission, lesson, model.domain.valued)
        found = expect(lesson.course, emitted, chances, learning.longest)
        likelihood, state = found.likelihood, np.zeros((len(lesson.contacts.step), learning.states))
        state[lesson.place[inside]] = found.state[inside]
        model = _shown(_timed(model, found, learning.pooled), lesson, state, learning.pooled)
    return likelihood, model


def _lesson(domain: Domain, contacts: Contacts, histories: Histories, static: Floats) -> _Lesson:
    order = np.argsort(-contacts.count, kind="stable")
    first, count, people = contacts.first[order], contacts.count[order], contacts.people[order]
    line = histories.timeline
    left = line.followed[people] // domain.clock
    ending = np.where(line.left_by[people] == STUDY, -1, line.left_by[people])
    place = first[:, None] + np.minimum(np.arange(count.max()), count[:, None] - 1)
    return _Lesson(contacts, Course(contacts.step[place], count, left, ending), place, static[people])


def frame_of(domain: Domain, histories: Histories) -> tuple[Durations, Durations]:
    """Return when the first contact comes, plus 1, and how long people are followed where nothing ends it before."""
    events, line = histories.timeline.events, histories.timeline
    _, first = np.unique(events.patient, return_index=True)
    begin = _even(1, domain)
    starts = begin.bins(events.time[first] // domain.clock + 1)
    until = begin.bins(np.clip(line.followed // domain.clock, 1, domain.horizon))
    size, study = begin.shares.shape[1], line.left_by == STUDY
    nothing = np.zeros((1, size))
    return (
        begin.learnt(np.bincount(starts, minlength=size)[None].astype(np.float64), nothing, weight=0),
        begin.learnt(
            np.bincount(until[study], minlength=size)[None].astype(np.float64),
            np.bincount(until[~study], minlength=size)[None].astype(np.float64),
            weight=0,
        ),
    )


def _even(states: int, domain: Domain) -> Durations:
    edges = time_edges(domain.horizon)
    return Durations(edges, np.full((states, len(edges) - 1), 1 / (len(edges) - 1)))


def _blank(states: int, domain: Domain) -> Emission:
    flat = Emission.flat(np.full((states, len(domain.items)), 0.5), len(domain.statics))
    return replace(flat, carried=np.full(flat.carried.shape, 0.5))


def _alike(lesson: _Lesson, learning: Learning, around: int) -> Floats:
    """Return a first guess, shape (contacts, states): those alike in what is recorded and in its level share a state.

    ``around`` is how many contacts before and after each one are averaged for it.
    """
    contacts = lesson.contacts
    known = np.where(np.isnan(contacts.score), contacts.before, contacts.score)
    features = np.hstack([contacts.seen - contacts.seen.mean(axis=0), _VALUES_COUNT * np.nan_to_num(known)])
    begin = np.repeat(contacts.first, contacts.count)
    end = begin + np.repeat(contacts.count, contacts.count)
    row, total = np.arange(len(features)), np.vstack([np.zeros(features.shape[1]), np.cumsum(features, axis=0)])
    low, high = np.maximum(row - around, begin), np.minimum(row + around + 1, end)
    features = (total[high] - total[low]) / (high - low)[:, None]
    draws = learning.seed.stream("alike").uniform(0, learning.states)
    centres = features[(draws * len(features)).astype(int)]
    for _ in range(_LIKENESS_ROUNDS):
        label = ((centres**2).sum(axis=1) - 2 * features @ centres.T).argmin(axis=1)
        for state in range(learning.states):
            if (label == state).any():
                centres[state] = features[label == state].mean(axis=0)
    return np.asarray(label[:, None] == np.arange(learning.states), np.float64)


def _emitted(emission: Emission, lesson: _Lesson, valued: Truths) -> Floats:
    """Return the log probability of each contact in each state, shape (people, contacts, states)."""
    contacts = lesson.contacts
    found = np.zeros((len(contacts.step), emission.measured.shape[1]))
    for item, numeric in enumerate(valued):
        likely = emission.measured[contacts.setting[:, item], :, item]
        found += _log(np.where(contacts.seen[:, item, None], likely, 1 - likely))
        if numeric:
            rows = np.flatnonzero(contacts.seen[:, item])
            carried, drawn = _densities(emission, contacts, rows, item)
            found[rows] += _log(carried + drawn)
    found[lesson.place[:, 0]] += _log_normal(
        np.nan_to_num(lesson.static[:, None] - emission.static), emission.static_spread
    ).sum(axis=2)
    return np.asarray(found[lesson.place])


def _densities(emission: Emission, contacts: Contacts, rows: Any, item: int) -> tuple[Floats, Floats]:
    """Return in each state the density of values as those before them, and as drawn, shape (rows, states)."""
    score, before = contacts.score[rows, item, None], contacts.before[rows, item, None]
    new = np.isnan(before)
    later = emission.level[:, item] + emission.memory[:, item] * np.nan_to_num(before)
    spread = np.where(new, emission.first_spread[:, item], emission.spread[:, item])
    drawn = np.exp(_log_normal(score - np.where(new, emission.first[:, item], later), spread))
    carried = np.where(new, 0, emission.carried[:, item])
    # The normal density above leaves out its constant factor, and so does this one.
    return carried * contacts.same[rows, item, None] * np.sqrt(2 * np.pi), (1 - carried) * drawn


def _timed(model: SemiMarkov, found: Expected, weight: float) -> SemiMarkov:
    """Return the model whose stays, gaps and transitions are as expected."""
    states = len(model.states)
    onward = found.onward + weight * found.onward.sum(axis=0) / max(found.onward.sum(), _TINY)
    onward[:, :states] *= 1 - np.eye(states)
    return replace(
        model,
        onward=onward / np.maximum(onward.sum(axis=1, keepdims=True), _TINY),
        dwell=model.dwell.learnt(found.dwell, np.zeros_like(found.dwell), weight),
        last=model.last.learnt(found.last_ended, found.last_lasting, weight),
        gap=model.gap.learnt(found.gap_ended, found.gap_lasting, weight),
    )


def _shown(model: SemiMarkov, lesson: _Lesson, state: Floats, weight: float) -> SemiMarkov:
    """Return the model whose contacts show what those of each state did; ``state`` has shape (contacts, states)."""
    contacts, first = lesson.contacts, state[lesson.place[:, 0]]
    shape = (len(model.states), len(model.domain.items))
    measured = np.stack(
        [_recorded(contacts.seen[:, item], contacts.setting[:, item], state, weight) for item in range(shape[1])],
        axis=2,
    )
    parts = dict(zip(_LINE, (np.zeros(shape) for _ in _LINE), strict=True)) | {
        name: np.ones(shape) for name in _LINE if "spread" in name
    }
    for item in np.flatnonzero(model.domain.valued).tolist():
        rows = np.flatnonzero(contacts.seen[:, item])
        carried, drawn = _densities(model.emission, contacts, rows, item)
        share = state[rows] * carried / np.maximum(carried + drawn, _TINY)
        line = _line(contacts.score[rows, item], contacts.before[rows, item], state[rows], share, weight)
        for name, column in zip(_LINE, line, strict=True):
            parts[name][:, item] = column
    known = ~np.isnan(lesson.static)
    total = first.T @ known + weight
    static = first.T @ np.nan_to_num(lesson.static) / total
    square = (first.T @ np.nan_to_num(lesson.static) ** 2 + weight) / total
    start = first.sum(axis=0) + weight / len(model.states)
    return replace(
        model,
        start=start / start.sum(),
        emission=Emission(
            measured, **parts, static=static, static_spread=np.sqrt(np.maximum(square - static**2, _LEAST_SPREAD**2))
        ),
    )


def _recorded(seen: Truths, setting: Any, state: Floats, weight: float) -> Floats:
    """Return the share of contacts at which an item is recorded, shape (settings, states)."""
    states = state.shape[1]
    index = (setting[:, None] * states + np.arange(states)).ravel()
    every, those = (
        np.bincount(index, part.ravel(), minlength=SETTINGS * states).reshape(SETTINGS, states)
        for part in (state, state * seen[:, None])
    )
    anyhow = (those.sum(axis=1) + weight * seen.mean()) / (every.sum(axis=1) + weight)
    return np.asarray((those + weight * anyhow[:, None]) / (every + weight))


def _line(score: Floats, before: Floats, state: Floats, carried: Floats, weight: float) -> tuple[Floats, ...]:
    """Return by state where first values lie and how spread, the line of later ones on those before, and who carries.

    ``carried`` has the shape of ``state``: how much of each state's share of a contact is a value carried on.
    """
    new = np.isnan(before)
    x, y = before[~new], score[~new]
    sums = np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y])
    drawn = _pooled((state - carried)[~new].T @ sums, weight)
    on = _pooled(np.column_stack([state[~new].sum(axis=0), carried[~new].sum(axis=0)]), weight)
    n, sx, sy, sxx, sxy, syy = drawn.T
    n = np.maximum(n, _TINY)
    varied, together, spread = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    memory = np.clip(together / np.maximum(varied, _TINY), 0, _STRONGEST_MEMORY) * (varied > _TINY)
    rest = np.maximum(spread - 2 * memory * together + memory**2 * varied, 0) / n
    z = score[new]
    m, sz, szz = _pooled(state[new].T @ np.column_stack([np.ones(len(z)), z, z * z]), weight).T
    m = np.maximum(m, _TINY)
    width = np.sqrt(np.maximum(szz / m - (sz / m) ** 2, _LEAST_SPREAD**2))
    tail = np.sqrt(np.maximum(rest, _LEAST_SPREAD**2)), on[:, 1] / np.maximum(on[:, 0], _TINY)
    return sz / m, width, (sy - memory * sx) / n, memory, *tail


def _pooled(sums: Floats, weight: float) -> Floats:
    """Return sums by state, to which ``weight`` contacts as all states have them are added."""
    everyone = sums.sum(axis=0)
    return np.asarray(sums + weight * everyone / max(everyone[0], 1.0))


def _log(shares: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(shares, _TINY)))


def _log_normal(deviation: Floats, spread: Floats) -> Floats:
    return np.asarray(-0.5 * (deviation / spread) ** 2 - np.log(spread))
