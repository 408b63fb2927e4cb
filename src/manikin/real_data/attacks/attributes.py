"""Is more told about somebody because they were used? Guesses about them beside guesses about as many who were not.

What follows about everybody like them is no fault of the release; only the difference counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manikin.appraisal import Finding, Gate, Measure
from manikin.codebook import Variable, in_sentence
from manikin.real_data.attacks.guessing import binned, guesses, secrets
from manikin.real_data.attacks.rates import Rate, difference
from manikin.real_data.attacks.sides import Sides, Whose, fewer, sides_of
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing
from manikin.streams import Floats

QUESTION = "Is more told about somebody because they were used?"
GROUP = "Guessing a value, those used less those not used"
# The attacker also names those of whom it is surest: whose nearest row is nearer than this share of strangers' are.
SUREST = 0.1
_MOST_PATIENTS, _MOST_ROWS = 2_000, 10_000
_STRANGERS = 0.2


@dataclass(frozen=True)
class Attributes:
    """Asks for the advantage of guesses: of ``named`` variables, else of those that the codebook calls sensitive."""

    whose: Whose | None = None
    tolerance: Tolerance = DEFAULT
    named: tuple[str, ...] = ()

    def __call__(self, examined: Examined) -> Finding:
        """Return for each variable how much oftener a guess is right of those used, among all and among the surest."""
        sides = sides_of(examined, self.whose, most=_MOST_PATIENTS, known=_STRANGERS)
        if sides is None:
            return Finding("attributes", QUESTION, UNASSESSED, None)
        if len(sides.variables) < 2:
            return Finding("attributes", QUESTION, "Not assessed: it takes two variables or more.", None)
        sides = sides.evened()
        synthetic = fewer(sides.synthetic, _MOST_ROWS, sides.seed, "attributes")
        chosen = secrets(sides.variables, self.named)
        found = [one for place in chosen for one in _advantages(sides, int(place), synthetic)]
        tolerance = self.tolerance.among(len(found))
        gates = tuple(_gate(one, tolerance) for one in found)
        worst = max(found, key=lambda one: one.value)
        answer = (
            f"The value of the nearest synthetic row is right at most {worst.value:+.1%} more often of those used than of as "
            f"many others ({in_sentence(worst.name)}); {sides.members.patients:,} people on each side."
        )
        measures = tuple(_measure(one, tolerance) for one in found)
        return Finding("attributes", QUESTION, answer, all(one.passed for one in gates), measures, as_drawing(*gates))


@dataclass(frozen=True)
class Advantage:
    """How often a guess was right, of those used and of the control group."""

    name: str
    used: Rate
    control: Rate

    @property
    def value(self) -> float:
        """The difference."""
        return self.used.value - self.control.value

    def at_least(self, confidence: float) -> float:
        """Return the one-sided lower bound of the difference."""
        return difference(self.used, self.control, 2 * confidence - 1)[0]


def _advantages(sides: Sides, secret: int, synthetic: Floats) -> tuple[Advantage, Advantage]:
    variable = sides.variables[secret]
    # Strangers say what is near, and the synthetic rows how far is far: neither side has a part in where the line is.
    strangers = sides.reference.one_each(np.arange(len(sides.reference.of), dtype=np.float64))
    near = float(np.quantile(guesses(sides.variables, secret, strangers, synthetic, synthetic).distances, SUREST))
    right, sure = [], []
    for people in sides.one_each():
        guessed = guesses(sides.variables, secret, people, synthetic, synthetic)
        hit = binned(variable, guessed.values, people[:, secret])
        right.append(Rate(int(hit.sum()), len(people)))
        sure.append(Rate(int((hit & (guessed.distances <= near)).sum()), len(people)))
    return Advantage(variable.title, *right), Advantage(_sure(variable), *sure)


def _sure(variable: Variable) -> str:
    return f"{variable.title}, where surest"


def _measure(one: Advantage, tolerance: Tolerance) -> Measure:
    return Measure(
        one.name,
        one.value,
        difference(one.used, one.control),
        0.0,
        passed=one.at_least(tolerance.confidence) <= tolerance.advantage,
        unit="share",
        group=GROUP,
        note=f"right of {one.used.value:.1%} used and {one.control.value:.1%} not used, {one.used.total:,} each",
    )


def _gate(one: Advantage, tolerance: Tolerance) -> Gate:
    least = one.at_least(tolerance.confidence)
    return Gate(
        f"Guessing {in_sentence(one.name)}",
        f"not shown to be right {tolerance.advantage:.0%} oftener of those used",
        f"{one.value:+.1%}, surely above {least:+.1%}",
        least <= tolerance.advantage,
        "Manikin",
        "who was used is told about: don't release it",
    )
