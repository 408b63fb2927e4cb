"""A recurrent generator: one event after the other, each drawn given all that came before it.

A gated recurrent unit reads the events of a patient. From its state follow: whether the next event belongs to the same
minute, else the gap; what the event is; and its value, as the one before or from a mixture. Within one minute items
follow in the order of the domain, so that nothing is recorded twice.

Weights and everything that enters a product are whole multiples of powers of two, small enough that sums of products
are exact in double precision, in whatever order a library adds them. So a patient's draws don't depend on who else is
in the shard. What is not promised: exponentials and hyperbolic tangents may differ in the last bit between processors;
states and scores are rounded at once, so that a difference shows with a probability of the order of 1e-9 a number, and
then in all that follows for that patient. On one machine, equal addresses give equal bytes.

Source: Cho et al., EMNLP 2014, doi:10.3115/v1/D14-1179.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from manikin.cohort.layout import TIMELINE, Columns, Layout
from manikin.cohort.timeline import Timeline
from manikin.generators.protection import UNPROTECTED, Protection
from manikin.generators.sequence.chance import Chance, Memory, normal_above
from manikin.generators.sequence.domain import FIRST_SEED, STUDY, Domain, one_state, snapped, timeline_of
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.scale import Scale, kept
from manikin.streams import Floats, Ordinals, Seed

Weights = Mapping[str, Floats]

# Products of 2^-14 and 2^-20 with at most 2^5 and 2^3 leave 11 bits for sums of up to 2,000 of them.
_WEIGHT_STEP, _MOST_WEIGHT = 2.0**-14, 31.0
_STATE_STEP = 2.0**-20
_INPUT_STEP = 2.0**-12
GAP_PARTS, VALUE_PARTS = 6, 3
LEAST_SPREAD = 0.02
# What a clipped log spread may be: beyond, a mixture would be a spike or nothing.
NARROWEST, WIDEST = -4.0, 1.5
# How the time since something was recorded enters where it never was.
NEVER = 1.5


def rounded(weights: Weights) -> dict[str, Floats]:
    """Return weights on their step."""
    return {
        name: np.rint(np.clip(np.asarray(one, np.float64), -_MOST_WEIGHT, _MOST_WEIGHT) / _WEIGHT_STEP) * _WEIGHT_STEP
        for name, one in weights.items()
    }


def age_of(steps: Floats, horizon: int) -> Floats:
    """Return how the time since something enters: 0 for now, 1 for the horizon, more for never (NaN)."""
    found = np.log1p(np.nan_to_num(steps)) / np.log1p(horizon)
    return np.where(np.isnan(steps), NEVER, np.rint(found / _INPUT_STEP) * _INPUT_STEP)


@dataclass(frozen=True, eq=False)
class Recurrent:
    """Draws sequences from a recurrent network; ``weights`` are those of ``training``, rounded.

    ``gaps`` is the scale of gaps in steps of the clock, ``together`` the correlations of static scores, ``tier`` who
    may hold the network: what was learnt from records without differential privacy is ``controlled``.
    """

    domain: Domain
    weights: Weights
    scales: tuple[Scale, ...]
    static_scales: tuple[Scale, ...]
    together: Floats
    gaps: Scale
    observed: Durations
    tier: str = "controlled"
    protection: Protection = UNPROTECTED
    seed: Seed = FIRST_SEED

    def seeded(self, seed: Seed) -> Recurrent:
        """Return the same network whose chance follows from another seed."""
        return replace(self, seed=seed)

    @property
    def layout(self) -> Layout:
        """The shape of what it makes."""
        return self.domain.layout(("followed",))

    def statics(self, ordinals: Ordinals) -> Columns:
        """Return the columns of what does not change of these patients."""
        scores = self._static_scores(Chance(self.seed, ordinals))
        return {
            one.name: self.domain.column(one, snapped(one, scale.values(scores[:, place])))
            for place, (one, scale) in enumerate(zip(self.domain.statics, self.static_scales, strict=True))
        }

    def timeline(self, ordinals: Ordinals) -> Timeline:
        """Return what happens to the patients with these ordinals, ascending."""
        return _Walk(self, Chance(self.seed, ordinals)).timeline()

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of the patients with these ordinals, ascending."""
        return {**self.statics(ordinals), TIMELINE: self.timeline(ordinals)}

    def _static_scores(self, chance: Chance) -> Floats:
        rows = np.arange(len(chance.ordinals))
        normal = [kept(ndtri(chance(rows, 0, "static", one.name))) for one in self.domain.statics]
        factor = np.linalg.cholesky(self.together) if normal else self.together
        scores = [kept(sum(factor[row, k] * normal[k] for k in range(row + 1))) for row in range(len(normal))]
        return np.column_stack([np.zeros((len(rows), 0)), *scores])

    @cached_property
    def _reading(self) -> tuple[Floats, Floats]:
        """What is multiplied with inputs, and with states."""
        return np.ascontiguousarray(self.weights["input"].T), np.ascontiguousarray(self.weights["state"].T)

    def _first(self, scores: Floats) -> Floats:
        return _kept_state(np.tanh(scores @ self.weights["begin"] + self.weights["begin_bias"]))

    def _next(self, read: Floats, state: Floats) -> Floats:
        """Return the states after reading one event each."""
        inputs, states = self._reading
        one, other = read @ inputs + self.weights["input_bias"], state @ states + self.weights["state_bias"]
        size = state.shape[1]
        reset, keep = expit(one[:, : 2 * size] + other[:, : 2 * size]).reshape(-1, 2, size).transpose(1, 0, 2)
        new = np.tanh(one[:, 2 * size :] + reset * other[:, 2 * size :])
        return _kept_state(new + keep * (state - new))


class _Walk:
    """Takes all patients of a shard from event to event."""

    def __init__(self, model: Recurrent, chance: Chance) -> None:
        count, items = len(chance.ordinals), len(model.domain.items)
        self.model, self.chance, self.items = model, chance, items
        rows, horizon = np.arange(count), model.domain.horizon
        self.memory = Memory.blank(model.domain, model.scales, count)
        self.limit = np.minimum(model.observed.draw(np.zeros(count, np.int64), chance(rows, 0, "followed")), horizon)
        self.state = model._first(model._static_scores(chance))
        self.entry = np.full(count, items)
        self.now = np.zeros(count, np.int64)
        # Score and gap of the latest event, as they enter.
        self.own = np.zeros((count, 3))
        self.followed, self.left_by = self.limit.copy(), np.full(count, STUDY)
        self.events: list[tuple[Any, Any, Any, Any]] = []

    def timeline(self) -> Timeline:
        """Return the whole of it."""
        active, step = np.arange(len(self.now)), 0
        while active.size:
            active = self._event(active, step)
            step += 1
        followed, clock = self.followed, self.model.domain.clock
        return timeline_of(self.model.domain, self.events, one_state(followed * clock), followed, self.left_by)

    def _event(self, who: Any, step: int) -> Any:
        """Draw the next event of these patients, and return those who may have another."""
        model, weights, chance = self.model, self.model.weights, self.chance
        parts = self._parts(who)
        read = np.concatenate([weights["embedding"][self.entry[who]], parts], axis=1)
        state = self.state[who] = model._next(read, self.state[who])
        last = np.where(self.entry[who] == self.items, -1, self.entry[who])
        likely = expit(state @ weights["same"] + weights["same_after"][self.entry[who]])
        same = (chance(who, step, "same") < likely) & (last < self.items - 1)
        score = self._gap(who, step, state)
        steps = np.clip(np.floor(model.gaps.values(score) + 0.5), 1, model.domain.horizon + 1).astype(np.int64)
        gap = np.where(same, 0, steps)
        score = np.where(same, 0, score)
        entry = self._entry(who, step, state, parts, same, score)
        time = self.now[who] + gap
        inside = time < self.limit[who]
        ended = inside & (entry >= self.items)
        gone = who[ended]
        self.followed[gone], self.left_by[gone] = time[ended], entry[ended] - self.items
        going = inside & ~ended
        self._record(who[going], step, entry[going], time[going], gap[going], score[going], state[going])
        return who[going]

    def _parts(self, who: Any) -> Floats:
        """Return the numbers that are read: how old each item is, its latest score, and the latest event's own."""
        since = age_of(self.now[who, None] - self.memory.when[who], self.model.domain.horizon)
        return np.concatenate([since, np.nan_to_num(self.memory.score[who]), self.own[who]], axis=1)

    def _gap(self, who: Any, step: int, state: Floats) -> Floats:
        """Return normal scores of gaps."""
        mixture = state @ self.model.weights["gap"] + self.model.weights["gap_bias"]
        part = _chosen(mixture[:, :GAP_PARTS], self.chance(who, step, "gap part"))
        rows = np.arange(len(who))
        level, spread = mixture[rows, GAP_PARTS + part], _spread(mixture[rows, 2 * GAP_PARTS + part])
        return normal_above(level, spread, self.chance(who, step, "gap"), np.full(len(who), -np.inf))

    def _entry(self, who: Any, step: int, state: Floats, parts: Floats, same: Any, score: Floats) -> Any:
        """Return what is next: an item, or an ending, counted after the items."""
        weights, before = self.model.weights, self.entry[who]
        logit = state @ weights["entry"] + parts @ weights["entry_parts"]
        logit = logit + np.where(same[:, None], weights["within"][before], weights["beyond"][before])
        logit = logit + score[:, None] * weights["entry_gap"]
        place = np.arange(logit.shape[1])
        last = np.where(before == self.items, -1, before)
        barred = same[:, None] & ((place <= last[:, None]) | (place >= self.items))
        return _chosen(np.where(barred, -np.inf, logit), self.chance(who, step, "entry"))

    def _record(self, who: Any, step: int, entry: Any, time: Any, gap: Any, score: Floats, state: Floats) -> None:
        seen = entry[:, None] == np.arange(self.items)
        moved = gap > 0
        self.memory.now[who[moved]] = np.nan
        valued = self.model.domain.valued[entry]
        value, drawn = np.full(len(who), np.nan), np.zeros(len(who))
        for item in np.unique(entry[valued]):
            mine = entry == item
            value[mine], drawn[mine] = self._value(item, who[mine], step, state[mine])
        self.events.append((who, time, entry, value))
        self.memory.when[who] = np.where(seen, time[:, None], self.memory.when[who])
        self.entry[who], self.now[who] = entry, time
        self.own[who] = np.column_stack([drawn, score, age_of(time.astype(np.float64), self.model.domain.horizon)])

    def _value(self, item: int, who: Any, step: int, state: Floats) -> tuple[Floats, Floats]:
        """Return values of an item and their scores."""
        weights, before = self.model.weights, self.memory.score[who, item]
        known = ~np.isnan(before)
        since = np.nan_to_num(before)
        mixture = state @ weights["value"][item] + weights["value_bias"][item]
        mixture = (
            mixture + since[:, None] * weights["value_before"][item] + known[:, None] * weights["value_known"][item]
        )
        part = _chosen(mixture[:, :VALUE_PARTS], self.chance(who, step, "value part"))
        rows = np.arange(len(who))
        level, spread = mixture[rows, VALUE_PARTS + part], _spread(mixture[rows, 2 * VALUE_PARTS + part])
        drawn = normal_above(level, spread, self.chance(who, step, "value"), self.memory.floor(item, who))
        carried = known & (self.chance(who, step, "carried") < expit(mixture[:, -1]))
        score = np.where(carried, since, drawn)
        return self.memory.note(item, who, score, carried), score


def _spread(log: Floats) -> Floats:
    return np.asarray(LEAST_SPREAD + np.exp(np.clip(log, NARROWEST, WIDEST)))


def _chosen(logit: Floats, uniform: Floats) -> Any:
    """Return the place of a draw among alternatives with these logits."""
    weight = np.exp(logit - logit.max(axis=1, keepdims=True))
    below = np.cumsum(weight, axis=1)
    place = (uniform[:, None] * below[:, -1:] >= below).sum(axis=1)
    # Alternatives of no weight at the end are none.
    last = weight.shape[1] - 1 - (weight[:, ::-1] > 0).argmax(axis=1)
    return np.minimum(place, last)


def _kept_state(state: Floats) -> Floats:
    return np.asarray(np.rint(state / _STATE_STEP) * _STATE_STEP)
