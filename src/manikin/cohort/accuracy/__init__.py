"""Studies of diagnostic accuracy, conducted on synthetic patients with the biases that real ones live with.

Enters: a ``Sampler`` and a ``Design``. Leaves: a ``Sampler`` whose patients were enrolled, tested and judged, with what
is true of them beside what the study knows.
"""

from manikin.cohort.accuracy.biases import (
    EVERYBODY,
    PERFECT,
    Bias,
    DifferentialVerification,
    Fallible,
    Group,
    Incorporation,
    Judged,
    PartialVerification,
    Phase,
    Progression,
    Reference,
    Review,
    Spectrum,
)
from manikin.cohort.accuracy.course import (
    INCONCLUSIVE,
    NEGATIVE,
    NONE,
    POSITIVE,
    RESULTS,
    Condition,
    Course,
    Patients,
    patients_of,
)
from manikin.cohort.accuracy.design import Design, IndexTest, bias_in_words, reference_in_words
from manikin.cohort.accuracy.reading import Known, read_accuracy
from manikin.cohort.accuracy.sampler import Studied, columns_of, fields_of

__all__ = [
    "EVERYBODY",
    "INCONCLUSIVE",
    "NEGATIVE",
    "NONE",
    "PERFECT",
    "POSITIVE",
    "RESULTS",
    "Bias",
    "Condition",
    "Course",
    "Design",
    "DifferentialVerification",
    "Fallible",
    "Group",
    "Incorporation",
    "IndexTest",
    "Judged",
    "Known",
    "PartialVerification",
    "Patients",
    "Phase",
    "Progression",
    "Reference",
    "Review",
    "Spectrum",
    "Studied",
    "bias_in_words",
    "columns_of",
    "fields_of",
    "patients_of",
    "read_accuracy",
    "reference_in_words",
]
