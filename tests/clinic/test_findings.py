"""What tests find that the record doesn't tell, and what a formula of the codebook makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from manikin.clinic import ClinicalModel, compile_model, parse_model
from manikin.clinic.pathway import PATHWAY
from manikin.errors import ModelError
from manikin.streams import Draws, Seed

TEXT = """
model: nodule
version: 1.0.0
title: One scan
index: a scan
not-for: [anything]
population: {description: people, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test, users: [us], privacy: none used, recipient: public}
sources: {s: {cite: "us 2026"}}
variables:
  size_there: {role: helper, unit: mm, draw: "uniform(2, 20)", source: s assumption}
  diameter: {unit: mm, precision: 0.1, derived: size_there}
  category: {values: [1, 2, 3, 4A, 4B], derived: "lung_rads(diameter, 0, size_there < 0, size_there < 0, size_there < 0)", source: s assumption}
  diameter_found: {unit: mm, precision: 0.1, derived: first(diameter), source: s assumption}
  category_found: {values: [1, 2, 3, 4A, 4B], derived: first(category)}
  told: {derived: visited(told_of_4a)}
trajectories:
  size_there: {value: size_there + 1, source: s assumption}
  diameter: {value: measured(size_there), source: s assumption}
  category:
    value: lung_rads(measured(diameter), 0, size_there < 0, size_there < 0, size_there < 0)
    source: s assumption
pathway:
  horizon: 1 a
  start: scan
  source: s assumption
  tests: {ct: {measures: [size_there, diameter, category], resulted: 1 d}}
  states:
    scan:
      orders: [ct]
      wait: results
      then: [{when: result(category) == 4A, go: told_of_4a}, {go: home}]
    told_of_4a: {then: [{go: home}]}
    home: {ends: discharge}
"""


def followed(model: ClinicalModel, n: int = 500) -> dict[str, Any]:
    program = compile_model(model)
    return program.sample(program.order, Draws(Seed(1), np.arange(n)), record=True)


def test_a_category_follows_a_formula_of_what_was_measured_before_it() -> None:
    columns = followed(parse_model(TEXT))
    diameter, category = columns["diameter_found"], columns["category_found"]
    expected = np.searchsorted([0, 6, 8, 15], diameter, side="right")
    assert np.array_equal(category, expected)
    assert np.array_equal(columns["told"], category == 3)


def test_what_a_test_finds_of_a_helper_is_read_but_not_put_on_record() -> None:
    model = parse_model(TEXT)
    assert model.pathway is not None
    columns = followed(model)
    names = [*model.pathway.tests, *model.pathway.measured, *model.pathway.entries]
    recorded = {names[entry] for entry in np.unique(columns[PATHWAY].events["entry"])}
    assert recorded == {"ct", "diameter", "category"}
    assert np.allclose(columns["diameter_found"], columns["size_there"] + 1, atol=0.0501)


def test_a_formula_of_other_values_is_refused() -> None:
    text = TEXT.replace("value: lung_rads(measured(diameter), 0,", "value: lung_rads_2022(measured(diameter), 0,")
    text = text.replace(
        "size_there < 0, size_there < 0, size_there < 0)\n    source",
        "size_there < 0, size_there < 0, size_there < 0, size_there < 0, size_there < 0, size_there < 0, size_there < 0)\n    source",
    )
    with pytest.raises(ModelError, match="gives a category, and not one of: 1, 2, 3, 4A, 4B"):
        parse_model(text)
