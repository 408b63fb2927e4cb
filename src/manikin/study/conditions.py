"""Conditions on patients for rooms that may not know the model: compiled here, and rebuilt in other processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from manikin.clinic import ClinicalModel, travelled
from manikin.clinic.expressions import Columns, Expression
from manikin.generators import condition_on


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

    def __call__(self, columns: Columns) -> Any:
        """Return for whom it holds."""
        return self.expression.compute(columns)


def _rebuilt(text: str, model_text: str) -> ModelCondition:
    return ModelCondition(text, travelled(model_text))
