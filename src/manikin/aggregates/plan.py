"""What is asked of every source of a study, and how much of one patient may count: said beforehand, never read off records."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manikin.errors import RequestError, closest
from manikin.privacy import Budget

# Which row of a patient with several counts.
FIRST, LAST = "first", "last"
# The kinds of question, and how much of the budget a table of each gets beside the others.
WEIGHTS: Mapping[str, float] = {
    "variables": 1.0,
    "pairs": 1.0,
    "outcomes": 1.0,
    "triples": 1.0,
    "events": 1.0,
    "clipped": 0.25,
}


@dataclass(frozen=True)
class Bound:
    """How many of its kind count of one patient, the first in time, and between which ``cuts`` they are counted."""

    most: int
    cuts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a bound of none, and cuts that don't ascend."""
        if self.most < 1:
            raise RequestError(f"A patient counts once or more; got {self.most}.")
        _ascending(self.cuts)

    def written(self) -> dict[str, Any]:
        """Return the bound as a study file has it."""
        return {"most": self.most, **({"cuts": list(self.cuts)} if self.cuts else {})}


@dataclass(frozen=True)
class EventPlan:
    """What is asked about events; an empty or absent part is not asked.

    ``items`` are the types asked about, all of the event mapping where none is named. ``counts`` are the cuts of how
    often a patient has each type, ``followed`` those of the time of follow-up; times are in steps of the event mapping's clock.
    ``most`` bounds how many events of a kind (``observation``, ``medication``, …) count of one patient, before all else.
    ``transitions`` bounds moves from type to type, ``gaps`` the times until the next event of a type, ``dwells`` the
    stays of an item in a band between its cuts, ``visits`` the moments at which items are recorded.
    ``missingness`` are small groups of items of which is asked who has which of them on record.
    """

    items: tuple[str, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)
    counts: tuple[float, ...] = ()
    followed: tuple[float, ...] = ()
    transitions: Bound | None = None
    gaps: Bound | None = None
    dwells: Bound | None = None
    visits: Bound | None = None
    missingness: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse cuts that don't ascend, bounds of none, and times without cuts."""
        _ascending(self.counts)
        _ascending(self.followed)
        for kind, most in self.most.items():
            if most < 1:
                raise RequestError(f"Of '{kind}' a patient counts once or more; got {most}.")
        for key in ("gaps", "dwells"):
            bound = getattr(self, key)
            if bound is not None and not bound.cuts:
                raise RequestError(
                    f"'{key}' need cuts, declared beforehand. Write: {key}: {{most: 10, cuts: [1, 7, 30]}}"
                )
        for group in self.missingness:
            if not 1 <= len(group) <= 6 or len(set(group)) < len(group):
                raise RequestError("A group of missingness has one to six items, each named once.")

    def written(self) -> dict[str, Any]:
        """Return the plan as a study file has it."""
        bounds = {key: getattr(self, key) for key in ("transitions", "gaps", "dwells", "visits")}
        lists = {key: list(getattr(self, key)) for key in ("items", "counts", "followed")}
        found: dict[str, Any] = {
            **lists,
            "most": dict(self.most),
            **{key: bound.written() for key, bound in bounds.items() if bound},
            "missingness": [list(group) for group in self.missingness],
        }
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True)
class MeasurePlan:
    """What a study asks of the patients of a source.

    ``variables`` are asked one by one, all that a mapping names where none is named here; ``outcomes`` are asked
    together with each of them. Each variable has a bin for those without a value, unless it is ``complete``: who has
    none there is not counted. Of a patient with several ``rows`` the first or last counts. ``clipped`` asks how many
    patients that concerns. ``budget`` is all that a source ever gives; without one it is what the first measurement
    spends. ``weights`` say how the price of a measurement is split.
    """

    variables: tuple[str, ...] = ()
    pairs: tuple[tuple[str, ...], ...] = ()
    outcomes: tuple[str, ...] = ()
    triples: tuple[tuple[str, ...], ...] = ()
    complete: tuple[str, ...] = ()
    rows: str = FIRST
    clipped: bool = False
    budget: Budget | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    events: EventPlan | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        for key, size in (("pairs", 2), ("triples", 3)):
            for group in getattr(self, key):
                if len(set(group)) != size or len(group) != size:
                    raise RequestError(f"One of the {key} is {', '.join(group)}; name {size} different variables.")
        if self.rows not in (FIRST, LAST):
            raise RequestError(f"The row that counts of a patient is first or last; got '{self.rows}'.")
        for key, weight in self.weights.items():
            if key not in WEIGHTS:
                raise RequestError(f"There is no weight of '{key}'. {closest(key, WEIGHTS)}")
            if not weight > 0:
                raise RequestError(f"A weight is above 0; that of '{key}' is {weight:g}.")

    @property
    def named(self) -> tuple[str, ...]:
        """Every variable that is named anywhere, each once."""
        groups = (self.variables, self.outcomes, self.complete, *self.pairs, *self.triples)
        return tuple(dict.fromkeys(itertools.chain.from_iterable(groups)))

    def weight(self, kind: str) -> float:
        """Return how much of the budget a table of a kind gets beside the others."""
        return self.weights.get(kind, WEIGHTS[kind])

    def written(self) -> dict[str, Any]:
        """Return the plan as a study file has it."""
        found: dict[str, Any] = {
            **{key: list(getattr(self, key)) for key in ("variables", "outcomes", "complete")},
            **{key: [list(group) for group in getattr(self, key)] for key in ("pairs", "triples")},
            "rows": self.rows if self.rows != FIRST else "",
            "clipped": self.clipped,
            "budget": {} if self.budget is None else {"epsilon": self.budget.epsilon, "delta": self.budget.delta},
            "weights": dict(self.weights),
            "events": self.events.written() if self.events else {},
        }
        return {key: value for key, value in found.items() if value}


def _ascending(cuts: tuple[float, ...]) -> None:
    if any(high <= low for low, high in itertools.pairwise(cuts)):
        raise RequestError(f"Cuts ascend; got {', '.join(f'{cut:g}' for cut in cuts)}.")
