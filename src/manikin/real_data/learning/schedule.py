"""How a network of a table learns. All of it is declared; nothing is tuned on the people who are learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.privacy import NoisySteps
from manikin.real_data.learning.generator import Allowance
from manikin.streams import Floats, Seed

FIRST_SEED = Seed(1)

# So many patients of a step stand in memory with their gradients.
_MOST_TOGETHER = 4096


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns, and how the budget of a private fit is parted.

    A private step takes each patient with the chance ``share``, or fewer where that were more than 4,096; a step that
    is not private takes ``batch`` patients. ``margins`` is the part of the budget for the bins of variables one by one,
    from which the network sets out; the rest buys the steps. What a patient asks for is shortened to ``clip``.
    """

    steps: int
    share: float = 0.25
    batch: int = 256
    learning_rate: float = 3e-3
    clip: float = 1.0
    margins: float = 0.4
    seed: Seed = FIRST_SEED

    def rate(self, patients: float) -> float:
        """Return the chance of each patient to take part in a private step; their number is a noisy one, or public."""
        return min(self.share, _MOST_TOGETHER / max(patients, 1.0))

    def bought(self, allowance: Allowance | None, patients: float, what: str) -> NoisySteps | None:
        """Return the steps of a private run for what the margins left of an allowance; None without one."""
        if allowance is None:
            return None
        return allowance.part(1 - self.margins).steps(self.rate(patients), self.steps, self.clip, what, patients)

    def chance(self, name: str, step: int, count: int, bought: NoisySteps | None) -> Floats:
        """Return uniform draws for the patients of a step: repeatable, unless the step is private."""
        if bought is not None:
            return bought.uniform(count)
        return self.seed.stream(name, str(step)).uniform(0, max(count, 1))[:count]

    def batches(self, patients: int, bought: NoisySteps | None) -> Iterator[npt.NDArray[np.int64]]:
        """Return for each step who takes part."""
        for step in range(self.steps):
            if bought is not None:
                yield bought.who(patients)
            else:
                uniform = self.seed.stream("batch", str(step)).uniform(0, min(self.batch, patients))
                yield (uniform * patients).astype(np.int64)
