"""Simulated people, releases made of them, and how often a release is honest: what the tests of attacks share."""

from __future__ import annotations

import numpy as np

from manikin.codebook import Disclosure, Kind, Variable
from manikin.real_data.examining import Examined
from manikin.real_data.mapping import MappedColumn, RecordMapping
from manikin.real_data.records import Sample
from manikin.streams import Floats, Seed

VARIABLES = (
    Variable("age", Kind.QUANTITY, "Age", unit="a", disclosure=Disclosure.QUASI_IDENTIFYING),
    Variable("sbp", Kind.QUANTITY, "Systolic pressure", unit="mm[Hg]", cuts=(100.0, 120.0, 140.0)),
    Variable("crp", Kind.QUANTITY, "CRP", unit="mg/L"),
    Variable("sex", Kind.CATEGORY, "Sex", levels=("f", "m"), disclosure=Disclosure.SENSITIVE),
    Variable("site", Kind.CATEGORY, "Site", levels=("a", "b", "c"), disclosure=Disclosure.QUASI_IDENTIFYING),
)
MAPPING = RecordMapping("simulated", tuple(MappedColumn(one, (one.name,)) for one in VARIABLES), None, None)


def people(seed: int, size: int) -> Floats:
    """Return people of one population, shape (size, 5)."""
    rng = np.random.Generator(np.random.Philox(seed))
    age = rng.normal(50, 15, size)
    return np.column_stack(
        [
            age,
            100 + 0.5 * age + rng.normal(0, 12, size),
            np.exp(rng.normal(0, 0.5, size)),
            (rng.random(size) < 0.4).astype(float),
            np.floor(3 * rng.random(size)),
        ]
    )


def sample(values: Floats) -> Sample:
    return Sample({one.name: values[:, place] for place, one in enumerate(VARIABLES)}, np.ones(len(values)))


def memorising(used: Floats, fresh: Floats, share: float) -> Floats:
    """Return a release of as many rows in which a share of those used stand as they are."""
    copied = used[: round(share * len(used))]
    return np.concatenate([copied, fresh[: max(0, len(used) - len(copied))]])


def examined(share: float, *, size: int = 600, world: int = 0, synthetic: Floats | None = None) -> Examined:
    """Return a release that memorises a share of those used, beside them and as many others."""
    used, unused, fresh = (people(10 * world + part, size) for part in (1, 2, 3))
    made = memorising(used, fresh, share) if synthetic is None else synthetic
    return Examined(sample(made), sample(used), sample(unused), MAPPING, Seed(world))
