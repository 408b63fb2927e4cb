"""How near synthetic rows come to people whom nobody learnt from, and what can be learnt from them.

Distances are total variation between marginals over bins, averaged over all pairs and triples of columns; those of many
columns are a fixed choice of triples, the same for every fitter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from benchmarks.learning.columns import Column
from benchmarks.learning.data import Outcome, Rows, Table

# More triples would move the mean by less than a seed does.
MOST_TRIPLES = 400
# Classifiers learn from so many synthetic rows at most.
MOST_LEARNT = 20_000
# The same choices for every fitter, so that their differences are not those of luck.
_CHOICE = 20_260_704

Clique = tuple[int, ...]


@dataclass(frozen=True)
class Measures:
    """What one fitter reached on one split.

    ``tv_1``, ``tv_2`` and ``tv_3`` are mean total variations to the held-out people; ``unmeasured_2`` and
    ``unmeasured_3`` those over marginals that lie within none that was measured, None where the fitter doesn't say or
    measured all. ``distinct_share`` is the share of distinct rows among as many as there were training rows, and
    ``distinct_ratio`` that over the training rows' own. ``auc_logistic`` and ``auc_boosting``: trained on synthetic
    rows, tested on held-out people. ``auc_two_sample``: values told from those of held-out people, out of fold.
    """

    tv_1: float
    tv_2: float
    tv_3: float
    unmeasured_2: float | None
    unmeasured_3: float | None
    distinct_share: float
    distinct_ratio: float
    auc_logistic: float
    auc_boosting: float
    auc_two_sample: float


def measure(
    table: Table, train: Rows, held_out: Rows, synthetic: Rows, measured: Iterable[Sequence[int]] | None, seed: int
) -> Measures:
    """Return what synthetic rows reach; those of ``synthetic`` are in no order that means something."""
    distances = _distances(table.shape, synthetic.codes, held_out.codes)
    pairs, triples = ({one: distances[one] for one in distances if len(one) == degree} for degree in (2, 3))
    asked = None if measured is None else [frozenset(one) for one in measured]
    own, theirs = (_distinct_share(rows.codes[: train.size]) for rows in (synthetic, train))
    outcome = table.outcome
    with threadpool_limits(1):
        return Measures(
            tv_1=_mean(distance for one, distance in distances.items() if len(one) == 1),
            tv_2=_mean(pairs.values()),
            tv_3=_mean(triples.values()),
            unmeasured_2=_unmeasured(pairs, asked),
            unmeasured_3=_unmeasured(triples, asked),
            distinct_share=own,
            distinct_ratio=own / theirs,
            auc_logistic=_learnt_auc(_logistic, table.shape, outcome, synthetic.codes, held_out.codes),
            auc_boosting=_learnt_auc(_boosting, table.shape, outcome, synthetic.codes, held_out.codes),
            auc_two_sample=two_sample_auc(synthetic.values, held_out.values, table.columns, seed),
        )


def marginals(columns: int) -> Iterator[Clique]:
    """Return the marginals that are compared: all of one and two columns, and of three as many as are affordable."""
    yield from ((one,) for one in range(columns))
    yield from itertools.combinations(range(columns), 2)
    triples = list(itertools.combinations(range(columns), 3))
    if len(triples) > MOST_TRIPLES:
        chosen = np.random.default_rng(_CHOICE).choice(len(triples), MOST_TRIPLES, replace=False)
        triples = [triples[place] for place in np.sort(chosen)]
    yield from triples


def two_sample_auc(one: Any, other: Any, columns: Sequence[Column], seed: int) -> float:
    """Return the AUC of boosted trees that tell two sets of values apart, out of fold, from as many rows of each.

    Set up as ``manikin.real_data.compare.two_sample_auc``; a missing value is one that trees may look at.
    """
    size = min(len(one), len(other), MOST_LEARNT // 2)
    rng = np.random.default_rng(seed)
    values = np.concatenate([side[rng.permutation(len(side))[:size]] for side in (one, other)])
    labels = np.repeat([0, 1], size)
    scores = np.zeros(len(labels))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(values, labels):
        model = HistGradientBoostingClassifier(
            max_iter=150,
            learning_rate=0.06,
            categorical_features=[bool(column.levels) for column in columns],
            random_state=0,
        )
        # On a machine that others use as well, threads that wait for each other take minutes for seconds of work.
        with threadpool_limits(1):
            scores[test] = model.fit(values[train], labels[train]).predict_proba(values[test])[:, 1]
    return float(roc_auc_score(labels, scores))


def _distances(shape: Sequence[int], ours: Any, theirs: Any) -> dict[Clique, float]:
    return {
        one: 0.5 * float(np.abs(_marginal(shape, ours, one) - _marginal(shape, theirs, one)).sum())
        for one in marginals(len(shape))
    }


def _marginal(shape: Sequence[int], codes: Any, columns: Clique) -> Any:
    sizes = [shape[column] for column in columns]
    cells = np.zeros(len(codes), np.int64)
    for column, size in zip(columns, sizes, strict=True):
        cells = cells * size + codes[:, column]
    return np.bincount(cells, minlength=int(np.prod(sizes))) / len(codes)


def _unmeasured(distances: dict[Clique, float], measured: list[frozenset[int]] | None) -> float | None:
    if measured is None:
        return None
    return _mean(
        distance for one, distance in distances.items() if not any(asked.issuperset(one) for asked in measured)
    )


def _mean(distances: Iterable[float]) -> Any:
    """Return the mean; of none, None."""
    found = list(distances)
    return float(np.mean(found)) if found else None


def _distinct_share(codes: Any) -> float:
    packed = np.ascontiguousarray(codes).view(np.dtype((np.void, codes.dtype.itemsize * codes.shape[1])))
    return len(np.unique(packed)) / len(codes)


def _learnt_auc(learner: Any, shape: Sequence[int], outcome: Outcome, synthetic: Any, held_out: Any) -> float:
    """Return the AUC on held-out people of what was learnt from synthetic rows; a half where these have one class."""
    labels, truth = (np.isin(codes[:, outcome.column], outcome.positive) for codes in (synthetic, held_out))
    labels = labels[:MOST_LEARNT]
    if labels.all() or not labels.any():
        return 0.5
    predictors = [column for column in range(len(shape)) if column != outcome.column]
    scores = learner([shape[column] for column in predictors], synthetic[:MOST_LEARNT, predictors], labels)(
        held_out[:, predictors]
    )
    return float(roc_auc_score(truth, scores))


def _logistic(shape: Sequence[int], codes: Any, labels: Any) -> Any:
    model = LogisticRegression(max_iter=1000).fit(_one_hot(shape, codes), labels)
    return lambda asked: model.decision_function(_one_hot(shape, asked))


def _boosting(shape: Sequence[int], codes: Any, labels: Any) -> Any:
    categorical = [bins > 2 for bins in shape]
    model = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, categorical_features=categorical, random_state=0
    ).fit(codes, labels)
    return model.decision_function


def _one_hot(shape: Sequence[int], codes: Any) -> Any:
    return np.concatenate([codes[:, [place]] == np.arange(bins) for place, bins in enumerate(shape)], axis=1).astype(
        float
    )
