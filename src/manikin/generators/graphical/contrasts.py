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

import numpy as np

from manikin.codebook import Bins
from manikin.streams import Floats

_LEAST = 1e-7
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


def contrasts_of(axes: Sequence[Bins], expected: Floats) -> Contrasts:
    """Return the contrasts of a table over some variables, of whose cells the shares are expected, flat."""
    single = [_functions_of(axis) for axis in axes]
    degrees = [[degree for _, degree in functions] for functions in single]
    chosen = sorted(itertools.product(*(range(len(each)) for each in degrees)), key=lambda one: _class(one, degrees))
    columns = []
    for which in chosen[:_MOST]:
        column = np.ones(1)
        for functions, one in zip(single, which, strict=True):
            column = np.outer(column, functions[one][0]).ravel()
        columns.append(column)
    root = np.sqrt(np.maximum(expected, _LEAST))
    orthonormal, _ = np.linalg.qr(np.column_stack(columns) * root[:, None])
    # Where nobody is expected nothing can be bent: contrasts say nothing of such cells, and those of them alone are none.
    orthonormal[expected <= 0] = 0.0
    classes = [(of, min(finer, _FINEST)) for of, finer in (_class(which, degrees) for which in chosen[:_MOST])]
    kept = [place for place in range(1, len(columns)) if orthonormal[:, place] @ orthonormal[:, place] > _HALF]
    return Contrasts(
        np.ascontiguousarray(orthonormal[:, kept] / root[:, None]), tuple(classes[place] for place in kept)
    )


def _class(which: Sequence[int], degrees: Sequence[Sequence[int]]) -> Class:
    each = [of[one] for one, of in zip(which, degrees, strict=True)]
    of = sum(degree > 0 for degree in each)
    return of, sum(each) - of


def _functions_of(axis: Bins) -> list[tuple[Floats, int]]:
    """Return functions of one variable's bins with their degrees: the constant, then coarse to fine."""
    bins = axis.count - axis.missing
    if axis.levels:
        functions = [(np.eye(axis.count)[level], 1) for level in range(1, bins)]
    else:
        place = np.linspace(-1, 1, bins) if bins > 1 else np.zeros(1)
        curves = np.polynomial.legendre.legvander(place, bins - 1).T
        functions = [(np.append(curve, [0.0] * axis.missing), degree) for degree, curve in enumerate(curves) if degree]
    unrecorded = [(np.eye(axis.count)[-1], 1)] if axis.missing else []
    return [(np.ones(axis.count), 0), *unrecorded, *functions]
