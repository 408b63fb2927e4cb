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

# Bits of a sorting key: minutes reach 250 years, and patients a shard.
_TIME_BITS, _PLACE_BITS = 27, 20


class Contacts:
    """The encounters of all patients: which is open, and those that were."""

    def __init__(self, pathway: Pathway, size: int, *, record: bool) -> None:
        self.kinds, self.record = pathway.contacts, record
        self.number = np.zeros(size, np.int32)
        self.open = np.full(size, -1, np.int8)
        self.since = np.zeros(size)
        self.closed: list[tuple[Any, ...]] = []
        self.numbers: Arrays = {}

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
        """Return encounters by patient and number, and keep for each patient where they begin and each one's end."""
        if not self.record:
            return {}
        patient, number, kind, start, end = _joined(self.closed, (np.int64, np.int32, np.int8, np.float64, np.float64))
        order = np.lexsort((number, patient))
        patient, kind = patient[order], kind[order]
        end = end[order]
        first = np.searchsorted(patient, np.arange(len(self.number)))
        self.numbers = {"first": first, "end": end}
        offset = begins[patient]
        return {
            "patient": patient.astype(np.int32),
            "kind": kind,
            "start": _whole(start[order] + offset),
            "end": _whole(end + offset),
        }


class Log:
    """What was written, in the order in which it was."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []
        self.stays: list[tuple[Any, ...]] = []

    def states(self, begins: Floats) -> Arrays:
        """Return stays by patient and time."""
        patient, state, entered, left = _joined(self.stays, (np.int64, np.int16, np.float64, np.float64))
        order = np.argsort(patient, kind="stable")
        patient = patient[order]
        offset = begins[patient]
        return {
            "patient": patient.astype(np.int32),
            "state": state[order],
            "entered": _whole(entered[order] + offset),
            "left": _whole(left[order] + offset),
        }

    def events(self, begins: Floats, ends: Floats, contacts: Arrays) -> Arrays:
        """Return events by patient and time, without results that come after follow-up has ended."""
        notes = [
            (patient, entry, time, recorded, np.nan if values is None else values, number, place)
            for place, (patient, entry, time, recorded, values, number) in enumerate(self.notes)
        ]
        kinds = (np.int32, np.int16, np.int32, np.int32, np.float64, np.int32, np.int32)
        patient, entry, time, recorded, values, number, place = _joined(notes, kinds)
        key = patient.astype(np.int64) << _TIME_BITS
        key |= time
        key <<= _PLACE_BITS
        key |= place
        order = np.argsort(key)
        patient, recorded = patient[order], recorded[order]
        there = recorded <= ends.astype(np.int32)[patient]
        if not there.all():
            order, patient, recorded = order[there], patient[there], recorded[there]
        time, number = time[order], number[order]
        # An encounter that was over when the specimen was taken is not where it was taken.
        encounter = contacts["first"].astype(np.int32)[patient] + number - 1
        inside = number > 0
        inside[inside] = time[inside] <= contacts["end"].astype(np.int32)[encounter[inside]]
        offset = begins.astype(np.int32)[patient]
        encounter[~inside] = -1
        return {
            "patient": patient,
            "encounter": encounter,
            "time": time + offset,
            "recorded": recorded + offset,
            "entry": entry[order],
            "value": values[order],
        }


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
