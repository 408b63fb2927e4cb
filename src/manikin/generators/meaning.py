"""What drawing, recording and comparing need to know of a variable, as it stands beside a learnt sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from manikin.codebook import Kind, Range, Variable


def meaning_of(variable: Variable) -> dict[str, Any]:
    """Return a variable as it stands in a file."""
    return {
        "name": variable.name,
        "kind": str(variable.kind),
        "title": variable.title,
        "unit": variable.unit,
        "levels": variable.levels,
        "codes": dict(variable.codes),
        "possible": asdict(variable.possible) if variable.numeric else None,
        "cuts": variable.cuts,
        "precision": variable.precision,
    }


def variable_of(stored: Mapping[str, Any]) -> Variable:
    """Return the variable that stands in a file; what is missing or wrong raises as it comes."""
    limits = Range(**stored["possible"]) if stored["possible"] else Range()
    return Variable(
        name=stored["name"],
        kind=Kind(stored["kind"]),
        title=stored["title"],
        unit=stored["unit"],
        levels=tuple(stored["levels"]),
        codes=stored["codes"],
        possible=limits,
        usual=limits,
        cuts=tuple(stored["cuts"]),
        precision=stored["precision"],
    )
