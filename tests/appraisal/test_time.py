"""What happens over time is told as it is, and what can't have happened in that order is found."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clinic"))

from test_report import _read
from timed_model import TEXT

from manikin.appraisal import Appraisal, Finding, Subject, appraise
from manikin.appraisal.plausibility import plausibility
from manikin.appraisal.report import render
from manikin.appraisal.time import finding, over_time
from manikin.appraisal.time import order as order_of
from manikin.appraisal.time.axis import DAY, HOUR, YEAR, Axis, said
from manikin.appraisal.time.order import (
    APART,
    BEGUN,
    CONTIGUOUS,
    ENDED,
    FOLLOWED,
    KNOWN,
    LAST,
    MOVED,
    ORDERED,
    OWNED,
    POSSIBLE,
    RECORDED,
    RULES,
    WITHIN,
    WORDED,
)
from manikin.clinic import calibrate, parse_model
from manikin.cohort import Cohort, Plan
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed

PATIENTS, SHARD = 600, 250
PUBLISHED = """\
targets:
  median time to a marker: {quantile: hours_to_marker, level: 0.5, by: sex, values: {female: "1.2 (1 to 1.5)", male: 1.3 ± 0.3}, source: book verified}
  marker within an hour: {share: hours_to_marker <= 1, value: 40% (30 to 50), source: book verified}
  mean time to a marker: {mean: hours_to_marker, value: 1.4 ± 0.3, source: book recalled}
  admitted: {share: admitted, value: 50% ± 20%, source: book verified}
  ill: {share: ill, value: 50% ± 10%, source: book verified}
"""

Rows = list[dict[str, Any]]


def drawn(text: str, patients: int = PATIENTS, shard: int = SHARD) -> Subject:
    program = calibrate(parse_model(text)).program
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, Seed(11))
    plan = Plan(sampler, patients, sampler.layout.tables, {}, shard)
    shards = [plan.tables_of(number) for number in plan.shards]
    parts = {name: tuple(one[name] for one in shards) for name in plan.tables}
    return Subject(Cohort(sampler.layout, patients, parts), program)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return drawn(TEXT + PUBLISHED)


@pytest.fixture(scope="module")
def told(subject: Subject) -> Finding:
    return over_time(subject)


@pytest.fixture(scope="module")
def appraisal(subject: Subject) -> Appraisal:
    study = {
        "name": "timed",
        "purpose": "test",
        "users": [],
        "patients": PATIENTS,
        "seed": 1,
        "given": "",
        "oversample": "",
    }
    return appraise(subject, {**study, "privacy": {"objective": "nobody", "recipient": "public"}})


# --- order ------------------------------------------------------------------------------------------------------------


def spoilt(subject: Subject, table: str, edit: Callable[[Rows], Rows]) -> Subject:
    """Return the subject with the rows of the second part of a table edited, in memory."""
    parts = list(subject.cohort.parts[table])
    parts[1] = pa.Table.from_pylist(edit(parts[1].to_pylist()), parts[1].schema)
    return replace(subject, cohort=replace(subject.cohort, parts={**subject.cohort.parts, table: tuple(parts)}))


def broken(subject: Subject) -> dict[str, int]:
    measures, _ = order_of(subject)
    return {one.name: int(one.value) for one in measures if not one.passed}


def one(
    change: Callable[[dict[str, Any]], dict[str, Any]], where: Callable[[dict[str, Any]], bool]
) -> Callable[[Rows], Rows]:
    """Return an edit of the first row that is as asked."""

    def edit(rows: Rows) -> Rows:
        place = next(place for place, row in enumerate(rows) if where(row))
        return [*rows[:place], {**rows[place], **change(rows[place])}, *rows[place + 1 :]]

    return edit


def without(where: Callable[[dict[str, Any]], bool]) -> Callable[[Rows], Rows]:
    """Return an edit that drops the first row that is as asked."""

    def edit(rows: Rows) -> Rows:
        place = next(place for place, row in enumerate(rows) if where(row))
        return [*rows[:place], *rows[place + 1 :]]

    return edit


def marker(row: dict[str, Any]) -> bool:
    return row["kind"] == "observation" and row["code"] == "loinc:67151-1"


def pressure(row: dict[str, Any]) -> bool:
    return row["code"] == "loinc:8480-6" and row["encounter_id"] is not None


def _in_anothers_encounter(rows: Rows) -> Rows:
    """Return events of which one stands in the encounter of another patient."""
    other = next(row["encounter_id"] for row in reversed(rows) if row["encounter_id"])
    return one(lambda _: {"encounter_id": other}, pressure)(rows)


MINUTE, LONG = timedelta(minutes=1), timedelta(days=4_000)
SPOILT: dict[str, tuple[str, Callable[[Rows], Rows], set[str]]] = {
    "recorded before it happened": ("events", one(lambda row: {"recorded": row["time"] - MINUTE}, marker), {RECORDED}),
    "before the first state": (
        "events",
        one(lambda row: {"time": row["time"] - LONG, "encounter_id": None}, pressure),
        {BEGUN},
    ),
    "happened after follow-up": (
        "events",
        one(
            lambda row: {"time": row["time"] + LONG, "recorded": row["recorded"] + LONG, "encounter_id": None}, pressure
        ),
        {FOLLOWED},
    ),
    "known after follow-up": ("events", one(lambda row: {"recorded": row["recorded"] + LONG}, pressure), {FOLLOWED}),
    "outside its encounter": (
        "events",
        _in_anothers_encounter,
        {WITHIN},
    ),
    "in an encounter that is not there": ("events", one(lambda _: {"encounter_id": "enc-0"}, pressure), {WITHIN}),
    "a result without an order": (
        "events",
        without(lambda row: row["kind"] == "order" and row["code"] == "loinc:67151-1"),
        {ORDERED},
    ),
    "an event of nobody": ("events", one(lambda _: {"patient_id": "syn-0"}, pressure), {OWNED}),
    "an unknown code": ("events", one(lambda _: {"code": "loinc:0"}, pressure), {KNOWN}),
    "an impossible number": ("events", one(lambda _: {"number": 301.0}, pressure), {POSSIBLE}),
    "a number that is missing": ("events", one(lambda _: {"number": None}, pressure), {POSSIBLE}),
    "an unknown word": ("events", one(lambda _: {"text": "negative"}, lambda row: row["text"] == "sinus"), {WORDED}),
    "a word at a number": ("events", one(lambda _: {"text": "sinus"}, pressure), {WORDED}),
    "a number below a limit that there is not": ("events", one(lambda _: {"text": "<"}, pressure), {WORDED}),
    "an end before the start": (
        "encounters",
        one(lambda row: {"start": row["end"], "end": row["start"]}, lambda row: row["kind"] == "emergency"),
        {ENDED, WITHIN},
    ),
    "encounters that overlap": (
        "encounters",
        one(lambda row: {"start": row["start"] - timedelta(minutes=5)}, lambda row: row["kind"] == "inpatient"),
        {APART},
    ),
    "an encounter after follow-up": (
        "encounters",
        one(lambda row: {"end": row["end"] + LONG}, lambda row: row["kind"] == "ambulatory"),
        {FOLLOWED},
    ),
    "a gap between states": (
        "states",
        one(lambda row: {"left": row["left"] - MINUTE}, lambda row: row["state"] == "triage"),
        {CONTIGUOUS},
    ),
    "a state that is missing": ("states", without(lambda row: row["state"] == "after_ward"), {CONTIGUOUS, MOVED}),
    "a way that there is not": (
        "states",
        one(lambda _: {"state": "clinic"}, lambda row: row["state"] == "assessment"),
        {MOVED},
    ),
    "a first state that is not the first": (
        "states",
        one(lambda _: {"state": "assessment"}, lambda row: row["state"] == "triage"),
        {MOVED},
    ),
    "death before the end": (
        "states",
        one(lambda _: {"state": "dead"}, lambda row: row["state"] == "after_ward"),
        {LAST, MOVED},
    ),
    "a last state that says otherwise": (
        "patients",
        one(lambda _: {"left_by": "study"}, lambda row: row["left_by"] == "death"),
        {LAST},
    ),
    "follow-up that ends before": (
        "patients",
        one(lambda row: {"followed_until": row["followed_until"] + MINUTE}, lambda _: True),
        {CONTIGUOUS},
    ),
}


def test_what_a_model_makes_happens_in_order(subject: Subject) -> None:
    measures, rows = order_of(subject)
    assert broken(subject) == {}
    assert [measure.name for measure in measures] == list(RULES)
    assert rows == sum(subject.cohort.rows(table) for table in ("events", "encounters", "states"))


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_cannot_have_happened_is_found(subject: Subject, spoil: str) -> None:
    table, edit, rules = SPOILT[spoil]
    found = broken(spoilt(subject, table, edit))
    assert set(found) == rules
    assert max(found.values()) < 20


def test_every_rule_has_been_seen_to_fire() -> None:
    assert set(RULES) == {rule for _, _, rules in SPOILT.values() for rule in rules}


def test_rows_in_another_order_are_the_same_course(subject: Subject) -> None:
    for table in ("events", "encounters", "states"):
        assert broken(spoilt(subject, table, lambda rows: sorted(rows, key=lambda row: str(row)[-40:]))) in (
            {},
            {ORDERED: 0},
        )


def test_order_is_a_matter_of_the_gate(subject: Subject) -> None:
    table, edit, _ = SPOILT["recorded before it happened"]
    found = plausibility(spoilt(subject, table, edit))
    assert not found.passed
    assert "1 impossible value" in found.answer
    assert plausibility(subject).passed


def test_a_table_that_nobody_asked_for_is_not_missed(subject: Subject) -> None:
    parts = {
        name: part for name, part in subject.cohort.parts.items() if name not in ("events", "encounters", "patients")
    }
    assert broken(replace(subject, cohort=replace(subject.cohort, parts=parts))) == {}


# --- what is told -----------------------------------------------------------------------------------------------------


def test_everybody_is_somewhere_until_follow_up_ends(told: Finding) -> None:
    shares = np.array(told.drawings["occupancy"]["shares"])
    assert np.abs(shares[:, 0].sum() - 1) < 1e-3
    # Who is followed to the end of the study, and those rounded away.
    assert (shares.sum(axis=0) <= 1 + 1e-3).all()
    assert (shares.sum(axis=0) > 0.9).all()


def test_moves_are_as_many_as_the_states_say(subject: Subject, told: Finding) -> None:
    states = subject.cohort.table("states").to_pylist()
    names = [state["name"] for state in told.drawings["states"]]
    moves = np.array(told.drawings["moves"])
    pairs = [(a["state"], b["state"]) for a, b in pairwise(states) if a["patient_id"] == b["patient_id"]]
    for here, there in {pair for pair in pairs if pair[0] != pair[1]}:
        assert moves[names.index(here), names.index(there)] == pairs.count((here, there))
    assert moves.sum() == sum(here != there for here, there in pairs) + moves[:, -1].sum()


def test_states_are_counted_once_a_patient(subject: Subject, told: Finding) -> None:
    states = subject.cohort.table("states").to_pandas()
    for state in told.drawings["states"]:
        ever = states[states["state"] == state["name"]]["patient_id"].nunique() / PATIENTS
        assert state["ever"] == pytest.approx(ever, abs=1e-4)


def test_delays_are_those_that_were_drawn(told: Finding) -> None:
    delays = {one["test"]: one for one in told.drawings["delays"]}
    # Medians of the model; results that would come after follow-up don't come, which takes some of the longest.
    assert delays["marker_test"]["collected"][2] == pytest.approx(15, rel=0.2)
    assert delays["marker_test"]["resulted"][2] == pytest.approx(50, rel=0.2)
    assert set(delays) == {"marker_test", "film"}


def test_published_values_on_time_stand_at_what_they_are_about(told: Finding) -> None:
    waits = told.drawings["waits"]
    assert set(told.drawings["targets"]) == {
        "median time to a marker",
        "marker within an hour",
        "mean time to a marker",
        "admitted",
    }
    marks = {
        (name, wait["label"]): mark for wait in waits for name, mark in zip(wait["targets"], wait["marks"], strict=True)
    }
    assert {label for name, label in marks if name == "median time to a marker"} == {"female", "male"}
    assert marks["median time to a marker", "female"]["level"] == 0.5
    assert marks["marker within an hour", ""]["level"] == pytest.approx(1.0, abs=0.02)
    assert all(0 <= share <= 1 for wait in waits for _, share in wait["curve"])


def test_patients_who_are_shown_take_different_paths(told: Finding) -> None:
    shown = told.drawings["timelines"]
    assert len(shown) == 6
    assert len({one["patient"] for one in shown}) == 6
    # The second patients of the most common paths come after the first ones of all.
    paths = [(*one["path"], one["ending"]) for one in shown]
    different = len(set(paths))
    assert different == len(set(paths[:different])) >= 4
    shares = [one["share"] for one in shown[:different]]
    assert shares == sorted(shares, reverse=True)
    for one_ in shown:
        assert one_["stays"][-1][2] == one_["followed"]
        assert all(0 <= time <= one_["followed"] for each in one_["values"] for time, _ in each["points"])
        assert all(known is None or ordered <= known for test in one_["tests"] for ordered, known in test["orders"])


def test_the_same_is_told_however_the_cohort_is_cut(told: Finding) -> None:
    assert over_time(drawn(TEXT + PUBLISHED, shard=PATIENTS)) == told


def test_only_the_first_patients_are_described(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_PATIENTS", 300)
    found = over_time(subject)
    assert found.drawings["patients"] == 300
    assert "the first 300 of 600 patients" in found.answer
    few = over_time(drawn(TEXT + PUBLISHED, 300))
    assert found.drawings["moves"] == few.drawings["moves"]


def test_it_stays_small(told: Finding) -> None:
    assert len(json.dumps(asdict(told), indent=1, allow_nan=False)) < 200_000


# --- the axis -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [1.0, 45.0, 5 * HOUR, 2 * DAY, 60 * DAY, 10 * YEAR])
@pytest.mark.parametrize("bend", [0.0, 5.0, HOUR])
def test_an_axis_names_moments_in_order_and_apart(end: float, bend: float) -> None:
    axis = Axis(end, bend)
    ticks = axis.ticks(4)
    places = [axis.share(at) for at, _ in ticks]
    assert ticks[0] == (0.0, "0")
    assert len({label for _, label in ticks}) == len(ticks)
    assert all(b - a > 0.09 for a, b in pairwise(places))
    assert axis.moments(np.array([0.0, 1.0])) == pytest.approx([0.0, end])


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 min"),
        (45, "45 min"),
        (100, "1.7 h"),
        (DAY, "24 h"),
        (3 * DAY, "3 days"),
        (YEAR, "12 months"),
        (5 * YEAR, "5 years"),
    ],
)
def test_times_are_said_as_a_person_does(minutes: float, words: str) -> None:
    assert said(minutes) == words


# --- the page -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_happens(appraisal: Appraisal) -> None:
    page = render(appraisal)
    assert _read(page).faults == []
    assert '<a href="#finding-time"><span class="dot open"></span>Over time</a>' in page
    for heading in (
        "Where they go next",
        "Some patients",
        "Beside what is published",
        "How values move",
        "How long tests take",
    ):
        assert f"<h3>{heading}</h3>" in page
    assert page.count('class="timeline"') == 6
    assert not any(one.startswith("Time:") for one in appraisal.not_assessed)
    assert render(Appraisal.from_json(appraisal.to_json())) == page


def test_every_picture_over_time_says_what_it_shows(appraisal: Appraisal) -> None:
    page = render(appraisal)
    section = page[page.index('id="finding-time"') : page.index('id="finding-distributions"')]
    outer = [one for one in re.findall("<svg[^>]*>", section) if not one.startswith("<svg x=")]
    assert len(outer) > 80
    assert all('role="img"' in one or 'aria-hidden="true"' in one for one in outer)
    assert all(re.search('aria-label="[^"]{3,}"', one) for one in outer if "role=" in one)


def test_names_from_a_model_stay_text(appraisal: Appraisal) -> None:
    at = [one.check for one in appraisal.findings].index("time")
    hostile = json.loads(json.dumps(appraisal.findings[at].drawings).replace("Marker", "<script>x</script>"))
    found = replace(appraisal.findings[at], drawings=hostile)
    page = render(replace(appraisal, findings=(*appraisal.findings[:at], found, *appraisal.findings[at + 1 :])))
    assert page.count("<script") == 1
    assert _read(page).faults == []


def test_without_a_pathway_there_is_no_section(calibrated: Any, made: Any) -> None:
    found = appraise(Subject(made.cohort, calibrated.program), {})
    assert "time" not in {one.check for one in found.findings}
    assert any(one.startswith("Time:") for one in found.not_assessed)
