"""The fit in closed form to a tree of pairs: CPU seconds for 10, 20 and 40 variables of 100,000 simulated people.

    python -m benchmarks.trees [--rows 100000]

Prints the fit alone; the whole, with counting all pairs, a ledger and exact noise; and how many times more the peers'
MST took for ten variables of 5,000 people, from the results of benchmarks.learning.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from manikin.codebook import Bins, Domain
from manikin.generators.agreement import NO_KNOWLEDGE, shares_of
from manikin.generators.graphical import counted, fit_tree
from manikin.privacy import Budget, Ledger
from manikin.real_data import People, Spanning
from manikin.real_data.measure import buy_together, patients_in

RESULTS = Path(__file__).parent / "results" / "learning-peers.jsonl"
BINS, REPEATS = 6, 9
BUDGET = Budget(1.0, 1e-6)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    peers = _peers()
    for variables in (10, 20, 40):
        people = _people(variables, rows)
        tables, whole = _timed(partial(_measured, people))
        shares = [shares_of(one, people.domain, patients_in(tables, people.domain)[0]) for one in tables]
        single, pairs = shares[:variables], shares[variables:]
        closed = partial(fit_tree, people.domain, NO_KNOWLEDGE, single, pairs)
        alone = median(_timed(closed)[1] for _ in range(REPEATS))
        print(
            f"{variables} variables, {rows:,} rows: fit {1000 * alone:.1f} ms; with counting, ledger and noise {whole:.2f} s"
        )
        if variables == 10:
            for name, seconds in peers.items():
                print(f"    {name}, ten variables, 5,000 rows: {seconds:.1f} s, {seconds / alone:,.0f} times the fit")


def _people(variables: int, rows: int) -> People:
    """Return people each of whose variables leans on an earlier one."""
    chance = np.random.default_rng(variables)
    codes = np.empty((rows, variables), np.int16)
    codes[:, 0] = chance.integers(0, BINS, rows)
    for place in range(1, variables):
        moved = chance.integers(-1, 2, rows) + codes[:, chance.integers(0, place)]
        codes[:, place] = np.where(
            chance.random(rows) < 0.6, np.clip(moved, 0, BINS - 1), chance.integers(0, BINS, rows)
        )
    axes = tuple(Bins(f"v{place}", cuts=tuple(float(cut) for cut in range(1, BINS))) for place in range(variables))
    return People(Domain(axes), codes, {})


def _measured(people: People) -> Any:
    domain, strategy = people.domain, Spanning()
    exact = [((place,), counted(people.codes, domain.shape, (place,))) for place in range(len(domain.axes))]
    with tempfile.TemporaryDirectory() as folder:
        account = Ledger(Path(folder) / "ledger").account("simulated", BUDGET)
        rho = account.left
        single = buy_together(domain, exact, account, rho * (1 - strategy.share))
        return (*single, *strategy.choose(people, single, account, rho * strategy.share))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return work(), time.process_time() - begin


def _peers() -> dict[str, float]:
    """Return the mean CPU seconds of the peers' MST on nhanes-5000 at epsilon 1."""
    if not RESULTS.exists():
        return {}
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    chosen = [one for one in lines if (one["data"], one["epsilon"]) == ("nhanes-5000", 1.0) and "fit_cpu_s" in one]
    names = ("mbi-mst", "dpmm-mst")
    found = {name: [one["fit_cpu_s"] for one in chosen if one["fitter"] == name] for name in names}
    return {name: mean(each) for name, each in found.items() if each}


if __name__ == "__main__":
    main()
