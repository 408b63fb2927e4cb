"""Chance by address: whatever is asked in whatever order, an address has one draw, and no two addresses share it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from manikin.errors import RequestError
from manikin.streams import MAX_ATTEMPTS, MAX_PATIENTS, MAX_SEED, Seed

SEEDS = st.integers(0, MAX_SEED)
NAMES = st.lists(st.text(max_size=6), min_size=1, max_size=4)
FIRSTS = st.integers(0, MAX_PATIENTS - 1_000)


@given(SEEDS, FIRSTS, st.integers(0, 1000), st.lists(st.integers(0, 200), max_size=8))
def test_any_split_of_a_range_gives_the_same_draws(seed: int, first: int, attempt: int, sizes: list[int]) -> None:
    stream = Seed(seed).stream("age")
    pieces, place = [np.empty(0)], first
    for size in sizes:
        pieces.append(stream.uniform(place, size, attempt))
        place += size
    assert np.array_equal(np.concatenate(pieces), stream.uniform(first, sum(sizes), attempt))


@given(SEEDS, FIRSTS, st.sets(st.integers(0, 900), max_size=30), st.integers(0, 1 << 20))
def test_scattered_patients_have_the_draws_they_have_in_a_row(
    seed: int, first: int, places: set[int], attempt: int
) -> None:
    stream = Seed(seed).stream("age")
    ordinals = np.array(sorted(places), np.int64) + first
    alone = [stream.uniform(int(one), 1, attempt)[0] for one in ordinals]
    assert np.array_equal(stream.uniform_at(ordinals, attempt), alone)


def test_attempts_are_stretches_that_never_overlap() -> None:
    stream = Seed(1).stream("age")
    last = stream.uniform(MAX_PATIENTS - 4, 4, attempt=0)
    # The place after the last patient's is the first patient's next attempt, and not before.
    joined = stream.uniform(MAX_PATIENTS - 4, 8, attempt=0)
    assert np.array_equal(joined[:4], last)
    assert np.array_equal(joined[4:], stream.uniform(0, 4, attempt=1))
    draws = np.concatenate([stream.uniform(0, 500, attempt) for attempt in (0, 1, 2, 1 << 16, MAX_ATTEMPTS - 1)])
    assert len(set(draws.tolist())) == draws.size


def test_the_furthest_address_lies_within_the_generator_s_period() -> None:
    # Philox4x64 counts to 2^256; a place is below 2^72 words, so that an address never wraps round to another.
    assert MAX_ATTEMPTS * MAX_PATIENTS // 4 < 1 << 256


@given(SEEDS, NAMES, NAMES)
def test_different_names_never_share_a_stream(seed: int, one: list[str], other: list[str]) -> None:
    assert (Seed(seed).stream(*one) == Seed(seed).stream(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("ab",), ("a", "b")),
        (("a", ""), ("a",)),
        (("1:a",), ("", "a")),
        (("é",), ("e\u0301",)),
        (("a", "1:b"), ("a1:b",)),
    ],
)
def test_parts_of_a_name_never_run_together(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert Seed(1).stream(*one) != Seed(1).stream(*other)


def test_a_seed_and_the_first_part_of_a_name_never_run_together() -> None:
    assert Seed(1).stream("1", "a") != Seed(11).stream("a")


@given(st.integers(0, MAX_SEED - 1))
def test_neighbouring_seeds_share_nothing(seed: int) -> None:
    one, other = (Seed(value).stream("age").uniform(0, 100) for value in (seed, seed + 1))
    assert not set(one) & set(other)


def test_draws_lie_strictly_between_0_and_1() -> None:
    draws = Seed(1).stream("age").uniform(0, 1_000_000)
    assert draws.min() > 0
    assert draws.max() < 1


@pytest.mark.parametrize("seed", range(10))
def test_draws_are_uniform(seed: int) -> None:
    # False-alarm rate 1e-6 for each of 10 seeds, which are fixed.
    assert stats.kstest(Seed(seed).stream("age").uniform(0, 100_000), "uniform").pvalue > 1e-6


def test_a_bent_row_of_draws_would_be_noticed() -> None:
    assert stats.kstest(Seed(1).stream("age").uniform(0, 100_000) ** 1.03, "uniform").pvalue < 1e-6


def test_streams_of_different_names_and_attempts_are_unrelated() -> None:
    one = Seed(1).stream("age").uniform(0, 100_000)
    others = [Seed(1).stream("sex").uniform(0, 100_000), Seed(1).stream("age").uniform(0, 100_000, 1), np.roll(one, 1)]
    # 5 standard errors: a false-alarm rate of 6e-7 each.
    assert all(abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(100_000) for other in others)


@given(SEEDS, FIRSTS)
def test_no_two_patients_share_an_identifier(seed: int, first: int) -> None:
    found = Seed(seed).permuted(np.arange(first, first + 1_000, dtype=np.int64))
    assert len(set(found.tolist())) == 1_000


def test_identifiers_do_not_tell_a_patient_s_place() -> None:
    found = Seed(1).permuted(np.arange(100_000, dtype=np.int64)).astype(np.float64) / 2**64
    assert stats.kstest(found, "uniform").pvalue > 1e-6
    assert abs(np.corrcoef(found, np.arange(100_000))[0, 1]) < 5 / np.sqrt(100_000)


def test_draws_of_today_are_those_of_every_later_version() -> None:
    # Golden: a library that changed any of these would change every release that was ever made.
    stream = Seed(1).stream("age")
    assert stream.key == GOLDEN_KEY
    assert stream.uniform(0, 3).tolist() == GOLDEN_FIRST
    assert stream.uniform(123_456_789, 2, attempt=65_537).tolist() == GOLDEN_FAR
    assert Seed(1).permuted(np.array([0, 1, 2])).tolist() == GOLDEN_IDENTIFIERS


@pytest.mark.parametrize("value", [0, 1, MAX_SEED])
def test_seeds_within_bounds_are_taken(value: int) -> None:
    assert 0 < Seed(value).stream("a").uniform(0, 1)[0] < 1


@pytest.mark.parametrize("value", [-1, MAX_SEED + 1, 1 << 200])
def test_seeds_out_of_bounds_are_refused_with_the_bounds(value: int) -> None:
    with pytest.raises(RequestError, match=f"from 0 to {MAX_SEED}"):
        Seed(value)


GOLDEN_KEY = 243_440_380_104_461_220_081_266_970_770_882_366_290
GOLDEN_FIRST = [0.13602526473059862, 0.7976038893899093, 0.6146732301826018]
GOLDEN_FAR = [0.06788307155919437, 0.4993575451493588]
GOLDEN_IDENTIFIERS = [13700559127659062741, 9970798366398577952, 4563158611086521596]
