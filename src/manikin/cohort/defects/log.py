"""The log of defects: a row for each value on record that is not the clean one, so that finding them can be scored."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from manikin.codebook import Kind, Variable
from manikin.cohort.layout import TALLY, Columns, Layout, history, observed, recorded

# How many were at risk and how many were struck travels with each part of the log, as what is not seen in any row.
_TALLY = b"manikin.tally"


def log_table(columns: Columns, layout: Layout, patient_id: pa.Array) -> pa.Table:
    """Return the log of a shard, by patient and then in the order of the variables."""
    touched = [field.variable for field in layout.fields if field.defects]
    changed = [_changed(columns, variable.name) for variable in touched]
    who = np.concatenate([np.flatnonzero(one) for one in changed]) if changed else np.empty(0, np.int64)
    which = np.repeat(np.arange(len(touched)), [int(one.sum()) for one in changed])
    order = np.lexsort((which, who))
    names = [variable.name for variable in touched]
    by_variable = list(zip(touched, changed, strict=True))
    bits = _joined([columns[history(one.name)][rows] for one, rows in by_variable], np.int64)[order]
    after = [
        _text(one, columns[recorded(one.name)][rows], columns[observed(one.name)][rows]) for one, rows in by_variable
    ]
    before = [_text(one, np.asarray(columns[one.name])[rows]) for one, rows in by_variable]
    place = pa.array(order)
    table = pa.table(
        {
            "patient_id": patient_id.take(pa.array(who[order])),
            "variable": pa.DictionaryArray.from_arrays(
                pa.array(which[order].astype(np.int16)), pa.array(names, pa.string())
            ),
            "defect": _kinds(bits, layout.defects[0].kinds if layout.defects else ()),
            "recorded": pa.concat_arrays([*after, pa.array([], pa.string())]).take(place),
            "clean": pa.concat_arrays([*before, pa.array([], pa.string())]).take(place),
        }
    )
    return table.replace_schema_metadata({_TALLY: json.dumps(columns.get(TALLY, [])).encode()})


def tally_of(part: pa.Table) -> list[tuple[int, int]]:
    """Return how many patients of a part of the log were at risk and were struck, as ``Layout.defects`` lists them."""
    metadata = part.schema.metadata or {}
    return [(int(at_risk), int(struck)) for at_risk, struck in json.loads(metadata.get(_TALLY, b"[]"))]


def _changed(columns: Columns, name: str) -> Any:
    """Return where a value differs from the clean one; two defects may have undone each other."""
    differs = ~columns[observed(name)] | (columns[recorded(name)] != np.asarray(columns[name]))
    return (columns[history(name)] != 0) & differs


def _kinds(bits: Any, kinds: tuple[str, ...]) -> pa.DictionaryArray:
    """Return which defects made a value what it is, joined by '+' where several did."""
    distinct, places = np.unique(bits, return_inverse=True)
    texts = ["+".join(kind for place, kind in enumerate(kinds) if one >> place & 1) for one in distinct.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int16)), pa.array(texts, pa.string()))


def _text(variable: Variable, values: Any, present: Any = None) -> pa.Array:
    """Return values as text: no value where none is on record."""
    hidden = None if present is None else ~np.asarray(present)
    if variable.kind is Kind.CATEGORY:
        return pa.array(np.array(variable.levels, object)[values], pa.string(), mask=hidden)
    if variable.kind is Kind.CONDITION:
        return pa.array(np.asarray(values, np.bool_), mask=hidden).cast(pa.string())
    kind = pa.int64() if variable.kind is Kind.COUNT else pa.float64()
    return pa.array(values, mask=hidden).cast(kind).cast(pa.string())


def _joined(pieces: list[Any], kind: Any) -> Any:
    return np.concatenate(pieces) if pieces else np.empty(0, kind)
