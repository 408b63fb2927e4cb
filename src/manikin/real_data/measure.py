"""Measures aggregates: what is asked is known before a record is read, and every answer is bought before it is drawn.

``survey`` decides from a plan and a mapping what is asked; ``measure`` asks patients, under a budget; ``tables`` asks
them without one, and suppresses what is small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from manikin.aggregates import Aggregate, MeasurePlan
from manikin.codebook import Domain, Variable
from manikin.errors import BudgetError
from manikin.privacy import Account
from manikin.real_data.courses import read_courses
from manikin.real_data.event_mapping import EventMapping, read_event_mapping
from manikin.real_data.event_questions import EventQuestions
from manikin.real_data.mapping import RecordMapping, read_mapping
from manikin.real_data.people import People, clipped_rows, domain_of, read_people
from manikin.real_data.questions import CLIPPED, EVENTS, Counts, Order, Question, priced, questions_of
from manikin.real_data.suppression import suppress
from manikin.streams import Floats

GAUSSIAN = "discrete Gaussian"


class Answers(Protocol):
    """Whoever holds records, and counts in them what is asked: ``People``, and what happened to them."""

    def answer(self, question: Question) -> Counts:
        """Return how many fall into each cell, exactly."""
        ...


class Strategy(Protocol):
    """A way to choose what else is asked, from what was answered: it spends ``share`` of a measurement's price."""

    @property
    def share(self) -> float:
        """How much of the price it is given, above 0 and below 1."""
        ...

    def choose(
        self, people: People, measured: tuple[Aggregate, ...], account: Account, rho: float
    ) -> tuple[Aggregate, ...]:
        """Return what else was measured, for ``rho`` in all; choices and tables are both bought from the account."""
        ...


@dataclass(frozen=True)
class Survey:
    """What a source is asked, known before a record is read."""

    mapping: RecordMapping
    plan: MeasurePlan
    domain: Domain
    questions: tuple[Question, ...]
    events: tuple[EventMapping, EventQuestions] | None = None

    @property
    def population(self) -> str:
        """Of whom each row of a table is, and which of their records count, in words."""
        meant = self.mapping
        rows = f"the {self.plan.rows} row counts" if meant.patient else "each row is taken for a patient"
        of_whom = f" among those with {meant.among.text}" if meant.among else ""
        left = f"; who has no {', '.join(self.plan.complete)} is left out" if self.plan.complete else ""
        return f"{meant.title}: patients{of_whom}, {rows}{left}"

    def orders(self, rho: float, strategy: Strategy | None = None) -> tuple[Order, ...]:
        """Return each question with its price; they add up to ``rho``, less what a strategy is given."""
        return priced(self.questions, rho * (1 - (strategy.share if strategy else 0.0)), self.plan)

    def read(self, records: Path, events: Path | None = None, people: Path | None = None) -> People:
        """Return the patients in a file of records.

        Args:
            records: A row or more of each patient.
            events: What happened to them, where that is asked.
            people: The table of people that the event mapping speaks of; by default the records.

        Raises:
            RealDataError: A file or a column can't be read, or holds no patient.
        """
        found = read_people(records, self.mapping, self.domain, self.plan.rows)
        if self.events is None or events is None:
            return found
        return replace(found, courses=read_courses(events, people or records, *self.events))


def survey(mapping: Path, variables: dict[str, Variable], plan: MeasurePlan, events: Path | None = None) -> Survey:
    """Return what a plan asks of a source whose columns a mapping explains.

    Args:
        mapping: What the columns of the records mean.
        variables: The codebook's variables, by name.
        plan: What is asked, and how much of a patient may count.
        events: What the columns of the events mean, where the plan asks about them.

    Raises:
        MappingError: The mapping holds mistakes.
        RequestError: The plan asks for what the mapping does not have, or for a variable without declared bins.
    """
    meant = read_mapping(mapping, variables)
    domain = domain_of(plan, meant)
    asked = questions_of(plan, domain, clipped_rows(meant, plan))
    if plan.events is None or events is None:
        return Survey(meant, plan, domain, asked)
    event_mapping = read_event_mapping(events)
    about = EventQuestions(plan.events, event_mapping.domain)
    return Survey(meant, plan, domain, asked + about.questions(clipped=plan.clipped), (event_mapping, about))


def measure(
    people: People, asked: Survey, account: Account, rho: float, strategy: Strategy | None = None
) -> tuple[Aggregate, ...]:
    """Return the noisy answers to what is asked, for ``rho`` in all.

    Raises:
        BudgetError: Less is left of the source's budget. Nothing was spent.
    """
    left = account.left
    if rho > left * (1 + 1e-9):
        raise BudgetError(
            f"This measurement costs rho {rho:.6g}, but of the budget of '{account.source}' only {left:.6g} is left. "
            "Nothing was spent. Lower its epsilon.",
            left,
        )
    bought = tuple(buy(people, order, account) for order in asked.orders(rho, strategy))
    if strategy is None:
        return bought
    return bought + strategy.choose(people, bought, account, rho * strategy.share)


def tables(people: People, asked: Survey, min_cell: int) -> tuple[Aggregate, ...]:
    """Return exact tables of what is asked, small cells and those that would give them away suppressed.

    This is *not* differentially private, and tells nothing of events, where a cell may be many times one patient.

    Raises:
        RealDataError: There are fewer patients than the smallest count that is told.
    """
    counted = [(one.axes, people.answer(one)) for one in asked.questions if one.kind not in (EVENTS, CLIPPED)]
    mechanism = f"exact, cells below {min_cell} and those beside them suppressed; not differentially private"
    return tuple(
        Aggregate(one.axes, np.where(one.hidden, np.nan, one.counts.astype(np.float64)), 0.0, mechanism)
        for one in suppress(counted, people.size, min_cell)
    )


def buy(answers: Answers, order: Order, account: Account) -> Aggregate:
    """Return the noisy answer to a question, bought at its price."""
    asked = order.question
    found = account.gaussian(answers.answer(asked), order.rho, asked.what, asked.sensitivity)
    values = found.values.astype(np.float64)
    return Aggregate(asked.axes, values, found.sigma, GAUSSIAN, found.rho, found.receipt)


def buy_together(
    domain: Domain, tables: Sequence[tuple[Sequence[int], Floats]], account: Account, rho: float
) -> tuple[Aggregate, ...]:
    """Return noisy tables of patients that are bought at once: one patient changes one cell of each.

    Args:
        domain: The variables.
        tables: The places of each table's variables, and its exact counts, flat.
        account: Who sells the noise.
        rho: The price of all together.
    """
    counts = np.concatenate([table for _, table in tables]).astype(np.int64)
    found = account.gaussian(counts, rho, f"{len(tables)} tables together", math.sqrt(len(tables)))
    each = np.split(found.values.astype(np.float64), np.cumsum([table.size for _, table in tables])[:-1])
    axes = [tuple(domain.axes[place] for place in places) for places, _ in tables]
    return tuple(
        Aggregate(
            of, values.reshape([axis.count for axis in of]), found.sigma, GAUSSIAN, rho / len(tables), found.receipt
        )
        for of, values in zip(axes, each, strict=True)
    )


def patients_in(aggregates: Sequence[Aggregate], domain: Domain) -> tuple[float, float]:
    """Return the number of patients that noisy tables of them tell together, and its standard deviation.

    Each table of patients adds up to their number with noise in each cell; sums are weighted by their certainty.
    """
    sums = [
        (one.values.sum(), 1 / (one.values.size * one.noise**2))
        for one in aggregates
        if set(one.attributes) <= set(domain.names)
    ]
    values, weights = np.array(sums).T
    return float(np.average(values, weights=weights)), float(1 / np.sqrt(weights.sum()))
