"""A release is made from a codebook and aggregates alone, and is one like any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import manikin
from conftest import small_shards_with
from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told, save
from manikin.cli import main
from manikin.clinic import find_model, parse_codebook
from manikin.codebook import Domain, bins_of
from manikin.errors import AggregatesError, RequestError
from manikin.generators.detail import informed
from manikin.study import changed, parse_study, read_study, remake, run, study_of, verify
from toy import bytes_of

BOOK = """\
codebook: ward
version: 1.0.0
title: A ward
population: adults of a ward
variables:
  sex: {values: [female, male]}
  age: {kind: count, unit: a, limits: {possible: 18..110, usual: 18..95}, bins: [40, 60, 80]}
  sbp: {unit: "mm[Hg]", precision: 1, limits: {possible: 30..300, usual: 70..220}, bins: [110, 120, 140, 160]}
  crp: {unit: mg/L, precision: 0.1, limits: {possible: 0..600}, bins: [1, 3, 10, 50]}
  diabetes: {kind: condition}
  unasked: {kind: condition}
"""
STUDY = """\
study: of-a-ward
purpose: test the house
users: [testers]
privacy: {objective: nobody is in it, recipient: public}
model: ward.yaml
aggregates: ward.json
patients: 1000
"""
PAIRS = (("sex",), ("age",), ("sbp",), ("crp",), ("diabetes",), ("age", "sbp"), ("sbp", "diabetes"))


def told(n: int = 4_000, noise: float = 3.0, seed: int = 1) -> Aggregates:
    """Return what a ward tells of its patients."""
    chance = np.random.default_rng(seed)
    axes = [bins_of(one, missing=one.name == "crp") for one in parse_codebook(BOOK).variables if one.name != "unasked"]
    domain = Domain(tuple(axes))
    age = np.clip(np.floor(chance.normal(55, 18, n)), 18, 95)
    sbp = np.rint(np.clip(chance.normal(105 + 0.4 * age, 15), 70, 220))
    codes = domain.codes(
        {
            "sex": chance.integers(0, 2, n),
            "age": age,
            "sbp": sbp,
            "crp": np.where(chance.random(n) < 0.3, np.nan, np.clip(chance.lognormal(0.7, 1.2, n), 0, 600)),
            "diabetes": chance.random(n) < np.where(sbp > 140, 0.4, 0.1),
        }
    )
    tables = []
    for names in PAIRS:
        places = domain.of(names)
        counts = np.zeros([domain.shape[place] for place in places])
        np.add.at(counts, tuple(codes[:, place] for place in places), 1)
        noisy = counts + np.rint(chance.normal(0, noise, counts.shape))
        tables.append(Aggregate(tuple(axes[place] for place in places), noisy, noise, "rounded normal", rho=0.01))
    return Aggregates(
        "north", "the ward's records", CodebookName("ward", "1.0.0"), "adults seen in 2025",
        Protection(Kind.PRIVATE, 3.0, 1e-6, 0.1, 3.0, "none"), Tier.REGISTERED,
        Patients(float(n), Told.NOISY, noise), tuple(tables), date(2026, 1, 31),
    )  # fmt: skip


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    (tmp_path / "ward.yaml").write_text(BOOK, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    save(told(), tmp_path / "ward.json")
    return tmp_path


def test_a_release_from_a_codebook_is_made_again_to_the_byte_by_any_number_of_processes(
    ward: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shards_with(monkeypatch)
    study, model = read_study(ward / "study.yaml")
    assert model.flat
    made = run(study, model, ward / "one", jobs=1)
    run(study, model, ward / "two", jobs=2)
    assert bytes_of(ward / "one") == bytes_of(ward / "two")
    assert verify(ward / "one") == []
    assert remake(ward / "one", ward / "again", jobs=2) == ([], [])
    assert made.table("analysis").num_rows == 1_000
    assert find_model(str(ward / "one/inputs/model.yaml")).flat


def test_a_release_says_that_it_rests_on_tables_alone(ward: Path) -> None:
    study, model = read_study(ward / "study.yaml")
    run(study, model, ward / "made", jobs=1)
    sources = (ward / "made/docs/sources.md").read_text(encoding="utf-8")
    assert "declared in it, without knowledge" in sources
    assert "the ward's records of north, 2026-01-31: the shares of bins" in sources
    card = (ward / "made/docs/model-card.md").read_text(encoding="utf-8")
    assert "nything about unasked, of which no table tells" in card


def test_terminal_python_and_study_make_the_same_cohort(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book, tables = str(ward / "ward.yaml"), str(ward / "ward.json")
    here = manikin.make(book, aggregates=tables, patients=1_000).table("analysis")
    study, model = read_study(ward / "study.yaml")
    assert run(study, model, ward / "one", jobs=1).table("analysis").equals(here)
    assert main(["make", book, "--aggregates", tables, "--patients", "1000", "--out", str(ward / "two")]) == 0
    assert "passed" in capsys.readouterr().out
    assert (
        bytes_of(ward / "one")["data/analysis/part-00000.parquet"]
        == bytes_of(ward / "two")["data/analysis/part-00000.parquet"]
    )


def test_the_cohort_agrees_with_the_tables(ward: Path) -> None:
    """Counts are shared out, so that no more than the noise of the tables, and what a fit smooths, is between them."""
    found = manikin.make(str(ward / "ward.yaml"), aggregates=str(ward / "ward.json"), patients=20_000).table("analysis")
    for one in told().aggregates:
        codes = np.zeros(found.num_rows, np.int64)
        for axis in one.axes:
            values = found[axis.name].to_pylist()
            column: Any = (
                [
                    None if value is None else axis.levels.index({True: "yes", False: "no"}.get(value, value))
                    for value in values
                ]
                if axis.levels
                else values
            )
            codes = codes * axis.count + axis.codes(np.array([np.nan if value is None else value for value in column]))
        shares = np.bincount(codes, minlength=one.values.size) / found.num_rows
        assert np.abs(shares - np.maximum(one.values.ravel(), 0) / one.total).sum() / 2 < 0.02, one.attributes
    assert 0.45 < np.mean(found["unasked"].to_pylist()) < 0.55


@pytest.mark.parametrize("command", ["make", "check"])
def test_without_aggregates_a_codebook_can_be_checked_and_not_made(
    ward: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([command, str(ward / "ward.yaml")])
    said = capsys.readouterr()
    assert code == (0 if command == "check" else 2)
    if command == "make":
        assert "it says what variables mean, and nothing of how often anything is" in said.err
        assert "--aggregates FILE" in said.err
    with pytest.raises(RequestError, match="--aggregates FILE"):
        manikin.make(str(ward / "ward.yaml"))


def test_scenarios_of_a_codebook_are_refused(ward: Path) -> None:
    study, model = study_of(str(ward / "ward.yaml"))
    with pytest.raises(RequestError, match="only a codebook is there"):
        manikin.compare(str(ward / "ward.yaml"), {"one": {}, "two": {}})
    assert study.model == str(ward / "ward.yaml")
    assert model.flat


def test_tables_in_other_bins_or_about_nothing_here_are_refused() -> None:
    from manikin.clinic import flat_model

    other = flat_model(parse_codebook(BOOK.replace("bins: [40, 60, 80]", "bins: [40, 65, 80]")))
    with pytest.raises(AggregatesError, match="'age' was measured in the bins"):
        informed(other, told())
    stranger = flat_model(parse_codebook("codebook: s\nversion: 1.0.0\nvariables:\n  hot: {kind: condition}\n"))
    with pytest.raises(AggregatesError, match="None of the tables is about variables of 's'"):
        informed(stranger, told())


def test_what_only_a_wide_table_tells_shapes_a_variable_too() -> None:
    tables = told()
    model = find_model_of(BOOK)
    wide = replace(tables, aggregates=tuple(one for one in tables.aggregates if one.attributes == ("age", "sbp")))
    shaped, other = informed(model, wide), informed(model, tables)
    assert "anything about sex, crp, diabetes, unasked" in shaped.not_for[1]
    assert shaped.variables["sbp"].meaning.grounds[0].source.key == "tables"
    assert other.variables["unasked"].meaning.grounds[0].source.key == "codebook"


def find_model_of(text: str) -> Any:
    from manikin.clinic import flat_model

    return flat_model(parse_codebook(text))


def test_facts_may_be_given(ward: Path) -> None:
    found = manikin.make(
        str(ward / "ward.yaml"), aggregates=str(ward / "ward.json"), patients=500, given="diabetes=yes,sbp=150..170"
    ).table("analysis")
    assert all(found["diabetes"].to_pylist())
    assert {150 <= one <= 170 for one in found["sbp"].to_pylist()} == {True}


def test_a_study_keeps_what_it_was_made_from(ward: Path) -> None:
    study, model = read_study(ward / "study.yaml")
    made = run(changed(study, patients=100), model, ward / "made", jobs=1)
    text = (ward / "made/inputs/study.yaml").read_text(encoding="utf-8")
    again = parse_study(text, made.calibrated.program.model)
    assert (again.model, again.aggregates) == ("model.yaml", "aggregates.json")
