"""Patients go through a pathway as it is written: stays, ways out, risks, results that come later, values that move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from timed_model import TEXT, edited

from manikin.clinic import compile_model, parse_model
from manikin.clinic.course import Course
from manikin.clinic.pathway import PATHWAY
from manikin.errors import RequestError
from manikin.streams import Draws, Seed

N = 6_000
# Of each statistical claim below, the chance to fail although it is true: two-sided, 4.5 standard errors.
FAR = 4.5


def walked(text: str = TEXT, n: int = N, seed: int = 5, first: int = 0) -> tuple[dict[str, Any], Course]:
    program = compile_model(parse_model(text))
    columns = program.sample(program.order, Draws(Seed(seed), np.arange(first, first + n)), record=True)
    return columns, columns[PATHWAY]


@pytest.fixture(scope="module")
def course() -> tuple[dict[str, Any], Course]:
    return walked()


def stays(course: Course, state: str) -> dict[str, Any]:
    """Return the stays in a state that were not the last of a patient, and where each led to."""
    names = list(parse_model(TEXT).pathway.states)  # type: ignore[union-attr]
    all_of = course.states
    here = np.flatnonzero(all_of["state"] == names.index(state))
    follows = np.minimum(here + 1, len(all_of["state"]) - 1)
    led = (here + 1 < len(all_of["state"])) & (all_of["patient"][follows] == all_of["patient"][here])
    then = np.where(led, all_of["state"][follows], -1)
    return {
        "patient": all_of["patient"][here],
        "stay": all_of["left"][here] - all_of["entered"][here],
        "then": np.array([names[one] if one >= 0 else "" for one in then]),
    }


def recorded(course: Course, entry: str, text: str = TEXT) -> dict[str, Any]:
    pathway = parse_model(text).pathway
    assert pathway is not None
    place = [*pathway.tests, *pathway.measured, *pathway.entries].index(entry)
    mine = course.events["entry"] == place
    return {name: column[mine] for name, column in course.events.items()}


# --- states -----------------------------------------------------------------------------------------------------------


def test_a_stay_lasts_as_it_is_drawn(course: tuple[dict[str, Any], Course]) -> None:
    stay = stays(course[1], "triage")["stay"]
    assert (
        stats.kstest(
            stay + np.random.default_rng(0).uniform(-0.5, 0.5, stay.size), stats.lognorm(0.5, scale=15).cdf
        ).pvalue
        > 1e-4
    )


def test_a_share_of_those_still_there_takes_a_way_out(course: tuple[dict[str, Any], Course]) -> None:
    gone = (stays(course[1], "triage")["then"] == "gone").mean()
    assert abs(gone - 0.03) < FAR * np.sqrt(0.03 * 0.97 / N)


def test_a_competing_risk_comes_at_its_rate() -> None:
    _, course = walked(edited("0.01 * exp(0.03 * (age - 50))", "0.2"), 20_000)
    ward = stays(course, "ward")
    deaths, days = (ward["then"] == "dead").sum(), ward["stay"].sum() / 1440
    assert abs(deaths / days - 0.2) < FAR * np.sqrt(deaths) / days


def test_decisions_are_made_on_results_and_not_on_the_truth(course: tuple[dict[str, Any], Course]) -> None:
    columns, found = course
    markers = recorded(found, "marker")
    once = np.bincount(markers["patient"], minlength=N) == 1
    latest = np.full(N, np.nan)
    latest[markers["patient"]] = markers["value"]
    high = once & (latest >= 52)
    assert high.sum() > 30
    assert (columns["admitted"] | columns["died"])[high].all()
    assert not columns["admitted"][once & (latest < 5) & ~columns["died"]].all()


def test_a_result_is_unknown_until_it_comes() -> None:
    slow = edited("resulted: lognormal(50 min, 0.4)", "resulted: 3 d").replace(
        'wait: {results: "lognormal(10 min, 0.5)"}', "wait: 1 h"
    )
    _, course = walked(slow)
    # Nobody can be admitted for a marker that is not known yet, nor be measured again while it is awaited.
    admitted = (stays(course, "assessment")["then"] == "ward").mean()
    assert abs(admitted - 0.2) < FAR * np.sqrt(0.16 / N) + 0.01
    orders = recorded(course, "marker_test")
    again = orders["patient"][1:] == orders["patient"][:-1]
    assert (np.diff(orders["time"])[again] > 3 * 1440).all()


def test_a_test_ordered_twice_in_a_state_is_known_twice_unless_it_is_awaited() -> None:
    twice = edited(
        "assessment:\n      orders: [marker_test, vitals]",
        "assessment:\n      orders: [marker_test, {test: marker_test, after: 3 h}, vitals]",
    )
    _, course = walked(
        twice.replace("collected: lognormal(15 min, 0.5)", "collected: 5 min").replace("lognormal(50 min, 0.4)", "1 h")
    )
    first = np.unique(recorded(course, "marker")["patient"], return_counts=True)[1]
    assert (first >= 2).mean() > 0.9
    _, course = walked(twice.replace("after: 3 h", "after: 1 min"))
    orders = recorded(course, "marker_test")
    again = orders["patient"][1:] == orders["patient"][:-1]
    assert (np.diff(orders["time"])[again] > 10).all()


def test_what_is_lost_never_comes() -> None:
    # Everybody is admitted, so that who stays long enough to be counted does not depend on what was lost.
    _, course = walked(edited("lost: 2%", "lost: 40%").replace("rate: {value: 0.2", "rate: {value: 1"))
    end = course.followed + course.begins
    # Long before the end, whatever was ordered has been taken, and has come unless it was lost.
    ordered, come = (
        (one["time"] < end[one["patient"]] - 1440).sum()
        for one in (recorded(course, "marker_test"), recorded(course, "marker"))
    )
    assert ordered > 2_000
    assert abs(come / ordered - 0.6) < FAR * np.sqrt(0.24 / ordered) + 0.01


def test_what_is_planned_for_after_the_patient_has_left_does_not_happen() -> None:
    _, course = walked(edited("share: 90%, after: 20 min", "share: 90%, after: 30 d"))
    assert len(recorded(course, "drug")["patient"]) == 0


def test_appointments_are_kept_on_working_days_between_the_hours() -> None:
    _, course = walked()
    seen = course.encounters["start"][course.encounters["kind"] == 2]
    patient = course.encounters["patient"][course.encounters["kind"] == 2]
    days = parse_model(TEXT).index_dates.at(Draws(Seed(5), np.arange(N)).once("index_date"))
    moment = days[patient].astype("M8[m]") + seen
    weekday = (moment.astype("M8[D]").astype(int) + 3) % 7
    hour = (moment - moment.astype("M8[D]")).astype(int) / 60
    assert seen.size > 500
    assert weekday.max() == 4
    assert hour.min() >= 8
    assert hour.max() < 17


def test_a_pathway_that_goes_in_circles_is_told() -> None:
    text = edited("wait: 14 d\n      then: [{go: clinic}]", "then: [{go: after_ward}]").replace(
        "    clinic:\n", "    clinic:\n      title: C\n"
    )
    text = text.replace("- {go: home}\n    ward", "- {go: clinic}\n    ward")
    with pytest.raises(RequestError, match=r"doesn't end.*after_ward"):
        walked(text, 50)


# --- order ------------------------------------------------------------------------------------------------------------


def assert_in_order(course: Course, n: int) -> None:
    events, contacts, states = course.events, course.encounters, course.states
    begin, end = course.begins.astype(int), (course.followed + course.begins).astype(int)
    assert (events["recorded"] >= events["time"]).all()
    assert (events["time"] >= begin[events["patient"]]).all()
    assert (events["recorded"] <= end[events["patient"]]).all()
    same = events["patient"][1:] == events["patient"][:-1]
    assert (np.diff(events["time"])[same] >= 0).all()
    assert (np.diff(events["patient"]) >= 0).all()
    inside = events["encounter"] >= 0
    contact = events["encounter"][inside]
    assert (contacts["patient"][contact] == events["patient"][inside]).all()
    assert (contacts["start"][contact] <= events["time"][inside]).all()
    assert (events["time"][inside] <= contacts["end"][contact]).all()
    assert (contacts["end"] >= contacts["start"]).all()
    follows = contacts["patient"][1:] == contacts["patient"][:-1]
    assert (contacts["start"][1:][follows] >= contacts["end"][:-1][follows]).all()
    goes_on = states["patient"][1:] == states["patient"][:-1]
    assert (states["entered"][1:][goes_on] == states["left"][:-1][goes_on]).all()
    last = np.flatnonzero(np.append(~goes_on, True))
    assert (states["left"][last] == end[states["patient"][last]]).all()
    assert (np.bincount(states["patient"], minlength=n) > 0).all()


@settings(max_examples=12)
@given(
    seed=st.integers(0, 1 << 40),
    horizon=st.sampled_from(["20 min", "3 h", "2 d", "30 d", "9 mo"]),
    waits=st.sampled_from(["1 min", "lognormal(2 h, 1.5)", "lognormal(4 d, 1)"]),
    rate=st.sampled_from(["0.001", "0.5", "40"]),
)
def test_whatever_happens_happens_in_order(seed: int, horizon: str, waits: str, rate: str) -> None:
    text = edited("horizon: 30 d", f"horizon: {horizon}").replace("wait: lognormal(2 d, 0.6)", f"wait: {waits}")
    text = text.replace("0.01 * exp(0.03 * (age - 50))", rate)
    _, course = walked(text, 400, seed)
    assert_in_order(course, 400)
    pressures, lower = recorded(course, "sbp"), recorded(course, "dbp")
    assert (pressures["value"] - lower["value"] >= 4).all()


# --- addresses --------------------------------------------------------------------------------------------------------


def same(one: Mapping[str, Any], other: Mapping[str, Any], shift: int = 0, first: int = 0) -> bool:
    mine = one["patient"] >= first
    return all(
        np.array_equal(one[name][mine] - (shift if name == "patient" else 0), other[name], equal_nan=name == "value")
        for name in other
        if name != "encounter"
    )


def test_a_patient_takes_the_same_course_whoever_is_beside() -> None:
    _, all_of = walked(n=600)
    _, part = walked(n=250, first=350)
    for table in ("events", "states", "encounters"):
        assert same(getattr(all_of, table), getattr(part, table), 350, 350)


def test_another_test_leaves_the_others_as_they_were() -> None:
    _, before = walked(n=800)
    more = edited(
        "    trace: {measures: [rhythm]}\n", "    trace: {measures: [rhythm]}\n    age_check: {measures: [age]}\n"
    )
    _, after = walked(more.replace("orders: [vitals, trace,", "orders: [age_check, vitals, trace,"), 800)
    assert same(before.states, after.states)
    pathway = parse_model(TEXT).pathway
    assert pathway is not None
    vitals = recorded(before, "sbp")["value"]
    place = [*pathway.tests, "age_check", *pathway.measured].index("sbp")
    assert np.array_equal(after.events["value"][after.events["entry"] == place], vitals)


# --- values over time ---------------------------------------------------------------------------------------------------


FOLLOWED = """
  states:
    triage:
      orders: [marker_test]
      wait: 3 h
      then: [{go: triage}]
    unused: {ends: loss}
"""


def series(trajectory: str, n: int = 3_000, hours: int = 3, horizon: str = "31 h") -> Any:
    """Return markers measured every so many hours of everybody, shape (patients, times)."""
    head, _, _ = TEXT.partition("  risks:\n")
    text = head + FOLLOWED.replace("3 h", f"{hours} h").replace("    unused: {ends: loss}\n", "")
    text = text.replace("horizon: 30 d", f"horizon: {horizon}").replace("      lost: 2%\n", "")
    text = text.replace("      collected: lognormal(15 min, 0.5)\n      resulted: lognormal(50 min, 0.4)\n", "")
    start = text.index("  marker:\n    value:")
    end = text.index("  sbp: {value:")
    text = text[:start] + f"  marker: {trajectory}\n" + text[end:]
    for line in ("  sbp: {value", "  dbp: {value", "  shadow: {chance", "  rhythm: {shares: {sinus: 90"):
        at = text.index(line)
        text = text[:at] + text[text.index("\n", at) + 1 :]
    for name in ("admitted", "ward_days", "died"):
        at = text.index(f"  {name}: {{")
        text = text[:at] + text[text.index("\n", at) + 1 :]
    for test in ("    vitals: {", "    film: {", "    trace: {"):
        at = text.index(test)
        text = text[:at] + text[text.index("\n", at) + 1 :]
    _, course = walked(
        text.replace("precision: 1\n    detection-limit: 5", "precision: 0.001\n    detection-limit: 5"), n
    )
    values = course.events["value"][~np.isnan(course.events["value"])]
    return values.reshape(n, -1)


def test_variation_within_a_person_is_as_wide_and_as_lasting_as_it_says() -> None:
    found = np.log(series("{value: 100, within: 20%, memory: 6 h, source: house assumption}"))
    sd, size = np.sqrt(np.log1p(0.04)), found.size
    assert abs(found.std() - sd) < FAR * sd / np.sqrt(size / 4)
    after = np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]
    assert abs(after - np.exp(-0.5)) < 0.02
    assert abs(np.exp(found).mean() - 100) < 1


def test_variations_of_person_and_instrument_add_up() -> None:
    found = np.log(series("{value: 100, within: 8%, analytical: 6%, source: house assumption}"))
    asked = np.sqrt(np.log1p(0.08**2) + np.log1p(0.06**2))
    assert abs(found.std() - asked) < FAR * asked / np.sqrt(2 * found.size)
    assert abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]) < 0.03


def test_imprecision_may_depend_on_the_value() -> None:
    found = series("{value: 'if(ill, 400, 4)', analytical: 2% + 0.4 / value, source: house assumption}")
    for level, asked in ((4, 0.12), (400, 0.021)):
        mine = np.log(found[np.abs(np.log(found.mean(axis=1) / level)) < 1])
        assert abs(mine.std() - np.sqrt(np.log1p(asked**2))) < 0.03 * asked


def test_a_lot_shifts_everybody_until_it_is_used_up() -> None:
    found = np.log(series("{value: 100, lots: {cv: 10%, lasts: 1000 d}, source: house assumption}", 400))
    # Index dates of a year and lots of a thousand days: two lots at most, which all patients share.
    assert len(np.unique(np.round(found, 6))) <= 2
    found = np.log(series("{value: 100, lots: {cv: 10%, lasts: 1 d}, source: house assumption}", 2_000))
    asked = np.sqrt(np.log1p(0.01))
    assert 300 < len(np.unique(np.round(found, 6))) < 400
    assert abs(found.std() - asked) < 0.2 * asked


def test_an_effect_grows_by_halves() -> None:
    found = series("{value: '10 + 100 * approach(time, 3 h)', source: house assumption}", 5)
    asked = 10 + 100 * (1 - 0.5 ** np.arange(found.shape[1]))
    assert np.allclose(found, np.round(asked, 3))


def test_a_process_begins_where_its_variable_says_and_moves_what_reads_it(
    course: tuple[dict[str, Any], Course],
) -> None:
    columns, found = course
    pressures = recorded(found, "sbp")
    first = np.unique(pressures["patient"], return_index=True)[1]
    residual = pressures["value"][first] - columns["sbp"][pressures["patient"][first]]
    severity = columns["severity_at_start"][pressures["patient"][first]]
    slope = np.polyfit(severity, residual, 1)[0]
    assert abs(slope + 8) < 0.3


def test_a_reader_finds_with_its_chance(course: tuple[dict[str, Any], Course]) -> None:
    columns, found = course
    films = recorded(found, "shadow")
    truth = columns["shadow"][films["patient"]]
    for held, asked in ((True, 0.8), (False, 0.1)):
        told = films["value"][truth == held]
        assert abs(told.mean() - asked) < FAR * np.sqrt(asked * (1 - asked) / told.size)


# --- what variables ask -------------------------------------------------------------------------------------------------


def test_answers_agree_with_the_record(course: tuple[dict[str, Any], Course]) -> None:
    columns, found = course
    markers = recorded(found, "marker")
    order = np.lexsort((markers["recorded"], markers["patient"]))
    patient, value = markers["patient"][order], markers["value"][order]
    first = np.full(N, np.nan)
    first[patient[::-1]] = value[::-1]
    assert np.array_equal(columns["first_marker"], first, equal_nan=True)
    highest = np.full(N, -np.inf)
    np.maximum.at(highest, patient, value)
    assert np.array_equal(columns["marker_rose"], highest > np.nan_to_num(first, nan=np.inf))
    ward = stays(found, "ward")
    days = np.bincount(ward["patient"], ward["stay"], minlength=N) / 1440
    assert np.allclose(np.nan_to_num(columns["ward_days"]), np.where(columns["admitted"], days, 0), atol=0.006)
    assert np.array_equal(columns["died"], found.left_by == 0)
    assert np.allclose(columns["hours_followed"], found.followed / 60, atol=0.006)


# --- what an attack has found -----------------------------------------------------------------------------------------


def test_a_risk_that_is_everywhere_comes_anew_in_every_state() -> None:
    two = edited("0.01 * exp(0.03 * (age - 50)), in: [ward, assessment]", "0.1").replace(
        "horizon: 30 d", "horizon: 20 d"
    )
    head, tail = two.split("    triage:\n", 1)
    _, rest = tail.split("    dead:", 1)
    text = (
        head
        + "    triage:\n      wait: 10 d\n      then: [{go: assessment}]\n    assessment:\n      wait: 10 d\n      then: [{go: home}]\n    dead:"
        + rest
    )
    text = text.replace("    gone: {ends: loss}\n", "")
    for name in ("admitted", "ward_days"):
        at = text.index(f"  {name}: {{")
        text = text[:at] + text[text.index("\n", at) + 1 :]
    _, course = walked(text, 8_000)
    dead = (course.left_by == 0).mean()
    asked = 1 - np.exp(-2)
    assert abs(dead - asked) < FAR * np.sqrt(asked * (1 - asked) / 8_000)


def test_others_at_the_bedside_do_not_matter() -> None:
    half = edited("orders: [vitals, trace,", "orders: [{test: vitals, share: 50%}, trace,").replace(
        "wait: lognormal(15 min, 0.5)", "wait: 15 min * exp(0.3 * severity)"
    )
    _, together = walked(half, 300)
    for first in (0, 7, 120):
        _, alone = walked(half, 3, first=first)
        for table in ("events", "states", "encounters"):
            mine = {
                name: column[np.isin(together_of(together, table)["patient"], [first, first + 1, first + 2])]
                for name, column in together_of(together, table).items()
            }
            assert same(mine, getattr(alone, table), first, first)


def together_of(course: Course, table: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(course, table)
    return found


def test_many_patients_are_sorted_as_few_are() -> None:
    _, course = walked(n=70_000)
    assert (np.diff(course.events["patient"]) >= 0).all()
    again = course.events["patient"][1:] == course.events["patient"][:-1]
    assert (np.diff(course.events["time"])[again] >= 0).all()


def test_the_future_is_not_known() -> None:
    text = TEXT.replace(
        "orders: [marker_test, vitals]\n      wait: {",
        "orders: [{test: marker_test, after: 30 min}, vitals]\n      wait: {",
    )
    text = text.replace(
        "  died: {derived", "  too_early: {unit: h, precision: 0.01, derived: hours(collected(film))}\n  died: {derived"
    )
    columns, course = walked(text.replace('collected: "lognormal(1 h, 0.7)"', "collected: 40 d"))
    assert np.isnan(columns["too_early"]).all()
    assert len(recorded(course, "shadow")["patient"]) == 0


def test_variations_of_two_kinds_are_independent() -> None:
    found = series("{value: 100, within: 10%, analytical-sd: 10, source: house assumption}")
    assert abs(found.std() - np.sqrt(200)) < 0.3


def test_results_are_told_in_the_order_in_which_they_come() -> None:
    text = edited(
        "    vitals: {measures: [sbp, dbp]}",
        "    late: {measures: [sbp], resulted: 60 min}\n    vitals: {measures: [sbp, dbp]}\n    early: {measures: [sbp], resulted: 5 min}",
    )
    text = text.replace("orders: [vitals, trace,", "orders: [late, vitals, early, trace,").replace(
        "  died: {derived", "  last_sbp: {unit: 'mm[Hg]', precision: 1, derived: result(sbp)}\n  died: {derived"
    )
    columns, course = walked(text)
    pressures = recorded(course, "sbp", text)
    order = np.lexsort((pressures["recorded"], pressures["patient"]))
    patient, value, when = (pressures[name][order] for name in ("patient", "value", "recorded"))
    last = np.full(N, np.nan)
    last[patient] = value
    alone = np.ones(N, np.bool_)
    tied = (patient[1:] == patient[:-1]) & (when[1:] == when[:-1])
    alone[patient[1:][tied]] = False
    assert alone.sum() > 500
    assert np.array_equal(columns["last_sbp"][alone], last[alone], equal_nan=True)
