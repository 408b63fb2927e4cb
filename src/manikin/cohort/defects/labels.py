"""Conditions that are wrong on record: some who have it are said not to, some who don't are said to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.cohort.defects.defect import Aim, Dose, Drawn, Records, sourced
from manikin.errors import RequestError


@dataclass(frozen=True)
class LabelNoise:
    """A condition is recorded with a sensitivity and a specificity below 1."""

    variable: str
    sensitivity: float
    specificity: float
    source: str = ""

    name = "label-noise"

    def __post_init__(self) -> None:
        """Refuse what is no probability, and noise that isn't there."""
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1) or self.sensitivity == self.specificity == 1:
            raise RequestError("Sensitivity and specificity lie in [0, 1], and one of them below 1.")

    @property
    def variables(self) -> tuple[str, ...]:
        """The condition."""
        return (self.variable,)

    @property
    def aims(self) -> tuple[Aim, ...]:
        """Those who have it and are missed, and those who don't and are named."""
        wrong = ((True, 1 - self.sensitivity, "false negative"), (False, 1 - self.specificity, "false positive"))
        return tuple(
            Aim(self.variables, Dose(round(share, 12)), among=among, outcome=outcome)
            for among, share, outcome in wrong
            if share > 0
        )

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return the records with the other answer for those struck."""
        struck = np.logical_or.reduce([one.struck for one in drawn])
        return records.changed(self.variable, ~np.asarray(records.clean[self.variable], np.bool_), struck)

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced(
            {self.name: self.variable, "sensitivity": self.sensitivity, "specificity": self.specificity}, self.source
        )
