"""Pictures of what aggregates changed: the clinical model, what was told, and the cohort, a row for each share.

A ring is the model, the grey bar with a stroke what was told with its interval, the dot the cohort; the way from ring to
dot is what the aggregates changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.pictures import Panel
from manikin.appraisal.report.svg import Scale, covering, figure, picture, short, tag
from manikin.codebook import unit_label

_ROW = 20
_LEFT, _WIDE = 34.0, 60.0  # where names end and tracks begin, and how wide these are, in per cent
_MOST_PAIRS = 12


@dataclass(frozen=True)
class Line:
    """Two variables, ready to be set: their picture and, in figures, what each side says."""

    title: str
    track: Markup
    model: str
    told: str
    interval: str
    cohort: str


@dataclass(frozen=True)
class Cell:
    """A share as every side has it, ready to be set."""

    name: str
    model: str
    told: str
    interval: str
    fit: str
    cohort: str


def variables(drawn: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return a picture for each variable, those that moved most first."""
    return [_panel(one) for one in sorted(drawn, key=lambda one: -one["moved"])]


def pairs(drawn: Sequence[Mapping[str, Any]]) -> tuple[list[Line], Markup]:
    """Return the pairs that moved most, first those that moved more, and their axis."""
    shown = drawn[:_MOST_PAIRS]
    ends = [0.0, *(value for one in shown for value in _values(one))]
    room = 0.04 * (max(ends) - min(ends) or 1.0)
    scale = Scale(min(ends) - room, max(ends) + room)
    return [_line(one, scale) for one in shown], _axis(scale)


def cells(variable: Mapping[str, Any]) -> list[Cell]:
    """Return the shares of a variable's bins in figures."""
    return [
        Cell(
            name,
            _share(variable["model"], code),
            _share(variable["told"], code),
            _interval(variable, code),
            _share(variable["fit"], code),
            _share(variable["cohort"], code),
        )
        for code, name in enumerate(variable["bins"])
    ]


def _panel(variable: Mapping[str, Any]) -> Panel:
    unit = unit_label(variable["unit"])
    sides = [variable[side] for side in ("model", "told", "low", "high", "fit", "cohort") if variable[side]]
    scale = covering([0.0, *(value for side in sides for value in side if value is not None)], low=0.0)
    rows = [row for code in range(len(variable["bins"])) for row in _row(variable, code, scale)]
    floor = _ROW * len(variable["bins"]) + 2
    lines = [
        tag("line", class_="grid", x1=_x(scale, tick), x2=_x(scale, tick), y1=0, y2=floor) for tick in scale.ticks(3)
    ]
    labels = [
        tag("text", short(tick, "share"), x=_x(scale, tick), y=floor + 14, text_anchor="middle")
        for tick in scale.ticks(3)
    ]
    base = tag("line", class_="axis", x1=f"{_LEFT}%", x2=f"{_LEFT + _WIDE}%", y1=floor, y2=floor)
    image = picture(*lines, *rows, base, *labels, label=_spoken(variable), kind="density", height=floor + 20)
    return Panel(variable["title"], unit, image)


def _row(variable: Mapping[str, Any], code: int, scale: Scale) -> list[Markup]:
    """Return the name of a bin and what each side says of it."""
    middle, name = _ROW * (code + 0.5), variable["bins"][code]
    parts = [tag("text", name, class_="level", x=f"{_LEFT - 2.5}%", y=middle + 4, text_anchor="end")]
    if not (variable["model"][code] or variable["fit"][code]):
        gone = variable["raw"][code]
        said = f"{figure(max(gone, 0.0), 'share')} told, none here" if gone is not None else "none here"
        return [*parts, tag("text", said, x=f"{_LEFT + 2}%", y=middle + 4)]
    told = variable["told"][code]
    interval = (variable["low"][code], variable["high"][code]) if told is not None else None
    sides = _Sides(variable["model"][code], told, interval, (variable["cohort"] or variable["fit"])[code])
    title = f"{name}: model {figure(sides.model, 'share')}, " + (
        f"told {figure(max(told, 0.0), 'share')}, " if told is not None else ""
    )
    return [
        *parts,
        tag("g", tag("title", f"{title}cohort {figure(sides.now, 'share')}"), *_marks(sides, scale, middle, _x)),
    ]


@dataclass(frozen=True)
class _Sides:
    """What the model says, what was told with its interval, and what the cohort has, or the fit where none is counted."""

    model: float
    told: float | None
    interval: tuple[float, float] | None
    now: float


def _marks(sides: _Sides, scale: Scale, middle: float, x: Any) -> list[Markup]:
    """Return the marks of a row: the site's bar behind, the way from the model to the cohort, and both its ends."""
    parts = []
    if sides.told is not None and sides.interval is not None:
        low, high = sides.interval
        width = f"{float(x(scale, high)[:-1]) - float(x(scale, low)[:-1]):.2f}%"
        parts.append(tag("rect", class_="band told", x=x(scale, low), y=middle - 6, width=width, height=12, rx=2))
        at = x(scale, max(low, min(high, sides.told)))
        parts.append(tag("line", class_="expected", x1=at, x2=at, y1=middle - 7, y2=middle + 7))
    parts.append(tag("line", class_="gap way", x1=x(scale, sides.model), x2=x(scale, sides.now), y1=middle, y2=middle))
    parts.append(tag("circle", class_="before", cx=x(scale, sides.model), cy=middle, r=3.8))
    parts.append(tag("circle", class_="after", cx=x(scale, sides.now), cy=middle, r=4))
    return parts


def _line(one: Mapping[str, Any], scale: Scale) -> Line:
    now = one["fit"] if one["cohort"] is None else one["cohort"]
    sides = _Sides(one["model"], one["told"], tuple(one["interval"]) if one["interval"] else None, now)
    grid = [tag("line", class_="grid", x1=scale.at(at), x2=scale.at(at), y1=0, y2=26) for at in scale.ticks(4)]
    zero = tag("line", class_="zero", x1=scale.at(0), x2=scale.at(0), y1=0, y2=26)
    said = f", told {_r(one['told'])}" if one["told"] is not None else ""
    label = f"{one['title']}: correlation {_r(one['model'])} in the model{said}, {_r(now)} in the cohort"
    marks = _marks(sides, scale, 13, lambda scale, value: scale.at(value))
    track = picture(*grid, zero, *marks, label=label, kind="track", height=26)
    interval = "" if one["interval"] is None else " to ".join(_r(end) for end in one["interval"])
    return Line(one["title"], track, _r(one["model"]), _r(one["told"]), interval, _r(now))


def _values(one: Mapping[str, Any]) -> list[float]:
    sides = [one[side] for side in ("model", "told", "fit", "cohort")]
    return [value for value in (*sides, *(one["interval"] or ())) if value is not None]


def _axis(scale: Scale) -> Markup:
    texts = [
        tag("text", short(tick), x=scale.at(tick), y=15, text_anchor=_anchor(scale.share(tick)))
        for tick in scale.ticks(4)
    ]
    line = tag("line", class_="axis", x1="0", x2="100%", y1=1, y2=1)
    return tag("svg", line, *texts, class_="track", height=20, aria_hidden="true")


def _anchor(share: float) -> str:
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"


def _x(scale: Scale, value: float) -> str:
    return f"{_LEFT + _WIDE * scale.share(value):.2f}%"


def _share(side: Sequence[float | None] | None, code: int) -> str:
    value = None if side is None else side[code]
    return "" if value is None else figure(value, "share")


def _interval(variable: Mapping[str, Any], code: int) -> str:
    low, high = variable["low"][code], variable["high"][code]
    return "" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def _r(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".replace("-", "−")


def _spoken(variable: Mapping[str, Any]) -> str:
    rows = "; ".join(
        f"{name}: model {_share(variable['model'], code)}, told {_share(variable['told'], code) or 'nothing'}, "
        f"cohort {_share(variable['cohort'] or variable['fit'], code)}"
        for code, name in enumerate(variable["bins"])
    )
    return f"{variable['title']}: {rows}"
