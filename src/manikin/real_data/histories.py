"""Reads events of real people into histories. Nothing here leaves the package; errors name columns, never a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manikin.codebook import ENDINGS, Variable
from manikin.errors import RealDataError
from manikin.generators.sequence import STUDY, Histories, grid, one_state, snapped, timeline_of
from manikin.real_data.event_mapping import EventMapping, Place
from manikin.real_data.mapping import MISSING
from manikin.real_data.records import identity_of, numbers_in, numbers_of, table_of, texts_of
from manikin.streams import Floats, Seed


def read_histories(events: Path, people: Path, mapping: EventMapping, *, strict: bool = True) -> Histories:
    """Return the people in a table of people, with what an events table holds of them.

    What can't be in a living person was not measured; of two records of an item at one time the first counts; what
    lies before the start, after the end of follow-up or at no time is left out, and so are items that are not mapped.
    Unless ``strict``, no value is refused, since an error that depends on somebody tells of somebody: an unknown value
    was not recorded, an unknown follow-up lasts until the horizon, an unknown ending is that of the study, and who has
    no identifier is nobody.

    Raises:
        RealDataError: A file or a column can't be read as mapped.
    """
    identity, statics, followed, left_by = _people(people, mapping, strict)
    step, who, item, value = _events(events, identity, mapping, strict)
    last = np.where(left_by[who] == STUDY, followed[who], followed[who] - 1)
    inside = (who >= 0) & (step >= 0) & (step <= last)
    part = _first_of_each(who[inside], step[inside], item[inside], value[inside], len(mapping.items))
    line = timeline_of(mapping.domain, [part], one_state(followed * mapping.domain.clock), followed, left_by)
    return Histories(line, statics)


def parted(histories: Histories, seed: Seed) -> tuple[Histories, Histories]:
    """Return two halves of the people; nobody is in both."""
    order = np.argsort(seed.stream("halves").uniform(0, histories.size), kind="stable")
    middle = histories.size // 2
    return histories.taken(np.sort(order[:middle])), histories.taken(np.sort(order[middle:]))


def _people(path: Path, mapping: EventMapping, strict: bool) -> tuple[pa.Array, dict[str, Floats], Any, Any]:
    """Return who there is, what does not change of them, until when they are followed and why no longer."""
    named = (mapping.person, mapping.followed, mapping.left_by, *(place.column for place in mapping.statics))
    table = table_of(path, list(dict.fromkeys(name for name in named if name)), as_written=not strict)
    if not strict:
        table = table.filter(pc.not_equal(identity_of(table, mapping.person), ""))
    key = identity_of(table, mapping.person)
    _, first = np.unique(key.to_numpy(zero_copy_only=False), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    statics = {
        one.name: _values(texts_of(table, place.column), one, place, strict=strict)
        for one, place in zip(mapping.domain.statics, mapping.statics, strict=True)
    }
    count, horizon = table.num_rows, mapping.domain.horizon
    followed = np.full(count, float(horizon)) if not mapping.followed else _numbers(table, mapping.followed, strict)
    if not strict:
        followed = np.where(followed >= 1, followed, horizon)
    if np.isnan(followed).any() or (followed < 1).any():
        raise RealDataError(f"Column '{mapping.followed}': everybody is followed for 1 step of time or more.")
    left_by = _endings(table, mapping, strict) if mapping.left_by else np.full(count, STUDY)
    # Who is followed beyond the horizon is known to be there at its end.
    left_by = np.where(followed > horizon, STUDY, left_by)
    return identity_of(table, mapping.person), statics, np.minimum(followed, horizon).astype(np.int64), left_by


def _endings(table: pa.Table, mapping: EventMapping, strict: bool) -> Any:
    written = _plain(texts_of(table, mapping.left_by))
    found = np.array([mapping.endings.get(text, -1 if strict else STUDY) for text in written], np.int64)
    if (found < 0).any():
        raise RealDataError(
            f"Column '{mapping.left_by}' holds values that 'left-by' doesn't name as {', '.join(ENDINGS)}."
        )
    return found


def _events(path: Path, identity: pa.Array, mapping: EventMapping, strict: bool) -> tuple[Any, Any, Any, Floats]:
    """Return step, person (-1 for nobody known), item and value of each event that is mapped and possible."""
    long = bool(mapping.code)
    columns = [mapping.code, mapping.value] if long else [place.column for place in mapping.items]
    table = table_of(path, list(dict.fromkeys([mapping.patient, mapping.time, *columns])), as_written=not strict)
    time = _numbers(table, mapping.time, strict)
    inside = (time >= 0) & (time <= mapping.domain.horizon)
    step = np.where(inside, np.floor(np.nan_to_num(time, posinf=0)), -1).astype(np.int64)
    who = _places(identity_of(table, mapping.patient), identity)
    codes = texts_of(table, mapping.code) if long else None
    parts = []
    for number, (item, place) in enumerate(zip(mapping.domain.items, mapping.items, strict=True)):
        rows = (
            np.flatnonzero(pc.fill_null(pc.equal(codes, place.column), False).to_numpy(zero_copy_only=False))
            if codes is not None
            else np.arange(table.num_rows)
        )
        written = texts_of(table, mapping.value if long else place.column).take(pa.array(rows))
        if item.valued:
            value = _values(written, item.variable, place, mapping.value, strict=strict)
            rows, value = rows[~np.isnan(value)], value[~np.isnan(value)]
        else:
            there = pc.is_valid(written) if strict else pc.not_equal(pc.fill_null(written, ""), "")
            rows = rows if long and not strict else rows[there.to_numpy(zero_copy_only=False)]
            value = np.full(len(rows), np.nan)
        parts.append((step[rows], who[rows], np.full(len(rows), number), value))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def _values(written: pa.ChunkedArray, variable: Variable, place: Place, column: str = "", *, strict: bool) -> Floats:
    """Return numbers on the codebook's grid, or the numbers of levels; NaN where there is none that is possible."""
    where = column or place.column
    if not variable.numeric:
        levels = variable.levels or ("no", "yes")
        known = {key: np.nan if level == MISSING else float(levels.index(level)) for key, level in place.values.items()}
        if strict and not set(_plain(written)) - {""} <= set(known):
            raise RealDataError(f"Column '{where}' holds values that the mapping of '{variable.name}' doesn't name.")
        return np.array([known.get(text, np.nan) for text in _plain(written)], np.float64)
    try:
        values = _cast(written) if strict else numbers_in(written)
    except pa.ArrowException:
        raise RealDataError(f"Column '{where}' holds something other than numbers.") from None
    low, high, _ = grid(variable)
    return np.where((values >= low) & (values <= high), snapped(variable, np.nan_to_num(values)), np.nan)


def _cast(written: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.cast(written, pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _numbers(table: pa.Table, column: str, strict: bool) -> Floats:
    return numbers_of(table, column) if strict else numbers_in(texts_of(table, column))


def _first_of_each(who: Any, step: Any, item: Any, value: Floats, items: int) -> tuple[Any, Any, Any, Floats]:
    key = (who * (int(step.max(initial=0)) + 1) + step) * items + item
    _, first = np.unique(key, return_index=True)
    return who[first], step[first], item[first], value[first]


def _places(whose: pa.Array, identity: pa.Array) -> Any:
    return pc.fill_null(pc.index_in(whose, value_set=identity), -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _plain(texts: pa.ChunkedArray) -> list[str]:
    return [text or "" for text in texts.to_pylist()]
