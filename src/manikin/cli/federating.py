"""The command ``federate``: institutions count together, each answering for its own patients, none seen alone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.cli.measuring import LEDGER
from manikin.errors import RequestError

if TYPE_CHECKING:
    from manikin.federation.coordinator import Outcome
    from manikin.privacy import Account


def federate(options: Namespace) -> int:
    """Coordinate a round, join one, or make keys to try it out."""
    return {"coordinate": _coordinate, "join": _join, "keys": _keys}[options.part](options)


def _coordinate(options: Namespace) -> int:
    from manikin.aggregates import read_key, save, signed
    from manikin.federation import coordinate, read_plan

    out = Path(options.out)
    if out.exists():
        raise RequestError(f"{out} is there already. Choose another name.")
    plan = read_plan(Path(options.plan))
    key = read_key(Path(options.key)) if options.key else None
    print(
        f"{plan.name}: {len(plan.tables)} tables, {plan.cells:,} cells, rho {plan.rho:g} of each site, noise {plan.noise.value}"
    )
    print(f"  {'Sites':<28} {', '.join(plan.sites)}; {plan.survivors} or more")
    print(f"  {'Waiting for them at':<28} {options.address}", flush=True)
    outcome = coordinate(
        plan,
        options.address,
        Path(options.tls),
        wait=options.wait,
        patience=options.patience,
        attempts=options.attempts,
    )
    found = outcome.aggregates(datetime.now(UTC).date())
    save(signed(found, key) if key else found, out)
    _print_outcome(outcome)
    print(f"\n{out}   {len(found.aggregates)} tables of {len(outcome.paid)} sites together")
    return 0


def _print_outcome(outcome: Outcome) -> None:
    for site, paid in sorted(outcome.paid.items()):
        print(f"  {site:<28} in the sum; rho {paid.rho:.4g}, receipt {paid.receipt[:16]}…")
    for site, why in sorted(outcome.lost.items()):
        print(f"  {site:<28} NOT in the sum: {why}")
    print(f"  {'Noise in each cell':<28} {outcome.noise:.2f} patients")


def _join(options: Namespace) -> int:
    from manikin.federation import Journal, codebook_of, join, read_plan
    from manikin.real_data import counting

    if not Path(options.records).is_file():
        raise RequestError(f"{options.records} is not there, or is no file.")
    _, known = codebook_of(options.codebook)
    source, answer = counting(Path(options.records), Path(options.mapping), known)
    ledger = Path(options.ledger) if options.ledger else Path(options.records).with_name(LEDGER)
    account = _account(ledger, source, options)
    print(f"{source}: rho {account.left:.4g} left of {account.budget.rho:.4g}", flush=True)
    inside = join(
        options.site,
        options.coordinator,
        Path(options.tls),
        known=known,
        account=account,
        journal=Journal(ledger.with_name(f"{ledger.name}.rounds"), f"{options.site}: {source}"),
        answer=answer,
        agreed=read_plan(Path(options.plan)) if options.plan else None,
        wait=options.wait,
        tell=lambda what: print(f"  {what}", flush=True),
    )
    print(f"  {'In the sum':<28} {', '.join(inside)}")
    print(f"  {'Left of the budget':<28} rho {account.left:.4g} of {account.budget.rho:.4g}")
    return 0


def _account(path: Path, source: str, options: Namespace) -> Account:
    """Return the source's account, as it was opened or, when it is new, with all that it may ever give."""
    from manikin.privacy import Budget, Ledger

    ledger = Ledger(path)
    opened = {one.source: one.budget for one in ledger.statements()}
    if options.epsilon is not None and options.delta is not None:
        return ledger.account(source, Budget(options.epsilon, options.delta))
    if source in opened:
        return ledger.account(source, opened[source])
    raise RequestError(f"'{source}' has no account yet. Say all that it may ever give: --epsilon 3 --delta 1e-6")


def _keys(options: Namespace) -> int:
    from manikin.federation import make_trial_keys

    make_trial_keys(Path(options.out), options.sites, options.host)
    print(f"{options.out}: keys of {', '.join(options.sites)} and of a coordinator at {options.host}, for a month.")
    print(
        "They were all made in one place, which is fit for a trial only; docs/federation.md says how sites make theirs."
    )
    return 0


def add_federate(federate: ArgumentParser) -> None:
    """Add the parts of the command."""
    parts = federate.add_subparsers(dest="part", required=True, metavar="PART", parser_class=ArgumentParser)

    one = parts.add_parser("coordinate", help="serve the sites of a plan, and write the sum of those that took part")
    one.add_argument("--plan", required=True, metavar="FILE", help="what is counted, by whom, and what it costs")
    one.add_argument("--address", default="0.0.0.0:9443", metavar="HOST:PORT", help="where sites call")
    one.add_argument("--tls", required=True, metavar="DIR", help="the folder of keys")
    one.add_argument("--out", required=True, metavar="FILE", help="where the aggregates go; nothing is overwritten")
    one.add_argument("--key", metavar="FILE", help="the coordinator's private key, to sign the aggregates with")
    one.add_argument("--wait", type=float, default=600, metavar="S", help="seconds to wait until all sites are there")
    one.add_argument("--patience", type=float, default=300, metavar="S", help="seconds to wait for an answer")
    one.add_argument("--attempts", type=int, default=3, metavar="N", help="how often it is tried")

    site = parts.add_parser("join", help="answer a coordinator as a site, under this site's own budget")
    site.add_argument("records", help="records of patients, CSV or Parquet")
    site.add_argument("--coordinator", required=True, metavar="HOST:PORT", help="where the coordinator is")
    site.add_argument("--site", required=True, metavar="NAME", help="the name of this site, as plan and keys have it")
    site.add_argument("--codebook", required=True, metavar="MODEL", help="whose bins are counted in, and no others")
    site.add_argument("--mapping", required=True, metavar="FILE", help="what the columns of the records mean")
    site.add_argument("--tls", required=True, metavar="DIR", help="the folder of keys")
    site.add_argument("--plan", metavar="FILE", help="the plan agreed on; left out, any that the budget can pay")
    site.add_argument("--ledger", metavar="FILE", help="where purchases are recorded; by default beside the records")
    site.add_argument("--epsilon", type=float, metavar="E", help="all that the records may ever give, with --delta")
    site.add_argument("--delta", type=float, metavar="D", help="well below one over the number of patients: 1e-6")
    site.add_argument("--wait", type=float, default=600, metavar="S", help="seconds to call one that doesn't answer")

    keys = parts.add_parser("keys", help="make all keys in one place, to try it out on one's own machine")
    keys.add_argument("--sites", required=True, type=lambda text: text.split(","), metavar="A,B,C", help="their names")
    keys.add_argument("--host", default="127.0.0.1", metavar="HOST", help="where sites will call the coordinator")
    keys.add_argument("--out", required=True, metavar="DIR", help="a new folder")
