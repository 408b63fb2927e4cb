"""A small clinic whose records are measured: what its columns mean, what is asked, and an account to pay from."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manikin.codebook import Kind, Range, Variable
from manikin.privacy import Account, Budget, Ledger

VARIABLES = {
    "age": Variable(
        "age", Kind.COUNT, "Age", "a", possible=Range(18, 110), usual=Range(18, 110), cuts=(40, 60), precision=1
    ),
    "sex": Variable("sex", Kind.CATEGORY, "Sex", levels=("female", "male")),
    "sbp": Variable(
        "sbp",
        Kind.QUANTITY,
        "Systolic",
        "mm[Hg]",
        possible=Range(30, 300),
        usual=Range(30, 300),
        cuts=(120, 140),
        precision=1,
    ),
    "ill": Variable("ill", Kind.CONDITION, "Ill"),
    "ferritin": Variable("ferritin", Kind.QUANTITY, "Ferritin", "ug/L", precision=1),
}
MAPPING = """\
reference: A small clinic
patient: ID
order: DAY
columns:
  age: {column: AGE}
  sex: {column: GENDER, values: {1: male, 2: female}}
  sbp: {column: SYS, unit: "mm[Hg]"}
  ill: {column: ILL, values: {y: "yes", n: "no"}}
"""
EVENT_MAPPING = """\
title: The small clinic's events
clock: d
horizon: 1000
events: {patient: who, time: day, code: what, value: value}
people: {patient: ID}
items:
  hba1c: {column: A1C, unit: "%", possible: [3, 20], precision: 0.1, cuts: [6.5, 8]}
  sbp: {column: SYS, unit: "mm[Hg]", possible: [30, 300], precision: 1, cuts: [140]}
  statin: {column: RX, done: medication}
"""


def patients(count: int, seed: int = 1, most_rows: int = 3) -> dict[str, list[Any]]:
    """Return the records of some patients, who have one row or more, in no order."""
    draw = np.random.default_rng(seed)
    whose = np.repeat(np.arange(count), draw.integers(1, most_rows + 1, count))
    draw.shuffle(whose)
    age, size = draw.integers(18, 95, count)[whose], len(whose)
    sbp = np.rint(draw.normal(95 + 0.6 * age, 14)).astype(int)
    return {
        "ID": [f"p{one}" for one in whose],
        "DAY": draw.integers(0, 1_000, size).tolist(),
        "AGE": age.tolist(),
        "GENDER": (1 + draw.integers(0, 2, count)[whose]).tolist(),
        "SYS": np.where(draw.random(size) < 0.1, "", sbp.astype(str)).tolist(),
        "ILL": np.where(draw.random(size) < 0.3, "y", "n").tolist(),
    }


def happenings(count: int, seed: int = 2, each: int = 12) -> dict[str, list[Any]]:
    """Return what happened to patients ``p0``, ``p1``, …, in no order."""
    draw = np.random.default_rng(seed)
    size = count * each
    what = draw.choice(["A1C", "SYS", "RX"], size)
    value = np.where(what == "A1C", draw.normal(7, 1.5, size).round(1), draw.normal(135, 20, size).round())
    return {
        "who": [f"p{one}" for one in draw.integers(0, count, size)],
        "day": draw.integers(0, 900, size).tolist(),
        "what": what.tolist(),
        "value": value.tolist(),
    }


def without(columns: Mapping[str, Sequence[Any]], key: str, whom: str) -> dict[str, list[Any]]:
    """Return records without those of one patient."""
    kept = [place for place, one in enumerate(columns[key]) if one != whom]
    return {name: [column[place] for place in kept] for name, column in columns.items()}


def written(folder: Path, columns: Mapping[str, Sequence[Any]], name: str = "records.csv") -> Path:
    """Return a file of records."""
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path


def text(folder: Path, content: str, name: str) -> Path:
    """Return a file with a text."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def account(folder: Path, epsilon: float = 1.0, name: str = "A small clinic") -> Account:
    """Return an account with nothing spent."""
    return Ledger(folder / "ledger.jsonl").account(name, Budget(epsilon, 1e-6))
