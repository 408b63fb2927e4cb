"""A study as declared, and the few lines that carry it out.

Enters: a study file, or the name of a clinical model. Leaves: a release, or a cohort in memory.
"""

from manikin.study.comparison import Compared, compare
from manikin.study.remake import remake, verify
from manikin.study.run import Made, available_cores, make, run
from manikin.study.scenarios import Scenario, scenarios_of
from manikin.study.study import (
    Study,
    accuracy_of,
    changed,
    defects_in,
    defects_of,
    is_study,
    parse_study,
    read_study,
    study_of,
)

__all__ = [
    "Compared",
    "Made",
    "Scenario",
    "Study",
    "accuracy_of",
    "available_cores",
    "changed",
    "compare",
    "defects_in",
    "defects_of",
    "is_study",
    "make",
    "parse_study",
    "read_study",
    "remake",
    "run",
    "scenarios_of",
    "study_of",
    "verify",
]
