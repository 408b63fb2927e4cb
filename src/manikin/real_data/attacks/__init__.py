"""Attacks on a synthetic sample, by somebody who wants to know who was used and what is to be known about them.

Enters: ``Examined``, with people who were used and people who never were. Leaves: findings with their gates, in which no
value of anybody stands: how many were found and how surely. Nothing here proves that a release is private; an attack
that fails says only that this attack fails.
"""

from manikin.privacy import Budget
from manikin.real_data.attacks.attributes import Attributes
from manikin.real_data.attacks.copies import CopiedPeople
from manikin.real_data.attacks.inference import Inference
from manikin.real_data.attacks.linkability import Linkability
from manikin.real_data.attacks.membership import Membership
from manikin.real_data.attacks.scene import Scene
from manikin.real_data.attacks.scores import ATTACKS, Attack
from manikin.real_data.attacks.shadows import Maker
from manikin.real_data.attacks.sides import Whose
from manikin.real_data.attacks.singling_out import SinglingOut
from manikin.real_data.attacks.verdicts import DEFAULT, Tolerance
from manikin.real_data.examining import ReferenceCheck

__all__ = [
    "ATTACKS",
    "CHECKS",
    "Attack",
    "Attributes",
    "CopiedPeople",
    "Inference",
    "Linkability",
    "Maker",
    "Membership",
    "Scene",
    "SinglingOut",
    "Tolerance",
    "Whose",
    "attacks",
]


def attacks(
    whose: Whose | None = None,
    promised: Budget | None = None,
    maker: Maker | None = None,
    tolerance: Tolerance = DEFAULT,
) -> tuple[ReferenceCheck, ...]:
    """Return all questions about privacy.

    Args:
        whose: The patient of each row, where patients have several.
        promised: What differential privacy promises of the release, if it does.
        maker: How such a release is made of people, so that the attacker can train on releases of its own.
        tolerance: What an honest release may show.
    """
    return (
        Membership(whose, promised, maker, tolerance),
        Attributes(whose, tolerance),
        CopiedPeople(whose, tolerance),
        SinglingOut(whose, tolerance),
        Linkability(whose, tolerance),
        Inference(whose, tolerance),
    )


CHECKS = attacks()
