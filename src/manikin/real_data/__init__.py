"""The only package that reads rows about real people. Findings and aggregates leave it, never rows.

Enters: records inside an institution, and a mapping of their columns to the codebook. Leaves: a ``Finding``,
from events a fitted sampler, and aggregates that were bought from a ledger, or suppressed.
Only the command line may import this package.
"""

from manikin.real_data.adaptive import Adaptive
from manikin.real_data.compare import comparison
from manikin.real_data.federated import counting
from manikin.real_data.leaving import Sender, private, suppressed
from manikin.real_data.measure import Strategy, Survey, measure, survey, tables
from manikin.real_data.people import People
from manikin.real_data.questions import Order, Question
from manikin.real_data.sequences import Learnt, learn_sequences
from manikin.real_data.spanning import Spanning

__all__ = [
    "Adaptive",
    "Learnt",
    "Order",
    "People",
    "Question",
    "Sender",
    "Spanning",
    "Strategy",
    "Survey",
    "comparison",
    "counting",
    "learn_sequences",
    "measure",
    "private",
    "suppressed",
    "survey",
    "tables",
]
