"""A hidden semi-Markov generator: what is recorded when, and which values come, follow states that nobody sees.

In each state a patient stays for a time that has the state's distribution, and then leaves for another or for good.
Contacts follow each other at gaps of the state's distribution. At each, an item is recorded with the state's
probability, given how long ago it last was, so that what is missing tells of the state; a value's normal score
follows the score before it, at the state's level.

Source: explicit-duration hidden Markov models, Yu, Artif Intell 2010;174:215, doi:10.1016/j.artint.2009.11.011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from manikin.codebook import ENDINGS, Kind, Variable
from manikin.cohort.layout import TIMELINE, Columns, Layout
from manikin.cohort.timeline import States, Timeline
from manikin.errors import RequestError
from manikin.generators.protection import UNPROTECTED, Protection
from manikin.generators.sequence.chance import Chance, Memory, normal_above
from manikin.generators.sequence.contacts import SETTINGS, recency
from manikin.generators.sequence.domain import FIRST_SEED, STUDY, Domain, Item, snapped, timeline_of
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.scale import Scale, value_edges
from manikin.streams import Floats, Ordinals, Seed


@dataclass(frozen=True, eq=False)
class Emission:
    """What a contact shows, by state and item, shape (states, items); levels and spreads are of normal scores.

    ``measured`` has shape (settings, states, items); see ``contacts.settings``. A first value lies at ``first``; a
    later one is that before with the probability ``carried``, else at ``level + memory * the value before``.
    ``static`` has shape (states, static variables) and tells of those who begin in a state.
    """

    measured: Floats
    first: Floats
    first_spread: Floats
    level: Floats
    memory: Floats
    spread: Floats
    carried: Floats
    static: Floats
    static_spread: Floats

    @classmethod
    def flat(cls, measured: Floats, statics: int) -> Emission:
        """Return an emission of which only ``measured``, shape (states, items), tells of the state."""
        zero, one = np.zeros(measured.shape), np.ones(measured.shape)
        nothing = np.zeros((len(measured), statics))
        return cls(np.stack([measured] * SETTINGS), zero, one, zero, zero, one, zero, nothing, nothing + 1)


@dataclass(frozen=True, eq=False)
class StateCounts:
    """Aggregated counts of a process whose states were seen; negative ones, as noise leaves them, count as none.

    ``starts`` has shape (states,), ``transitions`` (states, states), ``endings`` (states, death loss discharge study),
    ``dwells`` (states, bins): stays by their length, between ``edges`` in steps of the clock, the first at least 1.
    """

    states: tuple[str, ...]
    starts: Floats
    transitions: Floats
    endings: Floats
    dwells: Floats
    edges: Floats

    def __post_init__(self) -> None:
        """Refuse counts that don't fit together."""
        size = len(self.states)
        shapes = {
            "starts": (size,),
            "transitions": (size, size),
            "endings": (size, len(ENDINGS)),
            "dwells": (size, len(self.edges) - 1),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise RequestError(f"Counts of {name} have the shape {shape}; got {getattr(self, name).shape}.")
        if self.edges[0] < 1 or (np.diff(self.edges) <= 0).any():
            raise RequestError("Edges of dwell times ascend from 1 step or more.")
        if not (self.starts > 0).any():
            raise RequestError("No patient starts in any state.")


@dataclass(frozen=True, eq=False)
class SemiMarkov:
    """Draws sequences from a hidden semi-Markov model.

    ``start`` has shape (states,), ``onward`` (states, states + endings). ``dwell`` is of stays that another state
    follows, ``last`` of those with which follow-up ends for good. ``onset`` is the step of the first contact
    plus 1, ``observed`` how long a patient is followed at most. Where states are ``announced``, entering one
    is a contact; else the next contact finds it. ``tier`` says who may hold the model: what was learnt from records
    without differential privacy is ``controlled``. ``protection`` says how those are protected.
    """

    domain: Domain
    states: tuple[str, ...]
    start: Floats
    onward: Floats
    dwell: Durations
    last: Durations
    gap: Durations
    onset: Durations
    observed: Durations
    announced: bool
    emission: Emission
    scales: tuple[Scale, ...]
    static_scales: tuple[Scale, ...]
    tier: str = "controlled"
    protection: Protection = UNPROTECTED
    seed: Seed = FIRST_SEED

    @classmethod
    def from_counts(
        cls, domain: Domain, counts: StateCounts, measured: Mapping[str, Floats] | None = None, tier: str = "controlled"
    ) -> SemiMarkov:
        """Return the model that transition and dwell counts alone speak for.

        Args:
            domain: Items as ``items_of_states`` makes them: each is recorded when its state is entered. Others need
                ``measured``.
            counts: Of starts, transitions, endings and dwells.
            measured: For each item the share of contacts at which it is recorded, by state; a value is drawn evenly
                from what is possible.
            tier: Who may hold the model: that of the counts.
        """
        size = len(counts.states)
        shares = np.column_stack(
            [
                (measured or {}).get(name, np.array([state == name for state in counts.states], np.float64))
                for name in domain.names
            ]
        )
        onward = _rows(np.hstack([counts.transitions * (1 - np.eye(size)), counts.endings]))
        dwell = Durations(counts.edges, _rows(counts.dwells))
        alone = Durations.unlimited(1, domain.horizon)
        at_once = np.zeros_like(alone.shares)
        at_once[0, 0] = 1
        return cls(
            domain,
            counts.states,
            _rows(counts.starts[None])[0],
            onward,
            dwell,
            dwell,
            Durations.unlimited(size, domain.horizon),
            Durations(alone.edges, at_once),
            alone,
            True,
            Emission.flat(shares, len(domain.statics)),
            tuple(Scale.learnt(value_edges(item.variable), np.zeros(0)) for item in domain.items),
            tuple(Scale.learnt(value_edges(one), np.zeros(0)) for one in domain.statics),
            tier,
        )

    def seeded(self, seed: Seed) -> SemiMarkov:
        """Return the same model whose chance follows from another seed."""
        return replace(self, seed=seed)

    @property
    def layout(self) -> Layout:
        """The shape of what it makes."""
        return self.domain.layout(self.states)

    @cached_property
    def _below(self) -> tuple[Floats, Floats]:
        return np.cumsum(self.start), np.cumsum(self.onward, axis=1)

    def statics(self, ordinals: Ordinals) -> Columns:
        """Return the columns of what does not change of these patients."""
        chance, rows = Chance(self.seed, ordinals), np.arange(len(ordinals))
        state, found = self._start(chance), {}
        for place, variable in enumerate(self.domain.statics):
            level, spread = self.emission.static[state, place], self.emission.static_spread[state, place]
            score = normal_above(level, spread, chance(rows, 0, "static", variable.name), np.full(len(rows), -np.inf))
            values = snapped(variable, self.static_scales[place].values(score))
            found[variable.name] = self.domain.column(variable, values)
        return found

    def timeline(self, ordinals: Ordinals) -> Timeline:
        """Return what happens to the patients with these ordinals, ascending."""
        return _Walk(self, Chance(self.seed, ordinals), len(ordinals)).timeline()

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of the patients with these ordinals, ascending."""
        return {**self.statics(ordinals), TIMELINE: self.timeline(ordinals)}

    def _start(self, chance: Chance) -> Any:
        uniform = chance(np.arange(len(chance.ordinals)), 0, "start")
        return np.minimum(np.searchsorted(self._below[0], uniform, side="right"), len(self.states) - 1)


def items_of_states(states: tuple[str, ...]) -> tuple[Item, ...]:
    """Return an item for each state, written when it is entered."""
    return tuple(Item(Variable(state, Kind.CONDITION, state), "procedure") for state in states)


class _Walk:
    """Takes all patients of a shard from contact to contact."""

    def __init__(self, model: SemiMarkov, chance: Chance, patients: int) -> None:
        rows = np.arange(patients)
        nobody = np.zeros(patients, np.int64)
        self.model, self.chance, self.rows = model, chance, rows
        self.memory = Memory.blank(model.domain, model.scales, patients)
        self.state = model._start(chance)
        self.now = model.onset.draw(nobody, chance(rows, 0, "onset")) - 1
        limit = model.observed.draw(nobody, chance(rows, 0, "followed"))
        # Whose first contact comes when nobody looks any more is seen at that very moment.
        self.limit = np.minimum(limit, model.domain.horizon)
        self.now = np.minimum(self.now, self.limit - 1)
        self.until, self.target = nobody.copy(), nobody.copy()
        self.left_by = np.full(patients, STUDY)
        self.followed = self.limit.copy()
        self.events: list[tuple[Any, Any, Any, Any]] = []
        self.stays: list[tuple[Any, Any, Any]] = []

    def timeline(self) -> Timeline:
        """Return the whole of it."""
        active, entering, step = self.rows, np.ones(len(self.rows), np.bool_), 0
        while active.size:
            self._enter(active[entering], step)
            self._record(active, step)
            active, entering = self._go_on(active, step)
            step += 1
        return timeline_of(self.model.domain, self.events, self._states(), self.followed, self.left_by)

    def _enter(self, who: Any, step: int) -> None:
        """Draw how long the patients stay in the state that they enter, and where they go then."""
        state = self.state[who]
        self.stays.append((who, state, self.now[who]))
        below = self.model._below[1][state]
        target = (self.chance(who, step, "onward")[:, None] >= below).sum(axis=1)
        self.target[who] = np.minimum(target, below.shape[1] - 1)
        uniform = self.chance(who, step, "dwell")
        for_good = self.target[who] >= len(self.model.states)
        stays = np.where(for_good, self.model.last.draw(state, uniform), self.model.dwell.draw(state, uniform))
        self.until[who] = self.now[who] + stays

    def _record(self, who: Any, step: int) -> None:
        """Draw what is recorded at a contact, item by item."""
        chance, state = self.model.emission.measured, self.state[who]
        recent = 2 * recency(*self.memory.since(who, self.now[who]))
        ease = np.empty(recent.shape)
        before = np.zeros(len(who), np.bool_)
        for item, name in enumerate(self.model.domain.names):
            likely = chance[recent[:, item] + before, state, item]
            ease[:, item] = likely / self.chance(who, step, "measured", name)
            before = ease[:, item] > 1
        # A contact at which nothing would be recorded: what came nearest is.
        ease[np.arange(len(who)), ease.argmax(axis=1)] += ease.max(axis=1) > 0
        self.memory.begin_contact(who, self.now[who], ease > 1)
        for item in range(len(self.model.domain.items)):
            mine = who[ease[:, item] > 1]
            if mine.size:
                whole = np.full(len(mine), item)
                self.events.append((mine, self.now[mine], whole, self._values(item, mine, step)))

    def _values(self, item: int, who: Any, step: int) -> Floats:
        if not self.model.domain.valued[item]:
            return np.full(len(who), np.nan)
        emission, state, before = self.model.emission, self.state[who], self.memory.score[who, item]
        new = np.isnan(before)
        later = emission.level[state, item] + emission.memory[state, item] * np.nan_to_num(before)
        level = np.where(new, emission.first[state, item], later)
        spread = np.where(new, emission.first_spread[state, item], emission.spread[state, item])
        uniform = self.chance(who, step, "value", self.model.domain.names[item])
        score = normal_above(level, spread, uniform, self.memory.floor(item, who))
        carried = self.chance(who, step, "carried", self.model.domain.names[item]) < emission.carried[state, item]
        return self.memory.note(item, who, np.where(carried & ~new, before, score), carried & ~new)

    def _go_on(self, who: Any, step: int) -> tuple[Any, Any]:
        """Return who has another contact, and which of them enter another state with it."""
        gap = self.model.gap.draw(self.state[who], self.chance(who, step, "gap"))
        following, until = self.now[who] + gap, self.until[who]
        leaving = following >= until
        final = self.target[who] >= len(self.model.states)
        following = np.where(leaving & (final | self.model.announced), until, following)
        seen = following < self.limit[who]
        ended = seen & leaving & final
        gone = who[ended]
        self.followed[gone] = following[ended]
        self.left_by[gone] = self.target[gone] - len(self.model.states)
        staying = seen & ~ended
        active, entering = who[staying], leaving[staying]
        self.now[active] = following[staying]
        self.state[active[entering]] = self.target[active[entering]]
        return active, entering

    def _states(self) -> States:
        patient, state, entered = (np.concatenate(column) for column in zip(*self.stays, strict=True))
        order = np.lexsort((entered, patient))
        patient, state, entered = patient[order], state[order], entered[order]
        left = np.append(entered[1:], 0)
        last = np.append(patient[1:] != patient[:-1], True)
        left[last] = self.followed[patient[last]]
        clock = self.model.domain.clock
        return States(patient, state, entered * clock, left * clock)


def _rows(counts: Floats) -> Floats:
    """Return shares by row; a row without counts is even."""
    kept = np.maximum(counts, 0)
    total = kept.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, kept / np.where(total > 0, total, 1), 1 / kept.shape[1]))
