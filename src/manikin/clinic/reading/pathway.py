"""Reads the part of a model file that is about time: ``pathway``, ``processes`` and ``trajectories``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from manikin.clinic.distributions import FAMILIES
from manikin.clinic.expressions import CONDITION, DURATION, NUMBER, Accessor, Expression, Scope, Type, constant
from manikin.clinic.grammar import DURATIONS, ExpressionError, parse
from manikin.clinic.memory import accessors
from manikin.clinic.pathway import (
    CLOCK,
    ENDINGS,
    KINDS,
    Act,
    Arrival,
    Contact,
    Entry,
    Pathway,
    Process,
    Risk,
    Span,
    State,
    Test,
    Trajectory,
    Transition,
    Variation,
)
from manikin.clinic.reading.cells import read_range
from manikin.clinic.reading.rules import RuleReader, bind, flatten
from manikin.clinic.rules import (
    DrawSpec,
    FamilySpec,
    LevelsRule,
    MixtureSpec,
    PointMassSpec,
    Shares,
    TruncatedSpec,
)
from manikin.codebook import Grounds, Kind, Variable
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Section, Sequence, Value
from manikin.errors import closest

# Names that a model with a pathway can't give to anything else.
RESERVED = frozenset((*CLOCK, "followed", "none", "index"))

_RATES = {"per-hour": "h", "per-day": "d", "per-year": "a"}
_DAY_HOURS = 24.0
_SPAN_EXAMPLE = "Write a time with its unit, such as 30 min, or a distribution such as lognormal(2 h, 0.5)."


@dataclass(frozen=True)
class Names:
    """The names that a pathway gives, known before anything in it is read."""

    states: frozenset[str] = frozenset()
    tests: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()
    measured: tuple[str, ...] = ()

    def accessors(self, types: Mapping[str, Type]) -> dict[str, Accessor]:
        """Return the questions that variables may ask of the pathway."""
        measured = {name: types[name] for name in self.measured if name in types}
        return accessors(self.states, self.entries, self.tests, measured) if self.states else {}


def names_of(top: Section) -> Names:
    """Return the names of a model's pathway; what is misshapen is told when it is read."""
    block = top.get("pathway")
    if not isinstance(block, Block):
        return Names()
    parts = {key.text: value for key, value in block.entries if isinstance(value, Block)}

    def keys(part: str) -> frozenset[str]:
        return frozenset(key.text for key, _ in parts[part].entries) if part in parts else frozenset()

    measured: list[str] = []
    tests = parts["tests"].entries if "tests" in parts else ()
    for _, test in tests:
        listed = dict((key.text, value) for key, value in test.entries) if isinstance(test, Block) else {}
        value = listed.get("measures")
        items = value.items if isinstance(value, Sequence) else (value,)
        measured += [item.text for item in items if isinstance(item, Scalar)]
    return Names(keys("states"), keys("tests"), keys("entries"), tuple(dict.fromkeys(measured)))


@dataclass
class PathwayReader:
    """What reading needs: the names in reach, what variables mean, how sources are read, and where mistakes go."""

    scope: Scope
    meanings: Mapping[str, Variable]
    names: Names
    notebook: Notebook
    grounds_of: Callable[[Value, str, str], Grounds | None]
    codes_of: Callable[[Section], dict[str, str]]
    default: Value | None = None
    addresses: Counter[str] = field(default_factory=Counter)

    def read(self, top: Section) -> Pathway | None:
        """Return the pathway of a model with its processes and trajectories, or None where it has none."""
        value, processes, trajectories = top.get("pathway"), top.get("processes"), top.get("trajectories")
        if value is None:
            for key, one in (("processes", processes), ("trajectories", trajectories)):
                if one is not None:
                    self.notebook.add(one, f"'{key}' need a pathway in which somebody looks.", "Write: pathway: {...}")
            return None
        if not isinstance(value, Block):
            self.notebook.add(value, "'pathway' is a block.", "See docs/pathways.md.")
            return None
        section = Section(value, "The pathway", self.notebook)
        self.default = section.get("source")
        moving = self._processes(top)
        self.scope = replace(
            self.scope,
            names={
                **self.scope.names,
                "time": DURATION,
                "hour": Type("number", "h"),
                "day_of_year": NUMBER,
                **dict.fromkeys(moving, NUMBER),
            },
            accessors=self.names.accessors(self.scope.names),
        )
        pathway = self._pathway(section, moving, self._trajectories(top))
        section.close()
        return pathway

    def _pathway(
        self, section: Section, processes: dict[str, Process], trajectories: dict[str, Trajectory]
    ) -> Pathway | None:
        title = section.text("title", "Pathway of care")
        horizon = self._fixed_time(section.need("horizon", "10 a"), "The pathway: 'horizon'")
        arrival, start = self._arrival(section), section.needed_text("start", "the name of the first state")
        tests = {key.text: self._test(key.text, one) for key, one in section.sections("tests", lambda n: f"Test '{n}'")}
        entries = {
            key.text: self._entry(key.text, one) for key, one in section.sections("entries", lambda n: f"Entry '{n}'")
        }
        everywhere = self._risks(section, "everywhere")
        states = {
            key.text: self._state(key.text, one, everywhere)
            for key, one in section.sections("states", lambda n: f"State '{n}'")
        }
        for key in ("states", "tests", "entries"):
            self._check_names(section, key)
        if not states:
            self.notebook.add(section.mapping, "The pathway has no states.", "Write: states: {visit: {...}}")
        elif start not in states and start:
            self.notebook.add(
                section.get("start") or section.mapping, f"There is no state '{start}'.", closest(start, states)
            )
        self._check_reach(section, states, start)
        if horizon is None or start not in states:
            return None
        return Pathway(title, horizon, start, tests, entries, states, processes, trajectories, arrival)

    # --- parts of the pathway ----------------------------------------------------------------------------------------

    def _arrival(self, section: Section) -> Arrival | None:
        """Return the times of day at which index encounters begin: bands of hours with weights."""
        entries = section.entries("arrival")
        if not entries:
            return None
        edges, weights = [0.0], []
        for key, item in entries:
            low, dots, high = key.text.partition("..")
            weight = bind(item, "The pathway: 'arrival'", self.scope, self.notebook)
            try:
                joins = bool(dots) and float(low) == edges[-1] < float(high)
            except ValueError:
                joins = False
            if not joins or weight is None or weight.constant is None or weight.constant < 0:
                self.notebook.add(
                    key,
                    "'arrival' gives bands of hours from 0 to 24 with weights, each beginning where the last one ends.",
                    "Write, for example: {0..8: 15, 8..16: 50, 16..24: 35}",
                )
                return None
            edges.append(float(high))
            weights.append(weight.constant)
        if edges[-1] != _DAY_HOURS or not sum(weights):
            self.notebook.add(
                entries[-1][0], "'arrival' ends at 24, and some band has a weight.", "Write: {0..12: 40, 12..24: 60}"
            )
            return None
        self._claim(section.get("arrival") or section.mapping, "arrival")
        return Arrival(np.array(edges), np.array(weights))

    def _test(self, name: str, section: Section) -> Test:
        """Return a test that can be ordered."""
        measures = section.texts("measures")
        for item in measures:
            if item.text not in self.meanings:
                self.notebook.add(item, f"There is no variable '{item.text}'.", closest(item.text, self.meanings))
        if not measures:
            self.notebook.add(section.mapping, f"{section.what} measures nothing.", "Write: measures: [a_variable]")
        collected, resulted = self._span(section, "collected"), self._span(section, "resulted")
        lost, codes = self._probability(section, "lost"), self.codes_of(section)
        self._claim(section.mapping, f"test {name}", section)
        title = section.text("title", name.replace("_", " ").capitalize())
        section.close()
        return Test(name, title, tuple(item.text for item in measures), codes, collected, resulted, lost)

    def _entry(self, name: str, section: Section) -> Entry:
        """Return something that can be written into a record."""
        kind = section.choice("kind", KINDS, "decision")
        if section.get("kind") is None:
            self.notebook.add(section.mapping, f"{section.what} has no 'kind'.", f"Write one of: {', '.join(KINDS)}.")
        title, codes = section.text("title", name.replace("_", " ").capitalize()), self.codes_of(section)
        section.close()
        return Entry(name, kind, title, codes)

    def _state(self, name: str, section: Section, everywhere: tuple[Risk, ...]) -> State:
        """Return a state."""
        contact = self._contact(section)
        ends = section.choice("ends", ENDINGS, "")
        writes = self._acts(section, "writes", "entry", self.names.entries | {"index"}, name)
        stops = self._acts(section, "stops", "entry", self.names.entries, name)
        orders = self._acts(section, "orders", "test", self.names.tests, name)
        wait, for_results = self._wait(section)
        own = self._risks(section, name)
        risks = own + tuple(one for one in everywhere if not ends and (not one.among or name in one.among))
        then = self._ways_out(section, name)
        if ends and (then or own or orders or wait is not None or for_results):
            self.notebook.add(
                section.get("ends") or section.mapping,
                f"{section.what} ends the follow-up, and so has no 'orders', 'wait', 'risks' or 'then'.",
                "Remove them, or put a state before it.",
            )
        if not ends and not then:
            self.notebook.add(
                section.mapping,
                f"{section.what} has no way out.",
                "Write 'then: [{go: another}]' or 'ends: discharge'.",
            )
        hours = self._hours(section)
        self._claim(section.mapping, f"state {name}", section)
        title = section.text("title", name.replace("_", " ").capitalize())
        section.close()
        return State(
            name, title, contact, tuple(one for one in writes if one.what != "index"), stops, orders, wait,
            for_results, risks, then, ends, any(one.what == "index" for one in writes),
            hours,
        )  # fmt: skip

    def _hours(self, section: Section) -> tuple[float, float] | None:
        """Return the hours of the day in which a state is entered, by appointment."""
        value = section.get("hours")
        if value is None:
            return None
        found = read_range(value, f"{section.what}: 'hours'", self.notebook)
        if found is not None and 0 <= found.low < found.high <= _DAY_HOURS:
            return found.low, found.high
        if found is not None:
            self.notebook.add(
                value, f"{section.what}: 'hours' lie between 0 and 24.", "Write, for example: hours: 8..17"
            )
        return None

    def _contact(self, section: Section) -> Contact | None:
        """Return the encounter that a state opens or ends."""
        value = section.get("encounter")
        if value is None:
            return None
        if isinstance(value, Scalar) and value.text.strip():
            return Contact(value.text.strip())
        if isinstance(value, Block):
            inner = Section(value, f"{section.what}: 'encounter'", self.notebook)
            kind, lasts = inner.needed_text("kind", "ambulatory"), self._span(inner, "lasts")
            inner.close()
            return Contact(kind, lasts)
        self.notebook.add(
            value,
            f"{section.what}: 'encounter' is a kind.",
            "Write: encounter: emergency, or {kind: ambulatory, lasts: 20 min}",
        )
        return None

    def _acts(self, section: Section, key: str, of: str, known: frozenset[str], state: str) -> tuple[Act, ...]:
        """Return the orders or entries of a state: names, or blocks that say in whom and when."""
        found = []
        for item in self._items(section, key):
            if isinstance(item, Scalar):
                inner, what, when, share, after = None, item, None, None, None
            elif isinstance(item, Block):
                inner = Section(item, f"{section.what}: '{key}'", self.notebook)
                named = inner.need(of, f"the name of a {of}")
                when, share, after = (
                    self._condition(inner, "when"),
                    self._probability(inner, "share"),
                    self._span(inner, "after"),
                )
                inner.get("source")
                inner.close()
                if not isinstance(named, Scalar):
                    continue
                what = named
            else:
                self.notebook.add(
                    item, f"{section.what}: '{key}' is a list of names and blocks.", "See docs/pathways.md."
                )
                continue
            if what.text not in known:
                self.notebook.add(what, f"There is no {of} '{what.text}'.", closest(what.text, known))
                continue
            found.append(Act(what.text, self._address(f"{state} {key} {what.text}"), when, share, after))
        return tuple(found)

    def _wait(self, section: Section) -> tuple[Span | None, bool]:
        """Return how long a state is stayed in, and whether until results have come."""
        value = section.get("wait")
        if value is None:
            return None, False
        if isinstance(value, Scalar) and value.text.strip() == "results":
            return None, True
        if isinstance(value, Block):
            inner = Section(value, f"{section.what}: 'wait'", self.notebook)
            inner.need("results", "lognormal(10 min, 0.5)")
            span = self._span(inner, "results")
            inner.close()
            return span, True
        return self._span(section, "wait"), False

    def _risks(self, section: Section, state: str) -> tuple[Risk, ...]:
        """Return competing risks."""
        found = []
        for item in self._items(section, "risks"):
            if not isinstance(item, Block):
                self.notebook.add(item, f"{section.what}: a risk is a block.", "Write: - {go: dead, per-year: 0.02}")
                continue
            inner = Section(item, f"{section.what}: a risk", self.notebook)
            go, among = self._target_state(inner), inner.texts("in")
            for one in among:
                if one.text not in self.names.states:
                    self.notebook.add(one, f"There is no state '{one.text}'.", closest(one.text, self.names.states))
            if among and state != "everywhere":
                self.notebook.add(
                    among[0], f"{inner.what} of one state has no 'in'.", "Write it under the pathway's 'risks'."
                )
            written = [key for key in _RATES if inner.get(key) is not None]
            if len(written) != 1:
                self.notebook.add(
                    item, f"{inner.what} has {len(written)} rates.", f"Give it exactly one of: {', '.join(_RATES)}."
                )
            rate = self._number(inner, written[0]) if written else None
            if inner.get("source") is not None:
                self._claim(item, f"risk of {state}", inner)
            inner.close()
            if go and rate is not None:
                scaled = rate.scaled(1 / DURATIONS[_RATES[written[0]]])
                address = self._address(f"{state} risk {go}")
                found.append(Risk(go, address, scaled, tuple(one.text for one in among)))
        return tuple(found)

    def _ways_out(self, section: Section, state: str) -> tuple[Transition, ...]:
        """Return the ways out of a state; the last one is open to all who are left."""
        found, items = [], self._items(section, "then")
        for item in items:
            if not isinstance(item, Block):
                self.notebook.add(item, f"{section.what}: a way out is a block.", "Write: - {when: x > 5, go: another}")
                continue
            inner = Section(item, f"{section.what}: a way out", self.notebook)
            go, when, share = (
                self._target_state(inner),
                self._condition(inner, "when"),
                self._probability(inner, "share"),
            )
            if inner.get("source") is not None:
                self._claim(item, f"way out of {state}", inner)
            inner.close()
            if go:
                # A line without a share draws nothing: put before others, as a new rule is, it leaves their chance alone.
                address = f"{state} to {go}" if share is None else self._address(f"{state} to {go}")
                found.append(Transition(go, address, when, share))
        if found and not (found[-1].when is None and found[-1].share is None):
            self.notebook.add(
                items[-1], f"{section.what}: nobody may be left behind.", "End 'then' with a line that says only 'go'."
            )
        for item, one in zip(items, found[:-1], strict=False):
            if one.when is None and one.share is None:
                self.notebook.add(
                    item,
                    f"{section.what}: everybody leaves here; the lines after it do nothing.",
                    "Move it to the end.",
                )
        return tuple(found)

    def _target_state(self, section: Section) -> str:
        value = section.need("go", "the name of a state")
        text = value.text if isinstance(value, Scalar) else ""
        if value is not None and text not in self.names.states:
            self.notebook.add(value, f"There is no state '{text}'.", closest(text, self.names.states))
            return ""
        return text

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
                self.notebook.add(
                    name, f"'{name.text}' is both {' and '.join(others)}.", "Give each a name of its own."
                )
            elif name.text in RESERVED or not name.text.replace("_", "").isalnum():
                self.notebook.add(
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
                self.notebook.add(name, f"Nobody comes to the state '{name.text}'.", "Lead a way there, or remove it.")

    # --- how values move ---------------------------------------------------------------------------------------------

    def _processes(self, top: Section) -> dict[str, Process]:
        """Return the latent processes."""
        found = {}
        for key, section in top.sections("processes", lambda name: f"Process '{name}'"):
            memory = self._fixed_time(section.need("memory", "30 d"), f"{section.what}: 'memory'")
            begins = section.text("begins") or None
            if begins is not None and (begins not in self.meanings or not self.meanings[begins].numeric):
                numbers = [name for name, one in self.meanings.items() if one.numeric]
                self.notebook.add(
                    section.get("begins") or key, f"'{begins}' is no number of the model.", closest(begins, numbers)
                )
            if key.text in self.scope.names or key.text in RESERVED:
                self.notebook.add(key, f"'{key.text}' is taken.", "Choose another name.")
            self._claim(section.mapping, f"process {key.text}", section)
            section.close()
            if memory is not None:
                found[key.text] = Process(key.text, memory, begins)
        return found

    def _trajectories(self, top: Section) -> dict[str, Trajectory]:
        """Return how variables move."""
        found = {}
        for key, section in top.sections("trajectories", lambda name: f"Trajectory of '{name}'"):
            meaning = self.meanings.get(key.text)
            if meaning is None:
                self.notebook.add(key, f"There is no variable '{key.text}'.", closest(key.text, self.meanings))
                continue
            if key.text not in self.names.measured:
                self.notebook.add(
                    key, f"No test measures '{key.text}'.", "Let a test measure it, or remove its trajectory."
                )
            one = self._trajectory(meaning, section)
            self._claim(section.mapping, f"{key.text} over time", section)
            section.close()
            if one is not None:
                found[key.text] = one
        return found

    def _trajectory(self, meaning: Variable, section: Section) -> Trajectory | None:
        """Return how a variable moves."""
        if meaning.kind is Kind.CATEGORY:
            return self._found_levels(meaning, section)
        if meaning.kind is Kind.CONDITION:
            section.need("chance", "if(ill, 0.9, 0.05)")
            chance = self._probability(section, "chance")
            return None if chance is None else Trajectory(meaning.name, chance)
        value = self._number(section, "value") if section.need("value", f"{meaning.name}") is not None else None
        memory = self._fixed_time(section.get("memory"), f"{section.what}: 'memory'") if section.get("memory") else None
        within, analytical = self._variation(section, "within"), self._variation(section, "analytical")
        if memory is not None and within is None:
            self.notebook.add(
                section.get("memory") or section.mapping,
                f"{section.what}: 'memory' is that of the variation 'within' the person, which is missing.",
                "Write: within: 5%",
            )
            memory = None
        between = self._between(section)
        return None if value is None else Trajectory(meaning.name, value, None, within, analytical, memory, between)

    def _found_levels(self, meaning: Variable, section: Section) -> Trajectory | None:
        if section.need("shares", f"{{{meaning.levels[0]}: 90, {meaning.levels[1]}: 10}}") is None:
            return None
        reader = RuleReader(meaning, self.scope, self.notebook, lambda _: None)
        rule = reader.levels(section)
        if not isinstance(rule, LevelsRule) or not isinstance(rule.cumulative, Shares):
            return None
        return Trajectory(meaning.name, None, rule.cumulative)

    def _variation(self, section: Section, key: str) -> Variation | None:
        """Return a variation, relative or in the variable's unit."""
        relative, absolute = self._number(section, key), self._number(section, f"{key}-sd")
        if relative is not None and absolute is not None:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what} has both '{key}' and '{key}-sd'.",
                "Keep one of them.",
            )
        size = relative if relative is not None else absolute
        if size is None:
            return None
        if size.constant is not None and size.constant < 0:
            self.notebook.add(
                section.get(key) or section.get(f"{key}-sd") or section.mapping,
                f"{section.what}: a variation is 0 or more; got {size.constant:g}.",
                f"Write: {key}: 5%",
            )
        return Variation(size, relative is not None)

    def _between(self, section: Section) -> tuple[Expression, Expression] | None:
        value = section.get("between")
        if value is None:
            return None
        ends = (
            [bind(item, f"{section.what}: 'between'", self.scope, self.notebook) for item in value.items]
            if isinstance(value, Sequence)
            else []
        )
        known = [one for one in ends if one is not None]
        if len(known) != 2:
            if len(known) == len(ends):
                self.notebook.add(
                    value, f"{section.what}: 'between' is a list of two values.", "Write: between: [0, 10]"
                )
            return None
        return known[0], known[1]

    # --- expressions -------------------------------------------------------------------------------------------------

    def _span(self, section: Section, key: str) -> Span | None:
        """Return how long something takes."""
        value = section.get(key)
        if value is None:
            return None
        what = f"{section.what}: '{key}'"
        if isinstance(value, Scalar):
            try:
                tree = parse(value.text)
            except ExpressionError as error:
                self.notebook.add(value, f"{what}: {error.what}", error.suggestion, error.offset)
                return None
            if tree.kind == "call" and tree.text in (*FAMILIES, "truncated", "point_mass", "mixture"):
                return self._drawn_span(value, what)
        fixed = self._fixed_time(value, what)
        return None if fixed is None else Span(fixed)

    def _drawn_span(self, value: Value, what: str) -> Span | None:
        spec = RuleReader(_A_TIME, self.scope, self.notebook, lambda _: None).spec(value, what)
        if spec is None:
            return None
        if not _timed(spec):
            self.notebook.add(value, f"{what} is a time, and has a unit.", _SPAN_EXAMPLE)
            return None
        return Span(None, spec)

    def _fixed_time(self, value: Value | None, what: str) -> Expression | None:
        bound = bind(value, what, self.scope, self.notebook)
        if bound is None or value is None:
            return None
        if not bound.timed and bound.constant != 0:
            self.notebook.add(value, f"{what} is a time, and has a unit.", _SPAN_EXAMPLE)
            return None
        if bound.constant is not None and bound.constant < 0:
            self.notebook.add(value, f"{what} is a time of 0 or more.", _SPAN_EXAMPLE)
            return None
        return bound

    def _condition(self, section: Section, key: str) -> Expression | None:
        bound = bind(section.get(key), f"{section.what}: '{key}'", self.scope, self.notebook)
        if bound is not None and bound.type != CONDITION:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' is a condition; this is {bound.type}.",
                "Compare it with something.",
            )
            return None
        return bound

    def _number(self, section: Section, key: str) -> Expression | None:
        bound = bind(section.get(key), f"{section.what}: '{key}'", self.scope, self.notebook)
        if bound is not None and bound.type.kind == "category":
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' is a number; this is a category.",
                "Compare it with one of its values.",
            )
            return None
        return bound

    def _probability(self, section: Section, key: str) -> Expression | None:
        bound = self._number(section, key)
        if bound is not None and bound.constant is not None and not 0 <= bound.constant <= 1:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' lies between 0 and 1; got {bound.constant:g}.",
                f"Write, for example: {key}: 30%",
            )
            return constant(0.5)
        return bound

    # --- sources and lists -------------------------------------------------------------------------------------------

    def _claim(self, block: Value, about: str, section: Section | None = None) -> None:
        """Take note of what a block says, and of where it comes from: its own source, or the pathway's."""
        own = section.get("source") if section is not None else None
        statement = flatten(_without_sourced(block))
        source = own or self.default
        if source is not None:
            self.grounds_of(source, about, statement)
        elif any(letter.isdigit() for letter in statement):
            self.notebook.add(
                block,
                f"{section.what if section else about} names no source, and neither does the pathway.",
                "Write, for example: source: house assumption",
            )

    def _items(self, section: Section, key: str) -> tuple[Value, ...]:
        value = section.get(key)
        if value is None:
            return ()
        if isinstance(value, Sequence):
            return value.items
        if isinstance(value, Scalar):
            return (value,)
        self.notebook.add(value, f"{section.what}: '{key}' is a list.", "Begin each entry with '- '.")
        return ()

    def _address(self, name: str) -> str:
        """Return a name of its own for a draw: the same however the lines around it change."""
        self.addresses[name] += 1
        return name if self.addresses[name] == 1 else f"{name} {self.addresses[name]}"


_A_TIME = Variable("a_time", Kind.QUANTITY, unit="min")


def _timed(spec: DrawSpec) -> bool:
    """Return whether a distribution is one of times."""
    if isinstance(spec, FamilySpec):
        return any(one.timed for one in spec.parameters.values())
    if isinstance(spec, TruncatedSpec):
        return _timed(spec.inner)
    if isinstance(spec, PointMassSpec):
        return _timed(spec.rest)
    return isinstance(spec, MixtureSpec) and all(_timed(part) for part in spec.parts)


def _without_sourced(value: Value) -> Value:
    """Return a block without the parts that name sources of their own."""
    if isinstance(value, Block):
        kept = tuple((key, _without_sourced(item)) for key, item in value.entries if not _sourced(item))
        return replace(value, entries=kept)
    if isinstance(value, Sequence):
        return replace(value, items=tuple(_without_sourced(item) for item in value.items if not _sourced(item)))
    return value


def _sourced(value: Value) -> bool:
    return isinstance(value, Block) and any(key.text == "source" for key, _ in value.entries)
