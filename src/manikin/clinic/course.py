"""Carries a pathway out: columns of patients go from state to state, each at its own time, and leave a record.

All patients of a shard take their next step together, those in the same state at once; there is no loop over patients.
A draw's address is the patient, what it is for, and the how-manieth time: whoever goes the same way in two scenarios
meets the same chance in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.chronicle import Arrays, Contacts, Log
from manikin.clinic.expressions import Columns, Type
from manikin.clinic.measuring import Bench
from manikin.clinic.memory import Memory, Rows
from manikin.clinic.pathway import CLOCK, ENDINGS, Act, Pathway, State, Test, Transition
from manikin.clinic.queues import MOST_ROUNDS, Queues
from manikin.codebook import Days, IndexDates, Variable, day_of_year
from manikin.errors import RequestError
from manikin.streams import Draws, Floats

# A patient who takes more steps than this goes in circles without time passing.
_MOST_STEPS = 50_000

# Who left a state: by a way out (or the number of a risk), or by the end of the study.
_BY_ITSELF, _BY_STUDY = -1, -2

_DAY = 1440
# 1 January 1970 was a Thursday; Monday is 0.
_EPOCH_WEEKDAY, _FRIDAY = 3, 4

# Questions whose answer is a time, which may be one that a patient does not live to see.
_MOMENTS = ("started(", "ordered(", "collected(", "resulted(")


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
    begins: Floats

    def answers(self) -> dict[str, Any]:
        """Return every answer that is asked for, as columns, with ``followed`` in minutes."""
        rows = np.arange(self.memory.size)
        found = {name: self.memory.answer(name, rows, self.followed) for name in sorted(self.memory.asked)}
        for name, column in found.items():
            if name.startswith(_MOMENTS):
                # What was planned for later did not happen.
                found[name] = np.where(column <= self.followed, column, np.nan)
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

    def walk(*, record: bool) -> Course:
        memory = Memory(pathway, len(draws.ordinals), questions, types)
        bench = Bench(meanings, pathway.trajectories, pathway.processes, columns, draws, clock)
        return _Walk(pathway, columns, draws, memory, bench, days, begins, queues, record=record).course()

    days = dates.at(draws.whole("index_date"))
    begins = pathway.arrival.minutes(draws.whole("index_hour")) if pathway.arrival else np.zeros(len(draws.ordinals))
    clock = days.astype(np.int64) * _DAY + begins
    queues = Queues(pathway, clock, draws.ordinals // pathway.site_patients) if pathway.resources else None
    if queues is not None:
        for _ in range(MOST_ROUNDS):
            walk(record=False)
            if not queues.settle():
                break
    return walk(record=record)


class View(Mapping[str, Any]):
    """All that expressions may read of some patients at a moment of each, gathered when it is first asked for."""

    def __init__(self, walk: _Walk, rows: Rows, time: Floats) -> None:
        """Look at the patients in ``rows`` at ``time``."""
        self.walk, self.rows, self.time = walk, rows, time
        self.held: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name.endswith(")"):
            # Not held: a test that measures one thing by another changes the answer as it goes along.
            return self.walk.memory.answer(name, self.rows, self.time)
        if name not in self.held:
            self.held[name] = self._found(name)
        return self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def some(self, chosen: npt.NDArray[np.bool_], time: Floats | None = None) -> View:
        """Return a view of the chosen patients, now or at another time."""
        if time is None and chosen.all():
            return self
        return View(self.walk, self.rows[chosen], self.time[chosen] if time is None else time)

    def _found(self, name: str) -> Any:
        if name in self.walk.bench.processes:
            return self.walk.bench.process(name, self, self.rows, self.time)
        if name in CLOCK:
            return self._clock(name)
        column = self.walk.columns[name]
        return column[self.rows] if np.ndim(column) and self.rows.size < self.walk.size else column

    def _clock(self, name: str) -> Floats:
        if name == "time":
            return self.time
        clock = self.walk.begins[self.rows] + self.time
        if name == "hour":
            return clock % 1440 / 60
        return day_of_year(self.walk.days[self.rows] + (clock // 1440).astype("m8[D]"))


@dataclass(frozen=True)
class _Plan:
    """Tests that were ordered on entering a state: of whom, and when they are taken and known."""

    test: Test
    chosen: Rows
    ordered: Floats
    collected: Floats
    known: Floats
    lost: npt.NDArray[np.bool_]


class _Walk:
    """The state of all patients while they walk."""

    def __init__(
        self,
        pathway: Pathway,
        columns: Columns,
        draws: Draws,
        memory: Memory,
        bench: Bench,
        days: Days,
        begins: Floats,
        queues: Queues | None,
        *,
        record: bool,
    ) -> None:
        self.pathway, self.columns, self.draws, self.record = pathway, columns, draws, record
        self.memory, self.bench, self.days, self.begins, self.queues = memory, bench, days, begins, queues
        self.size = len(draws.ordinals)
        self.horizon = np.broadcast_to(pathway.horizon.compute(columns), (self.size,))
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
        return Course(
            self.memory,
            self.now,
            self.left_by,
            self.contacts.sorted(self.begins),
            self.log.events(self.begins, self.now, self.contacts.numbers) if self.record else {},
            self.log.states(self.begins) if self.record else {},
            self.begins,
        )

    # --- one stay in a state ----------------------------------------------------------------------------------------

    def visit(self, state: State, rows: Rows) -> None:
        """Let patients enter a state, stay, and leave it."""
        arrived = start = self.now[rows]
        if state.hours is not None:
            rows, arrived, start = self.appointed(state, rows, arrived)
        visits = self.memory.enter(state.name, rows, start)
        view = View(self, rows, start)
        if state.ends:
            self.now[rows] = start
            self.finish(state, view, visits)
            return
        plans: list[_Plan] = []
        for order in state.orders:
            if plan := self.plan(order, view, visits, plans):
                plans.append(plan)
        leaving, by = self.leaving(state, view, plans, visits)
        self.meet(state, view, leaving, visits)
        self.write(state, view, leaving, visits)
        for plan in plans:
            self.carry_out(plan, view, leaving)
        self.memory.come(rows, leaving)
        self.memory.leave(state.name, rows, leaving - arrived)
        self.now[rows] = leaving
        self.remember(state, rows, arrived, leaving)
        self.move_on(state, rows, leaving, by, visits)

    def appointed(self, state: State, rows: Rows, arrived: Floats) -> tuple[Rows, Floats, Floats]:
        """Return who comes to an appointment before the study ends, since when they wait for it, and its time."""
        assert state.hours is not None
        low, high = state.hours
        uniform = self.draws.at(f"{state.name} hours", rows, self.memory.count(f"visits({state.name})")[rows])
        hour = np.floor((low + uniform * (high - low)) * 60)
        clock = self.begins[rows] + arrived
        day = clock // _DAY
        day += hour < clock - day * _DAY
        weekday = (self.days[rows].astype(np.int64) + day + _EPOCH_WEEKDAY) % 7
        day += np.where(weekday > _FRIDAY, 7 - weekday, 0)
        start = day * _DAY + hour - self.begins[rows]
        late = start > self.horizon[rows]
        if late.any():
            gone, until = rows[late], self.horizon[rows[late]]
            self.now[gone] = until
            self.remember(state, gone, arrived[late], until)
            self.end(gone, until, "study")
            rows, arrived, start = rows[~late], arrived[~late], start[~late]
        return rows, arrived, start

    def finish(self, state: State, view: View, visits: Any) -> None:
        """Let patients come to the end of their follow-up."""
        self.meet(state, view, view.time, visits)
        self.write(state, view, view.time, visits)
        self.remember(state, view.rows, view.time, view.time)
        self.end(view.rows, view.time, state.ends)

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

    def remember(self, state: State, rows: Rows, entered: Floats, left: Floats) -> None:
        if self.record:
            self.log.stays.append((rows, self.names.index(state.name), entered, left))

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

    # --- orders -----------------------------------------------------------------------------------------------------

    def plan(self, order: Act, view: View, visits: Any, others: list[_Plan]) -> _Plan | None:
        """Return what becomes of an order, or None where nobody gets it; a test that is awaited isn't ordered again.

        ``others`` are planned before it in the same stay.
        """
        test = self.pathway.tests[order.what]
        chosen, ordered = self.struck(order, view, visits), self.later(order, view, visits)
        if test.awaited:
            chosen &= ~self.memory.awaiting(test.name, view.rows, ordered)
        if not chosen.any():
            return None
        mine = view.some(chosen)
        ordered = ordered if mine is view else ordered[chosen]
        nth = self.memory.count(f"orders {test.name}")[mine.rows] + sum(one.test is test for one in others)
        size, name, at = mine.rows.size, test.name, self.draws.at
        collected = ordered
        if test.collected is not None:
            collected = ordered + test.collected.minutes(mine, size, lambda: at(f"{name} collected", mine.rows, nth))
        if self.queues is not None and test.resource:
            waits: Any = self.queues.wait(name, mine.rows, nth, collected)
            collected = collected + waits
        known = collected
        if test.resulted is not None:
            known = collected + test.resulted.minutes(mine, size, lambda: at(f"{name} resulted", mine.rows, nth))
        lost = np.zeros(size, np.bool_)
        if test.lost is not None:
            lost = np.asarray(at(f"{name} lost", mine.rows, nth) < test.lost.compute(mine))
        return _Plan(test, np.flatnonzero(chosen), ordered, collected, known, lost)

    def carry_out(self, plan: _Plan, view: View, leaving: Floats) -> None:
        """Order, if the patient is still there, collect and measure."""
        test, there = plan.test, plan.ordered <= leaving[plan.chosen]
        rows, ordered, collected, known, lost = view.rows, plan.ordered, plan.collected, plan.known, plan.lost
        if len(plan.chosen) < len(rows):
            rows = rows[plan.chosen]
        if test.awaited:
            # One that was ordered here before may have come by now; if it hasn't, it isn't ordered again.
            self.memory.come(rows, ordered)
            there &= ~self.memory.awaiting(test.name, rows, ordered)
        if not there.all():
            if not there.any():
                return
            rows, ordered, collected = rows[there], ordered[there], collected[there]
            known, lost = known[there], lost[there]
        self.memory.order(test.name, rows, ordered)
        self.memory.collect(test.name, rows, collected)
        values = self.measure(test, view if collected is view.time else View(self, rows, collected), lost)
        if test.awaited:
            self.memory.expect(test.name, rows, known, values)
        else:
            for variable, found in values.items():
                if self.memory.wants(variable):
                    self.memory.know(test.name, variable, rows, found)
        if self.record:
            if test.awaited:
                self.note(self.entries[test.name], rows, ordered, ordered)
            for variable, found in values.items():
                if variable not in self.pathway.unrecorded:
                    self.note(self.entries[variable], rows, collected, known, found)

    def measure(self, test: Test, view: View, lost: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        """Return what a test finds of each variable, in their order, since one may be computed from those before it."""
        values = {}
        for variable in test.measures:
            found = self.bench.measure(variable, view, view.rows, view.time)
            if test.lost is not None and lost.any():
                found = np.where(lost, np.nan, found)
            self.memory.measure(variable, view.rows, found)
            values[variable] = found
        return values

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
            if self.record:
                self.note(self.entries[act.what], view.rows[chosen], time[chosen], time[chosen])

    def note(self, entry: int, rows: Rows, time: Floats, recorded: Floats, values: Floats | None = None) -> None:
        if values is not None and not (found := ~np.isnan(values)).all():
            rows, time, recorded, values = rows[found], time[found], recorded[found], values[found]
        if rows.size:
            self.log.notes.append((rows, entry, time, recorded, values, self.contacts.number[rows]))

    # --- ways out ---------------------------------------------------------------------------------------------------

    def leaving(self, state: State, view: View, plans: list[_Plan], visits: Any) -> tuple[Floats, Any]:
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
            uniform = self.draws.at(risk.address, rows, visits)
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
            chosen = self.struck(way, View(self, rows[here], leaving[here]), visits[here])
            self.state[rows[here[chosen]]] = go
            here = here[~chosen]
