"""Reads how a variable comes to its value: the part of a model file that says draw, odds, shares or formula."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from manikin.clinic.distributions import FAMILIES, Family
from manikin.clinic.expressions import Expression, Scope, Type, constant
from manikin.clinic.grammar import ExpressionError, Tree, parse
from manikin.clinic.reading.cells import Cells, read_cells, read_range
from manikin.clinic.rules import (
    Derived,
    DrawRule,
    DrawSpec,
    FamilySpec,
    HistogramSpec,
    LevelsRule,
    MixtureSpec,
    OddsRule,
    PointMassSpec,
    Predictor,
    ProportionalOdds,
    QuantilesSpec,
    Rule,
    Shares,
    TableSpec,
    Term,
    TruncatedSpec,
)
from manikin.clinic.tables import NumberTable
from manikin.codebook import Kind, Variable
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Section, Sequence, Value, read_number
from manikin.errors import closest

RULES = ("draw", "quantiles", "histogram", "shares", "logistic", "ordered", "derived")


@dataclass(frozen=True)
class RuleReader:
    """What reading a rule needs: the variable it is for, the names in reach, and where mistakes go.

    ``uncertain`` makes the odds ratio of a term a parameter of the model and returns the expression of its logarithm.
    """

    variable: Variable
    scope: Scope
    notebook: Notebook
    uncertain: Callable[[Section], Expression | None]

    def read(self, section: Section) -> Rule | None:
        """Return the rule of a variable's section."""
        written = [key for key in RULES if section.get(key) is not None]
        if len(written) != 1:
            what = "no rule" if not written else f"several rules: {', '.join(written)}"
            self.notebook.add(
                section.mapping, f"{section.what} has {what}.", f"Give it exactly one of: {', '.join(RULES)}."
            )
            return None
        rule = written[0]
        if not self._fits(rule, section):
            return None
        readers: Mapping[str, Callable[[Section], Rule | None]] = {
            "draw": self._draw,
            "quantiles": self._quantiles,
            "histogram": self._histogram,
            "shares": self.levels,
            "logistic": self._logistic,
            "ordered": self._ordered,
            "derived": self._derived,
        }
        return readers[rule](section)

    def bind(self, value: Value | None, what: str) -> Expression | None:
        """Return an expression written as a scalar."""
        return bind(value, what, self.scope, self.notebook)

    def number(self, value: Value | None, what: str) -> Expression | None:
        """Return an expression that gives a number; a condition counts as 0 or 1."""
        bound = self.bind(value, what)
        if bound is None or value is None or bound.type.kind != "category":
            return bound
        self.notebook.add(
            value, f"{what}: '{bound.text}' is a category, where a number is needed.", "Compare it with its values."
        )
        return None

    def table(self, value: Value, by: tuple[Scalar, ...], what: str, *, smooth: bool = False) -> NumberTable | None:
        """Return a table of expressions."""
        cells = read_cells(value, by, self.scope.names, self.notebook, smooth=smooth)
        if cells is None:
            return None
        bound = [self.number(cell, what) for cell in cells.values if cell is not None]
        if any(one is None for one in bound) or len(bound) < len(cells.values):
            return None
        found = tuple(one for one in bound if one is not None)
        if smooth and any(one.constant is None for one in found):
            self.notebook.add(
                value, f"{what}: a smooth table holds plain numbers.", "Remove 'smooth', or write numbers."
            )
            return None
        return NumberTable(cells.breakdown, found)

    def _fits(self, rule: str, section: Section) -> bool:
        wanted = {
            "logistic": (Kind.CONDITION,),
            "ordered": (Kind.CATEGORY,),
            "shares": (Kind.CATEGORY,),
            "histogram": (Kind.QUANTITY, Kind.COUNT),
            "quantiles": (Kind.QUANTITY, Kind.COUNT),
            "draw": (Kind.QUANTITY, Kind.COUNT),
        }.get(rule)
        if wanted and self.variable.kind not in wanted:
            fits = {Kind.CATEGORY: "shares, ordered, derived", Kind.CONDITION: "logistic, derived"}.get(
                self.variable.kind, "draw, quantiles, histogram, derived"
            )
            unnamed = wanted == (Kind.CATEGORY,) and section.get("values") is None
            self.notebook.add(
                section.get(rule) or section.mapping,
                f"{section.what} is a {self.variable.kind}; '{rule}' makes something else.",
                "Name the category's values: values: [one, other]" if unnamed else f"Use one of: {fits}.",
            )
            return False
        return True

    def _derived(self, section: Section) -> Rule | None:
        by, value = section.texts("by"), section.get("derived")
        assert value is not None
        smooth = section.flag("smooth")
        if by and not self.variable.numeric:
            self.notebook.add(
                value, f"{section.what} is a {self.variable.kind}; a table gives numbers.", "Write one expression."
            )
            return None
        if by:
            table = self.table(value, by, section.what, smooth=smooth)
            return (
                None
                if table is None
                else Derived(Expression("", Type("number", self.variable.unit or None), table.reads, table.compute))
            )
        bound = self.bind(value, section.what)
        if bound is not None:
            bound = bound.timed_in(self.variable.unit)
        return None if bound is None or not self._same_kind(value, bound) else Derived(bound)

    def _same_kind(self, value: Value, bound: Expression) -> bool:
        wanted = {Kind.CATEGORY: "category", Kind.CONDITION: "condition"}.get(self.variable.kind, "number")
        if bound.type.kind != wanted:
            self.notebook.add(
                value,
                f"'{self.variable.name}' is a {self.variable.kind}; its formula gives {bound.type}.",
                "Change the kind, or the formula.",
            )
            return False
        if wanted == "category" and bound.type.levels != self.variable.levels:
            self.notebook.add(
                value,
                f"The formula gives {', '.join(bound.type.levels)}; '{self.variable.name}' has {', '.join(self.variable.levels)}.",
                "Use the same values in the same order.",
            )
            return False
        return self._same_unit(value, bound)

    def _same_unit(self, value: Value, bound: Expression) -> bool:
        if not self.variable.numeric or bound.type.unit is None or not self.variable.unit:
            return True
        try:
            factor_tree = parse("a - b")
            Scope({"a": bound.type, "b": Type("number", self.variable.unit)}).bind_tree(factor_tree, "")
        except ExpressionError:
            self.notebook.add(
                value,
                f"'{self.variable.name}' is in {self.variable.unit}; its formula gives {bound.type.unit}.",
                "Convert within the formula, or change the unit.",
            )
            return False
        return True

    def _draw(self, section: Section) -> Rule | None:
        value = section.get("draw")
        assert value is not None
        cells = self._broken_down(section, value)
        if cells is None:
            return None
        specs = (
            [self.spec(cell, section.what) for cell in cells.values if cell is not None]
            if isinstance(cells, Cells)
            else [self.spec(cells, section.what)]
        )
        return self._number_rule(section, cells, specs)

    def _number_rule(self, section: Section, cells: Cells | Value, specs: list[DrawSpec | None]) -> Rule | None:
        found = [spec for spec in specs if spec is not None]
        between = section.get("between")
        if len(found) < len(specs) or not found:
            return None
        draw: DrawSpec = TableSpec(cells.breakdown, tuple(found)) if isinstance(cells, Cells) else found[0]
        if between is not None:
            limits = self._between(between, section.what)
            if limits is None:
                return None
            low, high = limits
            draw = TruncatedSpec(draw, low, _whole_of(high) if self.variable.kind is Kind.COUNT else high)
        return DrawRule(draw, whole=self.variable.kind is Kind.COUNT)

    def _between(self, value: Value, what: str) -> tuple[Expression, Expression] | None:
        if not isinstance(value, Sequence) or len(value.items) != 2:
            self.notebook.add(value, f"{what}: 'between' is a list of two values.", "Write: between: [0, 10]")
            return None
        low, high = (self.number(item, f"{what}: 'between'") for item in value.items)
        if low is None or high is None:
            return None
        if low.constant is not None and high.constant is not None and low.constant >= high.constant:
            self.notebook.add(
                value,
                f"{what}: nothing lies between {low.constant:g} and {high.constant:g}.",
                "Write the lower end first.",
            )
            return None
        return low, high

    def _broken_down(self, section: Section, value: Value) -> Cells | Value | None:
        by, smooth = section.texts("by"), section.flag("smooth")
        if not by:
            if smooth:
                self.notebook.add(
                    section.mapping, f"{section.what}: 'smooth' needs 'by'.", "Name the banded number last in 'by'."
                )
            return value
        return read_cells(value, by, self.scope.names, self.notebook, smooth=smooth)

    def spec(self, value: Value, what: str) -> DrawSpec | None:
        """Return a distribution written as a text."""
        if not isinstance(value, Scalar):
            self.notebook.add(
                value, f"{what}: a distribution is written as a text.", "Write, for example: normal(120, 15)"
            )
            return None
        try:
            return self._spec_of(parse(value.text))
        except ExpressionError as error:
            self.notebook.add(value, f"{what}: {error.what}", error.suggestion, error.offset)
            return None

    def _spec_of(self, tree: Tree) -> DrawSpec:
        known = [*FAMILIES, "truncated", "point_mass", "mixture"]
        if tree.kind != "call" or tree.text not in known:
            raise ExpressionError(tree.offset, f"'{tree.text}' is no distribution.", closest(tree.text, known))
        if tree.text == "truncated":
            self._count(tree, 3)
            low, high = self._bound(tree.children[1]), self._bound(tree.children[2])
            if low.constant is not None and high.constant is not None and low.constant >= high.constant:
                raise ExpressionError(
                    tree.children[1].offset,
                    f"Nothing lies between {low.constant:g} and {high.constant:g}.",
                    "Write the lower end first.",
                )
            return TruncatedSpec(self._spec_of(tree.children[0]), low, high)
        if tree.text == "point_mass":
            self._count(tree, 3)
            return PointMassSpec(
                self._bound(tree.children[0]), self._share(tree.children[1]), self._spec_of(tree.children[2])
            )
        if tree.text == "mixture":
            if len(tree.children) < 4 or len(tree.children) % 2:
                raise ExpressionError(
                    tree.offset,
                    "mixture() takes shares and distributions in turn.",
                    "Write: mixture(0.3, normal(0, 1), 0.7, normal(3, 1))",
                )
            return MixtureSpec(
                tuple(self._share(one) for one in tree.children[::2]),
                tuple(self._spec_of(one) for one in tree.children[1::2]),
            )
        return self._family(tree, FAMILIES[tree.text])

    def _family(self, tree: Tree, family: Family) -> DrawSpec:
        keywords = tuple(name for name in tree.names if name)
        spellings = [one for one in family.spellings if len(one) == len(tree.children) and set(keywords) <= set(one)]
        positional = not keywords and len(tree.children) == len(family.spellings[0])
        if len(keywords) not in (0, len(tree.children)) or not (positional or (keywords and spellings)):
            ways = " or ".join(f"{family.name}({', '.join(one)})" for one in family.spellings)
            raise ExpressionError(
                tree.offset,
                f"{family.name}() does not take these parameters.",
                f"Write {ways}; all by name, or all in the first order.",
            )
        names = family.spellings[0] if positional else keywords
        parameters = {name: self._bound(child) for name, child in zip(names, tree.children, strict=True)}
        for (name, parameter), child in zip(parameters.items(), tree.children, strict=True):
            value = parameter.constant
            if value is not None and name in family.positive and value <= 0:
                raise ExpressionError(
                    child.offset, f"{name} of {family.name}() is above 0; got {value:g}.", "Write a positive number."
                )
            if value is not None and name in family.shares and not 0 < value < 1:
                raise ExpressionError(
                    child.offset, f"{name} of {family.name}() lies between 0 and 1; got {value:g}.", "Write a share."
                )
        self._consistent(tree, family, parameters)
        return FamilySpec(family, parameters)

    @staticmethod
    def _consistent(tree: Tree, family: Family, parameters: Mapping[str, Expression]) -> None:
        """Refuse numbers that contradict each other, such as quartiles that fall or an sd too wide for its mean."""
        known = {name: one.constant for name, one in parameters.items() if one.constant is not None}
        ends = [known[name] for name in family.ascending if name in known and len(known) == len(parameters)]
        if any(high <= low for low, high in itertools.pairwise(ends)):
            raise ExpressionError(
                tree.offset,
                f"{', '.join(family.ascending)} of {family.name}() ascend.",
                "Write them from low to high.",
            )
        if len(known) == len(parameters) and any(
            name in family.positive and not value > 0 for name, value in family.spelt(known).items()
        ):
            raise ExpressionError(
                tree.offset, f"No {family.name}() has these parameters together.", "Is the sd too large for the mean?"
            )

    def _bound(self, tree: Tree) -> Expression:
        bound = self.scope.bind_tree(tree, "").timed_in(self.variable.unit)
        if bound.timed and self.variable.unit != "min":
            raise ExpressionError(
                tree.offset,
                f"A stretch of time is no value of '{self.variable.name}'.",
                "Write a number in its unit, or make a number of the time: days(...), hours(...).",
            )
        if bound.type.kind == "category":
            raise ExpressionError(
                tree.offset,
                f"'{tree.text}' is a category, where a number is needed.",
                "Break the table down by it instead: by: ...",
            )
        return bound

    def _share(self, tree: Tree) -> Expression:
        bound = self._bound(tree)
        if bound.constant is not None and not 0 <= bound.constant <= 1:
            raise ExpressionError(
                tree.offset, f"A share lies between 0 and 1; got {bound.constant:g}.", "Write, for example: 0.3 or 30%"
            )
        return bound

    @staticmethod
    def _count(tree: Tree, wanted: int) -> None:
        if len(tree.children) != wanted or any(tree.names):
            raise ExpressionError(
                tree.offset, f"{tree.text}() takes {wanted} values by place.", "See the documentation of distributions."
            )

    def _quantiles(self, section: Section) -> Rule | None:
        value = section.get("quantiles")
        assert value is not None
        cells = self._broken_down(section, value)
        logarithmic = section.choice("scale", ("log", "plain"), "log") == "log"
        if cells is None:
            return None
        leaves = [cell for cell in cells.values if cell is not None] if isinstance(cells, Cells) else [cells]
        return self._number_rule(
            section, cells, [self._known_quantiles(leaf, section.what, logarithmic) for leaf in leaves]
        )

    def _known_quantiles(self, value: Value, what: str, logarithmic: bool) -> DrawSpec | None:
        if not isinstance(value, Block) or len(value.entries) < 2:
            self.notebook.add(
                value,
                f"{what}: quantiles are a block of two or more 'percentile: value'.",
                "Write, for example: {5: 20.9, 50: 28.2, 95: 42.1}",
            )
            return None
        shares: list[float] = []
        values: list[float] = []
        for key, item in value.entries:
            share, number = (
                read_number(key, f"{what}: a percentile", self.notebook),
                read_number(item, f"{what}: a quantile", self.notebook),
            )
            if share is None or number is None:
                return None
            if (
                not 0 < share < 100
                or (shares and share <= shares[-1])
                or (values and number <= values[-1])
                or (logarithmic and number <= 0)
            ):
                self.notebook.add(
                    key,
                    f"{what}: percentiles lie between 0 and 100 and ascend with their values.",
                    "On the log scale values are above 0.",
                )
                return None
            shares.append(share)
            values.append(number)
        return QuantilesSpec(
            special.ndtri(np.array(shares) / 100), tuple(constant(number) for number in values), logarithmic
        )

    def _histogram(self, section: Section) -> Rule | None:
        value = section.get("histogram")
        assert value is not None
        cells = self._broken_down(section, value)
        if cells is None:
            return None
        leaves = [cell for cell in cells.values if cell is not None] if isinstance(cells, Cells) else [cells]
        return self._number_rule(section, cells, [self._bands(leaf, section.what) for leaf in leaves])

    def _bands(self, value: Value, what: str) -> DrawSpec | None:
        if not isinstance(value, Block) or not value.entries:
            self.notebook.add(
                value,
                f"{what}: a histogram is a block of 'band: weight'.",
                "Write, for example: {18..39: 40, 40..100: 60}",
            )
            return None
        step = 1.0 if self.variable.kind is Kind.COUNT else 0.0
        edges: list[float] = []
        weights = []
        for key, item in value.entries:
            band = read_range(key, f"{what}: a band", self.notebook)
            weight = self.number(item, f"{what}: a weight")
            if band is None or weight is None:
                return None
            if (
                not np.isfinite([band.low, band.high]).all()
                or (edges and abs(band.low - edges[-1]) > 1e-9)
                or (weight.constant is not None and weight.constant < 0)
            ):
                self.notebook.add(
                    key,
                    f"{what}: bands are closed, join each other, and have weights of 0 or more.",
                    "Write, for example: {18..39: 40, 40..100: 60}",
                )
                return None
            edges = [*(edges or [band.low]), band.high + step]
            weights.append(weight)
        known = [weight.constant for weight in weights if weight.constant is not None]
        if len(known) == len(weights) and sum(known) == 0:
            self.notebook.add(value, f"{what}: the weights sum to 0.", "Give a band a weight above 0.")
            return None
        return HistogramSpec(np.array(edges), tuple(weights))

    def levels(self, section: Section) -> Rule | None:
        """Return the rule of a category whose levels have shares."""
        value = section.get("shares")
        assert value is not None
        cells = self._broken_down(section, value)
        if cells is None:
            return None
        leaves = [cell for cell in cells.values if cell is not None] if isinstance(cells, Cells) else [cells]
        found = [self._level_shares(leaf, section.what) for leaf in leaves]
        levels = tuple(one for one in found if one is not None)
        if len(levels) < len(found):
            return None
        return LevelsRule(Shares(levels, cells.breakdown if isinstance(cells, Cells) else None))

    def _level_shares(self, value: Value, what: str) -> tuple[Expression, ...] | None:
        entries = {key.text: (key, item) for key, item in value.entries} if isinstance(value, Block) else {}
        wanted = self.variable.levels
        for name, (key, _) in entries.items():
            if name not in wanted:
                self.notebook.add(key, f"'{name}' is no value of '{self.variable.name}'.", closest(name, wanted))
        missing = [level for level in wanted if level not in entries]
        if missing:
            self.notebook.add(
                value,
                f"{what}: no share is given for {', '.join(missing)}.",
                f"Give each value a share: {', '.join(wanted)}.",
            )
            return None
        bound = [self.number(entries[level][1], f"{what}: a share") for level in wanted]
        shares = tuple(one for one in bound if one is not None)
        if len(shares) < len(bound):
            return None
        known = [share.constant for share in shares if share.constant is not None]
        if any(share < 0 for share in known):
            self.notebook.add(value, f"{what}: a share is 0 or more.", "Write shares or percentages.")
            return None
        total = sum(known)
        if len(known) == len(shares) and not (abs(total - 1) < 0.02 or abs(total - 100) < 2):
            self.notebook.add(value, f"{what}: the shares sum to {total:g}.", "Let them sum to 1, or to 100.")
            return None
        return shares

    def _logistic(self, section: Section) -> Rule | None:
        inner = self._inner(section, "logistic")
        if inner is None:
            return None
        intercept = self.number(inner.need("intercept", "-2.0"), f"{section.what}: the intercept")
        predictor = self._predictor(inner)
        inner.close()
        return None if intercept is None or predictor is None else OddsRule(intercept, predictor)

    def _ordered(self, section: Section) -> Rule | None:
        inner = self._inner(section, "ordered")
        if inner is None:
            return None
        value = inner.need("cutpoints", "[-1, 0.5]")
        items = value.items if isinstance(value, Sequence) else ()
        cutpoints = [self.number(item, f"{section.what}: a cutpoint") for item in items]
        predictor = self._predictor(inner)
        inner.close()
        wanted = len(self.variable.levels) - 1
        if value is not None and len(items) != wanted:
            self.notebook.add(
                value,
                f"{section.what} has {wanted + 1} values, so {wanted} cutpoints; got {len(items)}.",
                "Write one cutpoint between each value and the next.",
            )
            return None
        found = tuple(one for one in cutpoints if one is not None)
        known = [one.constant for one in found if one.constant is not None]
        if any(high <= low for low, high in itertools.pairwise(known)):
            self.notebook.add(inner.mapping, f"{section.what}: cutpoints ascend.", "Write them from low to high.")
            return None
        return None if len(found) < wanted or predictor is None else LevelsRule(ProportionalOdds(found, predictor))

    def _inner(self, section: Section, key: str) -> Section | None:
        value = section.get(key)
        if isinstance(value, Block):
            return Section(value, f"{section.what}: '{key}'", self.notebook)
        self.notebook.add(
            value or section.mapping, f"{section.what}: '{key}' is a block.", "Indent its lines under it."
        )
        return None

    def _predictor(self, section: Section) -> Predictor | None:
        value = section.get("terms")
        items = value.items if isinstance(value, Sequence) else ()
        if value is not None and not isinstance(value, Sequence):
            self.notebook.add(value, f"{section.what}: 'terms' is a list.", "Begin each term with '- '.")
        terms = [self._term(item, section.what) for item in items]
        found = tuple(term for term in terms if term is not None)
        return Predictor(found) if len(found) == len(terms) else None

    def _term(self, item: Value, what: str) -> Term | None:
        if not isinstance(item, Block):
            self.notebook.add(
                item, f"{what}: a term is a block.", "Write: - {when: smoking == current, odds-ratio: 1.5}"
            )
            return None
        section = Section(item, f"{what}: a term", self.notebook)
        when, per = section.get("when"), section.get("per")
        if (when is None) == (per is None):
            self.notebook.add(
                item,
                f"{what}: a term says either 'when' (a condition) or 'per' (a number).",
                "Write: - {per: (age - 50) / 10, odds-ratio: 1.8}",
            )
        factor = self.bind(when or per, f"{what}: a term") if when or per else None
        if factor is not None and factor.type.kind == "category":
            self.notebook.add(
                when or per or item,
                f"{what}: a term is a condition or a number, not a category.",
                "Compare it with one of its values.",
            )
            factor = None
        if factor is not None and when is not None and factor.type.kind != "condition":
            self.notebook.add(
                when, f"{what}: 'when' is a condition; this is a number.", "Use 'per', or compare it with something."
            )
        coefficient = self._coefficient(section)
        section.close()
        return None if factor is None or coefficient is None else Term(factor, coefficient)

    def _coefficient(self, section: Section) -> Expression | None:
        effect, ratio = section.get("effect"), section.get("odds-ratio")
        section.get("interval"), section.get("source")
        if (effect is None) == (ratio is None):
            self.notebook.add(
                section.mapping,
                f"{section.what} says either 'odds-ratio' or 'effect' (its logarithm).",
                "Write: odds-ratio: 1.5",
            )
            return None
        if effect is not None:
            return self.number(effect, f"{section.what}: 'effect'")
        return self.uncertain(section)


def _whole_of(high: Expression) -> Expression:
    """Return the end of what is rounded down to ``high``."""
    return Expression(
        high.text, high.type, high.reads, lambda columns: np.nextafter(high.compute(columns) + 1, -np.inf)
    )


def bind(value: Value | None, what: str, scope: Scope, notebook: Notebook) -> Expression | None:
    """Return an expression written as a scalar, or None once the mistake is noted."""
    if value is None:
        return None
    if not isinstance(value, Scalar):
        notebook.add(value, f"{what} is an expression.", "Write it as one text, for example: 120 + 0.5 * (age - 50)")
        return None
    try:
        return scope.bind(value.text)
    except ExpressionError as error:
        notebook.add(value, f"{what}: {error.what}", error.suggestion, error.offset)
        return None


def flatten(value: Value) -> str:
    """Return a block as one line of text, for the list of sources."""
    if isinstance(value, Scalar):
        return " ".join(value.text.split())
    if isinstance(value, Sequence):
        return f"[{', '.join(flatten(item) for item in value.items)}]"
    return "; ".join(f"{key.text}: {flatten(item)}" for key, item in value.entries)
