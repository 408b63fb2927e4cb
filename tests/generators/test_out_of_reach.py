"""What a model never makes can't be followed, and must not spoil what can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bent import BINNED, ELSEWHERE, program_of, told_by
from manikin.aggregates import Aggregate
from manikin.generators.agreement import agree

NAMES = ("age", "sbp", "smoking")
GONE = {"sbp": 0.08, "smoking": 0.05}
# More cells than there are contrasts.
FINER = (
    ("bins: [40, 60]", "bins: [30, 40, 50, 60, 70, 80]"),
    ("bins: [120, 140]", "bins: [100, 110, 120, 130, 140, 150]"),
)


def with_missing(table: Aggregate, noise: float) -> Aggregate:
    """Return a table in which some have no value on record, whoever they are."""
    values, axes = table.values, []
    for place, axis in enumerate(table.axes):
        gone = GONE.get(axis.name)
        axes.append(replace(axis, missing=gone is not None))
        if gone is not None:
            values = np.concatenate([values * (1 - gone), gone * values.sum(axis=place, keepdims=True)], axis=place)
    chance = np.random.default_rng(3)
    return replace(table, axes=tuple(axes), values=values + np.rint(chance.normal(0, noise, values.shape)), noise=noise)


def finer(text: str) -> str:
    for coarse, fine in FINER:
        text = text.replace(coarse, fine)
    return text


@pytest.mark.parametrize("noise", [8.0, 20.0])
def test_values_that_are_missing_at_a_site_leave_the_rest_of_a_table_as_it_is(noise: float) -> None:
    tables = [*((name,) for name in NAMES), NAMES]
    complete = told_by(program_of(finer(ELSEWHERE)), tables, patients=12_000)
    missing = replace(complete, aggregates=tuple(with_missing(one, noise) for one in complete.aggregates))
    model = program_of(finer(BINNED))
    fits = [agree(model, one, 30_000).fit for one in (complete, missing)]
    shapes = [[axis.count for axis in one.prior.domain.axes] for one in fits]
    whole, partial = (
        one.expected.over((0, 1, 2)).reshape(shape)[:7, :7, :3] for one, shape in zip(fits, shapes, strict=True)
    )
    prior = fits[0].prior.carrier.bent_by(()).expectation(()).over((0, 1, 2)).reshape(shapes[0])
    assert partial.sum() == pytest.approx(1)
    # How far the site lies from the model, and how little of it who is missing there changes.
    assert np.abs(whole - prior).sum() / 2 > 0.2
    assert np.abs(whole - partial).sum() / 2 < 0.05
