"""The shape of a synthetic dataset: its tables, written in shards, with the truth kept beside them.

Enters: columns of patients from a ``Sampler``. Leaves: a ``Cohort``, whose tables are Arrow.
"""

from manikin.cohort.cohort import Cohort, open_cohort, plain
from manikin.cohort.layout import DEFECTS, TABLES, WEIGHT, Asked, Columns, Field, Layout, Sampler, observed, recorded
from manikin.cohort.shards import SHARD_PATIENTS, Plan, write

__all__ = [
    "DEFECTS",
    "SHARD_PATIENTS",
    "TABLES",
    "WEIGHT",
    "Asked",
    "Cohort",
    "Columns",
    "Field",
    "Layout",
    "Plan",
    "Sampler",
    "observed",
    "open_cohort",
    "plain",
    "recorded",
    "write",
]
