"""Sites that add what they measured learn what their records together would have told."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from facts import AGE, HBA1C, SEX, exact, facts, table
from hypothesis import given, settings
from hypothesis import strategies as st

from manikin.aggregates import (
    Aggregate,
    Aggregates,
    CodebookName,
    Kind,
    Patients,
    Protection,
    Tier,
    Told,
    about_everyone,
    canonical,
    combine,
    disagreements,
    loads,
    patients_of,
    to_json,
)
from manikin.codebook import Bins, Domain
from manikin.errors import AggregatesError

NAMES = ("east", "north", "south", "west")


def site(name: str, *tables: Aggregate, patients: float = 200, noise: float = 3.0, **changes: Any) -> Aggregates:
    told = Patients(patients, Told.NOISY, noise)
    private = Protection(Kind.PRIVATE, 1.0, 1e-6, 0.02, 3.0, f"head of {name}")
    return facts(*tables, site=name, **{"patients": told, "protection": private, **changes})


@st.composite
def several(draw: st.DrawFn, least: int = 2) -> list[Aggregates]:
    """Sites that measured different tables, in different order, with different noise."""
    found = []
    for name in draw(st.permutations(NAMES))[: draw(st.integers(least, 4))]:
        tables = []
        for axes in draw(st.lists(st.sampled_from([(SEX,), (AGE,), (SEX, AGE), (AGE, SEX)]), min_size=1, unique=True)):
            shape = tuple(axis.count for axis in axes)
            counts = draw(st.lists(st.integers(-5, 500), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
            noise = draw(st.sampled_from((1.0, 2.5, 4.0)))
            tables.append(table(*axes, values=np.reshape(counts, shape), noise=noise, rho=0.001))
        found.append(site(name, *tables, patients=draw(st.integers(1, 1000))))
    return found


def _same(one: Aggregates, other: Aggregates) -> None:
    assert one.parts == other.parts
    assert (one.protection, one.tier, one.source, one.population) == (
        other.protection,
        other.tier,
        other.source,
        other.population,
    )
    assert one.patients.number == pytest.approx(other.patients.number)
    assert one.patients.noise == pytest.approx(other.patients.noise)
    for mine, theirs in zip(one.aggregates, other.aggregates, strict=True):
        assert (mine.axes, mine.sites, mine.mechanism) == (theirs.axes, theirs.sites, theirs.mechanism)
        np.testing.assert_allclose(mine.values, theirs.values)
        assert mine.noise == pytest.approx(theirs.noise)


@given(several(), st.randoms())
def test_the_order_of_sites_changes_nothing(sites: list[Aggregates], random: Any) -> None:
    shuffled = sites[:]
    random.shuffle(shuffled)
    _same(combine(sites), combine(shuffled))


@given(several(least=3))
def test_it_makes_no_difference_who_is_combined_first(sites: list[Aggregates]) -> None:
    first, second, *rest = sites
    _same(combine([combine([first, second]), *rest]), combine(sites))
    _same(combine([first, combine([second, *rest])]), combine(sites))


@given(several())
def test_what_is_combined_is_written_and_read_back(sites: list[Aggregates]) -> None:
    one = combine(sites)
    assert canonical(loads(to_json(one))) == canonical(one)
    _same(loads(to_json(about_everyone(one))), about_everyone(one))


@given(st.integers(2, 4), st.data())
def test_the_sum_is_that_of_the_records_together(count: int, data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=count, max_size=60)))
    where = np.arange(len(rows)) % count

    def counted(mine: np.ndarray) -> tuple[Aggregate, ...]:
        both = np.zeros((2, 3))
        np.add.at(both, (mine[:, 0], mine[:, 1]), 1)
        return table(SEX, AGE, values=both, noise=0, rho=0), table(AGE, values=both.sum(0), noise=0, rho=0)

    sites = [exact(*counted(rows[where == k]), site=NAMES[k], patients=int((where == k).sum())) for k in range(count)]
    pooled = {tuple(sorted(one.attributes)): one for one in counted(rows)}
    together = combine(sites)
    assert together.patients == Patients(len(rows), Told.EXACT)
    for one in together.aggregates:
        expected = pooled[one.attributes].margin(one.attributes)
        np.testing.assert_array_equal(one.values, expected.values)
        assert one.noise == 0


def test_noise_adds_as_variances_and_the_price_is_that_of_one_patient() -> None:
    one = combine([site(name, table(SEX, noise=noise)) for name, noise in zip(NAMES, (3.0, 4.0, 12.0), strict=False)])
    assert one.aggregates[0].noise == pytest.approx(13.0)
    assert one.aggregates[0].rho == 0.005
    assert one.patients.noise == pytest.approx(3 * 3**0.5)
    assert one.protection == Protection(Kind.COMBINED, 1.0, 1e-6, 0.02)
    assert one.made == date(2026, 1, 31)


def test_noise_that_was_drawn_has_the_width_that_is_stated() -> None:
    # 800 sums of three noisy cells; the estimate of a standard deviation is within 10% of it but once in 10,000.
    rng = np.random.default_rng(11)
    sums = [
        combine(
            [
                site(name, table(SEX, values=100 + rng.normal(0, sd, 2), noise=sd))
                for name, sd in zip("abc", (2.0, 3.0, 6.0), strict=True)
            ]
        ).aggregates[0]
        for _ in range(400)
    ]
    spread = np.std([one.values for one in sums])
    assert spread == pytest.approx(sums[0].noise, rel=0.1)


def test_what_one_site_measured_twice_is_averaged_by_precision() -> None:
    twice = site("north", table(SEX, values=[100, 100], noise=1.0), table(SEX, values=[110, 90], noise=3.0))
    one = combine([twice, site("south", table(SEX, values=[0, 0], noise=2.0))]).aggregates[0]
    np.testing.assert_allclose(one.values, [101, 99])
    assert one.noise == pytest.approx(np.sqrt(0.9 + 4))
    assert one.rho == pytest.approx(0.01)


def test_a_table_says_whose_it_is() -> None:
    sites = [site("a", table(SEX), table(AGE)), site("b", table(SEX), table(AGE)), site("c", table(SEX))]
    by_name = {one.attributes: one for one in combine(sites).aggregates}
    assert by_name["sex",].sites == ()
    assert by_name["age",].sites == ("a", "b")
    assert patients_of(combine(sites), by_name["age",]) == 400
    assert patients_of(combine(sites), by_name["sex",]) == 600
    assert patients_of(sites[0], sites[0].aggregates[0]) == 200


def test_a_cell_that_one_site_suppressed_is_not_told_by_all() -> None:
    one = combine(
        [
            exact(table(SEX, values=[np.nan, 50], noise=0, rho=0), site="a"),
            exact(table(SEX, values=[60, 50], noise=0, rho=0), site="b"),
        ]
    )
    assert one.aggregates[0].known.tolist() == [False, True]
    assert one.tier is Tier.CONTROLLED
    assert one.protection.epsilon is None


def test_one_site_without_privacy_takes_it_from_all() -> None:
    one = combine([site("a", table(SEX)), exact(table(SEX, noise=0, rho=0), site="b")])
    assert one.protection == Protection(Kind.COMBINED)
    assert one.tier is Tier.CONTROLLED
    assert one.parts[0].protection.private
    assert not one.parts[1].protection.private


def test_declared_weights_move_the_shares_and_not_the_information() -> None:
    sites = [
        site("small", table(SEX, values=[90, 10], noise=2.0), patients=100),
        site("large", table(SEX, values=[1000, 1000], noise=2.0), patients=2000),
    ]
    even = combine(sites, weights={"small": 1, "large": 1})
    one = even.aggregates[0]
    np.testing.assert_allclose(one.values / one.total, [0.7, 0.3])
    effective = 4 / (1 / 100 + 1 / 2000)
    assert one.total == pytest.approx(effective)
    assert patients_of(even, one) == pytest.approx(effective)
    assert one.noise == pytest.approx(effective * np.hypot(0.5 * 2 / 100, 0.5 * 2 / 2000))
    natural = combine(sites, weights={"small": 100, "large": 2000}).aggregates[0]
    np.testing.assert_allclose(natural.values, combine(sites).aggregates[0].values)
    assert natural.noise == pytest.approx(combine(sites).aggregates[0].noise)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1}, "'b' has no weight"),
        ({"a": 1, "b": 1, "bb": 1}, "no site 'bb' to give a weight to. Did you mean 'b'"),
        ({"a": 1, "b": 0}, "above 0; 'b' has 0"),
        ({"a": 1, "b": float("nan")}, "above 0"),
    ],
)
def test_weights_are_of_all_sites_and_above_0(weights: dict[str, float], message: str) -> None:
    with pytest.raises(AggregatesError, match=message):
        combine([site("a", table(SEX)), site("b", table(SEX))], weights=weights)


def test_sites_are_kept_beside_each_other_if_asked_for() -> None:
    sites = [
        site("b", table(SEX, values=[1, 2], noise=5.0)),
        site("a", table(SEX, values=[3, 4], noise=7.0), patients=50),
    ]
    kept = combine(sites, keep_sites=True)
    assert kept.variables["site"] == Bins("site", levels=("a", "b"))
    numbers = [one for one in kept.aggregates if one.attributes == ("site",)]
    assert [np.nansum(one.values) for one in numbers] == [50, 200]
    tables = [one for one in kept.aggregates if one.attributes == ("site", "sex")]
    np.testing.assert_array_equal(tables[0].values, [[3, 4], [np.nan, np.nan]])
    np.testing.assert_array_equal(tables[1].values, [[np.nan, np.nan], [1, 2]])
    assert [one.noise for one in tables] == [7.0, 5.0]
    assert canonical(loads(to_json(kept))) == canonical(kept)
    for again in ([kept, site("c", table(SEX))], [combine(sites), site("c", table(SEX))]):
        with pytest.raises(AggregatesError, match="was combined before"):
            combine(again, keep_sites=True)


WRONG: list[tuple[list[Aggregates], str]] = [
    ([], "nothing to combine"),
    ([site("a"), site("a")], "'a' stands twice"),
    ([combine([site("a"), site("b")]), site("b")], "'b' stands twice"),
    ([site("a"), replace(site("b"), protection=site("a").protection)], "wrote in one ledger"),
    ([site("a"), site("b", codebook=CodebookName("diabetes-screening", "2.0.0"))], "codebook diabetes-screening 2.0.0"),
    ([site("a"), site("b", codebook=CodebookName("other", "1.0.0"))], "Measure again by one codebook"),
    ([site("a"), site("b", patients=0)], "'b' has no patients"),
    ([site("a"), site("b", patients=-2)], "'b' has no patients"),
    ([site("a", table(AGE)), site("b", table(replace(AGE, cuts=(50.0,))))], "'b' measured 'age' in the bins <50, >=50, and 'a'"),
    ([site("a", table(HBA1C)), site("b", table(replace(HBA1C, missing=False)))], "'b' measured 'hba1c'"),
    ([site("a"), site("b", neighbours="change one patient")], "protect differently"),
    ([site("a"), combine([site("b"), site("c")], weights={"b": 1, "c": 2})], "by declared weights"),
]  # fmt: skip


@pytest.mark.parametrize(("sites", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_can_not_be_combined_is_told(sites: list[Aggregates], message: str) -> None:
    with pytest.raises(AggregatesError, match=message):
        combine(sites)


def test_weights_of_what_was_combined_before_are_refused() -> None:
    with pytest.raises(AggregatesError, match="no weight of its own"):
        combine([combine([site("a"), site("b")]), site("c")], weights={"combined": 1, "c": 1})


# --- differences between sites ----------------------------------------------------------------------------------------


def _drawn(rng: np.random.Generator, shares: np.ndarray, patients: int, noise: float, name: str) -> Aggregates:
    counts = rng.multinomial(patients, shares) + (rng.normal(0, noise, shares.size).round() if noise else 0)
    axis = Bins("answer", levels=tuple("abcdefgh"[: shares.size]))
    one = table(axis, values=counts, noise=noise, rho=0.001 if noise else 0)
    return site(name, one, patients=patients) if noise else exact(one, site=name, patients=patients)


@pytest.mark.parametrize("noise", [0.0, 3.0, 20.0])
def test_sites_that_do_not_differ_are_said_to_one_time_in_twenty(noise: float) -> None:
    # 600 trials at 5%: with Monte Carlo error alone, 0.017 to 0.095 holds but once in 10,000; the rest is approximation.
    rng = np.random.default_rng(4)
    shares = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
    found = [
        combine([_drawn(rng, shares, n, noise, name) for n, name in zip((300, 800, 2000), NAMES, strict=False)])
        .differences[0]
        .p
        for _ in range(600)
    ]
    assert 0.017 <= np.mean(np.array(found) < 0.05) <= 0.095
    assert 0.4 < np.median(found) < 0.6


def test_sites_that_differ_are_found_and_by_how_much() -> None:
    rng = np.random.default_rng(5)
    taus = []
    for _ in range(200):
        moved = rng.normal(0, 0.05, 6)
        sites = [
            _drawn(rng, np.array([0.5 + d, 0.5 - d]), 2000, 5.0, name) for d, name in zip(moved, "uvwxyz", strict=True)
        ]
        (one,) = combine(sites).differences
        taus.append(one.tau)
    assert np.sqrt(np.mean(np.square(taus))) == pytest.approx(0.05, rel=0.15)
    assert one.adjusted < 0.001
    assert 0 < one.i_squared < 1
    assert one.sites == tuple("uvwxyz")


def test_several_tables_are_looked_at_and_paid_for() -> None:
    rng = np.random.default_rng(6)
    names = [Bins(f"q{k}", levels=("no", "yes")) for k in range(10)]

    def drawn(name: str) -> Aggregates:
        return site(name, *(table(one, values=rng.multinomial(500, [0.5, 0.5]), rho=0.001) for one in names))

    alarms = sum(any(one.adjusted < 0.05 for one in combine([drawn("a"), drawn("b")]).differences) for _ in range(200))
    assert alarms <= 24  # 5% of 200 is 10; more than 24 come once in 10,000
    for one in combine([drawn("a"), drawn("b")]).differences:
        assert one.p <= one.adjusted <= 1


def test_a_table_of_some_sites_weighs_less_where_sites_differ() -> None:
    rng = np.random.default_rng(7)

    def drawn(name: str, share: float, asked: bool) -> Aggregates:
        tables = [table(SEX, values=rng.multinomial(1000, [share, 1 - share]), noise=3.0)]
        return site(name, *tables, *([table(AGE, values=[300, 400, 300])] if asked else []), patients=1000)

    apart = combine([drawn("a", 0.3, True), drawn("b", 0.5, True), drawn("c", 0.7, False)])
    taus = {one.attributes: one.tau for one in apart.differences}
    assert taus["age",] == 0  # two sites that agree are little evidence: what other tables show counts as well
    typical = np.sqrt(taus["sex",] ** 2 / 2)
    assert taus["sex",] > 0.1
    widened = {one.attributes: one.noise for one in about_everyone(apart).aggregates}
    assert widened["age",] == pytest.approx(np.hypot(np.hypot(3, 3), 2000 * typical * np.sqrt(1 / 9 + 2 / 36)))
    assert widened["sex",] == pytest.approx(np.sqrt(27))
    one_site = combine([drawn("a", 0.3, True), drawn("b", 0.5, False), drawn("c", 0.7, False)])
    tau = one_site.differences[0].tau
    widened = {one.attributes: one.noise for one in about_everyone(one_site).aggregates}
    assert widened["age",] == pytest.approx(np.hypot(3, 1000 * tau * np.sqrt(2 / 9 + 4 / 9)))


def test_the_widening_is_as_wide_as_what_is_left_out() -> None:
    # The error of a share of one site of three, among sites that differ: the stated spread is that of 4,000 draws.
    rng = np.random.default_rng(8)
    tau, weights = 0.04, np.array([0.5, 0.3, 0.2])
    shares = rng.normal(0.4, tau, (4000, 3))
    errors = shares[:, 0] - shares @ weights
    assert np.std(errors) == pytest.approx(tau * np.sqrt(0.5**2 + 0.3**2 + 0.2**2), rel=0.05)


def test_nothing_is_widened_where_nothing_is_known_or_needed() -> None:
    one = site("a", table(SEX))
    assert about_everyone(one) is one
    disjoint = combine([site("a", table(SEX)), site("b", table(AGE))])
    assert about_everyone(disjoint) is disjoint


def test_tables_that_contradict_each_other_are_found() -> None:
    both = np.array([[100, 200, 100], [200, 300, 100]])
    agreeing = [table(SEX, AGE, values=both), table(SEX, values=[404, 597]), table(AGE, values=[303, 498, 201])]
    assert disagreements(agreeing) == []
    found = disagreements([*agreeing, table(SEX, values=[700, 300])])
    assert {one.attributes for one in found} == {("sex",)}
    assert len(found) == 2


@settings(max_examples=50)
@given(several())
def test_the_domain_of_all_is_that_of_each(sites: list[Aggregates]) -> None:
    known = {axis for one in sites for axis in one.domain.axes}
    assert set(combine(sites).domain.axes) == known
    assert isinstance(combine(sites).domain, Domain)


def test_a_margin_is_the_sum_of_cells_with_all_their_noise() -> None:
    rng = np.random.default_rng(9)
    values = rng.integers(0, 50, (2, 3, 4)).astype(float)
    one = table(SEX, AGE, HBA1C, values=values, noise=2.0)
    for names in itertools.permutations(("sex", "hba1c")):
        found = one.margin(names)
        expected = values.sum(1) if names[0] == "sex" else values.sum(1).T
        np.testing.assert_array_equal(found.values, expected)
        assert found.noise == pytest.approx(2 * np.sqrt(3))
        assert found.attributes == names
    with pytest.raises(AggregatesError, match="'bmi' is not in the table"):
        one.margin(["bmi"])
