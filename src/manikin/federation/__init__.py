"""Several institutions count together, and nobody sees the table of one.

Enters: a plan, and at each site a function that counts its patients as the plan asks. Leaves: one ``Aggregates`` of the
sum, with who is in it and what each site paid. The coordinator's side can't reach a record, nor can a site's: whoever
starts a site gives it the function. What is live needs Flower and is imported when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.errors import FederationError, MissingExtraError
from manikin.federation.journal import Journal
from manikin.federation.plan import Noise, Plan, codebook_of, plan_of, read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from manikin.codebook import Variable
    from manikin.federation.coordinator import Outcome
    from manikin.federation.site import Answer
    from manikin.privacy import Account

__all__ = ["Journal", "Noise", "Plan", "codebook_of", "coordinate", "join", "make_trial_keys", "plan_of", "read_plan"]


def coordinate(
    plan: Plan, address: str, keys: Path, *, wait: float = 600.0, patience: float = 300.0, attempts: int = 3
) -> Outcome:
    """Serve the sites of a plan at an address, and return their sum.

    Args:
        plan: What is counted.
        address: Where sites call, as host:port.
        keys: The folder of keys.
        wait: For how many seconds sites are waited for before an attempt begins with those that are there.
        patience: For how many seconds an answer is waited for; whoever is silent for longer is not in the sum.
        attempts: How often it is tried.

    Raises:
        FederationError: Too few sites were left each time; nothing was opened.
        RequestError: A key is missing, or the address is none.
        MissingExtraError: Flower is not installed.
    """
    with _flower():
        from manikin.federation import coordinator
        from manikin.federation.keys import Keys
        from manikin.federation.serving import serving
    host, port = _parts(address)
    known = Keys(keys)
    if missing := [site for site in plan.sites if site not in known.sites]:
        raise FederationError(f"{keys / 'sites'} has no public key of {', '.join(missing)}.")
    with serving(host, port, known) as link:
        return coordinator.coordinate(plan, link, wait=wait, patience=patience, attempts=attempts)


def join(
    name: str,
    address: str,
    keys: Path,
    *,
    known: Mapping[str, Variable],
    account: Account,
    journal: Journal,
    answer: Answer,
    agreed: Plan | None = None,
    wait: float = 600.0,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Take part in a round as a site, and return the sites that are in the sum.

    Args:
        name: The site.
        address: Where the coordinator is, as host:port.
        keys: The folder of keys.
        known: The variables of the site's codebook.
        account: Who pays.
        journal: Where answers are kept, so that no round is paid twice.
        answer: Counts the site's patients as a plan asks: one table for each of the plan's, of its shape, in which each
            patient counts once.
        agreed: The one plan that is answered; left out, any that the codebook knows and the account can pay.
        wait: For how many seconds a coordinator is called that doesn't answer.
        tell: Is told what happens, in words for the people at the site.

    Raises:
        FederationError: The coordinator can't be reached, or the site is not in the sum.
        ManikinError: The site refused the plan; nothing was sent.
        MissingExtraError: Flower is not installed.
    """
    with _flower():
        from manikin.federation.keys import Keys
        from manikin.federation.site import Site
        from manikin.federation.visiting import visit
    folder = Keys(keys)
    site = Site(name, folder.private(name), folder.sites, known, account, journal, answer, agreed)
    host, port = _parts(address)
    return visit(site, f"{host}:{port}", folder, wait=wait, tell=tell)


def make_trial_keys(folder: Path, sites: Iterable[str], host: str) -> None:
    """Write all keys of a federation into one new folder, to try it out.

    Raises:
        RequestError: The folder is there already, or can't be made.
        MissingExtraError: Flower is not installed.
    """
    with _flower():
        from manikin.federation import keys
    keys.make_trial_keys(folder, sites, host)


@contextmanager
def _flower() -> Iterator[None]:
    # Nothing about a federation is told to anybody: Flower's telemetry is off before Flower is imported.
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "manikin":
            raise
        raise MissingExtraError("A federation", "federation") from error


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise FederationError(f"'{address}' is no address. Write host:port, such as 127.0.0.1:9443.")
    return host, int(port)
