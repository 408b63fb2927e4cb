"""Some patients to look at: the first on each of the paths that most take, with all that happened to them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from manikin.appraisal.time.delays import led
from manikin.appraisal.time.reading import Array, Part, Words
from manikin.appraisal.time.states import title_of
from manikin.clinic.pathway import Pathway
from manikin.codebook import ENDINGS
from manikin.cohort import Cohort

_SHOWN = 6
# What one picture can hold.
_STAYS, _CONTACTS, _POINTS = 60, 60, 60
_TESTS, _VALUES, _WORDS, _LANES, _KNOWN = 4, 4, 2, 6, 12

Path = tuple[int, ...]


def sampled(words: Words, pathway: Pathway | None, part: Part, cohort: Cohort) -> list[dict[str, Any]]:
    """Return the drawn patients: of each of the most common paths the first one, then the second ones."""
    paths = _paths(part)
    common = Counter(paths).most_common()
    by_path: dict[Path, list[int]] = {}
    for patient, path in enumerate(paths):
        if len(mine := by_path.setdefault(path, [])) < _SHOWN:
            mine.append(patient)
    turns = [by_path[path][turn] for turn in range(_SHOWN) for path, _ in common if turn < len(by_path[path])]
    shares = {path: count / max(part.patients, 1) for path, count in common}
    leads = {}
    if pathway is not None:
        leads = {name: led(words, pathway, part, test) for name, test in pathway.tests.items() if test.awaited}
    told = _Teller(words, pathway, part, leads)
    facts = _facts(cohort, max(turns, default=-1) + 1)
    return [
        {"share": round(shares[paths[patient]], 5), "facts": facts[patient], **told.patient(patient)}
        for patient in turns[:_SHOWN]
    ]


def _paths(part: Part) -> list[Path]:
    """Return each patient's path: the states in the order of first visits, and how follow-up ends."""
    stays, n_states = part.stays, int(part.stays.state.max(initial=0)) + 2
    _, first = np.unique(stays.patient.astype(np.int64) * n_states + stays.state, return_index=True)
    first = np.sort(first)
    ends = np.searchsorted(stays.patient[first], np.arange(part.patients), side="right")
    pieces = np.split(stays.state[first], ends[:-1])
    return [(*map(int, states), -2 - int(by)) for states, by in zip(pieces, part.left_by, strict=True)]


def _facts(cohort: Cohort, most: int) -> list[list[str]]:
    """Return age and sex of the first patients, where they have them, as words."""
    fields = {field.variable.name: field for field in cohort.layout.fields if field.data}
    columns = cohort.columns([name for name in ("age", "sex") if name in fields], most)
    told: list[list[str]] = [[] for _ in range(most)]
    for name, column in columns.items():
        levels = fields[name].variable.levels
        for patient, value in enumerate(column[:most].tolist()):
            if levels and value >= 0:
                told[patient].append(levels[int(value)].replace("_", " "))
            elif not levels and np.isfinite(value):
                told[patient].append(f"{value:.0f} years")
    return told


class _Teller:
    """Tells one patient's course in plain values; times are minutes since the start."""

    def __init__(
        self, words: Words, pathway: Pathway | None, part: Part, leads: dict[str, tuple[Array, Array]]
    ) -> None:
        self.words, self.pathway, self.part, self.leads = words, pathway, part, leads
        by_test = {number: name for name, number in words.orders.items()}
        self.tests = {number: name for number, name in by_test.items() if name in leads}

    def patient(self, patient: int) -> dict[str, Any]:
        """Return all that happened to a patient."""
        part, begins = self.part, int(self.part.begins[patient])
        stayed = part.uninterrupted
        stays, met = _mine(stayed.patient, patient), _mine(part.contacts.patient, patient)
        notes = _mine(part.notes.patient, patient)
        by = int(part.left_by[patient])
        states = stayed.state[stays].tolist()
        path = [title_of(self.pathway, self.words.states[number]) for number in dict.fromkeys(states)]
        return {
            "patient": part.identifiers[patient].as_py(),
            "path": path,
            "followed": int(part.followed[patient]) - begins,
            "ending": ENDINGS[by] if by >= 0 else "",
            "stays": [
                [state, entered - begins, left - begins]
                for state, entered, left in zip(
                    states, stayed.entered[stays].tolist(), stayed.left[stays].tolist(), strict=True
                )
            ][:_STAYS],
            "contacts": [
                [self.words.encounters[kind], start - begins, end - begins]
                for kind, start, end in zip(
                    part.contacts.kind[met].tolist(),
                    part.contacts.start[met].tolist(),
                    part.contacts.end[met].tolist(),
                    strict=True,
                )
            ][:_CONTACTS],
            "n_events": len(notes),
            **self._events(notes, begins),
        }

    def _events(self, rows: Array, begins: int) -> dict[str, Any]:
        notes = self.part.notes
        by_entry: dict[int, list[int]] = {}
        for row in rows.tolist():
            by_entry.setdefault(int(notes.entry[row]), []).append(row)
        by_entry.pop(-2, None)
        often = sorted(by_entry, key=lambda entry: (-len(by_entry[entry]), entry))
        numeric = [one for one in often if self._observed(one) and np.isfinite(notes.number[by_entry[one]]).any()]
        worded = [one for one in often if self._observed(one) and one not in numeric]
        known, entered = self._written(by_entry, begins)
        return {
            "known": known,
            "tests": [self._test(one, by_entry[one], begins) for one in often if one in self.tests][:_TESTS],
            "values": [self._values(one, by_entry[one], begins) for one in numeric[:_VALUES]],
            "words": [self._words(one, by_entry[one], begins) for one in worded[:_WORDS]],
            "entries": entered,
        }

    def _observed(self, entry: int) -> bool:
        return self.words.entries[entry].kind == "observation"

    def _written(self, by_entry: dict[int, list[int]], begins: int) -> tuple[list[str], list[dict[str, Any]]]:
        """Return what is on record from the start on, and what is written later, by time."""
        times = {
            entry: (self.part.notes.time[rows] - begins).tolist()
            for entry, rows in by_entry.items()
            if self.words.entries[entry].kind not in ("observation", "order")
        }
        known = [self.words.entries[entry].title for entry, at in times.items() if not any(at)]
        later = sorted((min(at), entry) for entry, at in times.items() if any(at))
        lanes = [
            {
                "title": self.words.entries[entry].title,
                "kind": self.words.entries[entry].kind,
                "times": times[entry][:_POINTS],
            }
            for _, entry in later[:_LANES]
        ]
        return known[:_KNOWN], lanes

    def _test(self, entry: int, rows: list[int], begins: int) -> dict[str, Any]:
        """Return when a test was ordered, and when each order was known; None where it never came to a result."""
        notes = self.part.notes
        ordered, found = self.leads[self.tests[entry]]
        known = []
        for row in rows[:_POINTS]:
            place = int(np.searchsorted(ordered, row))
            there = place < len(ordered) and ordered[place] == row
            known.append(int(notes.recorded[found[place]]) - begins if there else None)
        times = (notes.time[rows] - begins).tolist()
        return {
            "title": self.words.entries[entry].title,
            "orders": [list(pair) for pair in zip(times, known, strict=False)],
        }

    def _values(self, entry: int, rows: list[int], begins: int) -> dict[str, Any]:
        notes, one = self.part.notes, self.words.entries[entry]
        times, numbers = (notes.time[rows] - begins).tolist(), notes.number[rows].tolist()
        points = [[time, round(number, 6)] for time, number in zip(times, numbers, strict=True) if np.isfinite(number)]
        return {"title": one.title, "unit": one.unit, "n": len(points), "points": _thinned(points)}

    def _words(self, entry: int, rows: list[int], begins: int) -> dict[str, Any]:
        notes = self.part.notes
        times, texts = (notes.time[rows] - begins).tolist(), notes.text[rows].tolist()
        told = [[time, self.words.all_texts[text]] for time, text in zip(times, texts, strict=True) if text >= 0]
        return {"title": self.words.entries[entry].title, "n": len(told), "points": _thinned(told)}


def _thinned(points: list[Any]) -> list[Any]:
    """Return at most so many points as a picture holds, evenly chosen, the last one among them."""
    if len(points) <= _POINTS:
        return points
    return [points[round(place)] for place in np.linspace(0, len(points) - 1, _POINTS).tolist()]


def _mine(patients: Array, patient: int) -> Array:
    return np.arange(*np.searchsorted(patients, [patient, patient + 1]))
