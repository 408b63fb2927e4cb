"""What variables mean: units, codes, limits, bins, grounds, and derived clinical quantities with their formulas.

Enters: nothing but published knowledge. Leaves: the ``Variable`` that every other part reads instead of guessing.
"""

from manikin.codebook.bins import YES_NO, Bins, Codes, Domain, bins_of, drawn_from
from manikin.codebook.calendar import ENDINGS, Days, IndexDates, Season, day_of_year
from manikin.codebook.dictionary import Described, read_dictionary
from manikin.codebook.drafting import draft
from manikin.codebook.formulas import FORMULAS, Formula
from manikin.codebook.labels import unit_label
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
    "ENDINGS",
    "FORMULAS",
    "YES_NO",
    "Basis",
    "Bins",
    "Citation",
    "Codes",
    "Days",
    "Described",
    "Disclosure",
    "Domain",
    "Formula",
    "Grounds",
    "IndexDates",
    "Kind",
    "Range",
    "ReferenceInterval",
    "Season",
    "Variable",
    "bins_of",
    "check_unit",
    "day_of_year",
    "draft",
    "drawn_from",
    "factor",
    "in_sentence",
    "read_dictionary",
    "snap",
    "unit_label",
]
