"""The picture of attacks: of those who were used, how many are found, at how many who are claimed falsely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.svg import Scale, figure, picture, short, stretched, tag

_SIZE = 300.0
_TENS = (0.001, 0.01, 0.1, 1.0)
_ACROSS = Scale(-3.5, 0.0)  # powers of ten
_AT = 0.01


@dataclass(frozen=True)
class Attacks:
    """The picture with what its lines are called: ``lines`` gives the style of each."""

    image: Markup
    lines: Mapping[str, int]


def attacks(drawings: Mapping[str, Any]) -> Attacks:
    """Return the curves of all attacks on logarithmic axes: the strongest by name, the others pale, and what is promised."""
    shares, curves = drawings["false_shares"], drawings["curves"]
    best = max(curves, key=lambda name: _at(shares, curves[name]))
    pale = [_curve(shares, curve, "outline s5 pale") for name, curve in curves.items() if name != best]
    promised = [_curve(shares, drawings["bound"], "outline s1")] if "bound" in drawings else []
    inner = tag(
        "svg",
        tag("line", class_="equality", x1="0", x2="100%", y1=_SIZE, y2="0"),
        *(part for tick in _TENS for part in _ticks(tick)),
        stretched(*pale, *promised, _curve(shares, curves[best], "outline s0"), top=0, height=_SIZE),
        x=52,
        y=24,
        width=_SIZE,
        height=_SIZE,
        overflow="visible",
    )
    names = (
        tag(
            "text",
            "claimed of those not used",
            class_="axis-name",
            x=52 + _SIZE / 2,
            y=_SIZE + 62,
            text_anchor="middle",
        ),
        tag("text", "found of those used", class_="axis-name", x=0, y=11),
    )
    label = (
        f"Shares found by {len(curves)} attacks; the strongest at 1% false claims, {best}, finds "
        f"{figure(_at(shares, curves[best]), 'share')}{_said(drawings, shares)}"
    )
    image = picture(inner, *names, label=label, kind="scatter roc", viewBox=f"0 0 {_SIZE + 68:.0f} {_SIZE + 70:.0f}")
    told = {f"what epsilon {drawings['epsilon']:g} allows": 1} if promised else {}
    return Attacks(image, {best: 0, **told, **({"other attacks": 5} if pale else {})})


def _said(drawings: Mapping[str, Any], shares: Sequence[float]) -> str:
    if "bound" not in drawings:
        return ""
    return f", where epsilon {drawings['epsilon']:g} allows {figure(_at(shares, drawings['bound']), 'share')}"


def _at(shares: Sequence[float], curve: Sequence[float]) -> float:
    """Return a curve's share at 1% false claims, or at the last that was drawn below."""
    return max(found for share, found in zip(shares, curve, strict=True) if share <= _AT * 1.001)


def _curve(shares: Sequence[float], curve: Sequence[float], kind: str) -> Markup:
    """Return a line of 100 by 100; what finds nobody yet lies at the lower edge."""
    points = (f"{100 * _place(x):.2f} {100 * (1 - _place(y)):.2f}" for x, y in zip(shares, curve, strict=True))
    return tag("path", class_=kind, d="M" + "L".join(points))


def _place(share: float) -> float:
    return _ACROSS.share(math.log10(max(share, 1e-9)))


def _ticks(tick: float) -> tuple[Markup, ...]:
    x, y = f"{100 * _place(tick):.2f}%", _SIZE * (1 - _place(tick))
    return (
        tag("line", class_="grid", x1=x, x2=x, y1=0, y2=_SIZE),
        tag("line", class_="grid", x1="0", x2="100%", y1=y, y2=y),
        tag("text", short(tick, "share"), x=x, y=_SIZE + 16, text_anchor="middle"),
        tag("text", short(tick, "share"), x=-7, y=y + 4, text_anchor="end"),
    )
