"""The shape of a synthetic dataset: its tables, written in shards, with the truth kept beside them.

Enters: columns of patients from a ``Sampler``. Leaves: a ``Cohort``, whose tables are Arrow.
"""

from manikin.cohort.cohort import Cohort, open_cohort, plain
from manikin.cohort.index import code_of
from manikin.cohort.layout import (
    CLEAN_ENCOUNTERS,
    CLEAN_EVENTS,
    DEFECTS,
    DUPLICATES,
    INDEX_DATE,
    STATES,
    TABLES,
    TIMELINE,
    WEIGHT,
    Asked,
    Columns,
    Field,
    Layout,
    Sampler,
    observed,
    recorded,
)
from manikin.cohort.shards import SHARD_PATIENTS, Plan, shard_patients, write
from manikin.cohort.timeline import Encounters, Entry, Events, States, Timeline, Vocabulary

__all__ = [
    "CLEAN_ENCOUNTERS",
    "CLEAN_EVENTS",
    "DEFECTS",
    "DUPLICATES",
    "INDEX_DATE",
    "SHARD_PATIENTS",
    "STATES",
    "TABLES",
    "TIMELINE",
    "WEIGHT",
    "Asked",
    "Cohort",
    "Columns",
    "Encounters",
    "Entry",
    "Events",
    "Field",
    "Layout",
    "Plan",
    "Sampler",
    "States",
    "Timeline",
    "Vocabulary",
    "code_of",
    "observed",
    "open_cohort",
    "plain",
    "recorded",
    "shard_patients",
    "write",
]
