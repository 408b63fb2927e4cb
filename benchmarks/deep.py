"""Networks that learn tables of people, with and without differential privacy, beside independence and the raw rows.

    python -m benchmarks.deep [--data ../shared/data] [--only nhanes-5000] [--generators vae,gan] [--seeds 3]

Adults of NHANES on ten variables, in the bins of ``diabetes-screening``: sites of 1,000 and of 5,000, measured on the
people who were not drawn. Prints mean 2- and 3-way total variation, the AUC of two learners that are trained on
synthetic and tested on held-out people, of telling values from theirs, and the CPU seconds of the fit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.learning.data import DATA, NHANES_VARIABLES, Rows, Table
from benchmarks.learning.fitters import filled
from benchmarks.learning.measures import measure
from manikin.cohort import Columns
from manikin.generators.deep import Column, TableSampler
from manikin.privacy import Budget, Ledger
from manikin.real_data.learning import Allowance, find_generator, table_of
from manikin.real_data.learning import Table as People
from manikin.study import study_of

SITES = ("nhanes-1000", "nhanes-5000")
BUDGETS = (None, 1.0, 3.0, 10.0)
DELTA = 1e-6
_ROWS = 30_000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=SITES, help="one site")
    parser.add_argument("--generators", default="vae,gan", help="which")
    parser.add_argument("--seeds", type=int, default=3, help="how many splits")
    # Run among all measurements, it takes no options of theirs.
    options, _ = parser.parse_known_args()
    if find_spec("opacus") is None:
        print("Skipped: networks of tables are trained in torch and Opacus. Run: pip install 'manikin[deep,site]'")
        return
    for site in SITES:
        if options.only in (None, site):
            _measure(options.data, site, options.generators.split(","), options.seeds)


def _measure(data: Path, site: str, generators: list[str], seeds: int) -> None:
    path = data / DATA[site].file
    if not path.exists():
        print(f"Skipped: {path} is not there. Say where the records lie with --data.")
        return
    table = DATA[site].read(path)
    print(f"\n{site}, means of {seeds} splits")
    print(f"{'':<24}{'2-way':>8}{'3-way':>8}{'logistic':>10}{'boosting':>10}{'told':>8}{'CPU s':>8}")
    rows: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        train, held_out = DATA[site].split(table, seed)
        for name, synthetic, seconds in _made(table, train, generators, seed):
            found = measure(table, train, held_out, synthetic, None, seed)
            figures = [found.tv_2, found.tv_3, found.auc_logistic, found.auc_boosting, found.auc_two_sample, seconds]
            rows.setdefault(name, []).append(figures)
            print(f"  {name}, split {seed}: " + " ".join(f"{one:.4f}" for one in figures), flush=True)
    for name, each in rows.items():
        two, three, logistic, boosting, told, seconds = np.mean(each, axis=0)
        print(f"{name:<24}{two:8.4f}{three:8.4f}{logistic:10.3f}{boosting:10.3f}{told:8.3f}{seconds:8.1f}", flush=True)


def _made(table: Table, train: Rows, generators: list[str], seed: int) -> Iterator[tuple[str, Rows, float]]:
    """Return rows with who made them and the seconds it took."""
    rng = np.random.default_rng(seed)
    yield "raw rows", train, 0.0
    alone = rng.permuted(train.codes[rng.integers(0, train.size, _ROWS)], axis=0)
    yield "independence, exact", Rows(alone, filled(table, alone, rng)), 0.0
    columns, people = _people(train)
    for name in generators:
        for epsilon in BUDGETS:
            with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
                begin = time.process_time()
                allowance = None
                if epsilon is not None:
                    account = Ledger(Path(folder) / "ledger.jsonl").account(table.name, Budget(epsilon, DELTA))
                    allowance = Allowance(account, account.left)
                sampler = find_generator(name, private=epsilon is not None).fit(people, allowance)
                seconds = time.process_time() - begin
            assert isinstance(sampler, TableSampler)
            budget = "without privacy" if epsilon is None else f"epsilon {epsilon:g}"
            yield f"{name}, {budget}", _rows(table, sampler.draw(np.arange(_ROWS)), columns), seconds


def _people(train: Rows) -> tuple[tuple[Column, ...], People]:
    _, model = study_of("diabetes-screening")
    columns = tuple(Column(model.variables[name].meaning) for name in NHANES_VARIABLES)
    values = {column.variable.name: train.values[:, place] for place, column in enumerate(columns)}
    return columns, table_of(columns, values)


def _rows(table: Table, drawn: Columns, columns: tuple[Column, ...]) -> Rows:
    values = np.column_stack([np.asarray(drawn[column.variable.name], np.float64) for column in columns])
    codes = np.column_stack([column.coded(values[:, place]) for place, column in enumerate(table.columns)])
    return Rows(codes, values)


if __name__ == "__main__":
    main()
