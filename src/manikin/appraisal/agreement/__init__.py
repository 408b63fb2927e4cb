"""What aggregates changed: the clinical model, what was told, the fit between them, and the cohort that came of it.

Enters: a cohort whose model was bent, and how. Leaves: a ``Finding``; ``promise`` says how patients are protected.
"""

from manikin.appraisal.agreement.facts import promise
from manikin.appraisal.agreement.finding import agreement

__all__ = ["agreement", "promise"]
