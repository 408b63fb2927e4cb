"""In no built-in model does anything happen in an order, or with a value, in which it can't."""

from __future__ import annotations

import pytest

import manikin
from manikin.appraisal import Subject
from manikin.appraisal.plausibility import plausibility
from manikin.clinic import built_in


@pytest.mark.parametrize("name", built_in())
def test_no_order_and_no_value_is_impossible(name: str) -> None:
    made = manikin.make(name, patients=1_500, seed=5)
    found = plausibility(Subject(made.cohort, made.calibrated.program))
    assert {one.name: one.value for one in found.measures if not one.passed} == {}
    followed = made.cohort.layout.vocabulary is not None
    assert ("Order in time" in {one.group for one in found.measures}) is followed
