"""Compares a cohort with real records, here where rows may be read, and hands over a finding without a row in it.

Every figure stands beside what two halves of the real records show of each other: no cohort can be nearer than that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from manikin.appraisal import Finding, Measure
from manikin.clinic import correlation
from manikin.codebook import Kind, in_sentence
from manikin.cohort import Cohort
from manikin.errors import MissingExtraError, RealDataError
from manikin.real_data.mapping import RecordMapping, read_mapping
from manikin.real_data.records import Sample, compared, read_records
from manikin.streams import Floats, Seed

_BINS = 40
# A bin with fewer real people is left out of what is handed over.
FEWEST_PEOPLE = 10
_RESAMPLES = 60
_MOST_SYNTHETIC = 50_000
# Resampling and splitting are simulation, not privacy: they may be repeated.
_SEED = Seed(20_230_701)


def comparison(records: Path, mapping: Path) -> Callable[[Cohort], Finding]:
    """Return a function that compares a cohort with the records in a file.

    Raises:
        RealDataError: There is no such file; told before a cohort is made.
    """
    for path in (records, mapping):
        if not path.exists():
            raise RealDataError(f"{path} is not there.")

    def compare(cohort: Cohort) -> Finding:
        wanted = read_mapping(mapping, {one.variable.name: one.variable for one in cohort.layout.fields})
        return compare_samples(_synthetic(cohort, wanted), read_records(records, wanted), wanted)

    return compare


def compare_samples(synthetic: Sample, real: Sample, mapping: RecordMapping) -> Finding:
    """Return distances of distributions, differences of correlations and a two-sample test, each with its ceiling."""
    halves = _halves(real)
    names, scales = [column.variable.name for column in mapping.columns], _scales(mapping)
    titles = {column.variable.name: column.variable.title for column in mapping.columns}
    distances, ceiling = ({name: ks(*pair, name) for name in names} for pair in ((synthetic, real), halves))
    pairs, half_pairs = _pairs(synthetic, real, scales), _pairs(*halves, scales)
    (auc, auc_interval), (auc_ceiling, _) = (two_sample_auc(*pair, mapping) for pair in ((synthetic, real), halves))
    mean_ks, mean_gap = _mean(distances), _gap(pairs)
    ks_interval, gap_interval = _intervals(synthetic, real, names, scales)
    summary = (
        _overall("Mean Kolmogorov-Smirnov distance", mean_ks, ks_interval, _mean(ceiling)),
        _overall("Mean absolute difference of correlations", mean_gap, gap_interval, _gap(half_pairs)),
        _overall("Two-sample AUC of a classifier", auc, auc_interval, auc_ceiling),
    )
    each = tuple(
        Measure(titles[name], distance, expected=ceiling[name], group="Kolmogorov-Smirnov distance")
        for name, distance in distances.items()
    )
    apart = tuple(
        Measure(f"{titles[a]} and {in_sentence(titles[b])}", ours, expected=theirs, group="Correlation, expected: real")
        for a, b, ours, theirs in pairs
    )
    answer = (
        f"Mean distance of {len(names)} distributions {mean_ks:.3f}, of {len(pairs)} correlations {mean_gap:.3f}; "
        f"a classifier tells synthetic from real with AUC {auc:.2f} (two halves of the real records: {auc_ceiling:.2f}). "
        f"{real.size:,} real people, weighted."
    )
    drawings = {
        "marginals": [_marginal(synthetic, real, column) for column in mapping.columns],
        "correlation_pairs": [[titles[a], titles[b], round(ours, 4), round(theirs, 4)] for a, b, ours, theirs in pairs],
    }
    question = f"Is it like real records? ({mapping.title})"
    return Finding("comparison", question, answer, None, summary + each + apart, drawings)


def _overall(name: str, value: float, interval: tuple[float, float], ceiling: float) -> Measure:
    note = "expected: what two halves of the real records show of each other"
    return Measure(name, value, interval, ceiling, group="Overall", note=note)


def _mean(distances: dict[str, float]) -> float:
    return float(np.mean(list(distances.values())))


def ks(one: Sample, other: Sample, name: str) -> float:
    """Return the weighted Kolmogorov-Smirnov distance of a variable; of a category, the largest difference of a share."""
    a, b = one.columns[name], other.columns[name]
    a_weights, b_weights = one.weights[np.isfinite(a)], other.weights[np.isfinite(b)]
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not a.size or not b.size:
        return 1.0
    grid = np.unique(np.concatenate([a, b]))
    return float(np.abs(_below(a, a_weights, grid) - _below(b, b_weights, grid)).max())


def two_sample_auc(one: Sample, other: Sample, mapping: RecordMapping) -> tuple[float, tuple[float, float]]:
    """Return the weighted AUC of a boosted-tree classifier, out of fold, with a 95% interval (Hanley & McNeil 1982).

    People with a value for every variable are compared, so that the pattern of what is missing gives nothing away.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError("Comparing with real records", "compare") from error
    names = [column.variable.name for column in mapping.columns]
    sides = [_complete(sample, names) for sample in (one, other)]
    values = np.concatenate([np.column_stack([side.columns[name] for name in names]) for side in sides])
    labels = np.repeat([0, 1], [side.size for side in sides])
    weights = np.concatenate([side.weights / side.weights.sum() for side in sides]) * len(labels) / 2
    scores = np.zeros(len(labels))
    categorical = [column.variable.kind is Kind.CATEGORY for column in mapping.columns]
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(values, labels):
        model = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.06, categorical_features=categorical, random_state=0
        )
        # On a machine that others use as well, threads that wait for each other take minutes for seconds of work.
        with threadpool_limits(1):
            model.fit(values[train], labels[train], weights[train])
            scores[test] = model.predict_proba(values[test])[:, 1]
    auc = float(roc_auc_score(labels, scores, sample_weight=weights))
    return auc, _auc_interval(auc, *(side.weights.sum() ** 2 / (side.weights**2).sum() for side in sides))


def _auc_interval(auc: float, n_one: float, n_other: float) -> tuple[float, float]:
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n_one - 1) * (q1 - auc**2) + (n_other - 1) * (q2 - auc**2)) / (n_one * n_other)
    half = 1.96 * float(np.sqrt(variance))
    return auc - half, auc + half


def _synthetic(cohort: Cohort, mapping: RecordMapping) -> Sample:
    columns = {
        name: _plain(values)
        for name, values in cohort.columns(
            (column.variable.name for column in mapping.columns), _MOST_SYNTHETIC
        ).items()
    }
    weights = cohort.weights(_MOST_SYNTHETIC)
    size = len(next(iter(columns.values())))
    return compared(Sample(columns, np.ones(size) if weights is None else weights), mapping)


def _plain(values: Any) -> Floats:
    numbers = np.asarray(values, np.float64)
    return np.where(numbers < 0, np.nan, numbers) if values.dtype == np.int8 else numbers


def _halves(sample: Sample) -> tuple[Sample, Sample]:
    heads = _SEED.stream("halves").uniform(0, sample.size) < 0.5
    return sample.taken(heads), sample.taken(~heads)


def _complete(sample: Sample, names: list[str]) -> Sample:
    return sample.taken(np.isfinite(np.column_stack([sample.columns[name] for name in names])).all(axis=1))


def _scales(mapping: RecordMapping) -> list[str]:
    """Return the variables between which a correlation means something: numbers and conditions, and two-level categories."""
    return [
        column.variable.name
        for column in mapping.columns
        if column.variable.kind is not Kind.CATEGORY or len(column.variable.levels) == 2
    ]


def _pairs(one: Sample, other: Sample, names: list[str]) -> list[tuple[str, str, float, float]]:
    return [(a, b, _correlated(one, a, b), _correlated(other, a, b)) for a, b in itertools.combinations(names, 2)]


def _correlated(sample: Sample, one: str, other: str) -> float:
    a, b = sample.columns[one], sample.columns[other]
    both = np.isfinite(a) & np.isfinite(b)
    found = correlation(a[both], b[both], sample.weights[both]) if both.sum() > 2 else 0.0
    return found if np.isfinite(found) else 0.0


def _gap(pairs: list[tuple[str, str, float, float]]) -> float:
    return float(np.mean([abs(ours - theirs) for _, _, ours, theirs in pairs])) if pairs else 0.0


def _intervals(synthetic: Sample, real: Sample, names: list[str], scales: list[str]) -> list[tuple[float, float]]:
    """Return 95% intervals of the mean distance and the mean correlation gap, by resampling the real people.

    Basic bootstrap: resampled records scatter around the records as those do around the population.
    """
    found = []
    for number in range(_RESAMPLES):
        drawn = (_SEED.stream("resample", str(number)).uniform(0, real.size) * real.size).astype(int)
        again = real.taken(drawn)
        found.append((np.mean([ks(synthetic, again, name) for name in names]), _gap(_pairs(synthetic, again, scales))))
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _below(values: Floats, weights: Floats, grid: Floats) -> Floats:
    order = np.argsort(values, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(total[np.searchsorted(values[order], grid, side="right")] / total[-1])


def _marginal(synthetic: Sample, real: Sample, column: Any) -> dict[str, Any]:
    name, variable = column.variable.name, column.variable
    if variable.numeric:
        # Edges follow the synthetic side: those of the records would tell of their extremes.
        known = synthetic.columns[name][np.isfinite(synthetic.columns[name])]
        step = max(column.precision or 0, variable.precision or 0, 1e-9)
        low, high = np.quantile(known, [0.002, 0.998])
        width = max(step, np.ceil((high - low) / _BINS / step) * step)
        edges = low - 0.5 * step + width * np.arange(int(np.ceil((high - low) / width)) + 2)
    else:
        edges = np.arange(len(variable.levels or ("no", "yes")) + 1) - 0.5
    scale = (
        {"edges": [round(float(edge), 6) for edge in edges]}
        if variable.numeric
        else {"levels": list(variable.levels or ("no", "yes"))}
    )
    densities = {
        "synthetic": _density(synthetic, name, edges, fewest=0),
        "real": _density(real, name, edges, fewest=FEWEST_PEOPLE),
    }
    return {"name": name, "title": variable.title, "unit": variable.unit, **scale, **densities}


def _density(sample: Sample, name: str, edges: Floats, fewest: int) -> list[float]:
    """Return the density in each bin, 0 where fewer than ``fewest`` people are."""
    values = sample.columns[name]
    known = np.isfinite(values)
    people, _ = np.histogram(values[known], edges)
    counts, _ = np.histogram(values[known], edges, weights=sample.weights[known])
    shown = np.where(people >= fewest, counts / sample.weights[known].sum() / np.diff(edges), 0.0)
    return [float(f"{one:.3g}") for one in shown]
