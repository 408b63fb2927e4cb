"""A site as a process of its own: it answers with counts from a file, and can be made to wait where a test ends it.

Run as: python a_site.py FOLDER NAME ADDRESS, with FOLDER/counts/NAME.npz and FOLDER/keys. Where FOLDER/NAME.before or
FOLDER/NAME.after is there, it waits before it counts, or when it has paid and before it sends, and writes
FOLDER/NAME.waits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from three_sites import BUDGET, codebook

from manikin.federation import Journal, Plan, join
from manikin.privacy import Ledger, Noisy


@dataclass(frozen=True)
class WaitingJournal(Journal):
    """A journal that waits when an answer is on disk, as long as a file is there."""

    after: Path = Path()

    def answer(self, plan: Plan, buy: Callable[[], Noisy]) -> Noisy:
        found = super().answer(plan, buy)
        wait_while(self.after)
        return found


def main(folder: Path, name: str, address: str) -> None:
    def answer(plan):
        wait_while(folder / f"{name}.before")
        with np.load(folder / "counts" / f"{name}.npz") as tables:
            return [tables[str(place)] for place in range(len(plan.tables))]

    inside = join(
        name,
        address,
        folder / "keys",
        known=codebook()[1],
        account=Ledger(folder / f"{name}.jsonl").account(name, BUDGET),
        journal=WaitingJournal(folder / f"{name}.rounds", name, folder / f"{name}.after"),
        answer=answer,
        wait=60,
        tell=say,
    )
    say(f"in the sum: {', '.join(inside)}")


def wait_while(there: Path) -> None:
    while there.exists():
        there.with_suffix(".waits").touch()
        time.sleep(0.05)


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
