"""One small valid model in which every construct of the language occurs once; the tests change one thing at a time."""

from __future__ import annotations

TEXT = """\
model: small
version: 1.0.0
title: A small model
index: a visit
not-for: [anything real]
population: {description: Adults, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test, users: [testers], privacy: nobody is in it, recipient: public}
sources:
  book: {cite: "Book. 2024", doi: "10.1000/x"}
  house: {cite: "Assumed here"}

parameters:
  base: {value: -2, free: [-6, 2], source: house assumption}
  slope: {value: 0.5, sd: 0.05, source: book verified}
  cut_one: {value: 0, source: house assumption}
  cut_two: {value: 1.5, source: house assumption}

standards:
  young: {by: age, weights: {18..39: 60, 40..: 40}, source: book verified}

variables:
  age:
    kind: count
    unit: a
    codes: {loinc: "30525-0"}
    limits: {possible: 18..100, usual: 18..95}
    bins: [40, 60]
    histogram: {18..39: 40, 40..59: 35, 60..89: 25}
    source: book verified
  sex:
    values: [female, male]
    static: yes
    shares: {female: 51, male: 49}
    source: book verified
  smoking:
    values: [never, former, current]
    by: sex
    shares:
      female: {never: 60, former: 25, current: 15}
      male: {never: 50, former: 30, current: 20}
    source: book secondary
  weight:
    unit: kg
    precision: 0.1
    by: sex
    quantiles:
      female: {5: 50, 50: 70, 95: 105}
      male: {5: 62, 50: 84, 95: 120}
    source: book verified
  sbp:
    unit: "mm[Hg]"
    precision: 1
    reference: 90..120
    disclosure: sensitive
    let:
      centre: {by: [sex, age], smooth: yes, table: {female: {18..39: 110, 40..: 130}, male: {18..39: 115, 40..: 133}}}
    draw: normal(centre, 14)
    between: [60, 240]
    source: book verified
  dbp:
    unit: "mm[Hg]"
    precision: 1
    draw: normal(78, 10)
    source: book verified
  crp:
    unit: mg/dL
    precision: 0.01
    role: truth
    draw: lognormal(q1=0.8, median=2, q3=5)
    source: book recalled
  map:
    unit: "mm[Hg]"
    precision: 0.1
    derived: (sbp + 2 * dbp) / 3
    source: house derived
  stage:
    values: [low, middle, high]
    ordered:
      cutpoints: [cut_one, cut_two]
      terms:
        - {per: (age - 50) / 10, effect: slope}
    source: house assumption
  tested:
    among: age >= 20
    logistic:
      intercept: base
      terms:
        - {when: smoking == current, odds-ratio: 1.8, interval: [1.6, 2.0], source: book verified}
    source: house assumption
  hidden:
    unit: "1"
    role: helper
    draw: normal(0, 1)
    source: house assumption

dependence:
  pressure:
    members: [sbp, dbp]
    by: sex
    correlations:
      - {pair: [sbp, dbp], female: 0.55, male: 0.5}
    source: book verified

constraints:
  - {rule: dbp < sbp + 40, source: house assumption}

targets:
  share tested:
    share: tested
    among: age >= 20
    value: 20% (19 to 21)
    source: book verified
  mean sbp by sex:
    mean: sbp
    by: sex
    values: {female: 121, male: 125}
    standard: young
    source: book verified

calibrate:
  - {free: [base], to: [share tested]}
"""


def edited(old: str, new: str) -> str:
    """Return the model with one passage, which must occur exactly once, put in another way."""
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times in the small model"
    return TEXT.replace(old, new)
