"""A small model of which each part of time is used once; the tests change one thing at a time."""

from __future__ import annotations

from pathlib import Path

TEXT = """\
model: timed
version: 1.0.0
title: A small model with time
index: an arrival
not-for: [anything real]
population: {description: Adults, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test, users: [testers], privacy: nobody is in it, recipient: public}
sources:
  book: {cite: "Book. 2024"}
  house: {cite: "Assumed here"}
parameters:
  rate: {value: 0.2, source: house assumption}
variables:
  age: {kind: count, unit: a, histogram: {18..39: 40, 40..89: 60}, source: book verified, static: yes}
  sex: {values: [female, male], shares: {female: 50, male: 50}, source: book verified}
  ill: {role: truth, logistic: {intercept: 0}, source: book verified}
  marker:
    unit: ng/L
    codes: {loinc: "67151-1"}
    precision: 1
    detection-limit: 5
    limits: {possible: 0..10000, usual: 0..1000}
    draw: "lognormal(if(ill, 60, 4), 0.4)"
    source: book recalled
  sbp: {unit: "mm[Hg]", precision: 1, codes: {loinc: "8480-6"}, limits: {possible: 30..300, usual: 70..220}, draw: "normal(130, 15)", source: book recalled}
  dbp: {unit: "mm[Hg]", precision: 1, codes: {loinc: "8462-4"}, limits: {possible: 20..200, usual: 40..120}, draw: "normal(80, 10)", source: book recalled}
  shadow: {role: truth, among: ill, logistic: {intercept: 1}, source: book recalled}
  rhythm: {values: [sinus, flutter], shares: {sinus: 95, flutter: 5}, source: book recalled}
  severity_at_start: {unit: "1", role: truth, draw: "normal(0, 1)", source: house assumption}
  first_marker: {unit: ng/L, precision: 1, derived: first(marker)}
  marker_rose: {derived: highest(marker) > first(marker)}
  hours_to_marker: {unit: h, precision: 0.01, derived: hours(resulted(marker_test))}
  admitted: {derived: visited(ward)}
  ward_days: {unit: d, precision: 0.01, among: admitted, derived: days(spent(ward))}
  hours_followed: {unit: h, precision: 0.01, derived: hours(followed)}
  died: {derived: visited(dead)}
processes:
  severity: {memory: 12 h, begins: severity_at_start, source: house assumption}
trajectories:
  marker:
    value: marker * if(ill, 1 + 2 * approach(time, 3 h), 1)
    within: 10%
    memory: 6 h
    analytical: 5%
    source: house assumption
  sbp: {value: "sbp - 8 * severity - 10 * approach(since(drug), 2 h)", within-sd: 4, between: [40, 280], source: house assumption}
  dbp: {value: dbp - 4 * severity, within-sd: 3, between: [25, "measured(sbp) - 5"], source: house assumption}
  shadow: {chance: "if(shadow, 0.8, 0.1)", source: book recalled}
  rhythm: {shares: {sinus: 90, flutter: 10}, source: book recalled}
pathway:
  title: An emergency department and a ward
  horizon: 30 d
  arrival: {0..8: 20, 8..20: 60, 20..24: 20}
  start: triage
  source: house assumption
  tests:
    marker_test:
      title: Marker
      measures: [marker]
      codes: {loinc: "67151-1"}
      collected: lognormal(15 min, 0.5)
      resulted: lognormal(50 min, 0.4)
      lost: 2%
    vitals: {measures: [sbp, dbp]}
    film: {measures: [shadow], collected: "lognormal(1 h, 0.7)", resulted: "lognormal(30 min, 0.7)"}
    trace: {measures: [rhythm]}
  entries:
    drug: {kind: medication, title: A drug, codes: {rxnorm: "1191"}}
    ruled_in: {kind: decision, title: Ruled in}
    death: {kind: condition, codes: {snomed: "419099009"}}
  risks:
    - {go: dead, per-day: 0.01 * exp(0.03 * (age - 50)), in: [ward, assessment]}
  states:
    triage:
      encounter: emergency
      orders: [vitals, trace, {test: film, share: 70%, after: "lognormal(5 min, 0.5)"}]
      wait: lognormal(15 min, 0.5)
      then: [{share: 3%, go: gone}, {go: assessment}]
    assessment:
      orders: [marker_test, vitals]
      wait: {results: "lognormal(10 min, 0.5)"}
      then:
        - {when: result(marker) >= 52, go: ward}
        - {when: result(marker) >= 5 and results(marker) < 2, go: assessment}
        - {share: rate, go: ward}
        - {go: home}
    ward:
      encounter: inpatient
      writes: [{entry: ruled_in, when: result(marker) >= 52}, {entry: drug, share: 90%, after: 20 min}]
      orders: [vitals, {test: marker_test, when: since(marker_test) > 1 h}]
      wait: lognormal(2 d, 0.6)
      then: [{go: after_ward}]
    after_ward:
      encounter: none
      stops: [drug]
      wait: 14 d
      then: [{go: clinic}]
    clinic:
      encounter: {kind: ambulatory, lasts: 20 min}
      hours: 8..17
      orders: [marker_test, vitals]
      wait: 1 d
      then: [{go: home}]
    dead: {writes: [death], ends: death}
    home: {ends: discharge}
    gone: {ends: loss}
"""


def edited(old: str, new: str) -> str:
    """Return the model with one passage, which must occur exactly once, put in another way."""
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times in the timed model"
    return TEXT.replace(old, new)


def write_to(folder: Path) -> Path:
    """Return a file that holds the model."""
    path = folder / "timed.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path
