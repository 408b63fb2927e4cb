"""What has happened to each patient so far, kept as far as a pathway or a variable asks for it.

Every question of the language, such as ``result(hba1c)``, is answered here; see ``docs/pathways.md``. Times are minutes
since the start, NaN for never; results are float64, levels by their code, NaN for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.expressions import CONDITION, DURATION, NUMBER, Accessor, Type
from manikin.clinic.pathway import Pathway
from manikin.streams import Floats

Rows = npt.NDArray[np.int64]

_OF_RESULTS = ("result", "earlier", "first", "highest", "lowest")


def accessors(
    states: frozenset[str], entries: frozenset[str], tests: frozenset[str], measured: Mapping[str, Type]
) -> dict[str, Accessor]:
    """Return the questions that may be asked of a course, given the names that a pathway has.

    Args:
        states: Names of states.
        entries: Names of entries.
        tests: Names of tests.
        measured: What tests measure, and the type of each.
    """
    numbers = {name: one for name, one in measured.items() if one.kind == "number"}

    def on(names: frozenset[str], gives: Type) -> Accessor:
        return Accessor(dict.fromkeys(sorted(names), gives))

    return {
        "since": on(states | entries | tests, DURATION),
        "elapsed": on(states | entries | tests, DURATION),
        "on": on(entries, CONDITION),
        "visited": on(states, CONDITION),
        "visits": on(states, NUMBER),
        "entered": on(states, DURATION),
        "spent": on(states, DURATION),
        "started": on(entries, DURATION),
        "ordered": on(tests, DURATION),
        "collected": on(tests, DURATION),
        "resulted": on(tests, DURATION),
        "result": Accessor(measured, tests),
        "earlier": Accessor(measured),
        "first": Accessor(measured),
        "measured": Accessor(measured),
        "highest": Accessor(numbers),
        "lowest": Accessor(numbers),
        "results": on(frozenset(measured), NUMBER),
    }


class Memory:
    """The answers for ``size`` patients; ``asked`` are the questions that anybody asks, by name."""

    def __init__(self, pathway: Pathway, size: int, asked: frozenset[str], types: Mapping[str, Type]) -> None:
        """Begin with patients to whom nothing has happened."""
        self.pathway = pathway
        self.size = size
        self.asked = asked
        self.types = types
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._unread: dict[str, npt.NDArray[np.bool_]] = {}
        self._of_test = {
            test.name: [name for name in test.measures if self.wants(name)] for test in pathway.tests.values()
        }

    def wants(self, variable: str) -> bool:
        """Return whether anybody asks for results of a variable."""
        asked = {f"{question}({variable})" for question in (*_OF_RESULTS, "results")}
        within = f"result({variable},"
        return bool(asked & self.asked) or any(name.startswith(within) for name in self.asked)

    def array(self, name: str, fill: float = np.nan, dtype: Any = np.float64) -> npt.NDArray[Any]:
        """Return an array over all patients, made when it is first needed."""
        if name not in self._arrays:
            self._arrays[name] = np.full(self.size, fill, dtype)
        return self._arrays[name]

    def count(self, name: str) -> npt.NDArray[np.int32]:
        """Return an array that counts."""
        return self.array(name, 0, np.int32)

    # --- what happens -----------------------------------------------------------------------------------------------

    def enter(self, state: str, rows: Rows, time: Floats) -> npt.NDArray[np.int32]:
        """Note that a state is entered; return how often it was before."""
        visits = self.count(f"visits({state})")
        before = visits[rows]
        visits[rows] = before + 1
        self._first(f"entered({state})", rows, time)
        if self._asks_since(state):
            self.array(f"latest {state}")[rows] = time
        return before

    def leave(self, state: str, rows: Rows, stay: Floats) -> None:
        """Note how long a state was stayed in."""
        if f"spent({state})" in self.asked:
            self.array(f"spent({state})", 0.0)[rows] += stay

    def write(self, entry: str, rows: Rows, time: Floats) -> None:
        """Note that something was written. What is on already goes on as it began."""
        self._first(f"started({entry})", rows, time)
        if self._asks_since(entry) or f"on({entry})" in self.asked:
            begun = self.array(f"latest {entry}")
            new = np.isnan(begun[rows])
            begun[rows[new]] = time[new]

    def stop(self, entry: str, rows: Rows) -> None:
        """Note that something written before is over."""
        self.array(f"latest {entry}")[rows] = np.nan

    def order(self, test: str, rows: Rows, time: Floats) -> npt.NDArray[np.int32]:
        """Note that a test was ordered; return how often it was before."""
        orders = self.count(f"orders {test}")
        before = orders[rows]
        orders[rows] = before + 1
        self._first(f"ordered({test})", rows, time)
        return before

    def collect(self, test: str, rows: Rows, time: Floats) -> None:
        """Note that a test's specimen was taken."""
        self._first(f"collected({test})", rows, time)
        if self._asks_since(test):
            self.array(f"latest {test}")[rows] = time

    def awaiting(self, test: str, rows: Rows, time: Floats) -> npt.NDArray[np.bool_]:
        """Return for whom a result of a test is still to come."""
        return np.asarray(self.array(f"due {test}", -np.inf)[rows] > time)

    def expect(self, test: str, rows: Rows, due: Floats, values: Mapping[str, Floats]) -> None:
        """Note when a result will be known, and what it will be."""
        self.array(f"due {test}", -np.inf)[rows] = due
        self.array(f"unread {test}", 0, np.bool_)[rows] = True
        for name in self._of_test[test]:
            self.array(f"due {test} {name}")[rows] = values[name]

    def measure(self, variable: str, rows: Rows, values: Floats) -> None:
        """Note a value at the time of its collection."""
        if f"measured({variable})" in self.asked:
            self.array(f"measured({variable})")[rows] = values

    def come(self, rows: Rows, now: Floats) -> None:
        """Note the results that have come by now."""
        for test in self.pathway.tests.values():
            if not test.awaited or f"unread {test.name}" not in self._arrays:
                continue
            due, unread = self._arrays[f"due {test.name}"], self._arrays[f"unread {test.name}"]
            here = unread[rows]
            if not here.any():
                continue
            here &= due[rows] <= now
            mine = rows[here]
            unread[mine] = False
            self._first(f"resulted({test.name})", mine, due[mine])
            for name in self._of_test[test.name]:
                self.know(test.name, name, mine, self._arrays[f"due {test.name} {name}"][mine])

    def know(self, test: str, variable: str, rows: Rows, values: Floats) -> None:
        """Note results of a test; what is missing is none."""
        found = ~np.isnan(values)
        if not found.all():
            rows, values = rows[found], values[found]
        result = self.array(f"result({variable})")
        if f"earlier({variable})" in self.asked:
            self.array(f"earlier({variable})")[rows] = result[rows]
        result[rows] = values
        if (within := f"result({variable},{test})") in self.asked:
            self.array(within)[rows] = values
        self._first(f"first({variable})", rows, values)
        for question, better in (("highest", np.fmax), ("lowest", np.fmin)):
            if (name := f"{question}({variable})") in self.asked:
                best = self.array(name)
                best[rows] = better(best[rows], values)
        if (name := f"results({variable})") in self.asked:
            self.count(name)[rows] += 1

    def _first(self, name: str, rows: Rows, values: Floats) -> None:
        if name in self.asked:
            held = self.array(name)
            new = np.isnan(held[rows])
            held[rows[new]] = values[new]

    def _asks_since(self, name: str) -> bool:
        return bool({f"since({name})", f"elapsed({name})"} & self.asked)

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, question: str, rows: Rows, time: Floats) -> Any:
        """Return the answers for some patients at a time."""
        what, _, about = question[:-1].partition("(")
        answers: Mapping[str, Callable[[], Any]] = {
            "since": lambda: self._since(about, rows, time),
            "elapsed": lambda: np.nan_to_num(self._since(about, rows, time)),
            "on": lambda: self.array(f"latest {about}")[rows] <= time,
            "visited": lambda: self.count(f"visits({about})")[rows] > 0,
            "visits": lambda: self.count(question)[rows].astype(np.float64),
            "results": lambda: self.count(question)[rows].astype(np.float64),
            "spent": lambda: self.array(question, 0.0)[rows],
        }
        if what in answers:
            return answers[what]()
        values = self.array(question)[rows]
        kind = self.types[about.partition(",")[0]].kind if what in (*_OF_RESULTS, "measured") else "number"
        if kind == "category":
            return np.where(np.isnan(values), -1, values).astype(np.int8)
        return values == 1 if kind == "condition" else values

    def _since(self, name: str, rows: Rows, time: Floats) -> Floats:
        passed = time - self.array(f"latest {name}")[rows]
        # What is planned for later has not happened yet.
        return np.where(passed >= 0, passed, np.nan)
