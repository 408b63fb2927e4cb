"""A compiled model depends on what the model says alone: not on its neighbours in the file, nor on how it is asked."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import TEXT, edited

from manikin.clinic import ClinicalModel, Program, compile_model, parse_model
from manikin.clinic.tables import Axis, Breakdown
from manikin.codebook import Range
from manikin.streams import Draws, Floats, Seed

N = 3000
SEED = Seed(7)


def sampled(
    model: ClinicalModel | Program, clamps: Mapping[str, Range] | None = None, n: int = N, seed: Seed = SEED
) -> dict[str, Any]:
    program = compile_model(model) if isinstance(model, ClinicalModel) else model
    return program.sample(program.order, Draws(seed, np.arange(n)), clamps=clamps)


def same(one: Any, other: Any) -> bool:
    return np.asarray(one).dtype == np.asarray(other).dtype and np.asarray(one).tobytes() == np.asarray(other).tobytes()


MODEL = parse_model(TEXT)
BEFORE = sampled(MODEL)
ADDITIONS = {
    "a root": "  waist: {unit: cm, draw: 'normal(90, 12)', source: house assumption}\n",
    "a child of others": "  waist: {unit: cm, draw: 'normal(50 + 0.5 * weight + 3 * (sex == male), 5)', source: house assumption}\n",
    "a formula": "  waist: {unit: 'mm[Hg]', derived: 'sbp - dbp'}\n",
    "a condition": "  waist: {logistic: {intercept: -1, terms: [{per: age / 50, odds-ratio: 2}]}, source: house assumption}\n",
    "a category first by name": "  aaa: {values: [x, y], shares: {x: 1, y: 99}, source: house assumption}\n",
}


@pytest.mark.parametrize("kind", ADDITIONS)
@pytest.mark.parametrize("before", ["  age:\n", "  hidden:\n"])
def test_a_variable_more_changes_no_other_column(kind: str, before: str) -> None:
    after = sampled(parse_model(edited(before, ADDITIONS[kind] + before)))
    assert len(after) > len(BEFORE)
    changed = {name for name in MODEL.variables if not same(BEFORE[name], after[name])}
    assert not changed


def test_a_variable_less_changes_no_other_column() -> None:
    head, _, rest = TEXT.partition("  hidden:\n")
    after = sampled(parse_model(head + rest[rest.index("\ndependence") :]))
    assert "hidden" not in after
    assert all(same(BEFORE[name], after[name]) for name in MODEL.variables if name != "hidden")


def test_another_distribution_changes_its_column_and_those_that_read_it_alone() -> None:
    after = sampled(parse_model(edited("draw: normal(78, 10)", "draw: normal(79, 10)")))
    assert {name for name in MODEL.variables if not same(BEFORE[name], after[name])} == {"dbp", "map"}


def shuffled(text: str, chance: random.Random) -> str:
    """Return the model with its variables in another order."""
    head, _, rest = text.partition("variables:\n")
    body, _, tail = rest.partition("\ndependence")
    variables = re.split(r"^(?=  \w)", body, flags=re.MULTILINE)[1:]
    chance.shuffle(variables)
    return f"{head}variables:\n{''.join(variables)}\ndependence{tail}"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_the_order_of_variables_in_the_file_changes_nothing_to_the_byte(number: int) -> None:
    model = parse_model(shuffled(TEXT + "\n", random.Random(number)))
    program = compile_model(model)
    assert program.order == compile_model(MODEL).order
    after = sampled(program)
    assert all(same(BEFORE[name], after[name]) for name in MODEL.variables)


def test_the_order_of_variables_changes_no_other_world() -> None:
    model = parse_model(shuffled(TEXT, random.Random(3)))
    one, other = MODEL.world(4, SEED), model.world(4, SEED)
    assert {key: value.value for key, value in one.parameters.items()} == {
        key: value.value for key, value in other.parameters.items()
    }


def test_each_variable_comes_after_all_that_it_reads() -> None:
    program = compile_model(MODEL)
    for place, name in enumerate(program.order):
        assert program.parents[name] <= set(program.order[:place])


def test_what_is_needed_for_a_variable_is_it_and_its_ancestors() -> None:
    program = compile_model(MODEL)
    assert set(program.needed_for(["map"])) == {"map", "sbp", "dbp", "sex", "age"}
    assert program.needed_for(["age"]) == ("age",)
    assert program.needed_for(["nothing"]) == ()


def test_a_part_is_computed_as_in_the_whole() -> None:
    program = compile_model(MODEL)
    part = program.sample(program.needed_for(["map"]), Draws(SEED, np.arange(N)))
    assert all(same(part[name], BEFORE[name]) for name in ("map", "sbp", "dbp"))
    assert "weight" not in part


def test_known_columns_are_neither_computed_again_nor_changed() -> None:
    program = compile_model(MODEL)
    known = {"age": np.full(N, 77.0)}
    columns = program.sample(program.order, Draws(SEED, np.arange(N)), known)
    assert columns["age"] is known["age"]
    assert not same(columns["sbp"], BEFORE["sbp"])
    assert same(columns["weight"], BEFORE["weight"])


def test_shards_put_together_are_the_whole() -> None:
    program = compile_model(MODEL)
    parts = [program.sample(program.order, Draws(SEED, np.arange(first, first + 1000))) for first in (0, 1000, 2000)]
    for name in MODEL.variables:
        assert same(np.concatenate([part[name] for part in parts]), BEFORE[name])


# --- clamps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("age", 60, 70),
        ("age", 18, 18),
        ("age", 89, 89),
        ("sex", 1, 1),
        ("smoking", 1, 2),
        ("stage", 0, 0),
        ("tested", 1, 1),
        ("tested", 0, 0),
        ("weight", 100, np.inf),
        ("weight", -np.inf, 60),
        ("sbp", 180, 200),
        ("sbp", 239, 240),
        ("dbp", 60, 65),
        ("crp", 10, 20),
    ],
)
def test_a_clamped_variable_lies_in_its_range_and_nothing_above_it_moves(name: str, low: float, high: float) -> None:
    columns = sampled(MODEL, {name: Range(low, high)})
    values = columns[name].astype(float)[columns["age"] >= 20 if name == "tested" else slice(None)]
    assert (values >= low).all()
    assert (values <= high).all()
    program = compile_model(MODEL)
    ancestors = set(program.needed_for([name])) - {name}
    assert all(same(columns[one], BEFORE[one]) for one in ancestors)
    assert all(np.isfinite(columns[one]).all() for one in MODEL.variables)


def test_a_clamped_member_draws_the_others_along() -> None:
    model = parse_model(edited("draw: normal(centre, 14)", "draw: normal(120, 14)"))  # so that no parent decides too
    high, free = sampled(model, {"sbp": Range(140, 160)}, n=20_000), sampled(model, n=20_000)
    among = free["dbp"][(free["sbp"] >= 140) & (free["sbp"] <= 160)]
    assert high["dbp"].mean() > free["dbp"].mean() + 5
    assert high["dbp"].mean() == pytest.approx(among.mean(), abs=0.8)


def test_a_clamp_on_a_later_member_given_the_earlier_ones_is_exact() -> None:
    clamped = sampled(MODEL, {"dbp": Range(90, 95)}, n=40_000)
    assert clamped["dbp"].min() >= 90
    assert clamped["dbp"].max() <= 95
    assert same(clamped["sbp"], sampled(MODEL, n=40_000)["sbp"])


def test_a_clamped_column_is_spread_over_its_range_as_the_free_one_is() -> None:
    free = sampled(MODEL, n=60_000)["age"]
    free = free[(free >= 30) & (free <= 69)]
    clamped = sampled(MODEL, {"age": Range(30, 69)}, n=60_000)["age"]
    edges = np.arange(30, 71, 5)
    shares = [np.histogram(one, edges)[0] / len(one) for one in (free, clamped)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)


def test_a_derived_value_has_no_draw_to_clamp_and_is_left_as_it_is() -> None:
    assert same(sampled(MODEL, {"map": Range(0, 1)})["map"], BEFORE["map"])


# --- kinds, steps and existence ---------------------------------------------------------------------------------------


def test_columns_have_the_types_and_steps_that_the_model_says() -> None:
    assert BEFORE["sex"].dtype == np.int8
    assert BEFORE["tested"].dtype == np.bool_
    assert BEFORE["age"].dtype == np.float64
    assert np.array_equal(BEFORE["age"], np.rint(BEFORE["age"]))
    assert np.array_equal(BEFORE["sbp"], np.rint(BEFORE["sbp"]))
    assert np.array_equal(BEFORE["weight"], np.rint(BEFORE["weight"] * 10) / 10)
    assert np.array_equal(BEFORE["map"], np.rint((BEFORE["sbp"] + 2 * BEFORE["dbp"]) / 3 * 10) / 10)


def test_a_variable_exists_for_those_among_whom_it_does() -> None:
    text = edited("    draw: lognormal", "    among: sex == male\n    draw: lognormal")
    text = text.replace("among: age >= 20\n    logistic", "among: age >= 40\n    logistic")
    text = text.replace("  stage:\n", "  stage:\n    among: age >= 40\n")
    columns = sampled(parse_model(text))
    assert np.array_equal(np.isnan(columns["crp"]), columns["sex"] == 0)
    assert not columns["tested"][columns["age"] < 40].any()
    assert np.array_equal(columns["stage"] == -1, columns["age"] < 40)


def test_a_table_by_a_category_that_some_lack_is_the_same_every_time() -> None:
    text = edited("  sex:\n", "  sex:\n    among: age >= 40\n").replace("female: 0.55, male: 0.5", "value: 0.5")
    text = text.replace("    by: sex\n    correlations", "    correlations")
    model = parse_model(text)
    one, other = sampled(model), sampled(model)
    assert all(same(one[name], other[name]) for name in model.variables)
    assert np.isfinite(one["weight"]).all()


def test_who_lacks_the_category_of_a_table_reads_its_first_level_and_never_what_memory_held() -> None:
    table = Breakdown((Axis("sex", ("female", "male")),))
    columns = {"sex": np.array([-1, 0, 1, -1], np.int8)}
    assert table.gather([1.0, 2.0], columns).tolist() == [1, 1, 2, 1]
    assert table.gather([np.full(4, 1.0), np.full(4, 2.0)], columns).tolist() == [1, 1, 2, 1]


def test_bands_outside_a_table_read_the_nearest_and_smooth_ones_run_straight_between_middles() -> None:
    centre = MODEL.variables["sbp"].lets["centre"]
    ages: Floats = np.array([5.0, 29.0, 40.0, 51.0, 99.0])
    columns = {"age": ages, "sex": np.zeros(5, np.int8)}
    # The middles lie at 29 and, as the open band reaches as far as its neighbour does, 51.
    assert centre.compute(columns) == pytest.approx([110, 110, 120, 130, 130])


def test_parameters_given_replace_those_of_the_model() -> None:
    more = sampled(compile_model(MODEL, {"base": 3.0}))
    assert more["tested"].mean() > BEFORE["tested"].mean() + 0.3
    assert all(same(more[name], BEFORE[name]) for name in MODEL.variables if name != "tested")
