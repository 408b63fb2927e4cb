"""Membership attacks, each a way to say how sure one is that somebody was used. All see the synthetic rows alone.

Sources: Hilprecht et al. 2019, doi:10.2478/popets-2019-0067, and Chen et al. 2020 (GAN-Leaks), doi:10.1145/3372297.3417238
(distances); van Breugel et al. 2023 (DOMIAS), arXiv:2302.12580 (density ratios); Homer et al. 2008,
doi:10.1371/journal.pgen.1000167, and Sankararaman et al. 2009, doi:10.1038/ng.436 (the likelihood ratio of margins).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from manikin.errors import MissingExtraError
from manikin.real_data.attacks.scene import Points, Prints, Scene
from manikin.real_data.attacks.sides import Ints, fewer
from manikin.real_data.attacks.spaces import log_density
from manikin.streams import Floats

_CLOSE = 1e-3  # what lies nearer than this counts as equal: ratios of distances would mean nothing there
_TENTHS = np.arange(0.1, 1.0, 0.1)
_TRAINED_ON = 10_000


class Attack(Protocol):
    """A way to score people."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    def __call__(self, scene: Scene) -> Floats:
        """Return how sure the attack is that each target was used; only the order of scores matters."""
        ...


@dataclass(frozen=True)
class Nearest:
    """The nearer the nearest synthetic row, the surer."""

    name: str
    points: Callable[[Scene], Points]

    def __call__(self, scene: Scene) -> Floats:
        """Return the negative distance."""
        return -self.points(scene).to_synthetic[:, 0]


@dataclass(frozen=True)
class Ratio:
    """The nearer synthetic rows are than people of the reference, the surer: the ratio of two densities.

    With ``neighbour`` 0 the nearest row counts, with more one behind it, which sees less detail and less noise.
    """

    name: str
    points: Callable[[Scene], Points]
    neighbour: int = 0

    def __call__(self, scene: Scene) -> Floats:
        """Return the logarithm of the ratio of distances, which orders people as that of densities does."""
        points = self.points(scene)
        near, usual = (
            distances[:, min(self.neighbour, distances.shape[1] - 1)]
            for distances in (points.to_synthetic, points.to_reference)
        )
        return np.log(usual + _CLOSE) - np.log(near + _CLOSE)


@dataclass(frozen=True)
class Kernels:
    """DOMIAS with Gaussian kernels: the denser synthetic rows are than the reference, the surer."""

    name: str = "density ratio, kernels"

    def __call__(self, scene: Scene) -> Floats:
        """Return the logarithm of the ratio of densities."""
        points = scene.whitened
        synthetic = fewer(points.synthetic, len(points.reference), scene.seed, "kernels")
        size, dimensions = points.reference.shape
        # Scott's rule, doi:10.1002/9780470316849; the spread in this space is 1.
        bandwidth = size ** (-1 / (dimensions + 4))
        return log_density(points.targets, synthetic, bandwidth) - log_density(
            points.targets, points.reference, bandwidth
        )


@dataclass(frozen=True)
class Classifier:
    """Boosted trees learn to tell synthetic rows from the reference: the more synthetic somebody looks, the surer."""

    name: str = "classifier"

    def __call__(self, scene: Scene) -> Floats:
        """Return the log odds of being synthetic."""
        synthetic = fewer(scene.some, min(_TRAINED_ON, 4 * len(scene.reference)), scene.seed, "classifier")
        reference = fewer(scene.reference, _TRAINED_ON, scene.seed, "classifier reference")
        values = np.concatenate([synthetic, reference])
        synthetic_rows = np.repeat([1, 0], [len(synthetic), len(reference)])
        model = boosted(scene.variables, scene)
        with one_thread():
            model.fit(values, synthetic_rows)
            return np.asarray(model.decision_function(scene.targets), np.float64)


@dataclass(frozen=True)
class Margins:
    """The likelihood ratio of what is counted: bins of each variable and each two, synthetic against the reference."""

    name: str = "margins, likelihood ratio"

    def __call__(self, scene: Scene) -> Floats:
        """Return the sum of log ratios of shares over all margins."""
        sets = (scene.synthetic, scene.reference, scene.targets)
        columns = [_bins(sets, place, scene) for place in range(len(scene.variables))]
        score = np.zeros(len(scene.targets))
        for synthetic, reference, targets in columns:
            score += _log_ratio(synthetic, reference, 1 + int(targets.max()))[targets]
        for one, other in itertools.combinations(columns, 2):
            size = 1 + max(int(part.max()) for part in other)
            synthetic, reference, targets = (a * size + b for a, b in zip(one, other, strict=True))
            score += _log_ratio(synthetic, reference, 1 + int(targets.max()))[targets]
        return score


@dataclass(frozen=True)
class Copies:
    """Rows that are there: the oftener somebody's own row is among the synthetic ones, and the rarer it is, the surer."""

    name: str = "exact copies"

    def __call__(self, scene: Scene) -> Floats:
        """Return the log ratio of frequencies."""
        return occurrences(*(part.sum(axis=1) for part in scene.prints))


@dataclass(frozen=True)
class NearCopies:
    """Rows that are there but for one value; the most telling of the values left out decides."""

    name: str = "near copies"

    def __call__(self, scene: Scene) -> Floats:
        """Return the largest log ratio of frequencies."""
        if len(scene.variables) == 1:
            return np.zeros(len(scene.targets))
        whole = [part.sum(axis=1) for part in scene.prints]
        found = [
            occurrences(*(sums - part[:, left] for sums, part in zip(whole, scene.prints, strict=True)))
            for left in range(len(scene.variables))
        ]
        return np.asarray(np.max(found, axis=0))


def _by_rank(scene: Scene) -> Points:
    return scene.by_rank


def _whitened(scene: Scene) -> Points:
    return scene.whitened


ATTACKS: tuple[Attack, ...] = (
    Copies(),
    NearCopies(),
    Nearest("nearest, by ranks", _by_rank),
    Nearest("nearest, Mahalanobis", _whitened),
    Ratio("nearest against reference, by ranks", _by_rank),
    Ratio("nearest against reference, Mahalanobis", _whitened),
    Ratio("density ratio, neighbours", _whitened, neighbour=4),
    Kernels(),
    Margins(),
    Classifier(),
)


def boosted(variables: tuple[Any, ...], scene: Scene) -> Any:
    """Return boosted trees that have not learnt yet, with chance at its address."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingExtraError("Attacking a release", "compare") from error
    number = int(scene.seed.stream("attacks", "trees").uniform(0, 1)[0] * 2**31)
    categorical = [not variable.numeric for variable in variables]
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, categorical_features=categorical, random_state=number
    )


def one_thread() -> Any:
    """Return a context in which learners use one thread: where others work too, threads wait for each other."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError("Attacking a release", "compare") from error
    return threadpool_limits(1)


def occurrences(synthetic: Prints, reference: Prints, targets: Prints) -> Floats:
    """Return how much more frequent each target's fingerprint is among the synthetic ones than in the reference, as a log."""
    there, usual = (times(targets, among) for among in (synthetic, reference))
    return np.log((there + 0.5) / (len(synthetic) + 1)) - np.log((usual + 0.5) / (len(reference) + 1))


def times(prints: Prints, among: Prints) -> Ints:
    """Return how often each fingerprint is among others."""
    ordered = np.sort(among)
    return np.searchsorted(ordered, prints, side="right") - np.searchsorted(ordered, prints, side="left")


def _log_ratio(synthetic: Ints, reference: Ints, size: int) -> Floats:
    size = max(size, 1 + max(int(part.max()) for part in (synthetic, reference)))
    one, other = (np.bincount(part, minlength=size) + 0.5 for part in (synthetic, reference))
    return np.asarray(np.log(one / one.sum()) - np.log(other / other.sum()))


def _bins(sets: tuple[Floats, ...], place: int, scene: Scene) -> tuple[Ints, ...]:
    """Return the bin of each row: declared ones, tenths of the reference where none are; the last is for no value."""
    variable = scene.variables[place]
    known = scene.reference[:, place][~np.isnan(scene.reference[:, place])]
    if variable.numeric:
        cuts = np.array(variable.cuts) if variable.cuts else np.unique(np.quantile(known, _TENTHS))
        bins = [np.searchsorted(cuts, rows[:, place], side="right") for rows in sets]
        absent = len(cuts) + 1
    else:
        bins = [np.nan_to_num(rows[:, place]).astype(np.int64) for rows in sets]
        absent = max(2, len(variable.levels))
    return tuple(np.where(np.isnan(rows[:, place]), absent, found) for rows, found in zip(sets, bins, strict=True))
