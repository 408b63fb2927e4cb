"""The two currencies of a budget, and what is no budget."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from manikin.errors import BudgetError
from manikin.privacy import Budget, epsilon_of, rho_of
from manikin.privacy.budget import epsilon_at

rhos = st.floats(1e-9, 1e3)
epsilons = st.floats(1e-4, 1e3)
deltas = st.floats(1e-12, 0.1)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(BudgetError, match="Epsilon is a finite number above 0"):
        Budget(epsilon, 1e-6)
    with pytest.raises(BudgetError, match="Epsilon"):
        rho_of(epsilon, 1e-6)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_delta_that_is_none_is_refused(delta):
    with pytest.raises(BudgetError, match="Delta lies between 0 and 1"):
        Budget(1.0, delta)
    with pytest.raises(BudgetError, match="Delta"):
        epsilon_of(0.1, delta)


@pytest.mark.parametrize("rho", [-0.1, math.nan, math.inf])
def test_a_rho_that_is_none_is_refused(rho):
    with pytest.raises(BudgetError, match="Rho"):
        epsilon_of(rho, 1e-6)


@given(rhos, st.floats(1.001, 10), deltas)
def test_more_rho_is_more_epsilon(rho, factor, delta):
    assert epsilon_of(rho, delta) <= epsilon_of(rho * factor, delta)


@given(rhos, deltas, st.floats(1.001, 10))
def test_a_smaller_delta_is_more_epsilon(rho, delta, factor):
    assert epsilon_of(rho, delta) <= epsilon_of(rho, delta / factor)


@given(epsilons, deltas)
def test_the_budget_in_rho_is_the_most_that_keeps_the_promise(epsilon, delta):
    rho = rho_of(epsilon, delta)
    assert epsilon_of(rho, delta) <= epsilon
    assert epsilon_of(rho * (1 + 1e-6), delta) > epsilon


@given(rhos, deltas)
def test_the_conversion_is_never_looser_than_the_plain_formula(rho, delta):
    assert epsilon_of(rho, delta) <= rho + 2 * math.sqrt(-rho * math.log(delta))


@given(st.floats(1e-4, 10), st.floats(1e-10, 1e-2))
def test_the_conversion_never_promises_more_than_gaussian_noise_keeps(rho, delta):
    # Balle and Wang, arXiv:1805.06530, theorem 8: the exact delta of Gaussian noise of the same rho.
    epsilon, shift = epsilon_of(rho, delta), math.sqrt(2 * rho)
    exact = norm.cdf(shift / 2 - epsilon / shift) - math.exp(epsilon) * norm.cdf(-shift / 2 - epsilon / shift)
    assert exact <= delta * (1 + 1e-9)


@given(rhos, deltas, st.floats(1.0001, 1e4))
def test_no_other_order_gives_a_better_promise(rho, delta, order):
    assert epsilon_of(rho, delta) <= epsilon_at(order, rho, delta) + 1e-9


def test_the_conversion_is_the_one_of_opendp():
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.atom_domain(T="i64"), dp.absolute_distance(T="i64")
    for rho in (1e-4, 0.01, 0.3, 2.0, 20.0):
        gaussian = dp.m.make_gaussian(*space, scale=math.sqrt(0.5 / rho))
        curve = dp.c.make_zCDP_to_approxDP(gaussian).map(1)
        for delta in (1e-9, 1e-6, 1e-3):
            assert epsilon_of(rho, delta) == pytest.approx(curve.epsilon(delta), rel=1e-6)


def test_all_of_a_budget_keeps_its_promise_at_the_one_order():
    budget = Budget(1.0, 1e-6)
    assert budget.rho < epsilon_at(budget.order, budget.rho, budget.delta) <= budget.epsilon
