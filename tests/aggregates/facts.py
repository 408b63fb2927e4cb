"""Aggregates to test with."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from hypothesis import strategies as st

from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.codebook import Bins

SEX = Bins("sex", levels=("female", "male"))
AGE = Bins("age", cuts=(40.0, 60.0), unit="a", step=1.0)
HBA1C = Bins("hba1c", cuts=(5.7, 6.5), unit="%", step=0.1, missing=True)
BINS = (SEX, AGE, HBA1C)

_TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)
_NUMBERS = st.floats(-1e12, 1e12)


def table(*axes: Bins, values: Any = None, noise: float = 3.0, rho: float = 0.005, **rest: Any) -> Aggregate:
    shape = tuple(axis.count for axis in axes)
    counts = np.arange(100.0, 100 + np.prod(shape)).reshape(shape) if values is None else np.array(values, float)
    return Aggregate(axes, counts, noise, "discrete gaussian" if noise else "exact", rho, **rest)


def facts(*tables: Aggregate, site: str = "north", **changes: Any) -> Aggregates:
    ours: dict[str, Any] = {
        "site": site,
        "source": "registry-2025",
        "codebook": CodebookName("diabetes-screening", "1.0.0"),
        "population": "adults seen in 2025",
        "protection": Protection(Kind.PRIVATE, 1.0, 1e-6, 0.02, 3.0, "00ff"),
        "tier": Tier.OPEN,
        "patients": Patients(201.0, Told.NOISY, 3.0),
        "aggregates": tables or (table(SEX), table(SEX, AGE), table(HBA1C)),
        "made": date(2026, 1, 31),
    }
    return Aggregates(**{**ours, **changes})


def exact(*tables: Aggregate, site: str = "north", patients: float = 200, **changes: Any) -> Aggregates:
    return facts(
        *tables,
        site=site,
        **{
            "protection": Protection(Kind.SUPPRESSED, min_cell=10),
            "tier": Tier.CONTROLLED,
            "patients": Patients(patients, Told.EXACT),
            **changes,
        },
    )


@st.composite
def bins(draw: st.DrawFn, name: str) -> Bins:
    missing = draw(st.booleans())
    if draw(st.booleans()):
        levels = draw(st.lists(_TEXTS.filter(lambda one: one != "missing"), min_size=1, max_size=4, unique=True))
        return Bins(name, levels=tuple(levels), missing=missing)
    cuts = draw(st.lists(st.integers(-50, 50).map(lambda one: one / 2), max_size=3, unique=True))
    return Bins(name, cuts=tuple(sorted(cuts)), unit=draw(st.sampled_from(("", "%"))), missing=missing)


@st.composite
def documents(draw: st.DrawFn) -> Aggregates:
    known = [draw(bins(name)) for name in draw(st.lists(_TEXTS, min_size=1, max_size=3, unique=True))]
    tables = []
    for _ in range(draw(st.integers(1, 3))):
        axes = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique_by=lambda one: one.name)))
        shape = tuple(axis.count for axis in axes)
        size = int(np.prod(shape))
        values = draw(st.lists(st.one_of(_NUMBERS, st.just(float("nan"))), min_size=size, max_size=size))
        tables.append(table(*axes, values=np.reshape(values, shape), noise=draw(st.floats(1e-3, 1e6)), rho=1e-3))
    return facts(*tables, site=draw(_TEXTS), population=draw(_TEXTS))
