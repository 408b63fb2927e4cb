"""Pictures of patients on their way: who is in which state when, from which to which, and single courses.

Both worlds of a comparison are drawn on one scale, in one colour for each state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from manikin.appraisal.flow import Flow, Lane, Occupancy, Stay
from manikin.appraisal.report.svg import Scale, figure, picture, short, stretched, tag

_COLOURS = 12
_HEIGHT, _LOW = 190, 96
_GAP = 2.2  # between the nodes of a column, in per cent of the height
_WIDE = 1.1  # of a node, in per cent of the width
_TALL = 230
_LEGIBLE = 5.0  # per cent of the height from which a node carries its name

_UNITS = (("min", 1.0), ("h", 60.0), ("d", 1440.0), ("wk", 10_080.0), ("mo", 43_830.0), ("a", 525_960.0))
_WORDS = {"min": "min", "h": "h", "d": "d", "wk": "wk", "mo": "mo", "a": "y"}
_ROUND = tuple(
    number * size
    for unit, size in _UNITS
    for number in {"min": (1, 2, 5, 15, 30), "h": (1, 2, 4, 8), "d": (1, 2, 4), "wk": (1, 2), "mo": (1, 3, 6), "a": (1, 2, 5, 10, 20, 50)}[unit]
)  # fmt: skip


@dataclass(frozen=True)
class TimeScale:
    """Minutes laid over the width of a picture, evenly or on a logarithmic scale from ``low`` on."""

    low: float
    high: float
    stretched: bool = False

    def share(self, minutes: float) -> float:
        """Return where a time falls, from 0 to 1."""
        if not self.stretched:
            return Scale(self.low, self.high).share(minutes)
        return Scale(math.log(self.low), math.log(self.high)).share(math.log(max(minutes, self.low)))

    def at(self, minutes: float) -> str:
        """Return the place of a time in per cent."""
        return f"{100 * self.share(minutes):.2f}%"

    def ticks(self) -> list[float]:
        """Return round times that leave room for their names."""
        if self.stretched:
            found: list[float] = []
            for minutes in _ROUND:
                if self.low <= minutes <= self.high and (
                    not found or self.share(minutes) - self.share(found[-1]) > 0.13
                ):
                    found.append(minutes)
            return found
        size = next((size for _, size in reversed(_UNITS) if self.high / size >= 2 and size != 10_080.0), 1.0)
        return [tick * size for tick in Scale(0, self.high / size).ticks(5)]


def clock(minutes: float) -> str:
    """Return a time as a person says it, in the largest unit of which there is at least one."""
    if minutes == 0:
        return "0"
    unit, size = next(((unit, size) for unit, size in reversed(_UNITS) if minutes >= size * 0.999), _UNITS[0])
    number = minutes / size
    return f"{short(round(number, 1))} {_WORDS[unit]}"


def colours_of(states: Sequence[str]) -> dict[str, int]:
    """Return the colour of each state."""
    return {title: place % _COLOURS for place, title in enumerate(states)}


# --- who is where when ------------------------------------------------------------------------------------------------


def occupancy(states: Sequence[str], view: Occupancy, world: int, name: str) -> Markup:
    """Return the shares of patients in each state over time as stacked areas, the first state at the bottom."""
    scale = _scale(view)
    shares = view.worlds[world]
    base = [0.0] * len(view.times)
    areas = []
    for place, row in enumerate(shares):
        top = [one + share for one, share in zip(base, row, strict=True)]
        if max(row) > 0:
            areas.append(_area(scale, view.times, base, top, place, f"{states[place]}: {_told(view, row)}"))
        base = top
    spoken = "; ".join(f"{states[place]} {_told(view, row)}" for place, row in enumerate(shares) if max(row) > 0)
    return picture(
        stretched(*areas, top=0, height=_HEIGHT),
        *(_level(share, _HEIGHT) for share in (0.0, 0.5, 1.0)),
        *_clock(scale, _HEIGHT),
        label=f"{name}: share of patients in each state over time. {spoken}",
        kind="stacked",
        height=_HEIGHT + 22,
    )


def shift(states: Sequence[str], view: Occupancy) -> Markup:
    """Return by how much the share of each state is larger in the second world, as lines over time."""
    scale = _scale(view)
    gaps = [
        [other - one for one, other in zip(first, second, strict=True)]
        for first, second in zip(*view.worlds, strict=True)
    ]
    most = max((abs(gap) for row in gaps for gap in row), default=0.0)
    reach = next((one for one in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8) if one >= most), 1.0)
    lines = [
        tag(
            "path",
            tag("title", states[place]),
            class_=f"course g{place % _COLOURS}",
            d=_line(scale, view.times, [50 - 50 * gap / reach for gap in row]),
        )
        for place, row in enumerate(gaps)
        if any(row)
    ]
    edges = [
        tag("text", text, x=-8, y=y + 4, text_anchor="end")
        for text, y in ((f"+{short(100 * reach)}", 0.0), ("0", _LOW / 2), (f"−{short(100 * reach)}", float(_LOW)))
    ]
    return picture(
        tag("line", class_="expected", x1="0", x2="100%", y1=_LOW / 2, y2=_LOW / 2),
        stretched(*lines, top=0, height=_LOW),
        *edges,
        *_clock(scale, _LOW),
        label=f"Difference of the shares in each state over time, at most {figure(100 * most)} percentage points",
        kind="stacked",
        height=_LOW + 22,
    )


def _scale(view: Occupancy) -> TimeScale:
    return TimeScale(view.times[0], view.times[-1], view.stretched)


def _told(view: Occupancy, row: Sequence[float]) -> str:
    half = len(row) // 2
    return f"{figure(row[half], 'share')} at {clock(view.times[half])}, {figure(row[-1], 'share')} at {clock(view.times[-1])}"


def _area(
    scale: TimeScale, times: Sequence[float], base: Sequence[float], top: Sequence[float], place: int, title: str
) -> Markup:
    above = [f"{100 * scale.share(time):.2f} {100 - 100 * y:.2f}" for time, y in zip(times, top, strict=True)]
    below = [f"{100 * scale.share(time):.2f} {100 - 100 * y:.2f}" for time, y in zip(times, base, strict=True)]
    outline = "L".join([*above, *reversed(below)])
    return tag("path", tag("title", title), class_=f"layer g{place % _COLOURS}", d=f"M{outline}Z")


def _line(scale: TimeScale, times: Sequence[float], heights: Sequence[float]) -> str:
    return "M" + "L".join(f"{100 * scale.share(time):.2f} {y:.2f}" for time, y in zip(times, heights, strict=True))


def _level(share: float, height: float) -> Markup:
    y = height * (1 - share)
    line = tag("line", class_="ruler", x1="0", x2="100%", y1=y, y2=y)
    return line + tag("text", short(share, "share"), x=-8, y=y + 4, text_anchor="end")


def _clock(scale: TimeScale, height: float) -> list[Markup]:
    """Return the axis of time under a picture."""
    parts = [tag("line", class_="axis", x1="0", x2="100%", y1=height, y2=height)]
    for tick in scale.ticks():
        share = scale.share(tick)
        anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
        parts.append(tag("line", class_="axis", x1=scale.at(tick), x2=scale.at(tick), y1=height, y2=height + 4))
        parts.append(tag("text", clock(tick), x=scale.at(tick), y=height + 17, text_anchor=anchor))
    return parts


# --- from which state to which ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    """Patients in a state at a step: place and height, in per cent."""

    top: float
    height: float


def sankey(flow: Flow, world: int, name: str) -> Markup:
    """Return the patients' ways through the states, step by step, as ribbons whose width counts patients."""
    steps = [one for one in flow.steps[world] if one]
    columns = _columns(steps)
    total = sum(columns[0].values()) or 1
    rows = max(sum(count > 0 for count in column.values()) for column in columns)
    unit = (100 - _GAP * (rows - 1)) / total
    nodes = [_stacked(column, unit) for column in columns]
    last = len(columns) - 1
    ribbons = [
        ribbon
        for step, moves in enumerate(steps)
        if step < last
        for ribbon in _ribbons(
            flow.states, moves, (nodes[step], nodes[step + 1]), unit, (_across(step, last), _across(step + 1, last))
        )
    ]
    blocks = [
        part
        for step, column in enumerate(columns)
        for state, count in column.items()
        for part in _block(
            flow.states[state], state, count / total, nodes[step][state], _across(step, last), step == last
        )
    ]
    spoken = "; ".join(
        f"{flow.states[state]} {figure(count / total, 'share')}"
        for column in columns[1:2]
        for state, count in column.items()
    )
    return picture(
        stretched(*ribbons, top=0, height=_TALL),
        *blocks,
        label=f"{name}: ways of {total:,} patients through the states. Second state: {spoken}",
        kind="sankey",
        height=_TALL + 4,
    )


def _columns(steps: Sequence[Mapping[tuple[int, int], int]]) -> list[dict[int, int]]:
    """Return how many patients come to each state at each step, in the order of states."""
    columns: list[dict[int, int]] = []
    for step, moves in enumerate(steps):
        if step == 0:
            columns.append(_summed((one, count) for (one, _), count in moves.items()))
        columns.append(_summed((other, count) for (_, other), count in moves.items() if other >= 0))
    return [column for column in columns if column]


def _summed(pairs: object) -> dict[int, int]:
    found: dict[int, int] = {}
    for state, count in pairs:  # type: ignore[attr-defined]
        found[state] = found.get(state, 0) + count
    return dict(sorted(found.items()))


def _stacked(column: Mapping[int, int], unit: float) -> dict[int, _Node]:
    nodes, top = {}, 0.0
    for state, count in column.items():
        nodes[state] = _Node(top, count * unit)
        top += count * unit + _GAP
    return nodes


def _across(step: int, last: int) -> float:
    return (100 - _WIDE) * step / max(last, 1)


def _ribbons(
    states: Sequence[str],
    moves: Mapping[tuple[int, int], int],
    nodes: tuple[Mapping[int, _Node], Mapping[int, _Node]],
    unit: float,
    places: tuple[float, float],
) -> list[Markup]:
    leaving = {state: node.top for state, node in nodes[0].items()}
    coming = {state: node.top for state, node in nodes[1].items()}
    drawn = []
    x, to = places[0] + _WIDE, places[1]
    middle = (x + to) / 2
    for (one, other), count in sorted(moves.items()):
        if other < 0:
            continue
        thick, y, end = count * unit, leaving[one], coming[other]
        leaving[one], coming[other] = y + thick, end + thick
        shape = (
            f"M{x:.2f} {y:.2f}C{middle:.2f} {y:.2f} {middle:.2f} {end:.2f} {to:.2f} {end:.2f}"
            f"V{end + thick:.2f}C{middle:.2f} {end + thick:.2f} {middle:.2f} {y + thick:.2f} {x:.2f} {y + thick:.2f}Z"
        )
        title = tag("title", f"{states[one]} to {states[other]}: {count:,} patients")
        drawn.append(tag("path", title, class_=f"ribbon g{one % _COLOURS}", d=shape))
    return drawn


def _block(title: str, state: int, share: float, node: _Node, x: float, at_end: bool) -> list[Markup]:
    top, height = node.top * _TALL / 100, max(node.height * _TALL / 100, 1.0)
    tip = tag("title", f"{title}: {figure(share, 'share')}")
    parts = [
        tag("rect", tip, class_=f"node g{state % _COLOURS}", x=f"{x:.2f}%", y=top, width=f"{_WIDE}%", height=height)
    ]
    if node.height >= _LEGIBLE:
        side = {"x": f"{x - 0.6:.2f}%", "text_anchor": "end"} if at_end else {"x": f"{x + _WIDE + 0.6:.2f}%"}
        words = (tag("tspan", title, class_="name"), tag("tspan", f" {figure(share, 'share', 0)}"))
        parts.append(tag("text", *words, y=top + min(height / 2 + 4, 15.0) if height < 40 else top + 15, **side))
    return parts


# --- single patients --------------------------------------------------------------------------------------------------


_LANE, _BETWEEN = 24, 22
_MARKS = {
    "medication": "M0-5 5 4H-5Z",
    "condition": "M0-5.5 5.5 0 0 5.5-5.5 0Z",
    "procedure": "M-4-4H4V4H-4Z",
    "decision": "M-5-4H5L0 5Z",
}


def twins(states: Sequence[str], names: tuple[str, str], lanes: tuple[Lane, Lane], spoken: str) -> Markup:
    """Return one patient's course in two worlds, one above the other."""
    until = max(stay.left for lane in lanes for stay in lane.stays) or 1.0
    scale = _patient_scale(lanes, until)
    parts = []
    for place, (name, lane) in enumerate(zip(names, lanes, strict=True)):
        top = place * (_LANE + _BETWEEN) + 14
        parts.append(tag("text", name, class_="lane", x=0, y=top - 4))
        parts += [_stay(states, scale, stay, top) for stay in _merged(lane.stays)]
        parts += _events(lane, scale, top)
    bottom = 2 * (_LANE + _BETWEEN) + 2
    return picture(*parts, *_clock(scale, bottom), label=spoken, kind="twins", height=bottom + 22)


def _patient_scale(lanes: tuple[Lane, Lane], until: float) -> TimeScale:
    ends = sorted(stay.left for lane in lanes for stay in _merged(lane.stays) if stay.left > 0)
    median = ends[len(ends) // 2] if ends else until
    return TimeScale(max(ends[0] / 3, 1.0), until, stretched=True) if median < until / 50 else TimeScale(0.0, until)


def _merged(stays: Sequence[Stay]) -> list[Stay]:
    """Return stays with those that follow each other in one state joined."""
    found: list[Stay] = []
    for stay in stays:
        if found and found[-1].state == stay.state:
            found[-1] = Stay(stay.state, found[-1].entered, stay.left)
        else:
            found.append(stay)
    return found


def _stay(states: Sequence[str], scale: TimeScale, stay: Stay, top: float) -> Markup:
    width = max(100 * (scale.share(stay.left) - scale.share(stay.entered)), 0.45)
    title = f"{states[stay.state]}, {clock(stay.entered)} to {clock(stay.left)}"
    x = min(100 * scale.share(stay.entered), 100 - width)
    block = tag(
        "rect", tag("title", title), class_=f"node g{stay.state % _COLOURS}", x=f"{x:.2f}%", y=top,
        width=f"{width:.2f}%", height=_LANE, rx=1.5,
    )  # fmt: skip
    if width < 2 + 0.9 * len(states[stay.state]):
        return block
    return block + tag("text", states[stay.state], class_="inside", x=f"{x + 0.7:.2f}%", y=top + _LANE / 2 + 4)


def _events(lane: Lane, scale: TimeScale, top: float) -> list[Markup]:
    """Return what was found as ticks under a lane, and what was written as marks."""
    parts = []
    for time in sorted({time for time, kind, _ in lane.events if kind == "observation"}):
        found = ", ".join(text for at, kind, text in lane.events if at == time and kind == "observation")
        title = tag("title", f"{clock(time)}: {found}")
        parts.append(
            tag(
                "line",
                title,
                class_="tick",
                x1=scale.at(time),
                x2=scale.at(time),
                y1=top + _LANE + 1,
                y2=top + _LANE + 5,
            )
        )
    for kind, shape in _MARKS.items():
        for text in dict.fromkeys(text for _, one, text in lane.events if one == kind):
            time = min(at for at, one, other in lane.events if one == kind and other == text)
            mark = tag("g", tag("title", f"{text}, {clock(time)}"), tag("path", d=shape), class_="entry")
            parts.append(tag("svg", mark, x=scale.at(time), y=top + _LANE, overflow="visible"))
    return parts
