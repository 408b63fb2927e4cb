"""A distribution is what its name says: beside SciPy's own, going there and back, and within the range it is kept to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from manikin.clinic.distributions import (
    FAMILIES,
    Draw,
    FamilyDraw,
    Mixture,
    PointMass,
    Position,
    Quantiles,
    Truncated,
)
from manikin.clinic.expressions import NUMBER, Expression, Scope, constant
from manikin.clinic.rules import (
    ByCell,
    DrawRule,
    FamilySpec,
    Histogram,
    HistogramSpec,
    LevelsRule,
    MixtureSpec,
    OddsRule,
    PointMassSpec,
    Predictor,
    ProportionalOdds,
    QuantilesSpec,
    Shares,
    TableSpec,
    Term,
    TruncatedSpec,
)
from manikin.clinic.tables import Axis, Breakdown

UNIFORMS = np.linspace(0.0005, 0.9995, 401)
FINE = np.concatenate([[1e-15, 1e-9, 1e-4], np.linspace(0.001, 0.999, 2001), [1 - 1e-4, 1 - 1e-9, 1 - 1e-15]])
SCORES = special.ndtri(np.array([0.05, 0.25, 0.5, 0.75, 0.95]))
KNOWN = np.array([18.0, 22.0, 26.0, 31.0, 44.0])
Reference = Any


def drawn(name: str, **parameters: Any) -> FamilyDraw:
    family = FAMILIES[name]
    return FamilyDraw(family, family.spelt(parameters))


def at(draw: Draw, uniform: Any) -> Any:
    return np.broadcast_to(draw.at(Position(np.asarray(uniform, float))), np.shape(uniform))


@dataclass(frozen=True)
class Spelling:
    name: str
    parameters: Mapping[str, float]
    reference: Reference


SPELLINGS = [
    Spelling("normal", {"mean": 120, "sd": 15}, stats.norm(120, 15)),
    Spelling("lognormal", {"median": 6, "log_sd": 0.7}, stats.lognorm(0.7, scale=6)),
    Spelling("uniform", {"low": -2, "high": 5}, stats.uniform(-2, 7)),
    Spelling("beta", {"a": 2, "b": 5}, stats.beta(2, 5)),
    Spelling("gamma", {"shape": 2.5, "scale": 3}, stats.gamma(2.5, scale=3)),
    Spelling("weibull", {"shape": 1.7, "scale": 10}, stats.weibull_min(1.7, scale=10)),
    Spelling("exponential", {"mean": 4}, stats.expon(scale=4)),
    Spelling("poisson", {"mean": 3.2}, stats.poisson(3.2)),
    Spelling("poisson", {"mean": 0.05}, stats.poisson(0.05)),
    Spelling("poisson", {"mean": 250}, stats.poisson(250)),
    Spelling("negative_binomial", {"mean": 3, "k": 1.5}, stats.nbinom(1.5, 1.5 / 4.5)),
    Spelling("negative_binomial", {"mean": 0.1, "k": 0.3}, stats.nbinom(0.3, 0.3 / 0.4)),
    Spelling("negative_binomial", {"mean": 80, "k": 20}, stats.nbinom(20, 0.2)),
]
WHOLE = [one for one in SPELLINGS if FAMILIES[one.name].whole]
SMOOTH = [one for one in SPELLINGS if not FAMILIES[one.name].whole]


def named(one: Spelling) -> str:
    return f"{one.name}({', '.join(f'{key}={value:g}' for key, value in one.parameters.items())})"


def test_every_family_is_compared() -> None:
    assert {one.name for one in SPELLINGS} == set(FAMILIES)


@pytest.mark.parametrize("one", SMOOTH, ids=named)
def test_quantiles_and_shares_are_those_of_scipy(one: Spelling) -> None:
    draw = drawn(one.name, **one.parameters)
    assert at(draw, UNIFORMS) == pytest.approx(one.reference.ppf(UNIFORMS), rel=1e-9)
    for value in one.reference.ppf([0.001, 0.3, 0.5, 0.9, 0.9999]):
        assert draw.cdf(value) == pytest.approx(one.reference.cdf(value), rel=1e-9)


@pytest.mark.parametrize("one", WHOLE, ids=named)
def test_whole_numbers_are_exactly_those_of_scipy(one: Spelling) -> None:
    draw = drawn(one.name, **one.parameters)
    chance = np.random.default_rng(1).uniform(size=5000)
    assert np.array_equal(at(draw, chance), one.reference.ppf(chance))
    values = np.arange(-2, one.reference.ppf(0.9999) + 3)
    for value in values:
        assert draw.cdf(value) == pytest.approx(one.reference.cdf(value), rel=1e-9, abs=1e-12)
        assert draw.cdf(value + 0.5) == pytest.approx(one.reference.cdf(value + 0.5), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("one", WHOLE, ids=named)
def test_a_position_exactly_at_a_step_belongs_to_the_step_below(one: Spelling) -> None:
    draw = drawn(one.name, **one.parameters)
    values = np.arange(one.reference.ppf(1e-6), one.reference.ppf(0.999) + 1)
    assert np.array_equal(at(draw, np.array([draw.cdf(value) for value in values])), values)


@pytest.mark.parametrize(
    ("name", "parameters", "reach"),
    [
        ("lognormal", {"mean": 120, "sd": 15}, lambda one: (one.mean(), one.std())),
        ("beta", {"mean": 0.3, "sd": 0.1}, lambda one: (one.mean(), one.std())),
        ("gamma", {"mean": 8, "sd": 3}, lambda one: (one.mean(), one.std())),
    ],
)
def test_a_distribution_written_by_mean_and_sd_has_them(
    name: str, parameters: dict[str, float], reach: Callable[[Reference], tuple[float, float]]
) -> None:
    p = FAMILIES[name].spelt(parameters)
    same = {
        "lognormal": lambda: stats.lognorm(p["log_sd"], scale=p["median"]),
        "beta": lambda: stats.beta(p["a"], p["b"]),
        "gamma": lambda: stats.gamma(p["shape"], scale=p["scale"]),
    }[name]()
    assert reach(same) == pytest.approx((parameters["mean"], parameters["sd"]))


def test_a_lognormal_written_by_its_quartiles_has_them() -> None:
    draw = drawn("lognormal", q1=20.0, median=30.0, q3=45.0)
    assert at(draw, [0.25, 0.5, 0.75]) == pytest.approx([20, 30, 45], rel=1e-6)


def test_the_moments_of_a_negative_binomial_are_its_mean_and_the_excess_that_k_says() -> None:
    draw = drawn("negative_binomial", mean=3.0, k=1.5)
    values = at(draw, (np.arange(200_000) + 0.5) / 200_000)
    assert values.mean() == pytest.approx(3, rel=1e-3)
    assert values.var() == pytest.approx(3 + 9 / 1.5, rel=5e-3)


# --- every kind of draw -----------------------------------------------------------------------------------------------

N = len(FINE)
LOW = np.linspace(90, 110, N)
DRAWS: dict[str, Draw] = {
    **{named(one): drawn(one.name, **one.parameters) for one in SPELLINGS},
    "quantiles": Quantiles(SCORES, KNOWN, logarithmic=False),
    "quantiles on the log scale": Quantiles(SCORES, KNOWN, logarithmic=True),
    "quantiles of each patient": Quantiles(SCORES, np.repeat(KNOWN[:, None], N, axis=1), logarithmic=True),
    "histogram": Histogram(np.array([18.0, 40, 60, 90]), np.array([40.0, 35, 25])),
    "histogram with an empty band": Histogram(np.array([18.0, 40, 60, 90]), np.array([40.0, 0, 25])),
    "histogram of each patient": Histogram(np.array([18.0, 40, 60, 90]), np.repeat([[40.0], [35], [25]], N, axis=1)),
    "truncated": Truncated(drawn("normal", mean=120.0, sd=15.0), 100, 160),
    "truncated for each patient": Truncated(drawn("normal", mean=120.0, sd=15.0), LOW, 160),
    "truncated whole numbers": Truncated(drawn("poisson", mean=3.0), 2, 6),
    "truncated in its far tail": Truncated(drawn("normal", mean=0.0, sd=1.0), 5, 6),
    "point mass": PointMass(0.0, 0.3, drawn("lognormal", median=2.0, log_sd=1.0)),
    "mixture": Mixture((0.3, 0.7), (drawn("normal", mean=0.0, sd=1.0), drawn("normal", mean=6.0, sd=2.0))),
    "mixture far apart": Mixture((0.5, 0.5), (drawn("normal", mean=0.0, sd=1.0), drawn("normal", mean=1e4, sd=1.0))),
    "mixture of whole numbers": Mixture((0.4, 0.6), (drawn("poisson", mean=1.0), drawn("poisson", mean=9.0))),
    "mixture of one in another": Mixture(
        (0.5, 0.5), (Truncated(drawn("normal", mean=0.0, sd=1.0), -1, 1), drawn("gamma", shape=2.0, scale=3.0))
    ),
    "a table": ByCell(np.zeros(N, np.int64), (drawn("normal", mean=0.0, sd=1.0), drawn("gamma", shape=2.0, scale=3.0))),
}
STEPPED = {
    key for key in DRAWS if "poisson" in key or "negative_binomial" in key or "whole" in key or key == "point mass"
}


@pytest.mark.parametrize("kind", DRAWS)
def test_a_higher_position_never_gives_a_lower_value_and_all_are_finite(kind: str) -> None:
    draw = DRAWS[kind]
    values = at(draw, FINE)
    assert np.isfinite(values).all()
    assert (np.diff(values) >= -1e-9 * np.abs(values[1:])).all()


@pytest.mark.parametrize("kind", sorted(DRAWS.keys() - STEPPED))
def test_the_share_below_a_quantile_is_its_position(kind: str) -> None:
    draw = DRAWS[kind]
    values = at(draw, FINE)
    for place in range(100, N - 100, 211):
        found = np.broadcast_to(draw.cdf(float(values[place])), (N,))[place]
        assert found == pytest.approx(FINE[place], abs=1e-7)


@pytest.mark.parametrize("kind", sorted(STEPPED))
def test_a_step_is_taken_at_the_smallest_value_that_reaches_the_position(kind: str) -> None:
    draw = DRAWS[kind]
    values = at(draw, FINE)
    for place in range(3, N - 3, 211):
        assert draw.cdf(float(values[place])) >= FINE[place] - 1e-9
        assert draw.cdf(float(np.nextafter(values[place], -np.inf)) - 1e-6) <= FINE[place] + 1e-6


@pytest.mark.parametrize("kind", ["mixture of whole numbers", "truncated whole numbers"])
def test_whole_numbers_stay_whole_when_mixed_or_truncated(kind: str) -> None:
    values = at(DRAWS[kind], FINE)
    assert np.abs(values - np.rint(values)).max() < 1e-6
    assert (np.floor(values) == np.rint(values)).all()


@pytest.mark.parametrize("kind", DRAWS)
def test_the_share_below_everything_is_0_and_below_the_end_of_all_1(kind: str) -> None:
    assert np.asarray(DRAWS[kind].cdf(-1e9)).max() < 1e-6
    assert np.asarray(DRAWS[kind].cdf(1e9)).min() > 1 - 1e-6


def test_truncated_never_leaves_its_range_and_keeps_its_proportions() -> None:
    for kind, low, high in (("truncated", 100, 160), ("truncated for each patient", LOW, 160), ("truncated in its far tail", 5, 6)):  # fmt: skip
        values = at(DRAWS[kind], FINE)
        assert (values >= low).all()
        assert (values <= high).all()
    reference = stats.truncnorm(-20 / 15, 40 / 15, 120, 15)
    assert at(DRAWS["truncated"], UNIFORMS) == pytest.approx(reference.ppf(UNIFORMS), rel=1e-9)


def test_truncated_whole_numbers_keep_both_ends_with_their_shares() -> None:
    values = at(Truncated(drawn("poisson", mean=3.0), 2, 6), (np.arange(100_000) + 0.5) / 100_000)
    expected = stats.poisson(3).pmf(np.arange(2, 7))
    found = np.bincount(values.astype(int), minlength=7)[2:] / 100_000
    assert found == pytest.approx(expected / expected.sum(), abs=1e-4)


@pytest.mark.parametrize("inner", ["quantiles", "quantiles on the log scale", "histogram", "mixture", "point mass"])
def test_each_patient_may_have_a_range_of_their_own_around_any_distribution(inner: str) -> None:
    draw = DRAWS[inner]
    low = np.linspace(*at(draw, [0.4, 0.6]), 50)
    each = Truncated(draw, low, 1e6).at(Position(np.full(50, 0.25)))
    alone = [float(Truncated(draw, one, 1e6).at(Position(np.array([0.25])))[0]) for one in low]
    assert each == pytest.approx(alone, rel=1e-7)
    assert (each >= low).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99))
def test_a_point_mass_has_exactly_its_share_and_the_rest_keeps_its_shape(share: float) -> None:
    rest = drawn("gamma", shape=2.0, scale=3.0)
    draw = PointMass(0.0, share, rest)
    values = at(draw, UNIFORMS)
    assert np.array_equal(values == 0, share >= UNIFORMS)
    above = UNIFORMS[share < UNIFORMS]
    assert values[share < UNIFORMS] == pytest.approx(at(rest, (above - share) / (1 - share)))
    assert draw.cdf(0) == pytest.approx(share)
    assert draw.cdf(-1e-9) == 0


def test_nobody_lies_below_a_point_mass() -> None:
    assert at(PointMass(5.0, 0.1, drawn("normal", mean=0.0, sd=10.0)), FINE).min() == 5


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(-50, 50), st.floats(0.05, 20), st.floats(0.05, 20))
def test_a_mixture_is_inverted_exactly(share: float, apart: float, one: float, other: float) -> None:
    draw = Mixture((share, 1 - share), (drawn("normal", mean=0.0, sd=one), drawn("normal", mean=apart, sd=other)))
    values = at(draw, UNIFORMS)
    below = share * stats.norm.cdf(values, 0, one) + (1 - share) * stats.norm.cdf(values, apart, other)
    assert below == pytest.approx(UNIFORMS, abs=1e-8)


def test_parameters_of_each_patient_give_what_each_would_get_alone() -> None:
    chance = np.random.default_rng(3)
    uniform, mean, sd = chance.uniform(size=40), chance.uniform(90, 140, 40), chance.uniform(5, 20, 40)
    knots = np.sort(chance.uniform(10, 50, (5, 40)), axis=0)
    weights = chance.uniform(0, 1, (3, 40))
    edges = np.array([0.0, 1, 5, 9])
    for kind, together, alone in (
        ("normal", drawn("normal", mean=mean, sd=sd), lambda n: drawn("normal", mean=mean[n], sd=sd[n])),
        ("quantiles", Quantiles(SCORES, knots, False), lambda n: Quantiles(SCORES, knots[:, n], False)),
        ("log quantiles", Quantiles(SCORES, knots, True), lambda n: Quantiles(SCORES, knots[:, n], True)),
        ("histogram", Histogram(edges, weights), lambda n: Histogram(edges, weights[:, n])),
    ):
        values, shares = together.at(Position(uniform)), together.cdf(7.0 if kind == "histogram" else 30.0)
        for n in range(40):
            assert values[n] == pytest.approx(alone(n).at(Position(uniform[n : n + 1]))[0]), kind
            assert shares[n] == pytest.approx(alone(n).cdf(7.0 if kind == "histogram" else 30.0)), kind


def test_known_quantiles_come_out_and_lines_between_are_straight_on_the_scale_of_scores() -> None:
    plain, logarithmic = DRAWS["quantiles"], DRAWS["quantiles on the log scale"]
    for draw in (plain, logarithmic):
        assert at(draw, special.ndtr(SCORES)) == pytest.approx(KNOWN)
    middle = np.array([special.ndtr(0.5 * (SCORES[1] + SCORES[2]))])
    assert at(plain, middle) == pytest.approx(24)
    assert at(logarithmic, middle) == pytest.approx(np.sqrt(22 * 26))


def test_a_position_is_the_same_from_a_uniform_and_from_a_score() -> None:
    score = np.linspace(-4, 4, 101)
    for kind in ("normal(mean=120, sd=15)", "quantiles", "mixture", "gamma(shape=2.5, scale=3)"):
        from_score = DRAWS[kind].at(Position(score_or_none=score))
        assert from_score == pytest.approx(DRAWS[kind].at(Position(special.ndtr(score))), rel=1e-9)


# --- rules are clamped into the range asked for -----------------------------------------------------------------------


def expression(text: str) -> Expression:
    return Scope({"x": NUMBER}).bind(text)


NORMAL = FamilySpec(FAMILIES["normal"], {"mean": expression("100 + x"), "sd": constant(15)})
POISSON = FamilySpec(FAMILIES["poisson"], {"mean": constant(3)})
PREDICTOR = Predictor((Term(expression("x / 10"), constant(0.5)),))
AXIS = Breakdown((Axis("cell", ("one", "two")),))


@dataclass(frozen=True)
class Clamped:
    rule: Any
    low: float
    high: float


CLAMPED = {
    "a draw": Clamped(DrawRule(NORMAL), 120, 130),
    "a draw from one end up": Clamped(DrawRule(NORMAL), 130, np.inf),
    "a draw from one end down": Clamped(DrawRule(NORMAL), -np.inf, 80),
    "a whole number rounded down": Clamped(DrawRule(NORMAL, whole=True), 118, 121),
    "one whole number rounded down": Clamped(DrawRule(NORMAL, whole=True), 118, 118),
    "a count": Clamped(DrawRule(POISSON, whole=True), 2, 4),
    "one count": Clamped(DrawRule(POISSON, whole=True), 3, 3),
    "no count at all": Clamped(DrawRule(POISSON, whole=True), 0, 0),
    "a count from one end up": Clamped(DrawRule(POISSON, whole=True), 6, np.inf),
    "counts without rounding": Clamped(DrawRule(POISSON), 2, 4),
    "a histogram": Clamped(DrawRule(HistogramSpec(np.array([18.0, 40, 60, 90]), (constant(4), constant(3), constant(2))), whole=True), 39, 41),
    "quantiles": Clamped(DrawRule(QuantilesSpec(SCORES, tuple(constant(one) for one in KNOWN), True)), 20, 30),
    "a truncation": Clamped(DrawRule(TruncatedSpec(NORMAL, constant(90), constant(140))), 130, 200),
    "a point mass": Clamped(DrawRule(PointMassSpec(constant(0), constant(0.3), POISSON)), 0, 0),
    "above a point mass": Clamped(DrawRule(PointMassSpec(constant(0), constant(0.3), NORMAL)), 90, 110),
    "a mixture": Clamped(DrawRule(MixtureSpec((constant(0.5), constant(0.5)), (NORMAL, POISSON))), 2, 4),
    "a table of one family": Clamped(DrawRule(TableSpec(AXIS, (NORMAL, NORMAL))), 120, 130),
    "a table of two families": Clamped(DrawRule(TableSpec(AXIS, (NORMAL, POISSON))), 3, 130),
    "a condition that holds": Clamped(OddsRule(constant(-3), PREDICTOR), 1, 1),
    "a condition that doesn't": Clamped(OddsRule(constant(3), PREDICTOR), 0, 0),
    "a level": Clamped(LevelsRule(Shares(((constant(1), constant(2), constant(1)),))), 1, 1),
    "the last levels": Clamped(LevelsRule(Shares(((constant(1), constant(2), constant(1)),))), 1, 2),
    "a level of an order": Clamped(LevelsRule(ProportionalOdds((constant(-1), constant(2)), PREDICTOR)), 0, 0),
    "a level by cell": Clamped(LevelsRule(Shares(((constant(1), constant(1)), (constant(9), constant(1))), AXIS)), 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLAMPED)
def test_every_rule_lands_in_the_range_that_it_is_clamped_to(kind: str) -> None:
    case, n = CLAMPED[kind], 4000
    columns = {"x": np.linspace(-20, 20, n), "cell": np.arange(n) % 2}
    chance = np.random.default_rng(5).uniform(size=n)
    low, high = case.rule.span(columns, case.low, case.high)
    values = np.asarray(case.rule.values(Position(np.clip(low + chance * (high - low), 1e-15, 1 - 1e-15)), columns))
    assert (values >= case.low - 1e-9).all(), values.min()
    assert (values <= case.high + 1e-9).all(), values.max()


@pytest.mark.parametrize("kind", CLAMPED)
def test_a_clamped_rule_is_the_free_one_among_those_in_the_range(kind: str) -> None:
    case, n = CLAMPED[kind], 40_000
    columns = {"x": np.zeros(n), "cell": np.zeros(n, int)}
    uniform = (np.arange(n) + 0.5) / n
    free = np.asarray(case.rule.values(Position(uniform), columns), float)
    inside = free[(free >= case.low - 1e-9) & (free <= case.high + 1e-9)]
    low, high = case.rule.span(columns, case.low, case.high)
    assert np.mean(np.broadcast_to(high, n) - low) == pytest.approx(inside.size / n, abs=2e-4)
    clamped = np.asarray(case.rule.values(Position(np.clip(low + uniform * (high - low), 1e-15, 1 - 1e-15)), columns), float)  # fmt: skip
    assert clamped.mean() == pytest.approx(inside.mean(), rel=2e-3, abs=2e-3)
