"""Pictures of what happens over time: where patients are, how they move, how long things take, and some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.plots import trajectories, wait
from manikin.appraisal.report.svg import figure, picture, stretched, tag
from manikin.appraisal.report.timelines import LANE, Row, anchor, colours_of, patient_lanes, time_axis
from manikin.appraisal.time.axis import Axis, in_units, said
from manikin.codebook import unit_label

_FLOW = 250  # height of the picture of where patients are, in pixels
# Where the axis of spreads may begin to be logarithmic, in minutes.
_BENDS = (1.0, 5.0, 30.0, 60.0, 360.0, 1440.0, 10080.0)
_WAYS = (("collected", "order to collection"), ("resulted", "collection to result"))
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
        "trajectories": trajectories(drawings["trajectories"], axis),
        "waits": [wait(one) for one in drawings["waits"]],
        "timelines": [patient_lanes(one, drawings["states"], axis, colours) for one in drawings["timelines"]],
        "bent": bool(axis.bend),
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
    return Axis(end, 0.0 if end / least < 30 else max(1.0, min(bend for bend in (*_BENDS, end) if bend >= least / 2)))


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
    lines: list[tuple[str, str, Sequence[float]]] = []
    for one in tests:
        ways = [(what, one[key]) for key, what in _WAYS if one[key][4] > 0]
        lines += [("" if place else one["title"], what, spread) for place, (what, spread) in enumerate(ways)]
    return _table(lines)


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
