"""The audit of our own guarantee: it lets the honest measurement pass, and catches each bug that is planted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.audit.bounds import audited, gaussian_epsilon, one_run_epsilon
from benchmarks.audit.bugs import BUGS, honest, honest_with_crashes
from benchmarks.audit.choices import CHOICE_EPSILON, choice_epsilon, choices
from benchmarks.audit.reader import read
from benchmarks.audit.world import World, world_of
from scipy.stats import norm

from manikin.privacy import Budget, epsilon_of

BUDGET = Budget(1.0, 1e-6)
CANARIES = 8_192
# Privacy noise has no seed: the honest one is refuted by chance in fewer than one in a million runs, and a bug that
# is judged at 95% goes unnoticed in fewer than one in ten thousand.
SURE = 1 - 1e-6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_of(CANARIES, tmp_path_factory.mktemp("canaries"), np.random.default_rng(2026))


@pytest.mark.slow
@pytest.mark.parametrize("measured", [honest, honest_with_crashes])
def test_nobody_learns_more_of_a_patient_than_was_stated(world, measured):
    assert audited(read(world, measured(world, BUDGET)), BUDGET.delta, SURE).epsilon <= BUDGET.epsilon


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_the_audit_catches(world, bug):
    assert audited(read(world, BUGS[bug](world, BUDGET)), BUDGET.delta).epsilon > BUDGET.epsilon


@pytest.mark.slow
def test_choices_tell_no_more_than_was_stated_and_twice_as_much_is_caught(tmp_path: Path):
    assert choice_epsilon(choices(600, tmp_path), 600, SURE) <= CHOICE_EPSILON
    assert choice_epsilon(choices(2_000, tmp_path, halved=True), 2_000) > CHOICE_EPSILON


def test_the_reader_sees_who_was_measured_without_noise(tmp_path: Path):
    world = world_of(1_000, tmp_path, np.random.default_rng(1))
    guesses = read(world, honest(world, Budget(100_000.0, 1e-6)))
    assert guesses.right() == (1_000, 1_000)


@pytest.mark.parametrize("rho", [0.005, 0.02, 0.2, 2.0])
def test_gaussian_noise_costs_a_little_less_than_its_rho_implies(rho):
    shift, delta = math.sqrt(2 * rho), 1e-6
    exact = gaussian_epsilon(shift, delta)
    assert 0.85 * epsilon_of(rho, delta) < exact < epsilon_of(rho, delta)
    tail = norm.cdf(shift / 2 - exact / shift) - math.exp(exact) * norm.cdf(-shift / 2 - exact / shift)
    assert tail == pytest.approx(delta, rel=1e-3)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_guesses_as_good_as_epsilon_allows_refute_it_no_oftener_than_stated(epsilon):
    # Randomised response is the mechanism of which most can be guessed. 2,000 audits, of which 2.5% may refute.
    hits = np.random.default_rng(7).binomial(500, 1 / (1 + math.exp(-epsilon)), 2_000)
    proven = {right: one_run_epsilon(500, int(right), 500, 0.0, 0.025) for right in np.unique(hits)}
    refuted = np.mean([proven[right] > epsilon for right in hits])
    assert 0.005 < refuted < 0.025 + 4 * math.sqrt(0.025 / 2_000)


def test_a_large_delta_excuses_some_right_guesses():
    assert one_run_epsilon(1_000, 100, 100, 1e-3, 0.025) < one_run_epsilon(1_000, 100, 100, 0.0, 0.025)
