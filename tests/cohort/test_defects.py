"""Records are imperfect as asked and nowhere else, and the log tells each change."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from manikin.cohort import Cohort, Plan
from manikin.cohort.defects import (
    Aim,
    Defect,
    Dose,
    Drawn,
    Heaping,
    Imperfect,
    LabelNoise,
    Missing,
    Offset,
    Records,
    Swapped,
    TypingError,
    UnderRepresent,
    UnitMixUp,
    imperfect,
    in_words,
    tally_of,
)
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler

PATIENTS = 20_000
TABLES = ("patients", "encounters", "events", "analysis", "truth", "defects")
# Shares are judged at 20,000 patients: a point is more than 4 standard errors of the largest of them, unless the
# group at risk is smaller, where tests allow for it.
POINT = 0.01

Build = Callable[..., KnowledgeSampler]


@dataclass(frozen=True)
class Young:
    """A condition that needs no model."""

    text: str = "age < 40"

    def __call__(self, columns: Any) -> Any:
        return columns["age"] < 40


@dataclass(frozen=True)
class Ill:
    """A condition on what a defect may hide."""

    text: str = "frailty > 1"

    def __call__(self, columns: Any) -> Any:
        return columns["frailty"] > 1


@dataclass(frozen=True)
class High:
    """A condition on the very value that is lost."""

    text: str = "sbp > 140"

    def __call__(self, columns: Any) -> Any:
        return columns["sbp"] > 140


ALL: tuple[Defect, ...] = (
    Missing(("ferritin", "glucose"), Dose(0.05)),
    Missing(("hba1c", "smoking"), Dose(0.2, Ill(), 3.0), together=True),
    Heaping(("sbp", "dbp"), Dose(0.4), 10),
    UnitMixUp(("glucose",), Dose(0.03), 0.0555),
    Swapped(("sbp", "dbp"), Dose(0.02)),
    TypingError(("hba1c",), Dose(0.05)),
    LabelNoise("ill", 0.9, 0.97),
    Offset(("sbp",), Dose(1.0, Young()), 4),
)


def cohort_of(sampler: Any, patients: int = PATIENTS, shard_patients: int = 50_000) -> Cohort:
    tables = TABLES if isinstance(sampler, Imperfect) else TABLES[:-1]
    plan = Plan(sampler, patients, tables, {}, shard_patients)
    shards = [plan.tables_of(shard) for shard in plan.shards]
    return Cohort(sampler.layout, patients, {name: tuple(one[name] for one in shards) for name in tables})


def made(sampler: Build, *defects: Defect, patients: int = PATIENTS) -> tuple[Any, Any, Any]:
    """Return analysis, truth and log of a cohort with these defects."""
    cohort = cohort_of(imperfect(sampler(), defects), patients)
    return tuple(cohort.table(name).to_pandas() for name in ("analysis", "truth", "defects"))


def test_what_is_missing_at_random_is_missing_as_often_as_asked_and_no_more_among_the_sick(sampler: Build) -> None:
    analysis, truth, _ = made(sampler, Missing(("ferritin", "glucose"), Dose(0.05)))
    for name in ("ferritin", "glucose"):
        gone = analysis[name].isna()
        assert abs(gone.mean() - 0.05) < POINT
        assert abs(gone[truth["frailty"] > 1].mean() - 0.05) < 2 * POINT
    assert (analysis["ferritin"].isna() & analysis["glucose"].isna()).mean() < 0.01


@pytest.mark.parametrize("condition", [Young(), Ill()], ids=lambda one: one.text)
def test_the_share_and_the_odds_ratio_are_met_whether_the_mechanism_is_observed_or_not(
    sampler: Build, condition: Any
) -> None:
    analysis, truth, _ = made(sampler, Missing(("sbp",), Dose(0.1, condition, 3.0)))
    gone = analysis["sbp"].isna()
    assert abs(gone.mean() - 0.1) < POINT
    holds = condition({"age": analysis["age"], "frailty": truth["frailty"]})
    odds = [gone[who].mean() / (1 - gone[who].mean()) for who in (holds, ~holds)]
    # The standard error of the log of the odds ratio is below 0.06 at these counts.
    assert abs(np.log(odds[0] / odds[1] / 3)) < 0.25


def test_what_is_missing_by_its_own_value_is_recovered_from_the_truth(sampler: Build) -> None:
    analysis, truth, _ = made(sampler, Missing(("sbp",), Dose(0.1, High(), 5.0)))
    clean = cohort_of(sampler()).table("analysis").to_pandas()["sbp"]
    assert truth["sbp"].equals(clean)
    gone = analysis["sbp"].isna()
    assert analysis["sbp"][~gone].equals(clean[~gone])
    # What is left looks healthier than it is; five standard errors of a mean are half a millimetre.
    assert analysis["sbp"].mean() < clean.mean() - 0.5
    odds = [gone[who].mean() / (1 - gone[who].mean()) for who in (truth["sbp"] > 140, truth["sbp"] <= 140)]
    assert abs(np.log(odds[0] / odds[1] / 5)) < 0.25


def test_what_is_lost_together_is_lost_by_the_same_patients(sampler: Build) -> None:
    analysis, _, log = made(sampler, Missing(("ferritin", "glucose", "smoking"), Dose(0.08), together=True))
    gone = analysis[["ferritin", "glucose", "smoking"]].isna()
    assert gone.all(axis=1).equals(gone.any(axis=1))
    assert abs(gone["ferritin"].mean() - 0.08) < POINT
    assert len(log) == 3 * gone["ferritin"].sum()


def test_only_what_was_on_record_is_at_risk(sampler: Build) -> None:
    before = cohort_of(sampler()).table("analysis").to_pandas()["hba1c"]
    analysis, _, log = made(sampler, Missing(("hba1c",), Dose(0.2)))
    on_record = before.notna()
    assert abs(analysis["hba1c"][on_record].isna().mean() - 0.2) < 1.5 * POINT
    assert analysis["hba1c"][~on_record].isna().all()
    assert len(log) == (on_record & analysis["hba1c"].isna()).sum()


def test_heaped_values_are_the_nearest_multiple(sampler: Build) -> None:
    analysis, truth, log = made(sampler, Heaping(("sbp",), Dose(0.4), 10))
    other = truth["sbp"] % 10 != 0
    changed = analysis["sbp"] != truth["sbp"]
    assert abs(changed[other].mean() - 0.4) < 1.5 * POINT
    assert not changed[~other].any()
    assert (analysis["sbp"][changed] % 10 == 0).all()
    assert (abs(analysis["sbp"] - truth["sbp"]) <= 5).all()
    assert len(log) == changed.sum()


def test_values_in_another_unit_are_so_many_times_as_large(sampler: Build) -> None:
    analysis, truth, _ = made(sampler, UnitMixUp(("glucose",), Dose(0.03), 0.0555))
    changed = analysis["glucose"] != truth["glucose"]
    assert abs(changed.mean() - 0.03) < POINT
    assert (analysis["glucose"][changed] == np.rint(truth["glucose"][changed] * 0.0555)).all()


def test_swapped_values_stand_in_each_others_place(sampler: Build) -> None:
    analysis, truth, log = made(sampler, Swapped(("sbp", "dbp"), Dose(0.05)))
    swapped = analysis["sbp"] != truth["sbp"]
    assert abs(swapped.mean() - 0.05) < POINT
    assert (analysis["sbp"][swapped] == truth["dbp"][swapped]).all()
    assert (analysis["dbp"][swapped] == truth["sbp"][swapped]).all()
    assert len(log) == 2 * swapped.sum()


def test_a_mistyped_value_has_its_point_one_place_away_as_often_to_either_side(sampler: Build) -> None:
    analysis, truth, _ = made(sampler, TypingError(("glucose",), Dose(0.1)))
    ratio = (analysis["glucose"] / truth["glucose"]).round(6)
    assert set(ratio) == {0.1, 1.0, 10.0}
    assert abs((ratio != 1).mean() - 0.1) < POINT
    # Five standard errors of a half at 2,000.
    assert abs((ratio[ratio != 1] == 10).mean() - 0.5) < 0.06


def test_the_confusion_matrix_is_as_asked(sampler: Build) -> None:
    analysis, truth, log = made(sampler, LabelNoise("ill", 0.8, 0.97))
    sick = truth["ill"]
    # Five standard errors: of 0.8 among 3,000 sick, and of 0.97 among 17,000 others.
    assert abs(analysis["ill"][sick].mean() - 0.8) < 0.037
    assert abs((~analysis["ill"][~sick]).mean() - 0.97) < 0.007
    assert len(log) == (analysis["ill"] != sick).sum()
    events = cohort_of(imperfect(sampler(), [LabelNoise("ill", 0.8, 0.97)])).table("events").to_pandas()
    assert (events["code"] == "snomed:73211009").sum() == analysis["ill"].sum()


def test_an_offset_is_of_those_for_whom_it_is_asked_and_of_nobody_else(sampler: Build) -> None:
    analysis, truth, _ = made(sampler, Offset(("sbp",), Dose(1.0, Young()), 4))
    young = analysis["age"] < 40
    assert set(analysis["sbp"][young] - truth["sbp"][young]) == {4.0}
    assert (analysis["sbp"][~young] == truth["sbp"][~young]).all()


def test_the_log_holds_exactly_the_differences_from_the_clean_cohort(sampler: Build) -> None:
    clean = cohort_of(sampler()).table("analysis").to_pandas().set_index("patient_id")
    cohort = cohort_of(imperfect(sampler(), ALL))
    dirty = cohort.table("analysis").to_pandas().set_index("patient_id")
    log = cohort.table("defects").to_pandas()
    truth = cohort.table("truth").to_pandas().set_index("patient_id")
    assert not log.duplicated(["patient_id", "variable"]).any()
    rows = 0
    for name in clean:
        differs = (clean[name] != dirty[name]) & ~(clean[name].isna() & dirty[name].isna())
        mine = log[log["variable"] == name].set_index("patient_id")
        assert set(mine.index) == set(clean.index[differs])
        rows += len(mine)
        for texts, column in ((mine["clean"], clean[name]), (mine["recorded"], dirty[name]), (mine["clean"], truth[name] if len(mine) else mine)):  # fmt: skip
            _assert_tells(texts, column)
    assert rows == len(log) > 0
    assert not (log["recorded"] == log["clean"]).any()
    assert {part for one in log["defect"] for part in one.split("+")} == {one.name for one in ALL}


def _assert_tells(texts: Any, column: Any) -> None:
    for patient, text in texts.items():
        value = column[patient]
        if not isinstance(text, str):
            assert pd.isna(value)
        elif text in ("true", "false"):
            assert bool(value) == (text == "true")
        elif isinstance(value, str):
            assert value == text
        else:
            assert float(text) == float(value)


def test_untouched_variables_and_tables_keep_their_values_to_the_byte(sampler: Build) -> None:
    clean, dirty = cohort_of(sampler(), 3_000), cohort_of(imperfect(sampler(), ALL), 3_000)
    touched = {name for one in ALL for name in one.variables}
    for name in clean.table("analysis").column_names:
        if name not in touched:
            assert _bytes(clean.table("analysis").column(name)) == _bytes(dirty.table("analysis").column(name))
        elif name not in ("smoking", "ill"):
            whole = dirty.table("truth").column(name)
            assert name == "hba1c" or _bytes(clean.table("analysis").column(name)) == _bytes(whole)
    for table in ("patients", "encounters"):
        assert clean.table(table).equals(dirty.table(table))
    for name in clean.table("truth").column_names:
        assert clean.table("truth").column(name).equals(dirty.table("truth").column(name))
    assert all(
        np.array_equal(clean.columns([name])[name], dirty.columns([name])[name], equal_nan=True)
        for name in clean.layout.names
        if clean.layout.field(name).variable.numeric
    )


def _bytes(column: pa.ChunkedArray) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"column": column.combine_chunks()})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def test_another_defect_leaves_the_draws_of_all_others_alone(sampler: Build) -> None:
    first = Missing(("ferritin",), Dose(0.05))
    alone, _, _ = made(sampler, first, patients=3_000)
    after, _, _ = made(sampler, Heaping(("sbp",), Dose(0.4), 10), first, patients=3_000)
    assert alone["ferritin"].equals(after["ferritin"])


def test_the_same_defect_twice_strikes_twice(sampler: Build) -> None:
    analysis, _, _ = made(sampler, *[Missing(("ferritin",), Dose(0.1))] * 2)
    assert abs(analysis["ferritin"].isna().mean() - 0.19) < POINT


def test_a_shard_holds_the_same_whatever_its_size_and_process_and_a_larger_cohort_begins_alike(sampler: Build) -> None:
    dirty = imperfect(sampler(), ALL)
    whole = cohort_of(dirty, 1_000)
    pieces = cohort_of(pickle.loads(pickle.dumps(dirty)), 1_000, 170)
    larger = cohort_of(dirty, 1_500)
    for name in TABLES:
        assert pieces.table(name).to_pylist() == whole.table(name).to_pylist()
        rows = whole.table(name).num_rows
        assert larger.table(name).slice(0, rows).to_pylist() == whole.table(name).to_pylist()


def test_a_sampler_at_work_travels_as_one_that_is_not(sampler: Build) -> None:
    # One thread sends it to a process while another draws from it.
    dirty = imperfect(sampler(), ALL)
    fresh = pickle.dumps(dirty)
    dirty.draw(np.arange(50))
    assert len(dirty.layout.defects) == len(cohort_of(dirty, 50).layout.defects)
    assert pickle.dumps(dirty) == fresh


def test_the_log_counts_who_was_at_risk_and_who_was_struck(sampler: Build) -> None:
    cohort = cohort_of(imperfect(sampler(), [Missing(("hba1c", "ferritin"), Dose(0.2))]), 2_000, 900)
    counts = np.sum([tally_of(part) for part in cohort.batches("defects")], axis=0)
    log = cohort.table("defects").to_pandas()
    assert counts[1, 0] == 2_000
    assert counts[0, 0] < 2_000
    assert [sum(log["variable"] == name) for name in ("hba1c", "ferritin")] == counts[:, 1].tolist()


@dataclass(frozen=True)
class Smudged:
    """A defect of somebody else's: what was wet can't be read."""

    variables: tuple[str, ...] = ("ferritin",)
    source: str = ""

    name = "smudged"

    @property
    def aims(self) -> tuple[Aim, ...]:
        return (Aim(self.variables, Dose(0.25)),)

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        return records.without("ferritin", drawn[0].struck)

    def written(self) -> dict[str, Any]:
        return {"smudged": ["ferritin"], "share": 0.25}


def test_a_defect_of_somebody_elses_enters_by_the_same_door(sampler: Build) -> None:
    analysis, truth, log = made(sampler, Smudged())
    assert abs(analysis["ferritin"].isna().mean() - 0.25) < 1.5 * POINT
    assert truth["ferritin"].notna().all()
    assert set(log["defect"]) == {"smudged"}
    assert len(log) == analysis["ferritin"].isna().sum()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Dose(0),
        lambda: Dose(1.01),
        lambda: Dose(0.1, None, 2),
        lambda: Dose(0.1, Young(), 0),
        lambda: Heaping(("sbp",), Dose(0.1), 0),
        lambda: UnitMixUp(("sbp",), Dose(0.1), 1),
        lambda: UnitMixUp(("sbp",), Dose(0.1), -2),
        lambda: Offset(("sbp",), Dose(0.1), 0),
        lambda: LabelNoise("ill", 1, 1),
        lambda: LabelNoise("ill", 1.2, 0.9),
        lambda: UnderRepresent(Young(), 1),
    ],
)
def test_a_defect_that_exists_is_valid(wrong: Callable[[], object]) -> None:
    with pytest.raises(RequestError):
        wrong()


@pytest.mark.parametrize("name", ["absent", "frailty"])
def test_what_is_not_in_the_data_has_no_record_to_be_wrong(sampler: Build, name: str) -> None:
    with pytest.raises(RequestError, match=name):
        imperfect(sampler(), [Missing((name,), Dose(0.1))])


def test_a_defect_is_told_in_words() -> None:
    assert in_words(ALL[1]) == "missing hba1c, smoking (together yes, share 20%, when frailty > 1, odds-ratio 3)"
    assert in_words(UnderRepresent(Young(), 0.5)) == "under-represent age < 40 (keep 50%)"
