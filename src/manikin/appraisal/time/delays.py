"""How long things take: from order to collection to result, and from one measurement to the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.appraisal.time.reading import Array, Part, Words
from manikin.appraisal.time.states import quantiles
from manikin.clinic.pathway import Pathway, Test

# The variables whose intervals are told, those measured most often.
_MOST = 12


def delays(words: Words, pathway: Pathway | None, part: Part) -> list[dict[str, Any]]:
    """Return for each test with an order how long collection takes, and then the result, in minutes."""
    told = []
    for test in pathway.tests.values() if pathway else ():
        ordered, found = led(words, pathway, part, test) if pathway and test.awaited else (_NOBODY, _NOBODY)
        if found.size:
            notes = part.notes
            told.append(
                {
                    "test": test.name,
                    "title": test.title,
                    "n": int(found.size),
                    "collected": quantiles(notes.time[found] - notes.time[ordered]),
                    "resulted": quantiles(notes.recorded[found] - notes.time[found]),
                }
            )
    return told


_NOBODY = np.empty(0, np.int64)


def led(words: Words, pathway: Pathway, part: Part, test: Test) -> tuple[Array, Array]:
    """Return the rows of a test's orders, and of the results of its first variable on record that they led to.

    A test that is awaited isn't ordered again, so that a result follows from the last order before it; where several
    tests measure the variable, from the last one of any of them.
    """
    observed = {
        one.name: number
        for number, (entry, variables) in enumerate(zip(words.entries, words.variables, strict=True))
        for one in variables
        if entry.kind == "observation"
    }
    variable = next((name for name in test.measures if name in observed), None)
    rivals = [one for one in pathway.tests.values() if variable in one.measures and one.awaited]
    orders = {words.orders[one.name] for one in rivals}
    results = [number for name, number in observed.items() if name == variable]
    notes = part.notes
    rows = np.flatnonzero(np.isin(notes.entry, [*orders, *results]))
    ordered = np.isin(notes.entry[rows], list(orders))
    latest = np.maximum.accumulate(np.where(ordered, np.arange(len(rows)), -1))
    # The first result after an order is what it led to; what is on record before any has none.
    follows = ~ordered & (latest >= 0) & (np.append(False, ordered[:-1]))
    order, result = rows[latest[follows]], rows[follows]
    mine = (notes.patient[order] == notes.patient[result]) & (notes.entry[order] == words.orders[test.name])
    return order[mine], result[mine]


def gaps(words: Words, part: Part) -> list[dict[str, Any]]:
    """Return how long it is from one measurement of a variable to the next of the same patient, in minutes."""
    notes = part.notes
    counts = np.bincount(notes.entry[notes.entry >= 0], minlength=len(words.entries))
    often = [number for number in np.argsort(-counts, kind="stable") if counts[number]]
    told = []
    for number in [one for one in often if words.entries[one].kind == "observation"][:_MOST]:
        rows = np.flatnonzero(notes.entry == number)
        same = notes.patient[rows][1:] == notes.patient[rows][:-1]
        apart = np.diff(notes.time[rows])[same]
        if (apart > 0).any():
            told.append(
                {
                    "variable": words.entries[number].variable,
                    "title": words.entries[number].title,
                    "n": int((apart > 0).sum()),
                    "gap": quantiles(apart[apart > 0]),
                }
            )
    return told
