"""Pictures of a study of diagnostic accuracy: its flow of patients, and what it finds beside what is true."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.svg import Scale, covering, decimals_for, figure, picture, short, span, stretched, tag

_COLUMN, _GUTTER, _LINE, _PAD = 236.0, 18.0, 16.5, 9.0  # of the flow diagram, in units of its box
_LETTERS = 34  # that fit a box at its usual size
_TRACK, _MIDDLE = 26, 13.0
_SHARES = Scale(0.0, 1.0)
_SIDES, _CLIMBING = ("study", "enrolled", "population"), ("Sensitivity", "Specificity")
_ARMS = ("negative", "positive", "inconclusive")

Text = tuple[str, str]  # a line of a box with its class


@dataclass(frozen=True)
class Compared:
    """One figure as the study finds it and as it is, ready to be set; ``track`` is None where no axis serves it."""

    name: str
    track: Markup | None
    study: str
    study_interval: str
    enrolled: str
    population: str


@dataclass(frozen=True)
class Rung:
    """One step from the truth to what the study finds: what comes in, and what it does to two figures."""

    label: str
    touched: str
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Move:
    """What a step makes of one figure: its picture, the figure after it, and by how much that differs from before."""

    track: Markup
    value: str
    change: str


@dataclass(frozen=True)
class Table:
    """A table of two by two with its caption; rows are the index test's results."""

    caption: str
    rows: tuple[tuple[str, str, str], ...]


def flow(drawings: Mapping[str, Any]) -> Markup:
    """Return the course of the patients as a diagram after STARD 2015 (doi:10.1136/bmj.h5527)."""
    counts = drawings["flow"]
    arms = [arm for arm in _ARMS if arm != "inconclusive" or drawings["inconclusive"] or counts["arms"][arm]["tested"]]
    width = len(arms) * _COLUMN + (len(arms) - 1) * _GUTTER
    diagram = _Diagram(max(width, 2 * _COLUMN + _GUTTER))
    diagram.trunk(counts, str(drawings["index_test"]))
    left = (diagram.width - width) / 2
    for place, arm in enumerate(arms):
        diagram.arm(left + place * (_COLUMN + _GUTTER), arm, counts["arms"][arm])
    diagram.join([left + place * (_COLUMN + _GUTTER) + _COLUMN / 2 for place in range(len(arms))])
    return picture(
        *diagram.lines,
        *diagram.boxes,
        label=". ".join(_spoken(counts, arms)),
        kind="flow",
        viewBox=f"-1 -1 {diagram.width + 2:.0f} {diagram.bottom + 2:.0f}",
        style=f"--across:{diagram.width:.0f}px",
    )


class _Diagram:
    """A diagram as it grows downwards: boxes, and the lines between them."""

    def __init__(self, width: float) -> None:
        self.width, self.bottom, self.floor = width, 0.0, 0.0
        self.boxes: list[Markup] = []
        self.lines: list[Markup] = []

    def trunk(self, counts: Mapping[str, Any], index_test: str) -> None:
        """Draw the way from eligible patients to those with an index test, and who leaves it."""
        middle = self.width / 2
        left, aside = middle - _COLUMN / 2, min(middle + _GUTTER + 4, self.width - _COLUMN)
        out = counts["eligible"] - counts["enrolled"]
        untested = counts["enrolled"] - counts["tested"]
        y = self.box(left, 0, [("Eligible", "name"), (_count(counts["eligible"]), "count")])
        y = self.aside(middle, y, aside, [("Not enrolled", "name"), (_count(out), "count")])
        y = self.box(left, y, [("Enrolled", "name"), (_count(counts["enrolled"]), "count")])
        lost: list[Text] = [("No index test", "name"), (_count(untested), "count"), ("value not on record", "why")]
        y = self.aside(middle, y, aside, lost if untested else lost[:2])
        rule: list[Text] = [(line, "why") for line in textwrap.wrap(f"positive where {index_test}", _LETTERS)]
        y = self.box(left, y, [("Index test", "name"), (_count(counts["tested"]), "count"), *rule])
        self.floor = y

    def arm(self, left: float, result: str, counts: Mapping[str, Any]) -> None:
        """Draw what becomes of those with one result of the index test."""
        trunk = left + 26
        y = self.box(left, self.floor + 34, [(f"Index test {result}", "name"), (_count(counts["tested"]), "count")])
        unverified = counts["not_chosen"] + counts["not_on_record"]
        missed = counts["unverified_truly_present"]
        lost: list[Text] = [("No reference standard", "name"), (_count(unverified), "count")]
        if unverified:
            lost.append((f"truly present {_number(missed)}", "truth"))
        # Every arm keeps the room, so that the boxes below stand in line.
        bottom = self.aside(trunk, y, left + 52, lost, _COLUMN - 52, room=3)
        y = self.box(left, bottom, [("Reference standard", "name"), (_count(counts["verified"]), "count")])
        self.line(trunk, y, trunk, y + 18)
        final: list[Text] = [("Final diagnosis", "name")]
        for state in ("present", "absent"):
            final.append((f"Target condition {state} {_number(counts[state])}", "count"))
            final.append((f"truly {state} {_number(counts[f'{state}_truly'])}", "truth"))
        self.bottom = max(self.bottom, self.box(left, y + 18, final))

    def join(self, middles: Sequence[float]) -> None:
        """Draw the branching from the index test to its results."""
        middle, at = self.width / 2, self.floor + 17
        self.line(middle, self.floor, middle, at)
        self.line(min(middles), at, max(middles), at)
        for one in middles:
            self.line(one, at, one, at + 17)

    def box(self, left: float, top: float, texts: Sequence[Text]) -> float:
        """Draw a box and return where it ends."""
        height = 2 * _PAD + _LINE * len(texts) - 2
        self.boxes.append(tag("g", _rectangle(left, top, _COLUMN, height), *_lines(texts, left, top)))
        return top + height

    def aside(
        self, trunk: float, top: float, left: float, texts: Sequence[Text], width: float = _COLUMN, room: int = 0
    ) -> float:
        """Draw who leaves the way at ``trunk``, and return where it goes on."""
        height = 2 * _PAD + _LINE * len(texts) - 2
        space = max(height, 2 * _PAD + _LINE * room - 2) + 20
        middle = top + space / 2
        self.line(trunk, top, trunk, top + space)
        self.line(trunk, middle, left, middle)
        rectangle = _rectangle(left, middle - height / 2, width, height)
        self.boxes.append(tag("g", rectangle, *_lines(texts, left, middle - height / 2), class_="aside"))
        return top + space

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Draw a line."""
        self.lines.append(tag("line", class_="way", x1=x1, y1=y1, x2=x2, y2=y2))


def _rectangle(left: float, top: float, width: float, height: float) -> Markup:
    return tag("rect", class_="step", x=left, y=top, width=width, height=height, rx=3)


def _lines(texts: Sequence[Text], left: float, top: float) -> Iterator[Markup]:
    """Yield the lines of a box."""
    for place, (text, kind) in enumerate(texts):
        yield tag("text", text, class_=kind, x=left + 11, y=top + _PAD + _LINE * (place + 0.72))


def _count(number: int) -> str:
    return f"n = {_number(number)}"


def _number(number: float) -> str:
    return f"{number:,.0f}"


def _spoken(counts: Mapping[str, Any], arms: Sequence[str]) -> Iterator[str]:
    """Yield the flow in sentences, for those who can't see it."""
    yield f"Flow of patients: {_number(counts['eligible'])} eligible, {_number(counts['enrolled'])} enrolled, {_number(counts['tested'])} with an index test"
    for arm in arms:
        one = counts["arms"][arm]
        yield (
            f"Index test {arm} {_number(one['tested'])}: "
            f"{_number(one['not_chosen'] + one['not_on_record'])} without reference standard, "
            f"{_number(one['verified'])} with it, target condition present in {_number(one['present'])}, truly in {_number(one['present_truly'])} of these, "
            f"absent in {_number(one['absent'])}, truly in {_number(one['absent_truly'])} of these"
        )


def compared(figures: Sequence[Mapping[str, Any]]) -> tuple[list[Compared], Markup]:
    """Return each figure of the study beside the truth, in the order given, and the axis of those that share one.

    Figures that nobody could tell are left out.
    """
    known = [one for one in figures if one["study"] and one["population"]]
    drawn = [one for one in known if one["of_one"]]
    scale = _scale([value for one in drawn for which in _SIDES if one[which] for value in one[which]])
    return [_compared(one, scale) for one in known], _axis(scale)


def _compared(one: Mapping[str, Any], scale: Scale) -> Compared:
    study, unit = one["study"], one["unit"]
    interval = (study[1], study[2])
    places = decimals_for(interval, unit)
    said = {which: figure(one[which][0], unit, places) if one[which] else "" for which in _SIDES}
    track = _difference(one, scale) if one["of_one"] else None
    return Compared(
        one["name"], track, said["study"], span(interval, unit, places), said["enrolled"], said["population"]
    )


def _difference(one: Mapping[str, Any], scale: Scale) -> Markup:
    """Return a figure's three values, the study's joined with the truth in the population."""
    (value, low, high), true, enrolled = one["study"], one["population"][0], one["enrolled"]
    parts = [_grid(scale), _bar(scale, "gap", value, true), _bar(scale, "whisker", low, high), _truth(scale, true)]
    if enrolled:
        parts.append(tag("circle", class_="enrolled", cx=scale.at(enrolled[0]), cy=_MIDDLE, r=4))
    parts.append(tag("circle", class_="naive", cx=scale.at(value), cy=_MIDDLE, r=4.4))
    found, so = figure(value, one["unit"]), figure(true, one["unit"])
    label = f"{one['name']}: the study finds {found}, the truth in the population is {so}"
    return picture(*parts, label=label, kind="track", height=_TRACK)


def ladder(
    rungs: Sequence[Mapping[str, Any]], truth: Mapping[str, Any], weighted: bool
) -> tuple[list[Rung], list[Markup]]:
    """Return the steps from the ``truth`` in the population to what the study finds, and the axes of both figures."""
    start: Mapping[str, Any] = {"label": "The truth in the population", "touched": None, **truth}
    # Without weights, a study without any fault finds the truth itself.
    climbed = [start, *(rungs if weighted else rungs[1:])]
    scales = {name: _scale([one[name][0] for one in climbed if one[name]]) for name in _CLIMBING}
    steps = [
        Rung(
            after["label"],
            "" if after["touched"] is None else _number(after["touched"]),
            tuple(_move(name, before, after, scale) for name, scale in scales.items()),
        )
        for before, after in zip([start, *climbed], climbed, strict=False)
    ]
    return steps, [_axis(scale) for scale in scales.values()]


def _move(name: str, before: Mapping[str, Any], after: Mapping[str, Any], scale: Scale) -> Move:
    if not (before[name] and after[name]):
        return Move(Markup(""), "", "")
    was, now = before[name][0], after[name][0]
    if before is after:
        parts, change = [_truth(scale, now)], ""
    else:
        parts = [_bar(scale, "gap", was, now), tag("circle", class_="naive", cx=scale.at(now), cy=_MIDDLE, r=3.6)]
        change = _signed(100 * (now - was))
    label = f"{after['label']}: {name.lower()} {figure(now, 'share')}" + (f", {change} points" if change else "")
    track = picture(_grid(scale), *parts, label=label, kind="track", height=_TRACK)
    return Move(track, figure(now, "share"), change)


def _signed(points: float) -> str:
    sign = "±" if abs(points) < 0.05 else "+" if points > 0 else "−"
    return f"{sign}{abs(points):.1f}"


def tables(drawings: Mapping[str, Any]) -> list[Table]:
    """Return the study's table of two by two, and that of the truth in all who were enrolled."""
    captions = {"study": "What the study counts", "enrolled": "What is true of all who were enrolled"}
    return [
        Table(
            captions[which],
            (
                ("positive", _number(cells["tp"]), _number(cells["fp"])),
                ("negative", _number(cells["fn"]), _number(cells["tn"])),
            ),
        )
        for which in captions
        for cells in (drawings["tables"][which],)
    ]


def roc(curves: Mapping[str, Sequence[Sequence[float]]], figures: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Return the ROC curves of study and truth with the test's threshold on each; None where the test is no number."""
    if not (curves.get("study") and curves.get("population")):
        return None
    size = 260.0
    known = {one["name"]: one for one in figures}
    parts = [tag("line", class_="equality", x1="0", x2="100%", y1=size, y2="0")]
    for tick in (0.0, 0.5, 1.0):
        parts += [
            tag("line", class_="grid", x1=_SHARES.at(tick), x2=_SHARES.at(tick), y1=0, y2=size),
            tag("line", class_="grid", x1="0", x2="100%", y1=size * (1 - tick), y2=size * (1 - tick)),
            tag("text", short(tick, "share"), x=_SHARES.at(tick), y=size + 16, text_anchor="middle"),
            tag("text", short(tick, "share"), x=-7, y=size * (1 - tick) + 4, text_anchor="end"),
        ]
    for place, which in enumerate(("population", "study")):
        points = "L".join(f"{100 * x:.2f} {100 * (1 - y):.2f}" for x, y in curves[which])
        parts.append(stretched(tag("path", class_=f"outline s{place}", d=f"M{points}"), top=0, height=size))
        if known["Sensitivity"][which] and known["Specificity"][which]:
            across, up = 1 - known["Specificity"][which][0], known["Sensitivity"][which][0]
            kind = "naive" if which == "study" else "enrolled"
            parts.append(tag("circle", class_=kind, cx=_SHARES.at(across), cy=size * (1 - up), r=4.6))
    inner = tag("svg", *parts, x=44, y=22, width=size, height=size, overflow="visible")
    names = (
        tag("text", "1 − specificity", class_="axis-name", x=44 + size / 2, y=size + 58, text_anchor="middle"),
        tag("text", "sensitivity", class_="axis-name", x=0, y=11),
    )
    area = known.get("Area under the ROC curve")
    said = ""
    if area and area["study"] and area["population"]:
        said = f": area {figure(area['study'][0])} in the study, {figure(area['population'][0])} in truth"
    label = f"ROC curves of the study and of the truth{said}"
    return picture(inner, *names, label=label, kind="scatter roc", viewBox=f"0 0 {size + 60:.0f} {size + 66:.0f}")


def _scale(shares: list[float]) -> Scale:
    """Return a scale with round ends over some shares."""
    wide = covering(shares)
    return Scale(max(wide.low, 0.0), min(wide.high, 1.0))


def _axis(scale: Scale) -> Markup:
    """Return the axis of shares under a column of tracks."""
    ends = {round(scale.low, 6): "start", round(scale.high, 6): "end"}
    return tag(
        "svg",
        tag("line", class_="axis", x1="0", x2="100%", y1=1, y2=1),
        *(
            tag("text", short(tick, "share"), x=scale.at(tick), y=15, text_anchor=ends.get(round(tick, 6), "middle"))
            for tick in scale.ticks(3)
        ),
        class_="track",
        height=20,
        aria_hidden="true",
    )


def _grid(scale: Scale) -> Markup:
    lines = [tag("line", class_="grid", x1=scale.at(x), x2=scale.at(x), y1=0, y2=_TRACK) for x in scale.ticks(3)]
    return Markup("").join(lines)


def _bar(scale: Scale, kind: str, one: float, other: float) -> Markup:
    return tag("line", class_=kind, x1=scale.at(one), x2=scale.at(other), y1=_MIDDLE, y2=_MIDDLE)


def _truth(scale: Scale, value: float) -> Markup:
    return tag("line", class_="true", x1=scale.at(value), x2=scale.at(value), y1=4, y2=_TRACK - 4)
