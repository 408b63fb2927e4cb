"""From which point on an attack counts as working, by default, and what is said where none could be made."""

from __future__ import annotations

from dataclasses import dataclass, replace

UNASSESSED = "Not assessed: this needs people of the same kind whose records were never used. Give them with --holdout."


@dataclass(frozen=True)
class Tolerance:
    """What an honest release may show, and how sure one has to be that it shows more.

    ``ratio`` is how many times as often people who were used may be claimed as others, ``auc`` the area under the curve,
    ``advantage`` by how much oftener a guess about them may be right, ``risk`` the risk after Giomi et al. A gate
    fails only if what was found is above that with ``confidence``, one-sided: of ten gates on an honest release one
    then fails in less than one of a hundred releases.
    """

    ratio: float = 1.5
    auc: float = 0.52
    advantage: float = 0.02
    risk: float = 0.02
    confidence: float = 0.999

    def among(self, count: int) -> Tolerance:
        """Return the tolerance of each of so many gates that together are one (Bonferroni)."""
        return replace(self, confidence=1 - (1 - self.confidence) / count)


DEFAULT = Tolerance()
