"""A sampler whose records are imperfect on purpose; what was true stays beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from manikin.cohort.defects.defect import Chance, Defect, Drawn, Records, UnderRepresent, draw, records_of, solve
from manikin.cohort.layout import TALLY, Asked, Columns, Layout, Sampler, history, observed, recorded
from manikin.errors import RequestError
from manikin.streams import Floats, Ordinals, Seed

# The patients on whom shares are solved: always the first of the cohort's own addresses, so that a larger cohort
# begins with the patients of a smaller one, and every shard can be made by itself.
REFERENCE_PATIENTS = 1 << 14

Address = tuple[str, ...]


@dataclass(frozen=True)
class Imperfect:
    """Draws from a sampler, and then makes the records imperfect; made by ``imperfect``, which solves ``chances``."""

    sampler: Sampler
    defects: tuple[Defect, ...]
    chances: tuple[tuple[Chance, ...], ...]
    biases: tuple[UnderRepresent, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without what is computed on the way, which another thread may be adding to."""
        return Imperfect, (self.sampler, self.defects, self.chances, self.biases)

    @property
    def seed(self) -> Seed:
        """The seed of both the patients and their defects."""
        return self.sampler.seed

    @cached_property
    def layout(self) -> Layout:
        """The sampler's, in which touched fields say what touches them, so that their clean values go to the truth."""
        inner = self.sampler.layout
        touching = {
            name: tuple(dict.fromkeys(one.name for one in self.defects if name in one.variables))
            for name in inner.names
        }
        fields = tuple(
            replace(
                field,
                defects=touching[field.variable.name],
                masked=field.masked or "missing" in touching[field.variable.name],
            )
            for field in inner.fields
        )
        return replace(inner, fields=fields, defects=tuple(self._asked()))

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the clean columns of these patients with, beside them, what stands on record and how it came about."""
        columns = dict(self.sampler.draw(ordinals))
        names = [field.variable.name for field in self.sampler.layout.fields if field.variable.name in self._touched]
        records = records_of(columns, self.sampler.layout, names)
        bits = {name: np.zeros(len(ordinals), np.int64) for name in names}
        tally = []
        for defect, chances, streams in zip(self.defects, self.chances, _addresses(self.defects), strict=True):
            drawn = _drawn(self.seed, defect, chances, streams, records, ordinals)
            after = defect.apply(records, drawn)
            for name in defect.variables:
                bits[name] |= _differs(records, after, name).astype(np.int64) << self._kinds.index(defect.name)
            tally += [_counts(one) for one in drawn]
            records = after
        tally += [(len(ordinals), int(np.sum(_holds(bias, columns, len(ordinals))))) for bias in self.biases]
        for name in names:
            columns[recorded(name)] = records.values[name]
            columns[observed(name)] = records.present[name]
            columns[history(name)] = bits[name]
        return {**columns, TALLY: tally}

    @cached_property
    def _touched(self) -> frozenset[str]:
        return frozenset(name for defect in self.defects for name in defect.variables)

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        return kinds(self.defects)

    def _asked(self) -> Iterator[Asked]:
        for defect in self.defects:
            for aim in defect.aims:
                when = aim.dose.when
                among = "" if when is None else when.text
                yield Asked(
                    defect.name, aim.variables, aim.dose.share, aim.outcome, among, aim.dose.odds_ratio, self._kinds
                )
        for bias in self.biases:
            yield Asked(bias.name, (), bias.expected or 0.0, "", bias.who.text, None, self._kinds)


def imperfect(
    sampler: Sampler, defects: Sequence[Defect | UnderRepresent], unbiased: Sampler | None = None
) -> Imperfect:
    """Return a sampler of imperfect records.

    Args:
        sampler: Draws the clean patients; where some are to be under-represented, it does so already.
        defects: What is to go wrong, in the order in which it happens.
        unbiased: Draws the patients of whom nobody is under-represented; needed where somebody is.
    """
    columnwise = tuple(one for one in defects if not isinstance(one, UnderRepresent))
    biases = tuple(one for one in defects if isinstance(one, UnderRepresent))
    _refuse_unknown(columnwise, sampler.layout)
    ordinals = np.arange(REFERENCE_PATIENTS, dtype=np.int64)
    chances = _solved(sampler, columnwise, ordinals)
    return Imperfect(sampler, columnwise, chances, _expected(biases, unbiased or sampler, ordinals))


def _solved(sampler: Sampler, defects: tuple[Defect, ...], ordinals: Ordinals) -> tuple[tuple[Chance, ...], ...]:
    """Return the chances by which each share is met, after what earlier defects left on record."""
    if not any(aim.dose.odds_ratio for one in defects for aim in one.aims):
        # Everybody at risk has the same chance; patients who are hard to come by need not be drawn to know it.
        return tuple(tuple(Chance(aim.dose.share, aim.dose.share) for aim in one.aims) for one in defects)
    names = sorted({name for one in defects for name in one.variables})
    records = records_of(sampler.draw(ordinals), sampler.layout, names)
    chances = []
    for defect, streams in zip(defects, _addresses(defects), strict=True):
        solved = tuple(solve(aim, records) for aim in defect.aims)
        chances.append(solved)
        records = defect.apply(records, _drawn(sampler.seed, defect, solved, streams, records, ordinals))
    return tuple(chances)


def _drawn(
    seed: Seed,
    defect: Defect,
    chances: tuple[Chance, ...],
    streams: list[Address],
    records: Records,
    ordinals: Ordinals,
) -> list[Drawn]:
    """Return whom a defect strikes."""
    return [
        draw(aim, chance, records, seed.stream(*stream).uniform_at(ordinals))
        for aim, chance, stream in zip(defect.aims, chances, streams, strict=True)
    ]


def kinds(defects: Sequence[Defect]) -> tuple[str, ...]:
    """Return the names of the defects, each once, in the order in which they first happen."""
    return tuple(dict.fromkeys(one.name for one in defects))


def _addresses(defects: Sequence[Defect]) -> list[list[Address]]:
    """Return the stream of each draw; whoever asks for the same defect twice draws anew."""
    seen: Counter[Address] = Counter()
    found = []
    for defect in defects:
        streams = []
        for aim in defect.aims:
            address: Address = ("defect", defect.name, aim.address)
            seen[address] += 1
            streams.append(address if seen[address] == 1 else (*address, str(seen[address])))
        found.append(streams)
    return found


def _refuse_unknown(defects: Sequence[Defect], layout: Layout) -> None:
    for defect in defects:
        for name in defect.variables:
            if name not in layout.names or not layout.field(name).data:
                raise RequestError(f"The defect '{defect.name}' names '{name}', which is not in the data.")


def _expected(biases: tuple[UnderRepresent, ...], unbiased: Sampler, ordinals: Ordinals) -> tuple[UnderRepresent, ...]:
    """Return the biases with the share of the cohort that is to be left of each group."""
    if not biases:
        return ()
    columns = unbiased.draw(ordinals)
    held = [_holds(bias, columns, len(ordinals)) for bias in biases]
    kept: Floats = np.prod([np.where(holds, bias.keep, 1.0) for bias, holds in zip(biases, held, strict=True)], axis=0)
    return tuple(
        replace(bias, expected=float((kept * holds).sum() / kept.sum()))
        for bias, holds in zip(biases, held, strict=True)
    )


def _holds(bias: UnderRepresent, columns: Columns, patients: int) -> Floats:
    return np.broadcast_to(np.asarray(bias.who(columns), np.float64), (patients,))


def _counts(drawn: Drawn) -> tuple[int, int]:
    return int(drawn.at_risk.sum()), int(drawn.struck.sum())


def _differs(before: Records, after: Records, name: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return whose record of a variable is another than before."""
    lost = before.present[name] != after.present[name]
    other = before.present[name] & (before.values[name] != after.values[name])
    return np.asarray(lost | other)
