"""Promises of combining what releases say."""

import statistics
from math import sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from manikin.errors import RequestError
from manikin.inference import combined

NUMBERS = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))
ESTIMATES = st.lists(NUMBERS, min_size=2, max_size=40).filter(lambda found: max(found) - min(found) > 0.01)


@given(ESTIMATES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_without_variances_the_interval_is_that_of_one_more_draw_from_a_normal_sample(estimates, level):
    # A prediction interval: Hahn and Meeker, Statistical Intervals, 1991, section 4.7.
    m = len(estimates)
    scale = statistics.stdev(estimates) * sqrt(1 + 1 / m)
    expected = stats.t.interval(level, m - 1, statistics.fmean(estimates), scale)
    assert combined(estimates).interval(level) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(ESTIMATES, st.lists(st.floats(0, 10), min_size=40, max_size=40))
def test_with_variances_the_rule_is_that_of_raghunathan_reiter_and_rubin(estimates, variances):
    m = len(estimates)
    between, within = statistics.variance(estimates), statistics.fmean(variances[:m])
    assume(within < 0.499 * (1 + 1 / m) * between)
    found = combined(estimates, variances[:m])
    assert found.variance == pytest.approx((1 + 1 / m) * between - within)
    assert found.degrees_of_freedom == pytest.approx((m - 1) * (1 - within / ((1 + 1 / m) * between)) ** 2)


@given(ESTIMATES, st.floats(0, 1e6))
def test_variances_never_make_the_variance_larger_or_negative(estimates, variance):
    found, without = combined(estimates, [variance] * len(estimates)), combined(estimates)
    assert 0 < found.variance <= without.variance


def test_where_chance_within_releases_is_most_of_it_nothing_is_subtracted():
    assert combined([1.0, 2.0, 3.0], [1.0] * 3) == combined([1.0, 2.0, 3.0])


@given(ESTIMATES, st.floats(-100, 100), st.floats(0.01, 100))
def test_another_unit_changes_the_unit_alone(estimates, shift, factor):
    one, other = combined(estimates), combined([shift + factor * each for each in estimates])
    low, high = one.interval()
    assert other.interval() == pytest.approx((shift + factor * low, shift + factor * high), rel=1e-6, abs=1e-6)


@given(ESTIMATES, NUMBERS)
def test_a_test_rejects_what_lies_outside_the_interval(estimates, null):
    found = combined(estimates)
    low, high = found.interval(0.95)
    assume(min(abs(low - null), abs(high - null)) > 1e-6)
    assert (found.p_value(null) < 0.05) == (not low <= null <= high)


def test_releases_that_agree_to_the_last_digit_leave_no_doubt():
    found = combined([0.25, 0.25, 0.25])
    assert found.interval() == (0.25, 0.25)
    assert (found.p_value(0.25), found.p_value(0.0)) == (1.0, 0.0)


@settings(max_examples=5)
@given(st.sampled_from([2, 5, 20]), st.integers(0, 2**32))
def test_intervals_cover_as_often_as_they_say(m, seed):
    # A posterior that is calibrated: the truth is one more draw of it. 2,000 intervals; false alarm below 1 in 100,000.
    chance = np.random.default_rng(seed)
    draws = chance.normal(size=(2_000, m + 1))
    bounds = [combined(list(one[:m])).interval(0.9) for one in draws]
    covered = np.mean([low <= truth <= high for (low, high), truth in zip(bounds, draws[:, m], strict=True)])
    assert abs(covered - 0.9) < 0.03


@pytest.mark.parametrize(
    ("estimates", "variances", "words"),
    [
        ([1.0], None, "got 1"),
        ([], None, "got 0"),
        ([1.0, np.nan, 2.0], None, "estimate of release 2 is nan"),
        ([1.0, 2.0], [0.1, np.inf], "variance of release 2 is inf"),
        ([1.0, 2.0], [0.1], "Each of the 2 estimates"),
        ([1.0, 2.0], [0.1, -0.1], "0 or more"),
    ],
)
def test_what_cannot_be_combined_is_refused(estimates, variances, words):
    with pytest.raises(RequestError, match=words):
        combined(estimates, variances)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(RequestError, match=r"such as 0\.95"):
        combined([1.0, 2.0]).interval(level)
