"""``manikin measure``: what is wrong is told before anything is spent, nothing is overwritten, and only aggregates leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from manikin.aggregates import Kind, Tier, Told, Trust, load, make_key
from manikin.cli import main
from manikin.cli.measuring import LEDGER
from manikin.privacy import Ledger
from measured import EVENT_MAPPING, MAPPING, happenings, patients, text, written
from toy import TOY

Captured = pytest.CaptureFixture[str]
SECRET = "Rumpelstilzchen"
MODEL = TOY.replace("    kind: count\n", "    kind: count\n    bins: [40, 60]\n").replace(
    'sbp:\n    unit: "mm[Hg]"\n', 'sbp:\n    unit: "mm[Hg]"\n    bins: [120, 140]\n'
)
STUDY = """\
study: small
purpose: learn about the clinic
users: [testers]
privacy: {objective: nobody can be told apart, recipient: testers}
model: toy.yaml
measure:
  pairs: [[age, sex]]
  outcomes: [ill]
  clipped: yes
  budget: {epsilon: 3, delta: 1e-6}
"""
EVENTS = "  events: {counts: [1, 3], transitions: {most: 5}}\n"
SPEND = ("--epsilon", "1", "--delta", "1e-6")


@pytest.fixture(autouse=True)
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the folder of a clinic with records, a mapping, a model and a study."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, patients(200))
    written(tmp_path, happenings(200), "events.csv")
    for name, content in (("map.yaml", MAPPING), ("toy.yaml", MODEL), ("study.yaml", STUDY), ("e.yaml", EVENT_MAPPING)):
        text(tmp_path, content, name)
    return tmp_path


def run(*arguments: str, study: bool = True) -> int:
    named = ("--study", "study.yaml") if study else ("--codebook", "toy.yaml")
    command = ["measure", "records.csv", *named, "--mapping", "map.yaml", *arguments]
    try:
        return main(command)
    except SystemExit as error:
        assert isinstance(error.code, int)
        return error.code


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


# --- what leaves ------------------------------------------------------------------------------------------------------


def test_aggregates_leave_with_what_they_cost(clinic: Path, capsys: Captured) -> None:
    assert run(*SPEND, "--out", "a.json") == 0
    said = capsys.readouterr().out
    assert "epsilon 1 at delta 1e-06" in said
    assert "the first row counts" in said
    found = load(clinic / "a.json")
    assert (found.site, found.source, found.tier) == ("A small clinic", "A small clinic", Tier.OPEN)
    assert found.protection.kind is Kind.PRIVATE
    assert (found.protection.epsilon, found.protection.delta) == (1, 1e-6)
    assert found.protection.total_epsilon == pytest.approx(3)
    assert str(found.codebook) == "toy 1.0.0"
    assert ("age", "sex") in [one.attributes for one in found.aggregates]
    assert abs(found.patients.number - 200) < 6 * found.patients.noise
    ledger = Ledger(clinic / LEDGER)
    assert all(ledger.holds(one.receipt) for one in found.aggregates)
    assert sum(one.rho for one in found.aggregates) == pytest.approx(found.protection.rho)
    assert found.protection.ledger == ledger.statements()[0].head


def test_without_a_study_each_variable_is_asked(clinic: Path) -> None:
    assert run(*SPEND, "--out", "a.json", study=False) == 0
    assert [one.attributes for one in load(clinic / "a.json").aggregates] == [("age",), ("sex",), ("sbp",), ("ill",)]


def test_the_number_of_patients_may_be_public(clinic: Path) -> None:
    assert run(*SPEND, "--out", "a.json", "--patients-public", "201") == 0
    found = load(clinic / "a.json").patients
    assert (found.number, found.told) == (201, Told.PUBLIC)


def test_a_site_signs_what_it_gives(clinic: Path) -> None:
    make_key(clinic / "north")
    assert run(*SPEND, "--out", "a.json", "--site", "north", "--key", "north.key") == 0
    public = (clinic / "north.pub").read_text(encoding="utf-8").split()[1]
    assert load(clinic / "a.json", Trust({"north": frozenset({public})})).site == "north"


def test_events_are_measured_where_the_study_asks(clinic: Path) -> None:
    text(clinic, STUDY + EVENTS, "study.yaml")
    assert run(*SPEND, "--out", "a.json", "--events", "events.csv", "--event-mapping", "e.yaml") == 0
    attributes = [one.attributes for one in load(clinic / "a.json").aggregates]
    assert ("transitions: from", "transitions: to") in attributes
    assert ("events: statin",) in attributes
    assert ("clipped: transitions",) in attributes


def test_more_is_asked_where_the_model_is_likely_wrong(clinic: Path, capsys: Captured) -> None:
    assert run(*SPEND, "--out", "a.json", "--adaptive") == 0
    assert "chosen where the model is likely wrong" in capsys.readouterr().out
    found = load(clinic / "a.json")
    assert len(found.aggregates) > 9
    assert sum(one.rho for one in found.aggregates) < (found.protection.rho or 0)
    spent = Ledger(clinic / LEDGER).statements()[0].spent
    assert spent == pytest.approx(found.protection.rho)


def test_exact_tables_are_said_to_be_no_privacy(clinic: Path, capsys: Captured) -> None:
    assert run("--min-cell", "10", "--out", "a.json") == 0
    assert "NOT differentially private" in capsys.readouterr().out
    found = load(clinic / "a.json")
    assert (found.protection.kind, found.tier) == (Kind.SUPPRESSED, Tier.CONTROLLED)
    assert (found.protection.epsilon, found.protection.min_cell) == (None, 10)
    assert not (clinic / LEDGER).exists()


# --- the budget -------------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_and_spends_nothing(clinic: Path, capsys: Captured) -> None:
    (clinic / "records.csv").write_text(SECRET, encoding="utf-8")
    before = state(clinic)
    assert run(*SPEND, "--dry-run") == 0
    said = capsys.readouterr().out
    for part in ("age × sex", "ill × sbp", "clipped: rows", "noise", "Nothing was read, and nothing was spent"):
        assert part in said
    assert state(clinic) == before


def test_the_budget_of_a_source_is_spent_once(clinic: Path, capsys: Captured) -> None:
    assert run("--epsilon", "2.5", "--delta", "1e-6", "--out", "a.json") == 0
    ledger = (clinic / LEDGER).read_bytes()
    assert run("--epsilon", "2.5", "--delta", "1e-6", "--out", "b.json") == 2
    assert "Nothing was spent" in capsys.readouterr().err
    assert (clinic / LEDGER).read_bytes() == ledger
    assert not (clinic / "b.json").exists()


def test_without_a_study_the_first_measurement_opens_what_it_spends(capsys: Captured) -> None:
    assert run(*SPEND, "--out", "a.json", study=False) == 0
    assert run("--epsilon", "0.1", "--delta", "1e-6", "--out", "b.json", study=False) == 2
    assert "only 0 is left" in capsys.readouterr().err


def test_a_source_keeps_the_budget_with_which_it_was_opened(clinic: Path) -> None:
    assert run(*SPEND, "--out", "a.json") == 0
    assert run(*SPEND, "--out", "b.json", study=False) == 0
    text(clinic, STUDY.replace("epsilon: 3", "epsilon: 30"), "study.yaml")
    assert run(*SPEND, "--out", "c.json") == 2


# --- bad input spends nothing -----------------------------------------------------------------------------------------

_BAD = {
    "epsilon of none": ("--epsilon", "0", "--delta", "1e-6", "--out", "a.json"),
    "epsilon below none": ("--epsilon", "-1", "--delta", "1e-6", "--out", "a.json"),
    "epsilon that is no number": ("--epsilon", "nan", "--delta", "1e-6", "--out", "a.json"),
    "epsilon without end": ("--epsilon", "inf", "--delta", "1e-6", "--out", "a.json"),
    "delta of none": ("--epsilon", "1", "--delta", "0", "--out", "a.json"),
    "delta of one": ("--epsilon", "1", "--delta", "1", "--out", "a.json"),
    "no delta": ("--epsilon", "1", "--out", "a.json"),
    "no budget": ("--out", "a.json"),
    "budget and suppression": (*SPEND, "--min-cell", "10", "--out", "a.json"),
    "choice without a budget": ("--min-cell", "10", "--adaptive", "--out", "a.json"),
    "suppression of nothing": ("--min-cell", "1", "--out", "a.json"),
    "nowhere": SPEND,
    "a file that is there": (*SPEND, "--out", "map.yaml"),
    "a folder that is not there": (*SPEND, "--out", "nowhere/a.json"),
    "a ledger in a folder that is not there": (*SPEND, "--out", "a.json", "--ledger", "nowhere/l.jsonl"),
    "a ledger that is none": (*SPEND, "--out", "a.json", "--ledger", "map.yaml"),
    "a ledger that is the records": (*SPEND, "--out", "a.json", "--ledger", "records.csv"),
    "a ledger that is a folder": (*SPEND, "--out", "a.json", "--ledger", "."),
    "a key that is not there": (*SPEND, "--out", "a.json", "--key", "no.key"),
    "another codebook": (*SPEND, "--out", "a.json", "--codebook", "diabetes-screening"),
    "nobody in public": (*SPEND, "--out", "a.json", "--patients-public", "0"),
    "events that nobody asks about": (*SPEND, "--out", "a.json", "--events", "events.csv"),
}


@pytest.mark.parametrize("arguments", _BAD.values(), ids=_BAD.keys())
def test_what_can_not_be_asked_for_spends_nothing(clinic: Path, arguments: tuple[str, ...], capsys: Captured) -> None:
    before = state(clinic)
    assert run(*arguments) == 2
    assert len(capsys.readouterr().err) > 20
    assert state(clinic) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("map.yaml", "{column: AGE}", "{column: YEARS}"),
        ("map.yaml", "patient: ID", "patient: PID"),
        ("map.yaml", "  sbp:", "  glucose: {column: SYS}\n  sbp:"),
        ("map.yaml", "  sbp:", "  sbq:"),
        ("study.yaml", "[[age, sex]]", "[[age, glucose]]"),
        ("study.yaml", "outcomes: [ill]", "outcomes: [death]"),
        ("study.yaml", "measure:", "measures:"),
        ("study.yaml", "  clipped: yes", EVENTS.rstrip()),
        ("records.csv", "AGE", "Age"),
    ],
)
def test_files_that_do_not_fit_together_spend_nothing(
    clinic: Path, name: str, old: str, new: str, capsys: Captured
) -> None:
    content = (clinic / name).read_text(encoding="utf-8")
    assert old in content
    text(clinic, content.replace(old, new, 1), name)
    before = state(clinic)
    assert run(*SPEND, "--out", "a.json") == 2
    assert "Traceback" not in capsys.readouterr().err
    assert state(clinic) == before


@pytest.mark.parametrize(
    "content", ["", "ID,DAY,AGE,GENDER,SYS,ILL\n", f"{SECRET}\n", "ID,DAY,AGE,GENDER,SYS,ILL\n,1,50,1,1,y\n"]
)
def test_an_empty_site_spends_nothing_and_tells_nothing(clinic: Path, content: str, capsys: Captured) -> None:
    (clinic / "records.csv").write_text(content, encoding="utf-8")
    before = state(clinic)
    for budget in (SPEND, ("--min-cell", "10")):
        assert run(*budget, "--out", "a.json") == 2
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert state(clinic) == before


def test_a_folder_that_can_not_be_written_to_spends_nothing(clinic: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("who is root may write everywhere")
    (clinic / "shut").mkdir(mode=0o500)
    before = state(clinic)
    assert run(*SPEND, "--out", "shut/a.json") == 2
    assert run(*SPEND, "--out", "a.json", "--ledger", "shut/l.jsonl") == 2
    assert state(clinic) == before


# --- nobody's values, and no network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["ID", "DAY", "AGE", "GENDER", "SYS", "ILL", "who", "day", "what", "value"])
def test_a_value_planted_in_any_column_is_told_nowhere(clinic: Path, column: str, capsys: Captured) -> None:
    text(clinic, STUDY + EVENTS, "study.yaml")
    for name, columns in (("records.csv", patients(200)), ("events.csv", happenings(200))):
        if column in columns:
            columns[column][7] = SECRET
            written(clinic, columns, name)
    for number, budget in enumerate((SPEND, ("--min-cell", "10"))):
        assert run(*budget, "--out", f"{number}.json", "--events", "events.csv", "--event-mapping", "e.yaml") == 0
    said = capsys.readouterr()
    left = [content for name, content in state(clinic).items() if name not in ("records.csv", "events.csv")]
    assert SECRET not in said.out + said.err
    assert not any(SECRET.encode() in content for content in left)


_OFFLINE = """\
import socket, sys

def refuse(*_, **__):
    raise AssertionError("a connection was asked for")

socket.socket.__init__ = refuse
socket.create_connection = socket.getaddrinfo = refuse
from manikin.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_runs_on_a_machine_without_network(clinic: Path) -> None:
    command = ["measure", "records.csv", "--study", "study.yaml", "--mapping", "map.yaml", *SPEND, "--out", "a.json"]
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE, *command], cwd=clinic, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((clinic / "a.json").read_text(encoding="utf-8"))["schema"].startswith("manikin/aggregates")
