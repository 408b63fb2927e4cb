"""The door for questions about a cohort beside real records, and what such a question is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from manikin.appraisal import Finding, Gate
from manikin.real_data.mapping import RecordMapping
from manikin.real_data.records import Sample
from manikin.streams import Seed

# The key of a finding's drawings under which its gates stand: a finding is plain JSON, and can be kept.
GATES = "gates"


@dataclass(frozen=True)
class Examined:
    """A cohort beside real people.

    ``real`` are people whose records may have been used to make the cohort, ``holdout`` people whose records were
    never used, or None. ``seed`` is that of resampling and splitting, which may be repeated.
    """

    synthetic: Sample
    real: Sample
    holdout: Sample | None
    mapping: RecordMapping
    seed: Seed


class ReferenceCheck(Protocol):
    """A question that can be asked of a cohort beside real records.

    What leaves is a ``Finding``: figures of at least ``FEWEST_PEOPLE`` real people each, never a row.
    """

    def __call__(self, examined: Examined) -> Finding:
        """Return the answer with its evidence, and its gates under ``GATES`` in the drawings; see ``gates_of``."""
        ...


def gates_of(finding: Finding) -> tuple[Gate, ...]:
    """Return the gates that a check set on its finding."""
    return tuple(Gate(**gate) for gate in finding.drawings.get(GATES, ()))


def as_drawing(*gates: Gate) -> dict[str, Any]:
    """Return gates as a finding's drawings hold them."""
    return {GATES: [asdict(gate) for gate in gates]}
