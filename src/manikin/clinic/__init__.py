"""Clinical models: the language in which knowledge is written, its compiler, and the built-in library.

Enters: a model file, every number with its source. Leaves: a checked ``ClinicalModel`` and, compiled and calibrated
to its published targets, the ``Program`` that a generator samples.
"""

from manikin.clinic.calibration import Calibrated, calibrate, realised_correlations, repairs
from manikin.clinic.estimates import Estimate, correlation, estimate
from manikin.clinic.flat import Told, flat_model
from manikin.clinic.library import built_in, find_codebook, find_model, travelled
from manikin.clinic.model import (
    ClinicalModel,
    Codebook,
    Correlation,
    Dependence,
    Intent,
    ModelVariable,
    Published,
    Role,
    Statistic,
    Target,
    codebook_of,
)
from manikin.clinic.program import Program, compile_model
from manikin.clinic.reading import is_codebook, parse_codebook, parse_model, read_codebook, read_model
from manikin.clinic.rules import Derived

__all__ = [
    "Calibrated",
    "ClinicalModel",
    "Codebook",
    "Correlation",
    "Dependence",
    "Derived",
    "Estimate",
    "Intent",
    "ModelVariable",
    "Program",
    "Published",
    "Role",
    "Statistic",
    "Target",
    "Told",
    "built_in",
    "calibrate",
    "codebook_of",
    "compile_model",
    "correlation",
    "estimate",
    "find_codebook",
    "find_model",
    "flat_model",
    "is_codebook",
    "parse_codebook",
    "parse_model",
    "read_codebook",
    "read_model",
    "realised_correlations",
    "repairs",
    "travelled",
]
