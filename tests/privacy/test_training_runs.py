"""Training runs under differential privacy: what they cost, and what their steps give away."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manikin.errors import BudgetError
from manikin.privacy import Account, Budget, Ledger, NoisySteps, Run, affordable, buy_run, epsilon_at
from manikin.privacy.training import clipped

RUNS = (Run(0.01, 1000, 1.1), Run(0.25, 100, 6.0), Run(0.5, 20, 3.0), Run(1.0, 10, 8.0))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Ledger(tmp_path / "ledger.jsonl").account("a ward", Budget(1, 1e-6))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("order", [2, 5, 17, 40])
def test_a_run_costs_what_the_accountant_of_opacus_says(run: Run, order: int) -> None:
    rdp = pytest.importorskip("opacus.accountants.analysis.rdp")
    known = rdp.compute_rdp(q=run.rate, noise_multiplier=run.noise, steps=run.steps, orders=float(order))
    assert run.divergence(order) == pytest.approx(known, rel=1e-6)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("order", [1.4, 2.5, 8.9, 21.98])
def test_between_whole_orders_the_price_is_never_too_low(run: Run, order: float) -> None:
    rdp = pytest.importorskip("opacus.accountants.analysis.rdp")
    known = rdp.compute_rdp(q=run.rate, noise_multiplier=run.noise, steps=run.steps, orders=order)
    assert known * (1 - 1e-9) <= run.divergence(order) <= (1.5 if order < 2 else 1.1) * known


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("epsilon", [1.0, 3.0, 10.0])
def test_the_tightest_accountant_finds_no_more_epsilon_than_was_stated(epsilon: float) -> None:
    accountants = pytest.importorskip("opacus.accountants")
    budget = Budget(epsilon, 1e-6)
    run = affordable(0.05, 400, budget.rho, budget.order)
    accountant = accountants.PRVAccountant()
    accountant.history = [(run.noise, run.rate, run.steps)]
    assert 0.85 * epsilon < accountant.get_epsilon(budget.delta) <= epsilon


def test_without_sampling_a_run_is_plain_normal_noise() -> None:
    assert Run(1.0, 7, 3.0).price(12.3) == pytest.approx(7 / (2 * 3.0**2))


@given(st.floats(1e-3, 1), st.integers(1, 2000), st.floats(1e-4, 2), st.floats(1.5, 60))
def test_the_least_noise_that_can_be_afforded_costs_all_there_is_and_no_more(
    rate: float, steps: int, rho: float, order: float
) -> None:
    price = affordable(rate, steps, rho, order).price(order)
    assert price <= rho
    # Where hardly any noise is enough, the least that is ever added costs less.
    assert price >= 0.999 * rho or affordable(rate, steps, rho, order).noise < 0.011


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 1.1}, {"steps": 0}, {"noise": 0.0}, {"noise": math.nan}])
def test_a_run_that_cannot_be_taken_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BudgetError, match="A run takes 1 step or more"):
        Run(**{"rate": 0.1, "steps": 10, "noise": 1.0, **wrong})  # type: ignore[arg-type]


def test_a_run_is_on_record_before_its_first_step_and_none_is_taken_beyond_it(account: Account) -> None:
    steps = buy_run(account, 0.1, 3, 1.0, 0.5 * account.budget.rho, "a network")
    bought = account.statement.purchases[-1]
    assert bought.receipt == steps.receipt
    assert bought.rho <= 0.5 * account.budget.rho
    assert account.left == pytest.approx(0.5 * account.budget.rho, rel=1e-3)
    for _ in range(3):
        steps.summed(np.zeros((0, 2), np.float32))
    with pytest.raises(BudgetError, match="3 steps were bought, and all of them are taken"):
        steps.summed(np.zeros((0, 2), np.float32))


def test_what_a_part_of_the_budget_promises_is_told_at_the_order_of_its_price(account: Account) -> None:
    buy_run(account, 0.1, 3, 1.0, 0.5 * account.budget.rho, "a network")
    statement = account.statement
    assert statement.epsilon == epsilon_at(account.budget.order, statement.spent, account.budget.delta)
    assert statement.epsilon < account.budget.epsilon


def test_a_run_over_what_is_left_is_refused_and_costs_nothing(account: Account) -> None:
    with pytest.raises(BudgetError, match="is left"):
        buy_run(account, 0.1, 3, 1.0, 2 * account.budget.rho, "a network")
    assert account.left == account.budget.rho


@given(st.lists(st.lists(st.floats(allow_nan=True, width=32), min_size=3, max_size=3), min_size=1, max_size=9))
def test_one_patient_moves_a_sum_by_the_clip_at_most(rows: list[list[float]]) -> None:
    asked = np.array(rows, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = clipped(asked, 0.7) - clipped(asked[1:], 0.7)
    assert np.linalg.norm(moved) <= 0.7 * (1 + 1e-5)


def test_noise_is_as_wide_as_what_was_paid_for() -> None:
    # Of 40,000 normal deviates, the standard deviation misses by 2.5% once in a million times.
    found = NoisySteps(Run(0.3, 1, 4.0), 0.5, "").summed(np.zeros((5, 40_000), np.float32))
    assert found.std() == pytest.approx(2.0, rel=0.025)
    assert abs(found.mean()) < 0.06


def test_noise_is_never_drawn_twice() -> None:
    steps = NoisySteps(Run(0.3, 2, 4.0), 0.5, "")
    first, second = (steps.summed(np.zeros((1, 8), np.float32)) for _ in range(2))
    assert (first != second).all()


@settings(max_examples=20)
@given(st.floats(0.05, 1))
def test_each_patient_takes_part_with_the_chance_that_was_paid_for(rate: float) -> None:
    who = NoisySteps(Run(rate, 1, 1.0), 1.0, "").who(40_000)
    # Six standard deviations: a false alarm in 20 examples once in ten million times.
    assert abs(len(who) - 40_000 * rate) <= 6 * math.sqrt(40_000 * rate * (1 - rate)) + 1e-9
    assert len(np.unique(who)) == len(who)
