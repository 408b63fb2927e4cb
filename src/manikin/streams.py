"""Addressed randomness: a draw is a function of (seed, name of the draw, ordinal of the patient).

Each name has a Philox stream of its own, and each patient a fixed place in it. A shard can therefore be computed
anywhere, in any order, twice, and is the same to the byte; a new variable leaves all others as they were; and two
scenarios share every draw that they have in common.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC11), doi:10.1145/2063384.2063405.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

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

_WORD = 2**64 - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


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
        return _unit_interval(raw)

    def uniform_at(self, ordinals: Ordinals, attempt: int = 0) -> Floats:
        """Return the draws of scattered patients; ``ordinals`` must be ascending."""
        if not ordinals.size:
            return np.empty(0)
        first, last = int(ordinals[0]), int(ordinals[-1])
        draws = self.uniform(first, last - first + 1, attempt)
        return draws if draws.size == ordinals.size else draws[ordinals - first]

    def scattered(self, ordinals: Ordinals, occurrences: Any, attempts: Any = 0) -> Floats:
        """Return draws in (0, 1) of scattered patients, each time and again: an address of three numbers.

        What happens to patients in the course of time happens to each at another time and another number of times; a
        counter that is hashed finds any of these draws by itself. The rows are apart from those of ``uniform``.

        Args:
            ordinals: Whose draws.
            occurrences: For the how-manieth time, one for all or one for each.
            attempts: Of which candidate.
        """
        return _unit_interval(self._again(self._of_patients(ordinals), occurrences, attempts))

    def _of_patients(self, ordinals: Ordinals) -> npt.NDArray[np.uint64]:
        return _mixed(ordinals.astype(np.uint64) * _GOLDEN + np.uint64(self.key & _WORD))

    def _again(self, patients: npt.NDArray[np.uint64], occurrences: Any, attempts: Any) -> npt.NDArray[np.uint64]:
        # Arrays even of single numbers, since those wrap around without a warning.
        counter = np.atleast_1d(np.asarray(attempts)).astype(np.uint64) << np.uint64(32)
        counter = (counter | np.asarray(occurrences).astype(np.uint64)) * _GOLDEN + np.uint64(self.key >> 64)
        return _mixed(patients ^ counter)


@dataclass(frozen=True)
class Draws:
    """The draws of the patients at hand, by name; of all of them once, or of some of them time and again.

    ``attempts`` says which candidate each patient is, one number for all or one for each; ``keep`` remembers draws for
    whoever asks for the same ones often.
    """

    seed: Seed
    ordinals: Ordinals
    attempts: int | Ordinals = 0
    keep: bool = False
    _kept: dict[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    _patients: dict[str, npt.NDArray[np.uint64]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, name: str) -> Floats:
        """Return the draws of all patients; of candidates of several attempts those of the first."""
        if name in self._kept:
            return self._kept[name]
        found = self.seed.stream(name).uniform_at(self.ordinals, self.attempts if isinstance(self.attempts, int) else 0)
        if self.keep:
            self._kept[name] = found
        return found

    def once(self, name: str) -> Floats:
        """Return one draw of each patient, whichever candidate each is."""
        return self.at(name, slice(None), 0)

    def at(self, name: str, rows: Any, occurrences: Any) -> Floats:
        """Return the draws of the patients in some rows, for the how-manieth time; see ``Stream.scattered``."""
        stream = self.seed.stream("again", name)
        if name not in self._patients:
            self._patients[name] = stream._of_patients(self.ordinals)
        attempts = self.attempts if isinstance(self.attempts, int) else self.attempts[rows]
        return _unit_interval(stream._again(self._patients[name][rows], occurrences, attempts))


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
        return _mixed(ordinals.astype(np.uint64) ^ np.uint64(self._digest("identifier") & _WORD))

    def _digest(self, *name: str) -> int:
        address = "".join(f"{len(part)}:{part}" for part in (str(self.value), *name))
        return int.from_bytes(hashlib.blake2b(address.encode(), digest_size=16).digest(), "little")


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return words whose bits all depend on all of theirs; a bijection, computed in place.

    The finaliser of SplitMix64: Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words


def _unit_interval(words: npt.NDArray[np.uint64]) -> Floats:
    words >>= _MANTISSA_SHIFT
    draws = words.astype(np.float64)
    draws *= _UNIT
    return np.maximum(draws, _SMALLEST, out=draws)
