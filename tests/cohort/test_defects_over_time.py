"""What happens to patients is wrong on record as asked and nowhere else, and the log tells each change."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clinic"))

from timed_model import TEXT

from manikin.clinic import calibrate, parse_model
from manikin.cohort import Cohort, Plan
from manikin.cohort.defects import (
    CarryForward,
    ClockShift,
    Dose,
    DuplicatePatients,
    Heaping,
    Imperfect,
    Missing,
    MissingEvents,
    MissingVisits,
    Offset,
    RoundingOfTimes,
    SiteEffect,
    Swapped,
    TypingError,
    UnitMixUp,
    imperfect,
    tally_of,
)
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed

PATIENTS = 20_000
# A share is judged at 20,000 patients: a point is more than 4 standard errors of the largest, where all are at risk.
POINT = 0.01
STATIC = TEXT.replace(
    "shares: {female: 50, male: 50}, source: book verified}",
    "shares: {female: 50, male: 50}, source: book verified, static: yes}",
)
# At a start that is put on record there are values in the data before those of the pathway.
WRITTEN = STATIC.replace("      orders: [vitals, trace,", "      writes: [index]\n      orders: [vitals, trace,")


@dataclass(frozen=True)
class Severe:
    """A condition on what nobody sees."""

    text: str = "severity_at_start > 1"

    def __call__(self, columns: Any) -> Any:
        return columns["severity_at_start"] > 1


@dataclass(frozen=True)
class Women:
    """A condition on what everybody sees."""

    text: str = "sex == female"

    def __call__(self, columns: Any) -> Any:
        return columns["sex"] == 0


ALL: tuple[Any, ...] = (
    Missing(("marker",), Dose(0.1)),
    MissingEvents(("marker", "sbp"), Dose(0.05, Severe(), 4.0)),
    MissingEvents(("sbp", "dbp"), Dose(0.05), together=True),
    MissingVisits((), Dose(0.1)),
    Heaping(("sbp", "dbp"), Dose(0.4), 10),
    UnitMixUp(("marker",), Dose(0.03), 0.1),
    Swapped(("sbp", "dbp"), Dose(0.05)),
    TypingError(("dbp",), Dose(0.05)),
    Offset(("sbp",), Dose(1.0, Women()), 4, 2),
    CarryForward(("marker", "dbp"), Dose(0.2)),
    RoundingOfTimes((), Dose(0.2), 30),
    ClockShift(Dose(0.1), -60, encounters=("emergency",)),
    ClockShift(Dose(0.1), 7, variables=("marker",)),
    SiteEffect(("marker",), Dose(0.2), "north", 1.2, code="local:M7"),
    DuplicatePatients(("birth_date", "sex"), Dose(0.1)),
)


@cache
def sampler(text: str = STATIC) -> KnowledgeSampler:
    program = calibrate(parse_model(text)).program
    return KnowledgeSampler(program.model, program.parameters, program.latent, Seed(3))


def cohort_of(one: Any, patients: int = 3_000, shard_patients: int = 50_000) -> Cohort:
    tables = one.layout.tables
    plan = Plan(one, patients, tables, {}, shard_patients)
    shards = [plan.tables_of(shard) for shard in plan.shards]
    return Cohort(one.layout, patients, {name: tuple(each[name] for each in shards) for name in tables})


@cache
def clean(patients: int = 3_000, text: str = STATIC) -> dict[str, pd.DataFrame]:
    return frames(cohort_of(sampler(text), patients))


def frames(cohort: Cohort) -> dict[str, pd.DataFrame]:
    return {name: plain(cohort.table(name).to_pandas()) for name in cohort.layout.tables}


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    for name in frame:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(object)
    return frame


def made(*defects: Any, patients: int = 3_000, text: str = STATIC) -> dict[str, pd.DataFrame]:
    return frames(cohort_of(imperfect(sampler(text), defects), patients))


MARKER, SBP, DBP = "loinc:67151-1", "loinc:8480-6", "loinc:8462-4"


def of(events: pd.DataFrame, code: str) -> pd.DataFrame:
    return events[(events["code"] == code) & (events["kind"] == "observation")]


def shares(*defects: Any, patients: int = PATIENTS) -> list[tuple[float, int]]:
    """Return the share that each draw struck, and of how many."""
    part = Plan(imperfect(sampler(), defects), patients, ("defects",), {}).tables_of(0)["defects"]
    return [(struck / at_risk, at_risk) for at_risk, struck in tally_of(part)]


@pytest.mark.parametrize(
    "defect",
    [one for one in ALL if not isinstance(one, Missing)],
    ids=lambda one: f"{one.name} {'+'.join(map(str, vars(one).get('variables', ())))}",
)
def test_shares_are_met(defect: Any) -> None:
    wanted = [one.dose.share for one in (*getattr(defect, "aims", ()), *defect.strikes)]
    for (reached, at_risk), share in zip(shares(defect), wanted, strict=True):
        # Beyond the point, what chance explains where few are at risk: those who stand twice, a second visit.
        assert abs(reached - share) < POINT + 4 * np.sqrt(share * (1 - share) / at_risk) * (at_risk < PATIENTS)


def test_what_is_missing_by_latent_severity_is_recovered_from_the_truth() -> None:
    tables = made(MissingEvents(("sbp",), Dose(0.1, Severe(), 4.0)), patients=PATIENTS)
    log, before = tables["defects"], of(clean(PATIENTS)["events"], SBP)
    truth = tables["truth"].set_index("patient_id")["severity_at_start"]
    severe = truth[before["patient_id"]].to_numpy() > 1
    lost = log.groupby("patient_id").size().reindex(truth.index, fill_value=0)
    odds = []
    for who in (True, False):
        gone = lost[(truth > 1) == who].sum()
        odds.append(gone / ((severe == who).sum() - gone))
    assert abs(len(log) / len(before) - 0.1) < POINT
    # The standard error of the log of the odds ratio is below 0.05 at these counts.
    assert abs(np.log(odds[0] / odds[1] / 4)) < 0.2
    assert len(of(tables["events"], SBP)) == len(before) - len(log)
    assert set(log["field"]) == {"event"}


def test_what_is_missing_at_random_is_not_more_often_missing_among_the_severe() -> None:
    tables = made(MissingEvents(("sbp",), Dose(0.1)), patients=PATIENTS)
    before = of(clean(PATIENTS)["events"], SBP)
    truth = tables["truth"].set_index("patient_id")["severity_at_start"]
    rates = [
        (truth[tables["defects"]["patient_id"]] > 1).sum() / (truth[before["patient_id"]] > 1).sum(),
        len(tables["defects"]) / len(before),
    ]
    assert abs(rates[0] - rates[1]) < 1.5 * POINT


def test_a_panel_is_lost_as_a_whole() -> None:
    log = made(MissingEvents(("sbp", "dbp"), Dose(0.1), together=True))["defects"]
    panels = log.groupby(["patient_id", "time"])["variable"].agg(lambda one: "+".join(sorted(set(one))))
    assert set(panels) == {"dbp+sbp"}


def test_a_lost_visit_leaves_nothing_and_the_index_encounter_stays() -> None:
    tables, before = made(MissingVisits((), Dose(0.3))), clean()
    gone = set(before["encounters"]["encounter_id"]) - set(tables["encounters"]["encounter_id"])
    log = tables["defects"]
    assert gone == set(log.loc[log["field"] == "encounter", "encounter_id"])
    first = before["encounters"].groupby("patient_id")["encounter_id"].first()
    assert not gone & set(first)
    left = before["events"][~before["events"]["encounter_id"].isin(gone)].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, tables["events"])


def test_events_are_heaped_mixed_up_and_mistyped_each_by_a_draw_of_its_own() -> None:
    tables = made(Heaping(("sbp",), Dose(0.5), 10))
    now, then = of(tables["events"], SBP)["number"], of(clean()["events"], SBP)["number"]
    odd = then % 10 != 0
    assert abs((now != then)[odd].mean() - 0.5) < 3 * POINT
    assert (now[now != then] % 10 == 0).all()
    per_patient = (now != then)[odd].groupby(of(clean()["events"], SBP)["patient_id"][odd]).nunique()
    assert (per_patient == 2).any()
    # The same kind strikes what stands in the data, by another draw.
    assert abs((tables["analysis"]["sbp"] != tables["truth"]["sbp"]).mean() - 0.45) < 4 * POINT


def test_swapped_events_change_places_at_one_time() -> None:
    tables = made(Swapped(("sbp", "dbp"), Dose(0.2)))
    before = clean()["events"]
    moved = of(tables["events"], SBP)["number"].to_numpy() != of(before, SBP)["number"].to_numpy()
    assert 0.15 < moved.mean() < 0.25
    assert (of(tables["events"], SBP)["number"].to_numpy()[moved] == of(before, DBP)["number"].to_numpy()[moved]).all()
    assert (of(tables["events"], DBP)["number"].to_numpy()[moved] == of(before, SBP)["number"].to_numpy()[moved]).all()


def test_a_worse_sensor_reads_too_high_and_less_precisely_for_those_it_suits_less_and_never_the_impossible() -> None:
    tables = made(Offset(("sbp",), Dose(1.0, Women()), 4, 3))
    now, then = of(tables["events"], SBP), of(clean()["events"], SBP)
    woman = clean()["patients"].set_index("patient_id")["sex"][now["patient_id"]].to_numpy() == "female"
    error = now["number"].to_numpy() - then["number"].to_numpy()
    assert (error[~woman] == 0).all()
    # More than five standard errors of the mean, and of the SD.
    assert abs(error[woman].mean() - 4) < 0.25
    assert abs(error[woman].std() - 3) < 0.25
    capped = made(Offset(("sbp",), Dose(1.0), 400))
    assert of(capped["events"], SBP)["number"].max() == 300


def test_what_the_index_encounter_writes_is_what_stands_in_the_data_and_is_struck_there() -> None:
    tables = made(Offset(("sbp",), Dose(1.0), 4), MissingEvents(("sbp",), Dose(1.0)), text=WRITTEN)
    left = of(tables["events"], SBP)
    assert left["patient_id"].tolist() == tables["analysis"]["patient_id"].tolist()
    assert left["number"].tolist() == tables["analysis"]["sbp"].tolist()
    assert set(tables["analysis"]["sbp"] - tables["truth"]["sbp"]) == {4}


def test_a_carried_value_is_the_last_one_on_record() -> None:
    tables = made(CarryForward(("dbp",), Dose(0.4)))
    now, then = of(tables["events"], DBP), of(clean()["events"], DBP)
    last = now.groupby("patient_id")["number"].shift()
    changed = now["number"] != then["number"]
    assert (now["number"] == last)[changed].all()
    # Of two in a row both repeat the one before them.
    twice = changed & changed.groupby(now["patient_id"]).shift(fill_value=False)
    assert twice.any()
    assert not changed[last.isna()].any()


def test_what_is_carried_may_come_from_the_index_encounter() -> None:
    tables = made(CarryForward(("sbp",), Dose(1.0)), text=WRITTEN)
    written = tables["analysis"].set_index("patient_id")["sbp"]
    now = of(tables["events"], SBP)
    assert (now["number"].to_numpy() == written[now["patient_id"]].to_numpy()).all()


def test_times_are_rounded_and_a_result_never_comes_before_its_specimen() -> None:
    tables, before = made(RoundingOfTimes((), Dose(1.0), 30)), clean()["events"]
    events = tables["events"]
    assert (events["time"].dt.minute % 30 == 0).all()
    assert (events["recorded"] >= events["time"]).all()
    at_once = (before["time"] == before["recorded"]).sum()
    assert (events["time"] == events["recorded"]).sum() >= at_once
    assert len(events) == len(before)


def test_what_a_wrong_clock_shows_moves_together() -> None:
    tables, before = made(ClockShift(Dose(0.3), -90, encounters=("emergency",))), clean()
    now, then = (one["encounters"].set_index("encounter_id").sort_index() for one in (tables, before))
    shift = now["start"] - then["start"]
    moved = shift != pd.Timedelta(0)
    assert set(shift[moved]) == {pd.Timedelta(minutes=-90)}
    assert ((now["end"] - then["end"]) == shift).all()
    assert set(then["kind"][moved]) == {"emergency"}
    for column in ("time", "recorded"):
        sums = [
            one["events"].groupby("encounter_id")[column].agg(lambda each: each.astype("int64").mean())
            for one in (tables, before)
        ]
        assert np.allclose((sums[0] - sums[1]) / 6e7, shift[sums[0].index] / pd.Timedelta(minutes=1), atol=0.01)


def test_the_clock_of_a_device_is_wrong_for_what_it_measures() -> None:
    log = made(ClockShift(Dose(0.3), 7, variables=("marker",)))["defects"]
    assert set(log["variable"]) == {"marker"}
    assert set(log["field"]) == {"time", "recorded"}


def test_a_site_measures_otherwise_at_the_index_and_later_and_has_its_own_code() -> None:
    north = SiteEffect(("sbp",), Dose(0.2), "north", by=7)
    named = SiteEffect(("marker",), Dose(0.2), "north", code="local:M7")
    south = SiteEffect(("dbp",), Dose(0.2), "south", scale=2)
    tables = made(north, named, south, text=WRITTEN)
    error = tables["analysis"].set_index("patient_id")["sbp"] - tables["truth"].set_index("patient_id")["sbp"]
    here = set(error.index[error == 7])
    assert set(error) == {0, 7}
    events, before = tables["events"], clean(text=WRITTEN)["events"]
    later = of(events, SBP)["number"].to_numpy() - of(before, SBP)["number"].to_numpy()
    assert set(of(events, SBP)["patient_id"][later == 7]) == here
    assert not set(of(events, SBP)["patient_id"][later == 0]) & here
    # The same site is the same patients, whatever is other there; another site is others.
    assert set(events.loc[events["code"] == "local:M7", "patient_id"]) == here
    assert not set(of(events, MARKER)["patient_id"]) & here
    doubled = of(events, DBP)["number"].to_numpy() != of(before, DBP)["number"].to_numpy()
    assert 0.1 < len(set(of(events, DBP)["patient_id"][doubled]) & here) / len(here) < 0.3


@pytest.fixture(scope="module")
def doubled() -> dict[str, pd.DataFrame]:
    return made(DuplicatePatients(("birth_date", "sex"), Dose(0.1)), patients=PATIENTS)


def test_duplicates_contradict_each_other_in_what_the_truth_says(doubled: dict[str, pd.DataFrame]) -> None:
    twins = doubled["duplicates"]
    patients = doubled["patients"].set_index("patient_id")
    assert abs(len(twins) / PATIENTS - 0.1) < POINT
    assert len(patients) == PATIENTS + len(twins) == patients.index.nunique()
    own, other = patients.loc[twins["patient_id"]], patients.loc[twins["duplicate_id"]]
    for name in ("birth_date", "sex"):
        differs = own[name].to_numpy() != other[name].to_numpy()
        assert (differs == (twins["differs"] == name).to_numpy()).all()
    pd.testing.assert_frame_equal(
        patients.drop(twins["duplicate_id"]), clean(PATIENTS)["patients"].set_index("patient_id")
    )
    born = pd.to_datetime(own["birth_date"]).to_numpy(), pd.to_datetime(other["birth_date"]).to_numpy()
    days = np.abs((born[1] - born[0]) / np.timedelta64(1, "D"))
    days = days[days > 0]
    assert 0.5 < np.isin(days, [364, 365, 366]).mean() < 0.95
    assert days.max() <= 366


def test_part_of_what_happened_stands_under_the_other_number(doubled: dict[str, pd.DataFrame]) -> None:
    twins = doubled["duplicates"].set_index("duplicate_id")["patient_id"]
    contacts, before = doubled["encounters"], clean(PATIENTS)["encounters"]
    owner = contacts["patient_id"].map(twins).fillna(contacts["patient_id"])
    assert dict(zip(contacts["encounter_id"], owner, strict=True)) == dict(
        zip(before["encounter_id"], before["patient_id"], strict=True)
    )
    moved = contacts["patient_id"].isin(twins.index)
    theirs = owner.isin(twins)
    # Four standard errors of a half at 4,000 encounters.
    assert abs(moved.sum() / theirs.sum() - 0.5) < 0.035
    whose = contacts.set_index("encounter_id")["patient_id"]
    events = doubled["events"].dropna(subset="encounter_id")
    assert (whose[events["encounter_id"]].to_numpy() == events["patient_id"].to_numpy()).all()


def test_patients_without_a_course_may_stand_twice_too(sampler: Callable[..., Any]) -> None:
    cohort = cohort_of(imperfect(sampler(), [DuplicatePatients(("birth_date", "sex"), Dose(0.1))]), 2_000)
    twins, patients = cohort.table("duplicates").to_pandas(), cohort.table("patients").to_pandas()
    assert abs(len(twins) - 200) < 4 * np.sqrt(180)
    ages = patients.set_index("patient_id")["age"]
    other = twins[twins["differs"] == "birth_date"]
    assert 0.3 < (ages[other["patient_id"]].to_numpy() != ages[other["duplicate_id"]].to_numpy()).mean() < 1
    assert cohort.table("analysis").num_rows == 2_000
    assert set(cohort.table("encounters")["patient_id"].to_pylist()) & set(twins["duplicate_id"])


def ledger(rows: Iterator[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple("" if pd.isna(one) else one for one in row) for row in rows)


@pytest.mark.parametrize("text", [STATIC, WRITTEN], ids=["pathway", "index written"])
def test_the_clean_cohort_can_be_made_good_from_the_log(text: str) -> None:
    # What is missing at the index encounter is logged as missing from the analysis table, and not once more.
    wanted = ALL if text is STATIC else ALL[1:]
    tables, before = made(*wanted, text=text), clean(text=text)
    log = tables["defects"]
    over_time = log[log["time"].notna()]
    twins = tables["duplicates"].set_index("duplicate_id")["patient_id"]
    named = {MARKER: "marker", "local:M7": "marker", SBP: "sbp", DBP: "dbp", "local:rhythm": "rhythm"}

    def event_rows(events: pd.DataFrame, column: str) -> Iterator[tuple[Any, ...]]:
        owner = events["patient_id"].map(twins).fillna(events["patient_id"])
        measured = events["kind"] == "observation"
        variable = events["code"].map(named).where(measured, events["code"]).fillna("shadow")
        shown = {
            "value": events["text"]
            .where(events["text"] != "<", "<" + events["number"].map("{:g}".format))
            .fillna(events["number"].map("{:.10g}".format).where(events["number"].notna(), events["code"])),
            "time": events["time"].dt.strftime("%Y-%m-%dT%H:%MZ"),
            "recorded": events["recorded"].dt.strftime("%Y-%m-%dT%H:%MZ"),
        }[column]
        return zip(owner, events["encounter_id"], variable, shown, strict=True)

    def log_rows(rows: pd.DataFrame, column: Any) -> Iterator[tuple[Any, ...]]:
        return zip(rows["patient_id"], rows["encounter_id"], rows["variable"], column, strict=True)

    # What the index encounter writes is logged as what stands in the analysis table, which has a test of its own.
    at_index = log[log["time"].isna()]
    assert set(at_index["variable"]) == {"sbp", "dbp", "marker"}
    lost = over_time[over_time["field"] == "event"]
    times = lost["time"].dt.strftime("%Y-%m-%dT%H:%MZ")
    later = over_time[(over_time["field"] == "recorded") & over_time["recorded"].isna()]
    found = {name: ledger(event_rows(tables["events"], name)) for name in ("value", "time", "recorded")}
    for name, ledger_of in found.items():
        changed = over_time[(over_time["field"] == name) & over_time["recorded"].notna()]
        ledger_of.subtract(ledger(log_rows(changed, changed["recorded"])))
        ledger_of.update(ledger(log_rows(changed, changed["clean"])))
        ledger_of.update(ledger(log_rows(lost, lost["clean"] if name == "value" else times)))
        if name == "recorded":
            ledger_of.subtract(ledger(log_rows(later, later["time"].dt.strftime("%Y-%m-%dT%H:%MZ"))))
            ledger_of.update(ledger(log_rows(later, later["clean"])))
    for name, ledger_of in found.items():
        if text is STATIC or name != "value":
            assert min(ledger_of.values()) >= 0
            assert +ledger_of == ledger(event_rows(before["events"], name)), name
    codes = over_time[over_time["field"] == "code"]
    assert len(codes) == (tables["events"]["code"] == "local:M7").sum()
    kinds = {part for one in log["defect"] for part in one.split("+")}
    assert kinds == {one.name for one in wanted}


def test_the_truth_keeps_encounters_and_events_as_they_were() -> None:
    tables, before = made(*ALL[1:]), clean()
    for name in ("encounters", "events"):
        pd.testing.assert_frame_equal(tables[f"clean_{name}"], before[name])
    assert not {"clean_events", "duplicates"} & set(made(Missing(("marker",), Dose(0.1))))


def test_who_is_not_in_the_log_is_the_same_in_every_table() -> None:
    tables, before = made(*ALL[1:4], *ALL[9:]), clean()
    touched = {*tables["defects"]["patient_id"], *tables["duplicates"]["patient_id"]}
    untouched = set(before["patients"]["patient_id"]) - touched
    assert len(untouched) > 50
    for name in ("patients", "encounters", "events", "analysis", "truth", "states"):
        now, then = (
            one[name][one[name]["patient_id"].isin(untouched)].reset_index(drop=True) for one in (tables, before)
        )
        pd.testing.assert_frame_equal(now[then.columns.tolist()], then, check_dtype=False)
    pd.testing.assert_frame_equal(tables["states"], before["states"])
    pd.testing.assert_frame_equal(tables["truth"][before["truth"].columns.tolist()], before["truth"], check_dtype=False)


def test_another_defect_leaves_the_draws_of_all_others_alone() -> None:
    lost = MissingEvents(("marker",), Dose(0.1))
    alone = made(lost)["defects"]
    beside = made(MissingVisits((), Dose(0.3)), Heaping(("sbp",), Dose(0.4), 10), ClockShift(Dose(0.2), 60), lost)
    after = beside["defects"]
    after = after[(after["field"] == "event") & after["defect"].str.contains("missing-events")]
    before = alone[alone["field"] == "event"]
    gone = set(clean()["encounters"]["encounter_id"]) - set(beside["encounters"]["encounter_id"])
    kept = before[~before["encounter_id"].isin(gone)]
    assert list(kept["patient_id"]) == list(after["patient_id"])
    assert list(kept["clean"]) == list(after["clean"])


def test_a_shard_holds_the_same_whatever_its_size_and_process_and_a_larger_cohort_begins_alike() -> None:
    dirty = imperfect(sampler(), ALL)
    whole = cohort_of(dirty, 600)
    pieces = cohort_of(pickle.loads(pickle.dumps(dirty)), 600, 110)
    larger = cohort_of(dirty, 900)
    for name in dirty.layout.tables:
        assert pieces.table(name).to_pylist() == whole.table(name).to_pylist(), name
        rows = whole.table(name).num_rows
        assert larger.table(name).slice(0, rows).to_pylist() == whole.table(name).to_pylist(), name


def test_a_sampler_at_work_travels_as_one_that_is_not() -> None:
    dirty = imperfect(sampler(), ALL)
    fresh = pickle.dumps(dirty)
    dirty.draw(np.arange(50))
    assert pickle.dumps(dirty) == fresh
    assert isinstance(dirty, Imperfect)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RoundingOfTimes((), Dose(0.1), 7),
        lambda: RoundingOfTimes((), Dose(0.1), 1),
        lambda: ClockShift(Dose(0.1), 0),
        lambda: ClockShift(Dose(0.1), 10**8),
        lambda: ClockShift(Dose(0.1), 5, ("emergency",), ("marker",)),
        lambda: SiteEffect(("sbp",), Dose(0.1), "north"),
        lambda: SiteEffect(("sbp",), Dose(0.1), "north", scale=0),
        lambda: SiteEffect(("sbp", "dbp"), Dose(0.1), "north", code="local:x"),
        lambda: DuplicatePatients((), Dose(0.1)),
        lambda: DuplicatePatients(("sex",), Dose(0.1), 0),
        lambda: Offset(("sbp",), Dose(0.1), 3, -1),
        lambda: imperfect(sampler(), [MissingEvents(("absent",), Dose(0.1))]),
        lambda: imperfect(sampler(), [MissingEvents(("age",), Dose(0.1))]),
        lambda: imperfect(sampler(), [MissingVisits(("absent",), Dose(0.1))]),
        lambda: imperfect(sampler(), [DuplicatePatients(("sex",), Dose(0.1))] * 2),
    ],
)
def test_a_defect_over_time_that_exists_is_valid(wrong: Callable[[], object]) -> None:
    with pytest.raises(RequestError):
        wrong()
