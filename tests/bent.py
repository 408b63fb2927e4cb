"""A site unlike the toy model, and what it tells: a way to bend the model on purpose, with a truth that is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.clinic import Program, calibrate, parse_model
from manikin.codebook import Bins, Domain, bins_of
from manikin.generators import KnowledgeSampler
from manikin.generators.tilt import binned
from manikin.streams import Ordinals, Seed
from toy import TOY

BINNED = (
    TOY.replace("    kind: count\n", "    kind: count\n    bins: [40, 60]\n")
    .replace('sbp:\n    unit: "mm[Hg]"\n', 'sbp:\n    unit: "mm[Hg]"\n    bins: [120, 140]\n')
    .replace('hba1c: {unit: "%", precision: 0.1,', 'hba1c: {unit: "%", precision: 0.1, bins: [5.7, 6.5],')
)
# Older, more who smoke, more ill, and illness hangs together with age more closely.
ELSEWHERE = (
    BINNED.replace("{18..39: 40, 40..59: 35, 60..100: 25}", "{18..39: 25, 40..59: 30, 60..100: 45}")
    .replace("{never: 60, former: 25, current: 15}", "{never: 45, former: 25, current: 30}")
    .replace("odds-ratio: 1.8, interval: [1.5, 2.1]", "odds-ratio: 3, interval: [2.5, 3.5]")
    .replace('"15.8% ± 1%"', '"22% ± 1%"')
)
TABLES = (("age",), ("sex",), ("sbp",), ("smoking",), ("ill",), ("hba1c",), ("age", "ill"), ("age", "sbp"))
MISSING = frozenset({"hba1c"})


def program_of(text: str) -> Program:
    """Return a calibrated model."""
    return calibrate(parse_model(text)).program


def axis_of(program: Program, name: str) -> Bins:
    """Return the bins in which the site counts a variable: those who are not on record only where they can be."""
    return bins_of(program.model.variables[name].meaning, missing=name in MISSING)


def codes_of(program: Program, ordinals: Ordinals, domain: Domain, seed: int = 5) -> Any:
    """Return the bins of patients of a model, as its own sampler makes them."""
    model = program.model
    columns = KnowledgeSampler(model, program.parameters, program.latent, Seed(seed)).draw(ordinals)
    return binned(program, {**program.parameters, **columns}, domain)[0]


def told_by(
    program: Program,
    tables: Sequence[Sequence[str]] = TABLES,
    *,
    patients: int = 4_000,
    noise: float = 8.0,
    seed: int = 5,
    **changes: Any,
) -> Aggregates:
    """Return what a site with patients of this model tells: counts, with noise of this standard deviation."""
    domain = Domain(tuple(axis_of(program, name) for name in dict.fromkeys(name for one in tables for name in one)))
    codes = codes_of(program, np.arange(patients), domain, seed)
    chance = np.random.default_rng(seed)
    counted = []
    for names in tables:
        axes = tuple(domain.axes[place] for place in domain.of(names))
        shape = tuple(axis.count for axis in axes)
        cells = np.ravel_multi_index(tuple(codes[:, place] for place in domain.of(names)), shape)
        values = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
        counted.append(
            Aggregate(
                axes, values + np.rint(chance.normal(0, noise, shape)), noise, "discrete gaussian", 0.5 / noise**2
            )
        )
    rho = sum(one.rho for one in counted)
    ours: dict[str, Any] = {
        "site": "north",
        "source": "clinic of the north",
        "codebook": CodebookName(program.model.name, program.model.version),
        "population": "people who do not exist",
        "protection": Protection(Kind.PRIVATE, 2.0, 1e-6, rho),
        "tier": Tier.REGISTERED,
        "patients": Patients(float(patients), Told.PUBLIC),
        "aggregates": tuple(counted),
        "made": date(2026, 1, 31),
    }
    return Aggregates(**{**ours, **changes})
