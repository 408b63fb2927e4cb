"""What happens to patients over time: whether its order is possible, and what it looks like.

Enters: the encounters, events and states of a cohort as written. Leaves: counts of what can't be, which join those of
other impossible values, and a finding with what a report needs to draw it.
"""

from manikin.appraisal.time.finding import over_time
from manikin.appraisal.time.order import order

__all__ = ["order", "over_time"]
