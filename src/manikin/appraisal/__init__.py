"""Questions asked of a cohort, the gates, and the report.

Enters: a cohort and the calibrated model it was made from. Leaves: an ``Appraisal``, for machines as JSON and for
people as one self-contained page.
"""

from manikin.appraisal.appraisal import Appraisal
from manikin.appraisal.appraise import appraise, graph_of, model_facts
from manikin.appraisal.check import Check, Subject
from manikin.appraisal.finding import Finding, Gate, Measure

__all__ = ["Appraisal", "Check", "Finding", "Gate", "Measure", "Subject", "appraise", "graph_of", "model_facts"]
