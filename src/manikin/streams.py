"""Addressed randomness: a draw is a function of (seed, name of the draw, ordinal of the patient).

Each name has a Philox stream of its own, and each patient a fixed place in it. A shard can therefore be computed
anywhere, in any order, twice, and is the same to the byte; a new variable leaves all others as they were; and two
scenarios share every draw that they have in common.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC11), doi:10.1145/2063384.2063405.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.errors import RequestError

Floats = npt.NDArray[np.float64]
Ordinals = npt.NDArray[np.int64]

MAX_PATIENTS = 1 << 40
MAX_ATTEMPTS = 1 << 32
MAX_SEED = (1 << 63) - 1

_WORDS_PER_COUNTER = 4
_MANTISSA_SHIFT = np.uint64(11)
_UNIT = 2.0**-53
# The open interval: an inverse CDF at 0 would be minus infinity.
_SMALLEST = 2.0**-54


@dataclass(frozen=True)
class Stream:
    """An endless row of uniform draws, one place for each patient and attempt."""

    key: int

    def uniform(self, first: int, count: int, attempt: int = 0) -> Floats:
        """Return draws in (0, 1) of the ``count`` patients from ordinal ``first`` on.

        Args:
            first: Ordinal of the first patient, from 0.
            count: Number of patients.
            attempt: Which draw of these patients; every attempt is a stretch of its own.

        Returns:
            Shape (count,). Equal addresses give equal draws, however a range is split.
        """
        if not 0 <= attempt < MAX_ATTEMPTS:
            raise RequestError(f"A patient has {MAX_ATTEMPTS:,} draws of a name; draw {attempt:,} was asked for.")
        place = attempt * MAX_PATIENTS + first
        skipped = place % _WORDS_PER_COUNTER
        generator = np.random.Philox(key=self.key)
        generator.advance(place // _WORDS_PER_COUNTER)
        raw = generator.random_raw(count + skipped)[skipped:]
        raw >>= _MANTISSA_SHIFT
        draws = raw.astype(np.float64)
        draws *= _UNIT
        return np.maximum(draws, _SMALLEST, out=draws)

    def uniform_at(self, ordinals: Ordinals, attempt: int = 0) -> Floats:
        """Return the draws of scattered patients; ``ordinals`` must be ascending."""
        if not ordinals.size:
            return np.empty(0)
        first, last = int(ordinals[0]), int(ordinals[-1])
        draws = self.uniform(first, last - first + 1, attempt)
        return draws if draws.size == ordinals.size else draws[ordinals - first]


@dataclass(frozen=True)
class Seed:
    """The number from which all chance in a cohort follows."""

    value: int

    def __post_init__(self) -> None:
        """Refuse a seed that could not be written in a lock file and read back."""
        if not 0 <= self.value <= MAX_SEED:
            raise RequestError(f"A seed is a whole number from 0 to {MAX_SEED}; got {self.value}.")

    def stream(self, *name: str) -> Stream:
        """Return the stream of that ``name``; parts of a name never run together."""
        return Stream(self._digest(*name))

    def permuted(self, ordinals: Ordinals) -> npt.NDArray[np.uint64]:
        """Return 64-bit identifiers of patients: a bijection of the ordinals, so that no two are equal."""
        # The finaliser of SplitMix64 (Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195) is invertible.
        mixed = ordinals.astype(np.uint64) ^ np.uint64(self._digest("identifier") & (2**64 - 1))
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return mixed ^ (mixed >> np.uint64(31))

    def _digest(self, *name: str) -> int:
        address = "".join(f"{len(part)}:{part}" for part in (str(self.value), *name))
        return int.from_bytes(hashlib.blake2b(address.encode(), digest_size=16).digest(), "little")
