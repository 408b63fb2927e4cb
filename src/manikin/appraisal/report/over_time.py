"""Pictures of what happens over time: where patients are, how they move, how long things take, and some of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.pictures import Panel
from manikin.appraisal.report.svg import Scale, covering, figure, picture, short, stretched, tag, unit_label
from manikin.appraisal.report.timelines import LANE, Row, anchor, colours_of, patient_lanes, time_axis
from manikin.appraisal.time.axis import Axis, in_units, said
from manikin.codebook import in_sentence

_COLOURS = 12
_FLOW, _BAND = 250, 150  # heights of plots, in pixels
_MANY = 12  # states beyond which a matrix has small letters
_LETTER = 6.3 / 620  # width of a letter, as a share of a picture as wide as the page


def over_time(drawings: Mapping[str, Any]) -> dict[str, Any]:
    """Return every picture of the section, by its name; those of which there is nothing to show are empty."""
    axis = Axis(**drawings["axis"])
    colours = colours_of(drawings["states"], drawings["occupancy"])
    return {
        "flow": flow(drawings["states"], drawings["occupancy"], axis, colours),
        "states": _states(drawings["states"], colours),
        "matrix": matrix(drawings["states"], drawings["moves"], colours),
        "delays": _delays(drawings["delays"]),
        "gaps": _gaps(drawings["gaps"]),
        "trajectories": _trajectories(drawings["trajectories"], axis),
        "waits": [wait(one) for one in drawings["waits"]],
        "timelines": [patient_lanes(one, drawings["states"], axis, colours) for one in drawings["timelines"]],
        "bent": bool(axis.bend),
        "patients": f"{drawings['patients']:,}",
    }


# --- where patients are ---------------------------------------------------------------------------------------------


def flow(
    states: Sequence[Mapping[str, Any]], occupancy: Mapping[str, Any], axis: Axis, colours: Sequence[str]
) -> Markup:
    """Return which share of patients is in each state at any time, one upon the other."""
    places = [100 * axis.share(time) for time in occupancy["times"]]
    below = [0.0] * len(places)
    areas, labels = [], []
    for state, shares, colour in zip(states, occupancy["shares"], colours, strict=True):
        above = [low + share for low, share in zip(below, shares, strict=True)]
        if max(shares) > 0:
            areas.append(_area(places, below, above, colour, state["title"]))
            labels += _named(state["title"], places, below, above)
        below = above
    grid = [tag("line", class_="over", x1=0, x2=100, y1=100 * y, y2=100 * y) for y in (0.25, 0.5, 0.75)]
    left, width = 5, 95
    placed = [
        tag(
            "text",
            title,
            class_="area-name",
            x=f"{left + width * x / 100:.2f}%",
            y=8 + _FLOW * (1 - y) + 4,
            text_anchor="middle",
        )
        for title, x, y in labels
    ]
    ticks = [
        tag("text", label, x=f"{left + width * axis.share(at):.2f}%", y=_FLOW + 25, text_anchor=anchor(axis.share(at)))
        for at, label in axis.ticks(6)
    ]
    scale = [
        tag("text", f"{share}%", x=f"{left - 0.7}%", y=8 + _FLOW * (1 - share / 100) + 4, text_anchor="end")
        for share in (0, 50, 100)
    ]
    last = "; ".join(
        f"{state['title']} {figure(shares[len(shares) // 2], 'share')} half-way and {figure(shares[-1], 'share')} at the end"
        for state, shares in zip(states, occupancy["shares"], strict=True)
    )
    return picture(
        stretched(*areas, *grid, top=8, height=_FLOW, left=f"{left}%", width=f"{width}%"),
        tag("line", class_="axis", x1=f"{left}%", x2="100%", y1=8 + _FLOW, y2=8 + _FLOW),
        *placed,
        *ticks,
        *scale,
        label=f"Share of patients in each state over {said(axis.end)}: {last}",
        kind="whereabouts",
        height=_FLOW + 32,
    )


def _area(places: Sequence[float], below: Sequence[float], above: Sequence[float], colour: str, title: str) -> Markup:
    """Return one state's layer."""
    upper = "L".join(f"{x:.2f} {100 * (1 - y):.2f}" for x, y in zip(places, above, strict=True))
    lower = "L".join(f"{x:.2f} {100 * (1 - y):.2f}" for x, y in zip(reversed(places), reversed(below), strict=True))
    return tag("path", tag("title", title), class_=f"layer {colour}", d=f"M{upper}L{lower}Z")


def _named(
    title: str, places: Sequence[float], below: Sequence[float], above: Sequence[float]
) -> list[tuple[str, float, float]]:
    """Return where a layer's name stands: where it has most room above and below its letters, or nowhere."""
    half = 50 * len(title) * _LETTER + 0.5
    best, spot = 0.0, None
    for x in places:
        if half <= x <= 100 - half:
            under = [n for n, place in enumerate(places) if x - half <= place <= x + half]
            low, high = max(below[n] for n in under), min(above[n] for n in under)
            if high - low > best:
                best, spot = high - low, (title, x, (low + high) / 2)
    return [spot] if spot and best > 0.065 else []


# --- how long things take -------------------------------------------------------------------------------------------


def spread(quantiles: Sequence[float], axis: Axis, label: str, colour: str = "g0") -> Markup:
    """Return the spread of a time: a line for nine of ten, a bar for half of them, a stroke for the median."""
    fifth, low, middle, high, last = quantiles
    return picture(
        *(tag("line", class_="grid", x1=axis.at(at), x2=axis.at(at), y1=0, y2=LANE) for at, _ in axis.ticks(4)),
        tag("line", class_="reach", x1=axis.at(fifth), x2=axis.at(last), y1=LANE / 2, y2=LANE / 2),
        tag("rect", class_=f"half {colour}", x=axis.at(low), y=6, width=axis.between(low, high), height=LANE - 12),
        tag("line", class_="middle", x1=axis.at(middle), x2=axis.at(middle), y1=3, y2=LANE - 3),
        label=label,
        kind="track",
        height=LANE,
    )


def spread_axis(spreads: Sequence[Sequence[float]]) -> Axis:
    """Return a common axis for spreads, bent where they are of unlike size."""
    end = max((one[4] for one in spreads), default=0.0) or 1.0
    least = min((one[2] for one in spreads if one[2] > 0), default=end)
    return Axis(end, 0.0 if end / least < 30 else max(1.0, min(bend for bend in (*_ROUND, end) if bend >= least / 2)))


_ROUND = (1.0, 5.0, 30.0, 60.0, 360.0, 1440.0, 10080.0)


def _row(title: str, quantiles: Sequence[float], axis: Axis, extra: str = "", colour: str = "g0") -> Row:
    middle, range_ = _told(quantiles)
    label = f"{title} {extra}: median {middle}, quartiles {range_}".replace("  ", " ")
    return Row(title, spread(quantiles, axis, label, colour), middle, extra, range_)


def _told(quantiles: Sequence[float]) -> tuple[str, str]:
    """Return a median and its quartiles in the unit of the median."""
    if not quantiles[3]:
        return "at once", ""
    unit, minutes = in_units(quantiles[2])
    low, middle, high = (one / minutes for one in quantiles[1:4])
    places = 0 if high >= 20 else 1
    low, middle, high = (round(one, places) for one in (low, middle, high))
    word = unit_label(unit)
    return f"{middle:g} {word.removesuffix('s') if middle == 1 else word}", f"{low:g}–{high:g}"


def _delays(tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return two rows for each test, from order to collection and on to the result, on one axis."""
    lines = [
        (one["title"] if first else "", what, one[key])
        for one in tests
        for first, (key, what) in _firsts([(key, what) for key, what in _WAYS if one[key][4] > 0])
    ]
    return _table(lines)


_WAYS = (("collected", "order to collection"), ("resulted", "collection to result"))


def _firsts(items: Sequence[Any]) -> list[tuple[bool, Any]]:
    return [(place == 0, item) for place, item in enumerate(items)]


def _gaps(variables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _table([(one["title"], "", one["gap"]) for one in variables])


def _table(lines: Sequence[tuple[str, str, Sequence[float]]]) -> dict[str, Any]:
    """Return rows of spreads with the axis below them."""
    axis = spread_axis([quantiles for _, _, quantiles in lines])
    return {"rows": [_row(title, spread, axis, what) for title, what, spread in lines], "axis": time_axis(axis)}


def _states(states: Sequence[Mapping[str, Any]], colours: Sequence[str]) -> dict[str, Any]:
    """Return a row for each state: who is ever there, how often, and how long a stay is."""
    axis = spread_axis([state["stay"] for state in states if state["stay"]])
    rows = [
        {
            "title": state["title"],
            "colour": colour,
            "ever": state["ever"],
            "visits": figure(state["visits"], decimals=1),
            "stay": _row(state["title"], state["stay"], axis, colour=colour) if state["stay"] else None,
            "ends": {"": "", "loss": "lost to follow-up"}.get(state["ends"], state["ends"]),
        }
        for state, colour in zip(states, colours, strict=True)
    ]
    return {"rows": rows, "axis": time_axis(axis)}


# --- how they move --------------------------------------------------------------------------------------------------


def matrix(
    states: Sequence[Mapping[str, Any]], moves: Sequence[Sequence[int]], colours: Sequence[str]
) -> dict[str, Any]:
    """Return from which state patients go to which, as shares of all who leave it; only what occurs."""
    titles = [*(state["title"] for state in states), "Study ends"]
    # A stay ends where the patient goes elsewhere, so that no state follows itself.
    used = [column for column in range(len(titles)) if any(row[column] for row in moves)]
    rows = [
        {
            "title": states[number]["title"],
            "colour": colours[number],
            "count": f"{sum(row):,}",
            "cells": [_cell(row[column], sum(row), "" if len(used) > _MANY else "%") for column in used],
        }
        for number, row in enumerate(moves)
        if sum(row)
    ]
    heads = [{"title": titles[column], "colour": [*colours, ""][column]} for column in used]
    return {"heads": heads, "rows": rows, "dense": len(heads) > _MANY}


def _cell(count: int, total: int, sign: str) -> dict[str, Any]:
    share = count / total
    text = "" if not count else f"<1{sign}" if share < 0.01 else f"{100 * share:.0f}{sign}"
    return {"text": text, "count": f"{count:,}", "depth": round(100 * share**0.8)}


# --- how values move ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Up:
    """The upward scale of a small plot, logarithmic where values differ by more than a line could show."""

    scale: Scale
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float]) -> _Up:
        low, high = min(values), max(values)
        if low > 0 and high / low > 60:
            return cls(Scale(math.log10(low) - 0.05, math.log10(high) + 0.05), True)
        return cls(covering(list(values), low=0.0 if low >= 0 else None), False)

    def down(self, value: float) -> float:
        """Return how far below the top a value stands, from 0 to 100."""
        return 100 * (1 - self.scale.share(math.log10(max(value, 1e-12)) if self.logarithmic else value))

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return self.scale.ticks(4)
        return [10.0**power for power in range(math.ceil(self.scale.low), math.floor(self.scale.high) + 1)]


def _trajectories(variables: Sequence[Mapping[str, Any]], axis: Axis) -> list[Panel]:
    """Return a plot for each variable, on a common axis that ends where the last one is measured."""
    last = max((variable["bands"][-1]["to"] for variable in variables), default=axis.end)
    return [trajectory(variable, Axis(last, axis.bend)) for variable in variables]


def trajectory(variable: Mapping[str, Any], axis: Axis) -> Panel:
    """Return how a variable is spread along the axis: nine of ten patients, half of them, and the median."""
    bands = variable["bands"]
    up = _Up.over([value for band in bands for value in band["quantiles"]])
    runs = _runs(bands, axis)
    shapes = [
        shape
        for run in runs
        for shape in (
            _between(run, axis, up, 0, 4, "outer"),
            _between(run, axis, up, 1, 3, "inner"),
            tag("path", class_="outline s0", d="M" + "L".join(_line(run, axis, up, 2))),
        )
    ]
    first, last = bands[0]["quantiles"], bands[-1]["quantiles"]
    label = (
        f"{variable['title']}: median {figure(first[2])} at the start and {figure(last[2])} after {said(bands[-1]['to'])}; "
        f"nine of ten from {figure(first[0])} to {figure(first[4])}, then from {figure(last[0])} to {figure(last[4])}"
    )
    cuts = [value for value in variable["thresholds"] if 3 < up.down(value) < 97]
    image = _plot(
        shapes,
        [(100 * axis.share(at), text) for at, text in axis.ticks(3)],
        [(up.down(tick), short(tick)) for tick in up.ticks()],
        [(up.down(value), short(value)) for value in cuts],
        label,
    )
    return Panel(variable["title"], unit_label(variable["unit"]), image)


def _runs(bands: Sequence[Mapping[str, Any]], axis: Axis) -> list[list[Mapping[str, Any]]]:
    """Return bands in runs without a stretch between them where too few patients were measured."""
    runs: list[list[Mapping[str, Any]]] = []
    for band in bands:
        if runs and axis.share(band["from"]) - axis.share(runs[-1][-1]["to"]) < 1e-3:
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _line(run: Sequence[Mapping[str, Any]], axis: Axis, up: _Up, which: int) -> list[str]:
    """Return the points of a quantile: from the start of a run through the middle of each stretch to its end."""
    middles = [50 * (axis.share(band["from"]) + axis.share(band["to"])) for band in run]
    places = [100 * axis.share(run[0]["from"]), *middles, 100 * axis.share(run[-1]["to"])]
    values = [run[0], *run, run[-1]]
    return [f"{x:.2f} {up.down(band['quantiles'][which]):.2f}" for x, band in zip(places, values, strict=True)]


def _between(run: Sequence[Mapping[str, Any]], axis: Axis, up: _Up, low: int, high: int, kind: str) -> Markup:
    points = [*_line(run, axis, up, high), *reversed(_line(run, axis, up, low))]
    return tag("path", class_=f"spread {kind} s0", d="M" + "L".join(points) + "Z")


def _plot(
    shapes: Sequence[Markup],
    across: Sequence[tuple[float, str]],
    up: Sequence[tuple[float, str]],
    cuts: Sequence[tuple[float, str]],
    label: str,
) -> Markup:
    """Return a small plot with both its axes; places are per cent from the left and from the top."""
    left, width, top = 13, 78 if cuts else 84, 8

    def x(place: float) -> str:
        return f"{left + width * place / 100:.2f}%"

    def y(place: float) -> float:
        return top + _BAND * place / 100

    return picture(
        *(tag("line", class_="grid", x1=x(0), x2=x(100), y1=y(place), y2=y(place)) for place, _ in up),
        stretched(*shapes, top=top, height=_BAND, left=f"{left}%", width=f"{width}%"),
        *(tag("line", class_="threshold", x1=x(0), x2=x(100), y1=y(place), y2=y(place)) for place, _ in cuts),
        *(tag("text", text, class_="cut", x=f"{left + width + 1}%", y=y(place) + 4) for place, text in cuts),
        tag("line", class_="axis", x1=x(0), x2=x(100), y1=y(100), y2=y(100)),
        *(tag("text", text, x=f"{left - 2}%", y=y(place) + 4, text_anchor="end") for place, text in up),
        *(tag("text", text, x=x(place), y=y(100) + 17, text_anchor=anchor(place / 100)) for place, text in across),
        label=label,
        kind="density plot",
        height=top + _BAND + 24,
    )


def wait(drawn: Mapping[str, Any]) -> Panel:
    """Return the cumulative distribution of a time, with the published value and its interval upon it."""
    unit, scale, named = unit_label(drawn["unit"]), Scale(0.0, drawn["reach"]), drawn["targets"]
    steps = "".join(f"H{100 * scale.share(x):.2f}V{100 * (1 - share):.2f}" for x, share in drawn["curve"])
    image = _plot(
        [
            *(part for mark in drawn["marks"] for part in _published(mark, scale)),
            tag("path", class_="outline s0", d=f"M0 100{steps}H100"),
        ],
        [
            (100 * scale.share(tick), f"{short(tick)} {unit}" if last else short(tick))
            for last, tick in _lasts(scale.ticks(3))
        ],
        [(100 - share, f"{share}%") for share in (0, 25, 50, 75, 100)],
        [],
        f"{drawn['title']}, share of patients by {unit}: {'; '.join(_said_of(mark, unit) for mark in drawn['marks'])}",
    )
    name = _common(named) or drawn["title"]
    name = f"{name}, {drawn['label'].replace('_', ' ')}" if drawn["label"] else name
    about = f"{len(named)} published values" if len(named) > 1 else in_sentence(drawn["title"])
    return Panel(name[:1].upper() + name[1:], "" if about.lower() in name.lower() else about, image)


def _common(names: Sequence[str]) -> str:
    """Return the words with which all names begin: what they are about."""
    words = takewhile(lambda alike: len(set(alike)) == 1, zip(*(name.split() for name in names), strict=False))
    return " ".join(one for one, *_ in words).rstrip(",;:")


def _lasts(items: Sequence[Any]) -> list[tuple[bool, Any]]:
    return [(place == len(items) - 1, item) for place, item in enumerate(items)]


def _published(mark: Mapping[str, Any], scale: Scale) -> list[Markup]:
    """Return the published interval as a bar and the value as a stroke: along the level that it is about."""
    if mark["kind"] == "share":
        low, high, at = 100 * (1 - mark["low"]), 100 * (1 - mark["high"]), 100 * (1 - mark["value"])
        x = 50.0 if mark["level"] is None else 100 * scale.share(mark["level"])
        width = 100.0 if mark["level"] is None else 5.0
        bar = tag("rect", class_="published", x=x - width / 2, y=high, width=width, height=max(low - high, 0.8))
        return [bar, tag("line", class_="stated", x1=x - width / 2, x2=x + width / 2, y1=at, y2=at)]
    low, high, at = (100 * scale.share(mark[end]) for end in ("low", "high", "value"))
    top, tall = (0.0, 100.0) if mark["level"] is None else (100 * (1 - mark["level"]) - 5, 10.0)
    bar = tag("rect", class_="published", x=low, y=top, width=max(high - low, 0.8), height=tall)
    return [bar, tag("line", class_="stated", x1=at, x2=at, y1=top, y2=top + tall)]


def _said_of(mark: Mapping[str, Any], unit: str) -> str:
    if mark["kind"] == "share":
        limit = f" by {figure(mark['level'])} {unit}" if mark["level"] is not None else ""
        return f"published {figure(mark['value'], 'share')}{limit}"
    what = "mean" if mark["level"] is None else f"quantile {mark['level']:g}"
    return f"published {what} {figure(mark['value'])} ({figure(mark['low'])} to {figure(mark['high'])})"
