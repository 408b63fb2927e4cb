"""The picture of attacks names the strongest, draws the promise, and says both to who can't see it."""

from __future__ import annotations

from manikin.appraisal.finding import Finding, Measure
from manikin.appraisal.report.page import _sections
from manikin.appraisal.report.privacy import attacks

SHARES = [0.001, 0.01, 0.1, 1.0]
DRAWN = {
    "false_shares": SHARES,
    "curves": {"blind": [0.001, 0.01, 0.1, 1.0], "copies <b>": [0.0, 0.25, 0.4, 1.0]},
    "bound": [0.0027, 0.027, 0.27, 1.0],
    "epsilon": 1.0,
    "delta": 1e-6,
}


def test_the_strongest_at_one_per_cent_is_named() -> None:
    drawn = attacks(DRAWN)
    assert list(drawn.lines) == ["copies <b>", "what epsilon 1 allows", "other attacks"]
    assert "copies &lt;b&gt;, finds 25.0%, where epsilon 1 allows 2.7%" in drawn.image


def test_axes_are_logarithmic_and_what_finds_nobody_lies_at_the_edge() -> None:
    image = attacks(DRAWN).image
    # Of 3.5 powers of ten, one per cent lies at 1.5.
    assert "42.86 57.14" in image
    assert "M14.29 100.00L42.86 17.20" in image


def test_without_a_promise_none_is_drawn() -> None:
    drawn = attacks({key: value for key, value in DRAWN.items() if key not in ("bound", "epsilon", "delta")})
    assert list(drawn.lines) == ["copies <b>", "other attacks"]
    assert "allows" not in drawn.image


def test_a_finding_gets_the_layout_only_with_curves() -> None:
    measure = Measure("Found at 1.0% false claims", 0.25, (0.2, 0.3), 0.01, (0.0, 0.02), False, "share", "Membership")
    whole = Finding("membership", "Who was used?", "Some.", False, (measure,), DRAWN)
    assert [one.kind for one in _sections([whole])] == ["membership"]
    assert [one.kind for one in _sections([Finding("membership", "?", "Not assessed.", None)])] == ["plain"]
