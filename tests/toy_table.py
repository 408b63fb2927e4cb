"""A small table of patients with one variable of each sort, and a network of it whose weights were drawn at random."""

from __future__ import annotations

import numpy as np

from manikin.codebook import Kind, Range, Variable
from manikin.generators.deep import Column, Network, TableSampler, rounded, shape_of


def quantity(name: str, unit: str, low: float, high: float, step: float, *cuts: float) -> Variable:
    limits = Range(low, high)
    return Variable(name, Kind.QUANTITY, name, unit, possible=limits, usual=limits, precision=step, cuts=cuts)


AGE = Variable("age", Kind.COUNT, "Age", "a", possible=Range(18, 100), usual=Range(18, 100), cuts=(40, 65))
SEX = Variable("sex", Kind.CATEGORY, "Sex", levels=("female", "male"))
HBA1C = quantity("hba1c", "%", 3.5, 20, 0.1, 5.7, 6.5)
SMOKING = Variable("smoking", Kind.CATEGORY, "Smoking", levels=("never", "former", "current"))
DIABETES = Variable("diabetes", Kind.CONDITION, "Diabetes")

COLUMNS = (
    Column(AGE, static=True),
    Column(SEX, static=True),
    Column(HBA1C, missing=True),
    Column(SMOKING, missing=True),
    Column(DIABETES, missing=True),
)


def patients(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return values of patients, in whom age, HbA1c and diabetes go together."""
    rng = np.random.default_rng(seed)
    age = np.clip(np.rint(rng.normal(52, 16, count)), 18, 100)
    hba1c = np.clip(np.round(rng.normal(5.2 + 0.015 * (age - 40), 0.5), 1), 3.5, 20)
    ill = rng.random(count) < np.where(hba1c >= 6, 0.8, 0.04)
    hba1c[rng.random(count) < 0.1] = np.nan
    return {
        "age": age,
        "sex": rng.integers(0, 2, count).astype(float),
        "hba1c": hba1c,
        "smoking": np.where(rng.random(count) < 0.05, np.nan, rng.choice(3, count, p=[0.6, 0.25, 0.15])),
        "diabetes": ill.astype(float),
    }


def random_sampler(*, conditional: bool = False, places: bool = True) -> TableSampler:
    """Return a sampler whose network learnt nothing."""
    rng = np.random.default_rng(7)
    bins = tuple(column.bins.count for column in COLUMNS)
    shape = shape_of(COLUMNS, 3 + (sum(bins) if conditional else 0), (8, 6), places=places)
    weights = rounded({name: rng.normal(0, 1, one) for name, one in shape.weights.items()})
    shares = tuple(np.full(one, 1 / 4 if one == 4 else 1 / 2) for one in bins)
    shares = tuple(np.rint(one / one.sum() * 2**20) / 2**20 for one in shares)
    within = tuple(column.even for column in COLUMNS if column.variable.numeric)
    return TableSampler(COLUMNS, 3, Network(shape, weights), shares, within, conditional)
