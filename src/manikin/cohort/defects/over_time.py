"""Carries defects out on a chart: whom each strikes, what it changes, and what was changed by which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import (
    ENCOUNTERS,
    EVENTS,
    PATIENTS,
    Chart,
    OverTime,
    Strike,
    untouched_encounters,
    untouched_events,
)
from manikin.cohort.defects.defect import Bools, Chance, Drawn, draw, solve
from manikin.cohort.index import first_contacts, recording, spoken
from manikin.cohort.layout import TIMELINE, Asked, Columns, Layout
from manikin.streams import Draws, Floats, Ordinals, Seed


def chart_of(columns: Columns, layout: Layout, count: int) -> Chart:
    """Return the chart of patients before anything happens to it."""
    timeline, vocabulary = recording(columns, layout, columns.get(TIMELINE), count)
    first = first_contacts(timeline, layout, count)
    index_encounters = np.zeros(len(timeline.encounters.patient), np.bool_)
    index_encounters[first[first >= 0]] = True
    return Chart(
        columns,
        timeline,
        vocabulary,
        {field.variable.name: field.variable for field in layout.fields},
        np.asarray(timeline.events.entry < spoken(layout)[1], np.bool_),
        index_encounters,
        untouched_events(timeline.events),
        untouched_encounters(timeline),
    )


def happened(
    chart: Chart,
    defects: Sequence[OverTime],
    chances: Sequence[tuple[Chance, ...]],
    kinds: tuple[str, ...],
    seed: Seed,
    ordinals: Ordinals,
) -> tuple[Chart, list[list[Drawn]]]:
    """Return the chart after all defects, and what each of them struck; ``kinds`` names the bits of the marks."""
    struck = []
    for defect, solved, streams in zip(defects, chances, addresses(defects), strict=True):
        drawn = _drawn(chart, defect, solved, streams, seed, ordinals)
        after = defect.rewrite(chart, drawn)
        chart = _marked(chart, after, 1 << kinds.index(defect.name))
        struck.append(drawn)
    return chart, struck


def solved(
    chart: Chart, defects: Sequence[OverTime], kinds: tuple[str, ...], seed: Seed, ordinals: Ordinals
) -> tuple[tuple[Chance, ...], ...]:
    """Return the chances by which each share is met, after what earlier defects left on record."""
    chances: list[tuple[Chance, ...]] = []
    for defect, streams in zip(defects, addresses(defects), strict=True):
        chances.append(tuple(solve(strike, chart) for strike in defect.strikes))
        drawn = _drawn(chart, defect, chances[-1], streams, seed, ordinals)
        chart = _marked(chart, defect.rewrite(chart, drawn), 1 << kinds.index(defect.name))
    return tuple(chances)


def reaching(defect: OverTime, layout: Layout) -> list[bool]:
    """Return of each strike of a defect whether anything of its kind can be on record."""
    vocabulary, own = spoken(layout)
    return [strike.reaches(vocabulary, own) for strike in defect.strikes]


def asked(defect: OverTime, layout: Layout, kinds: tuple[str, ...]) -> Iterator[Asked]:
    """Yield each strike of a defect that can reach anything, as the layout tells it."""
    for strike, reaches in zip(defect.strikes, reaching(defect, layout), strict=True):
        if reaches:
            names = tuple(name for name in strike.names if name in layout.names)
            others = ", ".join(name for name in strike.names if name not in layout.names)
            when = "" if strike.dose.when is None else strike.dose.when.text
            outcome = " ".join(filter(None, (others, _ASKED[strike.table])))
            yield Asked(defect.name, names, strike.dose.share, outcome, when, strike.dose.odds_ratio, kinds)


_ASKED = {EVENTS: "over time", ENCOUNTERS: "encounters", PATIENTS: "patients"}


def addresses(defects: Sequence[OverTime]) -> list[list[str]]:
    """Return the name of each draw; whoever asks for the same defect twice draws anew, unless the draw is shared."""
    seen: Counter[str] = Counter()
    found = []
    for defect in defects:
        streams = []
        for strike in defect.strikes:
            address = strike.shared or f"{defect.name}:{strike.address}"
            seen[address] += 1
            streams.append(address if seen[address] == 1 or strike.shared else f"{address}:{seen[address]}")
        found.append(streams)
    return found


def _drawn(
    chart: Chart, defect: OverTime, chances: tuple[Chance, ...], streams: list[str], seed: Seed, ordinals: Ordinals
) -> list[Drawn]:
    found: list[Drawn] = []
    for strike, chance, stream in zip(defect.strikes, chances, streams, strict=True):
        one = draw(strike, chance, chart, _uniform(strike, chart, stream, seed, ordinals))
        if strike.nested:
            theirs = found[0].struck[chart.patient(strike.table)]
            one = Drawn(one.at_risk & theirs, one.struck & theirs, one.luck)
        found.append(one)
    return found


def _uniform(strike: Strike, chart: Chart, stream: str, seed: Seed, ordinals: Ordinals) -> Floats:
    """Return a draw of each row: by the patient, and by the how-manieth of the patient's rows of the kind it is."""
    if strike.table == PATIENTS:
        return seed.stream("defect", stream).uniform_at(ordinals)
    rows = np.flatnonzero(strike.eligible(chart))
    patient = chart.patient(strike.table)[rows]
    found = np.ones(len(chart.patient(strike.table)))
    found[rows] = Draws(seed, ordinals).at(f"defect:{stream}", patient, _occurrences(strike, chart, rows, patient))
    return found


def _occurrences(strike: Strike, chart: Chart, rows: Any, patient: Any) -> Any:
    if not strike.together:
        return np.arange(len(rows)) - np.searchsorted(patient, patient)
    time = chart.timeline.events.time[rows]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (time[1:] != time[:-1]) | (patient[1:] != patient[:-1])
    group = np.cumsum(new)
    return group - group[np.searchsorted(patient, patient)] if len(rows) else group


def _marked(before: Chart, after: Chart, bit: int) -> Chart:
    """Return the chart that remembers which defect touched what."""
    marks = dict(after.marks)
    for table in (EVENTS, ENCOUNTERS):
        then, now = before.rows(table), after.rows(table)
        for column in now:
            if now[column] is not then[column]:
                touched = differing(then[column], now[column])
                marks[table, column] = marks.get((table, column), np.int64(0)) | touched * np.int64(bit)
    return replace(after, marks=marks)


def differing(then: Any, now: Any) -> Bools:
    """Return where two columns differ; nothing is the same as nothing."""
    other = np.asarray(then != now, np.bool_)
    return other & ~(np.isnan(then) & np.isnan(now)) if np.asarray(now).dtype.kind == "f" else other
