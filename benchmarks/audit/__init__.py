"""Audits our own guarantee: what can be told of who was measured, beside what was promised, and beside five planted bugs.

    python -m benchmarks.audit [--canaries 16384] [--epsilon 1] [--delta 1e-6]

Canaries are patients whose bins nobody else is in, each on record by the toss of a coin. All are measured by
``manikin measure``, and a reader of the tables who knows everything but the coins guesses each. As many right guesses
as there were are possible only from a certain epsilon on: once if the noise is Gaussian as it is said to be, in which
case all guesses are independent, and once whatever the mechanism, by Steinke, Nasr and Jagielski (2023). The
promise is broken where either bound, at 97.5% each and so at 95% together, lies above the stated epsilon.

Then the exponential mechanism, by repeated choices of which one has a candidate that a patient makes better.

Sources: Steinke, Nasr and Jagielski, Privacy auditing with one (1) training run, arXiv:2305.08846, theorem 5.2; Balle
and Wang, Improving the Gaussian mechanism, arXiv:1805.06530, theorem 8 (the exact epsilon of Gaussian noise).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.audit.bounds import audited
from benchmarks.audit.bugs import BUGS, honest, honest_with_crashes
from benchmarks.audit.choices import CHOICE_EPSILON, choice_epsilon, choices
from benchmarks.audit.reader import read
from benchmarks.audit.world import MOST_CANARIES, world_of
from manikin.privacy import Budget


def main() -> None:
    """Print the stated epsilon, what the audit proves of the honest measurement and of each bug, and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canaries", type=int, default=16_384)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--choices", type=int, default=1_000)
    options = parser.parse_args()
    if not 1_000 <= options.canaries <= MOST_CANARIES:
        parser.error(f"--canaries is from 1,000 to {MOST_CANARIES:,}")
    budget = Budget(options.epsilon, options.delta)
    with tempfile.TemporaryDirectory() as folder:
        world = world_of(options.canaries, Path(folder), np.random.default_rng())
        print(f"{options.canaries:,} canaries; stated: epsilon {budget.epsilon:g} at delta {budget.delta:g}")
        print(f"{'':<30} {'right guesses':>16} {'if Gaussian':>12} {'whatever':>9}  verdict")
        measurements = {"honest": honest, "honest, with crashes": honest_with_crashes, **BUGS}
        for name, measured in measurements.items():
            found = audited(read(world, measured(world, budget)), budget.delta)
            share = f"{found.right:,} = {found.right / found.guesses:.1%}"
            print(
                f"{name:<30} {share:>16} {found.if_gaussian:>12.2f} {found.whatever:>9.2f}  {_verdict(found.epsilon, budget.epsilon)}"
            )
        print(f"\nExponential mechanism, {options.choices:,} choices each; stated: epsilon {CHOICE_EPSILON:g}")
        for name, halved in (("honest", False), ("noise halved", True)):
            epsilon = choice_epsilon(choices(options.choices, Path(folder), halved), options.choices)
            print(f"{name:<30} {'':>16} {'':>12} {epsilon:>9.2f}  {_verdict(epsilon, CHOICE_EPSILON)}")


def _verdict(proven: float, stated: float) -> str:
    return "promise broken" if proven > stated else "promise not refuted"
