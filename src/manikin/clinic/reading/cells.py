"""Reads the tables of a model file: blocks nested by level or band, down to what stands in each cell."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from manikin.clinic.expressions import Type
from manikin.clinic.tables import Axis, Breakdown
from manikin.codebook import Range
from manikin.document import Mapping, Notebook, Scalar, Value, shortened
from manikin.errors import closest

_END = r"-?(?:\d++(?:\.\d++)?|\.\d++)"
_RANGE = re.compile(rf"\s*(?P<low>{_END})?\s*\.\.\s*(?P<high>{_END})?\s*")


MAX_CELLS = 20_000


@dataclass(frozen=True)
class Cells:
    """A breakdown with what stands in each of its cells; None where a table was allowed to leave one out."""

    breakdown: Breakdown
    values: tuple[Value | None, ...]


def read_range(value: Value, what: str, notebook: Notebook) -> Range | None:
    """Return a range written as ``18..39``, ``60..`` or ``..5``."""
    text = value.text if isinstance(value, Scalar) else ""
    match = _RANGE.fullmatch(text)
    if match is None or not (match["low"] or match["high"]):
        notebook.add(value, f"{what} is a range; got '{shortened(text)}'.", "Write, for example: 18..39, 60.. or ..5")
        return None
    low, high = float(match["low"] or -np.inf), float(match["high"] or np.inf)
    if low > high:
        notebook.add(value, f"{what} runs backwards: {text}.", f"Write {high:g}..{low:g}.")
        return None
    return Range(low, high)


def read_cells(
    value: Value,
    by: tuple[Scalar, ...],
    types: Dict[str, Type],
    notebook: Notebook,
    *,
    smooth: bool = False,
    partial: bool = False,
) -> Cells | None:
    """Read a table by the variables named in ``by``, outermost first.

    Args:
        value: The nested block.
        by: Names of categories or numbers; numbers are broken into bands, written as ranges.
        types: What is known of the names.
        notebook: Where mistakes go.
        smooth: Whether the bands of the last axis are joined by straight lines.
        partial: Whether levels may be left out.
    """
    axes: list[Axis] = []
    blocks: list[Value | None] = [value]
    for name in by:
        found = types.get(name.text)
        if found is None:
            notebook.add(name, f"'{name.text}' is not known here.", closest(name.text, types))
            return None
        axis = _axis(name.text, found, blocks, notebook)
        if axis is None:
            return None
        if any(axis.variable == name.text for axis in axes):
            notebook.add(name, f"'{name.text}' stands twice in 'by'.", "Name each variable once.")
            return None
        if len(blocks) * len(axis.labels) > MAX_CELLS:
            notebook.add(name, f"The table has more than {MAX_CELLS:,} cells.", "Break it down by fewer variables.")
            return None
        blocks = _descend(axis, blocks, notebook, partial=partial)
        axes.append(axis)
        if not any(blocks):
            notebook.add(value, "The table is empty.", "Give its levels values.")
            return None
    if smooth and not np.isfinite(axes[-1].starts[:1]).all():
        notebook.add(value, "'smooth' needs the lower end of the first band.", "Write, for example: 18..39")
        return None
    if smooth and (not axes[-1].starts or len(axes[-1].starts) < 2):
        notebook.add(
            value,
            f"'smooth' joins bands of a number; '{axes[-1].variable}' has none to join.",
            "Remove 'smooth', or name the banded number last in 'by'.",
        )
        return None
    return Cells(Breakdown(tuple(axes), smooth), tuple(blocks))


def _axis(name: str, found: Type, blocks: list[Value | None], notebook: Notebook) -> Axis | None:
    first = next((block for block in blocks if block is not None), None)
    if not isinstance(first, Mapping):
        if first is not None:
            notebook.add(
                first, f"A table by '{name}' is a block with one line for each of its values.", _example(name, found)
            )
        return None
    if found.kind == "category":
        return Axis(name, found.levels)
    if found.kind == "condition":
        return Axis(name, ("no", "yes"))
    bands = [(key, read_range(key, f"A band of '{name}'", notebook)) for key, _ in first.entries]
    ranges = [(key, band) for key, band in bands if band is not None]
    if len(ranges) < len(bands) or not ranges:
        return None
    for (_, one), (key, other) in pairwise(ranges):
        if other.low < one.high or other.low - one.high > 1:
            notebook.add(
                key,
                f"The bands of '{name}' don't join: {one.high:g} is followed by {other.low:g}.",
                "Write them ascending, each beginning where the last one ends.",
            )
            return None
    gap = max((other.low - one.high for (_, one), (_, other) in pairwise(ranges)), default=1.0)
    return Axis(
        name, tuple(key.text for key, _ in ranges), tuple(band.low for _, band in ranges), ranges[-1][1].high + gap
    )


def _descend(axis: Axis, blocks: list[Value | None], notebook: Notebook, *, partial: bool) -> list[Value | None]:
    cells: list[Value | None] = []
    for block in blocks:
        if block is None:
            cells += [None] * len(axis.labels)
            continue
        entries = {key.text: item for key, item in block.entries} if isinstance(block, Mapping) else {}
        if not isinstance(block, Mapping):
            notebook.add(
                block,
                f"A table by '{axis.variable}' is a block with one line for each of its values.",
                f"Lines: {', '.join(axis.labels)}",
            )
        else:
            for key, _ in block.entries:
                if key.text not in axis.labels:
                    notebook.add(
                        key,
                        f"'{key.text}' is no value of '{axis.variable}' in this table.",
                        closest(key.text, axis.labels),
                    )
            missing = [label for label in axis.labels if label not in entries]
            if missing and not partial:
                notebook.add(
                    block, f"The table by '{axis.variable}' lacks {', '.join(missing)}.", "Give every value a line."
                )
        cells += [entries.get(label) for label in axis.labels]
    return cells


def _example(name: str, found: Type) -> str:
    return (
        f"Write lines such as  {found.levels[0]}: ...  and  {found.levels[1]}: ..."
        if found.levels
        else f"Write lines such as  18..39: ...  with bands of {name}."
    )
