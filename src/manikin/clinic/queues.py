"""Queues for what a site has only so much of: whoever asks first is served first, one slot after another.

Patients wait for each other here, and so go through their pathway together: all patients of a site, also those whom
nobody asked for. Waits are found by going through it again until none changes; what happened before a change stays, so
that each round is right for a longer time than the last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manikin.clinic.memory import Rows
from manikin.clinic.pathway import Pathway, Resource
from manikin.clinic.view import DAY
from manikin.streams import Floats

# A queue that has not come to rest by then is left as it is: nobody is served before they asked, or out of hours.
MOST_ROUNDS = 20


@dataclass
class Queues:
    """The waits of all patients for the resources of their sites, by test and the how-manieth order of it.

    ``begins`` is when each patient's time begins, in minutes on one clock for all; ``site`` says who waits together.
    """

    pathway: Pathway
    begins: Floats
    site: Rows
    waits: dict[tuple[str, int], Floats] = field(default_factory=dict)
    asked: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))

    def wait(self, test: str, rows: Rows, nth: Any) -> Floats:
        """Return how long patients wait for the how-manieth of a test, as far as that is known."""
        found = np.zeros(rows.size)
        for number in np.unique(nth):
            if (test, int(number)) in self.waits:
                mine = nth == number
                found[mine] = self.waits[test, int(number)][rows[mine]]
        return found

    def ask(self, test: str, rows: Rows, nth: Any, ready: Floats) -> None:
        """Take note that patients ask for a test, for which they are ready at a time."""
        self.asked[self.pathway.tests[test].resource].append((test, rows, nth, ready))

    def settle(self) -> bool:
        """Serve everybody who asked; return whether anybody waits otherwise than before."""
        before, self.waits = self.waits, {}
        for name, requests in self.asked.items():
            self._serve(self.pathway.resources[name], requests)
        self.asked = defaultdict(list)
        return not _same(before, self.waits)

    def _serve(self, resource: Resource, requests: list[tuple[Any, ...]]) -> None:
        rows, nth, ready = (np.concatenate([one[place] for one in requests]) for place in (1, 2, 3))
        names = list(dict.fromkeys(one[0] for one in requests))
        test = np.concatenate([np.full(one[1].size, names.index(one[0])) for one in requests])
        wait = waits(resource, self.site[rows], self.begins[rows] + ready, rows)
        for number in range(len(names)):
            for count in np.unique(nth[test == number]):
                chosen = (test == number) & (nth == count)
                held = self.waits.setdefault((names[number], int(count)), np.zeros(len(self.begins)))
                held[rows[chosen]] = wait[chosen]


def waits(resource: Resource, site: Rows, ready: Floats, rows: Rows) -> Floats:
    """Return how long each request waits until it is met, in minutes.

    Time is counted in opening hours. Of a site's requests in order, number i is met by unit i modulo the number of
    units, as soon as that is done with the one before: Lindley's recursion, which for equal times of service unrolls to
    i + max over j <= i of (ready j - j). Source: Lindley, Math Proc Camb Philos Soc 1952;48:277.

    Args:
        resource: How long it is taken each time, how many units there are, and when it is open.
        site: Where each request queues.
        ready: When it could be met at the earliest, in minutes on one clock.
        rows: Whose it is; of those ready at the same minute the first goes first.
    """
    low, high = (60 * hour for hour in resource.hours)
    day = np.floor(ready / DAY)
    opened = day * (high - low) + np.clip(ready - day * DAY - low, 0, high - low)
    order = np.lexsort((rows, ready, site))
    where = site[order]
    place = np.arange(order.size) - np.searchsorted(where, where)
    lane = where * resource.units + place % resource.units
    turn = np.lexsort((place, lane))
    begun = _one_after_another(opened[order][turn], lane[turn], resource.takes)
    at = np.empty(order.size)
    at[order[turn]] = begun
    whole = np.floor(at / (high - low) + 1e-12)
    met = whole * DAY + low + (at - whole * (high - low))
    return np.asarray(np.maximum(np.rint(met - ready), 0.0))


def _one_after_another(ready: Floats, lane: Rows, takes: float) -> Floats:
    """Return when each is begun, those of a lane one after another; lanes stand together, each in order."""
    if not ready.size:
        return ready
    place = np.arange(ready.size)
    # A lane's times lie beyond those of the lane before, so that one running maximum serves all.
    spread = ready.max() - ready.min() + (ready.size + 1) * takes
    far = spread * np.cumsum(np.append(0, lane[1:] != lane[:-1]))
    return np.asarray(np.maximum.accumulate(ready + far - place * takes) + place * takes - far)


def _same(one: Mapping[tuple[str, int], Floats], other: Mapping[tuple[str, int], Floats]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(held, other[key]) for key, held in one.items())
