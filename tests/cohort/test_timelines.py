"""What happens to patients stands in the tables as it happened, whoever writes them and in how many parts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clinic"))

from timed_model import TEXT, write_to

import manikin
from manikin.clinic import calibrate, parse_model
from manikin.cohort import TIMELINE, Plan, open_cohort, shard_patients, write
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed
from manikin.study import remake
from toy import bytes_of


def sampler(text: str = TEXT, seed: int = 3, given: str = "", oversample: str = "") -> KnowledgeSampler:
    program = calibrate(parse_model(text)).program
    return KnowledgeSampler(program.model, program.parameters, program.latent, Seed(seed), given, oversample)


def written(folder: Path, jobs: int, shard: int, patients: int = 900) -> dict[str, pa.Table]:
    one = sampler()
    plan = Plan(one, patients, one.layout.tables, {name: folder / name for name in one.layout.tables}, shard)
    write(plan, jobs)
    cohort = open_cohort(one.layout, patients, dict(plan.folders))
    return {name: cohort.table(name) for name in one.layout.tables}


def test_shards_and_processes_change_nothing(tmp_path: Path) -> None:
    one = written(tmp_path / "one", 1, 900)
    several = written(tmp_path / "several", 2, 200)
    assert one.keys() == several.keys() >= {"events", "encounters", "states"}
    for name, table in one.items():
        assert table.to_pylist() == several[name].to_pylist(), name


@pytest.mark.usefixtures("small_shards")
def test_a_release_with_a_pathway_is_made_again_to_the_byte(tmp_path: Path) -> None:
    manikin.make(
        str(write_to(tmp_path)), patients=700, seed=4, out=tmp_path / "out", jobs=2, formats=["parquet", "csv"]
    )
    assert remake(tmp_path / "out", tmp_path / "again", jobs=1) == ([], [])
    files = bytes_of(tmp_path / "out")
    assert any(name.startswith("truth/states/part-") for name in files)
    assert "data/events.csv" in files


def test_every_row_points_at_a_patient_and_an_encounter_that_are_there() -> None:
    made = written_in_memory()
    patients = set(made["patients"]["patient_id"].to_pylist())
    encounters = dict(
        zip(made["encounters"]["encounter_id"].to_pylist(), made["encounters"]["patient_id"].to_pylist(), strict=True)
    )
    assert len(encounters) == made["encounters"].num_rows
    events = made["events"]
    for who, where in zip(events["patient_id"].to_pylist(), events["encounter_id"].to_pylist(), strict=True):
        assert who in patients
        assert where is None or encounters[where] == who


def written_in_memory(patients: int = 400) -> dict[str, pa.Table]:
    one = sampler()
    return Plan(one, patients, one.layout.tables, {}).tables_of(0)


def test_what_an_assay_cannot_tell_is_its_limit_with_a_sign() -> None:
    one = sampler()
    ordinals = np.arange(2_000)
    raw = one.draw(ordinals)[TIMELINE].events
    events = Plan(one, 2_000, ("events",), {}).tables_of(0)["events"]
    markers = events.filter(pc.and_(pc.equal(events["code"], "loinc:67151-1"), pc.equal(events["kind"], "observation")))
    low = markers.filter(pc.equal(markers["text"], "<"))
    assert low.num_rows > 100
    assert pc.unique(low["number"]).to_pylist() == [5.0]
    assert pc.min(markers["number"]).as_py() == 5.0
    assert np.nanmin(raw.value) < 5
    words = events.filter(pc.equal(events["code"], "local:rhythm"))
    assert set(words["text"].to_pylist()) == {"sinus", "flutter"}
    assert words["number"].null_count == words.num_rows


def test_followed_until_and_why_stand_beside_each_patient() -> None:
    tables = written_in_memory(1_500)
    patients = tables["patients"]
    assert set(pc.unique(patients["left_by"]).to_pylist()) >= {"death", "discharge", "loss"}
    deaths = tables["events"].filter(pc.equal(tables["events"]["code"], "snomed:419099009"))
    dead = patients.filter(pc.equal(patients["left_by"], "death"))
    assert sorted(deaths["patient_id"].to_pylist()) == sorted(dead["patient_id"].to_pylist())


@pytest.mark.parametrize(("given", "held"), [("died", "died"), ("admitted and not died", "admitted")])
def test_what_happens_later_may_be_given(given: str, held: str) -> None:
    one = sampler(given=given)
    columns = one.draw(np.arange(200))
    assert columns[held].all()
    # The course on record is the one that was chosen.
    ends = columns[TIMELINE].left_by
    assert ((ends == 0) == columns["died"]).all()
    later = one.draw(np.arange(100, 200))
    assert np.array_equal(later["hours_followed"], columns["hours_followed"][100:])


def test_who_is_drawn_more_often_carries_the_weight_that_undoes_it() -> None:
    weighted = sampler(oversample="died:8").draw(np.arange(6_000))
    plain = sampler().draw(np.arange(6_000))
    share = np.average(weighted["died"], weights=weighted["sampling_weight"])
    assert weighted["died"].mean() > 3 * plain["died"].mean()
    assert abs(share - plain["died"].mean()) < 4.5 * np.sqrt(share / 6_000)


def test_a_shard_holds_fewer_patients_where_more_happens() -> None:
    assert shard_patients(sampler()) == 50_000
    busy = TEXT.replace(
        "wait: lognormal(2 d, 0.6)\n      then: [{go: after_ward}]",
        "wait: 15 min\n      then: [{share: 0.2%, go: after_ward}, {go: ward}]",
    )
    assert shard_patients(sampler(busy)) < 10_000


def test_the_season_is_in_the_index_dates() -> None:
    seasonal = TEXT.replace(
        "index-dates: [2023-01-01, 2023-12-31]",
        "index-dates: [2023-01-01, 2023-12-31], season: {amplitude: 0.5, peak: 01-15, source: house assumption}",
    )
    one = sampler(seasonal)
    dates = Plan(one, 20_000, ("analysis",), {}).tables_of(0)["analysis"]["index_date"]
    months = np.bincount(np.array(pc.month(dates).to_pylist()), minlength=13)
    january, july = months[1] / 31, months[7] / 31
    assert abs(january / july - 3) < 0.4


def test_what_is_known_later_is_not_on_record_at_the_index() -> None:
    text = TEXT.replace("first_marker: {unit: ng/L,", 'first_marker: {unit: ng/L, codes: {loinc: "89579-7"},').replace(
        "      orders: [vitals, trace,", "      writes: [index]\n      orders: [vitals, trace,"
    )
    events = Plan(sampler(text), 300, ("events",), {}).tables_of(0)["events"]
    codes = set(pc.unique(events["code"]).to_pylist())
    assert "loinc:67151-1" in codes
    assert "loinc:89579-7" not in codes


def test_without_follow_up_patients_are_at_the_index_as_they_are_with_it() -> None:
    followed = sampler()
    seen_once = replace(followed, follow_up=False)
    tables = Plan(seen_once, 300, ("analysis", "truth", "events", "encounters"), {}).tables_of(0)
    before = Plan(followed, 300, ("analysis",), {}).tables_of(0)["analysis"]
    assert "died" not in tables["analysis"].column_names
    for name in tables["analysis"].column_names:
        assert tables["analysis"][name].to_pylist() == before[name].to_pylist()
    assert tables["encounters"].num_rows == 300
    with pytest.raises(RequestError, match="not asked for"):
        _ = replace(seen_once, given="died").selection


def test_who_is_given_by_the_end_may_have_come_at_any_hour() -> None:
    text = TEXT.replace("arrival: {0..8: 20, 8..20: 60, 20..24: 20}", "arrival: {0..12: 50, 12..24: 50}")
    text = text.replace(
        "then: [{share: 3%, go: gone}, {go: assessment}]",
        "then: [{when: hour < 12, share: 60%, go: gone}, {go: assessment}]",
    )
    one = sampler(text, given="not admitted and hours_followed < 2")
    begins = one.draw(np.arange(1_500))[TIMELINE].states
    first = np.unique(begins.patient, return_index=True)[1]
    everyone = sampler(text).draw(np.arange(12_000))
    chosen = ~everyone["admitted"] & (everyone["hours_followed"] < 2)
    starts = everyone[TIMELINE].states
    at = starts.entered[np.unique(starts.patient, return_index=True)[1]]
    asked = (at[chosen] < 720).mean()
    assert asked > 0.6
    assert abs((begins.entered[first] < 720).mean() - asked) < 4.5 * np.sqrt(
        asked * (1 - asked) * (1 / 1_500 + 1 / chosen.sum())
    )
