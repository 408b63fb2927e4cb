"""The arithmetic of clinical models: trees are checked for names, kinds and units, and compiled to columns.

Nothing is ever handed to ``eval``. A literal number takes on whatever unit it stands beside; two quantities don't. A
comparison with a missing number is false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manikin.clinic.grammar import DURATIONS, ExpressionError, Tree, parse
from manikin.codebook import FORMULAS, Formula, Kind, Variable, factor
from manikin.codebook.units import same_dimension
from manikin.errors import UnitError, closest

Columns = Mapping[str, Any]
Compute = Callable[[Columns], Any]


@dataclass(frozen=True)
class Type:
    """What an expression gives: a number in a unit (None: it takes on its neighbour's), a condition or a category."""

    kind: str
    unit: str | None = None
    levels: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return how an error calls it."""
        return {"number": "a number", "condition": "a condition", "category": "a category"}[self.kind]


NUMBER = Type("number")
CONDITION = Type("condition")
DURATION = Type("number", "min")
"""A stretch of time, in minutes."""


def type_of(meaning: Variable) -> Type:
    """Return what a variable gives in an expression; its unit is left to whoever checks units."""
    if meaning.kind is Kind.CATEGORY:
        return Type("category", levels=meaning.levels)
    return CONDITION if meaning.kind is Kind.CONDITION else NUMBER


@dataclass(frozen=True)
class Expression:
    """A checked expression: what it gives, what it reads, and how to compute it over columns of patients."""

    text: str
    type: Type
    reads: frozenset[str]
    compute: Compute
    constant: float | None = None

    @property
    def timed(self) -> bool:
        """Whether it gives a stretch of time."""
        return self.type == DURATION

    def scaled(self, by: float) -> Expression:
        """Return the expression multiplied by a conversion factor."""
        if by == 1:
            return self
        compute = self.compute
        return Expression(self.text, self.type, self.reads, lambda columns: compute(columns) * by)

    @property
    def in_minutes(self) -> Expression:
        """The expression, as a stretch of time in minutes where it is in a unit of time."""
        if self.timed or self.type.unit not in DURATIONS:
            return self
        by = DURATIONS[self.type.unit]
        value = None if self.constant is None else self.constant * by
        return Expression(self.text, DURATION, self.reads, self.scaled(by).compute, value)

    def timed_in(self, unit: str) -> Expression:
        """Return a stretch of time in a unit of time; anything else stays as it is."""
        if not self.timed or unit not in DURATIONS:
            return self
        by = 1 / DURATIONS[unit]
        value = None if self.constant is None else self.constant * by
        return Expression(self.text, Type("number", unit), self.reads, self.scaled(by).compute, value)


def constant(value: float) -> Expression:
    """Return a literal number as an expression."""
    return Expression(f"{value:g}", NUMBER, frozenset(), lambda _: value, value)


@dataclass(frozen=True)
class Accessor:
    """A question about a patient's course so far, such as ``result(hba1c)``: what it may be asked of, and what it gives.

    A second name, one of those in ``within`` of the first, narrows it down. The answer is a column named like the
    question.
    """

    gives: Mapping[str, Type]
    within: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use."""

    names: Mapping[str, Type]
    # Names that are local to a variable, and the column under which each is kept.
    aliases: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Formula] = field(default_factory=lambda: FORMULAS)
    accessors: Mapping[str, Accessor] = field(default_factory=dict)

    def bind(self, text: str) -> Expression:
        """Return ``text`` as a checked expression.

        Raises:
            ExpressionError: It is no expression, or its names, kinds or units don't fit.
        """
        return self.bind_tree(parse(text), text)

    def bind_tree(self, tree: Tree, text: str) -> Expression:
        """Return a parsed tree as a checked expression."""
        bound = _Binder(self).bind(tree)
        return Expression(text, bound.type, bound.reads, bound.compute, bound.constant)


_MAX_UNIT = 200

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": np.divide,
    "^": np.power,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": lambda one, other: (one < other) | (one > other),  # and so false where either is missing
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MATHS: dict[str, tuple[int, Callable[..., Any]]] = {
    "exp": (1, np.exp),
    "log": (1, np.log),
    "sqrt": (1, np.sqrt),
    "abs": (1, np.abs),
    "floor": (1, np.floor),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "approach": (2, lambda elapsed, half_life: np.nan_to_num(1 - np.exp2(-np.maximum(elapsed, 0) / half_life))),
    "decay": (2, lambda elapsed, half_life: np.nan_to_num(np.exp2(-np.maximum(elapsed, 0) / half_life))),
    "cyclic": (3, lambda value, period, peak: np.cos(2 * np.pi * (value - peak) / period)),
}
_KEEPING_UNIT = ("abs", "floor", "min", "max")
_ONE_UNIT = ("min", "max", "approach", "decay", "cyclic")
_PLAIN_TIMES = {"years": "a", "days": "d", "hours": "h", "minutes": "min"}


class _Binder:
    """Turns a tree into an expression, checking as it goes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def bind(self, tree: Tree) -> Expression:
        if tree.kind == "number":
            return self.literal(tree)
        if tree.kind == "duration":
            minutes = float(tree.text.removesuffix("%")) * DURATIONS[tree.names[0]]
            return Expression("", DURATION, frozenset(), lambda _: minutes, minutes)
        if tree.kind == "name":
            return self.name(tree)
        if tree.kind == "call":
            return self.call(tree)
        if tree.text == "in":
            return self.membership(tree)
        if tree.text in _COMPARE:
            return self.comparison(tree)
        if tree.text in ("and", "or", "implies", "not"):
            return self.logic(tree)
        return self.arithmetic(tree)

    @staticmethod
    def literal(tree: Tree) -> Expression:
        value = float(tree.text.removesuffix("%")) / (100 if tree.text.endswith("%") else 1)
        if not np.isfinite(value):
            raise ExpressionError(tree.offset, "This number is too large.", "Write it in a larger unit.")
        return constant(value)

    def name(self, tree: Tree) -> Expression:
        found = self.scope.names.get(tree.text)
        if found is None:
            raise ExpressionError(
                tree.offset, f"'{tree.text}' is not known here.", closest(tree.text, self.scope.names)
            )
        name = self.scope.aliases.get(tree.text, tree.text)
        return Expression(name, found, frozenset((name,)), lambda columns: columns[name])

    def number(self, tree: Tree) -> Expression:
        bound = self.bind(tree)
        if bound.type.kind == "category":
            raise ExpressionError(
                tree.offset,
                f"'{tree.text}' is a category, where a number is needed.",
                f"Compare it: {tree.text} == {bound.type.levels[0]}",
            )
        return bound

    def condition(self, tree: Tree) -> Expression:
        bound = self.bind(tree)
        if bound.type.kind != "condition":
            raise ExpressionError(
                tree.offset, f"This is {bound.type}, where a condition is needed.", "Compare it with something: ... > 0"
            )
        return bound

    def arithmetic(self, tree: Tree) -> Expression:
        operands = [_counted(self.number(child)) for child in tree.children]
        reads = frozenset().union(*(operand.reads for operand in operands))
        if len(operands) == 1:
            compute, inner = operands[0].compute, operands[0]
            value = None if inner.constant is None else -inner.constant
            return Expression("", Type("number", inner.type.unit), reads, lambda columns: -compute(columns), value)
        if tree.text in "+-":
            operands = self.in_one_unit(operands)
        unit = self.unit(tree, operands)
        left, right, apply = operands[0].compute, operands[1].compute, _ARITHMETIC[tree.text]
        value = None
        if operands[0].constant is not None and operands[1].constant is not None:
            with np.errstate(all="ignore"):
                value = float(apply(operands[0].constant, operands[1].constant))
            if not np.isfinite(value):
                raise ExpressionError(
                    tree.offset, f"'{tree.text}' has no finite result here.", "Check for a division by zero."
                )
        return Expression("", Type("number", unit), reads, lambda columns: apply(left(columns), right(columns)), value)

    def unit(self, tree: Tree, operands: list[Expression]) -> str | None:
        left, right = (operand.type.unit for operand in operands)
        if tree.text in "+-":
            self.same_unit(tree, left, right)
            return left or right
        if tree.text == "^":
            power = operands[1].constant
            repeats = left is not None and power is not None and power == int(power) and 1 <= power <= 4
            return self._short(".".join([f"({left})"] * int(power))) if repeats and power else None
        if tree.text == "/" and left == right:
            return None
        if left is None or right is None:
            # So many times a stretch of time is one, too.
            return "min" if left == "min" or (right == "min" and tree.text == "*") else None
        return self._short(f"({left}){'.' if tree.text == '*' else '/'}({right})")

    @staticmethod
    def in_one_unit(operands: list[Expression]) -> list[Expression]:
        """Return operands of which a stretch of time is in the unit of the time that stands beside it."""
        units = {one.type.unit for one in operands} - {None, "min"}
        other = next(iter(units), None)
        if other is None or len(units) != 1:
            return operands
        return [one.timed_in(other) for one in operands]

    def same_unit(self, tree: Tree, left: str | None, right: str | None) -> None:
        if left is None or right is None or left == right:
            return
        try:
            scale = factor(left, right)
        except UnitError:
            scale = 0.0
        if scale == 0 and not self._convertible(left, right):
            raise ExpressionError(
                tree.offset,
                f"'{tree.text}' joins {left} and {right}, which measure different things.",
                "Convert one of them, or divide each by its own scale.",
            )
        if scale != 1:
            raise ExpressionError(
                tree.offset,
                f"'{tree.text}' joins {left} and {right}: the scales differ.",
                "Bring both to one unit first.",
            )

    @staticmethod
    def _short(unit: str) -> str | None:
        """Return a unit that is still worth checking; powers of powers grow without bound."""
        return unit if len(unit) <= _MAX_UNIT else None

    @staticmethod
    def _convertible(left: str, right: str) -> bool:
        try:
            return same_dimension(left, right)
        except UnitError:
            return False

    def comparison(self, tree: Tree) -> Expression:
        left_tree, right_tree = tree.children
        left = self.bind(left_tree)
        if left.type.kind == "category":
            return self.level(tree, left, [right_tree], negate=tree.text == "!=")
        left, right = self.in_one_unit([self.number(left_tree), self.number(right_tree)])
        self.same_unit(tree, left.type.unit, right.type.unit)
        one, other, apply = left.compute, right.compute, _COMPARE[tree.text]
        return Expression("", CONDITION, left.reads | right.reads, lambda columns: apply(one(columns), other(columns)))

    def level(self, tree: Tree, bound: Expression, items: list[Tree], *, negate: bool) -> Expression:
        if tree.text not in ("==", "!=", "in"):
            raise ExpressionError(tree.offset, f"A category has no '{tree.text}'.", "Use == or in.")
        codes = []
        for item in items:
            if item.kind not in ("name", "number") or item.text not in bound.type.levels:
                raise ExpressionError(
                    item.offset, f"'{item.text}' is no value of '{bound.text}'.", closest(item.text, bound.type.levels)
                )
            codes.append(bound.type.levels.index(item.text))
        compute, first, many = bound.compute, codes[0], np.array(codes, np.int8)
        if len(codes) == 1:
            if negate:  # a missing value, whose code is -1, compares as false
                return Expression(
                    "", CONDITION, bound.reads, lambda columns: (compute(columns) != first) & (compute(columns) >= 0)
                )
            return Expression("", CONDITION, bound.reads, lambda columns: compute(columns) == first)
        return Expression("", CONDITION, bound.reads, lambda columns: np.isin(compute(columns), many))

    def membership(self, tree: Tree) -> Expression:
        bound = self.bind(tree.children[0])
        items = list(tree.children[1].children) if tree.children[1].kind == "list" else [tree.children[1]]
        if bound.type.kind == "category":
            return self.level(tree, bound, items, negate=False)
        if bound.type.kind == "condition":
            raise ExpressionError(
                tree.offset, "A condition is not 'in' anything.", "Use it as it stands, or with 'not'."
            )
        spans = [self.span(item) for item in items]
        compute = bound.compute

        def inside(columns: Columns) -> Any:
            value = compute(columns)
            return np.logical_or.reduce([(value >= low) & (value <= high) for low, high in spans])

        return Expression("", CONDITION, bound.reads, inside)

    def span(self, tree: Tree) -> tuple[float, float]:
        if tree.kind != "range":
            value = self.bind(tree).constant
            if value is None:
                raise ExpressionError(
                    tree.offset, f"'{tree.text}' is no number.", "Write numbers or ranges: in [40..59, 70]"
                )
            return value, value
        ends = []
        for child, default in zip(tree.children, (-np.inf, np.inf), strict=True):
            value = default if child.text == "open" else self.bind(child).constant
            if value is None:
                raise ExpressionError(
                    child.offset, "A range goes from a number to a number.", "Write, for example: 40..59"
                )
            ends.append(float(value))
        if ends[0] > ends[1]:
            raise ExpressionError(
                tree.offset, f"The range {ends[0]:g}..{ends[1]:g} runs backwards.", f"Write {ends[1]:g}..{ends[0]:g}."
            )
        return ends[0], ends[1]

    def logic(self, tree: Tree) -> Expression:
        operands = [self.condition(child) for child in tree.children]
        reads = frozenset().union(*(operand.reads for operand in operands))
        left, right = operands[0].compute, operands[-1].compute
        compute: Compute
        if tree.text == "not":
            compute = lambda columns: np.logical_not(left(columns))  # noqa: E731
        elif tree.text == "and":
            compute = lambda columns: left(columns) & right(columns)  # noqa: E731
        elif tree.text == "or":
            compute = lambda columns: left(columns) | right(columns)  # noqa: E731
        else:
            compute = lambda columns: np.logical_not(left(columns)) | right(columns)  # noqa: E731
        return Expression("", CONDITION, reads, compute)

    def call(self, tree: Tree) -> Expression:
        if tree.text in self.scope.accessors:
            return self.access(tree, self.scope.accessors[tree.text])
        if tree.text == "if":
            return self.choose(tree)
        if tree.text in _PLAIN_TIMES:
            self.count(tree, 1)
            bound = self.converted(tree, self.number(tree.children[0]), "min", f"{tree.text}()")
            scale = 1 / DURATIONS[_PLAIN_TIMES[tree.text]]
            return Expression("", NUMBER, bound.reads, bound.scaled(scale).compute)
        if tree.text in _MATHS:
            return self.maths(tree)
        formula = self.scope.functions.get(tree.text)
        if formula is None:
            raise ExpressionError(
                tree.offset,
                f"There is no function '{tree.text}'.",
                closest(tree.text, [*_MATHS, *_PLAIN_TIMES, "if", *self.scope.accessors, *self.scope.functions]),
            )
        return self.formula(tree, formula)

    def access(self, tree: Tree, accessor: Accessor) -> Expression:
        """Return a question about a patient's course."""
        most = 2 if accessor.within else 1
        if not 1 <= len(tree.children) <= most or any(tree.names):
            raise ExpressionError(
                tree.offset,
                f"{tree.text}() takes {'one or two names' if most == 2 else 'one name'}.",
                "See docs/pathways.md.",
            )
        narrower = accessor.within.get(tree.children[0].text, frozenset())
        for child, known in zip(tree.children, (accessor.gives, narrower), strict=False):
            if child.kind != "name" or child.text not in known:
                raise ExpressionError(
                    child.offset, f"{tree.text}() can't be asked of '{child.text}'.", closest(child.text, known)
                )
        about = ",".join(child.text for child in tree.children)
        name, gives = f"{tree.text}({about})", accessor.gives[tree.children[0].text]
        return Expression(name, gives, frozenset((name,)), lambda columns: columns[name])

    def maths(self, tree: Tree) -> Expression:
        wanted, function = _MATHS[tree.text]
        self.count(tree, wanted)
        arguments = [self.number(child) for child in tree.children]
        reads = frozenset().union(*(argument.reads for argument in arguments))
        if tree.text in _ONE_UNIT:
            arguments = self.in_one_unit(arguments)
            for other in arguments[1:]:
                self.same_unit(tree, arguments[0].type.unit, other.type.unit)
        unit = arguments[0].type.unit if tree.text in _KEEPING_UNIT else None
        computes = [argument.compute for argument in arguments]
        return Expression(
            "", Type("number", unit), reads, lambda columns: function(*(one(columns) for one in computes))
        )

    def choose(self, tree: Tree) -> Expression:
        self.count(tree, 3)
        test, yes, no = self.condition(tree.children[0]), self.number(tree.children[1]), self.number(tree.children[2])
        if (yes.type.kind == "condition") != (no.type.kind == "condition"):
            raise ExpressionError(
                tree.offset, "Both answers of 'if' must be of one kind.", "Write two numbers or two conditions."
            )
        yes, no = self.in_one_unit([yes, no])
        self.same_unit(tree, yes.type.unit, no.type.unit)
        gives = CONDITION if yes.type.kind == "condition" else Type("number", yes.type.unit or no.type.unit)
        a, b, c = test.compute, yes.compute, no.compute
        return Expression(
            "", gives, test.reads | yes.reads | no.reads, lambda columns: np.where(a(columns), b(columns), c(columns))
        )

    def formula(self, tree: Tree, formula: Formula) -> Expression:
        self.count(tree, len(formula.arguments))
        computes, reads = [], frozenset[str]()
        for child, argument in zip(tree.children, formula.arguments, strict=True):
            wanted = argument.unit
            if wanted == "condition":
                bound = self.condition(child)
            else:
                bound = self.number(child)
                bound = self.converted(
                    child, bound, "1" if wanted == "count" else wanted, f"{formula.name}({argument.name})"
                )
            computes.append(bound.compute)
            reads |= bound.reads
        function = formula.compute
        if formula.unit.startswith("category:"):
            levels = tuple(formula.unit.removeprefix("category:").split(","))
            return Expression(
                "",
                Type("category", levels=levels),
                reads,
                lambda columns: _codes(function(*(one(columns) for one in computes))),
            )
        if formula.unit == "condition":
            return Expression(
                "", CONDITION, reads, lambda columns: np.asarray(function(*(one(columns) for one in computes))) == 1
            )
        unit = None if formula.unit in ("count", "1", "{score}") else formula.unit
        return Expression(
            "", Type("number", unit), reads, lambda columns: function(*(one(columns) for one in computes))
        )

    @staticmethod
    def converted(tree: Tree, bound: Expression, unit: str, what: str) -> Expression:
        """Return ``bound`` in ``unit``; mass and amount of substance are not bridged by guessing."""
        if bound.type.unit is None or bound.type.unit == unit:
            return bound
        try:
            return bound.scaled(factor(bound.type.unit, unit))
        except UnitError as error:
            raise ExpressionError(
                tree.offset, f"{what} is in {unit}; '{bound.type.unit}' was given.", str(error)
            ) from error

    @staticmethod
    def count(tree: Tree, wanted: int) -> None:
        if len(tree.children) != wanted:
            raise ExpressionError(
                tree.offset,
                f"{tree.text}() takes {wanted} value{'s' * (wanted != 1)}; got {len(tree.children)}.",
                "Separate them with commas.",
            )
        if any(tree.names):
            raise ExpressionError(
                tree.offset, f"{tree.text}() takes its values by place, not by name.", "Leave out 'name ='."
            )


def _counted(bound: Expression) -> Expression:
    """Return an expression of numbers: a condition counts as 0 or 1."""
    if bound.type != CONDITION:
        return bound
    compute = bound.compute
    return Expression(bound.text, NUMBER, bound.reads, lambda columns: np.asarray(compute(columns), np.float64))


def _codes(values: Any) -> Any:
    values = np.asarray(values, np.float64)
    return np.where(np.isnan(values), -1, values).astype(np.int8)
