"""Draws from a calibrated junction tree: one variable after the other, given those before it in its clique.

Rounded drawing shares out a block of patients instead of tossing a coin for each: given the same earlier bins, the
numbers in each bin are those expected, up to one patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.codebook import Codes
from manikin.generators.graphical.junction import Beliefs
from manikin.generators.graphical.marginals import Cells, Places, cells_of, summed
from manikin.streams import Floats

# A block of patients that are shared out together, and how the 63 bits of a key are: cells, chance, place in the block.
BLOCK = 1 << 16
_PLACE_BITS, _CHANCE_BITS = 16, 29
# Exponentials differ in the last bit between processors: cumulative shares are snapped to this step.
_STEP = 2.0**-40


@dataclass(frozen=True)
class Conditional:
    """How a variable is drawn: its place, those it depends on, and cumulative shares, shape (bins - 1, cells of those)."""

    place: int
    given: Places
    cumulative: Floats

    def bins(self, uniform: Floats, cells: Cells) -> npt.NDArray[np.int16]:
        """Return the bin that each uniform falls into."""
        found = np.zeros(len(uniform), np.int16)
        for edge in self.cumulative:
            found += uniform >= edge[cells]
        return found


@dataclass(frozen=True)
class Drawing:
    """The order in which variables are drawn."""

    shape: tuple[int, ...]
    conditionals: tuple[Conditional, ...]

    def independent(self, uniform: Callable[[int], Floats], size: int) -> Codes:
        """Return the bins of patients, each drawn by itself; ``uniform`` gives the draws for a variable's place."""
        codes = np.zeros((size, len(self.shape)), np.int16, order="F")
        for one in self.conditionals:
            codes[:, one.place] = one.bins(uniform(one.place), cells_of(codes, self.shape, one.given))
        return codes

    def rounded(self, uniform: Callable[[int], Floats], size: int) -> Codes:
        """Return the bins of at most ``BLOCK`` patients, shared out so that numbers are met up to one patient."""
        codes = np.zeros((size, len(self.shape)), np.int16, order="F")
        for one in self.conditionals:
            cells = cells_of(codes, self.shape, one.given)
            codes[:, one.place] = _shared_out(uniform(one.place), cells, one.cumulative)
        return codes


def _shared_out(uniform: Floats, cells: Cells, cumulative: Floats) -> npt.NDArray[np.int16]:
    """Return bins, of which each gets its share of the patients in each cell, up to one, and whom chance decides.

    Those in a cell are set in the order of ``uniform``, evenly spaced between 0 and 1, from a place by chance.
    """
    # One number holds cell, draw and place: to sort it and read the place back is several times faster than an argsort.
    chance = (uniform * 2.0**_CHANCE_BITS).astype(np.int64)
    key = (cells.astype(np.int64) << (_CHANCE_BITS + _PLACE_BITS)) | (chance << _PLACE_BITS) | np.arange(len(cells))
    key.sort()
    order = key & (BLOCK - 1)
    sizes = np.bincount(cells, minlength=cumulative.shape[1])
    first = np.cumsum(sizes) - sizes
    occupied = sizes > 0
    # Where the spacing begins is said by the low bits of the draw that stands first in its cell.
    begin = np.zeros(len(sizes))
    begin[occupied] = (uniform[order[first[occupied]]] * 2.0**_CHANCE_BITS) % 1.0
    below = np.clip(np.ceil(cumulative * sizes - begin), 0, sizes)
    counts = np.diff(below, axis=0, prepend=0, append=sizes[None]).astype(np.int64)
    found = np.empty(len(cells), np.int16)
    found[order] = np.repeat(np.tile(np.arange(len(counts), dtype=np.int16), len(sizes)), counts.T.ravel())
    return found


def drawing_from(beliefs: Beliefs) -> Drawing:
    """Return the means to draw from a calibrated tree."""
    tree, drawn, conditionals = beliefs.tree, set[int](), []
    for clique, shared, marginal in zip(tree.cliques, tree.separators, beliefs.marginals, strict=True):
        given = shared
        for place in clique:
            if place not in drawn:
                table = summed(marginal, tree.shape, clique, (*given, place)).reshape(-1, tree.shape[place])
                conditionals.append(Conditional(place, given, _cumulative(table)))
                given = (*given, place)
                drawn.add(place)
    return Drawing(tree.shape, tuple(conditionals))


def _cumulative(table: Floats) -> Floats:
    """Return cumulative shares of each row but for the last, which is 1, with the rows running fastest."""
    total = np.maximum(table.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    share = np.cumsum(table, axis=1)[:, :-1] / total
    return np.ascontiguousarray(np.rint(share / _STEP).T * _STEP)
