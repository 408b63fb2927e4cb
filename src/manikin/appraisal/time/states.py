"""Where patients are: the states they go through, for how long, in what order, and how follow-up ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.appraisal.time.axis import Axis
from manikin.appraisal.time.reading import Array, Part, Words
from manikin.clinic.pathway import Pathway
from manikin.codebook import ENDINGS
from manikin.streams import Floats

# The quantiles by which times and values are told.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOMENTS = 60


def quantiles(values: Array) -> list[float] | None:
    """Return the five quantiles of times, to a tenth of a minute; None where there are none."""
    return [round(float(one), 1) for one in np.quantile(values, QUANTILES)] if values.size else None


def axis_of(part: Part) -> Axis:
    """Return the axis on which the patients' course is shown: until all but a few are followed no longer."""
    lasted = part.followed - part.begins
    end = max(float(np.quantile(lasted, 0.98)), 1.0) if lasted.size else 1.0
    return Axis.over(end, part.stays.entered - part.begins[part.stays.patient])


def occupancy(words: Words, pathway: Pathway | None, part: Part, axis: Axis) -> dict[str, Any]:
    """Return at moments along the axis which share of all patients is in each state; a final one is never left."""
    times = axis.moments(np.linspace(0, 1, _MOMENTS + 1))
    # The last moment is just before the end, when those who are followed to it are still there.
    times[-1] -= 0.5
    shares = []
    for number, name in enumerate(words.states):
        mine = part.stays.state == number
        begins = part.begins[part.stays.patient[mine]]
        there = np.searchsorted(np.sort(part.stays.entered[mine] - begins), times, side="right")
        if not _ends(pathway, name):
            there = there - np.searchsorted(np.sort(part.stays.left[mine] - begins), times, side="right")
        shares.append([round(float(one), 4) for one in there / max(part.patients, 1)])
    return {"times": [round(float(one), 1) for one in times], "shares": shares}


def visits(words: Words, pathway: Pathway | None, part: Part) -> list[dict[str, Any]]:
    """Return for each state the share of patients who are ever there, how often, and how long a stay is.

    Stays that the end of the study cut short don't count among those whose length is told.
    """
    stays = part.uninterrupted
    last = np.append(stays.patient[1:] != stays.patient[:-1], True)[: len(stays.patient)]
    cut = last & (part.left_by[stays.patient] == ENDINGS.index("study"))
    told = []
    for number, name in enumerate(words.states):
        mine = stays.state == number
        ever = len(np.unique(stays.patient[mine]))
        stay = mine & ~cut
        told.append(
            {
                "name": name,
                "title": title_of(pathway, name),
                "ends": _ends(pathway, name),
                "ever": round(ever / max(part.patients, 1), 5),
                "visits": round(int(mine.sum()) / ever, 3) if ever else 0.0,
                "stay": None if _ends(pathway, name) else quantiles((stays.left - stays.entered)[stay]),
            }
        )
    return told


def moves(words: Words, part: Part) -> list[list[int]]:
    """Return how often each state is followed by each other; the last column counts stays at which the study ends."""
    stays, size = part.uninterrupted, len(words.states)
    counts = np.zeros((size, size + 1), np.int64)
    same = stays.patient[1:] == stays.patient[:-1]
    np.add.at(counts, (stays.state[:-1][same], stays.state[1:][same]), 1)
    last = np.append(~same, True)[: len(stays.patient)]
    studied = last & (part.left_by[stays.patient] == ENDINGS.index("study"))
    np.add.at(counts, (stays.state[studied], size), 1)
    return [[int(one) for one in row] for row in counts]


def endings(part: Part) -> dict[str, float]:
    """Return the share of patients whose follow-up ends in each way that occurs."""
    counts = np.bincount(part.left_by[part.left_by >= 0], minlength=len(ENDINGS))
    return {name: count / max(part.patients, 1) for name, count in zip(ENDINGS, counts.tolist(), strict=True) if count}


def per_patient(patient: Array, patients: int) -> Floats:
    """Return how many rows each patient has."""
    return np.bincount(patient, minlength=patients).astype(np.float64)


def title_of(pathway: Pathway | None, name: str) -> str:
    """Return a state's title as a person reads it."""
    return pathway.states[name].title if pathway else name.replace("_", " ").capitalize()


def _ends(pathway: Pathway | None, name: str) -> str:
    return pathway.states[name].ends if pathway else ""
