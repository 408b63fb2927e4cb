"""Imperfect records, made on purpose from a clean cohort, whose clean twin stays in the truth.

Enters: a ``Sampler`` and the defects asked for. Leaves: a ``Sampler`` of imperfect records with a log of each change.
"""

from manikin.cohort.defects.defect import (
    Aim,
    Chance,
    Condition,
    Defect,
    Dose,
    Drawn,
    Records,
    UnderRepresent,
    in_words,
)
from manikin.cohort.defects.imperfect import REFERENCE_PATIENTS, Imperfect, imperfect
from manikin.cohort.defects.labels import LabelNoise
from manikin.cohort.defects.log import tally_of
from manikin.cohort.defects.missing import Missing
from manikin.cohort.defects.numbers import Heaping, Offset, Swapped, TypingError, UnitMixUp
from manikin.cohort.defects.reading import Known, presets, read_defects

__all__ = [
    "REFERENCE_PATIENTS",
    "Aim",
    "Chance",
    "Condition",
    "Defect",
    "Dose",
    "Drawn",
    "Heaping",
    "Imperfect",
    "Known",
    "LabelNoise",
    "Missing",
    "Offset",
    "Records",
    "Swapped",
    "TypingError",
    "UnderRepresent",
    "UnitMixUp",
    "imperfect",
    "in_words",
    "presets",
    "read_defects",
    "tally_of",
]
