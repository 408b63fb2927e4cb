"""The same patients in two worlds: who is not touched is the same to the byte, and effects are told as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from two_worlds import MODEL, STUDY

import manikin
from manikin.cli import main
from manikin.clinic import parse_model
from manikin.errors import RequestError
from manikin.study import Compared, changed, compare, scenarios_of, study_of
from toy import bytes_of

CHANGES: dict[str, dict[str, Any]] = {
    "a result comes sooner": {"pathway.tests.blood.resulted": "15 min"},
    "a parameter is another": {"parameters.drift": "* 3"},
    "more get a drug": {"pathway.states.treat.writes.metformin.share": "100%"},
    "a rule comes before others": {
        "pathway.states.triage.then": [
            {"when": "result(hba1c) >= 6.0", "go": "treat"},
            {"share": "40%", "go": "recall"},
            {"go": "home"},
        ]
    },
    "a new state": {
        "pathway.states.nurse": {"wait": "20 min", "then": [{"go": "triage"}]},
        "pathway.states.recall.then": [{"share": "50%", "go": "nurse"}, {"go": "triage"}],
    },
    "prevalence is larger": {"parameters.base": "+ 0.7"},
    "death comes more often": {"pathway.risks.dead.per-year": "* 2"},
    "fewer come again": {"pathway.states.triage.then.recall.share": "* 0.5"},
}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clinic") / "model.yaml"
    path.write_text(MODEL, encoding="utf-8")
    return path


def compared(clinic: Path, change: dict[str, Any], patients: int = 600, seed: int = 1) -> Compared:
    return manikin.compare(str(clinic), {"today": {}, "other": change}, patients=patients, seed=seed)


def of(found: Compared, scenario: str, table: str, patients: pa.Array) -> bytes:
    """Return all rows of some patients, in plain columns, as bytes."""
    rows = found.table(scenario, table)
    rows = rows.filter(pc.is_in(rows["patient_id"].cast(pa.string()), value_set=patients))
    columns = {
        name: rows[name].cast(
            rows[name].type.value_type if pa.types.is_dictionary(rows[name].type) else rows[name].type
        )
        for name in rows.column_names
    }
    sink = pa.BufferOutputStream()
    plain = pa.table(columns).combine_chunks()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_patient_who_is_not_touched_is_the_same_in_every_table_to_the_byte(
    clinic: Path, change: dict[str, Any]
) -> None:
    found = compared(clinic, change)
    touched = found.effects["touched"].to_numpy()
    same = found.effects["patient_id"].combine_chunks().filter(pa.array(~touched))
    assert 0 < touched.sum() < len(touched)
    for table in ("patients", "encounters", "events", "analysis", "truth", "states"):
        assert of(found, "today", table, same) == of(found, "other", table, same)
    # And whoever is said to be touched differs somewhere.
    for one in found.effects["patient_id"].combine_chunks().filter(pa.array(touched))[:5]:
        alone = pa.array([one.as_py()])
        assert any(
            of(found, "today", table, alone) != of(found, "other", table, alone)
            for table in ("patients", "encounters", "events", "analysis", "truth", "states")
        )


def test_an_empty_scenario_is_the_model_as_published_wholly(clinic: Path) -> None:
    found = manikin.compare(str(clinic), {"today": {}, "same": {}}, patients=300)
    plainly = manikin.make(str(clinic), patients=300)
    for table in ("patients", "encounters", "events", "analysis", "truth", "states"):
        assert found.table("today", table).equals(found.table("same", table))
        assert found.table("same", table).equals(plainly.table(table))
    assert (found.contrast.touched, found.contrast.identical) == (0, 300)
    assert all(one.difference == 0 and one.differing == 0 for one in found.contrast.differences)
    assert "Nothing differs" in found.page()


def test_a_rule_put_before_others_touches_only_those_whom_it_is_about(clinic: Path) -> None:
    rules = [
        {"when": "age >= 80", "go": "recall"},
        {"when": "result(hba1c) >= 6.5", "go": "treat"},
        {"share": "40%", "go": "recall"},
        {"go": "home"},
    ]
    found = compared(clinic, {"pathway.states.triage.then": rules})
    ages = found.table("today", "analysis")["age"].to_numpy()[found.effects["touched"].to_numpy()]
    assert ages.size
    assert ages.min() >= 80


def test_a_change_of_a_delay_leaves_all_that_is_drawn_before_it_alone(clinic: Path) -> None:
    found = compared(clinic, CHANGES["a result comes sooner"])
    one, other = (found.table(name, "analysis") for name in ("today", "other"))
    for name in ("age", "sex", "ill", "hba1c", "sbp", "index_date"):
        assert one[name].equals(other[name])
    first = [
        pc.filter(events["number"], pc.equal(events["code"].cast(pa.string()), "loinc:4548-4"))[:1]
        for events in (found.table("today", "events"), found.table("other", "events"))
    ]
    assert first[0].equals(first[1])


def test_a_known_effect_is_found_in_every_patient_and_in_the_mean(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(MODEL.replace("possible: 3..25", "possible: 0..25"), encoding="utf-8")
    # Variation is added, not relative, so that a shift of the true value is one of the value found.
    added = {
        "trajectories.hba1c.within": "removed",
        "trajectories.hba1c.memory": "removed",
        "trajectories.hba1c.analytical": "removed",
        "trajectories.hba1c.analytical-sd": "0.2",
    }
    shifted = {"trajectories.hba1c.value": "hba1c + 0.5 - 1.1 * approach(since(metformin), 30 d)"}
    usual = {"trajectories.hba1c.value": "hba1c - 1.1 * approach(since(metformin), 30 d)"}
    # Nobody is treated by what was found, so that a shift of all values by 0.5 shifts what was found last by 0.5.
    blind = {
        "pathway.states.triage.then": [
            {"share": "20%", "go": "treat"},
            {"share": "40%", "go": "recall"},
            {"go": "home"},
        ]
    }
    found = manikin.compare(str(path), {"a": usual | blind | added, "b": shifted | blind | added}, patients=500)
    effects = found.effects["last_hba1c_effect"].drop_null().to_numpy()
    assert effects.size > 100
    assert np.allclose(effects, 0.5, atol=0.11)
    told = next(one for one in found.contrast.differences if one.name == "last_hba1c")
    assert told.interval[0] - 0.01 <= 0.5 <= told.interval[1] + 0.01
    assert told.worth > 50


def test_intervals_hold_the_mean_effect_of_many_patients_as_often_as_they_say(clinic: Path) -> None:
    """20 cohorts; 95% intervals miss the truth, taken from 20,000 patients, more than 4 times with probability 0.3%."""
    change = {"pathway.risks.dead.per-year": "* 3"}
    many = {one.name: one for one in compared(clinic, change, 20_000, seed=99).contrast.differences}
    missed = dict.fromkeys(("died", "course_hours"), 0)
    for seed in range(20):
        for one in compared(clinic, change, 300, seed=seed).contrast.differences:
            if one.name in missed:
                missed[one.name] += not one.interval[0] <= many[one.name].difference <= one.interval[1]
                assert one.interval[1] - one.interval[0] < one.unpaired[1] - one.unpaired[0]
    assert max(missed.values()) <= 4, missed


def test_effects_have_a_row_for_each_patient_and_are_the_difference_of_the_tables(clinic: Path) -> None:
    found = compared(clinic, CHANGES["a rule comes before others"])
    effects = found.effects.to_pydict()
    one, other = (found.table(name, "analysis").to_pydict() for name in ("today", "other"))
    assert effects["patient_id"] == one["patient_id"] == other["patient_id"]
    assert effects["treated_a"] == one["treated"]
    assert effects["hours_to_treatment_b"] == other["hours_to_treatment"]
    assert effects["treated_effect"] == [int(b) - int(a) for a, b in zip(one["treated"], other["treated"], strict=True)]
    assert {"course_hours_effect", "course_left_by_differs", "course_hours_in_treat_a"} <= effects.keys()
    told = next(each for each in found.contrast.differences if each.name == "treated")
    assert told.difference == pytest.approx(np.mean(effects["treated_effect"]))
    assert told.differing == np.count_nonzero(effects["treated_effect"])


def test_the_processes_the_shards_and_the_disk_change_nothing(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compare.__globals__, "SHARD_PATIENTS", 150)
    scenarios = {"today": {}, "other": CHANGES["a rule comes before others"]}
    folders = []
    for jobs in (1, 2):
        manikin.compare(str(clinic), scenarios, patients=400, out=tmp_path / str(jobs), jobs=jobs)
        folders.append(bytes_of(tmp_path / str(jobs)))
    assert folders[0] == folders[1]
    here = manikin.compare(str(clinic), scenarios, patients=400)
    there = pq.read_table(tmp_path / "1" / "effects.parquet")
    assert here.effects.to_pydict() == there.to_pydict()
    assert here.contrast.to_json() == (tmp_path / "1" / "comparison.json").read_text(encoding="utf-8")


def test_a_comparison_is_whole_verified_made_again_and_never_written_over(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.yaml").write_text(clinic.read_text(encoding="utf-8"), encoding="utf-8")
    Path("study.yaml").write_text(STUDY, encoding="utf-8")
    assert main(["compare", "study.yaml", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "400 patients in today and point-of-care" in said
    assert "The same, to the byte" in said
    out = Path("releases/small-today-point-of-care")
    told = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert told["touched"] + told["identical"] == told["patients"] == 400
    assert [one["name"] for one in told["scenarios"]] == ["today", "point-of-care"]
    parse_model((out / "inputs" / "point-of-care.scenario.yaml").read_text(encoding="utf-8"))
    assert main(["verify", str(out)]) == 0
    assert main(["remake", str(out), "--out", "again", "--jobs", "1"]) == 0
    assert bytes_of(Path("again")) == bytes_of(out)
    assert main(["compare", "study.yaml"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_an_interrupted_comparison_leaves_nothing_that_looks_like_one_and_goes_on(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, model = study_of(str(clinic))
    study = changed(study, patients=200, scenarios=scenarios_of({"a": {}, "b": CHANGES["a new state"]}, model))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(compare.__globals__, "_write_outcome", stop)
        compare(study, model, ("a", "b"), tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    compare(study, model, ("a", "b"), tmp_path / "out", jobs=1)
    compare(study, model, ("a", "b"), tmp_path / "other", jobs=1)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "other")


@pytest.mark.parametrize("names", [("today",), ("today", "today"), ("today", "tomorrow"), ("today", "other", "third")])
def test_only_two_scenarios_that_are_there_are_compared(clinic: Path, names: tuple[str, ...]) -> None:
    study, model = study_of(str(clinic))
    study = changed(study, patients=50, scenarios=scenarios_of({"today": {}, "other": {}, "third": {}}, model))
    with pytest.raises(RequestError, match="today"):
        compare(study, model, names)


def test_a_model_without_a_pathway_is_compared_as_well(toy_file: Path) -> None:
    found = manikin.compare(str(toy_file), {"a": {}, "b": {"variables.glucose.draw": "+ 10"}}, patients=300)
    told = {one.name: one for one in found.contrast.differences}
    assert told.keys() == {"glucose"}
    assert told["glucose"].difference == pytest.approx(10)
    assert "Which ways do they go" not in found.page()


def test_the_page_is_self_contained_and_says_what_was_changed(clinic: Path) -> None:
    page = compared(clinic, CHANGES["a new state"]).page()
    assert "pathway.states.nurse" in page
    assert "http" not in page.replace("http-equiv", "")
    for heading in (
        "What does it change?",
        "Where are the patients",
        "Which ways do they go?",
        "What becomes of the same patient?",
    ):
        assert heading in page
