"""How people write bins in tables: ``40-59``, ``35+``, ``under 18``, ``Female``."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from manikin.codebook import Bins

_N = r"(\d+(?:\.\d+)?)"
_BETWEEN = re.compile(rf"{_N}\s*(-|–|—|\.\.|to <|to)\s*{_N}")
_FROM = re.compile(rf"(?:>=|≥)\s*{_N}|{_N}\s*(?:\+|\.\.|and (?:over|older|more|above))")
_BELOW = re.compile(rf"(?:<|under|below|less than)\s*{_N}")
_ONE = re.compile(_N)


@dataclass(frozen=True)
class Band:
    """What a row is about: the ``place`` of its bin, and which stretch of the bin, lower end included."""

    place: int
    low: float = -math.inf
    high: float = math.inf

    def overlaps(self, other: Band) -> bool:
        """Return whether somebody could be in both."""
        return self.place == other.place and self.low < other.high and other.low < self.high


def place_of(axis: Bins, text: str, step: float) -> Band | None:
    """Return the bin that a text in a table means, whole or in part; None where there is no single one.

    Upper ends are in the band, by the ``step`` of the number: ``40-59`` of completed years goes up to 60. The lowest
    and the highest bin may be cut short, as the people counted may begin or end there.
    """
    plain = " ".join(text.split()).casefold()
    labels = [label.casefold() for label in axis.labels]
    if plain in labels:
        place = labels.index(plain)
        whole = axis.levels or (axis.missing and place == axis.count - 1)
        return Band(place) if whole else Band(place, *_edges(axis)[place : place + 2])
    if axis.levels:
        return None
    ends = _ends(plain, step)
    if ends is None:
        return None
    edges = _edges(axis)
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        if low <= ends[0] < ends[1] <= high:
            return Band(place, *ends)
    return None


def covers(axis: Bins, place: int, bands: Iterable[Band]) -> bool:
    """Return whether bands make up a bin without a gap or an overlap; at its outer ends a scale may be cut short."""
    ordered = sorted(bands, key=lambda band: (band.low, band.high))
    edges = _edges(axis)
    if axis.levels or place >= len(edges) - 1:
        return len(ordered) == 1
    begins = place == 0 or ordered[0].low == edges[place]
    ends = place == len(edges) - 2 or ordered[-1].high == edges[place + 1]
    return begins and ends and all(one.high == other.low for one, other in itertools.pairwise(ordered))


def _edges(axis: Bins) -> tuple[float, ...]:
    return (-math.inf, *axis.cuts, math.inf)


def _ends(text: str, step: float) -> tuple[float, float] | None:
    if found := _BETWEEN.fullmatch(text):
        last = 0.0 if found.group(2) == "to <" else step
        return float(found.group(1)), round(float(found.group(3)) + last, 9)
    if found := _FROM.fullmatch(text):
        return float(found.group(1) or found.group(2)), math.inf
    if found := _BELOW.fullmatch(text):
        return -math.inf, float(found.group(1))
    if step and _ONE.fullmatch(text):
        return float(text), round(float(text) + step, 9)
    return None
