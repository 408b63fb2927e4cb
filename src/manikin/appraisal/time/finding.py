"""What happens over time? Answered of the first patients, who are as random as any, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.appraisal.time.axis import in_units
from manikin.appraisal.time.delays import delays, gaps
from manikin.appraisal.time.patients import sampled
from manikin.appraisal.time.published import on_time, waits
from manikin.appraisal.time.reading import Array, Part, Words, read_first, words_of
from manikin.appraisal.time.states import axis_of, endings, moves, occupancy, per_patient, quantiles, visits
from manikin.appraisal.time.trajectories import trajectories

_PATIENTS = 20_000
_ENDINGS = {"death": "Dead", "loss": "Lost to follow-up", "discharge": "Discharged", "study": "Followed to the end"}


def over_time(subject: Subject) -> Finding:
    """Describe the course of patients: states, delays, trajectories, and some of them one by one."""
    cohort, pathway = subject.cohort, subject.program.model.pathway
    words = words_of(subject.program.model, cohort)
    part = read_first(words, cohort, _PATIENTS)
    axis = axis_of(part)
    drawings: dict[str, Any] = {
        "title": pathway.title if pathway else "",
        "patients": part.patients,
        "axis": asdict(axis),
        "states": visits(words, pathway, part),
        "moves": moves(words, part),
        "occupancy": occupancy(words, pathway, part, axis),
        "delays": delays(words, pathway, part),
        "gaps": gaps(words, part),
        "trajectories": trajectories(words, part, axis),
        "waits": waits(subject, _PATIENTS),
        "targets": [target.name for target in on_time(subject.program.model)],
        "timelines": sampled(words, pathway, part, cohort),
    }
    measures = (*_overall(words, part), *_stays(drawings), *_lasting(drawings))
    return Finding("time", "What happens over time?", _answer(subject, part), None, measures, drawings)


def _answer(subject: Subject, part: Part) -> str:
    events, contacts = (_each(rows.patient, part.patients) for rows in (part.notes, part.contacts))
    some = part.patients < subject.cohort.patients
    many = f" This tells of the first {part.patients:,} of {subject.cohort.patients:,} patients." if some else ""
    ways = ", ".join(f"{_ENDINGS[name].lower()} {100 * share:.1f}%" for name, share in endings(part).items())
    weighted = " They count as they are in the cohort, without weights." if subject.cohort.layout.weighted else ""
    return (
        f"Half of the patients have {events[0]:,.0f} to {events[2]:,.0f} events, in {_range(contacts)}. "
        f"How follow-up ends: {ways}.{many}{weighted}"
    )


def _range(contacts: list[float]) -> str:
    """Return how many encounters half of the patients have."""
    low, high = contacts[0], contacts[2]
    return f"{low:,.0f} to {high:,.0f} encounters" if low < high else f"{low:,.0f} encounter{'s' if low != 1 else ''}"


def _each(patient: Array, patients: int) -> list[float]:
    counts = per_patient(patient, patients)
    return [float(one) for one in np.quantile(counts, [0.25, 0.5, 0.75])] if counts.size else [0.0] * 3


def _overall(words: Words, part: Part) -> Iterator[Measure]:
    group = "Each patient"
    for name, rows in (("Events", part.notes), ("Encounters", part.contacts)):
        low, middle, high = _each(rows.patient, part.patients)
        yield Measure(f"{name}, median (quartiles)", middle, (low, high), group=group)
    for number, kind in enumerate(words.encounters):
        mine = part.contacts.patient[part.contacts.kind == number]
        share = len(np.unique(mine)) / max(part.patients, 1)
        yield Measure(f"Any {kind} encounter", share, unit="share", group=group)
    yield from _time("Follow-up", quantiles(part.followed - part.begins), group)
    for name, share in endings(part).items():
        yield Measure(_ENDINGS[name], share, unit="share", group="End of follow-up")


def _stays(drawings: Mapping[str, Any]) -> Iterator[Measure]:
    for state in drawings["states"]:
        yield Measure(f"{state['title']}: ever there", state["ever"], unit="share", group="States")
        yield from _time(f"{state['title']}: length of a stay", state["stay"], "States")


def _lasting(drawings: Mapping[str, Any]) -> Iterator[Measure]:
    for one in drawings["delays"]:
        yield from _time(f"{one['title']}: from order to collection", one["collected"], "Delays")
        yield from _time(f"{one['title']}: from collection to result", one["resulted"], "Delays")
    for one in drawings["gaps"]:
        yield from _time(f"{one['title']}: to the next measurement", one["gap"], "Between measurements")


def _time(name: str, spread: list[float] | None, group: str) -> Iterator[Measure]:
    """Yield a time's median with its quartiles, in the unit that suits it."""
    if spread is not None:
        unit, minutes = in_units(spread[2])
        low, middle, high = (one / minutes for one in spread[1:4])
        yield Measure(f"{name}, median (quartiles)", middle, (low, high), unit=unit, group=group)
