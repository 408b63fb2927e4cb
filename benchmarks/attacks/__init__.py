"""Attacks on releases that are honest, that memorise, and that are differentially private: who is found.

    python -m benchmarks.attacks [--records ../shared/data] [--data nhanes] [--splits 5] [--size 3000]

Real people are dealt into those who are used, those who never are, and fresh ones. An honest release is fresh people: it
knows nobody. A memoriser has some of those used among them as they are. The last release is our own fit at epsilon 1 to
those used, the first row of each patient. Prints what the best attack finds and which gates fail, then how many
honest splits pass all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attacks.sets import SETS, Deal, deal
from benchmarks.learning.fitters import FITTERS, FitFailedError, fit
from manikin.appraisal import Finding
from manikin.privacy import Budget
from manikin.real_data.attacks import attacks
from manikin.real_data.examining import gates_of

RECORDS = Path("../shared/data")
SHARES = (0.01, 0.1, 1.0)
PROMISED = Budget(1.0, 1e-6)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--data", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=5, help="honest splits of each set")
    parser.add_argument("--size", type=int, default=None, help="patients on each side, at most")
    parser.add_argument("--honest", action="store_true", help="honest splits alone")
    # Run among all measurements, it takes no options of theirs.
    options, _ = parser.parse_known_args()
    for name in options.data:
        path = options.records / SETS[name].file
        if not path.exists():
            print(f"Skipped: {path} is not there. Say where the records lie with --records.")
            continue
        people, size = SETS[name].read(path), options.size or SETS[name].side
        if not options.honest:
            _releases(name, deal(people, size, 1))
        _honest(name, people, size, options.splits)


def _releases(name: str, dealt: Deal) -> None:
    patients = len(np.unique(dealt.whose.real))
    print(f"\n{name}: {patients:,} patients on each side, {dealt.used.size:,} rows of those used")
    print(
        f"{'release':<16} {'AUC':>5} {'found at 1% (false)':>20} {'at 0.1% (false)':>18} {'copied':>15} {'s':>4}  gates failed"
    )
    for release, values, promised in _made(dealt):
        began = time.perf_counter()
        findings = [check(dealt.examined(values, 1)) for check in attacks(dealt.whose, promised)]
        print(
            f"{release:<16} {_line(findings)} {time.perf_counter() - began:4.0f}  {', '.join(_failed(findings)) or 'none'}",
            flush=True,
        )


def _made(dealt: Deal) -> Iterator[tuple[str, Any, Budget | None]]:
    yield "honest", dealt.fresh.values, None
    for share in SHARES:
        yield f"memorises {share:.0%}", memorised(dealt, share), None
    try:
        made = fit(
            FITTERS["manikin"],
            dealt.table,
            dealt.used.taken(dealt.first),
            epsilon=PROMISED.epsilon,
            delta=PROMISED.delta,
            seed=1,
            rows=max(dealt.fresh.size, 1000),
            environments=Path(".peers"),
            limit_s=600,
        )
    except FitFailedError as error:
        print(f"The fit at epsilon {PROMISED.epsilon:g} failed: {error}")
        return
    yield "fit at epsilon 1", made.synthetic.values, PROMISED


def memorised(dealt: Deal, share: float) -> Any:
    """Return a release in which a share of the patients used stand as they are, beside fresh people."""
    patients = np.unique(dealt.whose.real)
    chosen = np.random.default_rng(1).permutation(patients)[: round(share * len(patients))]
    copied = dealt.used.values[np.isin(dealt.whose.real, chosen)]
    rest = dealt.fresh.values[: max(0, dealt.fresh.size - len(copied))]
    return np.concatenate([copied, rest])


def _line(findings: list[Finding]) -> str:
    by_name = {one.name: one for finding in findings for one in finding.measures}
    area, *found = (
        by_name[name] for name in ("AUC of the best attack", "Found at 1.0% false claims", "Found at 0.1% false claims")
    )
    copied = by_name["Own row is among the synthetic rows"]
    shares = [f"{one.value:.2%} ({one.expected or 0:.2%})" for one in (*found, copied)]
    return f"{area.value:5.3f} {shares[0]:>20} {shares[1]:>18} {shares[2]:>15}"


def _failed(findings: list[Finding]) -> list[str]:
    return [gate.name for finding in findings for gate in gates_of(finding) if not gate.passed]


def _honest(name: str, people: Any, size: int, splits: int) -> None:
    began, failed = time.perf_counter(), []
    for seed in range(1, splits + 1):
        dealt = deal(people, size, 1000 + seed)
        examined = dealt.examined(dealt.fresh.values, seed)
        failed.append(_failed([check(examined) for check in attacks(dealt.whose)]))
    passed = sum(not one for one in failed)
    which = "; ".join(", ".join(one) for one in failed if one)
    print(
        f"{name}: {passed} of {splits} honest splits pass all gates{f' ({which})' if which else ''}, {time.perf_counter() - began:.0f} s",
        flush=True,
    )
