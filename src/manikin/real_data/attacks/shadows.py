"""Shadow releases: who can make such a release from people they know learns from it what being used looks like.

The reference people are dealt in three. Of one third a release is made as the one attacked was; of that and another
third all attacks say their scores; a regression learns how to weigh them. The last third is the reference meanwhile.

Source: Stadler, Oprisanu and Troncoso 2022, arXiv:2011.07018; Houssiau et al. 2022, arXiv:2211.06550.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from manikin.errors import MissingExtraError
from manikin.real_data.attacks.scene import Scene
from manikin.real_data.attacks.scores import Attack
from manikin.real_data.attacks.sides import drawn, matrix
from manikin.real_data.records import Sample
from manikin.streams import Floats, Seed

Maker = Callable[[Sample, Seed], Sample]
"""Makes a release of people, as the one attacked was made: fits a sampler and draws from it."""

RELEASES = 4


@dataclass(frozen=True)
class Shadow:
    """Weighs the scores of other attacks as it learnt on releases of its own making."""

    maker: Maker
    names: tuple[str, ...]
    attacks: tuple[Attack, ...]
    releases: int = RELEASES
    name: str = "shadow releases"

    def __call__(self, scene: Scene) -> Floats:
        """Return the log odds of having been used, by a logistic regression on all scores."""
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError as error:
            raise MissingExtraError("Attacking a release", "compare") from error
        trained = [self._trained(scene, number) for number in range(self.releases)]
        model = LogisticRegression(max_iter=1000)
        model.fit(np.concatenate([scores for scores, _ in trained]), np.concatenate([used for _, used in trained]))
        return np.asarray(model.decision_function(self._scores(scene)), np.float64)

    def _trained(self, scene: Scene, number: int) -> tuple[Floats, Floats]:
        size = len(scene.reference)
        used, unused, known = np.array_split(scene.reference[drawn(size, size, scene.seed, f"shadow {number}")], 3)
        people = Sample({name: used[:, place] for place, name in enumerate(self.names)}, np.ones(len(used)))
        seed = Seed(int(scene.seed.stream("attacks", "shadow").uniform(number, 1)[0] * 2**62))
        made = matrix(self.maker(people, seed), self.names)
        shadow = replace(scene, synthetic=made, reference=known, targets=np.concatenate([used, unused]), seed=seed)
        return self._scores(shadow), np.repeat([1.0, 0.0], [len(used), len(unused)])

    def _scores(self, scene: Scene) -> Floats:
        """Return the scores of all attacks, shape (targets, attacks), on a scale that does not depend on the release."""
        scores = np.column_stack([attack(scene) for attack in self.attacks])
        spread = np.quantile(scores, 0.75, axis=0) - np.quantile(scores, 0.25, axis=0)
        centred = scores - np.median(scores, axis=0)
        return np.asarray(np.arcsinh(centred / np.where(spread > 0, spread, 1.0)))
