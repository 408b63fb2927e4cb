"""What a cohort says about a target: the estimate with its standard error, weighted and age-standardised if asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.clinic.model import Statistic, Target
from manikin.streams import Floats

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error, from ``n`` patients (effective, where they carry weights)."""

    value: float
    se: float
    n: float


NOTHING = Estimate(float("nan"), float("nan"), 0.0)


def estimate(target: Target, columns: Mapping[str, Any], weights: Floats | None = None) -> list[Estimate]:
    """Return one estimate for each value of the target; ``NOTHING`` where no patient falls in its cell.

    Args:
        target: What to estimate.
        columns: At least those that the target reads.
        weights: One for each patient; equal when absent.
    """
    values = [np.asarray(one.compute(columns), np.float64) for one in target.of]
    inside = np.isfinite(sum(values)) if target.statistic is not Statistic.SHARE else np.ones(values[0].shape, np.bool_)
    if target.among is not None:
        inside &= np.asarray(target.among.compute(columns))
    weights = np.ones(inside.shape) if weights is None else weights
    return [_one(target, values, weights, mine, columns) for mine in cells(target, columns, inside)]


def cells(target: Target, columns: Mapping[str, Any], inside: Mask) -> list[Mask]:
    """Return who of those ``inside`` falls in each cell of a target's breakdown."""
    if target.breakdown is None:
        return [inside]
    for axis in target.breakdown.axes:
        inside = inside & axis.inside(columns)
    cell = target.breakdown.cell(columns)
    return [inside & (cell == number) for number in range(len(target.breakdown.labels))]


def _one(target: Target, values: list[Floats], weights: Floats, mine: Mask, columns: Mapping[str, Any]) -> Estimate:
    if not mine.any():
        return NOTHING
    kept = weights[mine]
    if target.standard is not None:
        inside = mine & target.standard.breakdown.axes[0].inside(columns)
        mine, kept = inside, _standardised(target, weights, inside, columns)
    return _statistic(target, [value[mine] for value in values], kept)


def _standardised(target: Target, weights: Floats, mine: Mask, columns: Mapping[str, Any]) -> Floats:
    """Return weights under which every band of the standard population has the standard's share."""
    assert target.standard is not None
    band = target.standard.breakdown.cell(columns)[mine]
    kept = weights[mine]
    shares = np.array(target.standard.weights)
    present = np.bincount(band, kept, minlength=len(shares))
    scale = np.divide(shares, present, out=np.zeros_like(shares), where=present > 0)
    return np.asarray(kept * scale[band])


def _statistic(target: Target, values: list[Floats], weights: Floats) -> Estimate:
    total = weights.sum()
    if total <= 0:
        return NOTHING
    n = float(total**2 / (weights**2).sum())
    mean = float((weights * values[0]).sum() / total)
    sd = float(np.sqrt((weights * (values[0] - mean) ** 2).sum() / total))
    if target.statistic in (Statistic.MEAN, Statistic.SHARE):
        return Estimate(mean, sd / np.sqrt(n), n)
    if target.statistic is Statistic.SD:
        return Estimate(sd, sd / np.sqrt(2 * max(n - 1, 1)), n)
    if target.statistic is Statistic.QUANTILE:
        return _quantile(values[0], weights, target.quantile, n)
    if target.statistic is Statistic.RATIO:
        return _ratio(values[0], values[1], weights, n)
    found = correlation(values[0], values[1], weights)
    return Estimate(found, (1 - found**2) / np.sqrt(max(n - 1, 1)), n)


def _ratio(one: Floats, other: Floats, weights: Floats, n: float) -> Estimate:
    """Return the ratio of two sums; its standard error is the linearised one (Cochran, Sampling Techniques, 1977)."""
    below = float((weights * other).sum())
    if below <= 0:
        return NOTHING
    ratio = float((weights * one).sum()) / below
    residual = one - ratio * other
    mean_below = below / float(weights.sum())
    spread = np.sqrt(float((weights * residual * residual).sum() / weights.sum()))
    return Estimate(ratio, spread / mean_below / np.sqrt(n), n)


def correlation(one: Floats, other: Floats, weights: Floats) -> float:
    """Return the weighted Pearson correlation."""
    # Sums, not products of vectors: those are shared out among threads, and come out otherwise on another machine.
    total = weights.sum()
    a, b = one - (weights * one).sum() / total, other - (weights * other).sum() / total
    weighted = weights * a
    spread = np.sqrt((weighted * a).sum() * (weights * b * b).sum())
    return float((weighted * b).sum() / spread) if spread > 0 else float("nan")


def _quantile(values: Floats, weights: Floats, level: float, n: float) -> Estimate:
    order = np.argsort(values, kind="stable")
    ranked, below = values[order], np.cumsum(weights[order])
    below = (below - 0.5 * weights[order]) / below[-1]
    half = 1.96 * np.sqrt(level * (1 - level) / n)
    value, low, high = np.interp([level, max(level - half, 0), min(level + half, 1)], below, ranked)
    return Estimate(float(value), float((high - low) / 3.92), n)
