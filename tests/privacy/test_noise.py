"""Noise is as wide as its price, whole, centred, and never the same twice."""

from __future__ import annotations

import inspect
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from manikin import privacy
from manikin.errors import MissingExtraError
from manikin.privacy import Account, Budget, Ledger
from manikin.privacy.noise import choosing_noise, gaussian_noise
from manikin.streams import Seed

# Chance fails one of these in about a million runs.
FALSE_ALARM = 1e-6


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Ledger(tmp_path / "ledger.jsonl").account("hospital", Budget(1e6, 1e-6))


@pytest.mark.parametrize("sensitivity", [1.0, math.sqrt(2), 5.0])
@pytest.mark.parametrize("rho", [1e-6, 1e-3, 1 / 18, 0.5, 3.0, 100.0])
def test_the_mechanism_costs_what_was_paid(rho, sensitivity):
    import opendp.prelude as dp

    for made in (gaussian_noise(rho, sensitivity), choosing_noise(rho, sensitivity)):
        assert made.draw.output_measure == dp.zero_concentrated_divergence()
        assert rho * (1 - 1e-12) <= made.draw.map(sensitivity) <= rho
    assert gaussian_noise(rho, sensitivity).scale == pytest.approx(sensitivity / math.sqrt(2 * rho))
    assert choosing_noise(rho, sensitivity).scale == pytest.approx(2 * sensitivity / math.sqrt(8 * rho))


@pytest.mark.parametrize(("rho", "sensitivity"), [(0.005, 1.0), (0.125, 1.0), (0.125, 3.0), (2.0, 1.0)])
def test_noise_is_as_wide_as_its_price(account, rho, sensitivity):
    n = 40_000
    noisy = account.gaussian(np.full((n // 4, 4), 1000), rho, "age", sensitivity)
    noise = noisy.values - 1000
    assert noisy.values.dtype == np.int64
    assert noisy.values.shape == (n // 4, 4)
    edge = norm.isf(FALSE_ALARM / 2)
    assert abs(noise.mean()) < edge * noisy.sigma / math.sqrt(n)
    # The variance of a discrete Gaussian falls short of sigma² by less than a thousandth where sigma is above 0.8;
    # for 0.5 it is 0.2150, by its definition.
    variance = 0.2150 if noisy.sigma < 0.6 else noisy.sigma**2
    fourth = np.mean((noise - noise.mean()) ** 4.0)
    assert abs(noise.var() - variance) < edge * math.sqrt((fourth - variance**2) / n) + 1e-3 * variance


def test_noise_has_the_shape_of_a_discrete_gaussian(account):
    noisy = account.gaussian(np.zeros(50_000, np.int64), 0.125, "age")
    values = np.arange(-7, 8)
    shares = np.exp(-(values**2) / (2 * noisy.sigma**2))
    shares /= np.exp(-(np.arange(-60, 61) ** 2) / (2 * noisy.sigma**2)).sum()
    seen = [(noisy.values == value).sum() for value in values]
    rest = 50_000 - sum(seen)
    assert chisquare([*seen, rest], [*(50_000 * shares), 50_000 * (1 - shares.sum())]).pvalue > FALSE_ALARM


def test_choices_are_made_as_often_as_the_mechanism_says():
    made = choosing_noise(0.125, 1.0)
    scores = [0.0, 1.0, 3.0]
    weights = np.exp(np.array(scores) / made.scale)
    chosen = np.bincount([made.draw(scores) for _ in range(20_000)], minlength=3)
    assert chisquare(chosen, 20_000 * weights / weights.sum()).pvalue > FALSE_ALARM


def test_the_same_purchase_twice_gives_other_noise(account):
    counts = np.zeros(100, np.int64)
    first, second = (account.gaussian(counts, 0.01, "age") for _ in range(2))
    assert (first.values != second.values).any()
    assert first.receipt != second.receipt


def test_nothing_in_privacy_takes_a_seed(account):
    for name in privacy.__all__:
        thing = getattr(privacy, name)
        members = [thing, *(value for _, value in inspect.getmembers(thing, inspect.isfunction))]
        for member in filter(callable, members):
            parameters = inspect.signature(member).parameters
            assert not {"seed", "stream", "rng", "random_state", "generator"} & set(parameters)
            assert not any(
                "Seed" in str(one.annotation) or "Stream" in str(one.annotation) for one in parameters.values()
            )
    with pytest.raises(TypeError):
        account.gaussian([1], 0.01, "age", Seed(1))
    with pytest.raises(TypeError):
        account.gaussian([1], 0.01, "age", seed=Seed(1))


def test_without_opendp_it_says_what_to_install_and_spends_nothing(account, monkeypatch):
    before = account.left
    for name in [name for name in sys.modules if name.partition(".")[0] == "opendp"] or ["opendp"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "opendp", None)
    for buy in (account.gaussian, account.choose):
        with pytest.raises(MissingExtraError, match=r"pip install 'manikin\[site\]'"):
            buy([1, 2], 0.01, "age")
    assert account.left == before


def test_privacy_is_there_without_opendp():
    import subprocess

    code = "import manikin.privacy, sys; assert not [m for m in sys.modules if m.startswith('opendp')]"
    subprocess.run([sys.executable, "-c", code], check=True)
