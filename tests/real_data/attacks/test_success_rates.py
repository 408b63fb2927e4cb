"""Rates, their ratio and the curves are those that scikit-learn and SciPy compute, and their intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from manikin.privacy import Budget
from manikin.real_data.attacks.choosing import Scored, best_claims, best_ranking, resolves, surest
from manikin.real_data.attacks.membership import largest_auc, most_found
from manikin.real_data.attacks.rates import Rate, clopper_pearson, difference, ratio_at_least
from manikin.real_data.attacks.roc import above, auc, roc, threshold
from manikin.streams import Floats, Seed

# Few distinct scores, so that there are ties.
scores = st.lists(st.integers(0, 12), min_size=2, max_size=60).map(lambda some: np.array(some, float))


@given(scores, scores)
def test_the_curve_and_its_area_are_those_of_scikit_learn(members: Floats, others: Floats) -> None:
    labels = np.repeat([1, 0], [len(members), len(others)])
    both = np.concatenate([members, others])
    false, true, _ = roc_curve(labels, both, drop_intermediate=False)
    curve = roc(members, others)
    assert curve.false == pytest.approx(false)
    assert curve.true == pytest.approx(true)
    assert auc(members, others).value == pytest.approx(roc_auc_score(labels, both))
    for share in (0.0, 0.01, 0.2, 1.0):
        assert curve.at(share) == pytest.approx(true[false <= share + 1e-12].max())


@given(scores, st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_a_threshold_lets_no_more_through_than_asked(others: Floats, share: float) -> None:
    assert above(others, threshold(others, share)).value <= share


@given(scores, scores, st.randoms(use_true_random=False))
def test_the_order_of_people_changes_nothing(members: Floats, others: Floats, chance: object) -> None:
    rng = np.random.default_rng(chance.randrange(1000))  # type: ignore[attr-defined]
    mixed = rng.permutation(members), rng.permutation(others)
    assert auc(*mixed).value == pytest.approx(auc(members, others).value)
    assert (roc(*mixed).true == roc(members, others).true).all()


@pytest.mark.parametrize("counts", [(0, 50), (3, 50), (50, 50)])
def test_shares_have_the_interval_of_clopper_and_pearson(counts: tuple[int, int]) -> None:
    exact = binomtest(*counts).proportion_ci(0.95, method="exact")
    assert clopper_pearson(*counts) == pytest.approx((exact.low, exact.high))


def test_a_ratio_is_as_sure_as_an_even_split_is_unlikely() -> None:
    # All of 10 successes on one of two equal sides: a chance of 2^-10.
    assert ratio_at_least(Rate(10, 100), Rate(0, 100), 1 - 2**-10) == pytest.approx(1.0)
    assert ratio_at_least(Rate(0, 100), Rate(5, 100), 0.99) == 0.0
    assert ratio_at_least(Rate(20, 200), Rate(5, 100), 0.9) == pytest.approx(
        0.5 * ratio_at_least(Rate(20, 100), Rate(5, 100), 0.9)
    )


def test_a_difference_has_newcombes_interval() -> None:
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, table II, (a) 56/70 and 48/80.
    assert difference(Rate(56, 70), Rate(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_bound_of_a_ratio_holds_where_the_threshold_is_set_on_those_who_are_judged() -> None:
    """At a confidence of 90% it lies above 1 in 10% of honest worlds; 14% of 2,000 are 6 standard errors more."""
    rng = np.random.default_rng(1)
    wrong = 0
    for world in range(2_000):
        scored = {str(one): Scored(rng.normal(size=100), rng.normal(size=100)) for one in range(3)}
        wrong += best_claims(scored, 0.1, Seed(world)).ratio_at_least(0.9) > 1
    assert 0.06 < wrong / 2_000 < 0.14


def test_choosing_among_attacks_that_know_nothing_finds_nothing() -> None:
    """The best area of 12 blind attacks is above a half; the one reported is not, to 4 standard errors of 0.0024."""
    rng = np.random.default_rng(2)
    best, reported = [], []
    for world in range(60):
        scored = {str(one): Scored(rng.normal(size=500), rng.normal(size=500)) for one in range(12)}
        best.append(max(auc(one.members, one.others).value for one in scored.values()))
        reported.append(best_ranking(scored, Seed(world)).auc.value)
    assert np.mean(best) > 0.52
    assert np.mean(reported) == pytest.approx(0.5, abs=0.01)


def test_the_attack_that_knows_is_chosen() -> None:
    rng = np.random.default_rng(3)
    blind = {str(one): Scored(rng.normal(size=400), rng.normal(size=400)) for one in range(5)}
    knows = Scored(rng.normal(2, 1, 400), rng.normal(size=400))
    found = best_claims({**blind, "knows": knows}, 0.01, Seed(1))
    assert found.chosen == ("knows", "knows")
    assert found.ratio_at_least(0.999) > 5
    assert found.false.value <= 0.01


def test_who_is_claimed_every_time_is_counted_as_sure() -> None:
    rng = np.random.default_rng(4)
    members = [np.append(rng.normal(size=99), 10.0) for _ in range(8)]
    found, others = surest([Scored(one, rng.normal(size=100)) for one in members], 0.01, 0.9)
    assert (found.count, others.count) == (1, 0)


def test_a_share_is_resolved_if_it_is_one_person() -> None:
    assert resolves(2_000, 0.001)
    assert not resolves(1_999, 0.001)


def test_what_differential_privacy_allows() -> None:
    promised = Budget(1.0, 1e-6)
    assert most_found(promised, np.array([0.01]))[0] == pytest.approx(np.e * 0.01 + 1e-6)
    assert most_found(promised, np.array([1.0]))[0] == 1.0
    # e/(1+e): the area under two lines that meet where both errors are equal.
    assert largest_auc(promised) == pytest.approx(np.e / (1 + np.e), abs=1e-4)
