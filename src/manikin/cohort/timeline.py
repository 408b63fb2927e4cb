"""What happens to the patients of a shard over time: encounters, events and states, as parallel arrays.

Times are whole minutes since midnight, UTC, of each patient's index date; ``patient`` is a patient's row in the shard.
A model's pathway makes them, or a sampler that has learnt how things follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[Any]
"""Whole numbers, of whatever width holds them."""


@dataclass(frozen=True)
class Entry:
    """Something that can stand on record.

    ``kind`` is observation, condition, procedure, medication, order or decision; ``code`` is written as
    ``system:code``. ``texts`` are what a value counts where it is no number; below ``limit`` an assay can't tell.
    """

    kind: str
    code: str
    title: str = ""
    unit: str = ""
    texts: tuple[str, ...] = ()
    limit: float | None = None
    variable: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """What the timelines of a cohort speak of, each by its number: states, kinds of encounter, entries of a record."""

    states: tuple[str, ...]
    encounters: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Encounters:
    """Contacts, by patient and start."""

    patient: Whole
    kind: Whole
    start: Whole
    end: Whole


@dataclass(frozen=True)
class Events:
    """What was recorded, by patient and time.

    ``encounter`` is a row of the encounters, -1 for none; ``time`` is when it was so, ``recorded`` when the record knew;
    ``value`` is a number or counts the entry's texts, NaN for none.
    """

    patient: Whole
    encounter: Whole
    time: Whole
    recorded: Whole
    entry: Whole
    value: npt.NDArray[Any]


@dataclass(frozen=True)
class States:
    """Stays in the states of a process, by patient and time; the last one of a patient is left when follow-up ends."""

    patient: Whole
    state: Whole
    entered: Whole
    left: Whole


@dataclass(frozen=True)
class Timeline:
    """What happened to the patients of a shard. ``followed`` says until when, ``left_by`` counts ``ENDINGS``."""

    encounters: Encounters
    events: Events
    states: States
    followed: Whole
    left_by: Whole

    def some(self, rows: Whole) -> Timeline:
        """Return what happened to some of the patients, whose rows ascend."""
        place = np.full(len(self.followed), -1, np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        contacts, events, stays = self.encounters, self.events, self.states
        kept, told, there = (place[one.patient] >= 0 for one in (contacts, events, stays))
        number = np.append(np.cumsum(kept, dtype=np.int32) - 1, np.int32(-1))
        return Timeline(
            Encounters(place[contacts.patient[kept]], contacts.kind[kept], contacts.start[kept], contacts.end[kept]),
            Events(
                place[events.patient[told]],
                number[events.encounter[told]],
                events.time[told],
                events.recorded[told],
                events.entry[told],
                events.value[told],
            ),
            States(place[stays.patient[there]], stays.state[there], stays.entered[there], stays.left[there]),
            self.followed[rows],
            self.left_by[rows],
        )
