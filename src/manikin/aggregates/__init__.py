"""Facts about populations, with their uncertainty: load, save, combine.

Enters: counts that were measured with noise, published tables. Leaves: an ``Aggregates`` that a fit can use and a person can read.
"""

from manikin.aggregates.aggregate import Aggregate

__all__ = ["Aggregate"]
