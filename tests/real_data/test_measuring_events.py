"""Events become tables in which one patient counts as often as was said beforehand, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manikin.aggregates import Bound, EventPlan, MeasurePlan
from manikin.errors import MappingError, RequestError
from manikin.real_data import People, Survey, measure, survey
from measured import EVENT_MAPPING, MAPPING, VARIABLES, account, happenings, patients, text, without, written

SECRET = "Rumpelstilzchen"
PLAN = EventPlan(
    most={"observation": 6, "medication": 2},
    counts=(1, 2, 4),
    followed=(30, 365),
    transitions=Bound(4),
    gaps=Bound(3, (7, 30, 100)),
    dwells=Bound(2, (7, 30)),
    visits=Bound(3),
    missingness=(("hba1c", "sbp"), ("statin",)),
)


def asked(folder: Path, plan: EventPlan = PLAN, mapping: str = EVENT_MAPPING) -> Survey:
    paths = text(folder, MAPPING, "mapping.yaml"), text(folder, mapping, "events.yaml")
    return survey(paths[0], VARIABLES, MeasurePlan(events=plan, clipped=True), paths[1])


def read(folder: Path, records: dict[str, list[Any]], events: dict[str, list[Any]], plan: EventPlan = PLAN) -> People:
    return asked(folder, plan).read(written(folder, records), written(folder, events, "events.csv"))


def told(people: People, wanted: Survey) -> dict[str, Any]:
    return {one.what: people.answer(one).tolist() for one in wanted.questions}


def one_patient(folder: Path, events: list[tuple[int, str, Any]], plan: EventPlan = PLAN) -> dict[str, Any]:
    """Return every table of a clinic with two patients, to one of whom something happened."""
    records = {"ID": ["a", "b"], "DAY": [1, 1], "AGE": [50, 60], "GENDER": [1, 2], "SYS": [130, 140], "ILL": ["y", "n"]}
    days, what, value = ([one[place] for one in events] for place in range(3))
    columns = {"who": ["a"] * len(events), "day": days, "what": what, "value": value}
    return told(read(folder, records, columns, plan), asked(folder, plan))


COURSE = [(10, "A1C", 7.0), (3, "A1C", 6.0), (3, "RX", ""), (50, "A1C", 6.1), (40, "SYS", 150), (200, "A1C", 9)]


def test_how_often_and_whether_something_is_on_record(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE)
    assert found["events: hba1c"] == [1, 0, 0, 1]
    assert found["events: sbp"] == [1, 1, 0, 0]
    assert found["recorded: hba1c × recorded: sbp"] == [[1, 0], [0, 1]]
    assert found["recorded: statin"] == [1, 1]


def test_what_follows_what_from_the_start_to_the_end(tmp_path: Path) -> None:
    found = np.array(
        one_patient(tmp_path, COURSE, EventPlan(transitions=Bound(99)))["transitions: from × transitions: to"]
    )
    # From the start, hba1c, sbp, statin; to hba1c, sbp, statin, the end.
    assert found.tolist() == [[1, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]]


def test_only_the_first_moves_count(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE, EventPlan(transitions=Bound(2)))
    # The first of a: start to hba1c, hba1c to statin. Of b: start to end.
    assert found["transitions: from × transitions: to"] == [[1, 0, 0, 1], [0, 0, 1, 0], [0] * 4, [0] * 4]
    assert found["clipped: transitions"] == [1, 1]


def test_gaps_between_events_of_a_type(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE, EventPlan(gaps=Bound(2, (7, 30, 100))))
    # Of hba1c on days 3, 10, 50 and 200, the first two gaps: 7 days and 40.
    assert found["gaps: of × gaps: time"] == [[0, 1, 1, 0], [0] * 4, [0] * 4]
    assert found["clipped: gaps"] == [1, 1]


def test_stays_in_a_band_last_until_another_is_recorded(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE, EventPlan(dwells=Bound(9, (7, 30))))
    # hba1c: 6.0 on day 3, 7.0 on 10, 6.1 on 50, 9 on 200: stays of 7, 40 and 150 days; the last is not over.
    assert found["dwells: of × dwells: time"] == [[0, 1, 1], [0, 0, 1], [0] * 3, [0] * 3, [0] * 3]


def test_of_gaps_and_stays_those_that_end_first_count(tmp_path: Path) -> None:
    course = [(0, "A1C", 6.0), (500, "A1C", 7.0), (1, "SYS", 130), (5, "SYS", 150)]
    found = one_patient(tmp_path, course, EventPlan(gaps=Bound(1, (7,)), dwells=Bound(1, (7,))))
    assert found["gaps: of × gaps: time"] == [[0, 0], [1, 0], [0, 0]]
    assert found["dwells: of × dwells: time"] == [[0, 0]] * 3 + [[1, 0], [0, 0]]


def test_each_visit_tells_what_was_found_at_it(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE, EventPlan(visits=Bound(3)))
    # Days 3, 10 and 40 of 3, 10, 40, 50 and 200.
    assert found["visits: hba1c"] == [1, 1, 0, 1]
    assert found["visits: sbp"] == [0, 1, 2]
    assert found["clipped: visits"] == [1, 1]


def test_of_a_kind_only_the_first_count(tmp_path: Path) -> None:
    found = one_patient(tmp_path, COURSE, EventPlan(most={"observation": 2}, counts=(1, 2, 3)))
    assert found["events: hba1c"] == [1, 0, 1, 0]
    assert found["events: sbp"] == [2, 0, 0, 0]
    assert found["events: statin"] == [1, 1, 0, 0]
    assert found["clipped: observation"] == [1, 1]


def test_sensitivities_are_the_bounds(tmp_path: Path) -> None:
    found = {one.what: one.sensitivity for one in asked(tmp_path).questions}
    assert found["transitions: from × transitions: to"] == 4
    assert found["gaps: of × gaps: time"] == 3
    assert found["dwells: of × dwells: time"] == 2
    assert found["visits: hba1c"] == found["visits: sbp"] == 3
    assert {found[name] for name in ("events: hba1c", "recorded: statin", "clipped: gaps", "age")} == {1}


def test_one_patient_moves_every_table_by_no_more_than_its_sensitivity(tmp_path: Path) -> None:
    records, events = patients(25), happenings(25, each=25)
    everybody, wanted, moved = read(tmp_path, records, events), asked(tmp_path), {}
    for one in sorted(set(records["ID"])):
        others = read(tmp_path, without(records, "ID", one), without(events, "who", one))
        for question in wanted.questions:
            apart = everybody.answer(question) - others.answer(question)
            distance = float(np.linalg.norm(apart.ravel()))
            assert distance <= question.sensitivity, question.what
            moved[question.what] = max(moved.get(question.what, 0), int(np.abs(apart).sum()))
    # The bounds are reached: everybody has more than counts.
    assert moved["transitions: from × transitions: to"] == 4
    assert moved["gaps: of × gaps: time"] == 3
    assert moved["visits: hba1c"] == 3


_cells = st.sampled_from(["", "0", "3", "7", "7.5", "150", "1e9", "-4", "nan", "x", SECRET])


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", ""]), _cells, st.sampled_from(["A1C", "SYS", "RX", "?"]), _cells)
    )
)
def test_whatever_stands_on_record_is_read_and_moves_nothing_further(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    names = ("who", "day", "what", "value")
    events = dict(zip(names, map(list, zip(*lines, ("b", "1", "A1C", "7"), strict=True)), strict=True))
    records = {
        "ID": ["a", "b", ""],
        "DAY": [1] * 3,
        "AGE": [50] * 3,
        "GENDER": [1] * 3,
        "SYS": [1] * 3,
        "ILL": ["y"] * 3,
    }
    everybody = read(folder, records, events)
    others = read(folder, without(records, "ID", "a"), without(events, "who", "a"))
    for question in asked(folder).questions:
        apart = everybody.answer(question) - others.answer(question)
        assert np.linalg.norm(apart.ravel()) <= question.sensitivity


def test_no_patient_decides_how_the_events_of_others_are_read(tmp_path: Path) -> None:
    """A reader that guesses takes 007 for 7 as long as nobody has a text in that column."""
    records = {"ID": ["007", "b"], "DAY": [1, 1], "AGE": [50, 50], "GENDER": [1, 1], "SYS": [1, 1], "ILL": ["y", "n"]}
    events = {"who": ["007"], "day": [1], "what": ["A1C"], "value": ["7.0"]}
    more = {"who": ["b"], "day": [2], "what": ["A1C"], "value": [SECRET]}
    for told_of in (events, {name: events[name] + more[name] for name in events}):
        assert told(read(tmp_path, records, told_of), asked(tmp_path))["events: hba1c"] == [1, 1, 0, 0]


def test_events_of_nobody_and_of_unknown_types_do_not_count(tmp_path: Path) -> None:
    events = {"who": ["ghost", "", "a"], "day": [1, 1, 1], "what": ["A1C", "A1C", "??"], "value": [7, 7, 7]}
    records = {"ID": ["a", ""], "DAY": [1, 1], "AGE": [50, 50], "GENDER": [1, 1], "SYS": [1, 1], "ILL": ["y", "n"]}
    people = read(tmp_path, records, events)
    assert people.courses is not None
    assert people.courses.size == 1
    assert told(people, asked(tmp_path))["events: hba1c"] == [1, 0, 0, 0]


def test_events_are_bought_like_all_else(tmp_path: Path) -> None:
    people, wanted, paid = read(tmp_path, patients(25), happenings(25)), asked(tmp_path), account(tmp_path)
    found = measure(people, wanted, paid, paid.left)
    assert [one.attributes for one in found] == [tuple(axis.name for axis in one.axes) for one in wanted.questions]
    noises = {one.attributes[0]: one.noise for one in found}
    assert noises["transitions: from"] == pytest.approx(4 * noises["events: hba1c"])


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (EventPlan(items=("hba2c",), counts=(1,)), "Did you mean 'hba1c'"),
        (EventPlan(items=("sbp",), missingness=(("hba1c",),)), "'hba1c'"),
        (EventPlan(most={"operation": 3}, counts=(1,)), "'operation'"),
        (EventPlan(items=("statin",), dwells=Bound(1, (7,))), "there is none"),
        (EventPlan(items=("statin",), visits=Bound(1)), "there is none"),
    ],
)
def test_what_the_event_mapping_does_not_have_is_refused(tmp_path: Path, plan: EventPlan, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        asked(tmp_path, plan)


def test_an_item_without_declared_bins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="'sbp' has no bins"):
        asked(tmp_path, EventPlan(visits=Bound(2)), EVENT_MAPPING.replace(", cuts: [140]", ""))


def test_a_mapping_of_events_with_mistakes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingError):
        asked(tmp_path, PLAN, EVENT_MAPPING.replace("clock: d", "clock: week"))
