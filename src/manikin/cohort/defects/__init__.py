"""Imperfect records, made on purpose from a clean cohort, whose clean twin stays in the truth.

Enters: a ``Sampler`` and the defects asked for. Leaves: a ``Sampler`` of imperfect records with a log of each change.
"""

from manikin.cohort.defects.carried import CarryForward
from manikin.cohort.defects.chart import Chart, OverTime, Strike, Twins
from manikin.cohort.defects.clocks import ClockShift, RoundingOfTimes
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
from manikin.cohort.defects.duplicates import DuplicatePatients
from manikin.cohort.defects.imperfect import REFERENCE_PATIENTS, Imperfect, imperfect
from manikin.cohort.defects.labels import LabelNoise
from manikin.cohort.defects.log import tally_of
from manikin.cohort.defects.lost import MissingEvents, MissingVisits
from manikin.cohort.defects.missing import Missing
from manikin.cohort.defects.numbers import Heaping, Offset, Swapped, TypingError, UnitMixUp
from manikin.cohort.defects.reader import AnyDefect, Known
from manikin.cohort.defects.reading import presets, read_defects
from manikin.cohort.defects.sites import SiteEffect

__all__ = [
    "REFERENCE_PATIENTS",
    "Aim",
    "AnyDefect",
    "CarryForward",
    "Chance",
    "Chart",
    "ClockShift",
    "Condition",
    "Defect",
    "Dose",
    "Drawn",
    "DuplicatePatients",
    "Heaping",
    "Imperfect",
    "Known",
    "LabelNoise",
    "Missing",
    "MissingEvents",
    "MissingVisits",
    "Offset",
    "OverTime",
    "Records",
    "RoundingOfTimes",
    "SiteEffect",
    "Strike",
    "Swapped",
    "Twins",
    "TypingError",
    "UnderRepresent",
    "UnitMixUp",
    "imperfect",
    "in_words",
    "presets",
    "read_defects",
    "tally_of",
]
