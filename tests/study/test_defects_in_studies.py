"""A study says what is to be imperfect; its release tells all of it, and can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed import Case

import manikin
from manikin.cli import main
from manikin.clinic import ClinicalModel
from manikin.cohort.defects import presets
from manikin.errors import StudyError
from manikin.study import Made, Study, changed, defects_of, make, parse_study, read_study, remake, run, verify
from manikin.study.run import silent
from toy import SHARD, TOY, bytes_of

STUDY = """\
study: small
purpose: test the reader of defects
users: [testers]
privacy: {objective: no record of any person is used, recipient: public}
model: toy.yaml
patients: 600
defects:
  - {missing: [ferritin, hba1c], share: 5%}
  - {missing: [smoking, glucose], together: yes, share: 8%, when: age < 40, odds-ratio: 2.5}
  - {missing: [vaping], share: 10%, when: frailty > 1, odds-ratio: 3}
  - {heaping: [sbp, dbp], share: 40%, to: 10}
  - {unit-mix-up: [ferritin], share: 1%, factor: 2.247}
  - {swapped: [sbp, dbp], share: 1%}
  - {typing-error: [glucose], share: 2%}
  - {label-noise: ill, sensitivity: 90%, specificity: 99%}
  - {offset: [sbp], by: 4, when: sex == male, share: 100%}
  - {under-represent: sex == female, keep: 50%}
"""


CASES = (
    Case("defects as a text", STUDY[STUDY.index("defects:\n") :], "defects: ¦many\n", "'defects' is a list"),
    Case("an unknown defect", "{swapped: [sbp, dbp]", "{¦swaped: [sbp, dbp]", "Did you mean 'swapped'"),
    Case("an empty defect", "{swapped: [sbp, dbp], share: 1%}", "¦{}", "empty"),
    Case("a defect that is a list", "{swapped: [sbp, dbp], share: 1%}", "¦[sbp]", "preset"),
    Case("an unknown preset", "{swapped: [sbp, dbp], share: 1%}", "¦ehr-typcal", "Did you mean 'ehr-typical'"),
    Case("two defects in one", "swapped: [sbp, dbp], share: 1%", "swapped: [sbp, dbp], share: 1%, ¦heaping: [sbp], to: 5", "one defect"),
    Case("an unknown variable", "[ferritin, hba1c]", "[ferritin, ¦hba1]", "Did you mean 'hba1c'"),
    Case("a variable that is only true", "[ferritin, hba1c]", "[ferritin, ¦frailty]", "not in the data"),
    Case("a helper", "[ferritin, hba1c]", "[ferritin, ¦tested]", "not in the data"),
    Case("a variable twice", "[ferritin, hba1c]", "[ferritin, ¦ferritin]", "twice"),
    Case("no variable", "[ferritin, hba1c]", "¦[]", "names no variable"),
    Case("no share", "{typing-error: [glucose], share: 2%}", "¦{typing-error: [glucose]}", "'share'"),
    Case("a share above everybody", "share: 8%", "share: ¦8", "goes up to 100%"),
    Case("a share of nobody", "share: 8%", "share: ¦0%", "above 0"),
    Case("a share in words", "share: 8%", "share: ¦some", "is a number"),
    Case("a misspelt setting", "together: yes", "¦togeter: yes", "Did you mean 'together'"),
    Case("together as a number", "together: yes", "together: ¦2", "yes or no"),
    Case("one variable together", "[smoking, glucose], together: yes", "[smoking], together: ¦yes", "several"),
    Case("a condition on an unknown variable", "when: age < 40", "when: ¦aeg < 40", "Did you mean 'age'"),
    Case("a condition on a helper", "when: age < 40", "when: ¦tested", "not kept"),
    Case("a condition that is none", "when: age < 40", "when: ¦age", "a condition is needed"),
    Case("a condition without an end", "when: age < 40", "when: age <¦", "the end"),
    Case("a condition as a list", "when: age < 40", "when: ¦[age]", "is a condition"),
    Case("an unknown level", "when: sex == male", "when: sex == ¦mal", "Did you mean 'male'"),
    Case("an odds ratio without a condition", ", when: age < 40, odds-ratio: 2.5", ", odds-ratio: ¦2.5", "of whom"),
    Case("an odds ratio of nothing", "odds-ratio: 2.5", "odds-ratio: ¦0", "above 0"),
    Case("a negative odds ratio", "odds-ratio: 2.5", "odds-ratio: ¦-2", "above 0"),
    Case("heaping of a category", "heaping: [sbp, dbp]", "heaping: [sbp, ¦smoking]", "category"),
    Case("heaping to nothing", "to: 10", "to: ¦0", "above 0"),
    Case("heaping to the step of the values", "to: 10", "to: ¦1", "changes nothing"),
    Case("heaping to nowhere", "- {heaping: [sbp, dbp], share: 40%, to: 10}", "- ¦{heaping: [sbp, dbp], share: 40%}", "'to'"),
    Case("half a year", "heaping: [sbp, dbp], share: 40%, to: 10", "heaping: [age], share: 40%, to: ¦2.5", "no whole number"),
    Case("a factor of 1", "factor: 2.247", "factor: ¦1", "not 1"),
    Case("a negative factor", "factor: 2.247", "factor: ¦-2", "above 0"),
    Case("a unit of a condition", "unit-mix-up: [ferritin]", "unit-mix-up: [¦ill]", "condition"),
    Case("three swapped", "swapped: [sbp, dbp]", "swapped: ¦[sbp, dbp, pressure]", "Two variables"),
    Case("one swapped", "swapped: [sbp, dbp]", "swapped: ¦[sbp]", "Two variables"),
    Case("swapped units", "swapped: [sbp, dbp]", "swapped: ¦[sbp, glucose]", "one unit"),
    Case("a mistyped count", "typing-error: [glucose]", "typing-error: [¦age]", "count"),
    Case("labels of a number", "label-noise: ill", "label-noise: ¦sbp", "condition"),
    Case("two labels", "label-noise: ill", "label-noise: ¦[ill, statin]", "one condition"),
    Case("no specificity", "{label-noise: ill, sensitivity: 90%, specificity: 99%}", "¦{label-noise: ill, sensitivity: 90%}", "'specificity'"),
    Case("a sensitivity beyond certainty", "sensitivity: 90%", "sensitivity: ¦90", "to 100%"),
    Case("labels without noise", "sensitivity: 90%, specificity: 99%", "sensitivity: ¦100%, specificity: 100%", "nothing is wrong"),
    Case("an offset of nothing", "by: 4", "by: ¦0", "not 0"),
    Case("an offset that does not show", "by: 4", "by: ¦0.2", "does not show"),
    Case("keeping everybody", "keep: 50%", "keep: ¦100%", "between 0 and 100%"),
    Case("keeping nobody", "keep: 50%", "keep: ¦0", "between 0 and 100%"),
    Case("a group that is none", "under-represent: sex == female", "under-represent: ¦sex", "a condition is needed"),
    Case("a group with a share", "keep: 50%", "keep: 50%, ¦share: 5%", "no setting 'share'"),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "toy.yaml").write_text(TOY, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def imperfect(folder: Path) -> Study:
    return read_study(folder / "study.yaml")[0]


def test_at_least_15_kinds_of_mistakes_are_tried() -> None:
    assert len({case.kind for case in CASES}) == len(CASES) >= 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_malformed_defect_is_told_with_its_place(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case.assert_told(STUDY, folder, capsys)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_damaged_defects_are_accepted_or_refused_but_never_break_the_reader(
    model: ClinicalModel, number: int, times: int
) -> None:
    chance, text, start = random.Random(number), list(STUDY), STUDY.index("defects:")
    for _ in range(times):
        place = chance.randrange(start, len(text))
        text[place : place + chance.randrange(6)] = chance.choice(
            [
                "",
                ":",
                "[",
                "}",
                "\n",
                " ",
                "'",
                "9",
                "é",
                "&a ",
                "*a",
                "\0",
                "- ",
                "-1e308",
                "0",
                "nan",
                "missing",
                "age",
                ",",
            ]
        )
    try:
        parse_study("".join(text), model)
    except StudyError as error:
        lines = "".join(text).count("\n") + 1
        assert error.mistakes
        assert all(1 <= one.line <= lines and one.column >= 1 for one in error.mistakes)


def test_a_preset_that_names_nothing_of_the_model_is_refused(folder: Path) -> None:
    little = (
        (Path(__file__).parent / "test_malformed_studies.py").read_text().split('MODEL = """\\\n')[1].split('"""')[0]
    )
    # Who has an age has a date of birth, which may contradict another one.
    (folder / "toy.yaml").write_text(little.replace("age:", "years:").replace("per: age", "per: years"))
    (folder / "study.yaml").write_text(STUDY[: STUDY.index("  - {missing")] + "  - ehr-typical\n")
    with pytest.raises(StudyError, match="names no variable of this model"):
        read_study(folder / "study.yaml")


def test_a_study_with_defects_written_and_read_again_is_the_same(folder: Path, imperfect: Study) -> None:
    assert len(imperfect.defects) == 10
    (folder / "again.yaml").write_text(imperfect.to_yaml(), encoding="utf-8")
    assert read_study(folder / "again.yaml")[0] == imperfect


def test_a_preset_is_kept_written_out_with_its_sources(folder: Path, model: ClinicalModel, study: Study) -> None:
    wish = changed(study, model=str(folder / "toy.yaml"), defects=defects_of(["ehr-typical"], model))
    (folder / "again.yaml").write_text(wish.to_yaml(), encoding="utf-8")
    assert read_study(folder / "again.yaml")[0].defects == wish.defects
    assert "ehr-typical" not in wish.to_yaml()
    assert "American Journal of Hypertension 2006" in wish.to_yaml()
    assert "(derived)" in wish.to_yaml()


@pytest.mark.parametrize("name", presets())
def test_every_entry_of_a_preset_fits_the_built_in_model(name: str) -> None:
    made = manikin.make("diabetes-screening", patients=50, defects=[name])
    listed = yaml.safe_load(presets()[name])["defects"]
    assert len(made.study.defects) == len(listed)


@pytest.fixture
def released(folder: Path, imperfect: Study, model: ClinicalModel, small_shards: None) -> Made:  # noqa: ARG001
    return run(changed(imperfect, formats=("parquet", "csv")), model, folder / "out", jobs=1)


def test_a_release_keeps_its_log_apart_and_remakes_to_the_same_bytes(folder: Path, released: Made) -> None:
    assert verify(folder / "out") == []
    files = bytes_of(folder / "out")
    assert {"defects/part-00000.parquet", "defects/part-00001.parquet", "defects/defects.csv"} <= files.keys()
    assert not [name for name in files if name.startswith("data/") and "defects" in name]
    assert remake(folder / "out", folder / "again", jobs=1) == ([], [])
    assert bytes_of(folder / "again") == files
    log = released.table("defects")
    assert log.num_rows == sum(pq.read_metadata(one).num_rows for one in (folder / "out/defects").glob("*.parquet"))


def test_two_processes_write_the_same_bytes(
    folder: Path,
    imperfect: Study,
    model: ClinicalModel,
    small_shards: None,  # noqa: ARG001
) -> None:
    for jobs in (1, 2):
        run(imperfect, model, folder / f"jobs-{jobs}", jobs=jobs)
    assert bytes_of(folder / "jobs-1") == bytes_of(folder / "jobs-2")


def test_an_interrupted_run_resumes_to_the_same_bytes(folder: Path, released: Made, model: ClinicalModel) -> None:
    def interrupt(step: str, done: int, _total: int) -> None:
        if (step, done) == ("sampling", SHARD):
            raise KeyboardInterrupt

    for progress in (interrupt, silent):
        try:
            run(released.study, model, folder / "resumed", jobs=1, progress=progress)
        except KeyboardInterrupt:
            assert len(list((folder / ".resumed.unfinished/defects").iterdir())) == 1
    assert bytes_of(folder / "resumed") == bytes_of(folder / "out")


def test_without_parquet_the_log_is_kept_as_what_was_asked_for(
    folder: Path, imperfect: Study, model: ClinicalModel
) -> None:
    run(changed(imperfect, formats=("csv",)), model, folder / "out", jobs=1)
    assert [path.name for path in (folder / "out" / "defects").iterdir()] == ["defects.csv"]
    assert not list((folder / "out").rglob("*.parquet"))


def test_the_documents_say_what_is_imperfect(folder: Path, released: Made) -> None:
    assert released.folder is not None
    datasheet = (folder / "out/docs/datasheet.md").read_text()
    assert "- Missing ferritin, hba1c (share 5%).\n" in datasheet
    assert "- Under-represent sex == female (keep 50%).\n" in datasheet
    dictionary = (folder / "out/docs/dictionary.md").read_text()
    assert "## defects" in dictionary
    assert "Imperfect on purpose (heaping, swapped, offset); the truth holds the clean value." in dictionary
    assert "Imperfect on purpose" in (folder / "out/README.md").read_text()


def test_a_release_without_defects_has_no_trace_of_them(made: Made) -> None:
    assert made.folder is not None
    assert not [name for name in bytes_of(made.folder) if "defect" in name]
    assert "**Were errors put in on purpose?** No." in (made.folder / "docs/datasheet.md").read_text()


def test_the_evidence_is_about_the_clean_twin_and_sets_asked_beside_realised(
    model: ClinicalModel, imperfect: Study
) -> None:
    appraisal = make(changed(imperfect, patients=20_000), model).appraise()
    found = {one.check: one for one in appraisal.findings}
    assert all(gate.passed for gate in appraisal.gates)
    assert found["plausibility"].passed
    assert found["defects"].passed
    shares = [one for one in found["defects"].measures if one.unit == "share"]
    assert len(shares) == 13
    for one in shares:
        assert one.expected is not None and one.interval is not None
        assert abs(one.value - one.expected) < 0.01 + 4 * (one.expected * (1 - one.expected) / 2_000) ** 0.5 * (
            one.group == "label-noise"
        )
        assert one.interval[0] <= one.value <= one.interval[1]


def test_a_log_that_does_not_tell_all_is_found_out(model: ClinicalModel, imperfect: Study) -> None:
    made = make(imperfect, model)
    log = made.cohort.parts["defects"][0]
    shorter = {**made.cohort.parts, "defects": (log.slice(1),)}
    object.__setattr__(made.cohort, "parts", shorter)
    found = next(one for one in made.appraise().findings if one.check == "defects")
    assert found.passed is False
    assert found.measures[-1].value == 1


def test_under_representation_has_a_dose_and_no_weights(model: ClinicalModel, study: Study) -> None:
    shares = []
    for keep in (None, "50%", "10%"):
        wanted = [] if keep is None else [{"under-represent": "sex == female", "keep": keep}]
        made = make(changed(study, patients=20_000, defects=defects_of(wanted, model)), model)
        assert "sampling_weight" not in made.table("analysis").column_names
        shares.append(np.mean(made.cohort.columns(["sex"])["sex"] == 0))
        if keep is not None:
            targets = next(one for one in made.appraise().findings if one.check == "targets")
            assert "on purpose" in targets.answer
    # Of 51% women: half of them are 34.2%, and a tenth are 9.4%; 0.015 is more than 4 standard errors.
    assert np.allclose(shares, [0.51, 0.342, 0.094], atol=0.015)


def test_under_representation_and_over_sampling_get_on_and_only_one_has_weights(
    model: ClinicalModel, study: Study
) -> None:
    wanted = defects_of([{"under-represent": "sex == female", "keep": 0.5}], model)
    made = make(changed(study, patients=20_000, oversample="ill=yes:5", defects=wanted), model)
    columns, weights = made.cohort.columns(["sex", "ill"]), made.cohort.weights()
    assert weights is not None
    assert set(np.unique(weights)) == {0.2, 1.0}
    # Weighted back to the population of fewer women; five standard errors.
    assert abs(np.average(columns["sex"] == 0, weights=weights) - 0.34) < 0.03


def test_the_terminal_says_that_it_is_imperfect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make", str(folder / "study.yaml"), "--out", "out", "--jobs", "1"]) == 0
    assert "10 defects; the log stands in defects/" in capsys.readouterr().out


def test_defects_in_python_are_told_by_their_mistakes(model: ClinicalModel) -> None:
    with pytest.raises(StudyError, match="Did you mean 'missing'"):
        defects_of([{"mising": ["sbp"], "share": 0.1}], model)


@pytest.mark.parametrize("seed", range(3))
def test_clean_values_are_those_of_the_study_without_defects(
    model: ClinicalModel, study: Study, make_release: Callable[..., Made], seed: int
) -> None:
    del make_release
    wanted = defects_of([{"heaping": ["sbp"], "to": 10, "share": 0.4}, {"missing": ["ferritin"], "share": 0.2}], model)
    clean = make(changed(study, seed=seed), model)
    dirty = make(changed(study, seed=seed, defects=wanted), model)
    for name in clean.table("analysis").column_names:
        kept = dirty.table("truth" if name in ("sbp", "ferritin") else "analysis").column(name)
        assert kept.equals(clean.table("analysis").column(name))
