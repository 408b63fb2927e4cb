"""A study says what is to be wrong over time; its release tells all of it, and can be made again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clinic"))

from malformed import Case
from timed_model import TEXT

import manikin
from manikin.cli import main
from manikin.clinic import parse_model
from manikin.errors import StudyError
from manikin.study import Made, defects_in, read_study, remake, run, verify
from toy import bytes_of

MODEL = TEXT.replace(
    "shares: {female: 50, male: 50}, source: book verified}",
    "shares: {female: 50, male: 50}, source: book verified, static: yes}",
)
STUDY = """\
study: small
purpose: test the reader of defects over time
users: [testers]
privacy: {objective: no record of any person is used, recipient: public}
model: timed.yaml
patients: 500
defects:
  - {missing-events: [marker], share: 5%, when: severity_at_start > 1, odds-ratio: 4}
  - {missing-events: [sbp, dbp], together: yes, share: 4%}
  - {missing-visits: [ambulatory], share: 9%}
  - {heaping: [sbp, dbp], share: 40%, to: 10}
  - {offset: [sbp], by: 4, spread: 2, when: sex == male, share: 100%}
  - {carry-forward: [dbp, rhythm], share: 10%}
  - {rounding-of-times: [medication, sbp], to: 30 min, share: 20%}
  - {clock-shift: [emergency], by: -1 h, share: 3%}
  - {clock-shift: [film], by: 2 d, share: 2%}
  - {site-effect: [marker], site: north, scale: 1.2, code: M7, share: 21%}
  - {duplicate-patients: [birth_date, sex], moved: 60%, share: 11%}
""".replace("[film]", "[shadow]")


CASES = (
    Case("an unknown kind", "{missing-events: [marker]", "{¦missing-event: [marker]", "Did you mean 'missing-events'"),
    Case("events of what is only at the index", "missing-events: [marker]", "missing-events: [¦age]", "not measured over time"),
    Case("events of nothing known", "missing-events: [marker]", "missing-events: [¦markr]", "Did you mean 'marker'"),
    Case("no events", "missing-events: [marker]", "missing-events: ¦[]", "names no variable"),
    Case("one variable together", "[sbp, dbp], together: yes", "[sbp], together: ¦yes", "several"),
    Case("a visit of no kind", "[ambulatory]", "[¦ambulance]", "Did you mean 'ambulatory'"),
    Case("no visit", "[ambulatory]", "¦[]", "names no kind of encounter"),
    Case("a visit twice", "[ambulatory]", "¦[ambulatory, ambulatory]", "twice"),
    Case("carrying what is not measured", "[dbp, rhythm]", "[dbp, ¦sex]", "not measured over time"),
    Case("a spread below none", "spread: 2", "spread: ¦-2", "from 0"),
    Case("times of nothing", "[medication, sbp]", "[¦medicine, sbp]", "Did you mean 'medication'"),
    Case("times without a unit", "to: 30 min", "to: ¦30", "with a unit"),
    Case("times in no unit", "to: 30 min", "to: ¦30 minutes", "with a unit"),
    Case("times that don't divide a day", "to: 30 min", "to: ¦7 min", "divides a day"),
    Case("times to half a minute", "to: 30 min", "to: ¦0.5 min", "whole minutes"),
    Case("times to nowhere", "{rounding-of-times: [medication, sbp], to: 30 min, share: 20%}", "¦{rounding-of-times: [medication, sbp], share: 20%}", "'to'"),
    Case("a clock that is right", "by: -1 h", "by: ¦0 h", "a minute to ten years"),
    Case("a clock of another age", "by: -1 h", "by: ¦-9000 wk", "ten years"),
    Case("a clock as a list", "by: -1 h", "by: ¦[1 h]", "with a unit"),
    Case("a clock of nobody", "[emergency]", "[¦emergencies]", "Did you mean 'emergency'"),
    Case("a clock of a ward and a device", "[emergency]", "¦[emergency, marker]", "an entry for each"),
    Case("a site without a name", "{site-effect: [marker], site: north,", "¦{site-effect: [marker],", "'site'"),
    Case("a site without an effect", "site-effect: [marker], site: north, scale: 1.2, code: M7", "site-effect: ¦[marker], site: north", "Nothing is other"),
    Case("a scale of nothing", "scale: 1.2", "scale: ¦0", "above 0"),
    Case("a scale of words", "site-effect: [marker]", "site-effect: ¦[rhythm]", "Only numbers"),
    Case("an offset beyond everything", "scale: 1.2", "by: ¦1e9", "within a million"),
    Case("a code of two", "[marker], site: north, scale: 1.2, code: M7", "[sbp, dbp], site: north, scale: 1.2, code: ¦M7", "one variable"),
    Case("a demographic that moves", "[birth_date, sex]", "[birth_date, ¦marker]", "no demographic"),
    Case("no demographic", "[birth_date, sex]", "¦[]", "no demographic"),
    Case("more than all moved", "moved: 60%", "moved: ¦60", "up to 100%"),
    Case("no share of doubles", "{duplicate-patients: [birth_date, sex], moved: 60%, share: 11%}", "¦{duplicate-patients: [sex], moved: 60%}", "'share'"),
    Case("duplicates twice", "moved: 60%, share: 11%}", "moved: 60%, share: 11%}\n  - ¦{duplicate-patients: [sex], share: 5%}", "once"),
    Case("a condition on what comes later", "severity_at_start > 1", "¦severty_at_start > 1", "Did you mean 'severity_at_start'"),
    Case("a setting of another kind", "share: 9%", "share: 9%, ¦to: 10", "no setting 'to'"),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "timed.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_malformed_defect_is_told_with_its_place(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case.assert_told(STUDY, folder, capsys, command="check")


def test_a_study_written_and_read_again_is_the_same(folder: Path) -> None:
    study, _ = read_study(folder / "study.yaml")
    assert len(study.defects) == 11
    (folder / "again.yaml").write_text(study.to_yaml(), encoding="utf-8")
    assert read_study(folder / "again.yaml")[0] == study


def released(folder: Path, jobs: int = 1) -> Made:
    study, model = read_study(folder / "study.yaml")
    return run(study, model, folder / f"out-{jobs}", jobs=jobs)


@pytest.mark.usefixtures("small_shards")
def test_a_release_is_verified_and_made_again_to_the_byte_by_any_number_of_processes(folder: Path) -> None:
    text = (folder / "study.yaml").read_text().replace("patients: 500", "patients: 500\nformats: [parquet, csv]")
    (folder / "study.yaml").write_text(text)
    one, _ = released(folder), released(folder, 2)
    files = bytes_of(folder / "out-1")
    assert bytes_of(folder / "out-2") == files
    assert verify(folder / "out-1") == []
    assert remake(folder / "out-1", folder / "again", jobs=1) == ([], [])
    assert bytes_of(folder / "again") == files
    assert {"truth/duplicates/part-00000.parquet", "truth/duplicates.csv", "defects/defects.csv"} <= files.keys()
    assert not [name for name in files if name.startswith("data/") and "duplicate" in name]
    assert all(gate.passed for gate in one.appraise().gates)
    datasheet = (folder / "out-1/docs/datasheet.md").read_text()
    assert "- Clock-shift emergency (by -60 min, share 3%).\n" in datasheet
    dictionary = (folder / "out-1/docs/dictionary.md").read_text()
    assert "## duplicates" in dictionary


def test_the_evidence_sets_asked_beside_realised_and_is_about_the_clean_twin(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY.replace("patients: 500", "patients: 20000"))
    study, model = read_study(folder / "study.yaml")
    findings = {one.check: one for one in manikin.study.make(study, model).appraise().findings}
    assert findings["plausibility"].passed
    assert findings["defects"].passed
    names = [(one.group, one.name) for one in findings["defects"].measures]
    assert ("missing-events", "Marker, over time, odds ratio 4 where severity_at_start > 1") in names
    assert ("missing-visits", "ambulatory encounters") in names
    assert ("duplicate-patients", "patients") in names
    for one in findings["defects"].measures:
        if one.unit == "share" and one.name != "Rhythm, over time":
            assert one.expected is not None
            # A point, and four standard errors where only those who stand twice or come again are at risk.
            assert abs(one.value - one.expected) < 0.01 + 0.03 * (one.group in ("missing-visits", "duplicate-patients"))


FIELDS = ["value", "time", "recorded", "code", "start", "end", "patient_id", "encounter", "event"]


def judged(made: Made, log: pa.Table) -> float:
    """Return how many differences the evidence finds where this is the log."""
    object.__setattr__(made.cohort, "parts", {**made.cohort.parts, "defects": (log,)})
    found = next(one for one in made.appraise().findings if one.check == "defects")
    assert found.passed is (found.measures[-1].value == 0)
    return found.measures[-1].value


def place_of(log: pa.Table, field: str) -> int:
    return int(pc.index(pc.and_(pc.equal(log["field"], field), pc.is_valid(log["time"])), True).as_py())


@pytest.mark.parametrize("field", FIELDS)
def test_a_log_that_leaves_something_out_over_time_is_found_out(folder: Path, field: str) -> None:
    study, model = read_study(folder / "study.yaml")
    made = manikin.study.make(study, model)
    log = made.cohort.parts["defects"][0]
    assert judged(made, log) == 0
    place = place_of(log, field)
    shorter = pa.concat_tables([log.slice(0, place), log.slice(place + 1)])
    # A lost event leaves a gap in each of its columns.
    assert judged(made, shorter) >= 1


@pytest.mark.parametrize("field", FIELDS[:7])
def test_a_log_that_says_what_is_not_so_over_time_is_found_out(folder: Path, field: str) -> None:
    study, model = read_study(folder / "study.yaml")
    made = manikin.study.make(study, model)
    log = made.cohort.parts["defects"][0]
    values = log["recorded"].to_pylist()
    values[place_of(log, field)] = "another"
    wrong = log.set_column(log.column_names.index("recorded"), "recorded", pa.array(values, pa.string()))
    assert judged(made, wrong) == 1


def test_defects_may_be_asked_for_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wish = "[ehr-typical, {clock-shift: [emergency], by: 1 h, share: 50%}]"
    assert main(["make", "timed.yaml", "--patients", "300", "--defects", wish, "--out", "out", "--jobs", "1"]) == 0
    assert "defects; the log stands in defects/" in capsys.readouterr().out
    kept = (folder / "out/inputs/study.yaml").read_text()
    assert "clock-shift" in kept
    assert "American Health Information Management Association" in kept
    assert (
        main(["make", "timed.yaml", "--patients", "50", "--defects", "ehr-typical", "--out", "two", "--jobs", "1"]) == 0
    )
    assert remake(folder / "out", folder / "again", jobs=1) == ([], [])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[{missing-events: [markr], share: 5%}]", "--defects:1:20"),
        ("ehr-typcal", "--defects:1:1"),
        ("{heaping: [sbp], to: 10, share: 8}", "--defects:1:33"),
        ("[", "--defects:1:"),
        ("{a: [}", "--defects:1:"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(StudyError, match=place):
        defects_in(text, parse_model(MODEL))
