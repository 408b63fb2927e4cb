"""A codebook alone makes a model that knows nothing but what tables tell, and is smooth where they are silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from manikin.clinic import (
    Codebook,
    Told,
    codebook_of,
    compile_model,
    find_model,
    flat_model,
    parse_codebook,
    parse_model,
)
from manikin.clinic.percentiles import percentiles
from manikin.codebook import Kind, Range, Variable, bins_of
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.generators.tilt import edges
from manikin.streams import Seed

BOOK = parse_codebook("""
codebook: ward
version: 1.2.0
title: A ward
population: adults of a ward
variables:
  sex: {values: [female, male], disclosure: quasi-identifying}
  age: {kind: count, unit: a, limits: {possible: 18..110, usual: 18..95}, bins: [40, 60]}
  sbp: {unit: "mm[Hg]", precision: 1, limits: {possible: 30..300, usual: 70..220}, bins: [110, 120, 140],
        codes: {loinc: "8480-6"}, reference: 90..140, thresholds: [140]}
  ferritin: {unit: ug/L, precision: 1, limits: {possible: 0..5000}, bins: [15, 30, 100, 300],
             reference: {female: 15..150, male: 30..400}, note: "a note: with a colon"}
  diabetes: {kind: condition, disclosure: sensitive}
""")


def drawn(book: Codebook, told: Told | None = None, n: int = 20_000) -> dict[str, Any]:
    model = flat_model(book, told)
    return dict(KnowledgeSampler(model, {}, {}, Seed(1)).draw(np.arange(n)))


def test_without_tables_no_bin_is_likelier_than_another() -> None:
    program = compile_model(flat_model(BOOK))
    for one in BOOK.variables:
        low, high = edges(program, bins_of(one, missing=False))
        assert high - low == pytest.approx(1 / len(low), abs=2e-3), one.name


def test_every_variable_stands_for_itself_and_keeps_its_meaning() -> None:
    model = flat_model(BOOK)
    assert model.flat
    assert model.roots == set(model.variables)
    stripped = tuple(replace(one, grounds=()) for one in codebook_of(model).variables)
    assert stripped == BOOK.variables
    assert codebook_of(parse_model(model.text)).variables == codebook_of(model).variables
    assert {one.grounds.basis.value for one in model.claims} == {"assumption"}
    assert all("without knowledge" in str(one) for one in model.sources.values())


def test_what_no_table_tells_of_is_said() -> None:
    model = flat_model(BOOK, Told({"sex": np.array([0.4, 0.6])}, "those seen", "Records of the ward"))
    assert "anything about age, sbp, ferritin, diabetes, of which no table tells" in model.not_for
    assert model.population == "those seen"
    assert not any("no table tells" in one for one in flat_model(BOOK).not_for)


def test_values_stay_within_their_limits() -> None:
    columns = drawn(BOOK)
    for name, low, high in (("age", 18, 95), ("sbp", 70, 220), ("ferritin", 0, 5000)):
        assert low <= columns[name].min()
        assert columns[name].max() <= high


def test_a_built_in_model_is_none_of_these() -> None:
    assert not find_model("chest-pain").flat


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("bins: [40, 60]", "bins: []", "Numbers of the codebook 'ward' without bins: age"),
        ("limits: {possible: 0..5000}, ", "", "'ferritin' has a bin below 15, and no limit at which that ends"),
        ("possible: 0..5000", "possible: 0..", "'ferritin' has a bin from 300 on"),
        ("bins: [40, 60]", "bins: [18, 60]", "'age' has a bin below 18"),
        ("bins: [110, 120, 140]", "bins: [110, 120, 301]", "'sbp' has a bin from 301 on"),
    ],
)
def test_a_number_without_bins_or_limits_is_refused(before: str, after: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        flat_model(parse_codebook(BOOK.text.replace(before, after)))


def test_a_bin_beyond_what_is_usual_ends_at_what_is_possible() -> None:
    book = parse_codebook(BOOK.text.replace("bins: [110, 120, 140]", "bins: [110, 140, 220.5]"))
    assert drawn(book)["sbp"].max() > 221


@given(
    cuts=st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True).map(sorted),
    shares=st.lists(st.floats(0, 1), min_size=9, max_size=9),
    kind=st.sampled_from([Kind.QUANTITY, Kind.COUNT]),
)
def test_percentiles_ascend_within_limits_and_tell_the_shares(cuts: list[int], shares: list[float], kind: Kind) -> None:
    unit = "1" if kind is Kind.QUANTITY else ""
    one = Variable("x", kind, unit=unit, possible=Range(0, 100), usual=Range(0, 100), cuts=tuple(cuts), precision=1)
    wanted = np.array(shares[: len(cuts) + 1]) + 0.01
    found = percentiles(one, wanted)
    assert (np.diff(found.below) > 0).all()
    assert (np.diff(found.values) > 0).all()
    assert found.low <= found.values[0]
    assert found.values[-1] <= found.high + 1
    program = compile_model(flat_model(Codebook("b", "1.0.0", "", "", (one,), ""), Told({"x": wanted})))
    low, high = edges(program, bins_of(one, missing=False))
    assert (high > low).all()
    assert high - low == pytest.approx(wanted / wanted.sum(), abs=0.02)


@pytest.mark.parametrize(
    ("truth", "limits", "cuts"),
    [
        (stats.norm(125, 17), Range(70, 220), (110, 120, 130, 140, 160)),
        (stats.lognorm(0.6, scale=60), Range(1, 2000), (15, 30, 100, 300)),
        (stats.lognorm(0.6, scale=60), Range(0, 2000), (15, 30, 100, 300)),
        (stats.gamma(3, scale=10), Range(0, 200), (10, 20, 30, 40, 60)),
    ],
    ids=["normal", "lognormal", "lognormal from 0", "gamma"],
)
def test_what_is_within_bins_is_nearer_to_nature_than_an_even_filling(
    truth: Any, limits: Range, cuts: tuple[float, ...]
) -> None:
    one = Variable("x", Kind.QUANTITY, unit="1", possible=limits, usual=limits, cuts=cuts, precision=1e-6)
    ends = np.array([limits.low, *cuts, limits.high])
    shares = np.diff(truth.cdf(ends))
    values = drawn(Codebook("b", "1.0.0", "", "", (one,), ""), Told({"x": shares}))["x"]
    even = np.interp((np.arange(20_000) + 0.5) / 20_000, np.append(0, np.cumsum(shares) / shares.sum()), ends)
    # The 1% critical distance of 20,000 draws is 0.0115.
    assert stats.kstest(values, truth.cdf).statistic < 0.02
    assert stats.kstest(values, truth.cdf).statistic < 0.4 * stats.kstest(even, truth.cdf).statistic
