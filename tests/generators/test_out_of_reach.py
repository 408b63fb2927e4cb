"""What a model never makes can't be followed, and must not spoil what can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bent import BINNED, ELSEWHERE, program_of, told_by
from manikin.aggregates import Aggregate
from manikin.generators.agreement import agree

NAMES = ("age", "sbp", "smoking")
FINER = (
    ("bins: [40, 60]", "bins: [30, 40, 50, 60, 70, 80]"),
    ("bins: [120, 140]", "bins: [100, 110, 120, 130, 140, 150]"),
)


def finer(text: str) -> str:
    for coarse, fine in FINER:
        text = text.replace(coarse, fine)
    return text


def with_missing(table: Aggregate, noise: float) -> Aggregate:
    """Return a table of a site that asks nobody below 30 whether they smoke, and measures no pressure in one of twelve."""
    names, small = table.attributes, table.values.shape
    axes = tuple(replace(axis, missing=True) for axis in table.axes)
    values = np.zeros([axis.count for axis in axes])
    values[tuple(slice(0, bins) for bins in small)] = table.values
    if {"age", "smoking"} <= set(names):
        view = np.moveaxis(values, (names.index("age"), names.index("smoking")), (0, 1))
        view[0, -1] = view[0, :-1].sum(axis=0)
        view[0, :-1] = 0
    if "sbp" in names:
        view = np.moveaxis(values, names.index("sbp"), 0)
        view[-1] += view[:-1].sum(axis=0) / 12
        view[:-1] *= 11 / 12
    chance = np.random.default_rng(3)
    return replace(table, axes=axes, values=values + np.rint(chance.normal(0, noise, values.shape)), noise=noise)


@pytest.mark.parametrize("noise", [8.0, 20.0])
def test_values_that_are_missing_at_a_site_leave_the_rest_of_its_tables_as_they_are(noise: float) -> None:
    tables = [*((name,) for name in NAMES), ("age", "sbp"), NAMES]
    complete = told_by(program_of(finer(ELSEWHERE)), tables, patients=12_000)
    missing = replace(complete, aggregates=tuple(with_missing(one, noise) for one in complete.aggregates))
    model = program_of(finer(BINNED))
    fits = [agree(model, one, 30_000).fit for one in (complete, missing)]
    shapes = [[axis.count for axis in one.prior.domain.axes[:2]] for one in fits]
    whole, partial = (one.expected.over((0, 1)).reshape(shape)[:7, :7] for one, shape in zip(fits, shapes, strict=True))
    prior = fits[0].prior.carrier.bent_by(()).expectation(()).over((0, 1)).reshape(shapes[0])
    assert partial.sum() == pytest.approx(1)
    # How far the site lies from the model, and how little of it is lost by who is not on record there.
    assert np.abs(whole - prior).sum() / 2 > 0.18
    assert np.abs(whole - partial).sum() / 2 < 0.024
