"""A site's side of a round: it checks what is asked, pays, adds noise, and lets nothing go that shows its table.

It is made of what its institution put there, and runs no code that somebody sends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, sign_message, verify_signature

from manikin.codebook import Variable
from manikin.errors import BudgetError, FederationError
from manikin.federation.journal import Journal
from manikin.federation.letters import Letter, Stage
from manikin.federation.plan import Plan, plan_of
from manikin.federation.secure_sum import (
    Announcement,
    Roster,
    Secrets,
    Share,
    deal,
    given,
    hidden,
    opened,
    secrets_for,
)
from manikin.privacy import Account, Noisy

Counts = npt.NDArray[np.int64]
Answer = Callable[[Plan], Sequence[Counts]]
"""Counts a site's patients as a plan asks: one table for each of the plan's, of its shape, each patient once in each."""

# Exact in every language, and so far below 2^63 that no sum of sites reaches it.
MOST_COUNTED = 2**53
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Attempt:
    """How far a site has come in an attempt at a round: each stage is gone through once, in order."""

    plan: Plan
    secrets: Secrets
    stage: Stage = Stage.ANNOUNCE
    roster: Roster = field(default_factory=dict)
    shares: Mapping[str, Share] = field(default_factory=dict, repr=False)


@dataclass
class Site:
    """Answers the letters of a coordinator.

    ``key`` is the site's own, ``keys`` the public ones of all sites, agreed on beforehand; ``known`` are the variables
    of its codebook. ``agreed`` is the one plan that it answers, any that it can pay where there is none. ``outcome`` is
    what the coordinator told at the end: the sites that are in the sum.
    """

    name: str
    key: EllipticCurvePrivateKey = field(repr=False)
    keys: Mapping[str, bytes]
    known: Mapping[str, Variable]
    account: Account
    journal: Journal
    answer: Answer
    agreed: Plan | None = None
    attempt: Attempt | None = field(default=None, init=False)
    outcome: tuple[str, ...] | None = field(default=None, init=False)

    def respond(self, letter: Letter) -> Letter:
        """Return the answer to a letter.

        Raises:
            FederationError: It asks for what this site doesn't do.
            BudgetError: It asks for more than is left.
        """
        stage = Stage(str(letter["stage"]))
        if stage is Stage.ANNOUNCE:
            return self._announced(letter)
        if stage is Stage.CLOSE:
            self.outcome = tuple(letter["sites"])
            return {}
        attempt = self._at(stage, letter)
        steps = {Stage.DEAL: self._dealt, Stage.HIDE: self._hidden, Stage.GIVE: self._given}
        self.attempt, reply = steps[stage](replace(attempt, stage=stage), letter)
        return reply

    def _at(self, stage: Stage, letter: Letter) -> Attempt:
        """Return the attempt that a letter goes on with: twice the same stage could open what no stage alone does."""
        attempt, order = self.attempt, list(Stage)
        if attempt is None or attempt.secrets.attempt != letter["attempt"]:
            raise FederationError("This site takes no part in that attempt; it may have been started anew since.")
        if order.index(stage) != order.index(attempt.stage) + 1:
            raise FederationError(f"'{stage}' doesn't follow on '{attempt.stage}', and no stage is gone through twice.")
        return attempt

    def _announced(self, letter: Letter) -> Letter:
        plan = plan_of(letter["plan"])
        self._check(plan)
        secrets = secrets_for(self.name, str(letter["attempt"]))
        self.attempt = Attempt(plan, secrets)
        keys = secrets.announcement
        signature = sign_message(self.key, _signed(plan, secrets.attempt, self.name, keys))
        return {"envelopes": keys.envelopes, "masks": keys.masks, "signature": signature}

    def _check(self, plan: Plan) -> None:
        if self.agreed is not None and plan != self.agreed:
            raise FederationError(
                f"The coordinator asks for {plan.what}, at rho {plan.rho:g}, and that is not the plan that was agreed on. "
                "Nothing was spent."
            )
        if self.name not in plan.sites:
            raise FederationError(f"The plan '{plan.name}' has no site '{self.name}', but {', '.join(plan.sites)}.")
        if unknown := [site for site in plan.sites if site not in self.keys]:
            raise FederationError(f"This site has no public key of {', '.join(unknown)}. Nothing was spent.")
        plan.check_against(self.known)
        left = self.account.left
        if not self.journal.holds(plan) and plan.rho > left * (1 + _ROUNDING):
            raise BudgetError(
                f"The round '{plan.name}' costs rho {plan.rho:.6g}, but of the budget of '{self.account.source}' only "
                f"{left:.6g} is left. Nothing was spent.",
                left,
            )

    def _dealt(self, attempt: Attempt, letter: Letter) -> tuple[Attempt, Letter]:
        """Deal to those on the roster, who are sites of the plan with keys that they signed themselves."""
        columns = (letter[key] for key in ("sites", "envelopes", "masks", "signatures"))
        roster = {}
        for site, envelopes, masks, signature in zip(*columns, strict=True):
            roster[site] = Announcement(envelopes, masks)
            self._check_signature(attempt, site, roster[site], signature)
        if roster.get(self.name) != attempt.secrets.announcement:
            raise FederationError("The roster has other keys of this site than it announced.")
        self._check_many(attempt, roster, roster)
        dealt = deal(attempt.secrets, roster, attempt.plan.survivors)
        return replace(attempt, roster=roster), {"sites": list(dealt), "sealed": list(dealt.values())}

    def _check_signature(self, attempt: Attempt, site: str, announced: Announcement, signature: bytes) -> None:
        signed = _signed(attempt.plan, attempt.secrets.attempt, site, announced)
        if site not in attempt.plan.sites or not verify_signature(
            bytes_to_public_key(self.keys[site]), signed, signature
        ):
            raise FederationError(f"The keys that came as those of '{site}' were not signed by it.")

    def _hidden(self, attempt: Attempt, letter: Letter) -> tuple[Attempt, Letter]:
        """Send the counts with noise, hidden; only now, when enough others take part, is anything bought."""
        envelopes = dict(zip(letter["sites"], letter["sealed"], strict=True))
        self._check_many(attempt, envelopes, attempt.roster)
        shares = opened(attempt.secrets, attempt.roster, envelopes)
        found = self.journal.answer(attempt.plan, lambda: self._bought(attempt.plan))
        masked = hidden(found.values, attempt.secrets, attempt.roster, envelopes)
        facts = {"rho": found.rho, "sigma": found.sigma, "receipt": found.receipt}
        return replace(attempt, shares=shares), {"hidden": masked.astype("<u8").tobytes(), **facts}

    def _bought(self, plan: Plan) -> Noisy:
        tables = [np.asarray(table) for table in self.answer(plan)]
        if [table.shape for table in tables] != [table.shape for table in plan.tables]:
            raise FederationError("What was counted has not the shape of the plan's tables. Nothing was spent.")
        counts = np.concatenate([table.ravel() for table in tables])
        if not np.issubdtype(counts.dtype, np.integer) or np.abs(counts).max(initial=0) >= MOST_COUNTED:
            raise FederationError("What was counted is not in whole numbers below 2^53. Nothing was spent.")
        return self.account.gaussian(counts, plan.rho, plan.what, plan.sensitivity)

    def _given(self, attempt: Attempt, letter: Letter) -> tuple[Attempt, Letter]:
        """Give what opens the sum of the survivors; less noise than was agreed on is in no sum of enough of them."""
        survivors = set(letter["survivors"])
        self._check_many(attempt, survivors, attempt.shares)
        self.journal.give(attempt.plan, survivors)
        gifts = given(attempt.shares, survivors)
        return attempt, {"sites": list(gifts), "shares": list(gifts.values())}

    def _check_many(self, attempt: Attempt, sites: Collection[str], among: Collection[str]) -> None:
        if self.name not in sites or not set(sites) <= set(among) or len(set(sites)) < attempt.plan.survivors:
            raise FederationError(
                f"This site goes on with {attempt.plan.survivors} sites or more, itself among them; got {', '.join(sorted(sites)) or 'none'}."
            )


def _signed(plan: Plan, attempt: str, site: str, keys: Announcement) -> bytes:
    return b"\n".join((plan.digest.encode(), attempt.encode(), site.encode(), keys.envelopes, keys.masks))
