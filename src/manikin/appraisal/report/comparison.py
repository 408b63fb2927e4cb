"""The page of a comparison: two worlds with the same patients, what differs, and how patients go through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.flows import clock, colours_of, occupancy, sankey, shift, twins
from manikin.appraisal.report.page import environment
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
)
from manikin.appraisal.twins import Contrast, Difference
from manikin.codebook import unit_label

_HEIGHT = 26
_TIMES = (("a", 8_766.0), ("d", 24.0), ("h", 1.0))


@dataclass(frozen=True)
class Row:
    """One outcome, ready to be set."""

    title: str
    unit: str
    track: Markup
    a: str
    b: str
    difference: str
    interval: str
    worth: str
    differs: bool


@dataclass(frozen=True)
class Block:
    """Outcomes under one heading that share an axis."""

    title: str
    meaning: str
    rows: tuple[Row, ...]
    axis: Markup


def render_contrast(contrast: Contrast) -> str:
    """Return the comparison as one self-contained HTML page, the same text for the same comparison."""
    flow, names = contrast.flow, tuple(spoken(name) for name in contrast.names)
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            contrast=contrast,
            study=contrast.study,
            model=contrast.model,
            names=names,
            own_style=Markup(files("manikin.appraisal.report").joinpath("comparison.css").read_text(encoding="utf-8")),
            share=contrast.touched / max(contrast.patients, 1),
            headlines=_headlines(contrast),
            blocks=_blocks(contrast.differences),
            worth=_worth(contrast.differences),
            legend=colours_of(flow.states) if flow else {},
            views=[
                {
                    "title": "From the beginning: time on a logarithmic scale"
                    if view.stretched
                    else f"Until {clock(view.times[-1])}: time as it passes",
                    "worlds": [occupancy(flow.states, view, side, names[side]) for side in (0, 1)],
                    "shift": shift(flow.states, view),
                }
                for view in flow.views
            ]
            if flow
            else [],
            sankeys=[sankey(flow, side, names[side]) for side in (0, 1)] if flow else [],
            patients=[
                (who, twins(flow.states, (names[0], names[1]), (one, other), f"Patient {who} in both worlds"))
                for who, one, other in flow.patients
            ]
            if flow
            else [],
        )
    )


def spoken(name: str) -> str:
    """Return a scenario's name as a person says it."""
    return name.replace("-", " ").replace("_", " ").capitalize()


def _headlines(contrast: Contrast) -> list[str]:
    """Return the largest differences in words, the clearest first, an outcome once."""
    clear = [one for one in contrast.differences if one.interval[0] > 0 or one.interval[1] < 0]
    ranked = sorted(clear, key=lambda one: -abs(one.difference) / (one.sd or 1.0))
    # What follows from the scenario's own words, such as time spent in a state, says less than an outcome of the model.
    own = [one for one in ranked if not one.name.startswith("course_")]
    return [f"{one.title} {in_words(_readable(one))}" for one in (own or ranked)[:3]]


def in_words(one: Difference) -> str:
    """Return a difference with its unit and interval."""
    places = decimals_for(one.interval, one.unit)
    unit = "percentage points" if one.unit == "share" else unit_label(one.unit)
    return " ".join(filter(None, (_signed(one.difference, one.unit, places), unit, f"({_span(one, places)})")))


def _worth(differences: Sequence[Difference]) -> float | None:
    """Return how many times more patients an unpaired comparison would take, of the outcome in the middle."""
    found = sorted(one.worth for one in differences if one.differing and one.worth < float("inf"))
    return found[len(found) // 2] if found else None


def _readable(one: Difference) -> Difference:
    """Return a difference of hours in the unit that a person would choose."""
    if one.unit != "h" or not one.name.startswith("course_"):
        return one
    most = max(abs(one.a), abs(one.b), abs(one.difference))
    unit, hours = next(((unit, hours) for unit, hours in _TIMES if most >= hours), _TIMES[-1])
    a, b, gap, sd = (value / hours for value in (one.a, one.b, one.difference, one.sd))
    ends = [(low / hours, high / hours) for low, high in (one.interval, one.unpaired)]
    return replace(one, unit=unit, a=a, b=b, difference=gap, sd=sd, interval=ends[0], unpaired=ends[1])


def _blocks(differences: Sequence[Difference]) -> list[Block]:
    """Return outcomes by group, shares apart from quantities, which share an axis by counting in standard deviations."""
    gathered: dict[tuple[str, bool], list[Difference]] = {}
    for one in differences:
        gathered.setdefault((one.group, one.unit == "share"), []).append(_readable(one))
    return [_block(group, share, together) for (group, share), together in gathered.items()]


def _block(group: str, share: bool, outcomes: list[Difference]) -> Block:
    units = [1.0 if share else one.sd or 1.0 for one in outcomes]
    ends = [end / unit for one, unit in zip(outcomes, units, strict=True) for end in (*one.interval, one.difference)]
    scale = covering([0.0, *ends])
    rows = tuple(_row(one, scale, unit) for one, unit in zip(outcomes, units, strict=True))
    meaning = "percentage points" if share else "standard deviations of the first world"
    ticks = scale.ticks(4)
    labels = [
        tag("text", short(100 * at if share else at), x=scale.at(at), y=15, text_anchor=_anchor(scale.share(at)))
        for at in ticks
    ]
    line = tag("line", class_="axis", x1="0", x2="100%", y1=1, y2=1)
    return Block(group, meaning, rows, tag("svg", line, *labels, class_="track", height=20, aria_hidden="true"))


def _anchor(share: float) -> str:
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"


def _row(one: Difference, scale: Scale, unit: float) -> Row:
    share, places = one.unit == "share", decimals_for(one.interval, one.unit)
    means = [figure(value, one.unit, places) for value in (one.a, one.b)]
    return Row(
        one.title, "" if share else unit_label(one.unit), _track(one, scale, unit), means[0], means[1],
        _signed(one.difference, one.unit, places), _span(one, places),
        f"{figure(one.worth, '', 0)}×" if one.differing and 1.5 <= one.worth < 1e5 else "", one.differing > 0,
    )  # fmt: skip


def _track(one: Difference, scale: Scale, unit: float) -> Markup:
    low, high = (end / unit for end in one.interval)
    wide = [end / unit for end in one.unpaired]
    clear = one.interval[0] > 0 or one.interval[1] < 0
    parts: list[Any] = [
        tag("line", class_="grid", x1=scale.at(at), x2=scale.at(at), y1=0, y2=_HEIGHT) for at in scale.ticks(4)
    ]
    parts.append(tag("line", class_="expected", x1=scale.at(0), x2=scale.at(0), y1=0, y2=_HEIGHT))
    middle = _HEIGHT / 2
    title = tag("title", "Had the two worlds other patients")
    parts.append(
        tag(
            "rect",
            title,
            class_="band",
            x=scale.at(wide[0]),
            y=middle - 4,
            width=scale.between(wide[0], wide[1]),
            height=8,
            rx=2,
        )
    )
    parts.append(tag("line", class_="whisker", x1=scale.at(low), x2=scale.at(high), y1=middle, y2=middle))
    parts.append(mark(scale.at(one.difference / unit), middle, "met" if clear else "open"))
    return picture(*parts, label=f"{one.title}: {in_words(one)}", kind="track", height=_HEIGHT)


def _signed(value: float, unit: str, places: int | None) -> str:
    """Return a difference with its sign; of shares in percentage points."""
    text = figure(value, unit, places).rstrip("%")
    return text if text.startswith("−") or not any(digit in text for digit in "123456789") else f"+{text}"


def _span(one: Difference, places: int | None) -> str:
    low, high = (_signed(end, one.unit, places) for end in one.interval)
    return f"{low} to {high}" if one.interval[0] != one.interval[1] else span(one.interval, one.unit, places)
