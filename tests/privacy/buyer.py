"""A process that buys noise until there is nothing left, and tells of each draw at the moment it is made.

python buyer.py LEDGER DRAWN RHO: the file DRAWN gets a line for every draw, before the noise is there.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from manikin.errors import BudgetError
from manikin.privacy import Budget, Ledger, ledger

BUDGET = Budget(1.0, 1e-6)
SOURCE = "hospital"


def watched(path: Path):
    """Return the noise as it is, but told of in a file as it is drawn."""
    real = ledger.gaussian_noise

    def noise(rho: float, sensitivity: float):
        made = real(rho, sensitivity)

        def draw(counts):
            with path.open("a") as file:
                file.write(f"{rho!r}\n")
            return made.draw(counts)

        return replace(made, draw=draw)

    return noise


def main() -> None:
    path, drawn, rho = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    ledger.gaussian_noise = watched(drawn)
    account = Ledger(path).account(SOURCE, BUDGET)
    counts = np.zeros(3, np.int64)
    try:
        while True:
            account.gaussian(counts, rho, "age by sex")
    except BudgetError:
        return


if __name__ == "__main__":
    main()
