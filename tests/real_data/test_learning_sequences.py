"""Events of people are read where they may be, parted by person, and only a sampler and a finding leave."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manikin.errors import ManikinError, MappingError, RealDataError
from manikin.generators.sequence import Learning, Training
from manikin.real_data import learn_sequences
from manikin.real_data.event_mapping import read_event_mapping
from manikin.real_data.histories import parted, read_histories
from manikin.streams import Seed

SECRET = "Rumpelstilzchen"
DATA = Path(__file__).parents[3] / "shared" / "data"
MAPPINGS = Path(__file__).parents[2] / "benchmarks" / "events"
MAPPING = """\
title: A ward
clock: h
horizon: 48
events: {patient: id, time: hour, code: what, value: value}
people: {patient: ID, followed: stay, left-by: {column: out, values: {d: death, h: discharge, s: study}}}
statics:
  sex: {column: SEX, levels: [female, male], values: {1: male, 2: female, 9: missing}}
ascending: [[dbp, sbp]]
items:
  dbp: {column: DIA, unit: "mm[Hg]", possible: [20, 200], precision: 1, cuts: [60, 90]}
  sbp: {column: SYS, unit: "mm[Hg]", possible: [40, 250], precision: 1}
  oxygen: {column: O2, done: procedure}
"""


@pytest.fixture
def ward(tmp_path):
    """Return where a ward's events, people and their mapping stand: five people, with what records hold of errors."""
    rows = [
        ("a", 0, "DIA", 70.4),
        ("a", 0, "SYS", 120.0),
        ("a", 0, "SYS", 121.0),
        ("a", 5, "DIA", -1.0),
        ("a", 6, "O2", 1.0),
        ("a", 10, "SYS", 130.0),
        ("a", 11, "SYS", 130.0),
        ("a", -2, "SYS", 130.0),
        ("b", 3, "DIA", 80.0),
        ("b", 3, "unknown", 80.0),
        ("b", 90, "DIA", 80.0),
        ("stranger", 3, "DIA", 80.0),
    ]
    columns = dict(zip(("id", "hour", "what", "value"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    people = {"ID": ["a", "b", "c"], "stay": [11.0, 60.0, 7.0], "out": ["d", "d", "h"], "SEX": [1.0, 9.0, 2.0]}
    pq.write_table(pa.table(people), tmp_path / "people.parquet")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def read(folder):
    return read_histories(
        folder / "events.parquet", folder / "people.parquet", read_event_mapping(folder / "mapping.yaml")
    )


def test_events_are_read_as_they_may_be(ward):
    found = read(ward)
    events = found.timeline.events
    # First of two at one time; impossible, before the start, at or after death, unmapped and strangers' are left out.
    assert events.patient.tolist() == [0, 0, 0, 0, 1]
    assert (events.time // 60).tolist() == [0, 0, 6, 10, 3]
    assert events.entry.tolist() == [0, 1, 2, 1, 0]
    np.testing.assert_array_equal(events.value, [70, 120, np.nan, 130, 80])
    assert (found.timeline.followed // 60).tolist() == [11, 48, 7]
    # Who is followed beyond the horizon is not known to have died by then.
    assert found.timeline.left_by.tolist() == [0, 3, 2]
    np.testing.assert_array_equal(found.statics["sex"], [1, np.nan, 0])


def test_a_row_may_be_a_visit(ward):
    pq.write_table(
        pa.table({"id": ["a", "b"], "hour": [1, 2], "DIA": [70.0, None], "SYS": [120.0, 130.0]}),
        ward / "events.parquet",
    )
    text = MAPPING.replace(", code: what, value: value", "").replace("  oxygen: {column: O2, done: procedure}\n", "")
    (ward / "mapping.yaml").write_text(text)
    events = read(ward).timeline.events
    assert list(zip(events.patient.tolist(), events.entry.tolist(), events.value.tolist(), strict=True)) == [
        (0, 0, 70.0),
        (0, 1, 120.0),
        (1, 1, 130.0),
    ]


def test_people_are_parted_and_nobody_stands_in_both_halves():
    if not (DATA / "pbc_mayo_sequential").exists():
        pytest.skip("needs the trial's visits beside the checkout, shared/data/pbc_mayo_sequential")
    visits = DATA / "pbc_mayo_sequential" / "pbcseq.parquet"
    everyone = read_histories(visits, visits, read_event_mapping(MAPPINGS / "pbc.yaml"))
    one, other = parted(everyone, Seed(1))
    assert one.size + other.size == everyone.size == 312
    assert len(one.timeline.events.time) + len(other.timeline.events.time) == len(everyone.timeline.events.time)
    # A person's events go with the person: how many people have how many is the same before and after.
    counts = [np.bincount(half.timeline.events.patient, minlength=half.size) for half in (one, other)]
    whole = np.bincount(everyone.timeline.events.patient, minlength=everyone.size)
    assert sorted(np.concatenate(counts)) == sorted(whole)
    assert sorted(np.concatenate([one.timeline.followed, other.timeline.followed])) == sorted(
        everyone.timeline.followed
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [Learning(states=4, rounds=5), Training(steps=60, units=16)], ids=["semi-markov", "recurrent"]
)
def test_what_is_learnt_from_a_trial_breaks_no_rule_and_stands_beside_two_halves(how):
    if not (DATA / "pbc_mayo_sequential").exists():
        pytest.skip("needs the trial's visits beside the checkout, shared/data/pbc_mayo_sequential")
    if isinstance(how, Training):
        pytest.importorskip("torch", reason="training needs torch: pip install 'manikin[torch]'")
    visits = DATA / "pbc_mayo_sequential" / "pbcseq.parquet"
    learnt = learn_sequences(visits, visits, MAPPINGS / "pbc.yaml", how)
    assert learnt.sampler.tier == "controlled"
    assert learnt.finding.passed
    for one in learnt.finding.measures:
        assert one.expected is not None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clock: h", "clock: weeks", "no clock"),
        ("horizon: 48", "horizon: 1", "horizon"),
        ("possible: [20, 200], ", "", "limits"),
        ("[[dbp, sbp]]", "[[sbp, dbp]]", "order"),
        ("[[dbp, sbp]]", "[[dbp, mbp]]", "ascending"),
        ("d: death", "d: dead", "no ending"),
        ("1: male", "1: man", "no level"),
        ('"mm[Hg]"', "torr-ish", "unit"),
        ("done: procedure", "done: dance", "no done"),
        ("{column: DIA, ", "{", "no 'column'"),
        ("precision: 1, cuts", "precise: 1, cuts", "no setting"),
        ("people: {patient: ID", "people: {who: ID", "no 'patient'"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_with_its_place(ward, old, new, words):
    assert old in MAPPING
    (ward / "mapping.yaml").write_text(MAPPING.replace(old, new))
    with pytest.raises(MappingError, match=words) as caught:
        read_event_mapping(ward / "mapping.yaml")
    assert caught.value.mistakes[0].line >= 1


@pytest.mark.parametrize(
    ("file", "column", "values"),
    [
        ("events", "value", [SECRET] * 12),
        ("events", "hour", [SECRET] * 12),
        ("people", "out", [SECRET] * 3),
        ("people", "SEX", [SECRET] * 3),
        ("people", "stay", [0.0, 1.0, 2.0]),
        ("people", "ID", None),
    ],
)
def test_what_cannot_be_read_is_told_by_column_and_never_by_value(ward, file, column, values):
    path = ward / f"{file}.parquet"
    table = pq.read_table(path).drop_columns([column])
    pq.write_table(table if values is None else table.append_column(column, [values]), path)
    with pytest.raises(RealDataError, match=column) as caught:
        read(ward)
    assert isinstance(caught.value, ManikinError)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
