"""The forest plot: what a cohort shows beside what was published, one row a target.

Shares stand on a percentage axis of their own group. Quantities in unlike units share one axis by counting in
tolerances: 0 is the published value, ±1 the ends of its interval.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from manikin.appraisal.finding import Measure
from manikin.appraisal.report.svg import (
    Scale,
    covering,
    decimals_for,
    figure,
    mark,
    picture,
    short,
    span,
    tag,
    verdict,
)
from manikin.codebook import unit_label

_HEIGHT = 30
_REACH = 2.0  # tolerances shown to either side; a point further out sits at the edge


@dataclass(frozen=True)
class Row:
    """One target, ready to be set: its name, its picture and the numbers at its side."""

    measure: Measure
    track: Markup
    verdict: str
    got: str
    got_interval: str
    want: str
    want_interval: str


@dataclass(frozen=True)
class Block:
    """The targets under one heading that share an axis; ``axis`` is its picture, ``meaning`` what it counts."""

    title: str
    rows: tuple[Row, ...]
    axis: Markup
    meaning: str


def forest(measures: Sequence[Measure], by_tolerance: bool = True) -> list[Block]:
    """Return the measures as blocks, by group and by kind of axis, in the order given.

    Without ``by_tolerance`` every block stands on an axis of values, for groups whose measures share a unit.
    """
    gathered: dict[tuple[str, str], list[Measure]] = {}
    for measure in measures:
        kind = _axis_kind(measure)
        kind = "value" if kind == "tolerance" and not by_tolerance else kind
        gathered.setdefault((measure.group, kind), []).append(measure)
    return [_block(group, kind, together) for (group, kind), together in gathered.items()]


def tolerances(measure: Measure) -> float | None:
    """Return how far a value lies from the expected one, in half-widths of its interval on that side."""
    if measure.expected is None or measure.expected_interval is None:
        return None
    low, high = measure.expected_interval
    distance = measure.value - measure.expected
    width = high - measure.expected if distance > 0 else measure.expected - low
    if not math.isfinite(distance) or width <= 0:
        return 0.0 if distance == 0 else None
    return distance / width


def glance(measures: Sequence[Measure]) -> Markup | None:
    """Return all judged measures as one strip of points, by distance from the expected value; None if too few."""
    placed = [(away, measure) for measure in measures if (away := tolerances(measure)) is not None]
    if len(placed) < 6:
        return None
    step = 2 * _REACH / 32
    bins = [max(-16, min(16, round(away / step))) for away, _ in placed]
    tallest = max(Counter(bins).values())
    floor = 12 + 11 * tallest
    scale = Scale(-_REACH - 0.1, _REACH + 0.1)
    stacked: Counter[int] = Counter()
    points = []
    for place, (away, measure) in sorted(zip(bins, placed, strict=True), key=lambda item: (item[0], item[1][0])):
        stacked[place] += 1
        title = f"{_full_name(measure)}: {figure(away)} tolerances"
        points.append(mark(scale.at(place * step), floor - 11 * stacked[place] + 4, verdict(measure.passed), title))
    met = sum(measure.passed is True for _, measure in placed)
    return picture(
        tag("rect", class_="band", x=scale.at(-1), y=0, width=scale.between(-1, 1), height=floor),
        tag("line", class_="expected", x1=scale.at(0), x2=scale.at(0), y1=0, y2=floor),
        *points,
        tag("line", class_="axis", x1="0", x2="100%", y1=floor, y2=floor),
        *(
            tag("text", text, x=scale.at(at), y=floor + 15, text_anchor=anchor)
            for at, text, anchor in (
                (-_REACH - 0.1, "too low", "start"),
                (-1, "lower end", "middle"),
                (0, "published", "middle"),
                (1, "upper end", "middle"),
                (_REACH + 0.1, "too high", "end"),
            )
        ),
        label=f"{met} of {len(placed)} targets met, by distance from the published value",
        kind="glance",
        height=floor + 22,
    )


def _axis_kind(measure: Measure) -> str:
    """Return which axis a measure belongs on."""
    if measure.unit == "share":
        return "share"
    return "value" if tolerances(measure) is None else "tolerance"


def _block(group: str, kind: str, measures: list[Measure]) -> Block:
    """Return one block with its rows drawn on their common axis."""
    if kind == "tolerance":
        scale = Scale(-_REACH, _REACH)
        rows = tuple(_row(measure, _tolerance_track(measure, scale), _decimals(measure)) for measure in measures)
        labels = {-1.0: "−1", 0.0: "0", 1.0: "+1"}
        return Block(group, rows, _axis(scale, labels), "tolerances from the published value")
    scale = covering([value for measure in measures for value in _all_values(measure)], low=_floor(measures))
    finest = max((own for measure in measures if (own := _decimals(measure)) is not None), default=None)
    rows = tuple(_row(measure, _value_track(measure, scale), finest) for measure in measures)
    labels = {tick: short(tick, kind) for tick in scale.ticks(4)}
    return Block(group, rows, _axis(scale, labels), "" if kind == "share" else "value")


def _floor(measures: list[Measure]) -> float | None:
    """Return 0 where nothing lies below it."""
    return 0.0 if all(value >= 0 for measure in measures for value in _all_values(measure)) else None


def _all_values(measure: Measure) -> list[float]:
    """Return every number of a measure that an axis must cover."""
    expected = () if measure.expected is None else (measure.expected,)
    return [measure.value, *(measure.interval or ()), *expected, *(measure.expected_interval or ())]


def _decimals(measure: Measure) -> int | None:
    """Return how many decimals a measure deserves by its own interval, or else by the expected one."""
    return decimals_for(measure.interval or measure.expected_interval, measure.unit)


def _row(measure: Measure, track: Markup, decimals: int | None) -> Row:
    """Return a row with its numbers in words."""
    unit = measure.unit
    return Row(
        measure,
        track,
        verdict(measure.passed),
        figure(measure.value, unit, decimals),
        span(measure.interval, unit, decimals),
        "" if measure.expected is None else figure(measure.expected, unit, decimals),
        span(measure.expected_interval, unit, decimals),
    )


def _value_track(measure: Measure, scale: Scale) -> Markup:
    """Return the picture of one row on an axis of values."""
    parts = [_grid(scale, scale.ticks(4))]
    if measure.expected_interval is not None:
        parts.append(_band(scale, *measure.expected_interval))
    if measure.expected is not None:
        parts.append(_expected(scale, measure.expected))
    if measure.interval is not None:
        parts.append(_whisker(scale, *measure.interval))
    return _track(measure, scale, measure.value, parts)


def _tolerance_track(measure: Measure, scale: Scale) -> Markup:
    """Return the picture of one row on the axis of tolerances."""
    parts = [_grid(scale, [-1, 0, 1]), _band(scale, -1, 1), _expected(scale, 0)]
    if measure.interval is not None:
        ends = [tolerances(_moved(measure, end)) or 0.0 for end in measure.interval]
        parts.append(_whisker(scale, *ends))
    return _track(measure, scale, tolerances(measure) or 0.0, parts)


def _moved(measure: Measure, value: float) -> Measure:
    """Return the measure as if its value were another."""
    return Measure(measure.name, value, expected=measure.expected, expected_interval=measure.expected_interval)


def _track(measure: Measure, scale: Scale, value: float, parts: list[Markup]) -> Markup:
    """Return the row's picture with its point on top."""
    point = mark(scale.at(value), _HEIGHT / 2, verdict(measure.passed))
    return picture(*parts, point, label=_spoken(measure), kind="track", height=_HEIGHT)


def _spoken(measure: Measure) -> str:
    """Return the row as a sentence for those who can't see it."""
    unit = unit_label(measure.unit)
    said = f"Generated {figure(measure.value, measure.unit)} {unit}".strip()
    if measure.interval is not None:
        said += f" ({span(measure.interval, measure.unit)})"
    if measure.expected is not None:
        said += f", published {figure(measure.expected, measure.unit)}"
    if measure.expected_interval is not None:
        said += f" ({span(measure.expected_interval, measure.unit)})"
    return said + {"met": ": met", "missed": ": not met", "open": ""}[verdict(measure.passed)]


def _axis(scale: Scale, labels: dict[float, str]) -> Markup:
    """Return the axis under a block."""
    texts = [
        tag("text", text, x=scale.at(at), y=15, text_anchor=_anchor(scale.share(at))) for at, text in labels.items()
    ]
    line = tag("line", class_="axis", x1="0", x2="100%", y1=1, y2=1)
    return tag("svg", line, *texts, class_="track", height=20, aria_hidden="true")


def _anchor(share: float) -> str:
    """Return the anchor that keeps a label inside its picture."""
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"


def _grid(scale: Scale, ticks: Sequence[float]) -> Markup:
    """Return faint lines at the ticks."""
    lines = [tag("line", class_="grid", x1=scale.at(x), x2=scale.at(x), y1=0, y2=_HEIGHT) for x in ticks]
    return Markup("").join(lines)


def _band(scale: Scale, low: float, high: float) -> Markup:
    """Return the expected interval as a bar."""
    return tag("rect", class_="band", x=scale.at(low), y=7, width=scale.between(low, high), height=_HEIGHT - 14, rx=2)


def _expected(scale: Scale, value: float) -> Markup:
    """Return the expected value as a stroke."""
    return tag("line", class_="expected", x1=scale.at(value), x2=scale.at(value), y1=6, y2=_HEIGHT - 6)


def _whisker(scale: Scale, low: float, high: float) -> Markup:
    """Return the interval of the generated value."""
    return tag("line", class_="whisker", x1=scale.at(low), x2=scale.at(high), y1=_HEIGHT / 2, y2=_HEIGHT / 2)


def _full_name(measure: Measure) -> str:
    """Return the name with its group before it, where it has one."""
    return f"{measure.group}, {measure.name}" if measure.group else measure.name
