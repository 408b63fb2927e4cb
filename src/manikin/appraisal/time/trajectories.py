"""How measured values move: quantiles of all patients along the axis of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.appraisal.time.axis import Axis
from manikin.appraisal.time.reading import Array, Part, Words
from manikin.appraisal.time.states import QUANTILES

_MOST, _STRETCHES = 8, 24
# Fewer patients say too little about how values are spread.
_FEWEST = 30


def trajectories(words: Words, part: Part, axis: Axis) -> list[dict[str, Any]]:
    """Return the quantiles of the most measured numbers in each stretch of the axis, each patient's last one there."""
    notes = part.notes
    edges = axis.moments(np.linspace(0, 1, _STRETCHES + 1))
    since = notes.time - part.begins[notes.patient]
    counts = np.bincount(notes.entry[notes.entry >= 0], minlength=len(words.entries))
    told: list[dict[str, Any]] = []
    for number in np.argsort(-counts, kind="stable"):
        variables = words.variables[number]
        numeric = words.entries[number].kind == "observation" and variables and all(one.numeric for one in variables)
        if counts[number] and numeric and len(told) < _MOST:
            rows = np.flatnonzero((notes.entry == number) & (since <= axis.end))
            bands = _bands(notes.patient[rows], since[rows], notes.number[rows], edges)
            if len(bands) > 1:
                told.append(
                    {
                        "name": variables[0].name,
                        "title": variables[0].title,
                        "unit": variables[0].unit,
                        "n": int(rows.size),
                        "thresholds": list(variables[0].thresholds),
                        "bands": bands,
                    }
                )
    return told


def _bands(patient: Array, since: Array, values: Array, edges: Array) -> list[dict[str, Any]]:
    """Return a band for each stretch with enough patients; rows are by patient and time."""
    stretch = np.clip(np.searchsorted(edges, since, side="right") - 1, 0, len(edges) - 2)
    another = (patient[1:] != patient[:-1]) | (stretch[1:] != stretch[:-1])
    last = np.append(another, True)[: len(patient)]
    stretch, values = stretch[last], values[last]
    bands = []
    for number in range(len(edges) - 1):
        mine = values[stretch == number]
        mine = mine[np.isfinite(mine)]
        if mine.size >= _FEWEST:
            spread = [round(float(one), 4) for one in np.quantile(mine, QUANTILES)]
            ends = [round(float(one), 1) for one in edges[number : number + 2]]
            bands.append({"from": ends[0], "to": ends[1], "n": int(mine.size), "quantiles": spread})
    return bands
