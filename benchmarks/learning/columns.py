"""Columns in declared bins: a scale cut at given points, or named values, with a bin for what was not measured or named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

OTHER = "other"


@dataclass(frozen=True)
class Column:
    """One column of a table and its bins.

    A column with ``levels`` is a category, whose values are the codes of its levels. Any other is a scale: bins lie
    between ``cuts``, the outermost end at ``low`` and ``high``, values are multiples of ``step``, and where
    ``missing``, the last bin holds who has no value or one outside ``possible``.
    """

    name: str
    levels: tuple[str, ...] = ()
    cuts: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    missing: bool = False
    possible: tuple[float, float] = (-np.inf, np.inf)

    @property
    def bins(self) -> int:
        """How many bins."""
        return len(self.levels) or len(self.cuts) + 1 + self.missing

    def read(self, written: Any) -> Any:
        """Return values, float64, as written in records; NaN where there is none or an impossible one."""
        if not self.levels:
            values = np.asarray(written, np.float64)
            return np.where((values < self.possible[0]) | (values > self.possible[1]), np.nan, values)
        known = {level: code for code, level in enumerate(self.levels)}
        return np.array([known.get(str(one), known.get(OTHER, np.nan)) for one in written], np.float64)

    def coded(self, values: Any) -> Any:
        """Return the bin, int16, of each value."""
        unknown = ~np.isfinite(values)
        if unknown.any() and not self.missing:
            raise ValueError(f"Column '{self.name}' has values that fit none of its bins. Declare a bin for them.")
        if self.levels:
            return values.astype(np.int16)
        inside = np.searchsorted(self.cuts, np.where(unknown, self.low, values), side="right")
        return np.where(unknown, len(self.cuts) + 1, inside).astype(np.int16)

    def filled(self, codes: Any, rng: np.random.Generator) -> Any:
        """Return values spread evenly over their bins, at the steps of the records: what a fitter of bins knows."""
        if self.levels:
            return codes.astype(np.float64)
        unknown = codes > len(self.cuts)
        inside = np.minimum(codes, len(self.cuts))
        lows, highs = np.array([self.low, *self.cuts]), np.array([*self.cuts, self.high])
        values = lows[inside] + rng.random(len(codes)) * (highs - lows)[inside]
        if self.step:
            values = np.floor(values / self.step + 1e-6) * self.step
        return np.where(unknown, np.nan, values)


def category(name: str, levels: tuple[str, ...], *, other: bool = False) -> Column:
    """Return a column of named values; with ``other``, whatever else is written has a bin too."""
    return Column(name, levels=(*levels, *([OTHER] if other and OTHER not in levels else [])))


def flag(name: str, *, no: str, yes: str) -> Column:
    """Return a column of two values."""
    return category(name, (no, yes))


def scale(
    name: str,
    cuts: tuple[float, ...],
    *,
    low: float,
    high: float,
    step: float = 0.0,
    missing: bool = False,
    possible: tuple[float, float] = (-np.inf, np.inf),
) -> Column:
    """Return a column of numbers."""
    return Column(name, (), cuts, low, high, step, missing, possible)
