"""What a test finds: a variable's value at the moment, varied within the person and by the instrument.

Relative variation is lognormal with mean 1, so that no value turns negative; for the few percent of most assays that
is the normal deviation in which coefficients of variation are published.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from manikin.clinic.expressions import Columns
from manikin.clinic.memory import Rows
from manikin.clinic.pathway import VALUE, Lots, Process, Trajectory, Variation
from manikin.codebook import Kind, Variable, snap
from manikin.streams import Draws, Floats

# Latent courses are snapped to this step, as elementary functions differ in the last bit between processors.
LATENT_STEP = 1e-6


class Wandering:
    """A stationary Gaussian course of mean 0 and SD 1 for each patient, seen at whatever times somebody looks.

    The exact transition of an Ornstein-Uhlenbeck process: Gillespie, Phys Rev E 1996;54:2084,
    doi:10.1103/PhysRevE.54.2084.
    """

    def __init__(self, name: str, size: int, begins: Any = None) -> None:
        """Begin anywhere, or with the values ``begins`` at time 0."""
        self.name = name
        self.value = np.zeros(size) if begins is None else np.array(np.broadcast_to(begins, (size,)), np.float64)
        self.seen = np.full(size, -np.inf if begins is None else 0.0)
        self.looks = np.zeros(size, np.int32)

    def at(self, rows: Rows, time: Floats, memory: Any, draws: Draws) -> Floats:
        """Return the values of some patients at a time; ``memory`` is the correlation time, in minutes."""
        new = self.seen[rows] != time
        if not new.all():
            # Who looks twice at one moment sees the same, and uses no draw: others at the bedside must not matter.
            if new.any():
                self._move(rows[new], time[new], memory[new] if np.ndim(memory) else memory, draws)
            return self.value[rows]
        self._move(rows, time, memory, draws)
        return self.value[rows]

    def _move(self, rows: Rows, time: Floats, memory: Any, draws: Draws) -> None:
        kept = np.exp(-np.abs(time - self.seen[rows]) / memory)
        fresh = special.ndtri(draws.at(self.name, rows, self.looks[rows]))
        self.value[rows] = snap(kept * self.value[rows] + np.sqrt(1 - kept * kept) * fresh, LATENT_STEP)
        self.seen[rows] = time
        self.looks[rows] += 1


class Bench:
    """The instruments of a model: measures variables of patients, and remembers what lasts from one time to the next."""

    def __init__(
        self,
        meanings: Mapping[str, Variable],
        trajectories: Mapping[str, Trajectory],
        processes: Mapping[str, Process],
        columns: Columns,
        draws: Draws,
        begins: Floats,
    ) -> None:
        """Set up for the patients of ``columns``, whose time begins at these minutes on one clock for all."""
        self.meanings = meanings
        self.trajectories = trajectories
        self.processes = processes
        self.draws = draws
        self.begins = begins
        self.size = len(draws.ordinals)
        self.taken: dict[str, npt.NDArray[np.int32]] = {}
        self.within = {
            name: Wandering(f"{name} within", self.size) for name, one in trajectories.items() if one.memory is not None
        }
        self.courses = {
            name: Wandering(name, self.size, columns[one.begins] if one.begins else None)
            for name, one in processes.items()
        }

    def process(self, name: str, view: Columns, rows: Rows, time: Floats) -> Floats:
        """Return a latent course of some patients at a time."""
        return self.courses[name].at(rows, time, self.processes[name].memory.compute(view), self.draws)

    def measure(self, variable: str, view: Columns, rows: Rows, time: Floats) -> Floats:
        """Return what a test finds of a variable in some patients at a time; NaN where it doesn't exist."""
        trajectory, meaning = self.trajectories.get(variable), self.meanings[variable]
        if trajectory is None:
            return _as_numbers(view[variable], meaning, rows.size)
        if meaning.kind is Kind.CONDITION:
            assert trajectory.value is not None
            return np.asarray(self._uniform(variable, rows) < trajectory.value.compute(view), np.float64)
        if meaning.kind is Kind.CATEGORY:
            if trajectory.value is not None:
                return _as_numbers(trajectory.value.compute(view), meaning, rows.size)
            assert trajectory.shares is not None
            uniform = self._uniform(variable, rows)
            above = [uniform > below for below in trajectory.shares.compute(view)]
            return np.asarray(np.sum(above, axis=0), np.float64)
        return self._number(trajectory, meaning, view, rows, time)

    def _number(self, trajectory: Trajectory, meaning: Variable, view: Columns, rows: Rows, time: Floats) -> Floats:
        assert trajectory.value is not None
        value: Any = np.broadcast_to(trajectory.value.compute(view), rows.shape)
        lasting = self.within.get(trajectory.variable)
        if lasting is not None:
            assert trajectory.memory is not None
            score = lasting.at(rows, time, trajectory.memory.compute(view), self.draws)
            value = _varied(value, (trajectory.within,), score, view)
            parts: tuple[Variation | None, ...] = (trajectory.analytical,)
        elif trajectory.mixed:
            score = special.ndtri(
                self.draws.at(f"{trajectory.variable} within", rows, self._times(trajectory.variable)[rows])
            )
            value = _varied(value, (trajectory.within,), score, view)
            parts = (trajectory.analytical,)
        else:
            parts = (trajectory.within, trajectory.analytical)
        if any(parts):
            value = _varied(value, parts, special.ndtri(self._uniform(trajectory.variable, rows)), view)
        if trajectory.lots is not None:
            value = value * self._lot(trajectory.variable, trajectory.lots, view, rows, time)
        if trajectory.between is not None:
            low, high = (end.compute(view) for end in trajectory.between)
            value = np.minimum(np.maximum(value, low), high)
        step = 1.0 if meaning.kind is Kind.COUNT else meaning.precision
        found = snap(np.array(value, np.float64), step) if step else np.array(value, np.float64)
        if np.isfinite([meaning.possible.low, meaning.possible.high]).any():
            np.clip(found, meaning.possible.low, meaning.possible.high, out=found)
        return found

    def _lot(self, variable: str, lots: Lots, view: Columns, rows: Rows, time: Floats) -> Floats:
        """Return the factor of the lot that is in use where and when each measurement is made."""
        number = np.floor((self.begins[rows] + time) / lots.lasts).astype(np.int64)
        place = np.asarray(view[lots.by], np.int64) if lots.by else np.zeros(rows.size, np.int64)
        score = special.ndtri(self.draws.seed.stream("lot", variable).scattered(number, place + 1))
        variance = np.log1p(lots.size**2)
        return np.asarray(snap(np.exp(np.sqrt(variance) * score - 0.5 * variance), LATENT_STEP))

    def _times(self, variable: str) -> npt.NDArray[np.int32]:
        """Return how often a variable was measured in each patient."""
        if variable not in self.taken:
            self.taken[variable] = np.zeros(self.size, np.int32)
        return self.taken[variable]

    def _uniform(self, variable: str, rows: Rows) -> Floats:
        taken = self._times(variable)
        uniform = self.draws.at(variable, rows, taken[rows])
        taken[rows] += 1
        return uniform


def _varied(value: Any, parts: tuple[Variation | None, ...], score: Floats, view: Columns) -> Any:
    """Return values that deviate by a normal score; independent deviations of a kind add up in their variance."""
    if any(one is not None and VALUE in one.size.reads for one in parts):
        view = ChainMap({VALUE: value}, view)  # type: ignore[arg-type] # only read
    sizes = {
        relative: [one.size.compute(view) for one in parts if one is not None and one.relative is relative]
        for relative in (True, False)
    }
    if sizes[True]:
        variance = sum(np.log1p(np.square(size)) for size in sizes[True])
        value = value * np.exp(np.sqrt(variance) * score - 0.5 * variance)
    if sizes[False]:
        value = value + np.sqrt(sum(np.square(size) for size in sizes[False])) * score
    return value


def _as_numbers(values: Any, meaning: Variable, size: int) -> Floats:
    numbers = np.array(np.broadcast_to(values, (size,)), np.float64)
    if meaning.kind is Kind.CATEGORY:
        numbers[numbers < 0] = np.nan
    return numbers
