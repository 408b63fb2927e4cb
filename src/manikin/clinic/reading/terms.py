"""Reads what the parts of a pathway share: times, chances and conditions, and the sources on which they rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from manikin.clinic.distributions import FAMILIES
from manikin.clinic.expressions import CONDITION, Expression, Scope, constant
from manikin.clinic.grammar import ExpressionError, parse
from manikin.clinic.pathway import Span
from manikin.clinic.reading.cells import read_range
from manikin.clinic.reading.rules import RuleReader, bind, flatten
from manikin.clinic.rules import DrawSpec, FamilySpec, MixtureSpec, PointMassSpec, TruncatedSpec
from manikin.codebook import Grounds, Kind, Variable
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Section, Sequence, Value

DAY_HOURS = 24.0
TIME_EXAMPLE = "Write a time with its unit, such as 30 min, or a distribution such as lognormal(2 h, 0.5)."

_A_TIME = Variable("a_time", Kind.QUANTITY, unit="min")


@dataclass
class Terms:
    """What reading needs: the names in reach, how sources are read, the pathway's own, and where mistakes go."""

    scope: Scope
    notebook: Notebook
    grounds_of: Callable[[Value, str, str], Grounds | None]
    default: Value | None = None

    def span(self, section: Section, key: str) -> Span | None:
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
                return self._drawn(value, what)
        fixed = self.time(value, what)
        return None if fixed is None else Span(fixed)

    def _drawn(self, value: Value, what: str) -> Span | None:
        spec = RuleReader(_A_TIME, self.scope, self.notebook, lambda _: None).spec(value, what)
        if spec is None:
            return None
        if not _timed(spec):
            self.notebook.add(value, f"{what} is a time, and has a unit.", TIME_EXAMPLE)
            return None
        return Span(None, spec)

    def time(self, value: Value | None, what: str) -> Expression | None:
        """Return a time by an expression, in minutes."""
        bound = bind(value, what, self.scope, self.notebook)
        if bound is None or value is None:
            return None
        bound = bound.in_minutes
        if not bound.timed and bound.constant != 0:
            self.notebook.add(value, f"{what} is a time, and has a unit.", TIME_EXAMPLE)
            return None
        if bound.constant is not None and bound.constant < 0:
            self.notebook.add(value, f"{what} is a time of 0 or more.", TIME_EXAMPLE)
            return None
        return bound

    def condition(self, section: Section, key: str) -> Expression | None:
        """Return an optional condition."""
        bound = bind(section.get(key), f"{section.what}: '{key}'", self.scope, self.notebook)
        if bound is not None and bound.type != CONDITION:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' is a condition; this is {bound.type}.",
                "Compare it with something.",
            )
            return None
        return bound

    def number(self, section: Section, key: str, scope: Scope | None = None) -> Expression | None:
        """Return an optional number; a condition counts as 0 or 1."""
        bound = bind(section.get(key), f"{section.what}: '{key}'", scope or self.scope, self.notebook)
        if bound is not None and bound.type.kind == "category":
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' is a number; this is a category.",
                "Compare it with one of its values.",
            )
            return None
        return bound

    def probability(self, section: Section, key: str) -> Expression | None:
        """Return an optional number from 0 to 1."""
        bound = self.number(section, key)
        if bound is not None and bound.type.unit is not None:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' is a number from 0 to 1; this is in {bound.type.unit}.",
                f"Write, for example: {key}: 30%",
            )
            return None
        if bound is not None and bound.constant is not None and not 0 <= bound.constant <= 1:
            self.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what}: '{key}' lies between 0 and 1; got {bound.constant:g}.",
                f"Write, for example: {key}: 30%",
            )
            return constant(0.5)
        return bound

    def claim(self, block: Value, about: str, section: Section | None = None) -> None:
        """Take note of what a block says, and of where it comes from: its own source, or the pathway's."""
        own = section.get("source") if section is not None else None
        statement = flatten(_without_sourced(block))
        source = own or self.default
        if source is not None:
            for number, one in enumerate(source.items if isinstance(source, Sequence) else (source,)):
                self.grounds_of(one, about, statement if number == 0 else "also")
        elif any(letter.isdigit() for letter in statement):
            self.notebook.add(
                block,
                f"{section.what if section else about} names no source, and neither does the pathway.",
                "Write, for example: source: house assumption",
            )

    def items(self, section: Section, key: str) -> tuple[Value, ...]:
        """Return an optional list; one text stands for a list of one."""
        value = section.get(key)
        if value is None:
            return ()
        if isinstance(value, Sequence):
            return value.items
        if isinstance(value, Scalar):
            return (value,)
        self.notebook.add(value, f"{section.what}: '{key}' is a list.", "Begin each entry with '- '.")
        return ()

    def hours(self, section: Section) -> tuple[float, float] | None:
        """Return the hours of the day in which a state is entered, by appointment."""
        value = section.get("hours")
        if value is None:
            return None
        found = read_range(value, f"{section.what}: 'hours'", self.notebook)
        if found is not None and 0 <= found.low < found.high <= DAY_HOURS:
            return found.low, found.high
        if found is not None:
            self.notebook.add(
                value, f"{section.what}: 'hours' lie between 0 and 24.", "Write, for example: hours: 8..17"
            )
        return None


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
