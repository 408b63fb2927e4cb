"""Facts about populations, with their uncertainty: load, save, combine.

Enters: counts that were measured with noise, published tables. Leaves: an ``Aggregates`` that a fit can use and a person can read.
What is to be measured, ``MeasurePlan``, stands here as well: studies ask for it, and ``real_data`` carries it out.
"""

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.plan import WEIGHTS, Bound, EventPlan, MeasurePlan

__all__ = ["WEIGHTS", "Aggregate", "Bound", "EventPlan", "MeasurePlan"]
