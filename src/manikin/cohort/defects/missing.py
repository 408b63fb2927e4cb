"""Values that are not on record: at random, at random given what is observed, or not at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manikin.cohort.defects.defect import Aim, Dose, Drawn, Records, per_variable, sourced


@dataclass(frozen=True)
class Missing:
    """Values are lost, of each variable by itself or of all ``together``, as when a tube is."""

    variables: tuple[str, ...]
    dose: Dose
    together: bool = False
    source: str = ""

    name = "missing"

    @property
    def aims(self) -> tuple[Aim, ...]:
        """One draw for all, or one for each."""
        return (Aim(self.variables, self.dose),) if self.together else per_variable(self.variables, self.dose)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records without the values that are lost."""
        for aim, one in zip(self.aims, drawn, strict=True):
            for name in aim.variables:
                records = records.without(name, one.struck)
        return records

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        together = {"together": True} if self.together else {}
        return sourced({self.name: list(self.variables), **together, **self.dose.written()}, self.source)
