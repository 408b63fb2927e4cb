"""The shape of a synthetic dataset: its tables, written in shards, with the truth kept beside them.

Enters: columns of patients from a ``Sampler``. Leaves: a ``Cohort``, whose tables are Arrow.
"""

from manikin.cohort.cohort import Cohort, open_cohort, plain
from manikin.cohort.layout import TABLES, WEIGHT, Columns, Field, Layout, Sampler, observed
from manikin.cohort.shards import SHARD_PATIENTS, Plan, write

__all__ = [
    "SHARD_PATIENTS",
    "TABLES",
    "WEIGHT",
    "Cohort",
    "Columns",
    "Field",
    "Layout",
    "Plan",
    "Sampler",
    "observed",
    "open_cohort",
    "plain",
    "write",
]
