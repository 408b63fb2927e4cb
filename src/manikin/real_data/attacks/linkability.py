"""Can two datasets about somebody be linked? Two halves of what is on record of a person are looked up by themselves.

They are linked where the same synthetic row is nearest to both.

Source: Giomi et al. 2023, arXiv:2211.10459, section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manikin.appraisal import Finding
from manikin.codebook import Disclosure, Variable
from manikin.real_data.attacks.residual import Contest, gate, measure
from manikin.real_data.attacks.sides import Ints, Whose, fewer, sides_of
from manikin.real_data.attacks.spaces import closest_mixed
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing
from manikin.streams import Floats

QUESTION = "Can two records of one person be linked?"
GROUP = "Linkability"
ATTACKS = 1_000
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class Linkability:
    """Asks whether two halves of a record can be linked.

    ``apart`` names the variables of one half; where empty those that may identify somebody, if there are any, and
    every other variable if not.
    """

    whose: Whose | None = None
    tolerance: Tolerance = DEFAULT
    apart: tuple[str, ...] = ()
    attacks: int = ATTACKS

    def __call__(self, examined: Examined) -> Finding:
        """Return the risk, beside the control and blind guesses."""
        sides = sides_of(examined, self.whose, most=self.attacks, known=0.0)
        if sides is None:
            return Finding("linkability", QUESTION, UNASSESSED, None)
        halves = _halves(sides.variables, self.apart)
        if not all(len(half) for half in halves):
            return Finding("linkability", QUESTION, "Not assessed: it takes two variables or more.", None)
        sides, seed = sides.evened(), sides.seed
        synthetic = fewer(sides.synthetic, _MOST_ROWS, seed, "linkability")
        used, control = (int(linked(sides.variables, halves, rows, synthetic).sum()) for rows in sides.one_each())
        total = sides.members.patients
        # Two blind picks of a row agree once in as many times as there are rows.
        picks = seed.stream("attacks", "blind links").uniform(0, 2 * total).reshape(2, total) * len(synthetic)
        found = Contest(total, used, control, int((picks[0].astype(int) == picks[1].astype(int)).sum()))
        bar, figure = gate("Linkability", found, self.tolerance), measure("Linked", found, self.tolerance, GROUP)
        answer = f"The halves of {found.used / total:.1%} of records of people used meet, and of {found.control / total:.1%} of others."
        return Finding("linkability", QUESTION, answer, bar.passed, (figure,), as_drawing(bar))


def linked(
    variables: tuple[Variable, ...], halves: tuple[Ints, Ints], people: Floats, synthetic: Floats
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return of whom the same synthetic row is nearest to both halves."""
    places = [
        closest_mixed(tuple(variables[place] for place in half), people[:, half], synthetic[:, half])[0]
        for half in halves
    ]
    return np.asarray(places[0] == places[1])


def _halves(variables: tuple[Variable, ...], apart: tuple[str, ...]) -> tuple[Ints, Ints]:
    identifying = (Disclosure.IDENTIFYING, Disclosure.QUASI_IDENTIFYING)
    one = [place for place, variable in enumerate(variables) if variable.name in apart]
    one = one or [place for place, variable in enumerate(variables) if variable.disclosure in identifying]
    if not 0 < len(one) < len(variables):
        one = list(range(0, len(variables), 2))
    other = [place for place in range(len(variables)) if place not in one]
    return np.array(one, np.int64), np.array(other, np.int64)
