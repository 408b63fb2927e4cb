"""Events gathered by contact: all that was recorded of a patient at one time, and what was known before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.generators.sequence.domain import Domain, Histories, Truths
from manikin.generators.sequence.scale import Scale, value_edges
from manikin.streams import Floats, Seed

# How values spread over their bin of a scale is no privacy noise: it may be repeated.
SPREAD = Seed(20_260_301)

# Minutes since something was recorded, at which the chance of recording it again may change; and how many settings
# follow: never, or so long ago and at the contact before or not, each with the item before recorded or not.
RECENT = np.array([45.0, 75.0, 150.0, 330.0, 690.0])
SETTINGS = 2 * (1 + 2 * (len(RECENT) + 1))


def scales_of(domain: Domain, histories: Histories) -> tuple[Scale, ...]:
    """Return the scale of each item's values."""
    events = histories.timeline.events
    return tuple(
        Scale.learnt(value_edges(item.variable), events.value[(events.entry == place) & ~np.isnan(events.value)])
        for place, item in enumerate(domain.items)
    )


def static_scales(domain: Domain, histories: Histories) -> tuple[Scale, ...]:
    """Return the scale of each static variable."""
    return tuple(
        Scale.learnt(value_edges(one), values[~np.isnan(values)])
        for one in domain.statics
        for values in [np.asarray(histories.statics[one.name], np.float64)]
    )


def static_scores(domain: Domain, histories: Histories, scales: tuple[Scale, ...], spread: Seed = SPREAD) -> Floats:
    """Return normal scores of what does not change, shape (people, static variables); NaN where it is not known."""
    return np.column_stack(
        [np.zeros((histories.size, 0))]
        + [
            _scored(
                scale,
                np.asarray(histories.statics[one.name], np.float64),
                spread.stream("static", one.name).uniform(0, histories.size),
            )
            for one, scale in zip(domain.statics, scales, strict=True)
        ]
    )


def event_scores(domain: Domain, histories: Histories, scales: tuple[Scale, ...], spread: Seed = SPREAD) -> Floats:
    """Return the normal score of each event's value; NaN where it has none.

    A person has one place within all bins of an item, so that a value that stays has a score that stays.
    """
    events = histories.timeline.events
    scores = np.full(len(events.entry), np.nan)
    for place, item in enumerate(domain.items):
        mine = events.entry == place
        within = spread.stream("event", item.variable.name).uniform(0, histories.size)
        scores[mine] = _scored(scales[place], events.value[mine], within[events.patient[mine]])
    return scores


def _scored(scale: Scale, values: Floats, within: Floats) -> Floats:
    scores = scale.scores(np.nan_to_num(values), within)
    return np.where(np.isnan(values), np.nan, scores)


@dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts of people, by person and time; ``first`` is where each person's begin, of people who have any.

    ``seen``, ``score`` and ``before`` have shape (contacts, items): what was recorded, its normal score, and the
    latest one of an earlier contact; NaN where there is none. ``same`` is one over the width in scores of a value's
    bin where the value is the one before, else 0; ``setting`` is what recording depends on besides a state.
    """

    first: Any
    count: Any
    step: Any
    seen: Truths
    score: Floats
    before: Floats
    same: Floats
    setting: Any
    people: Any


def contacts_of(domain: Domain, histories: Histories, scales: tuple[Scale, ...]) -> Contacts:
    """Return the contacts of people."""
    events = histories.timeline.events
    step = events.time // domain.clock
    new = np.ones(len(step), np.bool_)
    new[1:] = (events.patient[1:] != events.patient[:-1]) | (step[1:] != step[:-1])
    row = np.cumsum(new) - 1
    seen = np.zeros((int(new.sum()), len(domain.items)), np.bool_)
    score = np.full(seen.shape, np.nan)
    seen[row, events.entry] = True
    score[row, events.entry] = event_scores(domain, histories, scales)
    value, same = np.full(seen.shape, np.nan), np.zeros(seen.shape)
    value[row, events.entry] = events.value
    people, first, count = np.unique(events.patient[new], return_index=True, return_counts=True)
    begin = np.repeat(first, count)
    again = (value == earlier(value, begin)) & seen
    for item, scale in enumerate(scales):
        same[again[:, item], item] = 1 / scale.width(value[again[:, item], item])
    when = np.where(seen, step[new][:, None], np.nan)
    since = step[new][:, None] - earlier(when, begin)
    lately = earlier(seen.astype(np.float64), begin) == 1
    setting = settings(seen, since * domain.clock, lately)
    return Contacts(first, count, step[new], seen, score, earlier(score, begin), same, setting, people)


def settings(seen: Truths, minutes: Floats, lately: Truths) -> Any:
    """Return what recording depends on besides a state, by number, shape (contacts, items).

    Args:
        seen: Whether each item is recorded; that of the item before counts.
        minutes: Since an item was last recorded, NaN for never.
        lately: Whether it was at the contact before.
    """
    chained = np.zeros(seen.shape, np.int64)
    chained[:, 1:] = seen[:, :-1]
    return chained + 2 * recency(minutes, lately)


def recency(minutes: Floats, lately: Truths) -> Any:
    """Return a number that says how long ago something was recorded: 0 for never, odd ones for the contact before."""
    since = 1 + 2 * np.searchsorted(RECENT, np.nan_to_num(minutes), side="right") + ~lately
    return np.where(np.isnan(minutes), 0, since)


def earlier(score: Floats, first: Any) -> Floats:
    """Return the latest score before each row, of the same person, whose rows begin at ``first``; NaN where none is."""
    place = np.where(np.isnan(score), -1, np.arange(len(score))[:, None])
    latest = np.maximum.accumulate(place, axis=0)
    latest = np.vstack([np.full((1, score.shape[1]), -1), latest[:-1]])
    known = latest >= np.asarray(first)[:, None]
    return np.where(known, np.take_along_axis(score, np.maximum(latest, 0), axis=0), np.nan)
