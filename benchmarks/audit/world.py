"""The world that is audited: patients whose bins nobody else is in, and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manikin.aggregates import Bound, EventPlan, MeasurePlan
from manikin.codebook import Kind, Range, Variable
from manikin.privacy import Account, Budget, Ledger
from manikin.real_data import People, Survey, survey

SOURCE = "the clinic of the canaries"
OTHERS = 2_000
# How often one canary is on record, as rows and as events; of the events two count.
TIMES, COUNTED = 20, 2
# Codes of bins are whole numbers of 16 bits.
MOST_CANARIES = 32_000


@dataclass(frozen=True)
class World:
    """Canaries, of which some are on record, and others: shape (canaries,) each.

    ``present`` says who is on record, and ``cells`` in which bin of ``district``, ``practice`` and ``stage`` each is;
    a canary's value of the laboratory is that of the district.
    """

    folder: Path
    present: Any
    cells: dict[str, Any]

    @property
    def ledger(self) -> Path:
        """The file of the ledger."""
        return self.folder / "ledger.jsonl"

    @property
    def canaries(self) -> int:
        """How many."""
        return len(self.present)


def world_of(canaries: int, folder: Path, coins: np.random.Generator) -> World:
    """Return canaries on record by the toss of a coin, with their files."""
    cells = {
        "district": np.arange(1, canaries + 1),
        "practice": 1 + coins.permutation(canaries),
        "stage": np.arange(canaries) % 2,
    }
    world = World(folder, coins.random(canaries) < 0.5, cells)
    whose = np.repeat(np.flatnonzero(world.present), TIMES)
    apart = np.zeros(OTHERS, np.int64)
    rows = {name: np.concatenate([bins[whose], apart]) for name, bins in cells.items()}
    who = np.concatenate([whose, canaries + np.arange(OTHERS)])
    when = np.concatenate([np.arange(len(whose)) % TIMES, apart])
    stages = pa.array(np.array(["early", "late"])[rows["stage"]])
    records = {"who": who, "when": when, "district": rows["district"], "practice": rows["practice"], "stage": stages}
    pq.write_table(pa.table(records), folder / "records.parquet")
    events = {"who": who, "when": when, "what": ["lab"] * len(who), "value": rows["district"]}
    pq.write_table(pa.table(events), folder / "events.parquet")
    return world


def asked_of(world: World, unit: str = "patient: who") -> Survey:
    """Return what is asked: three variables, two pairs, and a value at no more than two visits of each patient."""
    cuts = range(1, world.canaries + 1)
    whole = Range(0, world.canaries)
    variables = {
        name: Variable(name, Kind.COUNT, cuts=tuple(cuts), possible=whole, usual=whole, precision=1)
        for name in ("district", "practice")
    } | {"stage": Variable("stage", Kind.CATEGORY, levels=("early", "late"))}
    mapping = world.folder / "mapping.yaml"
    mapping.write_text(
        f"reference: {SOURCE}\n{unit}\ncolumns:\n  district: {{column: district}}\n  practice: {{column: practice}}\n"
        "  stage: {column: stage, values: {early: early, late: late}}\n"
    )
    events = world.folder / "events.yaml"
    events.write_text(
        f"title: {SOURCE}\nclock: d\nhorizon: 100\nevents: {{patient: who, time: when, code: what, value: value}}\n"
        f'people: {{patient: who}}\nitems:\n  lab: {{column: lab, unit: "1", possible: [0, {world.canaries}], '
        f"precision: 1, cuts: {list(cuts)}}}\n"
    )
    plan = MeasurePlan(
        pairs=(("district", "stage"), ("practice", "stage")),
        complete=("district", "practice", "stage"),
        events=EventPlan(visits=Bound(COUNTED)),
    )
    return survey(mapping, variables, plan, events)


def people_of(world: World, asked: Survey) -> People:
    """Return the patients on record, as ``manikin measure`` reads them."""
    return asked.read(world.folder / "records.parquet", world.folder / "events.parquet")


def account_of(world: World, budget: Budget) -> Account:
    """Return an account of which nothing is spent, in a new ledger."""
    world.ledger.unlink(missing_ok=True)
    return Ledger(world.ledger).account(SOURCE, budget)
