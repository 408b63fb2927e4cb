"""Audits the exponential mechanism, by repeated choices among candidates of which a patient makes one better."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.audit.bounds import CONFIDENCE, at_least
from benchmarks.audit.world import SOURCE
from manikin.privacy import Budget, Ledger
from manikin.privacy.noise import choosing_noise

CANDIDATES = 8
CHOICE_EPSILON = 1.0


def choices(often: int, folder: Path, halved: bool = False) -> tuple[int, int]:
    """Return how often the one candidate was chosen with the patient, who makes it better, and without."""
    rho = CHOICE_EPSILON**2 / 8
    with_patient = np.array([0.5] + [-0.5] * (CANDIDATES - 1))
    chosen = []
    for scores in (with_patient, -with_patient):
        hits = 0
        for number in range(often):
            if number % 50 == 0:
                path = folder / "choices.jsonl"
                path.unlink(missing_ok=True)
                account = Ledger(path).account(SOURCE, Budget(1000.0, 1e-6))
            index = (
                choosing_noise(4 * rho, 1.0).draw(scores.tolist())
                if halved
                else account.choose(scores, rho, "a candidate").index
            )
            hits += index == 0
        chosen.append(hits)
    return chosen[0], chosen[1]


def choice_epsilon(hits: tuple[int, int], often: int, confidence: float = CONFIDENCE) -> float:
    """Return the epsilon that the two shares prove, by how often the one is chosen."""
    half = (1 - confidence) / 2
    return max(0.0, math.log(at_least(hits[0], often, half) / (1 - at_least(often - hits[1], often, half))))
