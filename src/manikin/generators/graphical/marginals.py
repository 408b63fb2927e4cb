"""Counting of marginals: which cell of a table each patient falls into, and how many fall into each.

A table over several variables is flat here, its last variable running fastest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manikin.codebook import Codes
from manikin.streams import Floats

Places = tuple[int, ...]
"""Variables of a domain by their places, ascending."""

Cells = npt.NDArray[np.int32]


def cells_of(codes: Codes, shape: Sequence[int], places: Places) -> Cells:
    """Return the cell of each patient, shape (patients,), in the table over the variables at ``places``."""
    cells = np.zeros(len(codes), np.int32)
    for place in places:
        cells *= shape[place]
        cells += codes[:, place]
    return cells


def size_of(shape: Sequence[int], places: Places) -> int:
    """Return how many cells the table over the variables at ``places`` has."""
    return int(np.prod([shape[place] for place in places], dtype=np.int64))


def counted(codes: Codes, shape: Sequence[int], places: Places, weights: Floats | None = None) -> Floats:
    """Return the number, or the weight, of patients in each cell, shape (cells,)."""
    return np.bincount(cells_of(codes, shape, places), weights, size_of(shape, places)).astype(np.float64)


def summed(table: Floats, shape: Sequence[int], places: Places, onto: Places) -> Floats:
    """Return the margin of a flat table over ``places`` on some of them, in the order of ``onto``."""
    gone = tuple(axis for axis, place in enumerate(places) if place not in onto)
    left = [place for place in places if place in onto]
    margin = table.reshape([shape[place] for place in places]).sum(axis=gone)
    return np.ascontiguousarray(margin.transpose([left.index(place) for place in onto])).ravel()


def spread(places: Places, wide: Places, shape: Sequence[int]) -> Cells:
    """Return, for each cell of the table over ``wide``, its cell in the table over ``places`` within it."""
    sizes = [shape[place] for place in wide]
    grid = np.indices(sizes, np.int32).reshape(len(wide), -1).T
    cells = np.zeros(len(grid), np.int32)
    for place in places:
        cells = cells * shape[place] + grid[:, wide.index(place)]
    return cells
