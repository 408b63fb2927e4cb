"""The door for generators that learn from people: they fit here, where rows may be read, and only a sampler leaves.

Outsiders register theirs under the entry point group ``manikin.generators``; ours enter by the same door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

from manikin.cohort import Sampler
from manikin.errors import BudgetError, RequestError, closest
from manikin.generators.protection import UNPROTECTED, Protection
from manikin.privacy import Account, Noisy, NoisySteps, buy_run, epsilon_at

PeopleT_contra = TypeVar("PeopleT_contra", contravariant=True)

# Parts of a budget that add up to all of it are not over it for their rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Allowance:
    """How much of a source's account a fit may spend, in rho; all that it buys, it buys here."""

    account: Account
    rho: float

    def __post_init__(self) -> None:
        """Refuse more than is left, before any of it is spent."""
        left = self.account.left
        if not 0 < self.rho <= left * (1 + _ROUNDING):
            raise BudgetError(
                f"A fit may spend a rho above 0 and up to what is left; got {self.rho:.6g}, and of the budget of "
                f"'{self.account.source}' {left:.6g} is left. Nothing was spent.",
                left,
            )

    def part(self, share: float) -> Allowance:
        """Return a share of the allowance; whoever parts it sees to it that shares add up to 1 at most."""
        return replace(self, rho=share * self.rho)

    def counts(self, counts: Any, what: str, sensitivity: float) -> Noisy:
        """Return noisy counts for all of the allowance; see ``privacy.Account.gaussian``."""
        return self.account.gaussian(counts, self.rho, what, sensitivity)

    def steps(self, rate: float, steps: int, clip: float, what: str, patients: float) -> NoisySteps:
        """Return a run of noisy steps for all of the allowance; see ``privacy.buy_run``."""
        return buy_run(self.account, rate, steps, clip, self.rho, what, patients)

    def protection(self, mechanism: str, receipts: tuple[str, ...]) -> Protection:
        """Return what a fit that spent all of the allowance promises."""
        budget = self.account.budget
        epsilon = epsilon_at(budget.order, self.rho, budget.delta)
        return Protection(mechanism, epsilon, budget.delta, self.rho, budget.order, self.account.source, receipts)


class Generator(Protocol[PeopleT_contra]):
    """A way to learn from people of some shape: a ``Table``, or the ``Histories`` of event sequences."""

    def fit(self, people: PeopleT_contra, allowance: Allowance | None = None) -> Sampler:
        """Return a sampler, in which there is no row.

        Args:
            people: Who is learnt from, one patient a row, or one history a patient.
            allowance: What may be spent; without, what is learnt is not differentially private, and says so.

        Raises:
            BudgetError: The account can't pay; nothing was spent.
            MissingExtraError: What it learns with is not installed.
        """
        ...


def promised(allowance: Allowance | None, mechanism: str, receipts: tuple[str, ...]) -> Protection:
    """Return how those are protected who were learnt from."""
    return UNPROTECTED if allowance is None else allowance.protection(mechanism, receipts)


def generator_named(name: str, own: Mapping[str, Generator[Any]]) -> Generator[Any]:
    """Return one of our ``own`` generators, or one that an installed package offers.

    Raises:
        RequestError: There is none of that name.
    """
    others = {entry.name: entry for entry in entry_points(group="manikin.generators")}
    if name in own:
        return own[name]
    if name in others:
        made: Generator[Any] = others[name].load()
        return made
    raise RequestError(f"There is no generator '{name}'. {closest(name, [*own, *others])}")
