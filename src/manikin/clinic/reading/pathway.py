"""Reads the part of a model file that is about time: ``pathway``, ``processes`` and ``trajectories``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from manikin.clinic.expressions import DURATION, NUMBER, Accessor, Expression, Type
from manikin.clinic.memory import accessors
from manikin.clinic.pathway import KINDS, Arrival, Entry, Pathway, Process, Resource, State, Test, Trajectory
from manikin.clinic.reading.rules import bind
from manikin.clinic.reading.states import StateReader
from manikin.clinic.reading.terms import DAY_HOURS, TIME_EXAMPLE, Terms
from manikin.clinic.reading.trajectories import RESERVED, TrajectoryReader
from manikin.codebook import Variable
from manikin.document import Mapping as Block
from manikin.document import Scalar, Section, Sequence
from manikin.errors import closest

_LARGEST_SITE = 50_000


@dataclass(frozen=True)
class Names:
    """The names that a pathway gives, known before anything in it is read."""

    states: frozenset[str] = frozenset()
    tests: Mapping[str, frozenset[str]] = field(default_factory=dict)
    entries: frozenset[str] = frozenset()

    def accessors(self, types: Mapping[str, Type]) -> dict[str, Accessor]:
        """Return the questions that variables may ask of the pathway."""
        measured = {name: types[name] for found in self.tests.values() for name in sorted(found) if name in types}
        return accessors(self.states, self.entries, self.tests, measured) if self.states else {}


def names_of(top: Section) -> Names:
    """Return the names of a model's pathway; what is misshapen is told when it is read."""
    block = top.get("pathway")
    if not isinstance(block, Block):
        return Names()
    parts = {key.text: value for key, value in block.entries if isinstance(value, Block)}

    def keys(part: str) -> frozenset[str]:
        return frozenset(key.text for key, _ in parts[part].entries) if part in parts else frozenset()

    tests = {}
    for key, test in parts["tests"].entries if "tests" in parts else ():
        listed = {inner.text: value for inner, value in test.entries} if isinstance(test, Block) else {}
        value = listed.get("measures")
        items = value.items if isinstance(value, Sequence) else (value,)
        tests[key.text] = frozenset(item.text for item in items if isinstance(item, Scalar))
    return Names(keys("states"), tests, keys("entries"))


@dataclass(frozen=True)
class PathwayReader:
    """What reading needs: terms, what variables mean, the names that the pathway gives, and how codes are read."""

    terms: Terms
    meanings: Mapping[str, Variable]
    names: Names
    codes_of: Callable[[Section], dict[str, str]]

    def read(self, top: Section) -> Pathway | None:
        """Return the pathway of a model with its processes and trajectories, or None where it has none."""
        value, processes, trajectories = top.get("pathway"), top.get("processes"), top.get("trajectories")
        if value is None:
            for key, one in (("processes", processes), ("trajectories", trajectories)):
                if one is not None:
                    self.terms.notebook.add(
                        one, f"'{key}' need a pathway in which somebody looks.", "Write: pathway: {...}"
                    )
            return None
        if not isinstance(value, Block):
            self.terms.notebook.add(value, "'pathway' is a block.", "See docs/pathways.md.")
            return None
        section = Section(value, "The pathway", self.terms.notebook)
        # Before anything moves: the horizon is known when time begins.
        horizon = self.terms.time(section.need("horizon", "10 a"), "The pathway: 'horizon'")
        self.terms.default = section.get("source")
        values = TrajectoryReader(self.terms, self.meanings, frozenset[str]().union(*self.names.tests.values()))
        moving = values.processes(top)
        self.terms.scope = replace(
            self.terms.scope,
            names={
                **self.terms.scope.names,
                "time": DURATION,
                "hour": Type("number", "h"),
                "day_of_year": NUMBER,
                **dict.fromkeys(moving, NUMBER),
            },
            accessors=self.names.accessors(self.terms.scope.names),
        )
        pathway = self._pathway(section, horizon, moving, values.trajectories(top))
        section.close()
        return pathway

    def _pathway(
        self,
        section: Section,
        horizon: Expression | None,
        processes: dict[str, Process],
        trajectories: dict[str, Trajectory],
    ) -> Pathway | None:
        before = len(self.terms.notebook.mistakes)
        title = section.text("title", "Pathway of care")
        arrival, start = self._arrival(section), section.needed_text("start", "the name of the first state")
        resources, serving, site = self._resources(section)
        tests = {key.text: self._test(key.text, one) for key, one in section.sections("tests", lambda n: f"Test '{n}'")}
        entries = {
            key.text: self._entry(key.text, one) for key, one in section.sections("entries", lambda n: f"Entry '{n}'")
        }
        reader = StateReader(self.terms, self.names.states, frozenset(self.names.tests), self.names.entries)
        everywhere = reader.risks(section, "everywhere")
        states = {
            key.text: reader.state(key.text, one, everywhere)
            for key, one in section.sections("states", lambda n: f"State '{n}'")
        }
        for key in ("states", "tests", "entries"):
            self._check_names(section, key)
        if not states:
            self.terms.notebook.add(section.mapping, "The pathway has no states.", "Write: states: {visit: {...}}")
        elif start not in states and start:
            self.terms.notebook.add(
                section.get("start") or section.mapping, f"There is no state '{start}'.", closest(start, states)
            )
        if len(self.terms.notebook.mistakes) == before:
            # Otherwise who comes where is not known.
            self._check_reach(section, states, start)
        for name, one in states.items():
            if one.index and name != start:
                self.terms.notebook.add(
                    section.get("states") or section.mapping,
                    f"State '{name}' writes 'index', which is what is known at the start.",
                    f"Write it in the first state, '{start}'.",
                )
        if horizon is None or start not in states:
            return None
        served = {name: replace(one, resource=serving.get(name, "")) for name, one in tests.items()}
        return Pathway(
            title, horizon, start, served, entries, states, processes, trajectories, arrival, resources, site
        )

    def _arrival(self, section: Section) -> Arrival | None:
        """Return the times of day at which index encounters begin: bands of hours with weights."""
        entries = section.entries("arrival")
        if not entries:
            return None
        edges, weights = [0.0], []
        for key, item in entries:
            low, dots, high = key.text.partition("..")
            weight = bind(item, "The pathway: 'arrival'", self.terms.scope, self.terms.notebook)
            try:
                joins = bool(dots) and float(low) == edges[-1] < float(high)
            except ValueError:
                joins = False
            if not joins or weight is None or weight.constant is None or weight.constant < 0:
                self.terms.notebook.add(
                    key,
                    "'arrival' gives bands of hours from 0 to 24 with weights, each beginning where the last one ends.",
                    "Write, for example: {0..8: 15, 8..16: 50, 16..24: 35}",
                )
                return None
            edges.append(float(high))
            weights.append(weight.constant)
        if edges[-1] != DAY_HOURS or not sum(weights):
            self.terms.notebook.add(
                entries[-1][0], "'arrival' ends at 24, and some band has a weight.", "Write: {0..12: 40, 12..24: 60}"
            )
            return None
        self.terms.claim(section.get("arrival") or section.mapping, "arrival")
        return Arrival(np.array(edges), np.array(weights))

    def _resources(self, section: Section) -> tuple[dict[str, Resource], dict[str, str], int]:
        """Return what sites have only so much of, which resource serves a test, and how many patients a site has."""
        found, serving = {}, {}
        for key, one in section.sections("resources", lambda name: f"Resource '{name}'"):
            serves, takes = one.texts("serves"), self.terms.time(one.need("takes", "30 min"), f"{one.what}: 'takes'")
            units, hours = one.number("units"), self.terms.hours(one) or (0.0, DAY_HOURS)
            for test in serves:
                if test.text not in self.names.tests:
                    self.terms.notebook.add(
                        test, f"There is no test '{test.text}'.", closest(test.text, self.names.tests)
                    )
                elif test.text in serving:
                    self.terms.notebook.add(test, f"'{test.text}' is served twice.", "Let one resource serve a test.")
                serving[test.text] = key.text
            if not serves:
                self.terms.notebook.add(one.mapping, f"{one.what} serves no test.", "Write: serves: [a_test]")
            if takes is not None and not takes.constant:
                self.terms.notebook.add(
                    one.get("takes") or key, f"{one.what}: 'takes' is a fixed time above 0.", TIME_EXAMPLE
                )
            if units is not None and (units < 1 or units != int(units)):
                self.terms.notebook.add(
                    one.get("units") or key, f"{one.what}: 'units' is a whole number, more than 0.", "Write: units: 1"
                )
            self.terms.claim(one.mapping, f"resource {key.text}", one)
            one.close()
            found[key.text] = Resource(key.text, (takes and takes.constant) or 1.0, int(units or 1), hours)
        return found, serving, self._site(section, found)

    def _site(self, section: Section, resources: Mapping[str, Resource]) -> int:
        value = section.get("site")
        text = value.text if isinstance(value, Scalar) else ""
        if value is None and not resources:
            return 1
        if text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST_SITE:
            return int(text)
        self.terms.notebook.add(
            value or section.get("resources") or section.mapping,
            f"'site' is how many index patients share the resources, from 1 to {_LARGEST_SITE:,}.",
            "Write, for example: site: 2000",
        )
        return 1

    def _test(self, name: str, section: Section) -> Test:
        """Return a test that can be ordered."""
        measures = section.texts("measures")
        for item in measures:
            if item.text not in self.meanings:
                self.terms.notebook.add(item, f"There is no variable '{item.text}'.", closest(item.text, self.meanings))
        for twice in sorted({item.text for item in measures if [one.text for one in measures].count(item.text) > 1}):
            self.terms.notebook.add(measures[0], f"{section.what} measures '{twice}' twice.", "Name it once.")
        if not measures:
            self.terms.notebook.add(
                section.mapping, f"{section.what} measures nothing.", "Write: measures: [a_variable]"
            )
        collected, resulted = self.terms.span(section, "collected"), self.terms.span(section, "resulted")
        lost, codes = self.terms.probability(section, "lost"), self.codes_of(section)
        self.terms.claim(section.mapping, f"test {name}", section)
        title = section.text("title", name.replace("_", " ").capitalize())
        section.close()
        return Test(name, title, tuple(item.text for item in measures), codes, collected, resulted, lost)

    def _entry(self, name: str, section: Section) -> Entry:
        """Return something that can be written into a record."""
        kind = section.choice("kind", KINDS, "decision")
        if section.get("kind") is None:
            self.terms.notebook.add(
                section.mapping, f"{section.what} has no 'kind'.", f"Write one of: {', '.join(KINDS)}."
            )
        title, codes = section.text("title", name.replace("_", " ").capitalize()), self.codes_of(section)
        section.close()
        return Entry(name, kind, title, codes)

    def _check_names(self, section: Section, key: str) -> None:
        """Tell names that stand for two things."""
        for name, _ in section.entries(key):
            others = [
                what
                for what, names in (
                    ("state", self.names.states),
                    ("test", self.names.tests),
                    ("entry", self.names.entries),
                )
                if name.text in names
            ]
            if len(others) > 1:
                self.terms.notebook.add(
                    name, f"'{name.text}' is both {' and '.join(others)}.", "Give each a name of its own."
                )
            elif name.text in RESERVED or not name.text.replace("_", "").isalnum():
                self.terms.notebook.add(
                    name,
                    f"'{name.text}' can't be a name here.",
                    "Names are letters, digits and _, and no words of the language.",
                )

    def _check_reach(self, section: Section, states: Mapping[str, State], start: str) -> None:
        """Tell states that nobody comes to."""
        reached, waiting = {start}, [start]
        while waiting:
            one = states.get(waiting.pop())
            if one is None:
                continue
            for go in [*(way.go for way in one.then), *(risk.go for risk in one.risks)]:
                if go not in reached:
                    reached.add(go)
                    waiting.append(go)
        for name, _ in section.entries("states"):
            if start in states and name.text not in reached:
                self.terms.notebook.add(
                    name, f"Nobody comes to the state '{name.text}'.", "Lead a way there, or remove it."
                )
