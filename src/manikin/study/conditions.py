"""Conditions on patients for rooms that may not know the model: compiled here, and rebuilt in other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from manikin.clinic import ClinicalModel, travelled
from manikin.clinic.expressions import Columns, Expression
from manikin.generators import compared_number, condition_on


@dataclass(frozen=True)
class ModelCondition:
    """A condition on the patients of a model."""

    text: str
    model: ClinicalModel = field(compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as text."""
        return _rebuilt, (self.text, self.model.text)

    @cached_property
    def expression(self) -> Expression:
        """The compiled condition."""
        return condition_on(self.model, self.text)

    @property
    def reads(self) -> frozenset[str]:
        """The variables that it reads."""
        return self.expression.reads

    @cached_property
    def number(self) -> Callable[[Columns], Any] | None:
        """The number that it compares with a threshold, turned so that more of it speaks for it; None if it doesn't."""
        found = compared_number(self.model, self.text)
        return None if found is None else found.compute

    def __call__(self, columns: Columns) -> Any:
        """Return for whom it holds."""
        return self.expression.compute(columns)


def _rebuilt(text: str, model_text: str) -> ModelCondition:
    return ModelCondition(text, travelled(model_text))
