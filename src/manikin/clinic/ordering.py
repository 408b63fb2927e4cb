"""What becomes of the tests that are ordered in a stay: when each is taken and known, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.measuring import Bench
from manikin.clinic.memory import Memory, Rows
from manikin.clinic.pathway import Test
from manikin.clinic.queues import Queues
from manikin.clinic.view import View
from manikin.streams import Draws, Floats

Note = Callable[[str, Rows, Floats, Floats, Floats | None], None]
"""Puts a test, or what it found of a variable, on record: of whom, when, known when, and the values."""


@dataclass(frozen=True)
class Plan:
    """An order: whose, as places in the view of a stay, and when it is made, ready to be met, met, and known.

    What is met and known at the moment of the view is there ``at_once``.
    """

    test: Test
    chosen: Rows
    ordered: Floats
    ready: Floats
    collected: Floats
    known: Floats
    lost: npt.NDArray[np.bool_]
    nth: npt.NDArray[Any]
    at_once: bool

    def some(self, kept: npt.NDArray[Any]) -> Plan:
        """Return the plan of some of its patients."""
        if kept.dtype == np.bool_ and kept.all():
            return self
        columns: dict[str, Any] = {name: getattr(self, name)[kept] for name in _COLUMNS}
        return replace(self, **columns)


_COLUMNS = ("chosen", "ordered", "ready", "collected", "known", "lost", "nth")


@dataclass(frozen=True)
class Ordering:
    """Plans and carries out the orders of all patients."""

    memory: Memory
    bench: Bench
    draws: Draws
    queues: Queues | None

    def plans(self, asked: Sequence[tuple[Test, npt.NDArray[np.bool_], Floats]], view: View) -> list[Plan]:
        """Return what becomes of the orders of a stay: test by test, each patient's orders of one in order of time.

        Args:
            asked: The test of each order, in whom it is wanted, and when it would be ordered.
            view: The patients in the stay.
        """
        # By test even where nobody gets its first order, so that no patient's record depends on who is beside them.
        found: dict[str, list[Plan]] = {test.name: [] for test, _, _ in asked}
        for test, chosen, ordered in asked:
            if chosen.any():
                found[test.name].append(self._plan(test, chosen, ordered, view))
        return [plan for of_test in found.values() if of_test for plan in self._settled(of_test, view)]

    def _plan(self, test: Test, chosen: npt.NDArray[np.bool_], ordered: Floats, view: View) -> Plan:
        mine, at_once = view.some(chosen), ordered is view.time and not test.awaited
        ordered = ordered if mine is view else ordered[chosen]
        nth = self.memory.ask(test.name, mine.rows)
        size, name, at = mine.rows.size, test.name, self.draws.at
        ready = ordered
        if test.collected is not None:
            ready = ordered + test.collected.minutes(mine, size, lambda: at(f"{name} collected", mine.rows, nth))
        collected: Any = ready
        if self.queues is not None and test.resource:
            collected = ready + self.queues.wait(name, mine.rows, nth)
        known = collected
        if test.resulted is not None:
            known = collected + test.resulted.minutes(mine, size, lambda: at(f"{name} resulted", mine.rows, nth))
        lost = np.zeros(size, np.bool_)
        if test.lost is not None:
            lost = np.asarray(at(f"{name} lost", mine.rows, nth) < test.lost.compute(mine))
        return Plan(test, np.flatnonzero(chosen), ordered, ready, collected, known, lost, nth, at_once)

    def _settled(self, plans: list[Plan], view: View) -> list[Plan]:
        """Return the orders of one test without those that come while a result is awaited, in order of time.

        Each of the plans returned holds a patient once: the first order of each, the second, and so on.
        """
        test = plans[0].test
        if len(plans) == 1:
            plan = plans[0]
            if not test.awaited:
                return plans
            kept = plan.some(~self.memory.awaiting(test.name, view.rows[plan.chosen], plan.ordered))
            return [kept] if kept.chosen.size else []
        columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in plans]) for name in _COLUMNS}
        joined = replace(plans[0], at_once=False, **columns)
        joined = joined.some(np.lexsort((joined.ordered, joined.chosen)))
        begins = np.append(True, joined.chosen[1:] != joined.chosen[:-1])
        first = np.flatnonzero(begins)
        rank = np.arange(begins.size) - np.repeat(first, np.diff(np.append(first, begins.size)))
        due = self.memory.due(test.name)[view.rows].copy()
        found = []
        for number in range(int(rank.max()) + 1):
            plan = joined.some(rank == number)
            if test.awaited:
                plan = plan.some(plan.ordered >= due[plan.chosen])
                due[plan.chosen] = plan.known
            if plan.chosen.size:
                found.append(plan)
        return found

    def carry_out(self, plan: Plan, view: View, leaving: Floats, note: Note) -> None:
        """Order, where the patient is still there by then, and let what was ordered be taken and come to its result."""
        plan = plan.some(plan.ordered <= leaving[plan.chosen])
        if not plan.chosen.size:
            return
        test, memory = plan.test, self.memory
        rows = view.rows if plan.chosen.size == view.rows.size else view.rows[plan.chosen]
        everybody = rows is view.rows
        if not plan.at_once:
            memory.come(rows, plan.ordered)
        memory.order(test.name, rows, plan.ordered)
        memory.collect(test.name, rows, plan.collected)
        if self.queues is not None and test.resource:
            self.queues.ask(test.name, rows, plan.nth, plan.ready)
        moment = view if plan.at_once and everybody else view.at(rows, plan.collected)
        values = self._measured(test, moment, plan.lost)
        if plan.at_once:
            for variable, found in values.items():
                memory.know(test.name, variable, rows, found, plan.known)
            memory.resulted(test.name, rows, plan.known)
        else:
            memory.expect(test.name, rows, plan.known, values, plan.lost)
        if test.awaited:
            note(test.name, rows, plan.ordered, plan.ordered, None)
        for variable, found in values.items():
            note(variable, rows, plan.collected, plan.known, found)

    def _measured(self, test: Test, moment: View, lost: npt.NDArray[np.bool_]) -> dict[str, Floats]:
        """Return what a test finds of each variable, in their order, since one may be computed from those before it."""
        values = {}
        for variable in test.measures:
            found = self.bench.measure(variable, moment, moment.rows, moment.time)
            self.memory.measure(variable, moment.rows, moment.time, found)
            values[variable] = np.where(lost, np.nan, found) if test.lost is not None and lost.any() else found
        return values
