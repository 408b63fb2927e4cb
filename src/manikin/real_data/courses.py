"""What happened to patients, and the answers to what is asked of it: everything that one patient adds is bounded.

Of each kind of event the first in time count, as many as the plan says; of what follows from them (moves, gaps, stays,
visits) again the first. What happens to one patient is counted without a look at any other. Nothing here leaves the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from manikin.aggregates import Bound
from manikin.generators.sequence import Histories
from manikin.real_data.event_mapping import EventMapping
from manikin.real_data.event_questions import EventQuestions
from manikin.real_data.histories import read_histories
from manikin.real_data.questions import CLIPPED, EVENTS, Counts, Question, count


def read_courses(events: Path, people: Path, mapping: EventMapping, asked: EventQuestions) -> Courses:
    """Return what happened to the patients in a table of people, as far as it counts.

    No value is refused: an unknown one counts as not recorded, an unknown time of follow-up as the horizon, an unknown
    ending as the end of the study.

    Raises:
        RealDataError: A file or a column can't be read.
    """
    return courses_of(read_histories(events, people, mapping, strict=False), asked)


def courses_of(histories: Histories, asked: EventQuestions) -> Courses:
    """Return histories as far as they count: of each kind of event the first, as many as the plan says."""
    line, clock = histories.timeline, asked.domain.clock
    place = np.full(len(asked.domain.items), -1)
    place[[asked.domain.names.index(name) for name in asked.names]] = np.arange(len(asked.names))
    wanted = place[line.events.entry] >= 0
    events = Moments(
        *(
            one[wanted]
            for one in (line.events.patient, line.events.time // clock, place[line.events.entry], line.events.value)
        )
    ).sorted()
    over = {}
    kinds = np.array([one.kind for one in asked.items])
    for kind, most in asked.plan.most.items():
        mine = kinds[events.item] == kind
        rank = np.zeros(len(mine), np.int64)
        rank[mine] = rank_within(events.whose[mine])
        over[kind] = np.bincount(events.whose[mine], minlength=histories.size) > most
        events = events.taken(~mine | (rank < most))
    return Courses(asked, events, line.followed // clock, line.left_by, over)


@dataclass(frozen=True, eq=False)
class Moments:
    """Events as columns: whose (a number), when (in steps), of which type (a number) and with which value (or NaN)."""

    whose: Any
    time: Any
    item: Any
    value: Any

    def taken(self, which: Any) -> Moments:
        """Return some of the events."""
        return Moments(*(one[which] for one in (self.whose, self.time, self.item, self.value)))

    def sorted(self, *, by_item: bool = False) -> Moments:
        """Return the events by patient and time, or by patient, type and time."""
        keys = (self.time, self.item, self.whose) if by_item else (self.item, self.time, self.whose)
        return self.taken(np.lexsort(keys))


@dataclass(frozen=True, eq=False)
class Contributions:
    """What patients add to a table, in time: whose each addition is, and its bin on each axis."""

    whose: Any
    codes: tuple[Any, ...]

    def ordered(self, when: Any) -> Contributions:
        """Return the additions by patient and time."""
        order = np.lexsort((when, self.whose))
        return Contributions(self.whose[order], tuple(one[order] for one in self.codes))


@dataclass(frozen=True, eq=False)
class Courses:
    """What happened to patients, as far as it counts. Nothing here leaves the package.

    ``followed`` is in steps of the clock, ``left_by`` counts ``ENDINGS``; ``over`` says, of each bounded kind of event,
    who has more than counts.
    """

    asked: EventQuestions
    events: Moments
    followed: Any
    left_by: Any
    over: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many patients."""
        return len(self.followed)

    def answer(self, question: Question) -> Counts:
        """Return how many fall into each cell of a question, exactly; this is not to leave the package."""
        about, _, name = question.axes[0].name.partition(": ")
        if question.kind == CLIPPED:
            return count((self._over(name).astype(np.int64),), question.shape)
        if about in self._bounded:
            found, most = self._bounded[about](question), int(question.sensitivity)
            counted = rank_within(found.whose) < most
            return count(tuple(one[counted] for one in found.codes), question.shape)
        return count(self._of_patients(about, question), question.shape)

    def _over(self, what: str) -> Any:
        if what in self.over:
            return self.over[what]
        bound: Bound = getattr(self.asked.plan, what)
        axes = next(one.axes for one in self.asked.questions(clipped=False) if one.axes[0].name.startswith(f"{what}: "))
        found = self._bounded[what](Question(EVENTS, axes))
        return np.bincount(found.whose, minlength=self.size) > bound.most

    def _of_patients(self, about: str, question: Question) -> tuple[Any, ...]:
        """Return the bin of each patient on each axis of a table in which everybody counts once."""
        if about == "follow-up":
            return question.axes[0].codes(self.followed).astype(np.int64), self.left_by
        names = tuple(axis.name.partition(": ")[2] for axis in question.axes)
        times = [self._times(name) for name in names]
        if about == "recorded":
            return tuple((one > 0).astype(np.int64) for one in times)
        return (question.axes[0].codes(times[0]).astype(np.int64),)

    def _times(self, name: str) -> Any:
        """Return how often each patient has a type of event."""
        mine = self.events.item == self.asked.names.index(name)
        return np.bincount(self.events.whose[mine], minlength=self.size)

    @property
    def _bounded(self) -> dict[str, Callable[[Question], Contributions]]:
        return {
            "transitions": lambda _: self._transitions(),
            "gaps": self._gaps,
            "dwells": self._dwells,
            "visits": self._visits,
        }

    def _transitions(self) -> Contributions:
        """Return the moves from type to type, from the start to the first and from the last to the end."""
        events, items = self.events, len(self.asked.names)
        whose = np.concatenate([events.whose, np.arange(self.size)])
        # The end stands after everything else of a patient.
        time = np.concatenate([events.time, np.full(self.size, np.iinfo(np.int64).max)])
        item = np.concatenate([events.item, np.full(self.size, items)])
        order = np.lexsort((item, time, whose))
        whose, to = whose[order], item[order]
        before = np.concatenate([[0], to[:-1] + 1]).astype(np.int64)
        return Contributions(whose, (np.where(rank_within(whose) == 0, 0, before), to))

    def _gaps(self, question: Question) -> Contributions:
        """Return the times from each event to the next of its type."""
        events = self.events.sorted(by_item=True)
        same = (events.whose[1:] == events.whose[:-1]) & (events.item[1:] == events.item[:-1])
        bins = question.axes[1].codes(np.diff(events.time)[same]).astype(np.int64)
        return Contributions(events.whose[1:][same], (events.item[1:][same], bins)).ordered(events.time[1:][same])

    def _dwells(self, question: Question) -> Contributions:
        """Return the stays in a band, from the first record in it to the first in another; unfinished ones don't count."""
        first, band = 0, np.full(len(self.events.item), -1)
        for name, bands in self.asked.bands.items():
            mine = (self.events.item == self.asked.names.index(name)) & ~np.isnan(self.events.value)
            band[mine] = first + bands.codes(self.events.value[mine])
            first += bands.count
        events = replace(self.events, value=band).taken(band >= 0).sorted(by_item=True)
        same = (events.whose[1:] == events.whose[:-1]) & (events.item[1:] == events.item[:-1])
        moved = np.ones(len(events.whose), np.bool_)
        moved[1:] = ~same | (events.value[1:] != events.value[:-1])
        stays = events.taken(moved)
        ended = (stays.whose[1:] == stays.whose[:-1]) & (stays.item[1:] == stays.item[:-1])
        bins = question.axes[1].codes(np.diff(stays.time)[ended]).astype(np.int64)
        return Contributions(stays.whose[:-1][ended], (stays.value[:-1][ended], bins)).ordered(stays.time[1:][ended])

    def _visits(self, question: Question) -> Contributions:
        """Return the moments at which anything asked about was recorded, with the bin of one item at each."""
        events, axis = self.events, question.axes[0]
        new = np.ones(len(events.whose), np.bool_)
        new[1:] = (events.whose[1:] != events.whose[:-1]) | (events.time[1:] != events.time[:-1])
        visit = np.cumsum(new) - 1
        values = np.full(int(new.sum()), np.nan)
        mine = events.item == self.asked.names.index(axis.name.partition(": ")[2])
        values[visit[mine]] = events.value[mine]
        return Contributions(events.whose[new], (axis.codes(values).astype(np.int64),))


def rank_within(whose: Any) -> Any:
    """Return the how-manieth of its patient each entry is, from 0; entries of a patient stand together."""
    new = np.ones(len(whose), np.bool_)
    new[1:] = whose[1:] != whose[:-1]
    first = np.flatnonzero(new)
    return np.arange(len(whose)) - first[np.cumsum(new) - 1] if len(whose) else np.zeros(0, np.int64)
