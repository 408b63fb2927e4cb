"""What has happened to each patient so far, kept as far as a pathway or a variable asks for it.

Every question of the language, such as ``result(hba1c)``, is answered here; see ``docs/pathways.md``. Times are minutes
since the start, NaN for never; results are float64, levels by their code, NaN for none. What is planned is told at once,
with its time, and not answered before.
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
    states: frozenset[str],
    entries: frozenset[str],
    tests: Mapping[str, frozenset[str]],
    measured: Mapping[str, Type],
) -> dict[str, Accessor]:
    """Return the questions that may be asked of a course, given the names that a pathway has.

    Args:
        states: Names of states.
        entries: Names of entries.
        tests: Names of tests, and what each measures.
        measured: What tests measure, and the type of each.
    """
    by_variable = {name: frozenset(test for test, found in tests.items() if name in found) for name in measured}
    numbers = {name: one for name, one in measured.items() if one.kind == "number"}

    def on(names: frozenset[str], gives: Type) -> Accessor:
        return Accessor(dict.fromkeys(sorted(names), gives))

    return {
        "since": on(states | entries | tests.keys(), DURATION),
        "elapsed": on(states | entries | tests.keys(), DURATION),
        "on": on(entries, CONDITION),
        "visited": on(states, CONDITION),
        "visits": on(states, NUMBER),
        "entered": on(states, DURATION),
        "spent": on(states, DURATION),
        "started": on(entries, DURATION),
        "ordered": on(frozenset(tests), DURATION),
        "collected": on(frozenset(tests), DURATION),
        "resulted": on(frozenset(tests), DURATION),
        "result": Accessor(measured, by_variable),
        "earlier": Accessor(measured),
        "first": Accessor(measured),
        "measured": Accessor(measured),
        "highest": Accessor(numbers),
        "lowest": Accessor(numbers),
        "results": on(frozenset(measured), NUMBER),
    }


# Questions whose answer is a time, which may be one that is still to come.
_MOMENTS = ("started", "ordered", "collected", "resulted")


class Memory:
    """The answers for ``size`` patients; ``asked`` are the questions that anybody asks, by name.

    Beside the answers themselves, named like the questions, it holds what they are computed from: when something was
    latest and the time before, what a test will find and when that is due.
    """

    def __init__(self, pathway: Pathway, size: int, asked: frozenset[str], types: Mapping[str, Type]) -> None:
        """Begin with patients to whom nothing has happened."""
        self.pathway = pathway
        self.size = size
        self.asked = asked
        self.types = types
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._state = np.full(size, -1, np.int16)
        self._states = list(pathway.states)
        self._of_test = {
            test.name: [name for name in test.measures if self._wants(name)] for test in pathway.tests.values()
        }

    def _wants(self, variable: str) -> bool:
        asked = {f"{question}({variable})" for question in (*_OF_RESULTS, "results")}
        within = f"result({variable},"
        return bool(asked & self.asked) or any(name.startswith(within) for name in self.asked)

    def _array(self, name: str, fill: float = np.nan, dtype: Any = np.float64) -> npt.NDArray[Any]:
        """Return an array over all patients, made when it is first needed."""
        if name not in self._arrays:
            self._arrays[name] = np.full(self.size, fill, dtype)
        return self._arrays[name]

    def visits(self, state: str) -> npt.NDArray[np.int32]:
        """Return how often each patient has entered a state."""
        return self._array(f"visits({state})", 0, np.int32)

    def due(self, test: str) -> Floats:
        """Return when the latest result of a test is, or was, due; minus infinity for none."""
        return self._array(f"{test} due", -np.inf)

    # --- what happens -----------------------------------------------------------------------------------------------

    def enter(self, state: str, rows: Rows, time: Floats) -> npt.NDArray[np.int32]:
        """Note that a state is entered; return how often it was before."""
        visits = self.visits(state)
        before = visits[rows]
        visits[rows] = before + 1
        self._state[rows] = self._states.index(state)
        self._earliest(f"entered({state})", rows, time)
        if self._asks_since(state):
            self._latest(state, rows, time)
        return before

    def leave(self, state: str, rows: Rows, stay: Floats) -> None:
        """Note how long a state was stayed in."""
        if f"spent({state})" in self.asked:
            self._array(f"spent({state})", 0.0)[rows] += stay

    def wait_on(self, rows: Rows, wait: Floats) -> None:
        """Note that patients stay longer in the state in which they are, until an appointment."""
        for number, state in enumerate(self._states):
            if f"spent({state})" in self.asked:
                here = self._state[rows] == number
                self.leave(state, rows[here], wait[here])

    def write(self, entry: str, rows: Rows, time: Floats) -> None:
        """Note that something was written. What is on already goes on as it began."""
        self._earliest(f"started({entry})", rows, time)
        if self._asks_since(entry) or f"on({entry})" in self.asked:
            begun = self._array(f"{entry} latest")
            begun[rows] = np.fmin(begun[rows], time)

    def stop(self, entry: str, rows: Rows) -> None:
        """Note that something written before is over."""
        self._array(f"{entry} latest")[rows] = np.nan

    def ask(self, test: str, rows: Rows) -> npt.NDArray[np.int32]:
        """Return how often a test was asked for before, whether or not it came to an order, and count it."""
        asked = self._array(f"{test} asked", 0, np.int32)
        before = asked[rows]
        asked[rows] = before + 1
        return before

    def order(self, test: str, rows: Rows, time: Floats) -> None:
        """Note that a test was ordered."""
        self._earliest(f"ordered({test})", rows, time)

    def collect(self, test: str, rows: Rows, time: Floats) -> None:
        """Note that a test's specimen was taken."""
        self._earliest(f"collected({test})", rows, time)
        if self._asks_since(test):
            self._latest(test, rows, time)

    def measure(self, variable: str, rows: Rows, time: Floats, values: Floats) -> None:
        """Note a value at the time of its collection."""
        if (name := f"measured({variable})") in self.asked:
            found = ~np.isnan(values)
            self._two(name, rows[found], time[found], values[found])

    def awaiting(self, test: str, rows: Rows, time: Floats) -> npt.NDArray[np.bool_]:
        """Return for whom a result of a test is still to come."""
        return np.asarray(self.due(test)[rows] > time)

    def expect(
        self, test: str, rows: Rows, due: Floats, values: Mapping[str, Floats], lost: npt.NDArray[np.bool_]
    ) -> None:
        """Note when results will be known, and what they will be; those that are lost are awaited and never come."""
        self.due(test)[rows] = due
        self._array(f"{test} unread", 0, np.bool_)[rows] = ~lost
        for name in self._of_test[test]:
            self._array(f"{test} {name} due")[rows] = values[name]

    def come(self, rows: Rows, now: Floats) -> None:
        """Note the results that have come by now."""
        for test in self.pathway.tests:
            unread = self._arrays.get(f"{test} unread")
            if unread is None or not (here := unread[rows]).any():
                continue
            due = self.due(test)
            here &= due[rows] <= now
            mine = rows[here]
            unread[mine] = False
            self.resulted(test, mine, due[mine])
            for name in self._of_test[test]:
                self.know(test, name, mine, self._arrays[f"{test} {name} due"][mine], due[mine])

    def resulted(self, test: str, rows: Rows, time: Floats) -> None:
        """Note that a test has come to its result."""
        self._earliest(f"resulted({test})", rows, time)

    def know(self, test: str, variable: str, rows: Rows, values: Floats, time: Floats) -> None:
        """Note results of a test that were known at a time; what is missing is none."""
        if variable not in self._of_test[test]:
            return
        found = ~np.isnan(values)
        if not found.all():
            rows, values, time = rows[found], values[found], time[found]
        self._two(f"result({variable})", rows, time, values)
        if (within := f"result({variable},{test})") in self.asked:
            self._array(within)[rows] = values
        if (name := f"first({variable})") in self.asked:
            at = self._array(f"{name} at", np.inf)
            sooner = time < at[rows]
            self._array(name)[rows[sooner]], at[rows[sooner]] = values[sooner], time[sooner]
        for question, better in (("highest", np.fmax), ("lowest", np.fmin)):
            if (name := f"{question}({variable})") in self.asked:
                best = self._array(name)
                best[rows] = better(best[rows], values)
        if (name := f"results({variable})") in self.asked:
            self._array(name, 0, np.int32)[rows] += 1

    def _earliest(self, name: str, rows: Rows, time: Floats) -> None:
        if name in self.asked:
            held = self._array(name)
            held[rows] = np.fmin(held[rows], time)

    def _latest(self, name: str, rows: Rows, time: Floats) -> None:
        self._two(f"{name} latest", rows, time, time)

    def _two(self, name: str, rows: Rows, time: Floats, values: Floats) -> None:
        """Keep the latest of values and the one before it, whatever the order in which they are told."""
        value, at = self._array(name), self._array(f"{name} at", -np.inf)
        older, then = self._array(f"{name} before"), self._array(f"{name} before at", -np.inf)
        newest = time >= at[rows]
        mine = rows if newest.all() else rows[newest]
        older[mine], then[mine] = value[mine], at[mine]
        value[mine], at[mine] = (values, time) if mine is rows else (values[newest], time[newest])
        between = ~newest & (time > then[rows])
        if between.any():
            older[rows[between]], then[rows[between]] = values[between], time[between]

    def _asks_since(self, name: str) -> bool:
        return bool({f"since({name})", f"elapsed({name})"} & self.asked)

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, question: str, rows: Rows, time: Floats) -> Any:
        """Return the answers for some patients at a time."""
        what, _, about = question[:-1].partition("(")
        answers: Mapping[str, Callable[[], Any]] = {
            "since": lambda: self._since(about, rows, time),
            "elapsed": lambda: np.nan_to_num(self._since(about, rows, time)),
            "on": lambda: self._array(f"{about} latest")[rows] <= time,
            "visited": lambda: self.visits(about)[rows] > 0,
            "visits": lambda: self.visits(about)[rows].astype(np.float64),
            "results": lambda: self._array(question, 0, np.int32)[rows].astype(np.float64),
            "spent": lambda: self._array(question, 0.0)[rows],
            "measured": lambda: self._as_told(about, self._by_then(question, rows, time)),
            "earlier": lambda: self._as_told(about, self._array(f"result({about}) before")[rows]),
        }
        if what in answers:
            return answers[what]()
        values = self._array(question)[rows]
        if what in _MOMENTS:
            # What is planned for later has not happened yet.
            return np.where(values <= time, values, np.nan)
        return self._as_told(about.partition(",")[0], values) if what in _OF_RESULTS else values

    def _as_told(self, variable: str, values: Floats) -> Any:
        kind = self.types[variable].kind
        if kind == "category":
            return np.where(np.isnan(values), -1, values).astype(np.int8)
        return values == 1 if kind == "condition" else values

    def _by_then(self, name: str, rows: Rows, time: Floats) -> Floats:
        """Return the latest of values that is not later than a time."""
        held, at = self._array(name)[rows], self._array(f"{name} at", -np.inf)[rows]
        late = at > time
        return np.where(late, self._array(f"{name} before")[rows], held) if late.any() else held

    def _since(self, name: str, rows: Rows, time: Floats) -> Floats:
        passed = time - self._by_then(f"{name} latest", rows, time)
        return np.where(passed >= 0, passed, np.nan)
