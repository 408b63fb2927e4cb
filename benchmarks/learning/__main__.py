"""Learning from aggregates: our fit beside its peers, on the same real people, the same splits, in one run.

    python -m benchmarks.learning.environments --checkouts FOLDER     once: an environment for each peer
    python -m benchmarks.learning [--data nhanes-1000 ...] [--fitters mbi-aim swift ...] [--epsilon 0.3 1 3] [--seeds 5]

Each finished run is a line of the results file and is not run again; a part of the grid gives a table of that part.
Beside the fitters stand the site's own raw rows (the ceiling) and exact independent margins (the floor).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning import report
from benchmarks.learning.data import DATA, DataSet, Rows, Table
from benchmarks.learning.fitters import FITTERS, Fit, FitFailedError, available, filled, fit
from benchmarks.learning.measures import measure
from benchmarks.learning.results import Key, Results

RECORDS = Path("../shared/data")
RESULTS = Path(__file__).parents[1] / "results" / "learning-peers.jsonl"
ENVIRONMENTS = Path(".peers")
RAW, INDEPENDENT = "raw rows", "independence"
DELTA = 1e-6


def main() -> None:
    """Run what is asked for and not done yet, then print the table."""
    options = _options()
    results = Results(options.results)
    for seed in range(1, options.seeds + 1):
        for name in options.data:
            if not (options.records / DATA[name].file).exists():
                print(
                    f"Skipped: {options.records / DATA[name].file} is not there. Say where the records lie with --records."
                )
                continue
            _references(name, seed, results, options)
            for fitter in options.fitters:
                for epsilon in options.epsilon:
                    _fitted(Key(name, fitter, epsilon, seed), results, options)
    print(report.table(results, options.data))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", choices=DATA, default=list(DATA))
    parser.add_argument("--fitters", "--peers", nargs="*", choices=FITTERS, default=list(FITTERS))
    parser.add_argument("--epsilon", nargs="*", type=float, default=[0.3, 1.0, 3.0])
    parser.add_argument("--seeds", type=int, default=5, help="so many splits, and draws of the privacy noise")
    parser.add_argument("--again", action="store_true", help="run the named fitters also where they are done")
    parser.add_argument("--rows", type=int, default=100_000, help="synthetic rows that each fitter draws")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds that one fit may take")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the peers' environments are")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _references(name: str, seed: int, results: Results, options: argparse.Namespace) -> None:
    """Measure the site's own rows, and rows drawn from its exact margins, where that isn't done."""
    for reference in (RAW, INDEPENDENT):
        key = Key(name, reference, None, seed)
        if key in results:
            continue
        data, table = DATA[name], _table(name, options.records)
        train, held_out = data.split(table, seed)
        made = train if reference == RAW else _independent(table, train, options.rows, seed)
        reached = measure(table, train, held_out, made, None, seed)
        results.add(key, {"rows": made.size, "train_rows": train.size, "measures": asdict(reached)})


def _fitted(key: Key, results: Results, options: argparse.Namespace) -> None:
    fitter = FITTERS[key.fitter]
    if key in results and not options.again:
        return
    if not available(fitter, options.environments):
        print(
            f"Skipped: {key.fitter} is not there. Build what it needs with: python -m benchmarks.learning.environments"
        )
        return
    data, table = DATA[key.data], _table(key.data, options.records)
    train, held_out = data.split(table, key.seed)
    try:
        made = fit(
            fitter,
            table,
            train,
            epsilon=key.epsilon or 0.0,
            delta=DELTA,
            seed=key.seed,
            rows=options.rows,
            environments=options.environments,
            limit_s=options.limit,
        )
    except FitFailedError as error:
        # A failure is a result: it is kept, shown, and not tried again until its line is removed.
        results.add(key, {"failed": str(error)})
        print(f"{key.data} {key.fitter} epsilon {key.epsilon} seed {key.seed}: {error}", flush=True)
        return
    results.add(key, _line(data, table, train, held_out, made, key, options.rows))
    print(f"{key.data} {key.fitter} epsilon {key.epsilon} seed {key.seed}: {made.fit_cpu_s:.1f} CPU s", flush=True)


def _line(data: DataSet, table: Table, train: Rows, held_out: Rows, made: Fit, key: Key, rows: int) -> dict[str, Any]:
    reached = measure(table, train, held_out, made.synthetic, made.measured, key.seed)
    return {
        "version": made.version,
        "delta": DELTA,
        "site": data.site,
        "rows": rows,
        "train_rows": train.size,
        "fit_cpu_s": made.fit_cpu_s,
        "sampling_cpu_s": made.sampling_cpu_s,
        "peak_rss_mib": made.peak_rss_mib,
        "measures": asdict(reached),
    }


def _independent(table: Table, train: Rows, rows: int, seed: int) -> Rows:
    """Return rows whose columns are drawn each for itself from the training rows: exact margins, nothing else."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack(
        [rng.permutation(np.resize(train.codes[:, place], rows)) for place in range(len(table.shape))]
    )
    return Rows(codes, filled(table, codes, rng))


@cache
def _table(name: str, records: Path) -> Table:
    return DATA[name].read(records / DATA[name].file)


if __name__ == "__main__":
    main()
