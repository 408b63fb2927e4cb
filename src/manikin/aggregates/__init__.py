"""Facts about populations, with their uncertainty: load, save, combine.

Enters: counts that were measured with noise, published tables. Leaves: an ``Aggregates`` that a fit can use and a person can read.
What is to be measured, ``MeasurePlan``, stands here as well: studies ask for it, and ``real_data`` carries it out.
"""

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import (
    Aggregates,
    CodebookName,
    Difference,
    Kind,
    Part,
    Patients,
    Protection,
    Signature,
    Tier,
    Told,
    check_against,
)
from manikin.aggregates.combining import SITE, about_everyone, combine, patients_of
from manikin.aggregates.differences import disagreements
from manikin.aggregates.plan import WEIGHTS, Bound, EventPlan, MeasurePlan
from manikin.aggregates.published import published
from manikin.aggregates.signing import (
    SigningKey,
    Trust,
    load,
    loads,
    make_key,
    read_key,
    read_trust,
    signed,
    verify,
)
from manikin.aggregates.writing import SCHEMA, canonical, digest, save, to_json

__all__ = [
    "SCHEMA",
    "SITE",
    "WEIGHTS",
    "Aggregate",
    "Aggregates",
    "Bound",
    "CodebookName",
    "Difference",
    "EventPlan",
    "Kind",
    "MeasurePlan",
    "Part",
    "Patients",
    "Protection",
    "Signature",
    "SigningKey",
    "Tier",
    "Told",
    "Trust",
    "about_everyone",
    "canonical",
    "check_against",
    "combine",
    "digest",
    "disagreements",
    "load",
    "loads",
    "make_key",
    "patients_of",
    "published",
    "read_key",
    "read_trust",
    "save",
    "signed",
    "to_json",
    "verify",
]
