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
from manikin.streams import Floats

# A queue that has not come to rest by then is left as it is: nobody is served before they asked, or out of hours.
MOST_ROUNDS = 20

_DAY = 1440.0


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

    def wait(self, test: str, rows: Rows, nth: Any, ready: Floats) -> Floats:
        """Return how long patients wait who are ready for a test at a time; takes note that they ask."""
        self.asked[self.pathway.tests[test].resource].append((test, rows, nth, ready))
        found = np.zeros(rows.size)
        for number in np.unique(nth):
            if (test, int(number)) in self.waits:
                mine = nth == number
                found[mine] = self.waits[test, int(number)][rows[mine]]
        return found

    def settle(self) -> bool:
        """Serve everybody who asked; return whether anybody waits otherwise than before."""
        before, self.waits = self.waits, {}
        for name, requests in self.asked.items():
            self._serve(self.pathway.resources[name], requests)
        self.asked = defaultdict(list)
        return not _same(before, self.waits)

    def _serve(self, resource: Resource, requests: list[tuple[Any, ...]]) -> None:
        tests = [test for test, rows, _, _ in requests for _ in range(rows.size)]
        rows, nth, ready = (np.concatenate([one[place] for one in requests]) for place in (1, 2, 3))
        wait = waits(resource, self.site[rows], self.begins[rows] + ready, rows)
        for test in dict.fromkeys(tests):
            mine = np.array([one == test for one in tests])
            for number in np.unique(nth[mine]):
                chosen = mine & (nth == number)
                held = self.waits.setdefault((test, int(number)), np.zeros(len(self.begins)))
                held[rows[chosen]] = wait[chosen]


def waits(resource: Resource, site: Rows, ready: Floats, rows: Rows) -> Floats:
    """Return how long each request waits for its slot, in minutes.

    Time is counted in slots of opening hours. Of requests in order, number i gets the first slot that is free, which is
    i + max over j <= i of (first possible slot of j - j): Lindley's recursion for one server, unrolled.

    Args:
        resource: How long a slot is, and when it is open.
        site: Where each request queues.
        ready: When it could be met at the earliest, in minutes on one clock.
        rows: Whose it is; of those ready at the same minute the first goes first.
    """
    low, high = (60 * hour for hour in resource.hours)
    slot = resource.takes / resource.units
    open_for = high - low
    day = np.floor(ready / _DAY)
    opened = day * open_for + np.clip(ready - day * _DAY - low, 0, open_for)
    possible = np.ceil(opened / slot - 1e-9)
    order = np.lexsort((rows, ready, site))
    place = np.arange(order.size)
    where = site[order]
    # A site's slots lie beyond those of the site before, so that one running maximum serves all.
    far = (possible.max(initial=0) + order.size + 1) * np.cumsum(np.append(0, where[1:] != where[:-1]))
    free = np.maximum.accumulate(possible[order] + far - place) + place - far
    start = free * slot
    begun = np.floor(start / open_for + 1e-12)
    at = begun * _DAY + low + (start - begun * open_for)
    found = np.empty(order.size)
    found[order] = np.maximum(np.rint(at - ready[order]), 0.0)
    return found


def _same(one: Mapping[tuple[str, int], Floats], other: Mapping[tuple[str, int], Floats]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(held, other[key]) for key, held in one.items())
