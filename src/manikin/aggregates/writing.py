"""Aggregates as JSON text: the same for equal aggregates, and made to be read by a person."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import Aggregates, Difference, Part, Patients, Protection
from manikin.codebook import Bins
from manikin.errors import RequestError

SCHEMA = "manikin/aggregates/1"
_SHORT = 100


def to_json(aggregates: Aggregates) -> str:
    """Return the text of ``aggregates.json``."""
    return _laid_out(content(aggregates)) + "\n"


def save(aggregates: Aggregates, path: Path) -> None:
    """Write aggregates to a new file.

    Raises:
        RequestError: There is such a file already, or it can't be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(to_json(aggregates))
    except FileExistsError as error:
        raise RequestError(f"{path} is there already. Choose another name.") from error
    except OSError as error:
        raise RequestError(f"{path} can't be written: {error.strerror}.") from error


def canonical(aggregates: Aggregates) -> bytes:
    """Return what is signed: all content but the signature, in one form whatever the layout of the file."""
    unsigned = content(replace(aggregates, signature=None))
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(aggregates: Aggregates) -> str:
    """Return the SHA-256 of the content, by which a file is known whatever its layout and signature."""
    return hashlib.sha256(canonical(aggregates)).hexdigest()


def content(aggregates: Aggregates) -> dict[str, Any]:
    """Return what the file holds, as dictionaries and lists."""
    several = aggregates.parts or aggregates.differences
    return {
        "schema": SCHEMA,
        "site": aggregates.site,
        "source": aggregates.source,
        "made": aggregates.made.isoformat(),
        "codebook": {
            "name": aggregates.codebook.name,
            "version": aggregates.codebook.version,
            "bins": aggregates.bins_digest,
        },
        "population": aggregates.population,
        "privacy_unit": aggregates.privacy_unit,
        "neighbours": aggregates.neighbours,
        "protection": _protection(aggregates.protection),
        "tier": aggregates.tier.value,
        "patients": _patients(aggregates.patients),
        **({"parts": [_part(one) for one in aggregates.parts]} if several else {}),
        **({"differences": [_difference(one) for one in aggregates.differences]} if several else {}),
        "variables": {name: _bins(bins) for name, bins in aggregates.variables.items()},
        "aggregates": [_aggregate(one) for one in aggregates.aggregates],
        **(
            {
                "signature": {
                    "algorithm": "ed25519",
                    "key": aggregates.signature.key,
                    "value": aggregates.signature.value,
                }
            }
            if aggregates.signature
            else {}
        ),
    }


def _protection(protection: Protection) -> dict[str, Any]:
    numbers = {
        "epsilon": protection.epsilon,
        "delta": protection.delta,
        "rho": protection.rho,
        "total_epsilon": protection.total_epsilon,
        "min_cell": protection.min_cell,
    }
    told = {key: _number(one) for key, one in numbers.items() if one is not None}
    return {"kind": protection.kind.value, **told, **({"ledger": protection.ledger} if protection.ledger else {})}


def _patients(patients: Patients) -> dict[str, Any]:
    return {"number": _number(patients.number), "told": patients.told.value, "noise": _number(patients.noise)}


def _part(part: Part) -> dict[str, Any]:
    return {
        "site": part.site,
        **({"patients": _patients(part.patients)} if part.patients else {}),
        "protection": _protection(part.protection),
        "tier": part.tier.value,
        **({"content": part.content} if part.content else {}),
        **({"key": part.key} if part.key else {}),
        **({"weight": _number(part.weight)} if part.weight is not None else {}),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "attributes": list(one.attributes),
        "sites": list(one.sites),
        "q": _number(one.q),
        "df": one.df,
        "p": _number(one.p),
        "adjusted": _number(one.adjusted),
        "i_squared": _number(one.i_squared),
        "tau": _number(one.tau),
    }


def _aggregate(one: Aggregate) -> dict[str, Any]:
    return {
        "attributes": list(one.attributes),
        "values": _values(one.values),
        "noise": _number(one.noise),
        "mechanism": one.mechanism,
        **({"rho": _number(one.rho)} if one.rho else {}),
        **({"receipt": one.receipt} if one.receipt else {}),
        **({"sites": list(one.sites)} if one.sites else {}),
        **({"patients": _number(one.patients)} if one.patients is not None else {}),
    }


def _values(values: Any) -> Any:
    return [_values(row) for row in values] if np.ndim(values) else _number(float(values))


def _number(value: float) -> int | float | None:
    """Return a number as it is written: whole where it is, null where it is not told."""
    if math.isnan(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(value)


def _bins(bins: Bins) -> dict[str, Any]:
    written = {key: value for key, value in bins.written().items() if key != "name"}
    numbers = {
        **({} if bins.levels else {"cuts": [_number(cut) for cut in bins.cuts]}),
        **({"step": _number(bins.step)} if bins.step else {}),
    }
    return {**written, **numbers}


def _laid_out(value: Any, indent: str = "") -> str:
    """Return JSON with a line for whatever fits into one."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value or len(indent) + len(flat) <= _SHORT:
        return flat
    deeper = indent + " "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(one, deeper)}" for key, one in value.items()]
        opening, closing = "{", "}"
    elif any(isinstance(one, dict | list) for one in value):
        lines, opening, closing = [_laid_out(one, deeper) for one in value], "[", "]"
    else:
        return flat
    return f"{opening}\n" + ",\n".join(deeper + line for line in lines) + f"\n{indent}{closing}"
