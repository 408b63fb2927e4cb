"""An axis of time since the start, from minutes to years: where a moment falls, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manikin.streams import Floats

HOUR, DAY = 60.0, 1440.0
MONTH, YEAR = 30.4375 * DAY, 365.25 * DAY

# Units in which times are said: UCUM code, how a person writes it, minutes, and up to how many minutes it serves.
_UNITS = (
    ("min", "min", 1.0, 1.5 * HOUR),
    ("h", "h", HOUR, 2 * DAY),
    ("d", "days", DAY, 90 * DAY),
    ("mo", "months", MONTH, 3 * YEAR),
    ("a", "years", YEAR, math.inf),
)
# Moments that a bent axis may name.
_NAMED = (
    *((n, f"{n} min") for n in (1, 2, 5, 10, 30)),
    *((n * HOUR, f"{n} h") for n in (1, 2, 6, 12)),
    *((n * DAY, "1 day" if n == 1 else f"{n} days") for n in (1, 3, 7, 14)),
    *((n * MONTH, "1 month" if n == 1 else f"{n} months") for n in (1, 3, 6)),
    *((n * YEAR, "1 year" if n == 1 else f"{n} years") for n in (1, 2, 5, 10, 20)),
)
_BENDS = (5.0, 10.0, 30.0, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY, MONTH)


@dataclass(frozen=True)
class Axis:
    """Time from 0 to ``end`` minutes; with a ``bend`` it is even up to about there, and logarithmic beyond."""

    end: float
    bend: float = 0.0

    @classmethod
    def over(cls, end: float, moments: Floats) -> Axis:
        """Return the axis on which ``moments``, when things happen, can be told apart."""
        later = moments[moments > 0]
        if not later.size or np.median(later) > end / 15:
            return cls(end)
        early = float(np.quantile(later, 0.25))
        return cls(end, max((bend for bend in _BENDS if bend <= early), default=_BENDS[0]))

    def share(self, minutes: float) -> float:
        """Return where a moment falls, from 0 at the start to 1 at the end; beyond the ends it stays there."""
        kept = min(max(minutes, 0.0), self.end)
        return math.log1p(kept / self.bend) / math.log1p(self.end / self.bend) if self.bend else kept / self.end

    def moments(self, shares: Floats) -> Floats:
        """Return the minutes that fall at these shares of the axis."""
        return self.bend * np.expm1(shares * np.log1p(self.end / self.bend)) if self.bend else shares * self.end

    def at(self, minutes: float) -> str:
        """Return the place of a moment in per cent."""
        return f"{100 * self.share(minutes):.2f}%"

    def between(self, low: float, high: float) -> str:
        """Return the width of a stretch in per cent."""
        return f"{100 * (self.share(high) - self.share(low)):.2f}%"

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Return moments with their labels, far enough apart to be read; the unit stands at the last one."""
        if self.bend:
            return self._thinned([(0.0, "0"), *_NAMED], 0.8 / about)
        _, word, minutes, _ = _unit(self.end)
        step = _step(self.end / minutes / about)
        count = math.floor(self.end / minutes / step + 1e-9)
        return [
            (n * step * minutes, f"{n * step:g} {word}" if n == count else f"{n * step:g}") for n in range(count + 1)
        ]

    def _thinned(self, candidates: Sequence[tuple[float, str]], apart: float) -> list[tuple[float, str]]:
        kept: list[tuple[float, str]] = []
        for moment, label in candidates:
            clear = not kept or self.share(moment) - self.share(kept[-1][0]) >= apart
            if moment <= self.end and clear:
                kept.append((moment, label))
        return kept


def said(minutes: float) -> str:
    """Return a stretch of time as a person says it."""
    _, word, each, _ = _unit(abs(minutes))
    value = minutes / each
    text = f"{round(value, 0 if abs(value) >= 10 else 1):g}"
    return f"{text} {word.removesuffix('s') if text == '1' else word}"


def in_units(minutes: float) -> tuple[str, float]:
    """Return the unit, in UCUM, in which such a time is best given, and how many minutes it has."""
    code, _, each, _ = _unit(minutes)
    return code, each


def _unit(minutes: float) -> tuple[str, str, float, float]:
    return next(unit for unit in _UNITS if minutes <= unit[3] or unit[3] == math.inf)


def _step(about: float) -> float:
    """Return the step of 1, 2 or 5 times a power of ten at or above ``about``."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= about * (1 - 1e-9))
