"""How the patients of two worlds go through a pathway: who is where when, from which state to which, and single courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manikin.clinic import ClinicalModel
from manikin.cohort import STATES, Cohort
from manikin.streams import Floats

_POINTS = 160
_STEPS = 6
_MINUTE = 60_000_000
# Where half of all patients leave their first state this early in the time that is shown, its beginning is stretched.
_EARLY = 1 / 40
# Whom the page shows: by how much their course differs, among those whose course does.
_SHOWN = (0.5, 0.9, 1.0)

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stay:
    """A stay in a state, by its number; times are minutes since the start."""

    state: int
    entered: float
    left: float


@dataclass(frozen=True)
class Lane:
    """A patient's course in one world, with what was written or found meanwhile, as (minutes, kind, text)."""

    stays: tuple[Stay, ...]
    events: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True)
class Occupancy:
    """The share of patients in each state, for each world, shape (states, times), at times in minutes since the start.

    Times are evenly spaced, on a logarithmic scale if ``stretched``.
    """

    times: tuple[float, ...]
    stretched: bool
    worlds: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Flow:
    """The flow through the states of a pathway in two worlds.

    ``states`` are titles, ``terminal`` those that end the follow-up; ``views`` of the occupancy are one over the whole
    time and, where much happens early, one before it. ``steps`` holds for each world, step by step, how many patients
    went from which state to which, -1 for those who were not followed further; ``patients`` are pairs of courses with
    the patient's name.
    """

    states: tuple[str, ...]
    terminal: tuple[bool, ...]
    views: tuple[Occupancy, ...]
    steps: tuple[tuple[Mapping[tuple[int, int], int], ...], ...]
    patients: tuple[tuple[str, Lane, Lane], ...]


@dataclass(frozen=True)
class _Stays:
    """Stays of many patients as arrays, by patient and time; times are minutes since each patient's start."""

    patient: Whole
    state: Whole
    entered: Floats
    left: Floats
    patients: int
    identifiers: pa.Array
    begins: Whole


def flow_of(models: tuple[ClinicalModel, ClinicalModel], cohorts: tuple[Cohort, Cohort]) -> Flow | None:
    """Return the flow of patients in two worlds, or None where there is no pathway."""
    if any(STATES not in cohort.parts for cohort in cohorts):
        return None
    known = {name: one for model in models if model.pathway for name, one in model.pathway.states.items()}
    names, terminal = list(known), tuple(bool(one.ends) for one in known.values())
    first = [_stays(cohort, 0, names) for cohort in cohorts]
    views = _times(first)
    shares: list[list[Any]] = [[] for _ in views]
    steps = []
    for cohort in cohorts:
        gathered = [_stays(cohort, part, names) for part in range(len(cohort.parts[STATES]))]
        total = sum(one.patients for one in gathered)
        for place, (times, _) in enumerate(views):
            counts = np.sum([_occupancy(one, times, terminal) for one in gathered], axis=0) / max(total, 1)
            shares[place].append(tuple(tuple(row) for row in counts.tolist()))
        steps.append(_joined([_transitions(one) for one in gathered]))
    return Flow(
        tuple(one.title for one in known.values()),
        terminal,
        tuple(
            Occupancy(tuple(times.tolist()), stretched, tuple(both))
            for (times, stretched), both in zip(views, shares, strict=True)
        ),
        tuple(steps),
        _patients(first, cohorts),
    )


def _stays(cohort: Cohort, part: int, names: Sequence[str]) -> _Stays:
    tables = {name: _part(cohort, name, part) for name in (STATES, "patients")}
    states, identifiers = tables[STATES], tables["patients"]["patient_id"].combine_chunks()
    patient = (
        pc.index_in(_text(states["patient_id"]), value_set=identifiers).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    state = (
        pc.index_in(_text(states["state"]), value_set=pa.array(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    entered, left = (states[name].cast(pa.int64()).to_numpy() // _MINUTE for name in ("entered", "left"))
    begins = entered[np.searchsorted(patient, np.arange(len(identifiers)))]
    return _Stays(
        patient, state, (entered - begins[patient]).astype(np.float64), (left - begins[patient]).astype(np.float64),
        len(identifiers), identifiers, begins,
    )  # fmt: skip


def _part(cohort: Cohort, table: str, number: int) -> pa.Table:
    return replace(cohort, parts={table: cohort.parts[table][number : number + 1]}).table(table)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string())


def _times(worlds: Sequence[_Stays]) -> list[tuple[Floats, bool]]:
    """Return the times at which patients are counted: until nearly all that happens has happened, in both worlds."""
    last = np.concatenate([np.maximum.reduceat(one.left, _firsts(one)) for one in worlds])
    firsts = np.concatenate([one.left[_firsts(one)] for one in worlds])
    # A minute before the end, when those who are followed until then are still there.
    until = max(float(np.quantile(last, 0.98)) - 1, 1.0)
    views = [(np.linspace(0, until, _POINTS), False)]
    if np.median(firsts) < until * _EARLY:
        start = max(float(np.quantile(firsts, 0.05)) / 2, 1.0)
        views.insert(0, (np.geomspace(start, until, _POINTS), True))
    return views


def _firsts(stays: _Stays) -> Whole:
    return np.searchsorted(stays.patient, np.arange(stays.patients)).astype(np.int64)


def _occupancy(stays: _Stays, times: Floats, terminal: Sequence[bool]) -> Floats:
    """Return how many patients are in each state at each time; who came to a terminal state stays there."""
    counts = np.zeros((len(terminal), times.size + 1))
    begin, end = np.searchsorted(times, stays.entered, "left"), np.searchsorted(times, stays.left, "left")
    end = np.where(np.array(terminal)[stays.state], times.size, end)
    np.add.at(counts, (stays.state, begin), 1)
    np.add.at(counts, (stays.state, end), -1)
    return np.cumsum(counts, axis=1)[:, :-1]


def _transitions(stays: _Stays) -> tuple[dict[tuple[int, int], int], ...]:
    """Return who went from where to where at each of the first steps; going round in one state is no step."""
    moved = np.ones(stays.patient.size, np.bool_)
    moved[1:] = (stays.patient[1:] != stays.patient[:-1]) | (stays.state[1:] != stays.state[:-1])
    patient, state = stays.patient[moved], stays.state[moved]
    nth = np.arange(patient.size) - np.searchsorted(patient, patient)
    following = np.full(patient.size, -1)
    following[:-1] = np.where(patient[1:] == patient[:-1], state[1:], -1)
    found = []
    for step in range(_STEPS - 1):
        here = nth == step
        pairs, counts = np.unique(np.stack([state[here], following[here]]), axis=1, return_counts=True)
        found.append({(int(one), int(other)): int(count) for (one, other), count in zip(pairs.T, counts, strict=True)})
    return tuple(found)


def _joined(parts: Sequence[tuple[dict[tuple[int, int], int], ...]]) -> tuple[Mapping[tuple[int, int], int], ...]:
    return tuple(
        {
            pair: sum(part[step].get(pair, 0) for part in parts)
            for pair in sorted({pair for part in parts for pair in part[step]})
        }
        for step in range(len(parts[0]))
    )


# --- single patients --------------------------------------------------------------------------------------------------


def _patients(worlds: Sequence[_Stays], cohorts: tuple[Cohort, Cohort]) -> tuple[tuple[str, Lane, Lane], ...]:
    """Return some patients whose course differs, from the one in the middle to the one who differs most."""
    distance = _distance(worlds)
    differing = np.flatnonzero(distance > 0)
    if not differing.size:
        return ()
    ranked = differing[np.argsort(distance[differing], kind="stable")]
    chosen = dict.fromkeys(int(ranked[round(share * (ranked.size - 1))]) for share in _SHOWN)
    lanes = [_lanes(stays, cohort, list(chosen)) for stays, cohort in zip(worlds, cohorts, strict=True)]
    return tuple((str(worlds[0].identifiers[who]), lanes[0][who], lanes[1][who]) for who in chosen)


def _distance(worlds: Sequence[_Stays]) -> Floats:
    """Return in how many minutes, state by state, each patient's two courses differ."""
    width = 1 + max(int(one.state.max(initial=0)) for one in worlds)
    spent = [
        np.bincount(one.patient * width + one.state, one.left - one.entered, one.patients * width) for one in worlds
    ]
    return np.asarray(np.abs(spent[0] - spent[1]).reshape(-1, width).sum(axis=1))


def _lanes(stays: _Stays, cohort: Cohort, chosen: list[int]) -> dict[int, Lane]:
    identifiers = stays.identifiers.take(pa.array(chosen))
    events = _part(cohort, "events", 0) if "events" in cohort.parts else None
    lines: dict[int, list[tuple[float, str, str]]] = {who: [] for who in chosen}
    if events is not None:
        mine = events.filter(pc.is_in(_text(events["patient_id"]), value_set=identifiers))
        who = pc.index_in(_text(mine["patient_id"]), value_set=identifiers).to_pylist()
        titles = _titles(cohort)
        minutes = mine["time"].cast(pa.int64()).to_numpy() // _MINUTE
        rows: Any = zip(who, minutes, mine["kind"].to_pylist(), mine["code"].to_pylist(), strict=True)
        for place, time, kind, code in rows:
            patient = chosen[place]
            if time >= stays.begins[patient]:
                lines[patient].append((float(time - stays.begins[patient]), kind, titles.get(code, code)))
    found = {}
    for patient in chosen:
        rows = np.flatnonzero(stays.patient == patient)
        own = tuple(Stay(int(stays.state[row]), float(stays.entered[row]), float(stays.left[row])) for row in rows)
        found[patient] = Lane(own, tuple(lines[patient]))
    return found


def _titles(cohort: Cohort) -> dict[str, str]:
    vocabulary = cohort.layout.vocabulary
    return {entry.code: entry.title for entry in vocabulary.entries} if vocabulary else {}
