"""What a site answered in each round, on its own disk: bought once, the same bytes whenever the round is asked again."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.errors import FederationError, LedgerError
from manikin.federation.plan import Plan
from manikin.privacy import Noisy

if sys.platform != "win32":  # where the ledger, without which nobody answers, tells that there are no locks
    import fcntl


@dataclass(frozen=True)
class Journal:
    """A folder with a file for each plan that was answered, and one for each of which shares were given away.

    ``owner`` is the site with the source of its records, so that two that share a folder never answer for each other.
    The folder holds noisy counts of one site; where the sum protects, they have less noise than anybody else may see, so
    that only the owner may read it. Without it, a round that is asked again is bought again.
    """

    folder: Path
    owner: str

    def holds(self, plan: Plan) -> bool:
        """Tell whether a plan was answered before."""
        return self._answer(plan).exists()

    def answer(self, plan: Plan, buy: Callable[[], Noisy]) -> Noisy:
        """Return what was answered to a plan, which is bought and written down where that never happened.

        Raises:
            LedgerError: The folder can't be reached.
        """
        with self._alone():
            path = self._answer(plan)
            if not path.exists():
                _settle(path, _written(buy(), plan))
            told = json.loads(path.read_bytes())
        return Noisy(np.array(told["values"], np.int64), told["sigma"], told["rho"], told["receipt"])

    def give(self, plan: Plan, survivors: Collection[str]) -> None:
        """Write down of which sites' sum shares are given away: of one round there is one sum.

        Two sums of which one has a site more than the other would tell that site's table.

        Raises:
            FederationError: Shares were given for a sum of other sites.
            LedgerError: The folder can't be reached.
        """
        with self._alone():
            path, wanted = self._given(plan), sorted(survivors)
            if not path.exists():
                _settle(path, {"plan": plan.digest, "survivors": wanted})
            before = json.loads(path.read_bytes())["survivors"]
        if before != wanted:
            raise FederationError(
                f"For the round '{plan.name}' this site has helped to open the sum of {', '.join(before)}, and opens no other: "
                "their difference would be one site's table. Bring the same sites together, or plan another round."
            )

    def _answer(self, plan: Plan) -> Path:
        return self.folder / f"{self._name(plan)}.answer.json"

    def _given(self, plan: Plan) -> Path:
        return self.folder / f"{self._name(plan)}.given.json"

    def _name(self, plan: Plan) -> str:
        return hashlib.sha256(f"{plan.digest} {self.owner}".encode()).hexdigest()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder while nobody else of this site does; the system lets go of it when a process dies."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(place, fcntl.LOCK_EX)
                yield
            finally:
                os.close(place)
        except OSError as error:
            raise LedgerError(
                f"The journal {self.folder} can't be reached: {error.strerror}. Nothing was sent. It needs a disk with locks, and leave to write."
            ) from error


def _written(noisy: Noisy, plan: Plan) -> dict[str, Any]:
    values: npt.NDArray[np.int64] = noisy.values
    facts = {"round": plan.name, "sigma": noisy.sigma, "rho": noisy.rho, "receipt": noisy.receipt}
    return {"plan": plan.digest, **facts, "values": values.tolist()}


def _settle(path: Path, told: dict[str, Any]) -> None:
    """Write a file that is there whole or not at all, and come back when it is on disk."""
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
