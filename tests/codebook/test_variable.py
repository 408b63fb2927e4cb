"""A variable that exists is valid, and a snapped value is the nearest decimal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manikin.codebook import Kind, Range, Variable, snap
from manikin.errors import UnitError

STEPS = ["0.001", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "5", "10"]
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(NUMBERS, max_size=20), st.sampled_from(STEPS))
def test_a_snapped_value_is_the_nearest_double_to_a_decimal(values: list[float], step: str) -> None:
    for value in snap(np.array(values), float(step)).tolist():
        steps = round(value / float(step))
        assert value == float(steps * Decimal(step))


@given(st.lists(NUMBERS, max_size=20), st.sampled_from(STEPS))
def test_snapping_moves_a_value_by_half_a_step_at_most(values: list[float], step: str) -> None:
    there = np.array(values)
    assert (np.abs(snap(there, float(step)) - there) <= 0.5 * float(step) + 1e-9).all()


@given(st.lists(NUMBERS, max_size=20), st.sampled_from(STEPS))
def test_snapping_twice_is_snapping_once(values: list[float], step: str) -> None:
    once = snap(np.array(values), float(step))
    assert np.array_equal(snap(once.copy(), float(step)), once)


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.sampled_from(STEPS))
def test_snapping_leaves_what_it_was_given(values: list[float], step: str) -> None:
    given_values = np.array(values)
    before = given_values.copy()
    snap(given_values, float(step))
    assert np.array_equal(given_values, before)


def test_no_value_stays_no_value() -> None:
    assert np.isnan(snap(np.array([np.nan, 1.0]), 0.1)).tolist() == [True, False]


@pytest.mark.parametrize(("step", "digits"), [(0.1, 1), (0.25, 2), (0.001, 3), (1.0, 0), (5.0, 0), (None, 3)])
def test_decimals_are_as_many_as_the_step_needs(step: float | None, digits: int) -> None:
    assert Variable("x", Kind.QUANTITY, unit="1", precision=step).decimals == digits


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"kind": Kind.QUANTITY}, UnitError, "no UCUM unit"),
        ({"kind": Kind.QUANTITY, "unit": "stone"}, UnitError, "no UCUM unit"),
        ({"kind": Kind.COUNT, "unit": "bananas"}, UnitError, "no UCUM unit"),
        ({"kind": Kind.CONDITION, "unit": "1"}, UnitError, "has no unit"),
        ({"kind": Kind.CATEGORY}, ValueError, "two values or more"),
        ({"kind": Kind.CATEGORY, "levels": ("a",)}, ValueError, "two values or more"),
        ({"kind": Kind.CATEGORY, "levels": ("a", "b", "a")}, ValueError, "two values or more"),
        ({"kind": Kind.QUANTITY, "unit": "1", "cuts": (1, 1)}, ValueError, "Bins ascend"),
        ({"kind": Kind.QUANTITY, "unit": "1", "cuts": (2, 1)}, ValueError, "Bins ascend"),
        ({"kind": Kind.QUANTITY, "unit": "1", "precision": 0}, ValueError, "above 0"),
        ({"kind": Kind.QUANTITY, "unit": "1", "precision": -0.1}, ValueError, "above 0"),
        ({"kind": Kind.QUANTITY, "unit": "1", "possible": Range(0, 5), "usual": Range(-1, 3)}, ValueError, "within"),
        ({"kind": Kind.QUANTITY, "unit": "1", "possible": Range(0, 5), "usual": Range(1, 6)}, ValueError, "within"),
    ],
)
def test_a_meaning_that_contradicts_itself_is_refused(
    options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        Variable("x", **options)


@pytest.mark.parametrize(("low", "high"), [(2, 1), (float("nan"), 1), (0, float("nan"))])
def test_a_range_that_holds_nothing_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="from low to high"):
        Range(low, high)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": Kind.QUANTITY, "unit": "mg/dL", "possible": Range(0, 5), "usual": Range(0, 5), "cuts": (1, 2)},
        {"kind": Kind.COUNT, "unit": "a"},
        {"kind": Kind.COUNT},
        {"kind": Kind.CATEGORY, "levels": ("a", "b")},
        {"kind": Kind.CONDITION},
    ],
)
def test_a_meaning_that_makes_sense_is_taken(options: dict[str, Any]) -> None:
    assert Variable("x", **options).name == "x"
