"""Contrasts of a table: functions of its cells that say different things, from what is coarse to what is fine.

They are orthonormal under the shares that are expected: each has mean 0 and variance 1 in a patient. A contrast is of
some of the table's variables and has a degree in each: on ordered bins a trend (1), a bend (2) and so on, on unordered
ones what is left of each level (1). Populations differ mostly in coarse contrasts, and noise drowns the fine ones first.

Source: Lancaster, The Chi-Squared Distribution, 1969, chapter 6: orthonormal functions on contingency tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from manikin.codebook import Bins
from manikin.streams import Floats

LEAST = 1e-7
_HALF = 0.5
# Contrasts of this degree beyond the least and finer ones are alike in how much is expected of them; of a wide table,
# the finest are left out.
_FINEST = 3
_MOST = 160

Class = tuple[int, int]
"""Of how many variables a contrast is, and by how many degrees it is finer than the coarsest of these."""


@dataclass(frozen=True)
class Contrasts:
    """Functions of a table's cells, shape (cells, contrasts), and the class of each."""

    functions: Floats
    classes: tuple[Class, ...]

    @property
    def joint(self) -> Contrasts:
        """Those of two variables or more: how variables hang together, whatever each is by itself."""
        kept = [place for place, (of, _) in enumerate(self.classes) if of > 1]
        return Contrasts(np.ascontiguousarray(self.functions[:, kept]), tuple(self.classes[place] for place in kept))


def contrasts_of(axes: Sequence[Bins], expected: Floats) -> Contrasts:
    """Return the contrasts of a table over some variables, of whose cells the shares are expected, flat."""
    columns, classes = _design(tuple((axis.count, not axis.levels, axis.missing) for axis in axes))
    root = np.sqrt(np.maximum(expected, LEAST))
    orthonormal, _ = np.linalg.qr(columns * root[:, None])
    orthonormal = orthonormal[:, 1:]
    if expected.min() > 0:
        return Contrasts(np.ascontiguousarray(orthonormal / root[:, None]), classes)
    # Where nobody is expected nothing can be bent: contrasts say nothing of such cells, and those of them alone are none.
    orthonormal = np.where(expected[:, None] > 0, orthonormal, 0.0)
    kept = np.flatnonzero((orthonormal**2).sum(axis=0) > _HALF)
    found = np.ascontiguousarray(orthonormal[:, kept] / root[:, None])
    return Contrasts(found, tuple(classes[place] for place in kept))


_Scale = tuple[int, bool, bool]
"""A variable's bins: how many, whether they are ordered, and whether the last is for whoever has no value."""


@lru_cache(maxsize=64)
def _design(scales: tuple[_Scale, ...]) -> tuple[Floats, tuple[Class, ...]]:
    """Return functions of a table's cells, the constant first and then from coarse to fine, and the class of each."""
    single = [_functions_of(*scale) for scale in scales]
    degrees = [[degree for _, degree in functions] for functions in single]
    chosen = sorted(itertools.product(*(range(len(each)) for each in degrees)), key=lambda one: _class(one, degrees))
    kept = np.array(chosen[:_MOST])
    columns: Floats = np.ones((1, len(kept)))
    for functions, which in zip(single, kept.T, strict=True):
        mine = np.column_stack([functions[one][0] for one in which])
        columns = (columns[:, None, :] * mine[None, :, :]).reshape(-1, len(kept))
    found = (_class(which, degrees) for which in chosen[1:_MOST])
    return columns, tuple((of, min(finer, _FINEST)) for of, finer in found)


def _class(which: Sequence[int], degrees: Sequence[Sequence[int]]) -> Class:
    each = [of[one] for one, of in zip(which, degrees, strict=True)]
    of = sum(degree > 0 for degree in each)
    return of, sum(each) - of


def _functions_of(count: int, ordered: bool, missing: bool) -> list[tuple[Floats, int]]:
    """Return functions of one variable's bins with their degrees: the constant, then coarse to fine."""
    bins = count - missing
    if ordered:
        place = np.linspace(-1, 1, bins) if bins > 1 else np.zeros(1)
        curves = np.polynomial.legendre.legvander(place, bins - 1).T
        functions = [(np.append(curve, [0.0] * missing), degree) for degree, curve in enumerate(curves) if degree]
    else:
        functions = [(np.eye(count)[level], 1) for level in range(1, bins)]
    unrecorded = [(np.eye(count)[-1], 1)] if missing else []
    return [(np.ones(count), 0), *unrecorded, *functions]
