"""The tables of a cohort agree with each other, and the truth holds what is not on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manikin.appraisal.plausibility import completed_years
from manikin.cohort import TABLES, Plan
from manikin.cohort.tables import birth_dates
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.study import Made

UNIFORMS = st.floats(0, 1, exclude_min=True, exclude_max=True)


def age_by_calendar(born: date, on: date) -> int:
    """Return completed years; who was born on 29 February has a birthday on the last of February in common years."""
    try:
        birthday = born.replace(year=on.year)
    except ValueError:
        birthday = date(on.year, 2, 28)
    return on.year - born.year - (on < birthday)


@given(st.dates(date(1990, 1, 1), date(2050, 12, 31)), st.integers(0, 120), UNIFORMS)
def test_a_birth_date_agrees_with_the_age_in_completed_years(index: date, age: int, uniform: float) -> None:
    born = birth_dates(np.array([index], "M8[D]"), np.array([float(age)]), np.array([uniform]))[0].item()
    assert age_by_calendar(born, index) == age


@pytest.mark.parametrize(
    "index", [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 2, 28), date(2025, 3, 1)]
)
@pytest.mark.parametrize("age", [1, 3, 4, 24, 100, 124])
def test_a_birth_date_agrees_with_the_age_around_leap_days(index: date, age: int) -> None:
    uniform = np.append((np.arange(364) + 0.5) / 365, 1 - 2.0**-53)
    born = birth_dates(np.full(365, np.datetime64(index)), np.full(365, float(age)), uniform)
    assert {age_by_calendar(one.item(), index) for one in born} == {age}
    assert len(set(born.tolist())) >= 364


@given(st.dates(date(1900, 1, 1), date(2000, 12, 31)), st.dates(date(2001, 1, 1), date(2050, 12, 31)))
def test_the_appraisal_counts_years_by_the_calendar(born: date, on: date) -> None:
    assert completed_years(np.array([born], "M8[D]"), np.array([on], "M8[D]"))[0] == age_by_calendar(born, on)


@pytest.mark.parametrize("born", [date(2003, 2, 28), date(2004, 2, 28), date(2004, 2, 29), date(2004, 3, 1)])
def test_the_appraisal_counts_years_by_the_calendar_around_leap_days(born: date) -> None:
    days = [date(2023, 2, 26) + timedelta(days) for days in range(800)]
    counted = completed_years(np.full(len(days), np.datetime64(born)), np.array(days, "M8[D]"))
    assert counted.tolist() == [age_by_calendar(born, day) for day in days]


def test_patients_have_one_row_and_one_encounter_each(made: Made) -> None:
    ids = made.table("analysis").column("patient_id").to_pylist()
    assert len(set(ids)) == 1_000
    for name in ("patients", "encounters", "truth"):
        assert made.table(name).column("patient_id").to_pylist() == ids
    assert set(made.table("events").column("patient_id").to_pylist()) <= set(ids)
    encounters = made.table("encounters")
    assert len(set(encounters.column("encounter_id").to_pylist())) == 1_000
    home = dict(zip(encounters.column("encounter_id").to_pylist(), ids, strict=True))
    events = made.table("events").select(["encounter_id", "patient_id"]).to_pylist()
    assert all(home[event["encounter_id"]] == event["patient_id"] for event in events)


CODES = {
    "sbp": "loinc:8480-6",
    "hba1c": "loinc:4548-4",
    "smoking": "loinc:72166-2",
    "vaping": "loinc:104556-6",
    "ill": "snomed:73211009",
    "statin": "rxnorm:83367",
}


@pytest.mark.parametrize("name", CODES)
def test_events_are_what_is_recorded_in_the_analysis_table(made: Made, name: str) -> None:
    events, analysis = made.table("events"), made.table("analysis")
    mine = events.filter(pc.equal(events.column("code").cast(pa.string()), CODES[name]))
    recorded = zip(analysis.column("patient_id").to_pylist(), analysis.column(name).to_pylist(), strict=True)
    # A condition that somebody does not have is no event.
    expected = {who: value for who, value in recorded if value is not None and value is not False}
    value = {"smoking": "text", "vaping": "text", "ill": None, "statin": None}.get(name, "number")
    found = mine.column(value).to_pylist() if value else [True] * mine.num_rows
    assert dict(zip(mine.column("patient_id").to_pylist(), found, strict=True)) == expected
    assert mine.num_rows == len(expected) > 0


def test_events_hold_nothing_but_what_has_a_code(made: Made) -> None:
    events = made.table("events")
    assert set(pc.unique(events.column("code").cast(pa.string())).to_pylist()) == set(CODES.values())
    kinds = set(
        zip(
            events.column("code").to_pylist(),
            events.column("kind").to_pylist(),
            events.column("unit").to_pylist(),
            strict=True,
        )
    )
    assert kinds == {
        ("loinc:8480-6", "observation", "mm[Hg]"),
        ("loinc:4548-4", "observation", "%"),
        ("loinc:72166-2", "observation", None),
        ("loinc:104556-6", "observation", None),
        ("snomed:73211009", "condition", None),
        ("rxnorm:83367", "medication", None),
    }


def test_no_text_stands_twice_in_a_dictionary(sampler: Callable[..., KnowledgeSampler]) -> None:
    # Arrow would pad the file with whatever stood in memory: bytes that differ, and that nobody meant to release.
    for table in Plan(sampler(), 300, TABLES, {}).tables_of(0).values():
        for column in table.columns:
            if pa.types.is_dictionary(column.type):
                words = column.chunk(0).dictionary.to_pylist()
                assert len(set(words)) == len(words)
                assert None not in words


def test_events_and_encounters_happen_on_the_index_date(made: Made) -> None:
    index = dict(
        zip(*(made.table("analysis").column(name).to_pylist() for name in ("patient_id", "index_date")), strict=True)
    )
    for name, column in (("events", "time"), ("encounters", "start"), ("encounters", "end")):
        table = made.table(name)
        for who, when in zip(table.column("patient_id").to_pylist(), table.column(column).to_pylist(), strict=True):
            assert when.date() == index[who]
            assert when.utcoffset() == timedelta(0)


def test_static_values_are_the_same_in_the_table_of_patients(made: Made) -> None:
    for name in ("age", "sex"):
        assert made.table("patients").column(name).to_pylist() == made.table("analysis").column(name).to_pylist()


def test_birth_dates_of_a_release_agree_with_ages(made: Made) -> None:
    people, analysis = made.table("patients"), made.table("analysis")
    columns = people.column("birth_date"), analysis.column("index_date"), analysis.column("age")
    for born, on, age in zip(*(column.to_pylist() for column in columns), strict=True):
        assert age_by_calendar(born, on) == age


def test_the_truth_holds_clean_values_of_what_is_not_recorded(made: Made) -> None:
    recorded, clean = (made.table(name).column("hba1c").to_pylist() for name in ("analysis", "truth"))
    assert None not in clean
    assert 300 < recorded.count(None) < 700
    assert all(seen is None or seen == true for seen, true in zip(recorded, clean, strict=True))
    assert made.cohort.columns(["hba1c"])["hba1c"].tolist() == clean


def test_the_truth_alone_holds_latents_and_helpers_are_nowhere(made: Made) -> None:
    assert made.table("truth").column_names == ["patient_id", "hba1c", "frailty"]
    tables = {name: made.table(name).column_names for name in ("patients", "encounters", "events", "analysis", "truth")}
    assert [name for name, columns in tables.items() if "frailty" in columns] == ["truth"]
    assert not [name for name, columns in tables.items() if "tested" in columns or "tested?" in columns]


def test_who_has_no_value_by_nature_has_none_in_any_table(made: Made) -> None:
    analysis = made.table("analysis").select(["sex", "menopause"]).to_pylist()
    assert {row["menopause"] for row in analysis if row["sex"] == "male"} == {False}
    assert {row["menopause"] for row in analysis if row["sex"] == "female"} == {True, False}


def test_the_first_patients_are_the_same_however_many_are_asked_for(made: Made) -> None:
    whole, first = made.cohort.columns(["age", "sbp", "hba1c"]), made.cohort.columns(["age", "sbp", "hba1c"], limit=450)
    assert all(np.array_equal(first[name], whole[name][:450]) for name in whole)
    assert made.cohort.rows("analysis") == 1_000


def test_a_table_that_does_not_exist_is_refused_with_those_that_do(made: Made) -> None:
    with pytest.raises(RequestError, match=r"no table 'analysys'. Did you mean 'analysis'"):
        made.table("analysys")
