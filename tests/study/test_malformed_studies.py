"""A study with a mistake makes nothing: its author is told where the mistake is, and the folder stays as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.cli import main
from manikin.errors import RequestError, StudyError
from manikin.study import Study, read_study

HERE = "¦"
STUDY = """\
study: small
purpose: test the reader of studies
users: [testers]
privacy: {objective: no record of any person is used, recipient: public}
model: model.yaml
patients: 500
seed: 4
given: age=40..60
oversample: "ill=yes:5"
world: 2
formats: [parquet, csv]
tables: [patients, analysis, truth]
"""
MODEL = """\
model: little
version: 1.0.0
title: A little model
index: a visit
not-for: [anything real]
population: {description: Adults, index-dates: [2023-01-01, 2023-12-31]}
intent: {purpose: test, users: [testers], privacy: nobody is in it, recipient: public}
sources: {book: {cite: "Book. 2024"}}
variables:
  age: {kind: count, unit: a, histogram: {18..39: 40, 40..89: 60}, source: book verified}
  sex: {values: [female, male], shares: {female: 50, male: 50}, source: book verified}
  ill: {logistic: {intercept: -2, terms: [{per: age / 50, odds-ratio: 1.5}]}, source: book verified}
"""


@dataclass(frozen=True)
class Case:
    """One edit of the study; the mistake is told at the mark, else at the passage ``at``, and names ``word``."""

    kind: str
    old: str
    new: str
    word: str
    at: str = ""

    @property
    def text(self) -> str:
        assert STUDY.count(self.old) == 1, self.kind
        return STUDY.replace(self.old, self.new)

    @property
    def place(self) -> tuple[int, int]:
        before = self.text[: self.text.index(self.at or HERE)]
        return before.count("\n") + 1, len(before) - before.rfind("\n")


CASES = (
    Case("an unknown setting", "seed: 4", "seed: 4\n¦sede: 5", "sede"),
    Case("no purpose", "purpose: test the reader of studies\n", "", "'purpose'", at="study: small"),
    Case("an empty purpose", "test the reader of studies", '"¦"', "'purpose'"),
    Case("no users", "users: [testers]\n", "", "'users'", at="study: small"),
    Case("a user that is a block", "users: [testers]", "users: [testers, ¦{a: b}]", "'users'"),
    Case("no privacy", "privacy: {objective: no record of any person is used, recipient: public}\n", "", "'privacy'", at="study: small"),
    Case("privacy as a text", "{objective: no record of any person is used, recipient: public}", "¦none", "'privacy'"),
    Case("no objective", "{objective: no record of any person is used, ", "¦{", "'objective'"),
    Case("no recipient", ", recipient: public}", "}", "'recipient'", at="{objective"),
    Case("a misspelt recipient", "recipient: public", "recipient: public, ¦recipeint: all", "recipeint"),
    Case("no model", "model: model.yaml\n", "", "'model'", at="study: small"),
    Case("an unknown model", "model: model.yaml", "model: ¦diabetes-sreening", "diabetes-sreening"),
    Case("a model file that isn't there", "model: model.yaml", "model: ¦absent.yaml", "absent.yaml"),
    Case("a model that is a list", "model: model.yaml", "model: ¦[model.yaml]", "'model'"),
    Case("a model file with mistakes", "model: model.yaml", "model: ¦broken.yaml", "1 mistake"),
    Case("a study as its own model", "model: model.yaml", "model: ¦study.yaml", "mistake"),
    Case("a model whose name can't be opened", "model: model.yaml", 'model: "¦a\\0b.yaml"', "mistake"),
    Case("no patients at all", "patients: 500", "patients: ¦0", "'patients'"),
    Case("patients below 0", "patients: 500", "patients: ¦-5", "-5"),
    Case("patients in words", "patients: 500", "patients: ¦many", "many"),
    Case("half a patient", "patients: 500", "patients: ¦0.5", "0.5"),
    Case("more patients than can be addressed", "patients: 500", "patients: ¦9000000000000", "9000000000000"),
    Case("a number of patients without end", "patients: 500", f"patients: ¦{'9' * 5000}", "'patients'"),
    Case("patients as a list", "patients: 500", "patients: ¦[500]", "'patients'"),
    Case("only underscores", "patients: 500", "patients: ¦__", "__"),
    Case("digits of another script", "patients: 500", "patients: ¦٥٠٠", "٥٠٠"),
    Case("a negative seed", "seed: 4", "seed: ¦-1", "'seed'"),
    Case("a seed too large for a lock", "seed: 4", f"seed: ¦{1 << 63}", "'seed'"),
    Case("a world that is none", "world: 2", "world: ¦second", "'world'"),
    Case("a fact about an unknown variable", "given: age=40..60", "given: ¦aeg=40..60", "aeg"),
    Case("a fact with an unknown value", "given: age=40..60", "given: ¦sex=femal", "femal"),
    Case("an expression that is none", "given: age=40..60", "given: ¦age >", "the end"),
    Case("facts as a list", "given: age=40..60", "given: ¦[age]", "'given'"),
    Case("an over-sample without a factor", '"ill=yes:5"', "¦ill=yes", "'ill=yes'"),
    Case("an over-sample of nothing", '"ill=yes:5"', '"¦ill=yes:0"', "ill=yes:0"),
    Case("an over-sample of an unknown variable", '"ill=yes:5"', '"¦il=yes:5"', "'il'"),
    Case("an unknown format", "formats: [parquet, csv]", "formats: [parquet, ¦cvs]", "cvs"),
    Case("a format that is a block", "formats: [parquet, csv]", "formats: [parquet, ¦{csv: yes}]", "'formats'"),
    Case("no table with the evidence", "tables: [patients, analysis, truth]", "tables: ¦[patients, analysis]", "truth"),
    Case("an unknown table", "tables: [patients, analysis, truth]", "tables: [¦patient, analysis, truth]", "patient"),
    Case("a key twice", "seed: 4", "seed: 4\n¦seed: 5", "seed"),
    Case("a colon too many", "seed: 4", "seed: a¦: b", "YAML"),
    Case("a tab", "patients: 500", "patients:\n¦\t500", "tab"),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a good model and a broken one, in which commands are run."""
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text(
        MODEL.replace("kind: count", "kind: cuont").replace("unit: a,", ""), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_the_study_itself_has_no_mistake(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    assert main(["check", "study.yaml"]) == 0
    assert "No mistakes." in capsys.readouterr().out


def test_at_least_25_kinds_of_mistakes_are_tried() -> None:
    assert len({case.kind for case in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_check_and_make_tell_file_line_and_column_exit_with_2_and_write_nothing(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "study.yaml").write_text(case.text.replace(HERE, ""), encoding="utf-8")
    before = listing(folder)
    line, column = case.place
    for command in (["check", "study.yaml"], ["make", "study.yaml"], ["make", "study.yaml", "--out", "here"]):
        assert main(command) == 2
        told = capsys.readouterr()
        assert f"study.yaml:{line}:{column}  " in told.err, told.err
        assert case.word in told.err
        assert told.err.rstrip().endswith("nothing was made.")
        assert "Traceback" not in told.err
        assert listing(folder) == before


def test_every_mistake_is_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        STUDY.replace("seed: 4", "seed: -4").replace("csv", "cvs").replace("age=", "aeg=").replace("purpose", "porpuse")
    )
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    assert main(["check", "study.yaml"]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in ("'-4'", "cvs", "aeg", "porpuse", "'purpose'", "5 mistakes"))


@pytest.mark.parametrize("what", ["absent.yaml", "nothing", "."])
@pytest.mark.parametrize("command", ["check", "make"])
def test_what_is_not_there_is_refused_and_nothing_written(
    what: str, command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(folder)
    assert main([command, what]) == 2
    assert capsys.readouterr().err.strip()
    assert listing(folder) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- a\n", b"study: [\n", b"study: x\0y", b"study: x\n"])
def test_a_file_that_is_no_study_is_refused_by_both_commands(
    content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "study.yaml").write_bytes(content)
    before = listing(folder)
    for command in ("check", "make"):
        assert main([command, "study.yaml"]) == 2
        assert "study.yaml:1:" in capsys.readouterr().err.replace("study.yaml:2:", "study.yaml:1:")
    assert listing(folder) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--patients", "0"],
        ["--patients", "3000000000"],
        ["--seed", str(1 << 63)],
        ["--world", "1000001"],
        ["--formats", "cvs"],
        ["--formats", ","],
        ["--tables", "patient"],
        ["--given", "aeg=3"],
        ["--oversample", "ill=yes"],
    ],
    ids=" ".join,
)
def test_an_option_out_of_range_is_refused_and_nothing_written(
    options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    before = listing(folder)
    assert main(["make", "study.yaml", "--out", "here", *options]) == 2
    assert capsys.readouterr().err.strip()
    assert listing(folder) == before


def test_a_study_written_and_read_again_is_the_same(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    study, _ = read_study(Path("study.yaml"))
    (folder / "again.yaml").write_text(study.to_yaml(), encoding="utf-8")
    assert read_study(Path("again.yaml"))[0] == study
    assert (study.patients, study.seed, study.world, study.formats) == (500, 4, 2, ("parquet", "csv"))


@pytest.mark.parametrize("change", [{"patients": 0}, {"seed": -1}, {"world": -1}, {"formats": ()}, {"formats": ("x",)}, {"tables": ("x",)}])  # fmt: skip
def test_a_study_that_exists_is_valid(folder: Path, change: dict[str, object]) -> None:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    study, _ = read_study(Path("study.yaml"))
    with pytest.raises(RequestError):
        Study(**{**{name: getattr(study, name) for name in study.__dataclass_fields__}, **change})


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_damaged_study_is_accepted_or_refused_but_never_breaks_the_reader(
    folder: Path, number: int, times: int
) -> None:
    chance, text = random.Random(number), list(STUDY)
    for _ in range(times):
        place = chance.randrange(len(text))
        text[place : place + chance.randrange(4)] = chance.choice(
            ["", ":", "[", "}", "\n", " ", "'", "9", "é", "&a ", "*a", "\0", "- "]
        )
    (folder / "study.yaml").write_text("".join(text), encoding="utf-8")
    try:
        read_study(folder / "study.yaml")
    except StudyError as error:
        lines = "".join(text).count("\n") + 1
        assert error.mistakes
        assert all(1 <= one.line <= lines and one.column >= 1 for one in error.mistakes)
