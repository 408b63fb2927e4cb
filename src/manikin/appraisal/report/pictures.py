"""Pictures of a cohort: correlations, distributions, missing values, and how well its model's numbers are grounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.svg import Scale, figure, mark, picture, short, stretched, tag
from manikin.codebook import unit_label

_CELL = 40
_LEGIBLE = 20  # variables beyond which a cell is too small for its number
_TOP, _PLOT = 32, 86  # room for threshold labels above a small plot, and the plot's height, in pixels
_SAME = 1e-12


@dataclass(frozen=True)
class Panel:
    """One small picture with its caption; ``wide`` says that it holds categories, whose height follows their number."""

    title: str
    unit: str
    image: Markup
    wide: bool = False


def heat(titles: Sequence[str], matrix: Sequence[Sequence[float | None]], asked: Sequence[Sequence[Any]]) -> Markup:
    """Return the lower triangle of a correlation matrix; each name stands on the diagonal, for its row and column.

    Pairs that the model ``asked`` for, as (row, column, r), are outlined.
    """
    wanted = {(max(int(i), int(j)), min(int(i), int(j))) for i, j, _ in asked}
    cells = [
        _cell(titles, row, column, matrix[row][column], (row, column) in wanted)
        for row in range(len(titles))
        for column in range(row)
    ]
    names = [
        tag("text", title, class_="name", x=index * _CELL + 6, y=index * _CELL + _CELL * 0.65)
        for index, title in enumerate(titles)
    ]
    across = max((index * _CELL + len(title) * 13.5 + 8 for index, title in enumerate(titles)), default=0)
    return picture(
        *cells,
        *names,
        label=f"Correlations between {len(titles)} variables; the numbers are in the table below",
        kind="heat" if len(titles) <= _LEGIBLE else "heat dense",
        viewBox=f"0 0 {max(across, len(titles) * _CELL):.0f} {len(titles) * _CELL}",
    )


def agreement(pairs: Sequence[tuple[str, float | None, float | None, bool | None]], across: str, up: str) -> Markup:
    """Return a scatter of correlations (name, x, y, passed) about the line of equality."""
    known = [(name, x, y, passed) for name, x, y, passed in pairs if x is not None and y is not None]
    values = [value for _, x, y, _ in known for value in (x, y)]
    scale = Scale(-1, 1) if min(values, default=0) < -0.05 else Scale(0, 1)
    ticks = scale.ticks(4)
    size = 260
    grid = [
        line
        for tick in ticks
        for line in (
            tag("line", class_="grid", x1=scale.at(tick), x2=scale.at(tick), y1=0, y2=size),
            tag("line", class_="grid", x1="0", x2="100%", y1=_down(scale, tick, size), y2=_down(scale, tick, size)),
        )
    ]
    labels = [
        label
        for tick in ticks
        for label in (
            tag("text", short(tick), x=scale.at(tick), y=size + 16, text_anchor="middle"),
            tag("text", short(tick), x=-7, y=_down(scale, tick, size) + 4, text_anchor="end"),
        )
    ]
    points = [
        mark(scale.at(x), _down(scale, y, size), _outcome(passed), f"{name}: {figure(x)} and {figure(y)}")
        for name, x, y, passed in known
    ]
    inner = tag("svg", *grid, _equality(size), *labels, *points, x=40, y=8, width=size, height=size, overflow="visible")
    titles = (
        tag("text", across, class_="axis-name", x=40 + size / 2, y=size + 44, text_anchor="middle"),
        tag(
            "text", up, class_="axis-name", transform=f"translate(11 {8 + size / 2}) rotate(-90)", text_anchor="middle"
        ),
    )
    label = f"{up} against {across} for {len(known)} pairs of variables"
    return picture(inner, *titles, label=label, kind="scatter", viewBox=f"0 0 {size + 56} {size + 52}")


def distribution(variable: Mapping[str, Any], colours: Mapping[str, int]) -> Panel:
    """Return the small plot of one variable, with one curve or bar a group, coloured by ``colours``."""
    if variable["kind"] == "category":
        shares = {group["name"]: group["shares"] for group in variable["groups"]}
        return Panel(variable["title"], "", _levels(variable["title"], variable["levels"], shares, colours), wide=True)
    curves = {group["name"]: group["density"] for group in variable["groups"]}
    image = _curves(variable, curves, colours)
    return Panel(variable["title"], unit_label(variable.get("unit") or ""), image)


def marginal(variable: Mapping[str, Any]) -> Panel:
    """Return a variable's distribution in the synthetic and in the real records; levels where it has no edges."""
    both = {"synthetic": variable["synthetic"], "real": variable["real"]}
    colours = {"synthetic": 0, "real": 1}
    if variable.get("edges"):
        return Panel(variable["title"], unit_label(variable.get("unit") or ""), _curves(variable, both, colours))
    levels = variable.get("levels") or [str(index + 1) for index in range(len(both["real"]))]
    return Panel(variable["title"], "", _levels(variable["title"], levels, both, colours), wide=True)


def groups_of(variables: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the colour of each group, by order of first appearance."""
    names = dict.fromkeys(group["name"] for variable in variables for group in variable["groups"])
    return {name: index % 6 for index, name in enumerate(names)}


def bar(share: float, largest: float = 1.0) -> Markup:
    """Return one bar of a bar chart, on a track that stands for ``largest``."""
    width = f"{100 * share / largest:.2f}%" if largest > 0 else "0"
    track = tag("rect", class_="track", x=0, y=3, width="100%", height=10, rx=1.5)
    filled = tag("rect", x=0, y=3, width=width, height=10, rx=1.5)
    return tag("svg", track, filled, class_="bar", height=16, aria_hidden="true")


def grounding(counts: Mapping[str, int]) -> Markup:
    """Return how many numbers rest on which basis, as one divided bar."""
    total = sum(counts.values())
    parts, start = [], 0
    for basis, count in counts.items():
        at, width = f"{100 * start / total:.2f}%", f"{100 * count / total:.2f}%"
        title = tag("title", f"{basis}: {count} of {total}")
        parts.append(tag("rect", title, class_=f"basis {basis}", x=at, y=0, width=width, height=26))
        start += count
    label = "Numbers by basis: " + ", ".join(f"{basis} {count}" for basis, count in counts.items())
    return picture(*parts, label=label, kind="grounding", height=26)


def _cell(titles: Sequence[str], row: int, column: int, value: float | None, asked: bool) -> Markup:
    """Return one cell of the heat map: colour by sign, depth by size."""
    x, y = column * _CELL, row * _CELL
    pair = f"{titles[row]} and {titles[column]}"
    if value is None or math.isnan(value):
        title = tag("title", f"{pair}: not known")
        return tag("rect", title, class_="unknown", x=x + 1, y=y + 1, width=_CELL - 2, height=_CELL - 2)
    depth = min(1.0, abs(value)) ** 0.8
    sign = "positive" if value >= 0 else "negative"
    square = tag(
        "rect",
        tag("title", f"{pair}: {figure(value)}" + (", asked for by the model" if asked else "")),
        class_=f"{sign} asked" if asked else sign,
        x=x + 1,
        y=y + 1,
        width=_CELL - 2,
        height=_CELL - 2,
        fill_opacity=round(0.03 + 0.97 * depth, 2),
    )
    if len(titles) > _LEGIBLE:
        return square
    # Where ink stops being legible: later on a light page than on a dark one.
    strong = "value strong firm" if depth > 0.78 else "value firm" if depth > 0.58 else "value"
    number = f"{value:.2f}".replace("-", "−").replace("0.", ".")
    return square + tag("text", number, class_=strong, x=x + _CELL / 2, y=y + _CELL * 0.61)


def _down(scale: Scale, value: float, size: float) -> float:
    """Return the height of ``value`` in a picture, where down is positive."""
    return size * (1 - scale.share(value))


def _equality(size: float) -> Markup:
    """Return the line on which both axes agree."""
    return tag("line", class_="equality", x1=0, y1=size, x2=size, y2=0)


def _outcome(passed: bool | None) -> str:
    """Return how a correlation's point is drawn: unjudged points are full too, for there are many."""
    return "missed" if passed is False else "met"


def _curves(variable: Mapping[str, Any], curves: Mapping[str, Sequence[float]], colours: Mapping[str, int]) -> Markup:
    """Return densities over common edges, with the reference interval behind and thresholds as thin lines."""
    edges = variable["edges"]
    scale = Scale(edges[0], edges[-1])
    peak = max((height for curve in curves.values() for height in curve), default=0) or 1.0
    floor = _TOP + _PLOT
    areas = [_area(scale, edges, curve, peak, colours[name]) for name, curve in curves.items()]
    return picture(
        stretched(*areas, top=_TOP, height=_PLOT),
        *_thresholds(scale, variable.get("thresholds") or ()),
        tag("line", class_="axis", x1="0", x2="100%", y1=floor, y2=floor),
        _reference(scale, variable.get("reference_interval")),
        *(_tick(scale, tick, floor) for tick in scale.ticks(3)),
        label=_spoken(variable, curves),
        kind="density",
        height=floor + 23,
    )


def _area(scale: Scale, edges: Sequence[float], curve: Sequence[float], peak: float, colour: int) -> Markup:
    """Return one histogram as the outline of its bins, in the 100 by 100 box."""
    points = []
    for low, high, height in zip(edges, edges[1:], curve, strict=False):
        y = 100 * (1 - height / peak)
        points.append(f"{100 * scale.share(low):.2f} {y:.1f}H{100 * scale.share(high):.2f}")
    outline = "L".join(points)
    filled = tag("path", class_=f"area s{colour}", d=f"M0 100L{outline}L100 100Z")
    return filled + tag("path", class_=f"outline s{colour}", d=f"M{outline}")


def _reference(scale: Scale, interval: Sequence[float] | None) -> Markup:
    """Return the reference interval as a bar under the axis."""
    if interval is None:
        return Markup("")
    title = tag("title", f"Reference interval {figure(interval[0])} to {figure(interval[1])}")
    width = scale.between(interval[0], interval[1])
    return tag("rect", title, class_="usual", x=scale.at(interval[0]), y=_TOP + _PLOT + 1, width=width, height=5)


def _thresholds(scale: Scale, thresholds: Sequence[float]) -> list[Markup]:
    """Return thin lines with their numbers above, on two levels; a number that would touch another is left out."""
    free, drawn = [-1.0, -1.0], []
    for value in sorted(set(thresholds)):
        share = scale.share(value)
        if abs(share - 0.5) >= 0.5 - _SAME:
            continue
        level = next((level for level in (1, 0) if share - free[level] > 0.16), None)
        top = _TOP - 2 if level is None else _TOP - 4 - 13 * (1 - level)
        title = tag("title", f"Threshold {figure(value)}")
        drawn.append(
            tag("line", title, class_="threshold", x1=scale.at(value), x2=scale.at(value), y1=top, y2=_TOP + _PLOT)
        )
        if level is not None:
            free[level] = share
            anchor = "start" if share < 0.08 else "end" if share > 0.92 else "middle"
            drawn.append(tag("text", short(value), class_="cut", x=scale.at(value), y=top - 3, text_anchor=anchor))
    return drawn


def _tick(scale: Scale, tick: float, floor: float) -> Markup:
    """Return the label of one tick, kept inside the picture."""
    share = scale.share(tick)
    anchor = "start" if share < 0.06 else "end" if share > 0.94 else "middle"
    return tag("text", short(tick), x=scale.at(tick), y=floor + 18, text_anchor=anchor)


def _spoken(variable: Mapping[str, Any], curves: Mapping[str, Sequence[float]]) -> str:
    """Return where each curve has its peak, for those who can't see it."""
    edges = variable["edges"]
    peaks = []
    for name, curve in curves.items():
        highest = max(range(len(curve)), key=curve.__getitem__, default=0)
        peaks.append(f"{name} most often {figure(edges[highest])} to {figure(edges[highest + 1])}")
    return f"Distribution of {variable['title']}: " + "; ".join(peaks)


def _levels(
    title: str, levels: Sequence[object], shares: Mapping[str, Sequence[float]], colours: Mapping[str, int]
) -> Markup:
    """Return horizontal bars, level by level, one bar a group."""
    thick, step = 7, 9
    block = 19 + step * len(shares) + 5
    largest = max((value for row in shares.values() for value in row), default=0) or 1.0
    parts = []
    for index, level in enumerate(levels):
        top = index * block
        values = " · ".join(figure(row[index], "share") for row in shares.values())
        parts.append(tag("text", level, class_="level", x=0, y=top + 13))
        parts.append(tag("text", values, x="100%", y=top + 13, text_anchor="end"))
        for place, (name, row) in enumerate(shares.items()):
            tip = tag("title", f"{level}, {name}: {figure(row[index], 'share')}")
            width = f"{100 * row[index] / largest:.2f}%"
            y = top + 19 + step * place
            parts.append(tag("rect", tip, class_=f"level s{colours[name]}", x=0, y=y, width=width, height=thick, rx=1))
    spoken = "; ".join(
        f"{level} " + ", ".join(f"{name} {figure(row[index], 'share')}" for name, row in shares.items())
        for index, level in enumerate(levels)
    )
    return picture(*parts, label=f"{title}: {spoken}", kind="density", height=block * len(levels))
