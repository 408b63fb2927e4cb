"""A helper that a test measures is there for others to be computed by, and leaves no trace in the record."""

from __future__ import annotations

import numpy as np

from manikin.clinic import compile_model, parse_model
from manikin.clinic.pathway import PATHWAY
from manikin.streams import Draws, Seed

TEXT = """\
model: hourly
version: 1.0.0
title: A helper in a pathway
index: an arrival
not-for: [anything real]
population: {description: Adults, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test, users: [testers], privacy: nobody is in it, recipient: public}
sources: {house: {cite: "Assumed here"}}
variables:
  illness: {role: helper, unit: "1", derived: first(illness), source: house assumption}
  pulse: {unit: /min, precision: 1, codes: {loinc: "8867-4"}, derived: first(pulse), source: house assumption}
processes:
  severity: {memory: 33 h, source: house assumption}
trajectories:
  illness: {value: severity + 1, source: house assumption}
  pulse: {value: 80 + 5 * measured(illness), source: house assumption}
pathway:
  horizon: 2 d
  start: stay
  source: house assumption
  tests: {bedside: {measures: [illness, pulse]}}
  states:
    stay: {orders: [bedside], wait: 1 h, then: [{when: time >= 5 h, go: home}, {go: stay}]}
    home: {ends: discharge}
"""


def test_a_helper_moves_others_and_is_not_recorded() -> None:
    model = parse_model(TEXT)
    program = compile_model(model)
    columns = program.sample(program.order, Draws(Seed(3), np.arange(50)), record=True)
    assert model.pathway is not None
    entries = [*model.pathway.tests, *model.pathway.measured]
    recorded = {entries[number] for number in np.unique(columns[PATHWAY].events["entry"])}
    assert recorded == {"pulse"}
    assert len(columns[PATHWAY].events["entry"]) == 50 * 5
    assert np.array_equal(columns["pulse"], np.rint(80 + 5 * columns["illness"]))
