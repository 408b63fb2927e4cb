"""A study file says what institutions are asked and how much of a patient may count; it comes back as it was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from malformed import HERE, Case

from manikin.aggregates import WEIGHTS, Bound, EventPlan, MeasurePlan
from manikin.cli import main
from manikin.clinic import ClinicalModel
from manikin.errors import RequestError
from manikin.privacy import Budget
from manikin.study import Study, parse_study, read_study
from toy import TOY

STUDY = """\
study: small
purpose: test the reader of what is measured
users: [testers]
privacy: {objective: nobody can be told apart, recipient: testers}
model: toy.yaml
measure:
  variables: [age, sex, sbp]
  pairs: [[age, sex], [sbp, ill]]
  outcomes: [ill]
  triples: [[age, sex, smoking]]
  complete: [age]
  rows: last
  clipped: yes
  budget: {epsilon: 4, delta: 1e-6}
  weights: {pairs: 2}
  events:
    items: [hba1c, statin]
    most: {observation: 20}
    counts: [1, 2, 5]
    followed: [30, 365]
    transitions: {most: 10}
    gaps: {most: 5, cuts: [7, 30]}
    dwells: {most: 4, cuts: [7, 30.5]}
    visits: {most: 3}
    missingness: [[hba1c, statin], [hba1c]]
"""
CASES = (
    Case("a text", STUDY[STUDY.index("measure:\n") :], "measure: ¦everything\n", "is a block"),
    Case("a variable that is not there", "[age, sex, sbp]", "[age, ¦sx, sbp]", "Did you mean 'sex'"),
    Case("a variable of the truth", "outcomes: [ill]", "outcomes: [¦frailty]", "no variable 'frailty'"),
    Case("a pair of one", "[sbp, ill]]", "[sbp]]", "name 2 different"),
    Case("a pair that is none", "[[age, sex], [sbp, ill]]", "[¦age, [sbp, ill]]", "list of lists"),
    Case("rows", "rows: last", "rows: ¦middle", "Possible: first, last"),
    Case("clipped", "clipped: yes", "clipped: ¦perhaps", "yes or no"),
    Case("a budget without delta", "{epsilon: 4, delta: 1e-6}", "¦{epsilon: 4}", "delta"),
    Case("a budget of none", "{epsilon: 4, delta: 1e-6}", "¦{epsilon: 0, delta: 1e-6}", "Epsilon"),
    Case("a budget in words", "epsilon: 4", "epsilon: ¦much", "is a number"),
    Case("a weight of what is not asked", "{pairs: 2}", "{¦quadruples: 2}", "no setting 'quadruples'"),
    Case("a weight of none", "{pairs: 2}", "{pairs: 0}", "above 0"),
    Case("a bound of none", "transitions: {most: 10}", "transitions: {most: ¦0}", "1 or more"),
    Case("a bound that is missing", "visits: {most: 3}", "visits: ¦{}", "most"),
    Case("cuts that descend", "counts: [1, 2, 5]", "counts: [1, 5, 2]", "Cuts ascend"),
    Case("times without cuts", "gaps: {most: 5, cuts: [7, 30]}", "gaps: {most: 5}", "need cuts"),
    Case("a setting of events that is not there", "    missingness:", "    ¦missing:", "missingness"),
    Case("a group with one item twice", "[[hba1c, statin]", "[[hba1c, hba1c]", "each named once"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


def test_a_study_says_what_is_measured(folder: Path) -> None:
    study, _ = read_study(folder / "study.yaml")
    assert study.measure == MeasurePlan(
        variables=("age", "sex", "sbp"),
        pairs=(("age", "sex"), ("sbp", "ill")),
        outcomes=("ill",),
        triples=(("age", "sex", "smoking"),),
        complete=("age",),
        rows="last",
        clipped=True,
        budget=Budget(4, 1e-6),
        weights={"pairs": 2.0},
        events=EventPlan(
            items=("hba1c", "statin"),
            most={"observation": 20},
            counts=(1, 2, 5),
            followed=(30, 365),
            transitions=Bound(10),
            gaps=Bound(5, (7, 30)),
            dwells=Bound(4, (7, 30.5)),
            visits=Bound(3),
            missingness=(("hba1c", "statin"), ("hba1c",)),
        ),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_mistakes_are_told_with_their_place(folder: Path, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    if HERE in case.new:
        case.assert_told(STUDY, folder, capsys, "check")
        return
    # What only the whole block contradicts is told where the block stands.
    (folder / "study.yaml").write_text(case.text(STUDY), encoding="utf-8")
    assert main(["check", "study.yaml"]) == 2
    told = capsys.readouterr().err
    assert case.word in told
    assert "1 mistake;" in told


_names = st.lists(st.sampled_from(["age", "sex", "sbp", "ill", "smoking"]), unique=True, max_size=5).map(tuple)
_cuts = st.lists(st.integers(1, 10_000), unique=True, min_size=1, max_size=5).map(
    lambda one: tuple(sorted(map(float, one)))
)
_bounds = st.none() | st.builds(Bound, st.integers(1, 99), _cuts)
_events = st.builds(
    EventPlan,
    items=st.just(("hba1c",)),
    most=st.dictionaries(st.sampled_from(["observation", "medication"]), st.integers(1, 50)),
    counts=_cuts,
    transitions=_bounds,
    gaps=_bounds,
    visits=_bounds,
)
_plans = st.builds(
    MeasurePlan,
    variables=_names,
    pairs=st.lists(st.sampled_from([("age", "sex"), ("sbp", "ill")]), max_size=3).map(tuple),
    outcomes=_names,
    complete=_names,
    rows=st.sampled_from(["first", "last"]),
    clipped=st.booleans(),
    budget=st.none() | st.builds(Budget, st.floats(1e-3, 100), st.floats(1e-12, 0.1)),
    weights=st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(0.01, 100)),
    events=st.none() | _events,
)


@given(plan=_plans)
def test_every_plan_comes_back_from_its_file(model: ClinicalModel, plan: MeasurePlan) -> None:
    study = Study("toy", model.intent, "toy.yaml", measure=plan)
    assert parse_study(study.to_yaml(), model).measure == plan


def test_a_study_that_measures_makes_the_same_patients(folder: Path) -> None:
    with_measure, model = read_study(folder / "study.yaml")
    assert replace(with_measure, measure=None).facts() == with_measure.facts()
    assert parse_study(with_measure.to_yaml(), model) == with_measure


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MeasurePlan(pairs=(("age", "age"),)),
        lambda: MeasurePlan(triples=(("age", "sex"),)),
        lambda: MeasurePlan(rows="any"),
        lambda: MeasurePlan(weights={"pears": 1.0}),
        lambda: MeasurePlan(weights={"pairs": -1.0}),
        lambda: Bound(0),
        lambda: EventPlan(most={"observation": 0}),
        lambda: EventPlan(gaps=Bound(3)),
        lambda: EventPlan(missingness=((),)),
    ],
)
def test_a_plan_that_contradicts_itself_does_not_exist(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(RequestError):
        wrong()
