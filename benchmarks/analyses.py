"""Four analyses of a table of counts over the cells of ``benchmarks.inference``, of many tables at once.

Group and exposure are 0 or 1, the outcome as well; a score has four levels, a risk three. Each analysis is the one a
statistics package gives for as many rows.
"""

from __future__ import annotations

import numpy as np

from manikin.streams import Floats

ANALYSES = ("two proportions", "two means", "logistic regression", "linear regression")

_GROUP, _SCORE, _OUTCOME, _RISK, _EXPOSURE = np.indices((2, 4, 2, 3, 2)).reshape(5, -1).astype(np.float64)
_DESIGN = np.column_stack([_EXPOSURE, np.ones_like(_RISK), _RISK == 1, _RISK == 2])
_STEPS = 25
_LEAST = 1e-9


def analysed(tables: Floats) -> tuple[Floats, Floats]:
    """Return estimates and their variances, each of shape (tables, analyses).

    Args:
        tables: Patients in each cell, shape (tables, cells).
    """
    found = [_means(tables, _OUTCOME), _means(tables, _SCORE), _logistic(tables), _linear(tables)]
    estimates, variances = zip(*found, strict=True)
    return np.column_stack(estimates), np.column_stack(variances)


def _means(tables: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return the difference between the means of two groups (Welch)."""
    estimate, variance = np.zeros(len(tables)), np.zeros(len(tables))
    for group, sign in ((_GROUP == 1, 1), (_GROUP == 0, -1)):
        size = tables[:, group].sum(axis=1)
        mean = tables[:, group] @ value[group] / size
        estimate += sign * mean
        variance += (tables[:, group] @ value[group] ** 2 / size - mean**2) / size
    return estimate, variance


def _logistic(tables: Floats) -> tuple[Floats, Floats]:
    """Return the coefficient of exposure on outcome, given risk (Newton's method)."""
    beta = np.zeros((len(tables), _DESIGN.shape[1]))
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(beta @ _DESIGN.T, -30, 30)))
        information = _squares(tables * chance * (1 - chance))
        score = (tables * (_OUTCOME - chance)) @ _DESIGN
        step = np.clip(np.linalg.solve(information, score[:, :, None])[:, :, 0], -2, 2)
        beta += step
        if np.abs(step).max() < _LEAST:
            break
    return beta[:, 0], np.linalg.inv(information)[:, 0, 0]


def _linear(tables: Floats) -> tuple[Floats, Floats]:
    """Return the coefficient of exposure on score, given risk (least squares)."""
    inverse = np.linalg.inv(_squares(tables))
    beta = np.matmul(inverse, ((tables * _SCORE) @ _DESIGN)[:, :, None])[:, :, 0]
    size = tables.sum(axis=1)
    residual = (tables * (_SCORE - beta @ _DESIGN.T) ** 2).sum(axis=1)
    return beta[:, 0], inverse[:, 0, 0] * residual / np.maximum(size - _DESIGN.shape[1], 1)


def _squares(weights: Floats) -> Floats:
    """Return X' W X for each row of weights, with next to nothing on the diagonal lest an empty stratum make it singular."""
    found = np.einsum("ci,tc,cj->tij", _DESIGN, weights, _DESIGN, optimize=True)
    return np.asarray(found + _LEAST * np.eye(_DESIGN.shape[1]))
