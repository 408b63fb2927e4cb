"""Pictures of single patients: a lane for each sort of thing that happened, above one axis of time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.svg import figure, picture, short, stretched, tag
from manikin.appraisal.time.axis import Axis, said
from manikin.codebook import in_sentence, unit_label

LANE, _VALUES = 22, 42  # heights of lanes, in pixels
_LETTER = 7 / 230  # width of a letter, as a share of a lane
# The report's palette without its grey, which stands for those who are lost.
_COLOURS = tuple(f"g{number}" for number in range(12) if number != 7)
_FEW = 4  # findings that are told in words in the picture
_DOTS = 16  # values that are drawn as points upon their line

_ENDINGS = {"death": "dead", "loss": "lost to follow-up", "discharge": "discharged", "study": "followed to the end"}


@dataclass(frozen=True)
class Row:
    """A line of a table with a picture in it, and words at its sides."""

    title: str
    picture: Markup
    note: str = ""
    extra: str = ""
    range: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Patient:
    """One patient's course: who it is, which way, how it ends, and a lane for each sort of thing that happened."""

    name: str
    who: str
    path: str
    share: str
    ending: str
    known: str
    lanes: tuple[Row, ...]
    axis: Markup


def colours_of(states: Sequence[Mapping[str, Any]], occupancy: Mapping[str, Any]) -> list[str]:
    """Return the class of each state's colour: those where patients mostly are have one each, the others share one.

    Death has the colour of ink, and loss that of nothing known.
    """
    final = {"death": "death", "loss": "loss"}
    weight = [sum(shares) for shares in occupancy["shares"]]
    open_ = [number for number, state in enumerate(states) if state["ends"] not in final]
    kept = sorted(sorted(open_, key=lambda number: -weight[number])[: len(_COLOURS)])
    chosen = dict(zip(kept, _COLOURS, strict=False))
    return [final.get(state["ends"]) or chosen.get(number, "rest") for number, state in enumerate(states)]


def patient_lanes(
    drawn: Mapping[str, Any], states: Sequence[Mapping[str, Any]], whole: Axis, colours: Sequence[str]
) -> Patient:
    """Return one patient's course, lane by lane, on an axis of its own; bent where that of ``whole`` is."""
    axis = Axis(max(drawn["followed"], 1.0), whole.bend)
    lanes = (
        _stays(drawn["stays"], states, axis, colours),
        *(_contacts(drawn["contacts"], axis) for _ in drawn["contacts"][:1]),
        *(_orders(one, axis) for one in drawn["tests"]),
        *(_values(one, axis) for one in drawn["values"]),
        *(_findings(one, axis) for one in drawn["words"] if one["points"]),
        *(_written(one, axis) for one in drawn["entries"]),
    )
    return Patient(
        drawn["patient"],
        ", ".join(drawn["facts"]),
        " → ".join(drawn["path"]),
        f"{figure(drawn['share'], 'share')} of patients go this way",
        f"{_ENDINGS.get(drawn['ending'], 'followed')} after {said(drawn['followed'])}, {drawn['n_events']} events",
        ", ".join(map(in_sentence, drawn["known"])),
        lanes,
        time_axis(axis),
    )


def time_axis(axis: Axis, about: int = 4) -> Markup:
    """Return the axis under a column of pictures."""
    texts = [
        tag("text", label, x=axis.at(at), y=15, text_anchor=anchor(axis.share(at))) for at, label in axis.ticks(about)
    ]
    line = tag("line", class_="axis", x1="0", x2="100%", y1=1, y2=1)
    return tag("svg", line, *texts, class_="track", height=20, aria_hidden="true")


def anchor(share: float) -> str:
    """Return the anchor that keeps a label inside its picture."""
    return "start" if share < 0.05 else "end" if share > 0.93 else "middle"


def _lane(parts: Sequence[Markup], label: str, axis: Axis, height: int = LANE) -> Markup:
    grid = (tag("line", class_="grid", x1=axis.at(at), x2=axis.at(at), y1=0, y2=height) for at, _ in axis.ticks(4))
    return picture(*grid, *parts, label=label, kind="track", height=height)


def _bar(name: str, tip: Markup, low: float, high: float, axis: Axis, kind: str, inset: int) -> list[Markup]:
    """Return a stretch of time as a bar, with its name in it where there is room."""
    bar = tag("rect", tip, class_=kind, x=axis.at(low), y=inset, width=axis.between(low, high), height=LANE - 2 * inset)
    if axis.share(high) - axis.share(low) < _LETTER * len(name) + 0.02:
        return [bar]
    middle = f"{50 * (axis.share(low) + axis.share(high)):.2f}%"
    return [bar, tag("text", name, class_="area-name", x=middle, y=LANE / 2 + 4, text_anchor="middle")]


def _stays(
    stays: Sequence[Sequence[int]], states: Sequence[Mapping[str, Any]], axis: Axis, colours: Sequence[str]
) -> Row:
    """Return the lane of states: each stay in its colour, and a disc for the state that ends follow-up."""
    parts: list[Markup] = []
    for number, entered, left in stays:
        title = states[number]["title"]
        tip = tag("title", f"{title}, from {said(entered)} to {said(left)}")
        if states[number]["ends"]:
            parts.append(tag("circle", tip, class_=f"final {colours[number]}", cx=axis.at(entered), cy=LANE / 2, r=5))
        else:
            parts += _bar(title, tip, entered, left, axis, f"layer {colours[number]}", 3)
    spoken = "; ".join(f"{states[number]['title']} {said(left - entered)}" for number, entered, left in stays)
    many = f"{len(stays)} stays" if len(stays) > 1 else ""
    return Row("States", _lane(parts, f"States: {spoken}", axis), many)


def _contacts(contacts: Sequence[Sequence[Any]], axis: Axis) -> Row:
    """Return the lane of encounters: bars, and strokes where they are too short for bars."""
    parts: list[Markup] = []
    for kind, start, end in contacts:
        tip = tag("title", f"{kind}, {said(end - start)} from {said(start)}")
        if axis.share(end) - axis.share(start) < 0.01:
            at = axis.at(start)
            parts.append(tag("line", tip, class_="met", x1=at, x2=at, y1=4, y2=LANE - 4))
        else:
            parts += _bar(kind, tip, start, end, axis, "contact", 4)
    kinds = dict.fromkeys(kind for kind, _, _ in contacts)
    spoken = "; ".join(f"{kind} at {said(start)} for {said(end - start)}" for kind, start, end in contacts)
    alone = next(iter(kinds)) if len(kinds) == 1 else ""
    extra = _times(len(contacts)) if alone else f"{len(contacts)} encounters"
    return Row("Encounters", _lane(parts, f"Encounters: {spoken}", axis), alone, extra)


def _orders(test: Mapping[str, Any], axis: Axis) -> Row:
    """Return the lane of a test: a ring at each order, and a line to a dot where its result was known, if ever."""
    parts: list[Markup] = []
    for ordered, known in test["orders"]:
        if known is not None:
            parts.append(tag("line", class_="reach", x1=axis.at(ordered), x2=axis.at(known), y1=LANE / 2, y2=LANE / 2))
            parts.append(tag("circle", class_="dot-full", cx=axis.at(known), cy=LANE / 2, r=3))
        parts.append(tag("circle", class_="dot-ring", cx=axis.at(ordered), cy=LANE / 2, r=3))
    spoken = "; ".join(
        f"ordered at {said(ordered)}, " + ("no result" if known is None else f"known at {said(known)}")
        for ordered, known in test["orders"]
    )
    took = sorted(known - ordered for ordered, known in test["orders"] if known is not None)
    note = f"after {said(took[len(took) // 2])}" if took else "no result"
    many = len(test["orders"])
    extra = f"{len(took)} of {many} came" if 0 < len(took) < many else _times(many)
    return Row(test["title"], _lane(parts, f"{test['title']}: {spoken}", axis), note, extra)


def _values(one: Mapping[str, Any], axis: Axis) -> Row:
    """Return the lane of a measured number: its course between the lowest and the highest of this patient."""
    values = [value for _, value in one["points"]]
    height = _VALUES if len(values) > 1 else LANE
    low, high = min(values), max(values)

    def y(value: float) -> float:
        return 7 + (height - 14) * (0.5 if high == low else (high - value) / (high - low))

    line = "L".join(f"{100 * axis.share(at):.2f} {100 * y(value) / height:.2f}" for at, value in one["points"])
    curve = stretched(tag("path", class_="outline s0", d=f"M{line}"), top=0, height=height)
    dots = [
        tag(
            "circle",
            tag("title", f"{_brief(value)} at {said(at)}"),
            class_="dot-full",
            cx=axis.at(at),
            cy=y(value),
            r=2.6,
        )
        for at, value in one["points"]
    ]
    parts = [*((curve,) if len(values) > 1 else ()), *(dots if len(values) <= _DOTS else ())]
    unit = unit_label(one["unit"])
    spoken = "; ".join(f"{_brief(value)} at {said(at)}" for at, value in one["points"])
    note = f"{_brief(values[0])} → {_brief(values[-1])}" if len(values) > 1 else _brief(values[0])
    extra = f"{_brief(low)} to {_brief(high)}" if one["n"] > 2 else ""
    label = f"{one['title']}, {unit}: {spoken}"
    return Row(one["title"], _lane(parts, label, axis, height), note, extra, unit=unit)


def _findings(one: Mapping[str, Any], axis: Axis) -> Row:
    """Return the lane of what was found in words: a ring where it was nothing, a dot elsewhere, said where few."""
    parts, before = [], ""
    for at, text in one["points"]:
        words, tip = text.replace("_", " "), tag("title", f"{text} at {said(at)}")
        shape = "dot-ring" if text in ("negative", "no", "none") else "dot-full"
        parts.append(tag("circle", tip, class_=shape, cx=axis.at(at), cy=LANE / 2, r=3))
        if text != before and len(one["points"]) <= _FEW and axis.share(at) + _LETTER * len(text) < 1:
            parts.append(tag("text", words, x=axis.at(at), dx=7, y=LANE / 2 + 4))
        before = text
    spoken = "; ".join(f"{text} at {said(at)}" for at, text in one["points"])
    last = one["points"][-1][1].replace("_", " ")
    return Row(one["title"], _lane(parts, f"{one['title']}: {spoken}", axis), last, _times(one["n"]))


def _written(one: Mapping[str, Any], axis: Axis) -> Row:
    """Return the lane of what was written into the record: a stroke each time."""
    parts = [
        tag("line", tag("title", said(at)), class_="written", x1=axis.at(at), x2=axis.at(at), y1=4, y2=LANE - 4)
        for at in one["times"]
    ]
    label = f"{one['title']}: at {', '.join(said(at) for at in one['times'])}"
    return Row(one["title"], _lane(parts, label, axis), one["kind"], _times(len(parts)))


def _brief(value: float) -> str:
    """Return a number with three figures, or all of a large whole one."""
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return short(round(value, max(places, 0)))


def _times(count: int) -> str:
    return f"{count} times" if count > 1 else ""
