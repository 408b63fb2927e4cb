"""What is guessed about somebody whose other values are known: that of the nearest synthetic row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.codebook import Disclosure, Variable
from manikin.real_data.attacks.sides import Ints
from manikin.real_data.attacks.spaces import closest_mixed
from manikin.streams import Floats

Truths = npt.NDArray[np.bool_]

# As in Giomi et al. 2023, section 5.3: a number is guessed where it lies within 5% of the guess.
_NEAR = 0.05
MOST_VARIABLES = 6


@dataclass(frozen=True, eq=False)
class Guesses:
    """A guess for each person, and how far the row lies from which it was taken."""

    values: Floats
    distances: Floats


def guesses(
    variables: tuple[Variable, ...], secret: int, people: Floats, synthetic: Floats, ranges: Floats | None = None
) -> Guesses:
    """Return the value that the nearest synthetic row has, by all other variables; see ``closest_mixed``."""
    known = [place for place in range(len(variables)) if place != secret]
    scale = None if ranges is None else ranges[:, known]
    places, distances = closest_mixed(
        tuple(variables[place] for place in known), people[:, known], synthetic[:, known], scale
    )
    return Guesses(synthetic[places, secret], distances)


def within(variable: Variable, guessed: Floats, true: Floats) -> Truths:
    """Return who was guessed: exactly, or for a number within 5%; that there is no value can be guessed too."""
    allowed = _NEAR * np.abs(guessed) + 1e-12 if variable.numeric else 0.0
    return np.asarray((np.abs(guessed - true) <= allowed) | (np.isnan(guessed) & np.isnan(true)))


def binned(variable: Variable, guessed: Floats, true: Floats) -> Truths:
    """Return who was guessed: exactly, or for a number with declared bins the bin; within 5% where none are declared."""
    if not variable.numeric or not variable.cuts:
        return within(variable, guessed, true)
    cuts = np.array(variable.cuts)
    here, there = (np.searchsorted(cuts, values, side="right") for values in (guessed, true))
    absent, missing = np.isnan(guessed), np.isnan(true)
    return np.asarray(np.where(absent | missing, absent & missing, here == there))


def secrets(variables: tuple[Variable, ...], named: tuple[str, ...]) -> Ints:
    """Return the places of what is to be guessed: what is named, else what is sensitive, else whatever doesn't identify."""
    for wanted in (
        [variable.name in named for variable in variables],
        [variable.disclosure is Disclosure.SENSITIVE for variable in variables],
        [variable.disclosure is Disclosure.PLAIN for variable in variables],
    ):
        if any(wanted):
            return np.flatnonzero(wanted)[: None if named else MOST_VARIABLES]
    return np.arange(len(variables))[:MOST_VARIABLES]
