"""Puts what was measured into the document that may leave: who is protected and how, and how many patients there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.privacy import Account, Budget, epsilon_of
from manikin.real_data.measure import Survey, patients_in
from manikin.real_data.people import People


@dataclass(frozen=True)
class Sender:
    """Who tells: the site, the codebook that declares the bins, the day, and the number of patients where it is public."""

    site: str
    codebook: CodebookName
    made: date
    patients: int | None = None


def private(
    asked: Survey, measured: tuple[Aggregate, ...], account: Account, budget: Budget, sender: Sender
) -> Aggregates:
    """Return noisy tables as they leave; ``budget`` is what they cost together."""
    number, noise = patients_in(measured, asked.domain)
    patients = (
        Patients(number, Told.NOISY, noise) if sender.patients is None else Patients(sender.patients, Told.PUBLIC)
    )
    protection = Protection(
        Kind.PRIVATE,
        epsilon=budget.epsilon,
        delta=budget.delta,
        rho=budget.rho,
        total_epsilon=epsilon_of(account.budget.rho, budget.delta),
        ledger=account.statement.head,
    )
    return _document(asked, measured, protection, patients, Tier.OPEN, sender)


def suppressed(
    asked: Survey, tables: tuple[Aggregate, ...], people: People, min_cell: int, sender: Sender
) -> Aggregates:
    """Return exact tables as they leave: not differentially private, for those who are watched."""
    protection = Protection(Kind.SUPPRESSED, min_cell=min_cell)
    return _document(asked, tables, protection, Patients(people.size, Told.EXACT), Tier.CONTROLLED, sender)


def _document(
    asked: Survey,
    tables: tuple[Aggregate, ...],
    protection: Protection,
    patients: Patients,
    tier: Tier,
    sender: Sender,
) -> Aggregates:
    title = asked.mapping.title
    return Aggregates(
        sender.site, title, sender.codebook, asked.population, protection, tier, patients, tables, sender.made
    )
