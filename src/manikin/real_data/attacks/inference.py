"""Can a value of somebody be inferred? All other values are known; the nearest synthetic row's value is the guess.

Source: Giomi et al. 2023, arXiv:2211.10459, section 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from manikin.appraisal import Finding
from manikin.codebook import in_sentence
from manikin.real_data.attacks.guessing import guesses, secrets, within
from manikin.real_data.attacks.residual import Contest, gate, measure
from manikin.real_data.attacks.sides import Sides, Whose, fewer, sides_of
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing
from manikin.streams import Floats

QUESTION = "Can a value be inferred, beyond what holds of everybody?"
GROUP = "Inference"
ATTACKS = 1_000
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class Inference:
    """Asks whether values can be inferred: of ``named`` variables, else of those that the codebook calls sensitive."""

    whose: Whose | None = None
    tolerance: Tolerance = DEFAULT
    named: tuple[str, ...] = ()
    attacks: int = ATTACKS

    def __call__(self, examined: Examined) -> Finding:
        """Return the risk of each variable, beside the control and blind guesses, and a gate for the highest."""
        sides = sides_of(examined, self.whose, most=self.attacks, known=0.0)
        if sides is None:
            return Finding("inference", QUESTION, UNASSESSED, None)
        if len(sides.variables) < 2:
            return Finding("inference", QUESTION, "Not assessed: it takes two variables or more.", None)
        sides = sides.evened()
        synthetic = fewer(sides.synthetic, _MOST_ROWS, sides.seed, "inference")
        places = secrets(sides.variables, self.named)
        contests = {sides.variables[place].title: contest(sides, int(place), synthetic) for place in places}
        measures = tuple(measure(title, one, self.tolerance, GROUP) for title, one in contests.items())
        gates = tuple(
            gate(f"Inference of {in_sentence(title)}", one, self.tolerance.among(len(contests)))
            for title, one in contests.items()
        )
        worst = max(measures, key=lambda one: one.value)
        answer = (
            f"Most is inferred about {in_sentence(worst.name)}: risk {worst.value:.1%}, of {len(contests)} variables."
        )
        return Finding("inference", QUESTION, answer, all(one.passed for one in gates), measures, as_drawing(*gates))


def contest(sides: Sides, secret: int, synthetic: Floats) -> Contest:
    """Return how often a value is guessed, of those used, of the control, and blindly."""
    variable, (members, others) = sides.variables[secret], sides.one_each()
    used, control = (
        int(within(variable, guesses(sides.variables, secret, people, synthetic).values, people[:, secret]).sum())
        for people in (members, others)
    )
    picks = sides.seed.stream("attacks", "blind values", variable.name).uniform(0, len(members)) * len(synthetic)
    naive = int(within(variable, synthetic[picks.astype(int), secret], members[:, secret]).sum())
    return Contest(len(members), used, control, naive)
