"""The measurement as it is, and with each of five bugs planted in it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.audit.world import SOURCE, TIMES, World, account_of, asked_of, people_of
from manikin.aggregates import Aggregate
from manikin.codebook import Bins, Domain
from manikin.errors import BudgetError
from manikin.privacy import Account, Budget, Ledger, Noisy
from manikin.privacy.noise import gaussian_noise
from manikin.real_data import People, Survey, measure

CRASHES = 4


def honest(world: World, budget: Budget) -> list[Aggregate]:
    """Return what ``manikin measure`` tells for all of a budget."""
    asked = asked_of(world)
    return list(measure(people_of(world, asked), asked, account_of(world, budget), budget.rho))


def halved_noise(world: World, budget: Budget) -> list[Aggregate]:
    """Return tables with half the noise that was paid for."""
    asked = asked_of(world)
    return list(measure(people_of(world, asked), asked, HalvedNoise(account_of(world, budget)), budget.rho))


def domain_from_data(world: World, budget: Budget) -> list[Aggregate]:
    """Return tables whose bins are the values on record, instead of those that were declared."""
    asked = asked_of(world)
    people = people_of(world, asked)
    axes = tuple(_seen(axis, people.codes[:, place]) for place, axis in enumerate(asked.domain.axes))
    codes = np.column_stack([np.unique(column, return_inverse=True)[1] for column in people.codes.T]).astype(np.int16)
    found = Domain(axes)
    by_name = {axis.name: axis for axis in axes}
    questions = tuple(
        replace(one, axes=tuple(by_name.get(axis.name, axis) for axis in one.axes)) for one in asked.questions
    )
    seen = replace(people, domain=found, codes=codes)
    return list(measure(seen, replace(asked, domain=found, questions=questions), account_of(world, budget), budget.rho))


def rows_for_patients(world: World, budget: Budget) -> list[Aggregate]:
    """Return tables in which each row counts as a patient, though a patient has several."""
    asked = asked_of(world, unit="")
    return list(measure(people_of(world, asked), asked, account_of(world, budget), budget.rho))


def budget_reused(world: World, budget: Budget) -> list[Aggregate]:
    """Return what leaves a site whose processes are killed as they finish, and whose ledger is written at the end."""
    return _killed(world, budget, BookedLater)


def unclipped(world: World, budget: Budget) -> list[Aggregate]:
    """Return tables to which a patient adds all they have, at the noise for what counts of them."""
    asked = asked_of(world)
    return list(measure(Unclipped(people_of(world, asked)), asked, account_of(world, budget), budget.rho))


def honest_with_crashes(world: World, budget: Budget) -> list[Aggregate]:
    """Return what leaves a site whose processes are killed as they finish, with the ledger as it is."""
    return _killed(world, budget, _as_it_is)


@dataclass(frozen=True)
class HalvedNoise:
    """An account that draws half the noise."""

    account: Account

    @property
    def left(self) -> float:
        """What is left of the budget, in rho."""
        return self.account.left

    def gaussian(self, counts: Any, rho: float, what: str, sensitivity: float = 1.0) -> Noisy:
        """Return counts with half the noise."""
        self.account.buy(min(rho, self.left), what, "half the noise that was paid for")
        return _drawn(counts, 4 * rho, sensitivity)


@dataclass(frozen=True)
class BookedLater:
    """An account that draws at once, and would put on disk what was bought when all is done."""

    account: Account

    @property
    def left(self) -> float:
        """What is left of the budget, in rho."""
        return self.account.left

    def gaussian(self, counts: Any, rho: float, what: str, sensitivity: float = 1.0) -> Noisy:  # noqa: ARG002
        """Return noisy counts, of which nothing is on disk."""
        return _drawn(counts, rho, sensitivity)


@dataclass(frozen=True)
class Unclipped:
    """Patients of whom everything counts."""

    people: People

    def answer(self, question: Any) -> Any:
        """Return how many fall into each cell, as often as they do."""
        return self.people.answer(replace(question, sensitivity=TIMES) if question.sensitivity > 1 else question)


BUGS: dict[str, Callable[[World, Budget], list[Aggregate]]] = {
    "noise halved": halved_noise,
    "domain from data": domain_from_data,
    "rows instead of patients": rows_for_patients,
    "budget reused after a crash": budget_reused,
    "unclipped contributor": unclipped,
}


def _drawn(counts: Any, rho: float, sensitivity: float) -> Noisy:
    noise = gaussian_noise(rho, sensitivity)
    values = np.array(noise.draw(counts.ravel().tolist()), np.int64).reshape(counts.shape)
    return Noisy(values, noise.scale, rho, "")


def _seen(axis: Bins, codes: Any) -> Bins:
    """Return an axis with the bins in which somebody is."""
    there = np.unique(codes)
    if axis.levels:
        return replace(axis, levels=tuple(axis.levels[one] for one in there))
    return replace(axis, cuts=tuple(axis.cuts[one - 1] for one in there if one > 0))


def _as_it_is(account: Account) -> Account:
    return account


def _killed(world: World, budget: Budget, kept: Callable[[Account], Any]) -> list[Aggregate]:
    """Return the tables of several processes, each of which is killed when its tables are out and before it ends."""
    account_of(world, budget)
    told = []
    for crash in range(CRASHES):
        out = world.folder / f"told{crash}.npz"
        out.unlink(missing_ok=True)  # what another measurement of this world left there
        process = multiprocessing.get_context("spawn").Process(target=_measure_and_die, args=(world, budget, kept, out))
        process.start()
        process.join()
        if out.exists():
            told += _told(asked_of(world), out)
    return told


def _measure_and_die(world: World, budget: Budget, kept: Callable[[Account], Any], out: Path) -> None:
    asked = asked_of(world)
    account = kept(Ledger(world.ledger).account(SOURCE, budget))
    try:
        found = measure(people_of(world, asked), asked, account, budget.rho)
    except BudgetError:
        return
    np.savez(out, *(np.append(one.values.ravel(), one.noise) for one in found))
    os.kill(os.getpid(), signal.SIGKILL)


def _told(asked: Survey, out: Path) -> list[Aggregate]:
    with np.load(out) as file:
        arrays = [file[name] for name in file.files]
    return [
        Aggregate(question.axes, array[:-1].reshape(question.shape), float(array[-1]), "read off the disk")
        for question, array in zip(asked.questions, arrays, strict=True)
    ]
