"""A study that is bent to aggregates: made, verified, made again to the byte, and refused where it must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bent import BINNED, ELSEWHERE, TABLES, program_of, told_by
from manikin.aggregates import Aggregates, make_key, read_key, save, signed, to_json
from manikin.cli import main
from manikin.codebook import Bins
from manikin.generators import agreement as fitting
from toy import SHARD, bytes_of

PATIENTS = 700
STUDY = """\
study: bent
purpose: resemble the clinic of the north
users: [testers]
privacy: {objective: nobody can be told apart, recipient: testers}
model: toy.yaml
patients: 700
scenarios:
  older: {parameters.base: -1}
"""


@pytest.fixture(scope="session")
def told() -> Aggregates:
    return told_by(program_of(ELSEWHERE))


@pytest.fixture
def folder(tmp_path: Path, told: Aggregates, monkeypatch: pytest.MonkeyPatch, small_shards: None) -> Path:  # noqa: ARG001
    # A tenth of the particles: what is asked here does not hang on how many there are.
    monkeypatch.setattr(fitting.agree, "__defaults__", (10_000,))
    (tmp_path / "toy.yaml").write_text(BINNED, encoding="utf-8")
    save(told, tmp_path / "a.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(out: str, *options: str, aggregates: str | None = "a.json") -> int:
    bent = ("--aggregates", aggregates) if aggregates else ()
    return main(["make", "toy.yaml", "--patients", str(PATIENTS), "--jobs", "1", "--out", out, *bent, *options])


def test_a_bent_release_is_made_verified_and_made_again_to_the_byte(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make("out") == 0
    printed = capsys.readouterr().out
    assert "Agreement with aggregates" in printed
    assert "tables of north: differentially private, epsilon 2 at delta 1e-06 for each patient; not signed" in printed
    assert "no record was used to make it, but" in printed
    assert "Moved most" in printed
    assert "Age is higher at the site" in printed
    assert main(["verify", "out"]) == 0
    assert main(["remake", "out", "--out", "again", "--jobs", "1"]) == 0
    assert bytes_of(folder / "out") == bytes_of(folder / "again")
    # To whoever has only the release: where the file of the aggregates lay doesn't matter.
    (folder / "a.json").unlink()
    assert main(["remake", "out", "--out", "thrice", "--jobs", "1"]) == 0
    shards = list((folder / "out/data/analysis").glob("part-*.parquet"))
    assert len(shards) == -(-PATIENTS // SHARD)


def test_the_number_of_processes_changes_nothing(folder: Path) -> None:
    assert make("one") == 0
    assert make("two", "--jobs", "2") == 0
    assert bytes_of(folder / "one") == bytes_of(folder / "two")


def test_bins_that_are_drawn_first_are_the_same_in_every_process(folder: Path) -> None:
    save(told_by(program_of(ELSEWHERE), [("age",), ("smoking",), ("age", "smoking")]), folder / "roots.json")
    assert make("one", aggregates="roots.json") == 0
    assert make("two", "--jobs", "2", aggregates="roots.json") == 0
    assert bytes_of(folder / "one") == bytes_of(folder / "two")
    assert main(["remake", "one", "--out", "again", "--jobs", "1"]) == 0


def test_aggregates_leave_no_trace_in_a_release_without_them(folder: Path) -> None:
    assert make("plain", aggregates=None) == 0
    plain = bytes_of(folder / "plain")
    assert make("bent") == 0
    assert make("plain again", aggregates=None) == 0
    again = bytes_of(folder / "plain again")
    assert plain == again
    assert "inputs/aggregates.json" not in plain
    assert "bend" not in json.loads(plain["lock.json"]) or json.loads(plain["lock.json"])["bend"] is None
    for name in ("report.html", "README.md", "docs/datasheet.md", "docs/model-card.md", "docs/sources.md"):
        text = plain[name].decode().split("</style>")[-1].lower()
        assert "aggregates.json" not in text, name
        assert "differential" not in text, name


def test_the_documents_tell_what_was_told_and_what_stays_the_models(folder: Path) -> None:
    assert make("out") == 0
    said = {name: (folder / "out" / name).read_text() for name in
            ("README.md", "docs/datasheet.md", "docs/model-card.md", "docs/sources.md", "docs/risk-assessment.md")}  # fmt: skip
    for name, text in said.items():
        assert "differentially private, epsilon 2 at delta 1e-06 for each patient" in text.replace("Diff", "diff"), name
    assert "No record was collected" in said["docs/datasheet.md"]
    assert "Nothing was collected" not in said["docs/datasheet.md"]
    assert "The other 7 variables are the clinical model's" in said["docs/model-card.md"]
    assert "Age is higher at the site" in said["docs/model-card.md"]
    assert "No record of any person was read" not in said["README.md"]


def test_a_signed_file_that_was_tampered_with_is_refused_and_nothing_is_written(
    folder: Path, told: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(folder / "north")
    text = to_json(signed(told, read_key(folder / "north.key")))
    (folder / "t.json").write_text(text.replace("people who do not exist", "other people"), encoding="utf-8")
    assert make("out", aggregates="t.json") == 2
    assert "does not fit" in capsys.readouterr().err
    assert not (folder / "out").exists()


def _another_site(folder: Path, told: Aggregates) -> str:
    make_key(folder / "south")
    return to_json(signed(replace(told, site="south"), read_key(folder / "south.key")))


def _unsigned(folder: Path, told: Aggregates) -> str:  # noqa: ARG001
    return to_json(told)


@pytest.mark.parametrize(
    ("written", "words"), [(_another_site, "is not trusted"), (_unsigned, "did not sign")], ids=["foreign", "unsigned"]
)
def test_who_trusts_one_site_takes_no_other_and_nothing_unsigned(
    folder: Path,
    told: Aggregates,
    written: Callable[[Path, Aggregates], str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_key(folder / "north")
    (folder / "t.json").write_text(written(folder, told), encoding="utf-8")
    assert make("out", "--trust", "north.pub", aggregates="t.json") == 2
    assert words in capsys.readouterr().err
    assert not (folder / "out").exists()
    save(signed(told, read_key(folder / "north.key")), folder / "right.json")
    assert make("out", "--trust", "north.pub", aggregates="right.json") == 0
    assert "Signed, and the signature fits" in (folder / "out/report.html").read_text()


def _measured_in(told: Aggregates, axis: Bins) -> Aggregates:
    values = told.aggregates[0].values
    return replace(told, aggregates=(replace(told.aggregates[0], axes=(axis,), values=values[: axis.count]),))


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (Bins("age", cuts=(30.0, 50.0), unit="a", step=1.0), "declares"),
        (Bins("ferritine", cuts=(30.0, 50.0), unit="ug/L"), "None of the tables is about"),
    ],
    ids=["other bins", "another codebook"],
)
def test_what_was_counted_in_another_codebook_is_refused(
    folder: Path, told: Aggregates, axis: Bins, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(_measured_in(told, axis), folder / "t.json")
    assert make("out", aggregates="t.json") == 2
    assert words in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_table_of_a_variable_that_the_model_does_not_know_is_refused_beside_others(
    folder: Path, told: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = replace(told.aggregates[1], axes=(Bins("sexx", levels=("female", "male")),))
    save(replace(told, aggregates=(*told.aggregates[:1], foreign)), folder / "t.json")
    assert make("out", aggregates="t.json") == 2
    assert "Did you mean 'sex'" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_tables_about_events_are_left_out_and_said_to_be(folder: Path, told: Aggregates) -> None:
    events = replace(told.aggregates[1], axes=(Bins("events: hba1c", cuts=(1.0,)),))
    save(replace(told, aggregates=(*told.aggregates[: len(TABLES) - 1], events)), folder / "t.json")
    assert make("out", aggregates="t.json") == 0
    assert "of no use to the model: events: hba1c" in (folder / "out/report.html").read_text()


def test_no_scenario_is_bent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    assert main(["make", "study.yaml", "--scenario", "older", "--aggregates", "a.json", "--out", "out"]) == 2
    assert "Leave out one of them" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_file_that_is_not_there_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("out", aggregates="nowhere.json") == 2
    assert "nowhere.json" in capsys.readouterr().err
    assert not (folder / "out").exists()
