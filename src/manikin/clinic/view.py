"""What expressions may read of patients at a moment of each: variables, processes, the clock, and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.expressions import Columns
from manikin.clinic.measuring import Bench
from manikin.clinic.memory import Memory, Rows
from manikin.clinic.pathway import CLOCK
from manikin.codebook import Days, day_of_year
from manikin.streams import Floats

# Minutes of a day.
DAY = 1440


@dataclass(frozen=True)
class Surroundings:
    """All that is known of the patients of a walk: columns, memory, instruments, index dates, and when time begins.

    ``begins`` is in minutes since midnight of the index date.
    """

    columns: Columns
    memory: Memory
    bench: Bench
    days: Days
    begins: Floats


class View(Mapping[str, Any]):
    """All that expressions may read of some patients at a moment of each, gathered when it is first asked for."""

    def __init__(self, surroundings: Surroundings, rows: Rows, time: Floats) -> None:
        """Look at the patients in ``rows`` at ``time``."""
        self.surroundings, self.rows, self.time = surroundings, rows, time
        self.held: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name.endswith(")"):
            # Not held: a test that measures one thing by another changes the answer as it goes along.
            return self.surroundings.memory.answer(name, self.rows, self.time)
        if name not in self.held:
            self.held[name] = self._found(name)
        return self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def some(self, chosen: npt.NDArray[np.bool_]) -> View:
        """Return a view of the chosen patients at the same moment."""
        return self if chosen.all() else self.at(self.rows[chosen], self.time[chosen])

    def at(self, rows: Rows, time: Floats) -> View:
        """Return a view of patients at another moment."""
        return View(self.surroundings, rows, time)

    def _found(self, name: str) -> Any:
        if name in self.surroundings.bench.processes:
            return self.surroundings.bench.process(name, self, self.rows, self.time)
        if name in CLOCK:
            return self._clock(name)
        column = self.surroundings.columns[name]
        everybody = self.rows.size == len(self.surroundings.begins)
        return column[self.rows] if np.ndim(column) and not everybody else column

    def _clock(self, name: str) -> Floats:
        if name == "time":
            return self.time
        clock = self.surroundings.begins[self.rows] + self.time
        if name == "hour":
            return clock % DAY / 60
        return day_of_year(self.surroundings.days[self.rows] + (clock // DAY).astype("m8[D]"))
