"""Can it be told who was used? Every attack on the same people, the best of them reported without the luck of choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.appraisal import Finding, Gate, Measure
from manikin.privacy import Budget
from manikin.real_data.attacks.choosing import (
    FALSE_SHARES,
    Claims,
    Ranking,
    Scored,
    best_claims,
    best_ranking,
    resolves,
    surest,
)
from manikin.real_data.attacks.roc import Roc, auc, roc
from manikin.real_data.attacks.scene import Scene, scene_of
from manikin.real_data.attacks.scores import ATTACKS, Attack
from manikin.real_data.attacks.shadows import Maker, Shadow
from manikin.real_data.attacks.sides import Ints, Rows, Sides, Whose, drawn, sides_of
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing
from manikin.streams import Floats

QUESTION = "Can it be told who was used?"
GROUP = "Membership"
EACH = "Membership, each attack by itself, not corrected for choosing"
# How often the surest attack is repeated, and in what share of that a record counts as surely found.
_REPEATS, _SURELY = 8, 0.9
_SHARES = np.logspace(-3.5, 0, 36)  # where curves are drawn


@dataclass(frozen=True)
class Membership:
    """Asks whether it can be told who was used.

    ``whose`` says whose the rows are where patients have several, ``promised`` what differential privacy promises of
    the release, ``maker`` how such a release is made of people, which lets the attacker train on releases of its own.
    """

    whose: Whose | None = None
    promised: Budget | None = None
    maker: Maker | None = None
    tolerance: Tolerance = DEFAULT
    attacks: tuple[Attack, ...] = ATTACKS

    def __call__(self, examined: Examined) -> Finding:
        """Return the best attack's AUC and shares found, what each attack reaches, and how many are surely found."""
        sides = sides_of(examined, self.whose)
        if sides is None:
            return Finding("membership", QUESTION, UNASSESSED, None)
        scene = scene_of(sides)
        scored = scores_of(scene, sides, self._suite(examined))
        claims = tuple(best_claims(scored, asked, sides.seed) for asked in FALSE_SHARES)
        ranking = best_ranking(scored, sides.seed)
        # Where nobody may be claimed falsely the bound holds as well; only two gates would then be one.
        judged = claims[:1] + tuple(one for one in claims[1:] if resolves(sides.others.patients, one.asked))
        gates = self._gates(ranking, judged)
        passed = all(gate.passed for gate in gates)
        measures = (
            *self._best(ranking, claims, sides),
            *self._surest(scene, sides, claims[0].chosen[0]),
            *_each(scored),
        )
        drawings = {**_curves(scored, self.promised), **as_drawing(*gates), **_bound(self.promised)}
        return Finding("membership", QUESTION, _answer(sides, ranking, claims[0], passed), passed, measures, drawings)

    def _suite(self, examined: Examined) -> tuple[Attack, ...]:
        if self.maker is None:
            return self.attacks
        return (*self.attacks, Shadow(self.maker, examined.mapping.names, self.attacks))

    def _best(self, ranking: Ranking, claims: tuple[Claims, ...], sides: Sides) -> tuple[Measure, ...]:
        confidence = self.tolerance.confidence
        area = ranking.auc
        found = [
            Measure(
                "AUC of the best attack",
                area.value,
                area.interval(),
                0.5,
                passed=area.at_least(confidence) <= self._most_auc(),
                group=GROUP,
                note=_chosen(ranking.chosen),
            )
        ]
        for one in claims:
            found.append(
                Measure(
                    f"Found at {one.asked:.1%} false claims",
                    one.true.value,
                    one.true.interval(),
                    one.false.value,
                    one.false.interval(),
                    passed=one.ratio_at_least(confidence) <= self._most_ratio(),
                    unit="share",
                    group=GROUP,
                    note=f"expected: claimed of people not used, of whom {sides.others.patients:,} were asked; {_chosen(one.chosen)}",
                )
            )
        return tuple(found)

    def _surest(self, scene: Scene, sides: Sides, name: str) -> tuple[Measure, ...]:
        """Return of how many people the attack is sure, whichever people it compares with."""
        attack = next((one for one in self.attacks if one.name == _plain(name)), None)
        if attack is None:
            return ()
        repeats = [scores_of(scene.against(_half(sides, number)), sides, (attack,))[name] for number in range(_REPEATS)]
        members, others = surest(repeats, FALSE_SHARES[0], _SURELY)
        return (
            Measure(
                "People surely found",
                members.value,
                members.interval(),
                others.value,
                others.interval(),
                unit="share",
                group=GROUP,
                note=f"{members.count:,} of {members.total:,} used, {others.count:,} of {others.total:,} not used: claimed at "
                f"{FALSE_SHARES[0]:.0%} false claims in {_SURELY:.0%} of {_REPEATS} repetitions with other reference people",
            ),
        )

    def _gates(self, ranking: Ranking, claims: tuple[Claims, ...]) -> tuple[Gate, ...]:
        sure = self.tolerance.confidence
        area, most_auc, most_ratio = ranking.auc.at_least(sure), self._most_auc(), self._most_ratio()
        by = "Manikin" if self.promised is None else "the promise of differential privacy"
        what = (
            "whoever was used can be found: don't release; look at the memorised rows, or fit with differential privacy"
        )
        return (
            Gate(
                "Membership, AUC",
                f"not shown to lie above {most_auc:.2f}",
                f"{ranking.auc.value:.3f}, surely above {area:.3f}",
                area <= most_auc,
                by,
                what,
            ),
            *(
                Gate(
                    f"Membership at {one.asked:.1%} false claims",
                    f"people who were used are not shown to be claimed more than {most_ratio:.2g} times as often as others",
                    f"{one.true.value:.2%} against {one.false.value:.2%}; surely {one.ratio_at_least(sure):.2f} times as often",
                    one.ratio_at_least(sure) <= most_ratio,
                    by,
                    what,
                )
                for one in claims
            ),
        )

    def _most_ratio(self) -> float:
        return self.tolerance.ratio if self.promised is None else math.exp(self.promised.epsilon)

    def _most_auc(self) -> float:
        return self.tolerance.auc if self.promised is None else largest_auc(self.promised)


def scores_of(scene: Scene, sides: Sides, attacks: tuple[Attack, ...]) -> dict[str, Scored]:
    """Return what each attack says of each patient: of several rows the surest, and their mean as an attack of its own."""
    split = len(sides.members.values)
    found = {}
    several = _several(sides.members) or _several(sides.others)
    for attack in attacks:
        scores = attack(scene)
        parts = ((scores[:split], sides.members), (scores[split:], sides.others))
        found[attack.name] = Scored(*(_surest_row(score, rows) for score, rows in parts))
        if several:
            found[attack.name + _MEAN] = Scored(*(_mean_row(score, rows) for score, rows in parts))
    return found


def most_found(promised: Budget, false_share: Floats) -> Floats:
    """Return the largest share that may be found at shares of false claims, under differential privacy.

    Source: Kairouz et al. 2015, arXiv:1311.0776, theorem 2.1.
    """
    one = np.exp(promised.epsilon) * false_share + promised.delta
    other = 1 - np.exp(-promised.epsilon) * (1 - promised.delta - false_share)
    return np.asarray(np.clip(np.minimum(one, other), 0.0, 1.0))


def largest_auc(promised: Budget) -> float:
    """Return the area under the curve of the largest shares that may be found."""
    grid = np.concatenate([[0.0], np.logspace(-9, 0, 4001)])
    return float(np.trapezoid(most_found(promised, grid), grid))


_MEAN = ", mean of rows"


def _plain(name: str) -> str:
    return name.removesuffix(_MEAN)


def _several(rows: Rows) -> bool:
    return rows.patients < len(rows.values)


def _surest_row(scores: Floats, rows: Rows) -> Floats:
    found = np.full(rows.patients, -np.inf)
    np.maximum.at(found, rows.of, scores)
    return found


def _mean_row(scores: Floats, rows: Rows) -> Floats:
    return np.asarray(np.bincount(rows.of, scores, rows.patients) / np.bincount(rows.of, minlength=rows.patients))


def _half(sides: Sides, number: int) -> Floats:
    patients: Ints = drawn(sides.reference.patients, sides.reference.patients // 2, sides.seed, f"reference {number}")
    return sides.reference.taken(patients).values


def _each(scored: Mapping[str, Scored]) -> tuple[Measure, ...]:
    found = []
    for name, one in scored.items():
        area = auc(one.members, one.others)
        shares = ", ".join(f"{roc(one.members, one.others).at(asked):.2%} at {asked:.1%}" for asked in FALSE_SHARES)
        found.append(
            Measure(
                name, area.value, area.interval(), 0.5, unit="AUC", group=EACH, note=f"found: {shares} false claims"
            )
        )
    return tuple(found)


def _curves(scored: Mapping[str, Scored], promised: Budget | None) -> dict[str, Any]:
    curves = {name: _drawn(roc(one.members, one.others)) for name, one in scored.items()}
    return {"false_shares": _short(_SHARES), "curves": curves, "promised": promised is not None}


def _bound(promised: Budget | None) -> dict[str, Any]:
    if promised is None:
        return {}
    return {
        "bound": _short(most_found(promised, _SHARES)),
        "epsilon": promised.epsilon,
        "delta": promised.delta,
    }


def _drawn(curve: Roc) -> list[float]:
    return _short(np.array([curve.at(share) for share in _SHARES]))


def _short(values: Floats) -> list[float]:
    return [float(f"{one:.4g}") for one in values]


def _chosen(names: tuple[str, ...]) -> str:
    return "chosen: " + " and ".join(dict.fromkeys(names))


def _answer(sides: Sides, ranking: Ranking, claims: Claims, passed: bool) -> str:
    found = (
        f"The best attack finds {claims.true.value:.1%} of those used while it claims {claims.false.value:.1%} of those not "
        f"used (AUC {ranking.auc.value:.2f}); {sides.members.patients:,} and {sides.others.patients:,} people were attacked."
    )
    return found + (
        " No attack was shown to work; that is no proof that none does."
        if passed
        else " People who were used can be told."
    )
