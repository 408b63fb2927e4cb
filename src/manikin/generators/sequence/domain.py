"""What learnt sequences may speak of: entries, limits, orders and the end of time; all of it public knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from manikin.codebook import ENDINGS, IndexDates, Kind, Variable, snap
from manikin.cohort.index import code_of
from manikin.cohort.layout import Columns, Field, Layout
from manikin.cohort.timeline import Encounters, Entry, Events, States, Timeline, Vocabulary
from manikin.errors import RequestError
from manikin.generators.sequence.scale import grid
from manikin.streams import Floats, Seed

Truths = npt.NDArray[np.bool_]

Part = TypeVar("Part", Encounters, Events, States)

# When synthetic patients begin, unless told otherwise: that real ones began then is nowhere used.
_YEAR = IndexDates(date(2024, 1, 1), date(2024, 12, 31))

FIRST_SEED = Seed(1)

STUDY = ENDINGS.index("study")


@dataclass(frozen=True)
class Item:
    """One thing that can be written into a record, by its codebook variable.

    ``kind`` is that of an event. What is not an ``observation`` and takes no numbers is done or not: it has no value.
    """

    variable: Variable
    kind: str = "observation"

    @property
    def valued(self) -> bool:
        """Whether an event of it carries a value."""
        return self.kind == "observation" or self.variable.numeric

    @property
    def entry(self) -> Entry:
        """How it stands on record."""
        one = self.variable
        texts = () if one.numeric or not self.valued else one.levels or ("no", "yes")
        return Entry(self.kind, code_of(one), one.title, one.unit, texts, variable=one.name)


@dataclass(frozen=True)
class Domain:
    """What sequences may hold, in which limits and for how long.

    Items stand in the order in which they are written within one minute. Values of one minute along a chain of
    ``ascending`` names never descend, such as diastolic, mean and systolic pressure. ``clock`` is the step of time in
    minutes; ``horizon`` is in such steps, and nobody is followed beyond it. Where patients make ``visits``, each
    contact is an encounter; else the whole time is one.
    """

    title: str
    items: tuple[Item, ...]
    horizon: int
    statics: tuple[Variable, ...] = ()
    ascending: tuple[tuple[str, ...], ...] = ()
    clock: int = 1
    encounter: str = "inpatient"
    visits: bool = False
    index_dates: IndexDates = _YEAR

    def __post_init__(self) -> None:
        """Refuse a domain without limits, and chains that no order of writing could keep."""
        for variable in (*(item.variable for item in self.items), *self.statics):
            grid(variable)
        for chain in self.ascending:
            if not set(chain) <= set(self.names):
                raise RequestError(f"The ascending values {', '.join(chain)} are not all items of '{self.title}'.")
            places = [self.names.index(name) for name in chain]
            if places != sorted(set(places)):
                raise RequestError(f"Ascending values are written in their order; got {', '.join(chain)}.")
            tops = [grid(self.items[place].variable)[1] for place in places]
            if tops != sorted(tops):
                raise RequestError(f"Of ascending values, each can be as high as those before: {', '.join(chain)}.")
        if self.horizon < 2 or self.clock < 1:
            raise RequestError(f"The horizon is 2 steps or more, a step 1 minute or more; got {self.horizon}.")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the items."""
        return tuple(item.variable.name for item in self.items)

    @cached_property
    def valued(self) -> Truths:
        """Which items carry values."""
        return np.array([item.valued for item in self.items], np.bool_)

    @cached_property
    def floors(self) -> tuple[tuple[int, ...], ...]:
        """For each item, the items whose value of the same minute it may not fall below."""
        pairs = [
            (self.names.index(low), self.names.index(high))
            for chain in self.ascending
            for place, low in enumerate(chain)
            for high in chain[place + 1 :]
        ]
        return tuple(tuple(low for low, high in pairs if high == item) for item in range(len(self.items)))

    def layout(self, states: tuple[str, ...]) -> Layout:
        """Return the shape of a cohort of such patients, who go through these states."""
        fields = tuple(Field(variable, data=True, static=True) for variable in self.statics)
        return Layout(fields, self.index_dates, vocabulary=self.vocabulary(states), writes_index=False)

    def vocabulary(self, states: tuple[str, ...]) -> Vocabulary:
        """Return what timelines of this domain speak of, by number."""
        return Vocabulary(states, (self.encounter,), tuple(item.entry for item in self.items))

    def column(self, variable: Variable, values: Floats) -> Any:
        """Return static values in the type in which columns hold that kind of variable."""
        if variable.kind is Kind.CONDITION:
            return values == 1
        return values.astype(np.int8) if variable.kind is Kind.CATEGORY else values


@dataclass(frozen=True, eq=False)
class Histories:
    """Timelines of people, real or synthetic, and what does not change of them.

    Columns are numbers, or count levels; NaN where nothing is known.
    """

    timeline: Timeline
    statics: Columns

    @property
    def size(self) -> int:
        """How many people."""
        return len(self.timeline.followed)

    def taken(self, who: Any) -> Histories:
        """Return some of the people, by row, as rows 0, 1, …; nobody twice."""
        rows = np.full(self.size, -1)
        rows[who] = np.arange(len(rows[who]))
        line = self.timeline
        return Histories(
            Timeline(
                _kept(line.encounters, rows),
                _kept(line.events, rows, encounter=-1),
                _kept(line.states, rows),
                line.followed[who],
                line.left_by[who],
            ),
            {name: np.asarray(column)[who] for name, column in self.statics.items()},
        )


def _kept(part: Part, rows: Any, **fixed: int) -> Part:
    inside = rows[part.patient] >= 0
    found: Mapping[str, Any] = {name: getattr(part, name)[inside] for name in part.__dataclass_fields__}
    placed = {"patient": rows[found["patient"]]} | {
        name: np.full(int(inside.sum()), value) for name, value in fixed.items()
    }
    order = np.argsort(placed["patient"], kind="stable")
    return type(part)(**{name: column[order] for name, column in {**found, **placed}.items()})


def timeline_of(
    domain: Domain, parts: list[tuple[Any, Any, Any, Any]], states: States, followed: Any, left_by: Any
) -> Timeline:
    """Return a timeline from parts of (patient, step, item, value), in any order; times are in steps of the clock."""
    none = (np.zeros(0, np.int64),) * 3 + (np.zeros(0),)
    patient, step, item, value = (np.concatenate(column) for column in zip(none, *parts, strict=True))
    order = np.lexsort((item, step, patient))
    patient, time, item, value = patient[order], step[order] * domain.clock, item[order], value[order]
    until = followed * domain.clock
    if domain.visits:
        first = np.ones(len(patient), np.bool_)
        first[1:] = (patient[1:] != patient[:-1]) | (time[1:] != time[:-1])
        whose, start, end = patient[first], time[first], time[first]
        encounter = np.cumsum(first) - 1
    else:
        whose, start, end, encounter = np.arange(len(until)), np.zeros_like(until), until, patient
    contacts = Encounters(whose, np.zeros(len(whose), np.int64), start, end)
    return Timeline(contacts, Events(patient, encounter, time, time, item, value), states, until, left_by)


def one_state(followed: Any) -> States:
    """Return the states of patients of whom no state is known: one, from the start to the end."""
    count = len(followed)
    nothing = np.zeros(count, np.int64)
    return States(np.arange(count), nothing, nothing, followed)


def lifted(variable: Variable, values: Floats) -> Floats:
    """Return the least values on the variable's grid that are not below ``values``."""
    _, high, step = grid(variable)
    return snapped(variable, np.minimum(np.ceil(values / step - 1e-9) * step, high))


def snapped(variable: Variable, values: Floats) -> Floats:
    """Return values on the variable's grid and within what is possible."""
    low, high, step = grid(variable)
    inside = np.clip(values, low, high)
    on_grid = snap(inside, step)
    # A limit that lies off the grid: the nearest step inside it.
    return snap(np.where(on_grid > high, on_grid - step, np.where(on_grid < low, on_grid + step, on_grid)), step)
