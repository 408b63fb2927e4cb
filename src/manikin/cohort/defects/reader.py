"""What reads one defect of a study, so that every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from collections.abc import Mapping as Names
from dataclasses import dataclass, field
from typing import TypeVar

from manikin.codebook import Kind, Variable
from manikin.cohort.defects.chart import EVERY, OverTime
from manikin.cohort.defects.defect import MAX_ODDS_RATIO, Condition, Defect, Dose, UnderRepresent
from manikin.document import Notebook, Scalar, Section, shortened
from manikin.errors import closest

T = TypeVar("T")

# Beyond any clinical quantity, in any unit.
LARGEST = 1e6
QUANTITIES, NUMBERS = (Kind.QUANTITY,), (Kind.QUANTITY, Kind.COUNT)
# Units of time, in minutes.
_MINUTES = {"min": 1, "h": 60, "d": 1_440, "wk": 10_080}

AnyDefect = Defect | OverTime | UnderRepresent


@dataclass(frozen=True)
class Known:
    """What a study's defects may speak of: the variables in the data, those that are not, and how to compile a condition.

    ``measured`` variables have values over time, in ``encounters`` of these kinds, among events of these ``kinds``;
    ``demographics`` don't change. ``condition`` returns None where it noted a mistake.
    """

    data: Names[str, Variable]
    elsewhere: frozenset[str]
    condition: Callable[[Scalar, Notebook], Condition | None]
    measured: Names[str, Variable] = field(default_factory=dict)
    encounters: tuple[str, ...] = ("index",)
    kinds: tuple[str, ...] = ()
    demographics: tuple[str, ...] = ()

    @property
    def valued(self) -> dict[str, Variable]:
        """The variables of which values stand on record, at the index or later."""
        return {**self.measured, **self.data}


@dataclass(frozen=True)
class Form:
    """How a kind of defect is written: by an example; what reads it; and what may be named, where it names any."""

    example: str
    read: Callable[[Reader, str], AnyDefect | None]
    names: Callable[[Known], Collection[str]] = lambda known: known.data


class Reader:
    """One defect being read; what is missing is noted, and stands in as something harmless until the end."""

    def __init__(self, section: Section, kind: str, form: Form, known: Known) -> None:
        """Read what stands in a section, as a kind of defect is written."""
        self.section, self.kind, self.known, self.form = section, kind, known, form
        self.notebook = section.notebook
        self.noted = len(section.notebook.mistakes)

    def read(self) -> AnyDefect | None:
        """Return the defect; None where a mistake was noted."""
        made = self.form.read(self, self.section.text("source"))
        self.section.close()
        return made if len(self.notebook.mistakes) == self.noted else None

    def made(self, make: Callable[[], T], *parts: object) -> T | None:
        """Return what ``make`` makes where no part of it is missing or mistaken."""
        mistaken = len(self.notebook.mistakes) > self.noted
        return None if mistaken or any(part is None or part == () for part in parts) else make()

    def variables(self, kinds: Iterable[Kind] = (), among: Names[str, Variable] | None = None) -> tuple[str, ...]:
        """Return the named variables that are in the data, or ``among`` others, and of the right kind."""
        kinds, found = tuple(kinds), list[str]()
        among = self.known.data if among is None else among
        listed = self.section.texts(self.kind)
        if not listed:
            self.add(self.kind, f"'{self.kind}' names no variable.", f"Write, for example: {self.form.example}")
        for one in listed:
            meaning = among.get(one.text)
            if meaning is None and one.text in self.known.data:
                self.notebook.add(one, f"'{one.text}' is not measured over time.", closest(one.text, among))
            elif meaning is None and one.text in self.known.elsewhere:
                self.notebook.add(
                    one,
                    f"'{one.text}' is not in the data, so that its record can't be wrong.",
                    "Name what is on record.",
                )
            elif meaning is None:
                self.notebook.add(one, f"'{shortened(one.text)}' is not known here.", closest(one.text, among))
            elif kinds and meaning.kind not in kinds:
                wanted = " or ".join(kinds)
                self.notebook.add(
                    one,
                    f"'{one.text}' is a {meaning.kind}, where a {wanted} is needed.",
                    f"Write, for example: {self.form.example}",
                )
            elif one.text in found:
                self.notebook.add(one, f"'{one.text}' stands twice.", "Remove one of them.")
            else:
                found.append(one.text)
        return tuple(found)

    def dose(self) -> Dose | None:
        """Return the share, and who is struck more often."""
        share, when = self.number("share", "5%"), self.condition("when")
        odds = self.section.number("odds-ratio")
        if share is not None and not 0 < share <= 1:
            self.add(
                "share", f"A share lies above 0 and goes up to 100%; got {share:g}.", "Write, for example: share: 5%"
            )
            share = None
        if odds is not None and not 1 / MAX_ODDS_RATIO <= odds <= MAX_ODDS_RATIO:
            self.add(
                "odds-ratio",
                f"An odds ratio lies above 0 and goes up to {MAX_ODDS_RATIO:g}; got {odds:g}.",
                "Write, for example: odds-ratio: 2.5",
            )
            return None
        if odds is not None and self.section.get("when") is None:
            self.add("odds-ratio", "An odds ratio needs to know of whom.", "Write, for example: when: age < 40")
            return None
        return None if share is None else Dose(share, when, odds if when is not None else None)

    def condition(self, key: str) -> Condition | None:
        """Return a compiled condition."""
        value = self.section.get(key)
        if value is None:
            return None
        if not isinstance(value, Scalar) or not value.text.strip():
            self.notebook.add(
                value, f"{self.section.what}: '{key}' is a condition.", f"Write, for example: {key}: age < 40"
            )
            return None
        return self.known.condition(value, self.notebook)

    def number(self, key: str, example: str) -> float | None:
        """Return a number that has to be there."""
        return None if self.section.need(key, example) is None else self.section.number(key)

    def probability(self, key: str) -> float | None:
        """Return a probability that has to be there."""
        found = self.number(key, "90%")
        if found is not None and not 0 <= found <= 1:
            self.add(key, f"'{key}' lies from 0 to 100%; got {found:g}.", f"Write, for example: {key}: 90%")
            return None
        return found

    def steps(self, key: str, size: float, names: tuple[str, ...], what: str) -> None:
        """Note where a change is too small for the steps in which a variable is reported, or not whole for a count."""
        for name in names:
            meaning = self.known.valued[name]
            counted = meaning.kind is Kind.COUNT
            step = 1.0 if counted else meaning.precision or 0.0
            if counted and size != int(size):
                self.add(
                    key,
                    f"'{name}' is counted, and {size:g} is no whole number.",
                    f"Write, for example: {key}: {max(1, round(size))}",
                )
                return
            if size < step or (key == "to" and size == step):
                self.add(
                    key,
                    f"'{name}' is reported in steps of {step:g}: {what.format(size)}.",
                    "Write a larger number.",
                )
                return

    def add(self, key: str, what: str, suggestion: str) -> None:
        """Note a mistake at the value of a setting."""
        self.notebook.add(self.section.get(key) or self.section.mapping, what, suggestion)

    def names(self, possible: Collection[str], what: str) -> tuple[str, ...] | None:
        """Return the named things, each of which is possible; none where ``all`` is written, None after a mistake."""
        listed = self.section.texts(self.kind)
        if len(listed) == 1 and listed[0].text == EVERY and EVERY not in possible:
            return ()
        found = list(dict.fromkeys(one.text for one in listed))
        if not found:
            self.add(self.kind, f"'{self.kind}' names no {what}.", f"Write, for example: {self.form.example}")
            return None
        unknown = [one for one in listed if one.text not in possible]
        for one in unknown:
            self.notebook.add(one, f"'{shortened(one.text)}' is no {what} here.", closest(one.text, possible))
        if len(found) < len(listed):
            self.add(self.kind, f"A {what} stands twice.", "Remove one of them.")
        return None if unknown else tuple(found)

    def minutes(self, key: str, example: str) -> int | None:
        """Return a time that has to be there, in minutes."""
        value = self.section.need(key, example)
        if value is None:
            return None
        number, _, unit = value.text.strip().rpartition(" ") if isinstance(value, Scalar) else ("", "", "")
        try:
            found = float(number) * _MINUTES[unit]
        except (ValueError, KeyError):
            found = 0.5
        if found != round(found, 9) or not found.is_integer():
            units = ", ".join(_MINUTES)
            self.add(key, f"'{key}' is a time of whole minutes, with a unit ({units}).", f"Write: {key}: {example}")
            return None
        return int(found)


def sure(value: T | None) -> T:
    """Return what was found; ``Reader.made`` asks for it only then."""
    assert value is not None
    return value


def on_record(known: Known) -> Collection[str]:
    """Return the variables of which values stand on record, at the index or later."""
    return known.valued


def over_time(known: Known) -> Collection[str]:
    """Return the variables that are measured over time."""
    return known.measured


def contacts(known: Known) -> Collection[str]:
    """Return the kinds of encounter."""
    return (*known.encounters, EVERY)


def clocked(known: Known) -> Collection[str]:
    """Return what may have a clock: a ward, as a kind of encounter, or the device of a variable."""
    return (*known.encounters, *known.measured, EVERY)


def timed(known: Known) -> Collection[str]:
    """Return what has times: kinds of event, and variables."""
    return (*known.kinds, *known.measured, EVERY)


def demographics(known: Known) -> Collection[str]:
    """Return in what two records of a patient may contradict each other."""
    return known.demographics
