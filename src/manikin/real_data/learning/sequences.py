"""Generators of event sequences learnt from histories, with or without differential privacy.

With it, a semi-Markov model comes from noisy counts in which each patient has one voice; its states are the bands of an
item that was declared, so that nothing has to be guessed. A recurrent network sets out from such counts and learns by
noisy sums of what each patient asks for. Without it, both are learnt as ``generators.sequence`` does.
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from manikin.codebook import ENDINGS, Variable
from manikin.errors import RequestError
from manikin.generators.sequence import (
    STUDY,
    Domain,
    Durations,
    Frame,
    Histories,
    Learning,
    Recurrent,
    SemiMarkov,
    StateCounts,
    Training,
    gaps_of,
    grid,
    learn_semi_markov,
    train_recurrent,
)
from manikin.generators.sequence.scale import Scale, time_edges
from manikin.real_data.learning.generator import Allowance, promised
from manikin.real_data.learning.voices import Voices, shares_of, voices
from manikin.streams import Floats, Seed

# Between two cuts, and from a cut to a limit, values are counted in so many parts.
_PARTS = 4
_GAP_BINS = 24
_LEAST_SPREAD = 0.2


@dataclass(frozen=True)
class SequenceSchedule:
    """How a private network of sequences learns: ``share`` of the patients a step, ``tables`` the part for counts."""

    steps: int = 60
    share: float = 0.2
    clip: float = 1.0
    tables: float = 0.4
    patients: int | None = None


_LEARNING, _TRAINING, _SCHEDULE = Learning(), Training(), SequenceSchedule()


@dataclass(frozen=True)
class SemiMarkovGenerator:
    """Learns a semi-Markov model.

    In private its states are the bands, between cuts, of the item ``by``; else they are hidden, and learnt as
    ``learning`` says.
    """

    domain: Domain
    by: str = ""
    learning: Learning = _LEARNING

    def fit(self, people: Histories, allowance: Allowance | None = None) -> SemiMarkov:
        """Return the model; see ``Generator.fit``."""
        if allowance is None:
            return learn_semi_markov(self.domain, people, self.learning)
        seen = _Seen(self.domain, people, self._place())
        part = allowance.part(1 / 6)
        moves, stays, gaps = seen.moves(part), seen.stays(part), seen.gaps(part)
        recorded, values = seen.recorded(part), seen.values(part)
        tables = _framed(self.domain, people, part)
        found = (moves, stays, gaps, recorded, values, tables)
        model = seen.model(*(one.counts for one in found))
        receipts = tuple(receipt for one in found for receipt in one.receipts)
        protection = promised(allowance, "semi-Markov model of noisy counts", receipts)
        return replace(model, tier=protection.tier, protection=protection)

    def _place(self) -> int:
        items = {item.variable.name: place for place, item in enumerate(self.domain.items)}
        if self.by not in items or not self.domain.items[items[self.by]].variable.cuts:
            raise RequestError(
                f"In private, states are the bands of an item with cuts; '{self.by}' is none. "
                f"Choose by=… among: {', '.join(one.variable.name for one in self.domain.items if one.variable.cuts)}."
            )
        return items[self.by]


@dataclass(frozen=True)
class RecurrentGenerator:
    """Learns a recurrent network, as ``training`` says; in private also as ``schedule`` says."""

    domain: Domain
    training: Training = _TRAINING
    schedule: SequenceSchedule = _SCHEDULE

    def fit(self, people: Histories, allowance: Allowance | None = None) -> Recurrent:
        """Return the network; see ``Generator.fit``."""
        if allowance is None:
            return train_recurrent(self.domain, people, self.training)
        how = self.schedule
        frame, patients, receipts = _bought_frame(self.domain, people, allowance.part(how.tables / 5))
        patients = how.patients or patients
        bought = allowance.part(1 - how.tables).steps(how.share, how.steps, how.clip, "a recurrent network", patients)
        network = train_recurrent(self.domain, people, self.training, frame, bought)
        protection = promised(allowance, "recurrent network, DP-SGD", (*receipts, bought.receipt))
        return replace(network, tier=protection.tier, protection=protection)


def _bought_frame(domain: Domain, people: Histories, part: Allowance) -> tuple[Frame, float, tuple[str, ...]]:
    """Return what a network sets out from, how many patients there are, and the receipts; of five equal parts."""
    edges = [_edges(item.variable) for item in domain.items]
    values = _values(domain, people, part)
    statics = _statics(domain, people, part)
    whose, gaps = gaps_of(domain, people)
    gap_edges = _few(time_edges(domain.horizon)) - 0.5
    place = np.clip(np.searchsorted(gap_edges, gaps, side="right") - 1, 0, len(gap_edges) - 2)
    spoken = voices(whose, place, (len(gap_edges) - 1,), part, "gaps between moments")
    framed = _framed(domain, people, part)
    before, after, later, who = _followers(domain, people)
    shape = (2, len(domain.items) + 1, len(domain.items) + len(ENDINGS))
    cells = np.ravel_multi_index((later, before, after), shape)
    followers = voices(who, cells, shape, part, "what follows what")
    secret = Seed(secrets.randbelow(1 << 62))
    frame = Frame(
        scales=tuple(Scale(one, shares_of(row[: len(one) - 1])) for one, row in zip(edges, values.counts, strict=True)),
        static_scales=tuple(
            Scale(_edges(one), shares_of(row[: len(_edges(one)) - 1]))
            for one, row in zip(domain.statics, statics.counts, strict=True)
        ),
        together=np.eye(len(domain.statics)),
        gaps=Scale(gap_edges, shares_of(spoken.counts)),
        observed=_observed(domain, framed.counts),
        followers=followers.counts,
        spread=secret,
        gap_spread=secret,
    )
    bought = (values, statics, spoken, framed, followers)
    patients = max(float(framed.counts[0].sum() + framed.counts[1].sum()), 1.0)
    return frame, patients, tuple(receipt for one in bought for receipt in one.receipts)


class _Seen:
    """Histories whose states are the bands of an item: the latest value of it says in which one a patient is."""

    def __init__(self, domain: Domain, people: Histories, by: int) -> None:
        self.domain, self.people, self.by = domain, people, by
        line = people.timeline
        events, clock = line.events, domain.clock
        self.names = _bands(domain.items[by].variable)
        mine = events.entry == by
        band = np.searchsorted(domain.items[by].variable.cuts, events.value[mine], side="right")
        who, step = events.patient[mine], events.time[mine] // clock
        new = np.ones(len(who), np.bool_)
        new[1:] = (who[1:] != who[:-1]) | (band[1:] != band[:-1])
        # Stays in a state, by patient and time.
        self.who, self.state, self.entered = who[new], band[new], step[new]
        self.last = np.append(self.who[1:] != self.who[:-1], True) if len(self.who) else np.zeros(0, np.bool_)
        self.first = np.append(True, self.who[1:] != self.who[:-1]) if len(self.who) else np.zeros(0, np.bool_)
        # Moments at which anything is recorded, and the state that a patient is in then; before any, none.
        key = events.patient.astype(np.int64) * (domain.horizon + 2) + events.time // clock
        moments, self.moment = np.unique(key, return_inverse=True)
        self.moment_who, self.moment_step = moments // (domain.horizon + 2), moments % (domain.horizon + 2)
        own = self.who.astype(np.int64) * (domain.horizon + 2) + self.entered
        stay = np.searchsorted(own, moments, side="right") - 1
        inside = (stay >= 0) & (len(own) > 0)
        safe = np.maximum(stay, 0)
        inside &= self.who[safe] == self.moment_who if len(own) else False
        self.moment_state = np.where(inside, self.state[safe] if len(own) else 0, -1)
        self.edges = _few(time_edges(domain.horizon))

    @property
    def size(self) -> int:
        """How many states."""
        return len(self.names)

    def moves(self, part: Allowance) -> Voices:
        """Return where patients start (last row), and where they go from each state: to a state, or an ending."""
        line, shape = self.people.timeline, (self.size + 1, self.size + len(ENDINGS))
        onward = np.where(self.last, self.size + line.left_by[self.who], np.append(self.state[1:], 0))
        cells = np.concatenate(
            [
                np.ravel_multi_index((self.state, onward), shape),
                np.ravel_multi_index((np.full(int(self.first.sum()), self.size), self.state[self.first]), shape),
            ]
        )
        return voices(np.concatenate([self.who, self.who[self.first]]), cells, shape, part, "moves between states")

    def stays(self, part: Allowance) -> Voices:
        """Return how long stays last, by state and bin of time."""
        line, clock = self.people.timeline, self.domain.clock
        left = np.where(self.last, line.followed[self.who] // clock, np.append(self.entered[1:], 0))
        return self._timed(self.who, self.state, left - self.entered, part, "lengths of stays")

    def gaps(self, part: Allowance) -> Voices:
        """Return how long it is from moment to moment, by state and bin of time."""
        step = np.diff(self.moment_step)
        real = (np.diff(self.moment_who) == 0) & (self.moment_state[:-1] >= 0)
        return self._timed(
            self.moment_who[:-1][real], self.moment_state[:-1][real], step[real], part, "gaps between moments"
        )

    def recorded(self, part: Allowance) -> Voices:
        """Return moments by state (last column), and those at which each item is recorded."""
        items, events = len(self.domain.items), self.people.timeline.events
        shape, state = (self.size, items + 1), self.moment_state[self.moment]
        known = state >= 0
        cells = np.ravel_multi_index((state[known], events.entry[known]), shape)
        there = self.moment_state >= 0
        own = np.ravel_multi_index((self.moment_state[there], np.full(int(there.sum()), items)), shape)
        who = np.concatenate([events.patient[known], self.moment_who[there]])
        return voices(who, np.concatenate([cells, own]), shape, part, "what is recorded in which state")

    def values(self, part: Allowance) -> Voices:
        """Return values by item, state and bin."""
        return _values(self.domain, self.people, part, self.moment_state[self.moment], self.size)

    def model(self, *counts: Floats) -> SemiMarkov:
        """Return the model that these counts speak for, in the order of the methods above, and of ``_framed``."""
        moves, stays, gaps, recorded, values, framed = counts
        size, domain = self.size, self.domain
        starts = moves[-1, :size] + 1e-3
        spoken = StateCounts(
            self.names, starts, moves[:-1, :size], moves[:-1, size:], stays + 1e-3, self.edges[: stays.shape[1] + 1]
        )
        contacts = np.maximum(recorded[:, -1], 1e-9)
        shares = np.clip(recorded[:, :-1] / contacts[:, None], 0.002, 0.998)
        counted = SemiMarkov.from_counts(
            domain, spoken, {name: shares[:, place] for place, name in enumerate(domain.names)}
        )
        scales, level, spread = _levels(domain, values)
        emission = replace(counted.emission, first=level, level=level, first_spread=spread, spread=spread)
        return replace(
            counted,
            emission=emission,
            scales=scales,
            gap=Durations(self.edges, shares_of(gaps)),
            observed=_observed(domain, framed),
            announced=False,
        )

    def _timed(self, who: Any, state: Any, steps: Any, part: Allowance, what: str) -> Voices:
        place = np.clip(np.searchsorted(self.edges, steps, side="right") - 1, 0, len(self.edges) - 2)
        shape = (self.size, len(self.edges) - 1)
        return voices(who, np.ravel_multi_index((state, place), shape), shape, part, what)


def _levels(domain: Domain, values: Floats) -> tuple[tuple[Scale, ...], Floats, Floats]:
    """Return the scale of each item's values, and by state where they lie on it and how spread."""
    scales, states = [], values.shape[1]
    level, spread = np.zeros((states, len(domain.items))), np.ones((states, len(domain.items)))
    for place, item in enumerate(domain.items):
        edges = _edges(item.variable)
        counts = values[place, :, : len(edges) - 1]
        scale = Scale(edges, shares_of(counts.sum(axis=0)))
        scales.append(scale)
        middle = ndtri(np.clip(scale.below[:-1] + scale.shares / 2, 1e-6, 1 - 1e-6))
        for state in np.flatnonzero(counts.sum(axis=1) > 0):
            share = counts[state] / counts[state].sum()
            level[state, place] = share @ middle
            spread[state, place] = max(np.sqrt(share @ (middle - level[state, place]) ** 2), _LEAST_SPREAD)
    return tuple(scales), level, spread


def _values(domain: Domain, people: Histories, part: Allowance, state: Any = None, states: int = 0) -> Voices:
    """Return values by item, by state where those are given, and by bin of the codebook's scale."""
    events = people.timeline.events
    edges = [_edges(item.variable) for item in domain.items]
    bins = max(len(one) for one in edges) - 1
    place = np.zeros(len(events.entry), np.int64)
    for item, one in enumerate(edges):
        mine = events.entry == item
        place[mine] = np.clip(np.searchsorted(one, events.value[mine], side="right") - 1, 0, len(one) - 2)
    known = ~np.isnan(events.value) & (True if state is None else state >= 0)
    shape: tuple[int, ...] = (len(edges), bins) if state is None else (len(edges), states, bins)
    axes = (events.entry, place) if state is None else (events.entry, state, place)
    cells = np.ravel_multi_index(tuple(np.asarray(one)[known].astype(np.int64) for one in axes), shape)
    return voices(events.patient[known], cells, shape, part, f"values of {len(edges)} items")


def _statics(domain: Domain, people: Histories, part: Allowance) -> Voices:
    edges = [_edges(one) for one in domain.statics]
    if not edges:
        return Voices(np.zeros((0, 1)))
    bins, who, cells = max(len(one) for one in edges) - 1, [], []
    for number, (one, variable) in enumerate(zip(edges, domain.statics, strict=True)):
        values = np.asarray(people.statics[variable.name], np.float64)
        known = np.flatnonzero(~np.isnan(values))
        place = np.clip(np.searchsorted(one, values[known], side="right") - 1, 0, len(one) - 2)
        who.append(known)
        cells.append(number * bins + place)
    shape = (len(edges), bins)
    return voices(np.concatenate(who), np.concatenate(cells), shape, part, f"{len(edges)} variables that don't change")


def _framed(domain: Domain, people: Histories, part: Allowance) -> Voices:
    """Return how long patients are followed, by bin of time: who stays until the study's end, and who goes before."""
    line, edges = people.timeline, _few(time_edges(domain.horizon))
    until = np.clip(line.followed // domain.clock, 1, domain.horizon)
    place = np.clip(np.searchsorted(edges, until, side="right") - 1, 0, len(edges) - 2)
    shape = (2, len(edges) - 1)
    cells = np.ravel_multi_index(((line.left_by != STUDY).astype(int), place), shape)
    return voices(np.arange(people.size), cells, shape, part, "how long patients are followed")


def _observed(domain: Domain, framed: Floats) -> Durations:
    even = Durations(_few(time_edges(domain.horizon)), np.full((1, framed.shape[1]), 1 / framed.shape[1]))
    return even.learnt(framed[:1] + 1e-3, framed[1:], weight=0)


def _followers(domain: Domain, people: Histories) -> tuple[Any, Any, Any, Any]:
    """Return what was before, what came after, whether later than in the same moment, and whose it is."""
    line, items = people.timeline, len(domain.items)
    events, clock = line.events, domain.clock
    step = events.time // clock
    first = np.append(True, events.patient[1:] != events.patient[:-1])
    before = np.where(first, items, np.append(0, events.entry[:-1]))
    later = np.where(first, step > 0, step != np.append(0, step[:-1]))
    last = np.append(events.patient[1:] != events.patient[:-1], True)
    gone = last & (line.left_by[events.patient] != STUDY)
    return (
        np.concatenate([before, events.entry[gone]]).astype(np.int64),
        np.concatenate([events.entry, items + line.left_by[events.patient[gone]]]).astype(np.int64),
        np.concatenate([later, np.ones(int(gone.sum()))]).astype(np.int64),
        np.concatenate([events.patient, events.patient[gone]]).astype(np.int64),
    )


def _edges(variable: Variable) -> Floats:
    """Return public edges of a variable: its limits and cuts with a few parts between them; of levels one bin each."""
    low, high, step = grid(variable)
    if not variable.numeric:
        return np.arange(low, high + 2) - 0.5
    ends = [low - step / 2, *(cut - step / 2 for cut in variable.cuts), high + step / 2]
    inner = [np.linspace(one, other, _PARTS, endpoint=False) for one, other in itertools.pairwise(ends)]
    return np.append(np.concatenate(inner), ends[-1])


def _few(edges: Floats) -> Floats:
    """Return some of the edges of time, so that noise is not added to more cells than anybody is in; the ends stay."""
    if len(edges) <= _GAP_BINS:
        return edges
    inner = np.unique(np.rint(np.geomspace(1, edges[-2], _GAP_BINS)))
    nearest = np.unique(np.searchsorted(edges, inner))
    return np.asarray(edges[np.unique([0, *nearest, len(edges) - 2, len(edges) - 1])])


def _bands(variable: Variable) -> tuple[str, ...]:
    edges = [f"{cut:g}" for cut in variable.cuts]
    between = (f"{low} to <{high}" for low, high in itertools.pairwise(edges))
    return tuple(f"{variable.name} {band}" for band in (f"<{edges[0]}", *between, f">={edges[-1]}"))
