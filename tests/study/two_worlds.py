"""A model with a pathway, and a study of it with scenarios, for tests of what a change changes."""

from __future__ import annotations

MODEL = """\
model: clinic
version: 1.0.0
title: A small clinic
index: a visit
not-for: [telling anything about the world]
population: {description: people who do not exist, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test the house, users: [testers], privacy: nobody is in it, recipient: public}
sources:
  house: {cite: "Assumed here"}
parameters:
  base: {value: -3, free: [-6, 2], source: house assumption}
  drift: {value: 0.1, source: house assumption}
variables:
  age: {kind: count, unit: a, histogram: {18..39: 40, 40..59: 35, 60..89: 25}, source: house assumption, static: yes}
  sex: {values: [female, male], shares: {female: 51, male: 49}, source: house assumption, static: yes}
  ill: {codes: {snomed: "73211009"}, logistic: {intercept: base, terms: [{per: (age - 50) / 10, odds-ratio: 1.5}]}, source: house assumption}
  hba1c: {unit: "%", precision: 0.1, codes: {loinc: "4548-4"}, limits: {possible: 3..25}, draw: "normal(if(ill, 7.5, 5.4), 0.5)", source: house assumption}
  sbp: {unit: "mm[Hg]", precision: 1, codes: {loinc: "8480-6"}, draw: "normal(125, 12)", source: house assumption}
  last_hba1c: {unit: "%", precision: 0.1, derived: result(hba1c)}
  hours_to_treatment: {unit: h, precision: 0.1, derived: hours(entered(treat))}
  treated: {derived: visited(treat)}
  died: {derived: visited(dead)}
dependence:
  both: {members: [hba1c, sbp], correlations: [{pair: [hba1c, sbp], value: 0.2}], source: house assumption}
targets:
  ill adults: {share: ill, value: "15% ± 1%", source: house assumption}
calibrate:
  - {free: [base], to: [ill adults]}
pathway:
  title: Care in a small clinic
  horizon: 3 a
  arrival: {0..8: 5, 8..18: 90, 18..24: 5}
  start: triage
  source: house assumption
  tests:
    blood: {title: Blood, measures: [hba1c], collected: "lognormal(20 min, 0.5)", resulted: "lognormal(8 h, 0.5)", lost: 2%}
    pressure: {measures: [sbp]}
  entries:
    metformin: {kind: medication, codes: {rxnorm: "6809"}}
    death: {kind: condition, codes: {snomed: "419620001"}}
  states:
    triage:
      encounter: {kind: ambulatory, lasts: 30 min}
      writes: [index]
      orders: [{test: blood, when: age >= 40}, pressure]
      wait: results
      then: [{when: result(hba1c) >= 6.5, go: treat}, {share: 40%, go: recall}, {go: home}]
    treat:
      encounter: {kind: ambulatory, lasts: 20 min}
      writes: [{entry: metformin, share: 90%}]
      orders: [blood, pressure]
      wait: lognormal(120 d, 0.2)
      then: [{share: 20%, go: lost}, {go: treat}]
    recall: {encounter: none, wait: "lognormal(300 d, 0.3)", then: [{go: triage}]}
    dead: {writes: [death], ends: death}
    home: {ends: discharge}
    lost: {ends: loss}
  risks: [{go: dead, per-year: "0.01 * exp(0.08 * (age - 50))"}]
trajectories:
  hba1c: {value: "hba1c - 1.1 * approach(since(metformin), 30 d) + drift * years(elapsed(metformin))", within: 1.2%, memory: 60 d, analytical: 2%}
"""

STUDY = """\
study: small
purpose: test what changes
users: [testers]
privacy: {objective: no record of any person is used, recipient: public}
model: model.yaml
patients: 400
seed: 4
scenarios:
  today: {}
  point-of-care: {pathway.tests.blood.resulted: 15 min, pathway.states.treat.wait: "* 0.5"}
"""
