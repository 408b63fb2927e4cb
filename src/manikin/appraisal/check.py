"""The door for questions: a check is asked of a cohort and answers with a finding. Ours enter by the same door."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from manikin.appraisal.finding import Finding
from manikin.clinic import Program
from manikin.cohort import Cohort
from manikin.cohort.accuracy import Design
from manikin.generators.agreement import Agreement
from manikin.streams import Floats, Seed

# Statistics of a population are taken from the first patients, who are as random as any, so that memory stays flat.
MOST_PATIENTS = 1_000_000


@dataclass(frozen=True)
class Subject:
    """What is appraised: a cohort, and the calibrated model from which it was made.

    ``conditional`` is what was given about its patients, ``biased`` whom of them too few are in it on purpose, and
    ``scenario`` in which world they live, if not in that of the model as published; population figures don't apply to
    such a cohort. ``accuracy`` is the study of diagnostic accuracy that its patients took part in, and ``seed`` that from
    which their chance follows. ``agreement`` is how the model was bent to aggregates, where it was.
    """

    cohort: Cohort
    program: Program
    conditional: str = ""
    biased: str = ""
    accuracy: Design | None = None
    seed: Seed | None = None
    scenario: str = ""
    agreement: Agreement | None = None

    def columns(self, names: Iterable[str]) -> dict[str, Any]:
        """Return clean columns with the model's parameters beside them, as its expressions need them."""
        return {**self.program.parameters, **self.cohort.columns(names, MOST_PATIENTS)}

    def weights(self) -> Floats | None:
        """Return the weights of the patients in ``columns``, or None where all count alike."""
        return self.cohort.weights(MOST_PATIENTS)


class Check(Protocol):
    """A question that can be asked of any cohort."""

    def __call__(self, subject: Subject) -> Finding:
        """Return the answer with its evidence."""
        ...
