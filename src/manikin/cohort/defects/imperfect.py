"""A sampler whose records are imperfect on purpose; what was true stays beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from manikin.cohort.defects.chart import OverTime
from manikin.cohort.defects.defect import Chance, Defect, Drawn, Records, UnderRepresent, draw, records_of, solve
from manikin.cohort.defects.duplicates import DuplicatePatients
from manikin.cohort.defects.over_time import asked, chart_of, happened, reaching, solved
from manikin.cohort.index import spoken
from manikin.cohort.layout import (
    CHART,
    CLEAN_ENCOUNTERS,
    CLEAN_EVENTS,
    DUPLICATES,
    TALLY,
    Asked,
    Columns,
    Layout,
    Sampler,
    history,
    observed,
    recorded,
)
from manikin.errors import RequestError
from manikin.streams import Floats, Ordinals, Seed

# The patients on whom shares are solved: always the first of the cohort's own addresses, so that a larger cohort
# begins with the patients of a smaller one, and every shard can be made by itself.
REFERENCE_PATIENTS = 1 << 14

Address = tuple[str, ...]
Solved = tuple[tuple[Chance, ...], ...]


@dataclass(frozen=True)
class Imperfect:
    """Draws from a sampler, and then makes the records imperfect; made by ``imperfect``, which solves ``chances``.

    ``defects`` strike what is on record at the index; ``later`` are those that strike what happens over time.
    """

    sampler: Sampler
    defects: tuple[Defect, ...]
    chances: Solved
    biases: tuple[UnderRepresent, ...] = ()
    later: tuple[OverTime, ...] = ()
    later_chances: Solved = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without what is computed on the way, which another thread may be adding to."""
        return Imperfect, (self.sampler, self.defects, self.chances, self.biases, self.later, self.later_chances)

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
        twice = any(isinstance(one, DuplicatePatients) for one in self.later)
        truths = (CLEAN_ENCOUNTERS, CLEAN_EVENTS, *((DUPLICATES,) if twice else ())) if self.later else ()
        return replace(inner, fields=fields, defects=tuple(self._asked()), truths=truths)

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
        for name in names:
            columns[recorded(name)] = records.values[name]
            columns[observed(name)] = records.present[name]
            columns[history(name)] = bits[name]
        if self.later:
            chart, struck = happened(
                chart_of(columns, self.layout, len(ordinals)),
                self.later,
                self.later_chances,
                self._kinds,
                self.seed,
                ordinals,
            )
            columns[CHART] = chart
            for one, drawn in zip(self.later, struck, strict=True):
                reached = zip(drawn, reaching(one, self.layout), strict=True)
                tally += [_counts(each) for each, reaches in reached if reaches]
        tally += [(len(ordinals), int(np.sum(_holds(bias, columns, len(ordinals))))) for bias in self.biases]
        return {**columns, TALLY: tally}

    @cached_property
    def _touched(self) -> frozenset[str]:
        return frozenset(name for defect in self.defects for name in defect.variables)

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        return kinds((*self.defects, *self.later))

    def _asked(self) -> Iterator[Asked]:
        for defect in self.defects:
            for aim in defect.aims:
                when = aim.dose.when
                among = "" if when is None else when.text
                yield Asked(
                    defect.name, aim.variables, aim.dose.share, aim.outcome, among, aim.dose.odds_ratio, self._kinds
                )
        for later in self.later:
            yield from asked(later, self.sampler.layout, self._kinds)
        for bias in self.biases:
            yield Asked(bias.name, (), bias.expected or 0.0, "", bias.who.text, None, self._kinds)


def imperfect(
    sampler: Sampler, defects: Sequence[Defect | OverTime | UnderRepresent], unbiased: Sampler | None = None
) -> Imperfect:
    """Return a sampler of imperfect records.

    Args:
        sampler: Draws the clean patients; where some are to be under-represented, it does so already.
        defects: What is to go wrong, in the order in which it happens: to what is on record at the index, and then to
            what follows.
        unbiased: Draws the patients of whom nobody is under-represented; needed where somebody is.
    """
    biases = tuple(one for one in defects if isinstance(one, UnderRepresent))
    columnwise = tuple(_at_the_index(defects, sampler.layout))
    later = tuple(one for one in defects if isinstance(one, OverTime) and any(reaching(one, sampler.layout)))
    _refuse_unknown(defects, sampler.layout)
    ordinals = np.arange(REFERENCE_PATIENTS, dtype=np.int64)
    chances = _solved(sampler, columnwise, ordinals)
    made = Imperfect(sampler, columnwise, chances, _expected(biases, unbiased or sampler, ordinals), later)
    return replace(made, later_chances=_solved_later(made, ordinals))


def _at_the_index(defects: Sequence[Defect | OverTime | UnderRepresent], layout: Layout) -> Iterator[Defect]:
    """Yield the defects of what is on record at the index; of one that also reaches further, what stands there."""
    for one in defects:
        if isinstance(one, OverTime) and isinstance(one, Defect):
            there = tuple(name for name in one.variables if name in layout.names and layout.field(name).data)
            whole = len(there) == len(one.variables)
            if one.aims and there and (whole or all(len(aim.variables) == 1 for aim in one.aims)):
                yield one if whole else replace(one, variables=there)  # type: ignore[type-var]
        elif isinstance(one, Defect):
            yield one


def _solved_later(made: Imperfect, ordinals: Ordinals) -> Solved:
    """Return the chances by which each share is met over time, after what earlier defects left on record."""
    if not any(strike.dose.odds_ratio for one in made.later for strike in one.strikes):
        return tuple(tuple(Chance(one.dose.share, one.dose.share) for one in defect.strikes) for defect in made.later)
    index_only = replace(made, later=())
    chart = chart_of(index_only.draw(ordinals), index_only.layout, len(ordinals))
    return solved(chart, made.later, made._kinds, made.seed, ordinals)


def _solved(sampler: Sampler, defects: tuple[Defect, ...], ordinals: Ordinals) -> Solved:
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


def kinds(defects: Sequence[Defect | OverTime]) -> tuple[str, ...]:
    """Return the names of the defects, each once, in the order in which they first happen."""
    return tuple(dict.fromkeys(one.name for one in defects))


def _addresses(defects: Sequence[Defect]) -> list[list[Address]]:
    """Return the stream of each draw; whoever asks for the same defect twice draws anew, unless the draw is shared."""
    seen: Counter[Address] = Counter()
    found = []
    for defect in defects:
        streams = []
        for aim in defect.aims:
            address: Address = ("defect", aim.shared) if aim.shared else ("defect", defect.name, aim.address)
            seen[address] += 1
            streams.append(address if seen[address] == 1 or aim.shared else (*address, str(seen[address])))
        found.append(streams)
    return found


def _refuse_unknown(defects: Sequence[Defect | OverTime | UnderRepresent], layout: Layout) -> None:
    measured = {one.variable for one in spoken(layout)[0].entries}
    for defect in defects:
        if isinstance(defect, Defect):
            also = measured if isinstance(defect, OverTime) else set()
            for name in defect.variables:
                if name not in also and (name not in layout.names or not layout.field(name).data):
                    raise RequestError(f"The defect '{defect.name}' names '{name}', which is not in the data.")
        elif isinstance(defect, OverTime) and not all(reaching(defect, layout)):
            raise RequestError(f"The defect '{defect.name}' names what is never on record over time.")
    if sum(isinstance(one, DuplicatePatients) for one in defects) > 1:
        raise RequestError("Patients stand on record twice, and not more often: ask for duplicate patients once.")


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
