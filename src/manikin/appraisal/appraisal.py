"""The whole evidence about one cohort, as the report, the release and the terminal read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manikin.appraisal.finding import Finding, Gate


@dataclass(frozen=True)
class Appraisal:
    """What was asked of a cohort, what was found, and what was left unasked.

    ``study`` holds name, purpose, users, privacy (objective, recipient), patients, seed, given and oversample;
    ``model`` name, version, title, index, population, not_for, n_variables and n_sources. ``weak_numbers`` counts the
    model's numbers by basis. ``graph`` has nodes (name, title, kind, role, group) and edges (from, to); a role is
    data, truth, helper or noise.
    """

    study: Mapping[str, Any]
    model: Mapping[str, Any]
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    not_assessed: tuple[str, ...]
    weak_numbers: Mapping[str, int]
    graph: Mapping[str, Any]

    def to_json(self) -> str:
        """Return the appraisal as JSON text, the same for equal appraisals."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Appraisal:
        """Return the appraisal that ``to_json`` wrote."""
        stored = json.loads(text)
        return cls(
            **stored
            | {
                "gates": tuple(Gate(**gate) for gate in stored["gates"]),
                "findings": tuple(Finding.from_stored(finding) for finding in stored["findings"]),
                "not_assessed": tuple(stored["not_assessed"]),
            }
        )
