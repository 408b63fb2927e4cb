"""A scenario is told with its mistakes, and is the model with nothing else changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from two_worlds import MODEL, STUDY

from manikin.cli import main
from manikin.clinic import ClinicalModel, calibrate, parse_model
from manikin.document import parse, plain, write
from manikin.errors import ModelError, RequestError, StudyError
from manikin.streams import Seed
from manikin.study import changed, make, read_study, scenarios_of
from manikin.study.changes import Relative
from manikin.study.scenarios import calibrated_in, model_of

HERE = "¦"


@pytest.fixture
def clinic() -> ClinicalModel:
    return parse_model(MODEL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Case:
    """A scenario with a mistake at the mark; what is told names all the ``words``."""

    kind: str
    written: str
    words: tuple[str, ...]


CASES = (
    Case("a misspelt setting", "x: {¦pathway.stats: 3 d}", ("scenarios.x: the model has no 'pathway.stats'", "Did you mean", "states")),
    Case("a block that isn't there", "x: {¦pathway.states.triag.wait: 3 d}", ("no 'pathway.states.triag'", "'pathway.states.triage'", "treat")),
    Case("a misspelt top", "x: {¦pathwy.horizon: 3 d}", ("no 'pathwy'", "pathway")),
    Case("a parameter that isn't there", "x: {¦parameters.drifft: 2}", ("no 'parameters.drifft'", "'parameters.drift'")),
    Case("a setting that states don't have", "x: {¦pathway.states.triage.hors: 8..17}", ("no 'pathway.states.triage.hors'", "'hours'")),
    Case("an item of a list that isn't there", "x: {¦pathway.states.triage.then.ward.share: 3%}", ("then.ward", "treat, recall, home")),
    Case("a number beyond a list", "x: {¦pathway.states.triage.then.9.share: 3%}", ("then.9",)),
    Case("what has to be there, taken out", "x: {¦sources.house.cite: removed}", ("house", "cite")),
    Case("something inside a value", "x: {¦pathway.horizon.years: 3}", ("'3 a' stands", "'pathway.horizon'")),
    Case("the targets", "x: {¦targets.ill adults.value: 30%}", ("'targets'", "can't be changed", "parameters")),
    Case("the calibration", "x: {¦calibrate: []}", ("'calibrate'", "undo the change")),
    Case("the name of the model", "x: {¦model: other}", ("'model' names the model",)),
    Case("a number changed that isn't there", 'x: {¦pathway.states.triage.hours: "* 2"}', ("no 'pathway.states.triage.hours'",)),
    Case("a block changed like a number", 'x: {¦pathway.states.triage: "* 2"}', ("is a block", "'* 2'", "orders")),
    Case("a time without a unit", "x: {pathway.tests.blood.resulted: ¦15}", ("is a time", "unit")),
    Case("a number added to a time", 'x: {¦pathway.tests.blood.resulted: "+ 15"}', ("no unit", "+ 15 h")),
    Case("a time added to a number", 'x: {¦parameters.drift: "+ 3 d"}', ("another unit",)),
    Case("divided by nothing", 'x: {¦parameters.drift: "/ 0"}', ("divided by 0",)),
    Case("a location that is no number", 'x: {¦variables.hba1c.draw: "* 2"}', ("plain number", "Write out")),
    Case("a state to which nobody can go", "x: {pathway.states.triage.then: [{go: ¦nowhere}]}", ("no state 'nowhere'",)),
    Case("a new state to which nobody comes", "x: {¦pathway.states.ward: {ends: loss}}", ("Nobody comes to", "ward")),
    Case("an expression that is none", "x: {pathway.states.triage.then.treat.when: result(hba1c) >¦}", ("the end",)),
    Case("a variable that isn't there", "x: {pathway.risks.1.per-year: 0.1 * ¦agee}", ("agee",)),
    Case("what others refer to, taken out", "x: {¦pathway.states.dead: removed}", ("leaves the model wrong", "dead")),
    Case("one value for a block", "x: {¦pathway.tests: fast}", ("is a block", "'fast'")),
    Case("nothing as a value", 'x: {¦pathway.horizon: ""}', ("given nothing", "removed")),
    Case("a probability above 1", "x: {pathway.tests.blood.lost: ¦3}", ("between 0 and 1",)),
    Case("a name that is no folder", "¦../x: {}", ("can't name a scenario",)),
    Case("changes as a list", "x: ¦[pathway.horizon]", ("block of places",)),
    Case("scenarios as a list", "¦- x", ("'scenarios' is a block",)),
)  # fmt: skip


def test_at_least_15_kinds_of_mistakes_are_tried() -> None:
    assert len({case.kind for case in CASES}) == len(CASES) >= 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_mistake_is_told_with_its_place_and_what_was_possible(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STUDY[: STUDY.index("  today")] + f"  {case.written}\n"
    before = text[: text.index(HERE)]
    (folder / "study.yaml").write_text(text.replace(HERE, ""), encoding="utf-8")
    assert main(["check", "study.yaml"]) == 2
    told = capsys.readouterr().err
    assert f"study.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}  " in told, told
    assert all(word in told for word in case.words), told
    assert "1 mistake;" in told or "leaves the model wrong" in told, told


def test_mistakes_of_all_scenarios_are_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = STUDY.replace("400", "many") + "  x: {pathway.stats: 3, parameters.drifft: 2}\n  y: {targets.a: 3}\n"
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    assert main(["compare", "study.yaml", "--scenarios", "today,x"]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in ("many", "drifft", "'targets'")), told
    assert not [path for path in folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        ("* 0.5", "lognormal(15 min, 0.5)", "lognormal(7.5 min, 0.5)"),
        ("+ 20%", "lognormal(mean=10 h, sd=2 h)", "lognormal(mean=12 h, sd=2 h)"),
        ("* 2", "truncated(lognormal(3 mo, 0.2), 1 mo, 6 mo)", "truncated(lognormal(6 mo, 0.2), 1 mo, 6 mo)"),
        ("- 10%", "50%", "45%"),
        ("+ 0.05", "50%", "55%"),
        ("+ 30 min", "2 h", "2.5 h"),
        ("* 3", "0.1", "0.3"),
        ("/ 4", "-3", "-0.75"),
        ("+20%", "10 min", "12 min"),
        ("* 2", "0.01 + 0.02 * age", "(0.01 + 0.02 * age) * 2"),
    ],
)
def test_a_relative_change_moves_the_number_that_is_meant(change: str, text: str, expected: str) -> None:
    relative = Relative.read(change)
    assert relative is not None
    assert relative.applied(text) == expected


@pytest.mark.parametrize("text", ["-2", "0.5", "15 min", "lognormal(2 h, 0.5)", "removed", "2 * age"])
def test_what_stands_for_itself_is_no_relative_change(text: str) -> None:
    assert Relative.read(text) is None


def test_a_document_written_is_read_as_the_same(model: ClinicalModel, clinic: ClinicalModel) -> None:
    for text in (model.text, clinic.text):
        top, _ = parse(text, "model.yaml", ModelError)
        assert plain(parse(write(top), "again.yaml", ModelError)[0]) == plain(top)


def test_a_model_with_changes_is_a_model_file_in_which_nothing_else_differs(clinic: ClinicalModel) -> None:
    (scenario,) = scenarios_of(
        {"x": {"pathway.states.treat.wait": "* 0.5", "pathway.states.treat.writes": "removed"}}, clinic
    )
    one, other = (plain(parse(text, "m", ModelError)[0]) for text in (clinic.text, model_of(clinic, scenario).text))
    assert other["pathway"]["states"]["treat"].pop("wait") == "lognormal(60 d, 0.2)"
    del one["pathway"]["states"]["treat"]["wait"], one["pathway"]["states"]["treat"]["writes"]
    assert one == other


def test_nothing_is_calibrated_anew_and_a_parameter_moves_from_where_calibration_found_it(
    clinic: ClinicalModel,
) -> None:
    published = calibrate(clinic)
    found = published.program.parameters["base"]
    assert found != -3
    more, fixed, other = scenarios_of(
        {"a": {"parameters.base": "+ 0.7"}, "b": {"parameters.base": -1}, "c": {"parameters.drift": "* 2"}}, clinic
    )
    values = [calibrated_in(published, one, 0, Seed(1)).program.parameters for one in (more, fixed, other)]
    assert [round(one["base"] - found, 9) for one in values] == [0.7, round(-1 - found, 9), 0]
    assert [one["drift"] for one in values] == [0.1, 0.1, 0.2]


def test_a_study_with_scenarios_written_and_read_again_is_the_same(folder: Path) -> None:
    study, _ = read_study(Path("study.yaml"))
    (folder / "again.yaml").write_text(study.to_yaml(), encoding="utf-8")
    assert read_study(Path("again.yaml"))[0] == study


def test_a_study_is_made_as_published_unless_a_scenario_is_picked(folder: Path) -> None:  # noqa: ARG001 - stands in it
    study, model = read_study(Path("study.yaml"))
    plainly, today, sooner = (
        make(changed(study, patients=200, scenario=one), model).table("events")
        for one in (None, "today", "point-of-care")
    )
    assert plainly.equals(today)
    assert not plainly.equals(sooner)


def test_a_release_of_a_scenario_is_made_again_to_the_byte_and_not_judged_by_targets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["make", "study.yaml", "--scenario", "point-of-care", "--out", "one", "--jobs", "1"]) == 0
    assert "the targets are about the world as published" in capsys.readouterr().out
    assert main(["remake", "one", "--out", "two", "--jobs", "1"]) == 0
    assert "In the scenario point-of-care" in (folder / "one" / "report.html").read_text(encoding="utf-8")


def test_a_scenario_that_is_not_there_is_refused(folder: Path) -> None:  # noqa: ARG001 - stands in it
    study, _ = read_study(Path("study.yaml"))
    with pytest.raises(RequestError, match="Possible: today, point-of-care"):
        changed(study, scenario="pint-of-care")
    Path("study.yaml").write_text(STUDY + "scenario: tody\n", encoding="utf-8")
    with pytest.raises(StudyError, match="Did you mean 'today'"):
        read_study(Path("study.yaml"))
