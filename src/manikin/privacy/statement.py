"""The statement of an account, as it stands in documents: what there was to spend, what was spent, and on what."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from manikin.privacy.budget import Budget, epsilon_at, epsilon_of

PROMISE = "add or remove one patient, with all their rows"
"""The neighbouring relation of everything that the ledger sells."""


@dataclass(frozen=True)
class Purchase:
    """What was bought, by which mechanism, what it cost, its receipt, and the one order at which that holds, if not at all."""

    what: str
    mechanism: str
    rho: float
    receipt: str
    order: float | None = None


@dataclass(frozen=True)
class Statement:
    """The account of a source: its total budget, what was bought in order, and the digest at the head of the ledger."""

    source: str
    budget: Budget
    purchases: tuple[Purchase, ...]
    head: str

    @property
    def spent(self) -> float:
        """What was spent, in rho."""
        return math.fsum(one.rho for one in self.purchases)

    @property
    def left(self) -> float:
        """What is left, in rho."""
        return max(0.0, self.budget.rho - self.spent)

    @property
    def epsilon(self) -> float:
        """What all purchases promise together, at the delta of the budget."""
        if any(one.order for one in self.purchases):
            return epsilon_at(self.budget.order, self.spent, self.budget.delta)
        return epsilon_of(self.spent, self.budget.delta)

    def written(self) -> dict[str, Any]:
        """Return the statement as it stands in a file."""
        return {
            "source": self.source,
            "neighbours": PROMISE,
            "total": {"epsilon": self.budget.epsilon, "delta": self.budget.delta, "rho": self.budget.rho},
            "spent": {"epsilon": self.epsilon, "delta": self.budget.delta, "rho": self.spent},
            "left": {"rho": self.left},
            "purchases": [asdict(one) for one in self.purchases],
            "head": self.head,
        }
