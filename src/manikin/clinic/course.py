"""Carries a pathway out: columns of patients go from state to state, each at its own time, and leave a record.

All patients of a shard take their next step together, those in the same state at once; there is no loop over patients.
A draw's address is the patient, what it is for, and the how-manieth time: whoever goes the same way in two scenarios
meets the same chance in both.

In a stay everything is planned on entering: what is ordered and written, when results will be there, and how long the
patient stays, unless a risk comes first. Then it happens, in order of time, as far as the patient is still there; and
with what is known by then the patient takes a way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.chronicle import Arrays, Contacts, Log
from manikin.clinic.expressions import Columns, Type
from manikin.clinic.measuring import Bench
from manikin.clinic.memory import Memory, Rows
from manikin.clinic.ordering import Ordering, Plan
from manikin.clinic.pathway import Act, Pathway, State, Transition
from manikin.clinic.queues import MOST_ROUNDS, Queues
from manikin.clinic.view import DAY, Surroundings, View
from manikin.codebook import ENDINGS, Days, IndexDates, Variable
from manikin.errors import RequestError
from manikin.streams import Draws, Floats

# A patient who takes more steps than this goes in circles without time passing.
_MOST_STEPS = 50_000

# Who left a state: by a way out (or the number of a risk), or by the end of the study.
_BY_ITSELF, _BY_STUDY = -1, -2

# 1 January 1970 was a Thursday; Monday is 0.
_EPOCH_WEEKDAY, _FRIDAY = 3, 4


@dataclass(frozen=True)
class Course:
    """What became of patients: answers to questions, and arrays of encounters, events and states, by patient and time.

    Times of the arrays are minutes since midnight of the index date; ``entry`` of an event counts the pathway's tests,
    then what they measure, then its entries; ``state`` and ``kind`` count states and kinds of encounter.
    """

    memory: Memory
    followed: Floats
    left_by: npt.NDArray[np.int8]
    encounters: Arrays
    events: Arrays
    states: Arrays
    days: Days
    begins: Floats

    def answers(self) -> dict[str, Any]:
        """Return every answer that is asked for, as columns, with ``followed`` in minutes."""
        rows = np.arange(self.memory.size)
        found = {name: self.memory.answer(name, rows, self.followed) for name in sorted(self.memory.asked)}
        return {**found, "followed": self.followed}


def follow(
    pathway: Pathway,
    meanings: Mapping[str, Variable],
    types: Mapping[str, Type],
    columns: Columns,
    draws: Draws,
    dates: IndexDates,
    asked: frozenset[str],
    *,
    record: bool = False,
) -> Course:
    """Return the course of the patients in ``columns``.

    Args:
        pathway: The process of care.
        meanings: What the measured variables mean.
        types: What they give in expressions.
        columns: All that the pathway reads, and the model's parameters.
        draws: The patients' chance.
        dates: When index encounters fall, for the day of the year.
        asked: The questions that variables ask of the finished course.
        record: Whether encounters, events and states are wanted, and not only answers.
    """
    questions = frozenset(name for name in pathway.asks | asked if name.endswith(")"))
    days = dates.at(draws.once("index_date"))
    begins = pathway.arrival.minutes(draws.once("index_hour")) if pathway.arrival else np.zeros(len(draws.ordinals))
    clock = days.astype(np.int64) * DAY + begins
    queues = Queues(pathway, clock, draws.ordinals // pathway.site_patients) if pathway.resources else None

    def walk(*, record: bool) -> Course:
        memory = Memory(pathway, len(draws.ordinals), questions, types)
        bench = Bench(meanings, pathway.trajectories, pathway.processes, columns, draws, clock)
        around = Surroundings(columns, memory, bench, days, begins)
        return _Walk(pathway, around, draws, queues, record=record).course()

    if queues is not None:
        for _ in range(MOST_ROUNDS):
            walk(record=False)
            if not queues.settle():
                break
    return walk(record=record)


class _Walk:
    """The state of all patients while they walk."""

    def __init__(
        self, pathway: Pathway, around: Surroundings, draws: Draws, queues: Queues | None, *, record: bool
    ) -> None:
        self.pathway, self.around, self.draws, self.record = pathway, around, draws, record
        self.memory, self.begins = around.memory, around.begins
        self.ordering = Ordering(around.memory, around.bench, draws, queues)
        self.size = len(draws.ordinals)
        horizon = np.broadcast_to(pathway.horizon.compute(around.columns), (self.size,))
        self.horizon = np.maximum(np.nan_to_num(horizon), 0.0)
        self.names = list(pathway.states)
        self.state = np.full(self.size, self.names.index(pathway.start), np.int16)
        self.now = np.zeros(self.size)
        self.left_by = np.full(self.size, -1, np.int8)
        self.entries = {name: place for place, name in enumerate((*pathway.tests, *pathway.measured, *pathway.entries))}
        self.log = Log()
        self.contacts = Contacts(pathway, self.size, record=record)

    def course(self) -> Course:
        walking = np.arange(self.size)
        for _ in range(_MOST_STEPS):
            if not walking.size:
                break
            here = self.state[walking]
            for number in np.flatnonzero(np.bincount(here, minlength=len(self.names))):
                mine = walking if (here == number).all() else walking[here == number]
                self.visit(self.pathway.states[self.names[number]], mine)
            walking = walking[self.left_by[walking] < 0]
        else:
            stuck = ", ".join(sorted({self.names[number] for number in self.state[walking]}))
            raise RequestError(
                f"The pathway doesn't end: after {_MOST_STEPS:,} steps {walking.size:,} patients are still in {stuck}. "
                "Give a state on the way round a longer wait."
            )
        encounters, events, states = self.written() if self.record else ({}, {}, {})
        return Course(self.memory, self.now, self.left_by, encounters, events, states, self.around.days, self.begins)

    def written(self) -> tuple[Arrays, Arrays, Arrays]:
        """Return encounters, events and states, by patient and time."""
        encounters = self.contacts.sorted(self.begins)
        ends = self.now + self.begins
        return encounters, self.log.events(self.begins, ends, encounters), self.log.states(self.begins, ends)

    # --- one stay in a state ----------------------------------------------------------------------------------------

    def visit(self, state: State, rows: Rows) -> None:
        """Let patients enter a state, stay, and leave it."""
        if state.hours is not None:
            rows = self.appointed(state, rows)
        view = View(self.around, rows, self.now[rows])
        visits = self.memory.enter(state.name, rows, view.time)
        if self.record:
            self.log.stays.append((rows, self.names.index(state.name), view.time))
        if state.ends:
            self.meet(state, view, view.time, visits)
            self.write(state, view, view.time, visits)
            self.end(rows, view.time, state.ends)
            return
        asked = [
            (self.pathway.tests[one.what], self.struck(one, view, visits), self.later(one, view, visits))
            for one in state.orders
        ]
        plans = self.ordering.plans(asked, view)
        leaving, by = self.leaving(state, view, plans, visits)
        self.meet(state, view, leaving, visits)
        self.write(state, view, leaving, visits)
        for plan in plans:
            self.ordering.carry_out(plan, view, leaving, self.note)
        self.memory.come(rows, leaving)
        self.memory.leave(state.name, rows, leaving - view.time)
        self.now[rows] = leaving
        self.move_on(state, rows, leaving, by, visits)

    def appointed(self, state: State, rows: Rows) -> Rows:
        """Let patients wait for their appointments; return who comes to one before the study ends."""
        assert state.hours is not None
        low, high = state.hours
        arrived = self.now[rows]
        uniform = self.draws.at(f"{state.name} hours", rows, self.memory.visits(state.name)[rows])
        hour = np.floor((low + uniform * (high - low)) * 60)
        clock = self.begins[rows] + arrived
        day = clock // DAY
        day += hour < clock - day * DAY
        weekday = (self.around.days[rows].astype(np.int64) + day + _EPOCH_WEEKDAY) % 7
        day += np.where(weekday > _FRIDAY, 7 - weekday, 0)
        start = np.minimum(day * DAY + hour - self.begins[rows], self.horizon[rows])
        self.memory.wait_on(rows, start - arrived)
        self.now[rows] = start
        late = start >= self.horizon[rows]
        self.end(rows[late], start[late], "study")
        coming: Rows = rows[~late]
        return coming

    def meet(self, state: State, view: View, leaving: Floats, visits: Any) -> None:
        """Open or close encounters, as a state says."""
        if state.contact is None:
            return
        until = None
        if (lasts := state.contact.lasts) is not None:
            draw = partial(self.draws.at, f"{state.name} lasts", view.rows, visits)
            until = np.minimum(view.time + lasts.minutes(view, view.rows.size, draw), leaving)
        self.contacts.meet(state.contact, view.rows, view.time, until)

    def end(self, rows: Rows, time: Floats, ending: str) -> None:
        """Follow patients no longer."""
        self.contacts.close(rows, time)
        self.left_by[rows] = ENDINGS.index(ending)

    def struck(self, act: Act | Transition, view: View, visits: Any) -> npt.NDArray[np.bool_]:
        """Return in whom something is done: for whom its condition holds, and the share of them."""
        size = view.rows.size
        chosen = (
            np.array(np.broadcast_to(act.when.compute(view), (size,)), np.bool_)
            if act.when
            else np.ones(size, np.bool_)
        )
        if act.share is not None:
            chosen &= self.draws.at(f"{act.address} share", view.rows, visits) < act.share.compute(view)
        return chosen

    def later(self, act: Act, view: View, visits: Any) -> Floats:
        """Return when something is done that is planned on entering a state."""
        if act.after is None:
            return view.time
        return view.time + act.after.minutes(
            view, view.rows.size, lambda: self.draws.at(f"{act.address} after", view.rows, visits)
        )

    # --- the record -------------------------------------------------------------------------------------------------

    def write(self, state: State, view: View, leaving: Floats, visits: Any) -> None:
        """Write and stop entries."""
        for act in state.stops:
            self.memory.stop(act.what, view.rows[self.struck(act, view, visits)])
        for act in state.writes:
            time = self.later(act, view, visits)
            chosen = self.struck(act, view, visits)
            chosen &= time <= leaving
            self.memory.write(act.what, view.rows[chosen], time[chosen])
            self.note(act.what, view.rows[chosen], time[chosen], time[chosen])

    def note(self, what: str, rows: Rows, time: Floats, recorded: Floats, values: Floats | None = None) -> None:
        """Put a test, what it found of a variable, or an entry on record."""
        if not self.record or what in self.pathway.unrecorded:
            return
        if values is not None and not (found := ~np.isnan(values)).all():
            rows, time, recorded, values = rows[found], time[found], recorded[found], values[found]
        if rows.size:
            self.log.notes.append((rows, self.entries[what], time, recorded, np.nan if values is None else values))

    # --- ways out ---------------------------------------------------------------------------------------------------

    def leaving(self, state: State, view: View, plans: list[Plan], visits: Any) -> tuple[Floats, Any]:
        """Return when each patient leaves, and by what: itself, the number of a risk, or the end of the study."""
        rows, leaving = view.rows, view.time.copy()
        if state.for_results:
            for plan in plans:
                leaving[plan.chosen] = np.maximum(leaving[plan.chosen], plan.known)
        if state.wait is not None:
            leaving += state.wait.minutes(view, rows.size, lambda: self.draws.at(f"{state.name} wait", rows, visits))
        by = np.full(rows.size, _BY_ITSELF, np.int16)
        for number, risk in enumerate(state.risks):
            rate = np.broadcast_to(risk.rate.compute(view), rows.shape)
            uniform = self.draws.at(f"{state.name} {risk.address}", rows, visits)
            with np.errstate(divide="ignore", invalid="ignore"):
                comes = np.where(rate > 0, view.time + np.rint(-np.log(uniform) / rate), np.inf)
            sooner = comes < leaving
            leaving[sooner], by[sooner] = comes[sooner], number
        late = leaving > self.horizon[rows]
        leaving[late], by[late] = self.horizon[rows[late]], _BY_STUDY
        return leaving, by

    def move_on(self, state: State, rows: Rows, leaving: Floats, by: Any, visits: Any) -> None:
        """Let patients enter the next state, by the end of the study, a risk, or the first way out that is theirs."""
        if (over := by == _BY_STUDY).any():
            self.end(rows[over], leaving[over], "study")
        for number, risk in enumerate(state.risks):
            self.state[rows[by == number]] = self.names.index(risk.go)
        here = np.flatnonzero(by == _BY_ITSELF)
        for way in state.then:
            if not here.size:
                return
            go = np.int16(self.names.index(way.go))
            if way.when is None and way.share is None:
                self.state[rows[here]] = go
                return
            chosen = self.struck(way, View(self.around, rows[here], leaving[here]), visits[here])
            self.state[rows[here[chosen]]] = go
            here = here[~chosen]
