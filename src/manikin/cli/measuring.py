"""The command ``measure``: what is asked is told with its price before anything is spent, and only aggregates leave."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from manikin.aggregates import Aggregates, MeasurePlan
    from manikin.clinic import Codebook
    from manikin.privacy import Account, Budget
    from manikin.real_data import Order, Sender, Strategy, Survey

# The file beside the records in which purchases are recorded, unless told otherwise.
LEDGER = "privacy-ledger.jsonl"


def measure(options: Namespace) -> int:
    """Turn records into aggregates that may leave."""
    from manikin.aggregates import CodebookName, read_key, save, signed
    from manikin.real_data import Sender, survey

    _check(options)
    plan, codebook = wanted(options)
    key = read_key(Path(options.key)) if options.key else None
    variables = {one.name: one for one in codebook.variables}
    asked = survey(Path(options.mapping), variables, plan, _event_mapping(plan, options))
    print(f"{asked.population}.")
    sender = Sender(
        options.site or asked.mapping.title,
        CodebookName(codebook.name, codebook.version),
        datetime.now(UTC).date(),
        options.patients_public,
    )
    found = _suppressed(asked, sender, options) if options.min_cell else _private(asked, sender, options)
    if found is None:
        print("\nNothing was read, and nothing was spent.")
        return 0
    save(signed(found, key) if key else found, Path(options.out))
    print(f"\n{options.out}   {len(found.aggregates)} tables; nothing else leaves")
    return 0


def _private(asked: Survey, sender: Sender, options: Namespace) -> Aggregates | None:
    from manikin.privacy import Budget
    from manikin.real_data import measure, private

    budget = Budget(options.epsilon, options.delta)
    strategy = _adaptive(asked, options) if options.adaptive else None
    _print_orders(asked.orders(budget.rho, strategy), every=options.dry_run)
    if strategy:
        print(f"  {'chosen where the model is likely wrong':<44} rho {budget.rho * strategy.share:.4g} for all")
    print(
        f"  {'In all':<44} rho {budget.rho:.4g}: epsilon {budget.epsilon:g} at delta {budget.delta:g}, for each patient"
    )
    if options.dry_run:
        return None
    paths = (Path(path) if path else None for path in (options.events, options.people))
    people = asked.read(Path(options.records), *paths)
    account = account_of(asked, budget, options)
    found = measure(people, asked, account, budget.rho, strategy)
    print(f"  {'Left of the budget':<44} rho {account.left:.4g} of {account.budget.rho:.4g}")
    return private(asked, found, account, budget, sender)


def _suppressed(asked: Survey, sender: Sender, options: Namespace) -> Aggregates | None:
    from manikin.real_data import suppressed, tables

    print(
        "  NOT differentially private: exact tables, small cells suppressed, for controlled use only.\n"
        f"  {'Small':<44} cells below {options.min_cell}, and those that would give them away; events are not told"
    )
    if options.dry_run:
        return None
    people = asked.read(Path(options.records))
    return suppressed(asked, tables(people, asked, options.min_cell), people, options.min_cell, sender)


def _adaptive(asked: Survey, options: Namespace) -> Strategy:
    """Return the choice of more tables, which starts from what the model expects, or a bare codebook doesn't know."""
    from manikin.clinic import calibrate, find_model, is_codebook
    from manikin.generators.agreement import flat_prior, prior_of
    from manikin.real_data import Adaptive
    from manikin.study import read_study

    if options.study:
        _, model = read_study(Path(options.study))
    elif is_codebook(Path(options.codebook)):
        return Adaptive(flat_prior(asked.domain))
    else:
        model = find_model(options.codebook)
    return Adaptive(prior_of(calibrate(model).program, asked.domain))


def _check(options: Namespace) -> None:
    """Refuse what is known to be wrong before anything is read."""
    if not options.codebook and not options.study:
        raise RequestError("Say which codebook declares the bins: --codebook MODEL, or --study FILE.")
    if options.min_cell is not None and (options.epsilon is not None or options.delta is not None):
        raise RequestError("--min-cell is without differential privacy, --epsilon and --delta with it. Choose one.")
    if options.min_cell is not None and options.min_cell < 2:
        raise RequestError("--min-cell is 2 or more: the smallest count that is told, such as 10.")
    if options.min_cell is None and (options.epsilon is None or options.delta is None):
        raise RequestError("Say what may be spent: --epsilon 1 --delta 1e-6; or --min-cell 10, without privacy.")
    if options.min_cell is not None and options.adaptive:
        raise RequestError("--adaptive pays for what it chooses: with --epsilon and --delta, not with --min-cell.")
    if options.patients_public is not None and (options.patients_public < 1 or options.min_cell is not None):
        raise RequestError("--patients-public is the number of patients, 1 or more, where it is public already.")
    if not Path(options.records).is_file():
        raise RequestError(f"{options.records} is not there, or is no file.")
    if not options.dry_run:
        _check_out(options.out)


def _check_out(out: str | None) -> None:
    if not out:
        raise RequestError("Say where the aggregates go: --out aggregates.json; or look first: --dry-run.")
    path = Path(out)
    if path.exists() or path.is_symlink():
        raise RequestError(f"{path} is there already. Choose another name.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise RequestError(f"{path.parent} is no folder that can be written to.")


def wanted(options: Namespace) -> tuple[MeasurePlan, Codebook]:
    """Return what is asked, and the codebook in whose bins."""
    from manikin.aggregates import MeasurePlan
    from manikin.clinic import codebook_of, find_codebook
    from manikin.study import read_study

    if not options.study:
        return MeasurePlan(), find_codebook(options.codebook)
    study, model = read_study(Path(options.study))
    if options.codebook and (named := find_codebook(options.codebook)).name != model.name:
        raise RequestError(f"The study is of {model.name}, and --codebook says {named.name}. Leave one of them out.")
    if study.measure is None:
        raise RequestError(f"{options.study} has no block 'measure'. Write one, or leave --study out.")
    return study.measure, codebook_of(model)


def _event_mapping(plan: MeasurePlan, options: Namespace) -> Path | None:
    """Return the mapping of events, where the plan asks about them and they may be told."""
    given = [path for path in (options.events, options.event_mapping) if path]
    if plan.events is None and given:
        raise RequestError("The study asks nothing about events. Write measure: {events: {…}}, or leave --events out.")
    if plan.events is None or options.min_cell:
        return None
    if len(given) < 2:
        raise RequestError(
            "The study asks about events. Name both --events and --event-mapping, what its columns mean."
        )
    for path in (options.events, options.people):
        if path and not Path(path).is_file():
            raise RequestError(f"{path} is not there, or is no file.")
    return Path(options.event_mapping)


def account_of(asked: Survey, budget: Budget, options: Namespace) -> Account:
    """Return the source's account: as the study says, as it was opened, or with no more than this measurement spends."""
    from manikin.privacy import Ledger

    ledger = Ledger(Path(options.ledger) if options.ledger else Path(options.records).with_name(LEDGER))
    source = asked.mapping.title
    opened = {one.source: one.budget for one in ledger.statements()}
    return ledger.account(source, asked.plan.budget or opened.get(source, budget))


def _print_orders(orders: Sequence[Order], *, every: bool) -> None:
    for _, group in groupby(orders, key=lambda one: (one.question.kind, one.rho, one.question.sensitivity)):
        same = list(group)
        one = same[0]
        title = f"{one.question.kind}: {len(same)} table{'s' if len(same) > 1 else ''}"
        print(f"  {title:<44} rho {one.rho:.4g} each, noise {one.noise:.1f} in each cell")
        if every:
            for order in same:
                print(f"    {order.question.what}")
