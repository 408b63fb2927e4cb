"""Who stands where in an attack: the synthetic rows, those who were used, those who were not, and whom an attacker knows.

An attacker is given a reference population, a part of the people never used, and says of everybody else how sure it is
that they were used. Whatever is counted is counted by patient: a patient's rows are on one side together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from manikin.codebook import Variable
from manikin.errors import RequestError
from manikin.real_data.examining import Examined
from manikin.real_data.records import Sample
from manikin.streams import Floats, Seed

Ints = npt.NDArray[np.int64]

# Larger sets are drawn from; these sizes resolve a share of 0.1% and take seconds.
MOST_PATIENTS = 5_000
MOST_SYNTHETIC = 20_000
# Of so few people neither choosing an attack nor judging it says anything.
FEWEST = 40


@dataclass(frozen=True, eq=False)
class Whose:
    """The patient of each row, any whole number for each; where none is given each row is a patient."""

    real: Ints
    holdout: Ints


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows about people: ``values`` of shape (rows, variables), NaN where missing, and ``of``, whose each row is.

    Patients are numbered from 0 without gaps.
    """

    values: Floats
    of: Ints

    @property
    def patients(self) -> int:
        """How many patients."""
        return int(self.of.max()) + 1 if len(self.of) else 0

    def taken(self, patients: Ints) -> Rows:
        """Return the rows of some patients, numbered anew in their order."""
        number = np.full(self.patients, -1, np.int64)
        number[patients] = np.arange(len(patients))
        of = number[self.of]
        return Rows(self.values[of >= 0], of[of >= 0])

    def one_each(self, draws: Floats) -> Floats:
        """Return one row of each patient, by a draw for each row."""
        order = np.lexsort((draws, self.of))
        first = np.append(True, np.diff(self.of[order]) > 0)
        return np.asarray(self.values[order[first]])


@dataclass(frozen=True, eq=False)
class Sides:
    """All who take part in an attack, and the variables by which they are known.

    ``steps`` is, for each variable, the grid on which both sides stand, 0 for none.
    """

    variables: tuple[Variable, ...]
    steps: tuple[float, ...]
    synthetic: Floats
    members: Rows
    others: Rows
    reference: Rows
    seed: Seed

    def evened(self) -> Sides:
        """Return sides in which as many who were used stand beside as many who were not, drawn at random."""
        size = min(self.members.patients, self.others.patients)
        members, others = (
            rows.taken(drawn(rows.patients, size, self.seed, name))
            for rows, name in ((self.members, "even members"), (self.others, "even others"))
        )
        return replace(self, members=members, others=others)

    def one_each(self) -> tuple[Floats, Floats]:
        """Return one row of each who was used and of each who was not, drawn at random, shape (patients, variables)."""
        draws = [self.seed.stream("attacks", "row", name) for name in ("members", "others")]
        members, others = self.members, self.others
        return (
            members.one_each(draws[0].uniform(0, len(members.of))),
            others.one_each(draws[1].uniform(0, len(others.of))),
        )


def sides_of(
    examined: Examined, whose: Whose | None = None, *, most: int = MOST_PATIENTS, known: float = 0.5
) -> Sides | None:
    """Return who takes part, drawn where there are more than needed; None where nobody is known never to be used.

    Args:
        examined: The samples.
        whose: The patient of each row of the real people, where rows are not patients.
        most: The most patients on either side, and in the reference.
        known: The share of the people never used whom the attacker knows as a reference population.

    Raises:
        RequestError: There are fewer people than an attack needs.
    """
    if examined.holdout is None:
        return None
    seed, names = examined.seed, examined.mapping.names
    members = _rows(examined.real, names, None if whose is None else whose.real)
    holdout = _rows(examined.holdout, names, None if whose is None else whose.holdout)
    if min(members.patients, holdout.patients) < FEWEST:
        raise RequestError(
            f"An attack needs {FEWEST} people who were used and {FEWEST} who were not; "
            f"there are {members.patients} and {holdout.patients}."
        )
    order = drawn(holdout.patients, holdout.patients, seed, "holdout")
    middle = round(known * holdout.patients)
    return Sides(
        tuple(column.variable for column in examined.mapping.columns),
        tuple(max(column.precision or 0.0, column.variable.precision or 0.0) for column in examined.mapping.columns),
        matrix(examined.synthetic, names),
        members.taken(drawn(members.patients, most, seed, "members")),
        holdout.taken(order[middle:][:most]),
        holdout.taken(order[:middle][:most]),
        seed,
    )


def matrix(sample: Sample, names: tuple[str, ...]) -> Floats:
    """Return people as rows of numbers, shape (people, variables), NaN where missing."""
    return np.column_stack([sample.columns[name] for name in names]).astype(np.float64)


def drawn(of: int, size: int, seed: Seed, purpose: str) -> Ints:
    """Return ``size`` of the numbers below ``of``, all of them at most, in a random order."""
    return np.argsort(seed.stream("attacks", purpose).uniform(0, of), kind="stable")[:size]


def fewer(values: Floats, most: int, seed: Seed, purpose: str) -> Floats:
    """Return at most so many rows, drawn at random."""
    return values if len(values) <= most else values[np.sort(drawn(len(values), most, seed, purpose))]


def _rows(sample: Sample, names: tuple[str, ...], whose: Ints | None) -> Rows:
    if whose is None:
        return Rows(matrix(sample, names), np.arange(sample.size))
    if len(whose) != sample.size:
        raise RequestError(f"There are {sample.size} rows, and {len(whose)} are said whose they are.")
    return Rows(matrix(sample, names), np.unique(whose, return_inverse=True)[1].astype(np.int64))
