"""Clinical model (and aggregates) in, columns of patients out.

Enters: a calibrated clinical model and what is wanted of it. Leaves: a ``Sampler``, from which a cohort is written.
"""

from manikin.generators.knowledge import KnowledgeSampler
from manikin.generators.selection import Selection, compared_number, condition_on, select

__all__ = ["KnowledgeSampler", "Selection", "compared_number", "condition_on", "select"]
