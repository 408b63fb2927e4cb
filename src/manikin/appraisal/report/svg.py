"""The few primitives that every picture is made of: elements, scales, ticks, and figures as a reader wants them.

Pictures place things in per cent of their box and leave letters at their own size, so one drawing serves a phone, a
desktop and paper. Curves, which per cent can't place, live in a nested box that stretches (see ``stretched``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256

from markupsafe import Markup, escape


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element with its text and attributes escaped; underscores in names become hyphens, None is left out."""
    inside = Markup("").join(map(escape, children))
    settings = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{settings}>{inside}</{name}>")  # every part is escaped above


def picture(*children: object, label: str, kind: str, **attributes: object) -> Markup:
    """Return an image with ``label`` as its name to those who can't see it."""
    return tag("svg", *children, class_=kind, role="img", aria_label=label, **attributes)


def stretched(*children: object, top: float, height: float, left: str = "0", width: str = "100%") -> Markup:
    """Return a box of 100 by 100 units that stretches over its part of the picture; lines keep their width."""
    return tag(
        "svg",
        *children,
        x=left,
        y=top,
        width=width,
        height=height,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        overflow="visible",
    )


def mark(x: str, y: float, verdict: str, title: str = "") -> Markup:
    """Return a data point whose shape says what its colour says: dot met, diamond missed, ring not judged."""
    shape = {
        "met": tag("circle", r=4.2),
        "missed": tag("path", d="M0-5.8 5.8 0 0 5.8-5.8 0Z"),
        "open": tag("circle", r=3.6),
    }[verdict]
    return tag("svg", tag("g", _title(title), shape, class_=f"point {verdict}"), x=x, y=y, overflow="visible")


def verdict(passed: bool | None) -> str:
    """Return the word that style and marks use for an outcome."""
    return "open" if passed is None else "met" if passed else "missed"


@dataclass(frozen=True)
class Scale:
    """A stretch of the number line laid over the width of a picture."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return where ``value`` falls, from 0 at the left to 1 at the right; beyond the ends it stays at the end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def at(self, value: float) -> str:
        """Return the place of ``value`` in per cent."""
        return f"{100 * self.share(value):.2f}%"

    def between(self, low: float, high: float) -> str:
        """Return the width of an interval in per cent."""
        return f"{100 * (self.share(high) - self.share(low)):.2f}%"

    def ticks(self, about: int = 4) -> list[float]:
        """Return round numbers on the scale, ``about`` so many."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]


def covering(values: list[float], low: float | None = None) -> Scale:
    """Return a scale with round ends over all finite ``values``; ``low`` is a floor that it may not pass."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    start, end = min(finite), max(finite)
    room = (end - start) * 0.06 or abs(end) * 0.1 or 1.0
    step = _round_step((end - start + 2 * room) / 6)
    bottom = math.floor((start - room) / step) * step
    return Scale(bottom if low is None else max(low, bottom), math.ceil((end + room) / step) * step)


def figure(value: float, unit: str = "", decimals: int | None = None) -> str:
    """Return a number as printed: shares as percentages, about three figures elsewhere, a true minus sign."""
    if not math.isfinite(value):
        return "not known" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if unit == "share":
        return f"{_plain(100 * value, 1 if decimals is None else decimals)}%"
    size = abs(value)
    usual = 0 if value == round(value) or size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return _plain(value, usual if decimals is None else decimals)


def short(value: float, unit: str = "") -> str:
    """Return a number for an axis or a threshold, without idle zeros."""
    number, sign = (100 * value, "%") if unit == "share" else (value, "")
    text = f"{number:,.4f}".rstrip("0").rstrip(".")
    return ("0" if text in {"-0", ""} else text.replace("-", "−")) + sign


def span(interval: tuple[float, float] | None, unit: str = "", decimals: int | None = None) -> str:
    """Return an interval as ``3.9–5.1``; the percent sign is left to the value beside it."""
    if interval is None:
        return ""
    low, high = (figure(end, unit, decimals).rstrip("%") for end in interval)
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def decimals_for(interval: tuple[float, float] | None, unit: str = "") -> int | None:
    """Return how many decimals an interval deserves: enough to tell its ends apart; None without an interval."""
    if interval is None or not 0 < interval[1] - interval[0] < math.inf:
        return None
    width = (interval[1] - interval[0]) * (100 if unit == "share" else 1)
    return min(4, max(1 if unit == "share" else 0, math.ceil(-math.log10(width / 3))))


def identity(*parts: object) -> str:
    """Return an id made from content, so that equal pages are equal to the byte."""
    return "i" + sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:10]


def _title(text: str) -> Markup:
    """Return a tooltip, or nothing."""
    return tag("title", text) if text else Markup("")


def _short(value: object) -> object:
    """Return floats with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _plain(value: float, decimals: int) -> str:
    """Return a number with thousands separated and no negative zero."""
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def _round_step(about: float) -> float:
    """Return the step of 1, 2 or 5 times a power of ten at or above ``about``."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= about * (1 - 1e-9))
