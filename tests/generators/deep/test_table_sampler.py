"""Samplers of tables: what they draw, and how they stand in files."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manikin.codebook import Kind, Range, Variable
from manikin.cohort import Plan, write
from manikin.errors import RequestError
from manikin.generators.deep import PAGE, PARTS, Column, Network, TableSampler, load, matched, save
from manikin.generators.protection import Protection
from manikin.streams import Seed
from toy import bytes_of
from toy_table import AGE, COLUMNS, DIABETES, HBA1C, random_sampler

KINDS = pytest.mark.parametrize("conditional", [False, True])


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[k], other[k], equal_nan=one[k].dtype == float) for k in one
    )


@given(st.lists(st.integers(35, 200), min_size=1, max_size=20))
def test_what_is_read_is_written_as_it_was(tenths: list[int]) -> None:
    column, values = Column(HBA1C, missing=True), np.append(np.array(tenths) / 10, np.nan)
    codes, places = column.read(values)
    assert np.array_equal(column.written(codes, places)["hba1c"], values, equal_nan=True)


@given(st.lists(st.integers(18, 100), min_size=1, max_size=20), st.integers(0, 2**32))
def test_scores_and_places_are_each_others_reverse(years: list[int], seed: int) -> None:
    column, rng = Column(AGE), np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(PARTS), 3) * 0.9 + 0.025
    codes, places = column.read(np.array(years, float))
    scores = column.scores(codes, places, shares)
    inside = np.abs(scores) < 3
    again = column.places(codes, scores, shares)
    assert np.allclose(again[inside], places[inside], atol=1e-9)


def test_a_number_without_bins_or_limits_is_refused() -> None:
    with pytest.raises(RequestError, match="'hba1c' has no bins"):
        Column(replace(HBA1C, cuts=()))
    with pytest.raises(RequestError, match="no limits or no precision"):
        Column(replace(HBA1C, possible=Range(), usual=Range()))
    with pytest.raises(RequestError, match="beyond its limits"):
        Column(replace(HBA1C, cuts=(5.7, 25)))
    with pytest.raises(RequestError, match="is a date"):
        Column(Variable("born", Kind.DATE))


@KINDS
@given(cut=st.integers(1, 299))
def test_who_else_is_drawn_changes_nobody(conditional: bool, cut: int) -> None:
    sampler = random_sampler(conditional=conditional)
    whole = sampler.draw(np.arange(300))
    first, second = sampler.draw(np.arange(cut)), sampler.draw(np.arange(cut, 300))
    assert equal(dict(whole), {name: np.concatenate([first[name], second[name]]) for name in whole})
    one = sampler.draw(np.array([cut]))
    assert equal(dict(one), {name: whole[name][[cut]] for name in whole})


@KINDS
def test_equal_seeds_draw_equal_patients_and_others_others(conditional: bool) -> None:
    sampler = random_sampler(conditional=conditional)
    again = pickle.loads(pickle.dumps(sampler)).draw(np.arange(100))
    assert equal(dict(sampler.draw(np.arange(100))), dict(again))
    assert not equal(dict(sampler.seeded(Seed(2)).draw(np.arange(100))), dict(again))


@KINDS
@pytest.mark.parametrize("places", [False, True])
def test_even_a_network_of_random_weights_keeps_to_the_codebook(conditional: bool, places: bool) -> None:
    found = random_sampler(conditional=conditional, places=places).draw(np.arange(5_000))
    known = found["hba1c"][~np.isnan(found["hba1c"])]
    assert ((known >= 3.5) & (known <= 20)).all()
    assert np.array_equal(known, np.rint(known * 10) / 10)
    assert ((found["age"] >= 18) & (found["age"] <= 100) & (found["age"] % 1 == 0)).all()
    assert set(np.unique(found["sex"])) <= {0, 1}
    assert set(np.unique(found["smoking"])) <= {-1, 0, 1, 2}
    assert not found["diabetes"][~found["diabetes?"]].any()


@KINDS
def test_matched_bins_have_the_shares_that_were_asked_for(conditional: bool) -> None:
    sampler = matched(random_sampler(conditional=conditional))
    found = sampler.draw(np.arange(20_000, 60_000))
    codes = np.searchsorted([40, 65], found["age"], side="right")
    # Five standard deviations of 40,000 draws.
    assert np.abs(np.bincount(codes, minlength=3) / 40_000 - sampler.shares[0]).max() < 0.0125


def test_tables_are_written_and_what_is_missing_is_null(tmp_path: Path) -> None:
    sampler = random_sampler()
    folders = {name: tmp_path / name for name in sampler.layout.tables}
    write(Plan(sampler, 500, sampler.layout.tables, folders, 200), jobs=1)
    table = pq.read_table(tmp_path / "analysis")
    drawn = sampler.draw(np.arange(500))
    assert table["diabetes"].null_count == (~drawn["diabetes?"]).sum() > 0
    assert table["hba1c"].null_count == np.isnan(drawn["hba1c"]).sum() > 0
    assert table["smoking"].null_count == (drawn["smoking"] < 0).sum() > 0
    assert pq.read_table(tmp_path / "patients").column_names == ["patient_id", "birth_date", "age", "sex"]


def test_two_processes_write_what_one_does(tmp_path: Path) -> None:
    sampler = random_sampler(conditional=True)
    for jobs in (1, 2):
        folders = {name: tmp_path / str(jobs) / name for name in ("analysis", "truth")}
        write(Plan(sampler, 900, ("analysis", "truth"), folders, 200), jobs=jobs)
    one, two = bytes_of(tmp_path / "1"), bytes_of(tmp_path / "2")
    assert len(one) == 10
    assert one == two


class TestFiles:
    protection = Protection("a run", 1.0, 1e-6, 0.02, 21.9, "a ward", ("abc",))

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        save(replace(random_sampler(conditional=True), protection=self.protection, title="toy"), tmp_path / "sampler")
        return tmp_path / "sampler"

    def test_what_was_saved_draws_the_same(self, folder: Path) -> None:
        sampler = load(folder)
        assert sampler.protection == self.protection
        assert sampler.title == "toy"
        assert equal(dict(sampler.draw(np.arange(300))), dict(random_sampler(conditional=True).draw(np.arange(300))))

    def test_the_page_says_how_those_are_protected_who_were_learnt_from(self, folder: Path, tmp_path: Path) -> None:
        page = json.loads((folder / PAGE).read_text())
        assert page["privacy"]["tier"] == "registered"
        assert page["privacy"]["receipts"] == ["abc"]
        save(random_sampler(), tmp_path / "plain")
        plain = json.loads((tmp_path / "plain" / PAGE).read_text())
        assert plain["privacy"] == {
            "tier": "controlled",
            "mechanism": "learnt from records without differential privacy",
            "differentially_private": False,
        }
        assert not load(tmp_path / "plain").protection.private

    def test_nothing_is_overwritten(self, folder: Path) -> None:
        with pytest.raises(RequestError, match="is there already"):
            save(random_sampler(), folder)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda page: page["network"].update(latents=4), "have the shape"),
            (lambda page: page["network"].update(hidden=[8]), "have the shape"),
            (lambda page: page["network"].update(hidden=[8, 6, 6]), "lacks its weights 'hidden.2.weight'"),
            (lambda page: page["codebook"]["columns"].pop(), "codebook was changed"),
            (lambda page: page.update(schema="other/1"), "this program reads manikin/table-sampler/1"),
            (lambda page: page["privacy"].pop("mechanism"), "statement of privacy can't be read"),
            (lambda page: page.pop("network"), "holds no learnt sampler"),
        ],
    )
    def test_a_page_that_was_changed_is_refused(self, folder: Path, change: object, told: str) -> None:
        page = json.loads((folder / PAGE).read_text())
        change(page)  # type: ignore[operator]
        (folder / PAGE).write_text(json.dumps(page))
        with pytest.raises(RequestError, match=told):
            load(folder)

    def test_weights_that_were_changed_are_refused(self, folder: Path) -> None:
        path = folder / "weights.safetensors"
        octets = bytearray(path.read_bytes())
        octets[-1] ^= 1
        path.write_bytes(octets)
        with pytest.raises(RequestError, match="not those that its page was written for"):
            load(folder)

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="holds no learnt sampler"):
            load(tmp_path)


def test_a_network_with_weights_that_nobody_knows_is_refused() -> None:
    network: Network = random_sampler().network
    with pytest.raises(RequestError, match="has no weights 'other'"):
        Network(network.shape, {**network.weights, "other": np.zeros(1)})


def test_a_network_whose_weights_are_no_numbers_is_refused() -> None:
    network: Network = random_sampler().network
    bad = {**network.weights, "bins.bias": np.full_like(network.weights["bins.bias"], np.nan)}
    with pytest.raises(RequestError, match="something that is no number"):
        Network(network.shape, bad)


def test_columns_of_the_toy_are_what_the_tests_think() -> None:
    assert [column.bins.count for column in COLUMNS] == [3, 2, 4, 4, 3]
    assert Column(DIABETES, missing=True).field.masked
    assert isinstance(random_sampler(), TableSampler)
