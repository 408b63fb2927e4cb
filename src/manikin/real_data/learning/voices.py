"""Counts of what happens to patients in which each has one voice, however much happened to them.

A patient of whom a hundred things are on record speaks a hundredth as loud about each. So one patient changes all
counts of a table together by one at most, in the sum and in the Euclidean norm, and no bound has to be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.real_data.learning.generator import Allowance
from manikin.streams import Floats

# Voices are counted in so many parts, since noise is added to whole numbers.
_PARTS = 10_000
# What lies within so many standard deviations of the noise is taken for nothing.
_DOUBTFUL = 2.0


@dataclass(frozen=True, eq=False)
class Voices:
    """Noisy counts, in patients: none that noise alone may have made; and the receipt, if they were bought."""

    counts: Floats
    receipts: tuple[str, ...] = ()


def voices(patient: Any, cell: Any, shape: tuple[int, ...], allowance: Allowance, what: str) -> Voices:
    """Return how many patients speak for each cell, for all of an allowance.

    Args:
        patient: Whose each thing is, shape (things,).
        cell: What each is, as a place among the cells, shape (things,).
        shape: Of the table.
        allowance: What it may cost.
        what: What is counted, in words for a person.
    """
    size = int(np.prod(shape))
    times = np.bincount(patient, minlength=1)
    # Rounded down, so that no voice is louder than one.
    loud = _PARTS // np.maximum(times, 1)[patient]
    exact = np.bincount(cell, loud, minlength=size).astype(np.int64)
    noisy = allowance.counts(exact, what, float(_PARTS))
    kept = np.where(noisy.values > _DOUBTFUL * noisy.sigma, noisy.values, 0) / _PARTS
    return Voices(np.asarray(kept, np.float64).reshape(shape), (noisy.receipt,))


def shares_of(counts: Floats) -> Floats:
    """Return shares by row, with a little for every cell; a row of nobody is even."""
    total = counts.sum(axis=-1, keepdims=True)
    spoken = np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / counts.shape[-1])
    return np.asarray(0.99 * spoken + 0.01 / counts.shape[-1], np.float64)
