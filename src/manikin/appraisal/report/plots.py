"""Small plots with two axes: how values move, and which share of patients has come to something by when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.pictures import Panel
from manikin.appraisal.report.svg import Scale, covering, figure, picture, short, stretched, tag
from manikin.appraisal.report.timelines import anchor
from manikin.appraisal.time.axis import Axis, said
from manikin.codebook import in_sentence, unit_label

_PLOT = 150  # height of a plot, in pixels


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


def trajectories(variables: Sequence[Mapping[str, Any]], axis: Axis) -> list[Panel]:
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
        return top + _PLOT * place / 100

    return picture(
        *(tag("line", class_="grid", x1=x(0), x2=x(100), y1=y(place), y2=y(place)) for place, _ in up),
        stretched(*shapes, top=top, height=_PLOT, left=f"{left}%", width=f"{width}%"),
        *(tag("line", class_="threshold", x1=x(0), x2=x(100), y1=y(place), y2=y(place)) for place, _ in cuts),
        *(tag("text", text, class_="cut", x=f"{left + width + 1}%", y=y(place) + 4) for place, text in cuts),
        tag("line", class_="axis", x1=x(0), x2=x(100), y1=y(100), y2=y(100)),
        *(tag("text", text, x=f"{left - 2}%", y=y(place) + 4, text_anchor="end") for place, text in up),
        *(tag("text", text, x=x(place), y=y(100) + 17, text_anchor=anchor(place / 100)) for place, text in across),
        label=label,
        kind="density plot",
        height=top + _PLOT + 24,
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
