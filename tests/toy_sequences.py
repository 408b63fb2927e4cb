"""A small process whose states and parameters are known, and the sequences that it makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manikin.codebook import Kind, Range, Variable
from manikin.generators.sequence import Domain, Durations, Histories, Item, SemiMarkov, StateCounts
from manikin.streams import Ordinals, Seed


def quantity(name: str, unit: str, low: float, high: float, step: float, *cuts: float) -> Variable:
    limits = Range(low, high)
    return Variable(name, Kind.QUANTITY, name, unit, possible=limits, usual=limits, precision=step, cuts=cuts)


DOMAIN = Domain(
    "toy ward",
    (
        Item(quantity("dbp", "mm[Hg]", 20, 200, 1, 60, 90)),
        Item(quantity("sbp", "mm[Hg]", 40, 250, 2, 90, 140)),
        Item(quantity("lactate", "mmol/L", 0, 30, 0.1, 2, 4)),
        Item(Variable("ventilation", Kind.CONDITION, "Ventilation"), "procedure"),
        Item(Variable("rhythm", Kind.CATEGORY, "Rhythm", levels=("sinus", "af", "paced"))),
    ),
    horizon=1_000,
    statics=(quantity("age", "a", 18, 100, 1), Variable("sex", Kind.CATEGORY, "Sex", levels=("female", "male"))),
    ascending=(("dbp", "sbp"),),
)

STATES = ("well", "ill")
COUNTS = StateCounts(
    STATES,
    starts=np.array([70.0, 30.0]),
    transitions=np.array([[0.0, 80.0], [60.0, 0.0]]),
    endings=np.array([[0.0, 0.0, 20.0, 0.0], [40.0, 0.0, 0.0, 0.0]]),
    dwells=np.array([[0.0, 50.0, 50.0, 0.0], [0.0, 0.0, 40.0, 60.0]]),
    edges=np.array([1.0, 30.0, 80.0, 200.0, 400.0]),
)


def process(sickness: float = 1.0) -> SemiMarkov:
    """Return the process; ``sickness`` moves the values of those who are ill."""
    shares = {
        "dbp": (0.9, 0.95),
        "sbp": (0.9, 0.95),
        "lactate": (0.1, 0.7),
        "ventilation": (0.02, 0.3),
        "rhythm": (0.2, 0.5),
    }
    counted = SemiMarkov.from_counts(DOMAIN, COUNTS, {name: np.array(share) for name, share in shares.items()})
    flat = counted.emission
    level = np.outer([-0.3, sickness], np.ones(5))
    gap = Durations(np.array([1.0, 11, 21, 41, 1001, 2002]), np.array([[0, 0, 1.0, 0, 0], [0.5, 0.5, 0, 0, 0]]))
    emission = replace(
        flat,
        first=level,
        first_spread=flat.spread * 0.6,
        level=0.5 * level,
        memory=flat.memory + 0.5,
        spread=flat.spread * 0.5,
    )
    return replace(counted, gap=gap, emission=emission, announced=False)


def histories(sampler: SemiMarkov, people: int, seed: int = 1, first: int = 0) -> Histories:
    ordinals: Ordinals = np.arange(first, first + people)
    seeded = sampler.seeded(Seed(seed))
    return Histories(seeded.timeline(ordinals), seeded.statics(ordinals))
