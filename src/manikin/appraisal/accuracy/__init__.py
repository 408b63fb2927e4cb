"""What a study of diagnostic accuracy finds, beside what is true of its patients.

Enters: a cohort whose patients took part in a study, and its design. Leaves: a ``Finding``.
"""

from manikin.appraisal.accuracy.finding import accuracy

__all__ = ["accuracy"]
