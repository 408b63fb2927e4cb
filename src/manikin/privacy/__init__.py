"""Who is protected, what the budget is, and the ledger that sells noise.

Enters: counts and scores computed from records by ``real_data``, and what may be spent. Leaves: noisy counts and choices, each with its receipt.

The patient is protected: add or remove one, with all their rows, and whoever sees all that was bought can hardly tell.
Privacy noise takes no seed, and is drawn nowhere but by an ``Account`` that has put the purchase on disk.
"""

from manikin.privacy.budget import Budget, epsilon_at, epsilon_of, rho_of
from manikin.privacy.ledger import Account, Ledger
from manikin.privacy.noise import Choice, Noisy
from manikin.privacy.statement import Purchase, Statement
from manikin.privacy.training import NoisySteps, Run, affordable, buy_run

__all__ = [
    "Account",
    "Budget",
    "Choice",
    "Ledger",
    "Noisy",
    "NoisySteps",
    "Purchase",
    "Run",
    "Statement",
    "affordable",
    "buy_run",
    "epsilon_at",
    "epsilon_of",
    "rho_of",
]
