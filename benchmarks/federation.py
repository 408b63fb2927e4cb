"""How long three sites take for a sum that nobody sees into, and whether it is as good as their pooled records.

    python -m benchmarks.federation

Sites are processes of their own over TLS on loopback. The clock runs from when all are there until the sum is open: keys,
shares, noise, masks and the disk of three ledgers are in it, counting of records is not.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manikin.codebook import Domain, bins_of
from manikin.federation import Journal, Noise, Plan, codebook_of, join, make_trial_keys
from manikin.federation.coordinator import coordinate
from manikin.federation.keys import Keys
from manikin.federation.letters import Letter
from manikin.federation.serving import serving
from manikin.federation.site import Site
from manikin.privacy import Budget, Ledger

SITES = ("east", "north", "south")
SMALL = (("sex", "age"), ("hba1c", "bmi"))
LARGE = (
    ("age", "weight", "bmi", "sbp", "creatinine", "sex"),
    ("age", "hba1c", "ethnicity", "sbp"),
    ("egfr", "uacr", "age", "education"),
    ("alcohol", "smoking", "education", "alt"),
)
BUDGET = Budget(4, 1e-6)
SEEDS = range(5)


def measure() -> dict[str, object]:
    """Return the figures."""
    plan = _plan("large", LARGE)
    return {"cells": plan.cells, "sites": len(SITES), **_live(plan), **_error()}


def _plan(name: str, tables: tuple[tuple[str, ...], ...], **changes: object) -> Plan:
    codebook, known = codebook_of("diabetes-screening")
    domains = tuple(Domain(tuple(bins_of(known[one], missing=True) for one in table)) for table in tables)
    given = {"sites": SITES, "survivors": 2, "rho": 0.05, **changes}
    return Plan(name, codebook, "adults", tables=domains, **given)  # type: ignore[arg-type]


def _counts(plan: Plan, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.multinomial(5_000, rng.dirichlet(np.ones(np.prod(one.shape)))).reshape(one.shape) for one in plan.tables
    ]


def _join(name: str, address: str, folder: Path) -> None:
    join(
        name,
        address,
        folder / "keys",
        known=codebook_of("diabetes-screening")[1],
        account=Ledger(folder / f"{name}.jsonl").account(name, BUDGET),
        journal=Journal(folder / f"{name}.rounds", name),
        answer=lambda plan: _counts(plan, SITES.index(name)),
    )


def _live(plan: Plan) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_trial_keys(folder / "keys", SITES, "127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        spawn = multiprocessing.get_context("spawn")
        begun = time.monotonic()
        with serving("127.0.0.1", port, Keys(folder / "keys")) as link:
            started = [spawn.Process(target=_join, args=(name, f"127.0.0.1:{port}", folder)) for name in SITES]
            for one in started:
                one.start()
            link.present(len(SITES), 300)
            there = time.monotonic()
            outcome = coordinate(plan, link, patience=300)
            opened = time.monotonic()
            for one in started:
                one.join(60)
        kept = sum(Journal(folder / f"{name}.rounds", name).answer(plan, _never).values for name in SITES)
    return {
        "start_seconds": round(there - begun, 1),
        "round_seconds": round(opened - there, 1),
        "exact": bool((outcome.total == kept).all()),
    }


def _never() -> object:
    raise AssertionError("A site has answered nothing.")


@dataclass
class _Near:
    """A link to sites in this process."""

    sites: Mapping[str, Site]

    def present(self, _many: int, _seconds: float) -> frozenset[str]:
        return frozenset(self.sites)

    def ask(self, letters: Mapping[str, Letter], _seconds: float) -> dict[str, Letter]:
        return {name: self.sites[name].respond(letter) for name, letter in letters.items()}


def _error() -> dict[str, object]:
    """Return the mean error of a cell, in patients, of sums and of pooled counts with as much noise, for each seed."""
    found: dict[str, list[float]] = {
        "sum_each_site": [],
        "sum_the_sum": [],
        "pooled_each_site": [],
        "pooled_the_sum": [],
    }
    for seed in SEEDS:
        for noise in Noise:
            plan = _plan("small", SMALL, noise=noise, survivors=3)
            summed, pooled = _errors(plan, seed)
            name = noise.value.replace("-", "_")
            found[f"sum_{name}"].append(round(summed, 2))
            found[f"pooled_{name}"].append(round(pooled, 2))
    return found


def _errors(plan: Plan, seed: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_trial_keys(folder / "keys", SITES, "127.0.0.1")
        keys, known = Keys(folder / "keys"), codebook_of("diabetes-screening")[1]
        counts = {name: _counts(plan, 10 * seed + place) for place, name in enumerate(SITES)}
        sites = {
            name: Site(
                name,
                keys.private(name),
                keys.sites,
                known,
                Ledger(folder / f"{name}.jsonl").account(name, BUDGET),
                Journal(folder / f"{name}.rounds", name),
                lambda _, name=name: counts[name],
            )
            for name in SITES
        }
        outcome = coordinate(plan, _Near(sites))
        truth = np.concatenate([sum(tables).ravel() for tables in zip(*counts.values(), strict=True)])
        account = Ledger(folder / "pooled.jsonl").account("pooled", BUDGET)
        pooled = account.gaussian(truth, 1 / (2 * outcome.noise**2), "pooled")
    return float(np.abs(outcome.total - truth).mean()), float(np.abs(pooled.values - truth).mean())


def main() -> None:
    """Print the figures."""
    print(json.dumps(measure(), indent=2))


if __name__ == "__main__":
    main()
