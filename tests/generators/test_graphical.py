"""The algebra of the fit: trees, particles, contrasts and drawing agree with what can be worked out by counting."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from manikin.codebook import Bins, Domain
from manikin.generators.agreement import NO_KNOWLEDGE, flat_prior, together
from manikin.generators.graphical import (
    BLOCK,
    Independent,
    Measured,
    Particles,
    Places,
    Prior,
    drawing_from,
    fit,
    flat,
)
from manikin.generators.graphical.carrier import BentTree, CalibratedTree
from manikin.generators.graphical.contrasts import contrasts_of
from manikin.generators.graphical.evidence import softness
from manikin.generators.graphical.junction import tree_over
from manikin.generators.graphical.marginals import counted, spread, summed
from manikin.streams import Floats, Seed


@dataclass(frozen=True)
class Problem:
    """A small distribution over bins: shares of single variables, and tables by which they are bent."""

    shares: tuple[Floats, ...]
    tables: tuple[Places, ...]
    thetas: tuple[Floats, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(one) for one in self.shares)

    @property
    def everything(self) -> Places:
        return tuple(range(len(self.shares)))

    def joint(self) -> tuple[float, Floats]:
        """Return log Z, and the whole distribution, flat, by multiplying out."""
        joint = np.ones(1)
        for share in self.shares:
            joint = np.outer(joint, share).ravel()
        for table, theta in zip(self.tables, self.thetas, strict=True):
            joint = joint * np.exp(theta[spread(table, self.everything, self.shape)])
        return float(np.log(joint.sum())), joint / joint.sum()

    def over(self, places: Places) -> Floats:
        return summed(self.joint()[1], self.shape, self.everything, places)

    def bent(self) -> BentTree:
        return Independent(self.shares).bent_by(self.tables)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Distributions of up to five variables; some hang together, some stand alone, some have one bin."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    places = st.sets(st.integers(0, len(shape) - 1), min_size=1, max_size=3).map(lambda one: tuple(sorted(one)))
    tables = draw(st.lists(places, max_size=5, unique=True))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = tuple(chance.dirichlet(np.full(bins, 2.0)) + 1e-3 for bins in shape)
    thetas = tuple(chance.normal(0, 1.5, int(np.prod([shape[place] for place in one]))) for one in tables)
    return Problem(tuple(one / one.sum() for one in shares), tuple(tables), thetas)


def axes_of(shape: tuple[int, ...]) -> Domain:
    """Return variables with so many bins, levels and numbers by turns."""
    return Domain(
        tuple(
            Bins(f"v{place}", levels=tuple(f"l{level}" for level in range(bins)))
            if place % 2
            else Bins(f"v{place}", cuts=tuple(float(cut) for cut in range(1, bins)))
            for place, bins in enumerate(shape)
        )
    )


# --- trees ------------------------------------------------------------------------------------------------------------


@given(problem=problems())
def test_a_tree_has_the_constant_and_the_marginals_of_multiplying_out(problem: Problem) -> None:
    log_z, _ = problem.joint()
    found, marginals = problem.bent().evaluate(problem.thetas)
    assert found == pytest.approx(log_z, abs=1e-9)
    for table, marginal in zip(problem.tables, marginals, strict=True):
        assert marginal == pytest.approx(problem.over(table), abs=1e-12)


@given(problem=problems())
def test_any_order_of_variables_can_be_asked_for(problem: Problem) -> None:
    beliefs = problem.bent().beliefs(problem.thetas)
    for size in range(1, min(4, len(problem.shape) + 1)):
        for places in itertools.permutations(problem.everything, size):
            marginal = beliefs.over(places)
            if marginal is not None:
                assert marginal == pytest.approx(problem.over(places), abs=1e-12), places
    assert all(beliefs.over((place,)) is not None for place in problem.everything)


@given(problem=problems())
def test_a_tree_runs_through_every_variable_and_holds_every_wish(problem: Problem) -> None:
    tree = tree_over(problem.shape, problem.tables)
    assert {place for clique in tree.cliques for place in clique} == set(problem.everything)
    assert all(tree.home(table) >= 0 for table in problem.tables)
    for place in problem.everything:
        holding = [number for number, clique in enumerate(tree.cliques) if place in clique]
        # Running intersection: of the cliques with a variable, all but one share it with their parent.
        assert sum(place not in tree.separators[number] for number in holding) == 1


def test_without_any_wish_every_variable_stands_alone() -> None:
    problem = Problem((np.array([0.2, 0.8]), np.array([1.0]), np.array([0.5, 0.3, 0.2])), (), ())
    expected = problem.bent().expectation(())
    assert isinstance(expected, CalibratedTree)
    assert expected.over((2, 0)) == pytest.approx(np.outer(problem.shares[2], problem.shares[0]).ravel())
    assert problem.bent().evaluate(())[0] == pytest.approx(0)


@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_facts_condition_a_tree_as_bayes_would(problem: Problem, seed: int) -> None:
    chance = np.random.default_rng(seed)
    weights = {}
    for place in chance.permutation(problem.everything)[:2]:
        weight = chance.random(problem.shape[place]) * (chance.random(problem.shape[place]) < 0.7)
        weight[chance.integers(len(weight))] = 1.0
        weights[int(place)] = weight
    _, joint = problem.joint()
    for place, weight in weights.items():
        joint = joint * weight[spread((place,), problem.everything, problem.shape)]
    joint = joint / joint.sum()
    found = problem.bent().beliefs(problem.thetas).weighed(weights)
    for clique in found.tree.cliques:
        assert found.over(clique) == pytest.approx(summed(joint, problem.shape, problem.everything, clique), abs=1e-12)


# --- particles --------------------------------------------------------------------------------------------------------


@given(problem=problems())
def test_particles_in_every_cell_are_a_flat_tree(problem: Problem) -> None:
    cells = np.indices(problem.shape, np.int16).reshape(len(problem.shape), -1).T
    particles = Particles(cells, problem.shape).bent_by(problem.tables)
    log_z, marginals = particles.evaluate(problem.thetas)
    other, others = flat(problem.shape).bent_by(problem.tables).evaluate(problem.thetas)
    assert log_z == pytest.approx(other, abs=1e-9)
    for one, two in zip(marginals, others, strict=True):
        assert one == pytest.approx(two, abs=1e-12)
    expected = particles.expectation(problem.thetas)
    assert 0 < expected.effective <= 1 + 1e-12


@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_marginals_are_the_slope_of_the_constant(problem: Problem, seed: int) -> None:
    assume(problem.tables)
    chance, bent, step = np.random.default_rng(seed), problem.bent(), 1e-5
    _, marginals = bent.evaluate(problem.thetas)
    way = [chance.normal(size=theta.size) for theta in problem.thetas]
    ahead, behind = (
        bent.evaluate([theta + sign * step * one for theta, one in zip(problem.thetas, way, strict=True)])[0]
        for sign in (1, -1)
    )
    slope = sum(float(marginal @ one) for marginal, one in zip(marginals, way, strict=True))
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=1e-5)


# --- the fit ----------------------------------------------------------------------------------------------------------


def told_by(problem: Problem, noise: float, patients: float) -> list[Measured]:
    return [Measured(table, problem.over(table), noise, patients) for table in problem.tables]


@settings(max_examples=30)
@given(problem=problems())
def test_sure_tables_that_agree_are_reproduced(problem: Problem) -> None:
    assume(problem.tables and min(problem.over(table).min() for table in problem.tables) > 1e-3)
    found = fit(flat_prior(axes_of(problem.shape)), told_by(problem, 0.0, 1e12))
    for table in problem.tables:
        assert found.expected.over(table) == pytest.approx(problem.over(table), abs=2e-3)


@settings(max_examples=30)
@given(problem=problems())
def test_where_noise_drowns_everything_the_prior_stands(problem: Problem) -> None:
    prior = Prior(Independent(problem.shares), axes_of(problem.shape), NO_KNOWLEDGE)
    found = fit(prior, told_by(problem, 1e12, 1e3))
    assert all(np.abs(theta).max() < 1e-4 for theta in found.bend.values())
    for place in problem.everything:
        assert found.expected.over((place,)) == pytest.approx(problem.shares[place], abs=1e-4)


@settings(max_examples=30)
@given(problem=problems(), noise=st.sampled_from([1e-6, 1e-4, 1e-2]))
def test_the_fit_lies_where_the_dual_is_level(problem: Problem, noise: float) -> None:
    assume(problem.tables)
    found = fit(flat_prior(axes_of(problem.shape)), told_by(problem, noise, 1e4))
    for table, pull in found.pulls.items():
        functions, expected = pull.departure.contrasts.functions, np.maximum(pull.departure.expected, 0)
        along = functions.T @ (found.bend[table] * expected)
        met = functions.T @ (found.expected.over(table) - pull.departure.expected)
        soft = softness(pull.followed)
        unmet = met - (1 + soft) * pull.followed * pull.departure.seen + soft * along
        # The search ends within 0.02 standard deviations of the surest contrast, scaled by how stiff each is.
        scale = np.sqrt(1 + soft)
        surest = min(float(one.departure.uncertainty.min()) for one in found.pulls.values())
        assert np.abs(unmet / scale).max() < max(0.03 * surest**0.5, 1e-5)


def test_cells_that_are_not_told_are_left_as_they_were() -> None:
    domain = axes_of((4, 3))
    share = np.array([0.4, np.nan, 0.2, np.nan])
    found = fit(flat_prior(domain), [Measured((0,), share, 0.0, 1e9)])
    expected = found.expected.over((0,))
    assert np.isfinite(expected).all()
    assert expected.sum() == pytest.approx(1)
    assert expected[0] > expected[1] > expected[2] * 0.9
    nothing = fit(flat_prior(domain), [Measured((0, 1), np.full(12, np.nan), 0.0, 1e9)])
    assert nothing.expected.over((0, 1)) == pytest.approx(np.full(12, 1 / 12), abs=1e-6)


# --- contrasts --------------------------------------------------------------------------------------------------------


@given(problem=problems(), missing=st.booleans())
def test_contrasts_are_orthonormal_and_say_nothing_on_average(problem: Problem, missing: bool) -> None:
    shape = problem.shape[:3]
    axes = [
        Bins(one.name, one.levels, one.cuts, missing=missing and bins > 1)
        for one, bins in zip(axes_of(shape).axes, shape, strict=True)
    ]
    cells = int(np.prod([axis.count for axis in axes]))
    expected = np.random.default_rng(1).dirichlet(np.full(cells, 5.0)) + 1e-4
    expected /= expected.sum()
    found = contrasts_of(axes, expected)
    assert found.functions.shape == (cells, len(found.classes))
    assert len(found.classes) == min(cells, 160) - 1
    products = found.functions.T @ (found.functions * expected[:, None])
    assert products == pytest.approx(np.eye(len(found.classes)), abs=1e-8)
    assert found.functions.T @ expected == pytest.approx(np.zeros(len(found.classes)), abs=1e-8)


# --- tables of the same variables -------------------------------------------------------------------------------------


def test_tables_of_the_same_variables_are_pooled_by_their_certainty() -> None:
    sure = Measured((0,), np.array([0.6, 0.4]), 1e-6, 1e9)
    vague = Measured((0,), np.array([0.2, 0.8]), 3e-6, 1e9)
    (pooled,) = together([sure, vague])
    assert pooled.share == pytest.approx(np.array([0.5, 0.5]), abs=1e-3)
    assert pooled.noise == pytest.approx(1 / (1 / 1e-6 + 1 / 3e-6), rel=1e-3)
    assert pooled.patients > sure.patients


def test_where_one_table_is_silent_the_other_speaks() -> None:
    gap = Measured((0,), np.array([np.nan, 0.3, np.nan]), 1e-6, 1e4)
    full = Measured((0,), np.array([0.5, 0.3, np.nan]), 1e-6, 1e4)
    (pooled,) = together([gap, full])
    assert pooled.share[:2] == pytest.approx(np.array([0.5, 0.3]))
    assert np.isnan(pooled.share[2])
    other = Measured((1,), np.array([0.5, 0.5]), 0.0, 10)
    assert together([gap, other]) == [gap, other]


# --- drawing ----------------------------------------------------------------------------------------------------------


def rounded(problem: Problem, size: int, seed: int) -> tuple[Any, Any]:
    drawing = drawing_from(problem.bent().beliefs(problem.thetas))
    chance = np.random.default_rng(seed)
    return drawing, drawing.rounded(lambda _: np.maximum(chance.random(size), 2.0**-53), size)


@given(problem=problems(), size=st.integers(1, 3_000), seed=st.integers(0, 2**32 - 1))
def test_numbers_are_met_within_one_patient_given_what_was_drawn_before(problem: Problem, size: int, seed: int) -> None:
    drawing, codes = rounded(problem, size, seed)
    assert codes.shape == (size, len(problem.shape))
    for one in drawing.conditionals:
        found = counted(codes, problem.shape, (*one.given, one.place)).reshape(-1, problem.shape[one.place])
        shares = np.diff(one.cumulative, axis=0, prepend=0, append=1).T
        assert np.abs(found - found.sum(axis=1, keepdims=True) * shares).max() < 1 + 1e-6


@given(problem=problems())
def test_each_variable_is_drawn_once_given_what_it_hangs_on(problem: Problem) -> None:
    drawing, _ = rounded(problem, 1, 1)
    assert sorted(one.place for one in drawing.conditionals) == list(problem.everything)
    drawn = set[int]()
    for one in drawing.conditionals:
        assert set(one.given) <= drawn
        assert (np.diff(one.cumulative, axis=0) >= 0).all()
        drawn.add(one.place)


def test_nobody_is_favoured_by_where_they_stand_in_a_block() -> None:
    """False alarm rate: 5 places at 4.9 standard errors, 5e-6."""
    problem = Problem((np.array([0.5, 0.5]), np.full(3, 1 / 3)), ((0, 1),), (np.log([1, 2, 3, 6, 2, 1.0]),))
    size, times = 5, 4_000
    drawing = drawing_from(problem.bent().beliefs(problem.thetas))
    streams = [Seed(7).stream(str(place)) for place in range(2)]
    cells = np.zeros((size, 6))
    for number in range(times):
        codes = drawing.rounded(lambda place: streams[place].uniform(number * size, size), size)  # noqa: B023 - called at once
        cells[np.arange(size), codes[:, 0] * 3 + codes[:, 1]] += 1
    truth = problem.over((0, 1))
    assert (np.abs(cells / times - truth) < 4.9 * np.sqrt(truth * (1 - truth) / times)).all()


def test_what_was_never_measured_together_does_not_move_together() -> None:
    """A sampler that shares out in a fixed order makes such columns move together. False alarm rate: 1e-5."""
    size = BLOCK // 2
    shares = np.array([0.25, 0.5, 0.25])
    problem = Problem((shares,) * 4, ((0, 1), (2, 3)), (np.random.default_rng(1).normal(size=9), np.zeros(9)))
    _, codes = rounded(problem, size, 3)
    apart = np.outer(*(counted(codes, problem.shape, pair) / size for pair in ((0, 1), (2, 3))))
    found = counted(codes, problem.shape, (0, 1, 2, 3)).reshape(9, 9) / size
    # Chi-square on at most 64 degrees of freedom.
    assert size * ((found - apart) ** 2 / apart).sum() < 127


def test_one_by_one_and_shared_out_are_the_same_distribution() -> None:
    """False alarm rate: 27 cells at 5.2 standard errors, 6e-6."""
    chance, size = np.random.default_rng(5), 60_000
    problem = Problem(
        tuple(chance.dirichlet(np.full(3, 3.0)) for _ in range(3)), ((0, 1), (1, 2)), (chance.normal(size=9),) * 2
    )
    drawing = drawing_from(problem.bent().beliefs(problem.thetas))
    truth = problem.over((0, 1, 2))
    draws = [chance.random(size) for _ in range(3)]
    for codes in (drawing.independent(draws.__getitem__, size), drawing.rounded(draws.__getitem__, size)):
        found = counted(codes, problem.shape, (0, 1, 2)) / size
        assert (np.abs(found - truth) < 5.2 * np.sqrt(truth * (1 - truth) / size)).all()
