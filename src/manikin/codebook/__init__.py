"""What variables mean: units, codes, limits, bins, grounds, and derived clinical quantities with their formulas.

Enters: nothing but published knowledge. Leaves: the ``Variable`` that every other part reads instead of guessing.
"""

from manikin.codebook.formulas import FORMULAS, Formula
from manikin.codebook.units import check_unit, factor
from manikin.codebook.variable import (
    Basis,
    Citation,
    Disclosure,
    Grounds,
    Kind,
    Range,
    ReferenceInterval,
    Variable,
    in_sentence,
    snap,
)

__all__ = [
    "FORMULAS",
    "Basis",
    "Citation",
    "Disclosure",
    "Formula",
    "Grounds",
    "Kind",
    "Range",
    "ReferenceInterval",
    "Variable",
    "check_unit",
    "factor",
    "in_sentence",
    "snap",
]
