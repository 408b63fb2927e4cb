"""A site as a process of its own: it answers with counts from a file, and can be made to wait where a test ends it.

Run as: python a_site.py FOLDER NAME ADDRESS, with FOLDER/counts/NAME.npz and FOLDER/keys. Where FOLDER/pause-NAME is
there, it writes FOLDER/paused-NAME and waits before it counts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from manikin.federation import Journal, codebook_of, join
from manikin.privacy import Budget, Ledger

BUDGET = Budget(4, 1e-6)


def main(folder: Path, name: str, address: str) -> None:
    def answer(plan):
        while (folder / f"pause-{name}").exists():
            (folder / f"paused-{name}").touch()
            time.sleep(0.05)
        with np.load(folder / "counts" / f"{name}.npz") as tables:
            return [tables[str(place)] for place in range(len(plan.tables))]

    inside = join(
        name,
        address,
        folder / "keys",
        known=codebook_of("diabetes-screening")[1],
        account=Ledger(folder / f"{name}.jsonl").account(name, BUDGET),
        journal=Journal(folder / f"{name}.rounds"),
        answer=answer,
        wait=30,
        tell=say,
    )
    say(f"in the sum: {', '.join(inside)}")


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
