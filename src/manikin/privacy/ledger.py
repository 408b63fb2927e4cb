"""The ledger that sells noise: every purchase is on disk before the noise is drawn.

A crash between the two wastes budget and can never reuse it. Several processes share a ledger by taking turns; a
purchase over what is left is refused and costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from manikin.errors import BudgetError
from manikin.privacy import chain
from manikin.privacy.budget import Budget
from manikin.privacy.chain import Entries, Entry
from manikin.privacy.noise import (
    CHOICE,
    GAUSSIAN,
    Choice,
    Noisy,
    choosing_noise,
    counts_of,
    gaussian_noise,
    scores_of,
)
from manikin.privacy.statement import Purchase, Statement

OPENED, BOUGHT = "opened", "bought"

# A budget in k equal parts must not refuse the last of them for the rounding of the others.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Ledger:
    """The budgets of all sources, and all that was bought of them, in the file at ``path``."""

    path: Path

    def account(self, source: str, budget: Budget) -> Account:
        """Return the account of a ``source``, which is opened with a total ``budget`` where there is none.

        A source is the records of the same patients, however often they are read: two names for one hospital would
        sell its patients' privacy twice.

        Raises:
            BudgetError: The source has another total, or no name.
            LedgerError: The ledger was changed, or is out of reach.
        """
        if not source.strip():
            raise BudgetError(
                "A source of records needs a name, such as the hospital and the years. Nothing was spent."
            )

        def opening(entries: Entries) -> Mapping[str, Any] | None:
            known = _budget_of(source, entries)
            if known is None:
                return _stamped(OPENED, source, epsilon=float(budget.epsilon), delta=float(budget.delta))
            if known != budget:
                raise BudgetError(
                    f"'{source}' has a budget of epsilon {known.epsilon:g} at delta {known.delta:g}; got epsilon {budget.epsilon:g} "
                    f"at delta {budget.delta:g}. A budget stays as it was opened; give the same one. Nothing was spent."
                )
            return None

        chain.append(self.path, opening)
        return Account(self.path, source, budget)

    def holds(self, receipt: str) -> bool:
        """Tell whether a purchase is on record; if one isn't, entries were removed from the end of the file."""
        return any(entry.digest == receipt for entry in chain.read(self.path))

    def statements(self) -> tuple[Statement, ...]:
        """Return the statement of each account, in the order in which they were opened."""
        entries = chain.read(self.path)
        opened = (entry.body for entry in entries if entry.body["kind"] == OPENED)
        return tuple(_statement(one["source"], Budget(one["epsilon"], one["delta"]), entries) for one in opened)


@dataclass(frozen=True)
class Account:
    """What one source may still spend, and the one place where its noise is sold."""

    path: Path
    source: str
    budget: Budget

    @property
    def left(self) -> float:
        """What is left of the budget, in rho."""
        return _left(self.source, self.budget, chain.read(self.path))

    @property
    def statement(self) -> Statement:
        """What was bought so far, for documents."""
        return _statement(self.source, self.budget, chain.read(self.path))

    def gaussian(self, counts: Any, rho: float, what: str, sensitivity: float = 1.0) -> Noisy:
        """Return whole ``counts`` with discrete Gaussian noise that costs ``rho``.

        Args:
            counts: Numbers of patients, of any shape and a type of whole numbers.
            rho: What the noise may cost; the variance of each count's noise is sensitivity²/(2·rho).
            what: What is measured, in words for a person: names, never values.
            sensitivity: By how much one patient, with all their rows, can change all counts together, in the L2 norm.

        Raises:
            BudgetError: The purchase is over what is left, or none at all; nothing was spent.
            LedgerError: The ledger was changed, or is out of reach; nothing was drawn.
            MissingExtraError: OpenDP is not installed.
        """
        whole = counts_of(counts)
        rho = self._affordable(rho, what, sensitivity)
        noise = gaussian_noise(rho, sensitivity)
        receipt = self.buy(rho, what, GAUSSIAN, sensitivity=sensitivity, scale=noise.scale, cells=whole.size)
        values = np.array(noise.draw(whole.ravel().tolist()), np.int64).reshape(whole.shape)
        return Noisy(values, noise.scale, rho, receipt)

    def choose(self, scores: Any, rho: float, what: str, sensitivity: float = 1.0) -> Choice:
        """Return which of the ``scores`` is high, by the exponential mechanism of epsilon = sqrt(8·rho).

        Args:
            scores: One finite number for each that can be chosen, shape (choices,).
            rho: What the choice may cost.
            what: What is chosen, in words for a person: names, never values.
            sensitivity: By how much one patient, with all their rows, can change any one score.

        Raises:
            BudgetError: The purchase is over what is left, or none at all; nothing was spent.
            LedgerError: The ledger was changed, or is out of reach; nothing was drawn.
            MissingExtraError: OpenDP is not installed.
        """
        finite = scores_of(scores)
        rho = self._affordable(rho, what, sensitivity)
        noise = choosing_noise(rho, sensitivity)
        receipt = self.buy(rho, what, CHOICE, sensitivity=sensitivity, scale=noise.scale, choices=finite.size)
        return Choice(int(noise.draw(finite.tolist())), rho, receipt)

    def buy(self, rho: float, what: str, mechanism: str, at_order: bool = False, **facts: float) -> str:
        """Record a purchase and return its receipt; whoever calls this draws noise worth ``rho`` afterwards, once.

        Args:
            rho: What it costs in zero-concentrated differential privacy, to the last bit no more than is left.
            what: What is bought, in words for a person: names, never values.
            mechanism: How the noise is made.
            at_order: Whether ``rho`` is the mechanism's Rényi divergence at the ``order`` of the budget, divided by that
                order. It adds up just as well and is far less for noise that has no good bound at every order, such
                as that of stochastic gradients; only what a part of the budget promises is then told less tightly.
            facts: What else should stand on record, such as the scale of the noise.
        """

        def bought(entries: Entries) -> Mapping[str, Any]:
            left = _left(self.source, self.budget, entries)
            if not rho <= left:
                raise _over(rho, left, what, self.source)
            return _stamped(BOUGHT, self.source, rho=float(rho), what=what, mechanism=mechanism, **order, **facts)

        order = {"order": self.budget.order} if at_order else {}
        _check(rho, what)
        return chain.append(self.path, bought)[-1].digest

    def _affordable(self, rho: float, what: str, sensitivity: float) -> float:
        """Return the cost of a purchase, refused early if it is over what is left; rounding is not."""
        _check(rho, what)
        if not (math.isfinite(sensitivity) and sensitivity > 0):
            raise BudgetError(
                f"A sensitivity is a finite number above 0; got {sensitivity!r} for '{what}'. Nothing was spent."
            )
        left = self.left
        if not rho <= left * (1 + _ROUNDING):
            raise _over(rho, left, what, self.source)
        return float(min(rho, left))


def _check(rho: float, what: str) -> None:
    if not (math.isfinite(rho) and rho > 0):
        raise BudgetError(f"A purchase costs a finite rho above 0; got {rho!r} for '{what}'. Nothing was spent.")
    if not what.strip():
        raise BudgetError("A purchase says what it is for, such as 'age by sex'. Nothing was spent.")


def _over(rho: float, left: float, what: str, source: str) -> BudgetError:
    return BudgetError(
        f"'{what}' costs rho {rho:.6g}, but of the budget of '{source}' only {left:.6g} is left. Nothing was spent. "
        "Lower its rho, or measure less.",
        left,
    )


def _stamped(kind: str, source: str, **facts: Any) -> dict[str, Any]:
    # Source and cost come first, so that they can be read even of an entry that a crash tears.
    return {"kind": kind, "source": source, **facts, "time": datetime.now(UTC).isoformat(timespec="seconds")}


def _budget_of(source: str, entries: Entries) -> Budget | None:
    opened = (one.body for one in entries if one.body["kind"] == OPENED and one.body["source"] == source)
    return next((Budget(one["epsilon"], one["delta"]) for one in opened), None)


def _spending(source: str, entries: Entries) -> tuple[Entry, ...]:
    return tuple(one for one in entries if one.body["source"] == source and one.body.get("rho", 0) > 0)


def _left(source: str, budget: Budget, entries: Entries) -> float:
    if _budget_of(source, entries) != budget:
        raise BudgetError(
            f"The ledger holds no account of '{source}' with this budget. Open it again. Nothing was spent."
        )
    return max(0.0, math.fsum((budget.rho, *(-one.body["rho"] for one in _spending(source, entries)))))


def _statement(source: str, budget: Budget, entries: Entries) -> Statement:
    purchases = tuple(
        Purchase(told.get("what", told["kind"]), told.get("mechanism", ""), told["rho"], one.digest, told.get("order"))
        for one in _spending(source, entries)
        for told in (one.body,)
    )
    return Statement(source, budget, purchases, entries[-1].digest)
