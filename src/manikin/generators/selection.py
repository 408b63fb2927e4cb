"""Which patients a request wants: all, those of whom some facts are given, or more of a rare kind.

A wish about a root of the model is met by clamping its draw; any other by drawing candidates until one is accepted,
which keeps the model's joint distribution given the wish exact. Over-sampled patients carry the weight that undoes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.clinic.expressions import Columns, Expression, Scope, type_of
from manikin.clinic.grammar import ExpressionError, parse
from manikin.clinic.model import ClinicalModel, Role
from manikin.codebook import Kind, Range
from manikin.errors import RequestError

_FACT = re.compile(r"\s*(?P<name>\w+)\s*=(?!=)\s*(?P<value>[^=<>!]+?)\s*")
_SPAN = re.compile(r"(?P<low>-?\d*\.?\d+)?(?P<dots>\.\.)?(?P<high>-?\d*\.?\d+)?")


@dataclass(frozen=True)
class Selection:
    """What is wanted: clamped roots, conditions that must hold, and strata of which there are to be more.

    Of ``thinned`` groups only a share is kept. That is a bias asked for, and no weight undoes it.
    """

    clamps: dict[str, Range]
    given: tuple[Expression, ...]
    strata: tuple[tuple[Expression, float], ...]
    thinned: tuple[tuple[Expression, float], ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """The variables that decide whether a candidate is accepted."""
        return frozenset[str]().union(
            *(one.reads for one in (*self.given, *(who for who, _ in (*self.strata, *self.thinned))))
        )

    def acceptance(self, columns: Columns) -> Any:
        """Return the probability with which each candidate is accepted."""
        wanted: Any = 1.0
        for one in self.given:
            wanted = wanted * one.compute(columns)
        for who, share in self.thinned:
            wanted = wanted * np.where(who.compute(columns), share, 1.0)
        most = np.prod([max(times, 1.0) for _, times in self.strata])
        return wanted * self.multiplicity(columns) / most

    def multiplicity(self, columns: Columns) -> Any:
        """Return how many times more often than in the population each patient is drawn."""
        times: Any = 1.0
        for stratum, factor in self.strata:
            times = times * np.where(stratum.compute(columns), factor, 1.0)
        return times


def select(
    model: ClinicalModel, given: str = "", oversample: str = "", thinned: tuple[tuple[str, float], ...] = ()
) -> Selection:
    """Return the selection written as on the command line.

    Args:
        model: The model whose variables are meant.
        given: Facts such as ``sex=female,age=60..70``, or an expression such as ``stage == diagnosed and bmi > 30``.
        oversample: Strata such as ``stage=undiagnosed:10``, several separated by semicolons.
        thinned: Conditions, and the share that is kept of those for whom each holds.

    Raises:
        RequestError: The text does not fit the model.
    """
    scope = _scope(model)
    clamps: dict[str, Range] = {}
    conditions = []
    for fact in _facts(given):
        match = _FACT.fullmatch(fact)
        span = _root_span(model, match["name"], match["value"]) if match else None
        if match and span is not None and match["name"] not in clamps:
            clamps[match["name"]] = span
        # A clamped draw meets it almost always: not where the range lies outside the distribution, or between two steps.
        conditions.append(_bind(scope, _condition(model, match["name"], match["value"]) if match else fact, "--given"))
    strata = tuple(
        _stratum(model, scope, text) for text in filter(None, (part.strip() for part in oversample.split(";")))
    )
    fewer = tuple((condition_on(model, text), share) for text, share in thinned)
    selection = Selection(clamps, tuple(conditions), strata, fewer)
    if model.pathway is not None and model.pathway.resources and selection.reads & model.later:
        raise RequestError(
            f"'{min(selection.reads & model.later)}' is known only at the end, and patients of this model wait for each other: "
            "who else is chosen would change it. Choose by what is known at the index, or remove the pathway's 'resources'."
        )
    return selection


def condition_on(model: ClinicalModel, text: str) -> Expression:
    """Return a condition on patients, compiled; it reads what is kept of them, so that it can be told from the truth.

    Raises:
        ExpressionError: The text is no condition, or reads what is not kept.
    """
    bound = _kept(model).bind(text)
    if bound.type.kind != "condition":
        raise ExpressionError(0, f"This is {bound.type}, where a condition is needed.", f"Compare it: {text} > 0")
    return bound


def compared_number(model: ClinicalModel, text: str) -> Expression | None:
    """Return the number that a condition compares with a threshold, turned so that more of it speaks for the condition.

    None where the condition is no such comparison.
    """
    tree = parse(text)
    if tree.text not in ("<", "<=", ">", ">="):
        return None
    left, right = (_kept(model).bind_tree(child, text) for child in tree.children)
    if (left.constant is None) == (right.constant is None):
        return None
    number = right if right.constant is None else left
    upward = (tree.text in (">", ">=")) == (number is left)
    return number if upward else number.scaled(-1)


def _kept(model: ClinicalModel) -> Scope:
    """Return the names of what is kept of a patient."""
    known = _scope(model)
    return Scope({name: known.names[name] for name, one in model.variables.items() if one.role is not Role.HELPER})


def _facts(given: str) -> list[str]:
    """Return the parts of a list of facts; an expression, which has no plain '=', stays whole."""
    parts = [part.strip() for part in re.split(r",(?![^\[(]*[\])])", given) if part.strip()]
    return parts if all(_FACT.fullmatch(part) for part in parts) else [given.strip()] if given.strip() else []


def _scope(model: ClinicalModel) -> Scope:
    return Scope({name: type_of(one.meaning) for name, one in model.variables.items()})


def _root_span(model: ClinicalModel, name: str, value: str) -> Range | None:
    """Return a fact about a root as a range to clamp to, or None where it is no such fact."""
    if name not in model.roots:
        return None
    meaning = model.variables[name].meaning
    if meaning.kind is Kind.CATEGORY:
        return Range(meaning.levels.index(value), meaning.levels.index(value)) if value in meaning.levels else None
    if meaning.kind is Kind.CONDITION:
        return {"yes": Range(1, 1), "no": Range(0, 0)}.get(value)
    match = _SPAN.fullmatch(value)
    if match is None or not (match["low"] or match["high"]) or not match["dots"]:
        return None
    low, high = float(match["low"] or -np.inf), float(match["high"] or np.inf)
    # What is reported as the lowest value in range was drawn up to half a step below it.
    half = (meaning.precision or 0.0) / 2 if meaning.kind is Kind.QUANTITY else 0.0
    return Range(low - half, high + half) if low <= high else None


def _condition(model: ClinicalModel, name: str, value: str) -> str:
    variable = model.variables.get(name)
    kind = variable.meaning.kind if variable else Kind.QUANTITY
    if kind is Kind.CONDITION:
        return f"not {name}" if value == "no" else name if value == "yes" else f"{name} == {value}"
    return f"{name} == {value}" if kind is Kind.CATEGORY and not value.startswith("[") else f"{name} in {value}"


def _stratum(model: ClinicalModel, scope: Scope, text: str) -> tuple[Expression, float]:
    condition, colon, times = text.rpartition(":")
    try:
        factor = float(times)
    except ValueError:
        factor = 0.0
    if not colon or not 0 < factor <= 10_000:
        raise RequestError(
            f"--oversample '{text}' ends in ':' and how many times more, above 0 and at most 10000. Example: 'stage=undiagnosed:10'."
        )
    match = _FACT.fullmatch(condition)
    return _bind(
        scope, _condition(model, match["name"], match["value"]) if match else condition, "--oversample"
    ), factor


def _bind(scope: Scope, text: str, option: str) -> Expression:
    try:
        bound = scope.bind(text)
    except ExpressionError as error:
        hint = error.suggestion
        if "There is no function" in error.what:
            hint = f"{hint} What happened to patients is asked through variables that read it, such as died=yes."
        raise RequestError(f"{option} '{text}', character {error.offset + 1}: {error.what} {hint}") from error
    if bound.type.kind != "condition":
        raise RequestError(f"{option} '{text}' is no condition. Compare it: {text} > 0")
    return bound
