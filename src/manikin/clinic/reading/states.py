"""Reads the states of a pathway: what is done in them, how long they last, and where they lead."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from manikin.clinic.grammar import DURATIONS
from manikin.clinic.pathway import Act, Contact, Risk, Span, State, Transition
from manikin.clinic.reading.terms import Terms
from manikin.codebook import ENDINGS
from manikin.document import Mapping as Block
from manikin.document import Scalar, Section
from manikin.errors import closest

_RATES = {"per-hour": "h", "per-day": "d", "per-year": "a"}


@dataclass(frozen=True)
class StateReader:
    """What reading needs: the terms of the pathway, and the names of its states, tests and entries."""

    terms: Terms
    states: frozenset[str]
    tests: frozenset[str]
    entries: frozenset[str]
    addresses: Counter[str] = field(default_factory=Counter)

    def state(self, name: str, section: Section, everywhere: tuple[Risk, ...]) -> State:
        """Return a state."""
        contact = self._contact(section)
        ends = section.choice("ends", ENDINGS, "")
        writes = self._acts(section, "writes", "entry", self.entries | {"index"}, name)
        stops = self._acts(section, "stops", "entry", self.entries, name)
        orders = self._acts(section, "orders", "test", self.tests, name)
        wait, for_results = self._wait(section)
        own = self.risks(section, name)
        risks = own + tuple(one for one in everywhere if not ends and (not one.among or name in one.among))
        then = self._ways_out(section, name)
        if ends and (then or own or orders or wait is not None or for_results):
            self.terms.notebook.add(
                section.get("ends") or section.mapping,
                f"{section.what} ends the follow-up, and so has no 'orders', 'wait', 'risks' or 'then'.",
                "Remove them, or put a state before it.",
            )
        if ends and section.get("hours") is not None:
            self.terms.notebook.add(
                section.get("hours") or section.mapping,
                f"{section.what} ends the follow-up; nobody has an appointment for that.",
                "Remove 'hours'.",
            )
        for one in stops:
            if one.after is not None:
                self.terms.notebook.add(
                    section.get("stops") or section.mapping,
                    f"{section.what}: what is stopped is stopped on entering; 'after' does nothing.",
                    "Put a state between.",
                )
        for one in writes:
            if one.what == "index" and (one.when or one.share or one.after):
                self.terms.notebook.add(
                    section.get("writes") or section.mapping,
                    f"{section.what}: 'index' is written for everybody, at once.",
                    "Write: writes: [index]",
                )
        if not ends and not self.terms.items(section, "then"):
            self.terms.notebook.add(
                section.mapping,
                f"{section.what} has no way out.",
                "Write 'then: [{go: another}]' or 'ends: discharge'.",
            )
        hours = self.terms.hours(section)
        self.terms.claim(section.mapping, f"state {name}", section)
        title = section.text("title", name.replace("_", " ").capitalize())
        section.close()
        return State(
            name, title, contact, tuple(one for one in writes if one.what != "index"), stops, orders, wait,
            for_results, risks, then, ends, any(one.what == "index" for one in writes),
            hours,
        )  # fmt: skip

    def risks(self, section: Section, state: str) -> tuple[Risk, ...]:
        """Return competing risks."""
        found = []
        for item in self.terms.items(section, "risks"):
            if not isinstance(item, Block):
                self.terms.notebook.add(
                    item, f"{section.what}: a risk is a block.", "Write: - {go: dead, per-year: 0.02}"
                )
                continue
            inner = Section(item, f"{section.what}: a risk", self.terms.notebook)
            go, among = self._target_state(inner), inner.texts("in")
            for one in among:
                if one.text not in self.states:
                    self.terms.notebook.add(one, f"There is no state '{one.text}'.", closest(one.text, self.states))
            if among and state != "everywhere":
                self.terms.notebook.add(
                    among[0], f"{inner.what} of one state has no 'in'.", "Write it under the pathway's 'risks'."
                )
            written = [key for key in _RATES if inner.get(key) is not None]
            if len(written) != 1:
                self.terms.notebook.add(
                    item, f"{inner.what} has {len(written)} rates.", f"Give it exactly one of: {', '.join(_RATES)}."
                )
            rate = self.terms.number(inner, written[0]) if written else None
            if rate is not None and (rate.timed or (rate.constant is not None and rate.constant < 0)):
                self.terms.notebook.add(
                    item, f"{inner.what}: a rate is a number of 0 or more.", "Write: per-year: 0.02"
                )
                continue
            if inner.get("source") is not None:
                self.terms.claim(item, f"risk of {state}", inner)
            inner.close()
            if go and rate is not None:
                scaled = rate.scaled(1 / DURATIONS[_RATES[written[0]]])
                address = self._address(f"{state} risk {go}")
                found.append(Risk(go, address, scaled, tuple(one.text for one in among)))
        return tuple(found)

    def _contact(self, section: Section) -> Contact | None:
        """Return the encounter that a state opens or ends."""
        value = section.get("encounter")
        if value is None:
            return None
        if isinstance(value, Scalar) and value.text.strip():
            return Contact(value.text.strip())
        if isinstance(value, Block):
            inner = Section(value, f"{section.what}: 'encounter'", self.terms.notebook)
            kind, lasts = inner.needed_text("kind", "ambulatory"), self.terms.span(inner, "lasts")
            inner.close()
            if kind == "none" and lasts is not None:
                self.terms.notebook.add(value, f"{inner.what} of kind 'none' doesn't last.", "Remove 'lasts'.")
            return Contact(kind, lasts)
        self.terms.notebook.add(
            value,
            f"{section.what}: 'encounter' is a kind.",
            "Write: encounter: emergency, or {kind: ambulatory, lasts: 20 min}",
        )
        return None

    def _acts(self, section: Section, key: str, of: str, known: frozenset[str], state: str) -> tuple[Act, ...]:
        """Return the orders or entries of a state: names, or blocks that say in whom and when."""
        found = []
        for item in self.terms.items(section, key):
            if isinstance(item, Scalar):
                inner, what, when, share, after = None, item, None, None, None
            elif isinstance(item, Block):
                inner = Section(item, f"{section.what}: '{key}'", self.terms.notebook)
                named = inner.need(of, f"the name of a {of}")
                when, share, after = (
                    self.terms.condition(inner, "when"),
                    self.terms.probability(inner, "share"),
                    self.terms.span(inner, "after"),
                )
                inner.get("source")
                inner.close()
                if not isinstance(named, Scalar):
                    continue
                what = named
            else:
                self.terms.notebook.add(
                    item, f"{section.what}: '{key}' is a list of names and blocks.", "See docs/pathways.md."
                )
                continue
            if what.text not in known:
                declared = f"Declare it under the pathway's '{'entries' if of == 'entry' else 'tests'}', or correct it."
                self.terms.notebook.add(
                    what, f"There is no {of} '{what.text}'.", f"{closest(what.text, known)} {declared}".strip()
                )
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
            inner = Section(value, f"{section.what}: 'wait'", self.terms.notebook)
            inner.need("results", "lognormal(10 min, 0.5)")
            span = self.terms.span(inner, "results")
            inner.close()
            return span, True
        return self.terms.span(section, "wait"), False

    def _ways_out(self, section: Section, state: str) -> tuple[Transition, ...]:
        """Return the ways out of a state; the last one is open to all who are left."""
        found, open_to_all = [], []
        for item in self.terms.items(section, "then"):
            if not isinstance(item, Block):
                self.terms.notebook.add(
                    item, f"{section.what}: a way out is a block.", "Write: - {when: x > 5, go: another}"
                )
                continue
            inner = Section(item, f"{section.what}: a way out", self.terms.notebook)
            go, when, share = (
                self._target_state(inner),
                self.terms.condition(inner, "when"),
                self.terms.probability(inner, "share"),
            )
            open_to_all.append((item, inner.get("when") is None and inner.get("share") is None))
            if inner.get("source") is not None:
                self.terms.claim(item, f"way out of {state}", inner)
            inner.close()
            if go:
                # A line without a share draws nothing: put before others, as a new rule is, it leaves their chance alone.
                address = f"{state} to {go}" if share is None else self._address(f"{state} to {go}")
                found.append(Transition(go, address, when, share))
        self._check_ways(section, open_to_all)
        return tuple(found)

    def _check_ways(self, section: Section, open_to_all: list[tuple[Block, bool]]) -> None:
        """Tell if somebody is left behind, or lines come after everybody has left."""
        if open_to_all and not open_to_all[-1][1]:
            self.terms.notebook.add(
                open_to_all[-1][0],
                f"{section.what}: nobody may be left behind.",
                "End 'then' with a line that says only 'go'.",
            )
        for item, everybody in open_to_all[:-1]:
            if everybody:
                self.terms.notebook.add(
                    item,
                    f"{section.what}: everybody leaves here; the lines after it do nothing.",
                    "Move it to the end.",
                )

    def _target_state(self, section: Section) -> str:
        value = section.need("go", "the name of a state")
        text = value.text if isinstance(value, Scalar) else ""
        if value is not None and text not in self.states:
            self.terms.notebook.add(value, f"There is no state '{text}'.", closest(text, self.states))
            return ""
        return text

    def _address(self, name: str) -> str:
        """Return a name of its own for a draw: the same however the lines around it change."""
        self.addresses[name] += 1
        return name if self.addresses[name] == 1 else f"{name} {self.addresses[name]}"
