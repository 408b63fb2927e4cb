"""What is written down while patients go through a pathway: encounters, events and states, in the end by patient and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.memory import Rows
from manikin.clinic.pathway import Contact, Pathway
from manikin.streams import Floats

Arrays = Mapping[str, npt.NDArray[Any]]

# Minutes are 32-bit numbers.
_TIME_BITS = 31


class Contacts:
    """The encounters of all patients: which is open, and those that were."""

    def __init__(self, pathway: Pathway, size: int, *, record: bool) -> None:
        self.kinds, self.record = pathway.contacts, record
        self.number = np.zeros(size, np.int32)
        self.open = np.full(size, -1, np.int8)
        self.since = np.zeros(size)
        self.closed: list[tuple[Any, ...]] = []

    def meet(self, contact: Contact, rows: Rows, time: Floats, until: Floats | None) -> None:
        """Open, go on with or close encounters at a time; those with an end of their own (``until``) are closed by it."""
        if not self.record:
            return
        if contact.kind == "none":
            self.close(rows, time)
            return
        kind = self.kinds.index(contact.kind)
        other = np.ones(rows.size, np.bool_) if until is not None else self.open[rows] != kind
        mine = rows[other]
        self.close(mine, time[other])
        self.number[mine] += 1
        self.open[mine], self.since[mine] = kind, time[other]
        if until is not None:
            self.close(rows, until)

    def close(self, rows: Rows, time: Floats) -> None:
        """End what is open of some patients."""
        if not self.record:
            return
        being = self.open[rows] >= 0
        mine = rows[being]
        if mine.size:
            self.closed.append((mine, self.number[mine], self.open[mine], self.since[mine], time[being]))
            self.open[mine] = -1

    def sorted(self, begins: Floats) -> Arrays:
        """Return encounters by patient and number, in minutes since midnight."""
        patient, number, kind, start, end = _joined(self.closed, (np.int32, np.int32, np.int8, np.float64, np.float64))
        order = np.lexsort((number, patient))
        patient = patient[order]
        offset = begins[patient]
        return {
            "patient": patient,
            "kind": kind[order],
            "start": _whole(start[order] + offset),
            "end": _whole(end[order] + offset),
        }


class Log:
    """What was written, in the order in which it was: notes and stays, with times since the start."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []
        self.stays: list[tuple[Any, ...]] = []

    def states(self, begins: Floats, ends: Floats) -> Arrays:
        """Return stays by patient and time; each is left as the next one is entered, the last one at the end."""
        patient, state, entered = _joined(self.stays, (np.int32, np.int16, np.float64))
        order = np.argsort(patient, kind="stable")
        patient = patient[order]
        entered = _whole(entered[order] + begins[patient])
        last = np.append(patient[1:] != patient[:-1], True) if patient.size else np.empty(0, np.bool_)
        left = np.where(last, _whole(ends)[patient], np.append(entered[1:], 0)[: patient.size])
        return {"patient": patient, "state": state[order], "entered": entered, "left": left}

    def events(self, begins: Floats, ends: Floats, encounters: Arrays) -> Arrays:
        """Return events by patient and time, in which encounter each was, without those after the end."""
        kinds = (np.int32, np.int16, np.int32, np.int32, np.float64)
        patient, entry, time, recorded, values = _joined(self.notes, kinds)
        offset = _whole(begins)[patient]
        time += offset
        recorded += offset
        order = _by_patient_and_time(patient, time)
        there = recorded[order] <= _whole(ends)[patient[order]]
        if not there.all():
            order = order[there]
        patient, time = patient[order], time[order]
        return {
            "patient": patient,
            "encounter": _within(patient, time, encounters),
            "time": time,
            "recorded": recorded[order],
            "entry": entry[order],
            "value": values[order],
        }


def _by_patient_and_time(patient: npt.NDArray[np.int32], time: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the order by patient, time and place, so that what was written first stands first."""
    if not patient.size:
        return np.empty(0, np.int64)
    bits = [max(int(most).bit_length(), 1) for most in (patient.max(), time.max(), patient.size - 1)]
    if sum(bits) >= 63 or time.min() < 0:
        return np.lexsort((time, patient))
    # One number for all three sorts several times faster.
    key = patient.astype(np.int64) << bits[1]
    key |= time
    key <<= bits[2]
    key |= np.arange(patient.size)
    key.sort()
    key &= (1 << bits[2]) - 1
    return key


def _within(patient: npt.NDArray[np.int32], time: npt.NDArray[np.int32], encounters: Arrays) -> npt.NDArray[np.int32]:
    """Return the encounter in which each event was, -1 for none; both are by patient and time."""
    if not len(encounters["patient"]):
        return np.full(patient.size, -1, np.int32)
    starts = encounters["patient"].astype(np.int64) << _TIME_BITS | encounters["start"]
    place = np.searchsorted(starts, patient.astype(np.int64) << _TIME_BITS | time, side="right") - 1
    inside = (place >= 0) & (encounters["patient"][place] == patient) & (time <= encounters["end"][place])
    return np.where(inside, place, -1).astype(np.int32)


def _joined(pieces: list[tuple[Any, ...]], kinds: tuple[Any, ...]) -> list[npt.NDArray[Any]]:
    """Return the columns of pieces, each joined; a single value stands for all rows of its piece."""
    if not pieces:
        return [np.empty(0, kind) for kind in kinds]
    sizes = [len(piece[0]) for piece in pieces]
    total = sum(sizes)
    columns = []
    for place, kind in enumerate(kinds):
        column, at = np.empty(total, kind), 0
        for piece, size in zip(pieces, sizes, strict=True):
            column[at : at + size] = piece[place]
            at += size
        columns.append(column)
    return columns


def _whole(minutes: Floats) -> npt.NDArray[np.int32]:
    return minutes.astype(np.int32)
