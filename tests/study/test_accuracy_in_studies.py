"""A study file asks for a study of diagnostic accuracy; its release tells all of it, and can be made again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import Case

import manikin
from manikin.cli import main
from manikin.clinic import ClinicalModel, parse_model
from manikin.errors import StudyError
from manikin.study import Made, Study, accuracy_of, changed, make, parse_study, read_study, remake, run, verify
from toy import TOY, bytes_of

STUDY = """\
study: small
purpose: test the reader of studies of accuracy
users: [testers]
privacy: {objective: no record of any person is used, recipient: public}
model: toy.yaml
patients: 600
accuracy:
  index-test: {positive: hba1c >= 6, inconclusive: "hba1c in 5.8..5.9"}
  target: ill
  reference: {sensitivity: 95%, specificity: 99%}
  biases:
    - {spectrum: age in 40..59, keep: 30%}
    - {partial-verification: index negative, verified: 20%}
    - {differential-verification: index negative, when: frailty > 1, reference: sbp >= 130}
    - {progression: 4%, cured: 1%, mean-days: 90}
    - {incorporation: 30%, when: sex == male}
    - {review: reference, share: 25%}
"""


_BLOCK = STUDY[STUDY.index("accuracy:\n") :]
_BIASES = STUDY[STUDY.index("biases:\n") :]
_INDEX = '{positive: hba1c >= 6, inconclusive: "hba1c in 5.8..5.9"}'
_OTHER = "differential-verification: index negative, when: frailty > 1"
CASES = (
    Case("accuracy as a text", _BLOCK, "accuracy: ¦good\n", "is a block"),
    Case("no index test", f"  index-test: {_INDEX}\n  target: ill", "  ¦target: ill", "'index-test'"),
    Case("no target", f"  index-test: {_INDEX}\n  target: ill\n", f"  ¦index-test: {_INDEX}\n", "'target'"),
    Case("a misspelt setting", "target: ill", "target: ill\n  ¦bais: 3", "no setting 'bais'"),
    Case("an unknown variable in the index test", "positive: hba1c >= 6", "positive: ¦hba1 >= 6", "Did you mean 'hba1c'"),
    Case("an index test on the truth", "positive: hba1c >= 6", "positive: ¦frailty > 1", "not in the data"),
    Case("an index test that is no condition", "positive: hba1c >= 6", "positive: ¦hba1c", "a condition is needed"),
    Case("an index test as a list", f"index-test: {_INDEX}", "index-test: ¦[hba1c]", "is a condition"),
    Case("an empty index test", f"index-test: {_INDEX}", "index-test: ¦{}", "'positive'"),
    Case("an index test of everybody", "positive: hba1c >= 6", "positive: ¦1 > 0", "reads nothing"),
    Case("a doubt about the truth", "inconclusive: \"hba1c in 5.8..5.9\"", "inconclusive: ¦frailty > 0", "not in the data"),
    Case("a misspelt doubt", "inconclusive:", "¦inconclusiv:", "Did you mean 'inconclusive'"),
    Case("a target on a helper", "target: ill", "target: ¦tested", "not kept"),
    Case("a target without an end", "target: ill", "target: sbp >¦", "the end"),
    Case("a target as a block", "target: ill", "target: ¦{ill: yes}", "is a condition"),
    Case("a reference beyond certainty", "sensitivity: 95%", "sensitivity: ¦95", "to 100%"),
    Case("a reference without specificity", "{sensitivity: 95%, specificity: 99%}", "¦{sensitivity: 95%}", "'specificity'"),
    Case("a reference by chance", "{sensitivity: 95%, specificity: 99%}", "¦{sensitivity: 50%, specificity: 50%}", "more than chance"),
    Case("a reference as a list", "{sensitivity: 95%, specificity: 99%}", "¦[95%]", "is a condition"),
    Case("a reference on nothing", "reference: sbp >= 130", "reference: ¦spb >= 130", "Did you mean 'sbp'"),
    Case("biases as a text", _BIASES, "biases: ¦many\n", "'biases' is a list"),
    Case("an unknown bias", "- {spectrum: age", "- {¦spectrm: age", "Did you mean 'spectrum'"),
    Case("an empty bias", "{review: reference, share: 25%}", "¦{}", "empty"),
    Case("a bias as a text", "{review: reference, share: 25%}", "¦review", "is a block"),
    Case("two biases in one", "{review: reference, share: 25%}", "{review: reference, share: 25%, ¦incorporation: 5%}", "one bias"),
    Case("keeping everybody", "keep: 30%", "keep: ¦100%", "below 100%"),
    Case("keeping in words", "keep: 30%", "keep: ¦few", "is a number"),
    Case("no share kept", "{spectrum: age in 40..59, keep: 30%}", "¦{spectrum: age in 40..59}", "'keep'"),
    Case("a spectrum of nothing", "spectrum: age in 40..59", "spectrum: ¦ag in 40..59", "Did you mean 'age'"),
    Case("verifying everybody", "verified: 20%", "verified: ¦1", "below 100%"),
    Case("an unknown result", "partial-verification: index negative", "partial-verification: ¦index negativ", "Did you mean 'negative'"),
    Case("a condition upon a condition", "age in 40..59, keep: 30%", "age in 40..59, keep: 30%, when: ¦ill", "a condition already"),
    Case("no other reference", f"{{{_OTHER}, reference: sbp >= 130}}", f"¦{{{_OTHER}}}", "'reference'"),
    Case("a wait without end", "mean-days: 90", "mean-days: ¦90000", "goes up to 3,650 days"),
    Case("a wait in words", "mean-days: 90", "mean-days: ¦3 months", "is a number"),
    Case("no change of state", "progression: 4%, cured: 1%", "progression: ¦0%, cured: 0%", "Nobody"),
    Case("two progressions", "{review: reference, share: 25%}", "¦{progression: 2%}", "stands twice"),
    Case("no incorporation", "incorporation: 30%", "incorporation: ¦0", "above 0"),
    Case("incorporation of nobody", "when: sex == male", "when: sex == ¦mal", "Did you mean 'male'"),
    Case("a reader of nothing", "review: reference", "review: ¦referenc", "Did you mean 'reference'"),
    Case("a review without a share", "{review: reference, share: 25%}", "¦{review: reference}", "'share'"),
    Case("a review of nothing", "share: 25%", "share: 25%, ¦wen: ill", "Did you mean 'when'"),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "toy.yaml").write_text(TOY, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def asked(folder: Path) -> Study:
    return read_study(folder / "study.yaml")[0]


def test_at_least_30_kinds_of_mistakes_are_tried() -> None:
    assert len({case.kind for case in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_malformed_study_of_accuracy_is_told_with_its_place(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case.assert_told(STUDY, folder, capsys)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_damaged_block_is_accepted_or_refused_but_never_breaks_the_reader(
    model: ClinicalModel, number: int, times: int
) -> None:
    chance, text, start = random.Random(number), list(STUDY), STUDY.index("accuracy:")
    for _ in range(times):
        place = chance.randrange(start, len(text))
        text[place : place + chance.randrange(6)] = chance.choice(
            ["", ":", "[", "}", "\n", " ", "'", "9", "é", "&a ", "*a", "\0", "- ", "%", ","]
        )
    try:
        parse_study("".join(text), model)
    except StudyError as error:
        assert error.mistakes


def test_a_model_may_not_take_the_columns_of_the_study() -> None:
    taken = parse_model(TOY.replace("frailty:", "accuracy_index:"))
    with pytest.raises(StudyError, match="accuracy_index"):
        accuracy_of({"index-test": "sbp >= 140", "target": "ill"}, taken)


def test_a_study_written_and_read_again_is_the_same(asked: Study, folder: Path) -> None:
    wish = replace(asked, model=str(folder / "toy.yaml"))
    (folder / "again.yaml").write_text(wish.to_yaml(), encoding="utf-8")
    again = read_study(folder / "again.yaml")[0]
    assert again == wish
    assert again.accuracy is not None
    assert [one.name for one in again.accuracy.biases] == [next(iter(one)) for one in yaml.safe_load(STUDY)["accuracy"]["biases"]]  # fmt: skip


def test_in_python_it_is_written_as_in_a_file(asked: Study, model: ClinicalModel) -> None:
    assert asked.accuracy is not None
    assert accuracy_of(yaml.safe_load(STUDY)["accuracy"], model) == asked.accuracy
    made = manikin.make("toy.yaml", patients=50, accuracy={"index-test": "sbp >= 140", "target": "ill"})
    assert "accuracy_index" in made.table("analysis").column_names
    with pytest.raises(StudyError, match="Did you mean 'spectrum'"):
        accuracy_of({"index-test": "sbp >= 140", "target": "ill", "biases": [{"spectrm": "ill"}]}, model)


@pytest.fixture
def released(folder: Path, asked: Study, model: ClinicalModel, small_shards: None) -> Made:  # noqa: ARG001
    return run(changed(asked, formats=("parquet", "csv")), model, folder / "out", jobs=1)


def test_a_release_remakes_to_the_same_bytes_with_any_number_of_processes(
    folder: Path, released: Made, model: ClinicalModel
) -> None:
    assert verify(folder / "out") == []
    assert remake(folder / "out", folder / "again", jobs=1) == ([], [])
    files = bytes_of(folder / "out")
    assert bytes_of(folder / "again") == files
    run(released.study, model, folder / "two", jobs=2)
    assert bytes_of(folder / "two") == files


def test_switched_off_it_leaves_the_bytes_of_a_cohort_without_it(
    folder: Path, released: Made, model: ClinicalModel
) -> None:
    run(replace(released.study, accuracy=None), model, folder / "off", jobs=1)
    plain, studied = bytes_of(folder / "off"), bytes_of(folder / "out")
    assert not [name for name, content in plain.items() if b"accuracy_" in content]
    for name in plain:
        if name.startswith("data/") and "analysis" not in name:
            assert studied[name] == plain[name]
    for table in ("data/analysis", "truth"):
        for part in (folder / "off" / table).glob("*.parquet"):
            before, now = pq.read_table(part), pq.read_table(folder / "out" / table / part.name)
            assert now.select(before.column_names).equals(before)
            assert now.num_columns > before.num_columns


def test_the_documents_say_what_was_studied(folder: Path, released: Made) -> None:
    assert released.folder is not None
    datasheet = (folder / "out/docs/datasheet.md").read_text()
    assert "- Index test: positive where hba1c >= 6, inconclusive where hba1c in 5.8..5.9.\n" in datasheet
    assert "- Bias: partial verification, index negative (verified 20%).\n" in datasheet
    dictionary = (folder / "out/docs/dictionary.md").read_text()
    for name in released.table("analysis").column_names + released.table("truth").column_names:
        assert name in dictionary
    assert "A study of diagnostic accuracy" in (folder / "out/README.md").read_text()
    report = (folder / "out/report.html").read_text()
    assert "how accurate does this study make it look?" in report
    assert 'class="flow"' in report


def test_a_release_without_it_has_no_trace_of_it(made: Made) -> None:
    assert made.folder is not None
    for name in ("README.md", "docs/datasheet.md", "docs/dictionary.md"):
        assert "accuracy" not in (made.folder / name).read_text()


def test_the_terminal_says_what_the_study_finds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make", str(folder / "study.yaml"), "--out", "out", "--jobs", "1"]) == 0
    assert "Accuracy of the test" in capsys.readouterr().out


def test_all_other_evidence_is_that_of_the_patients_without_a_study(asked: Study, model: ClinicalModel) -> None:
    studied, plain = (make(one, model).appraise() for one in (asked, replace(asked, accuracy=None)))
    assert studied.findings[:-1] == plain.findings
    assert studied.gates == plain.gates
    assert studied.findings[-1].check == "accuracy"


@pytest.mark.parametrize("seed", range(3))
def test_patients_and_their_records_do_not_know_of_the_study(asked: Study, model: ClinicalModel, seed: int) -> None:
    studied = make(replace(asked, seed=seed), model)
    plain = make(replace(asked, seed=seed, accuracy=None), model)
    for table in ("patients", "encounters", "events"):
        assert studied.table(table).equals(plain.table(table))
