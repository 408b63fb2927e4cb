"""Facts about populations, with their uncertainty: load, save, combine.

Enters: counts that were measured with noise, published tables. Leaves: an ``Aggregates`` that a fit can use and a person can read.
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
    "Aggregate",
    "Aggregates",
    "CodebookName",
    "Difference",
    "Kind",
    "Part",
    "Patients",
    "Protection",
    "Signature",
    "SigningKey",
    "Tier",
    "Told",
    "Trust",
    "canonical",
    "check_against",
    "digest",
    "load",
    "loads",
    "make_key",
    "read_key",
    "read_trust",
    "save",
    "signed",
    "to_json",
    "verify",
]
