"""The best of several attacks, without the luck of having tried several.

People are dealt into two halves. On one half the attack is chosen that does best there; on the other it is judged, with a
threshold that lets so many of those not used there through as was asked; then the halves change places. So everybody
is judged once, by a choice they had no part in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from manikin.real_data.attacks.rates import Rate, ratio_at_least
from manikin.real_data.attacks.roc import Auc, above, auc, mean_auc, roc, threshold
from manikin.real_data.attacks.sides import drawn
from manikin.streams import Floats, Seed

FALSE_SHARES = (0.01, 0.001)
_TURNS = 2


@dataclass(frozen=True, eq=False)
class Scored:
    """What one attack says of everybody: scores of those who were used and of those who were not, one a patient."""

    members: Floats
    others: Floats

    def halves(self, seed: Seed) -> tuple[Scored, Scored]:
        """Return two halves of the people, the same for every attack."""
        parts = []
        for scores, purpose in ((self.members, "choose members"), (self.others, "choose others")):
            order = drawn(len(scores), len(scores), seed, purpose)
            parts.append((scores[order[: len(order) // 2]], scores[order[len(order) // 2 :]]))
        return Scored(parts[0][0], parts[1][0]), Scored(parts[0][1], parts[1][1])


@dataclass(frozen=True)
class Claims:
    """What the best attacks claim at one share of false claims: how many who were used, and who were not.

    ``asked`` is the share of false claims that is let through at most, ``chosen`` the attack of each half.
    """

    asked: float
    true: Rate
    false: Rate
    chosen: tuple[str, ...]

    def ratio_at_least(self, confidence: float) -> float:
        """Return the lower bound of how many times oftener those who were used are claimed."""
        return ratio_at_least(self.true, self.false, confidence, stops=_TURNS)


@dataclass(frozen=True)
class Ranking:
    """How well the best attacks order people, and which they are."""

    auc: Auc
    chosen: tuple[str, ...]


def best_claims(scored: Mapping[str, Scored], asked: float, seed: Seed) -> Claims:
    """Return what is claimed by the attack that finds most at a share of false claims."""
    true, false, chosen = Rate(0, 0), Rate(0, 0), []
    for choose, judge in _turns(scored, seed):
        found = {name: roc(one.members, one.others).at(asked) for name, one in choose.items()}
        best = max(found, key=lambda name: found[name])
        bound = threshold(judge[best].others, asked)
        true += above(judge[best].members, bound)
        false += above(judge[best].others, bound)
        chosen.append(best)
    return Claims(asked, true, false, tuple(chosen))


def best_ranking(scored: Mapping[str, Scored], seed: Seed) -> Ranking:
    """Return the area under the curve of the attack for which it is largest."""
    areas, chosen = [], []
    for choose, judge in _turns(scored, seed):
        best = max(choose, key=lambda name: auc(choose[name].members, choose[name].others).value)
        areas.append(auc(judge[best].members, judge[best].others))
        chosen.append(best)
    return Ranking(mean_auc(tuple(areas)), tuple(chosen))


def resolves(n_others: int, asked: float) -> bool:
    """Whether so many people not used can tell a share of false claims: in each half it is one person or more."""
    return n_others // _TURNS * asked >= 1


def _turns(scored: Mapping[str, Scored], seed: Seed) -> tuple[tuple[dict[str, Scored], dict[str, Scored]], ...]:
    halves = {name: one.halves(seed) for name, one in scored.items()}
    one, other = ({name: pair[place] for name, pair in halves.items()} for place in (0, 1))
    return (one, other), (other, one)


def surest(scored: list[Scored], asked: float, times: float) -> tuple[Rate, Rate]:
    """Return of how many people, used and not, the claim is made in at least the share ``times`` of repetitions."""
    claims = [(one.members > bound, one.others > bound) for one in scored for bound in [threshold(one.others, asked)]]
    members, others = (np.mean(side, axis=0) >= times for side in zip(*claims, strict=True))
    return Rate(int(members.sum()), len(members)), Rate(int(others.sum()), len(others))
