"""The coordinator's side of a round: it passes letters on, opens the sum of those whose vectors arrived, and says whose.

It can't reach a record: it sees noisy counts of all sites together, and of each site what it paid.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from manikin.aggregates import Aggregate, Aggregates, Kind, Part, Patients, Protection, Tier, Told
from manikin.errors import FederationError
from manikin.federation.letters import REFUSED, Letter, Link, Stage
from manikin.federation.plan import Noise, Plan
from manikin.federation.secure_sum import Announcement, Roster, Vector, revealed
from manikin.privacy import epsilon_of

# How long those who fell silent are waited for when all is done: they may be slow, and still want to know.
_FAREWELL_SECONDS = 5.0


@dataclass(frozen=True)
class Paid:
    """What a site in the sum paid: the standard deviation of the noise it added, its price, the entry of its ledger."""

    sigma: float
    rho: float
    receipt: str


@dataclass(frozen=True)
class Outcome:
    """The sum of a round: of whom, and who fell silent or refused in which stage and is not in it."""

    plan: Plan
    total: Vector
    paid: Mapping[str, Paid]
    lost: Mapping[str, str]

    @property
    def noise(self) -> float:
        """The standard deviation of the noise in each count."""
        return math.sqrt(math.fsum(one.sigma**2 for one in self.paid.values()))

    @property
    def mechanism(self) -> str:
        """How the noise was made, and what it takes to protect a patient."""
        if self.plan.noise is Noise.EACH_SITE:
            return "sum of discrete Gaussians, each of which protects its site"
        return f"sum of discrete Gaussians, of which {self.plan.honest} together protect a site"

    def aggregates(self, made: date) -> Aggregates:
        """Return the document of all sites in the sum."""
        tables = np.split(self.total, np.cumsum([math.prod(table.shape) for table in self.plan.tables])[:-1])
        share = self.plan.rho / len(self.plan.tables)
        found = tuple(
            Aggregate(asked.axes, counts.reshape(asked.shape).astype(np.float64), self.noise, self.mechanism, share)
            for asked, counts in zip(self.plan.tables, tables, strict=True)
        )
        return Aggregates(
            site=self.plan.name,
            source=f"the sum of {', '.join(sorted(self.paid))}",
            codebook=self.plan.codebook,
            population=self.plan.population,
            protection=self._protection(Kind.COMBINED, self.plan.rho),
            tier=Tier.OPEN,
            patients=self._patients(found),
            aggregates=found,
            made=made,
            parts=tuple(self._part(site) for site in sorted(self.paid)),
        )

    def _part(self, site: str) -> Part:
        paid = self.paid[site]
        return Part(site, self._protection(Kind.PRIVATE, paid.rho, paid.receipt), Tier.OPEN)

    def _protection(self, kind: Kind, rho: float, receipt: str = "") -> Protection:
        delta = self.plan.delta
        return Protection(kind, epsilon=epsilon_of(rho, delta), delta=delta, rho=rho, ledger=receipt)

    def _patients(self, tables: tuple[Aggregate, ...]) -> Patients:
        """Return how many patients the tables tell together: each adds up to them, with noise in every cell."""
        certain = [1 / (table.values.size * self.noise**2) for table in tables]
        number = np.average([table.values.sum() for table in tables], weights=certain)
        return Patients(float(number), Told.NOISY, float(1 / np.sqrt(sum(certain))))


@dataclass
class _Round:
    """One attempt: who is still there, and who was lost in which stage."""

    plan: Plan
    link: Link
    seconds: float
    attempt: str
    there: frozenset[str]
    lost: dict[str, str] = field(default_factory=dict)

    def ask(self, stage: Stage, facts: Callable[[str], Letter]) -> dict[str, Letter]:
        """Return what the sites that are still there answer; whoever doesn't is lost."""
        letters = {site: {"stage": stage.value, "attempt": self.attempt, **facts(site)} for site in self.there}
        answered = self.link.ask(letters, self.seconds)
        for site in self.there:
            if site not in answered:
                self.lost[site] = f"silent at '{stage}'"
            elif REFUSED in answered[site]:
                self.lost[site] = f"refused '{stage}' ({answered[site][REFUSED]})"
        self.there -= self.lost.keys()
        if len(self.there) < self.plan.survivors:
            raise _TooFewError(self.plan, self.there, self.lost)
        return {site: answered[site] for site in sorted(self.there)}


class _TooFewError(FederationError):
    """An attempt in which too few sites were left."""

    def __init__(self, plan: Plan, there: Collection[str], lost: Mapping[str, str]) -> None:
        told = "; ".join(f"{site} {why}" for site, why in sorted(lost.items())) or "the others were never there"
        super().__init__(
            f"The round '{plan.name}' needs {plan.survivors} sites, and {len(there)} were left: {told}. Nothing was opened. "
            "Ask again: a site that has answered gives the same answer and pays nothing more."
        )
        # Whoever refused will refuse again.
        self.hopeless = sum(why.startswith("refused") for why in lost.values()) > len(plan.sites) - plan.survivors


def coordinate(plan: Plan, link: Link, *, wait: float = 600.0, patience: float = 300.0, attempts: int = 3) -> Outcome:
    """Return the sum over the sites of a plan.

    Args:
        plan: What is counted.
        link: How sites are reached.
        wait: For how many seconds sites are waited for before an attempt begins with those that are there.
        patience: For how many seconds an answer is waited for; whoever is silent for longer is not in the sum.
        attempts: How often it is tried.

    Raises:
        FederationError: Too few sites were left each time. Nothing was opened.
    """
    for left in reversed(range(attempts)):
        there = link.present(len(plan.sites), wait) & set(plan.sites)
        one = _Round(plan, link, patience, f"{plan.digest[:16]}-{secrets.token_hex(8)}", there)
        try:
            outcome = _attempt(one)
        except _TooFewError as error:
            if not left or error.hopeless:
                _close(link, there, (), patience)
                raise
        else:
            _close(link, there, tuple(outcome.paid), patience)
            return outcome
    raise FederationError("A round is attempted once or more.")


def _attempt(one: _Round) -> Outcome:
    announced = one.ask(Stage.ANNOUNCE, lambda _: {"plan": one.plan.to_json()})
    roster = {site: Announcement(letter["envelopes"], letter["masks"]) for site, letter in announced.items()}
    dealt = one.ask(Stage.DEAL, lambda _: _roster(announced))
    sealed = {site: dict(zip(letter["sites"], letter["sealed"], strict=True)) for site, letter in dealt.items()}
    told = one.ask(Stage.HIDE, lambda site: {"sites": list(sealed), "sealed": [each[site] for each in sealed.values()]})
    gave = one.ask(Stage.GIVE, lambda _: {"survivors": list(told)})
    return _opened(one, roster, told, gave)


def _roster(announced: Mapping[str, Letter]) -> Letter:
    columns = {"envelopes": "envelopes", "masks": "masks", "signatures": "signature"}
    lists = {name: [letter[key] for letter in announced.values()] for name, key in columns.items()}
    return {"sites": list(announced), **lists}


def _opened(one: _Round, roster: Roster, told: Mapping[str, Letter], gave: Mapping[str, Letter]) -> Outcome:
    masked = {site: np.frombuffer(letter["hidden"], "<u8").astype(np.uint64) for site, letter in told.items()}
    if short := [site for site, vector in masked.items() if vector.size != one.plan.cells]:
        raise FederationError(f"What came from {', '.join(short)} are not the {one.plan.cells:,} cells of the plan.")
    gifts = [dict(zip(letter["sites"], letter["shares"], strict=True)) for letter in gave.values()]
    paid = {site: Paid(letter["sigma"], letter["rho"], letter["receipt"]) for site, letter in told.items()}
    # Who fell silent after its vector had arrived is in the sum all the same.
    lost = {site: why for site, why in one.lost.items() if site not in paid}
    never = dict.fromkeys(set(one.plan.sites) - paid.keys() - lost.keys(), "never there")
    return Outcome(one.plan, revealed(masked, roster, gifts), paid, lost | never)


def _close(link: Link, sites: Collection[str], within: tuple[str, ...], seconds: float) -> None:
    letter = {"stage": Stage.CLOSE.value, "sites": list(within)}
    link.ask(dict.fromkeys(sites, letter), min(seconds, _FAREWELL_SECONDS))
