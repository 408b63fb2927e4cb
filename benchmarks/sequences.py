"""Sequences learnt from half of two sets of real people, beside the people of the other half.

    python -m benchmarks.sequences [--data ../shared/data] [--only pbc]

A hidden semi-Markov model and a recurrent network each learn from the events of intensive care (PhysioNet 2012, set a)
and from the visits of a trial (Mayo PBC). Prints distances to the people held out, with 95% intervals and beside the
distance between the two halves of real people, and how often rules of order or physiology are broken.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from manikin.generators.sequence import Learning, Training
from manikin.real_data import learn_sequences

DATA = Path("../shared/data")
_MAPPINGS = Path(__file__).parent / "events"


@dataclass(frozen=True)
class Records:
    """Where a set of records lies, below the folder of data, and how each generator learns from it."""

    mapping: str
    events: str
    people: str
    learning: Learning
    training: Training


SETS: Mapping[str, Records] = {
    "pbc": Records(
        "pbc.yaml",
        "pbc_mayo_sequential/pbcseq.parquet",
        "pbc_mayo_sequential/pbcseq.parquet",
        Learning(states=6),
        Training(steps=300, units=32, learning_rate=6e-3, decay=0.02),
    ),
    "physionet2012": Records(
        "physionet2012.yaml",
        "physionet2012_icu_set_a/events.parquet",
        "physionet2012_icu_set_a/stays.parquet",
        Learning(states=12, rounds=15, people=600),
        Training(steps=1000, stretch=200),
    ),
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=SETS, help="one set of records")
    # Run among all measurements, it takes no options of theirs.
    options, _ = parser.parse_known_args()
    for name, records in SETS.items():
        if options.only in (None, name):
            _measure(options.data, records)


def _measure(data: Path, records: Records) -> None:
    events, people = data / records.events, data / records.people
    if not (events.exists() and people.exists()):
        print(f"Skipped: {events} is not there. Say where the records lie with --data.")
        return
    for how in (records.learning, records.training):
        if isinstance(how, Training) and find_spec("torch") is None:
            print("Skipped: the recurrent network is trained in torch. Run: pip install 'manikin[torch]'")
            continue
        begin = time.perf_counter()
        learnt = learn_sequences(events, people, _MAPPINGS / records.mapping, how)
        print(f"\n{type(learnt.sampler).__name__}, {time.perf_counter() - begin:.0f} s. {learnt.finding.answer}")
        for one in learnt.finding.measures:
            if one.interval:
                interval = f"({one.interval[0]:.3f} to {one.interval[1]:.3f})"
                print(f"{one.name:<34} {one.value:7.3f} {interval:<20} {one.expected:7.3f}  {one.unit}")
            elif one.value:
                print(f"{one.name:<34} {one.value:7.0f} violations")


if __name__ == "__main__":
    main()
