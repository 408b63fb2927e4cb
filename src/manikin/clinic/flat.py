"""The model that is left where there is a codebook and no clinical knowledge: every variable by itself, no bin likelier.

It is a model file like any other, so that documents, locks and other processes treat it as one. How often anything is,
and what goes with what, tables of aggregates have to tell; of a number's detail within its bins, all that can be said
without knowledge is that it is smooth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import yaml

from manikin.clinic.model import ClinicalModel, Codebook
from manikin.clinic.percentiles import percentiles
from manikin.clinic.reading import parse_model
from manikin.codebook import Disclosure, Kind, Range, Variable
from manikin.errors import RequestError
from manikin.streams import Floats

_DECLARED, _MEASURED = "codebook assumption", "tables assumption"


@dataclass(frozen=True)
class Told:
    """What tables tell beforehand: the shares of the bins of variables, of whom, and when that was.

    ``shares`` are of those with a value, by variable; of variables that are not among them nothing was told.
    """

    shares: Mapping[str, Floats] = field(default_factory=dict)
    population: str = ""
    source: str = ""
    made: date = date(2025, 12, 31)


def flat_model(codebook: Codebook, told: Told | None = None) -> ClinicalModel:
    """Return the model of a codebook without knowledge.

    Every variable is a root: the levels of a category and a condition are equally likely; a number follows the smooth
    distribution within its limits that has the shares of its bins, as far as they were told, and else equal ones.

    Args:
        codebook: What the variables mean. Numbers need declared bins and limits.
        told: What tables tell of single variables, for the detail within bins.

    Raises:
        RequestError: Numbers have no bins, or no limits; the error names them.
    """
    if codebook.unbinned:
        raise RequestError(
            f"Numbers of the codebook '{codebook.name}' without bins: {', '.join(codebook.unbinned)}. Facts are counted "
            "in bins, so that nothing can be known of these. Declare bins at decision thresholds and reference limits, "
            "for example: bins: [10, 20, 30]; or remove the variables."
        )
    return parse_model(_text(codebook, told or Told()), f"{codebook.name}.yaml")


def _text(codebook: Codebook, told: Told) -> str:
    untold = [one.name for one in codebook.variables if one.name not in told.shares]
    first = told.made - timedelta(days=364)
    whole: dict[str, Any] = {
        "model": codebook.name,
        "version": codebook.version,
        "title": codebook.title or codebook.name,
        "knowledge": "none",
        "index": "a patient as counted in the tables",
        "population": {
            "description": told.population or codebook.population or "not described",
            "index-dates": [first.isoformat(), told.made.isoformat()],
        },
        "intent": {
            "purpose": "develop and test software, and explore what the tables tell",
            "users": ["those who may see the tables"],
            "privacy": "nothing is told of anybody but what the tables tell",
            "recipient": "those who may see the tables",
        },
        "not-for": [
            "what goes with what beyond the tables: there is no clinical knowledge in it",
            *([f"anything about {', '.join(untold)}, of which no table tells"] if told.shares and untold else []),
        ],
        "sources": {
            "codebook": {"cite": f"Codebook {codebook.name} {codebook.version}: declared in it, without knowledge."},
            **({"tables": {"cite": f"{told.source}: the shares of bins."}} if told.shares else {}),
        },
        "variables": {one.name: _variable(one, told.shares.get(one.name)) for one in codebook.variables},
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=10_000)


def _variable(one: Variable, shares: Floats | None) -> dict[str, Any]:
    """Return what a variable means, with the rule by which it is drawn, as a model file has them."""
    meaning: dict[str, Any] = {
        "title": one.title,
        "kind": one.kind.value,
        "unit": one.unit,
        "values": list(one.levels),
        "codes": dict(one.codes),
        "limits": _limits(one),
        "reference": _reference(one),
        "thresholds": list(one.thresholds),
        "bins": list(one.cuts),
        "precision": one.precision if one.kind is Kind.QUANTITY else None,
        "detection-limit": one.detection_limit,
        "substance": one.substance,
        "disclosure": one.disclosure.value if one.disclosure is not Disclosure.PLAIN else None,
        "note": one.note,
    }
    return {key: value for key, value in meaning.items() if value not in (None, "", [], {})} | _rule(one, shares)


def _rule(one: Variable, shares: Floats | None) -> dict[str, Any]:
    if one.kind is Kind.CATEGORY:
        return {
            "shares": dict.fromkeys(one.levels, round(1 / len(one.levels), 9)),
            "source": f"{_DECLARED}: no level likelier than another",
        }
    if not one.numeric:
        return {"logistic": {"intercept": 0}, "source": f"{_DECLARED}: as likely as not"}
    bins = len(one.cuts) + 1
    found = percentiles(one, np.full(bins, 1 / bins) if shares is None else shares)
    why = "no bin likelier than another" if shares is None else "smooth, with the shares of its bins"
    return {
        "quantiles": dict(zip(found.below, found.values, strict=True)),
        "scale": "log" if found.logarithmic else "plain",
        "between": [found.low, found.high],
        "source": f"{_DECLARED if shares is None else _MEASURED}: {why}",
    }


def _reference(one: Variable) -> str | dict[str, str]:
    by_sex = {part.sex: _range(part.range) for part in one.reference if part.sex}
    return by_sex or "".join(_range(part.range) for part in one.reference[:1])


def _limits(one: Variable) -> dict[str, str]:
    limits = {"possible": one.possible, "usual": one.usual if one.usual != one.possible else Range()}
    return {key: text for key, limit in limits.items() if (text := _range(limit)) != ".."}


def _range(limit: Range) -> str:
    low, high = (
        np.format_float_positional(end, trim="-") if np.isfinite(end) else "" for end in (limit.low, limit.high)
    )
    return f"{low}..{high}"
