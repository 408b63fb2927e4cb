"""A small model with one variable of each sort, for tests that need a cohort and not the clinic."""

from __future__ import annotations

from pathlib import Path

TOY = """\
model: toy
version: 1.0.0
title: A toy
index: a visit
not-for: [telling anything about the world]
population: {description: people who do not exist, index-dates: [2023-01-01, 2024-12-31]}
intent: {purpose: test the house, users: [testers], privacy: nobody is in it, recipient: public}
sources:
  book: {cite: "Book of the toy. 2020"}
  house: {cite: "Assumed here"}
parameters:
  base: {value: -2, free: [-6, 2], source: house assumption}
variables:
  age:
    kind: count
    unit: a
    limits: {possible: 18..110, usual: 18..95}
    histogram: {18..39: 40, 40..59: 35, 60..100: 25}
    disclosure: quasi-identifying
    source: book recalled
    static: yes
  sex: {values: [female, male], shares: {female: 0.51, male: 0.49}, source: book recalled, static: yes}
  ferritin: {unit: ug/L, precision: 1, draw: "lognormal(60, 0.7)", source: book recalled}
  sbp:
    unit: "mm[Hg]"
    precision: 1
    limits: {possible: 30..300, usual: 70..220}
    codes: {loinc: "8480-6"}
    let: {centre: {by: [sex, age], smooth: yes, table: {female: {18..39: 112, 40..59: 122, 60..: 137}, male: {18..39: 119, 40..59: 125, 60..: 133}}}}
    draw: lognormal(mean=centre, sd=15)
    source: book recalled
  dbp: {unit: "mm[Hg]", precision: 1, draw: "normal(72, 11)", source: book recalled}
  pressure: {unit: "mm[Hg]", precision: 0.1, derived: "map(sbp, dbp)"}
  glucose: {unit: mg/dL, precision: 1, substance: glucose, draw: "normal(100, 12)", source: book recalled}
  smoking: {values: [never, former, current], shares: {never: 60, former: 25, current: 15}, codes: {loinc: "72166-2"}, source: book recalled}
  vaping: {values: [never, current], shares: {never: 92, current: 8}, codes: {loinc: "104556-6"}, source: book recalled}
  menopause: {logistic: {intercept: -1}, among: sex == female, source: book recalled}
  ill:
    codes: {snomed: "73211009"}
    logistic: {intercept: base, terms: [{per: (age - 50) / 10, odds-ratio: 1.8, interval: [1.5, 2.1]}, {when: sex == male, odds-ratio: 1.3}]}
    source: book recalled
  statin: {codes: {rxnorm: "83367"}, logistic: {intercept: -2, terms: [{when: ill, odds-ratio: 9}]}, source: book recalled}
  tested: {logistic: {intercept: 0}, role: helper, source: house assumption}
  hba1c: {unit: "%", precision: 0.1, codes: {loinc: "4548-4"}, draw: "normal(5.6, 0.5)", observed: tested, source: book recalled}
  frailty: {unit: "1", draw: "normal(0, 1)", role: truth, source: house assumption}
dependence:
  bp: {members: [sbp, dbp], by: sex, correlations: [{pair: [sbp, dbp], male: 0.53, female: 0.55}], source: book verified}
constraints:
  - {rule: dbp + 15 < sbp, source: house assumption}
targets:
  ill adults: {share: ill, value: "15.8% ± 1%", source: book verified}
  mean sbp: {mean: sbp, by: sex, values: {female: 121, male: "124 (122 to 126)"}, source: book recalled}
calibrate:
  - {free: [base], to: [ill adults]}
"""

SHARD = 300


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return what stands in every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
