"""How far two sets of histories are apart, and whether one keeps the rules of order and physiology.

Distances are of what follows what, of values and how they move, and of times: gaps between contacts, time until the
same thing is recorded again, and stays in a band of values between the codebook's cuts. A distance of none is told by
no set of real people: each stands beside that of two halves of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.appraisal.finding import Finding, Measure
from manikin.codebook import ENDINGS
from manikin.generators.sequence import STUDY, Domain, Histories, grid
from manikin.streams import Floats, Seed

_RESAMPLES = 40
# Of what happened less often on either side, a distribution says nothing.
_FEWEST = 20
# Resampling is simulation, not privacy: it may be repeated.
_SEED = Seed(20_260_302)

NEXT, VALUES, CHANGES = "Next event, given the one before", "Values", "Change from the value before"
GAPS, AGAIN = "Gap between contacts", "Time until recorded again"
DWELLS, TRANSITIONS = "Dwell time in a band of values", "Transitions between bands"
UNITS = {
    NEXT: "total variation",
    VALUES: "Kolmogorov-Smirnov",
    CHANGES: "Kolmogorov-Smirnov",
    GAPS: "Wasserstein-1, ln min",
    AGAIN: "Wasserstein-1, ln min",
    DWELLS: "Wasserstein-1, ln min",
    TRANSITIONS: "total variation",
}


def sequence_finding(domain: Domain, synthetic: Histories, held_out: Histories, learnt_from: Histories) -> Finding:
    """Return how far synthetic histories are from people who were held out, beside how far these are from the others.

    Intervals are 95%, by resampling people of both sides, moved to the distance found: resampling widens every distance.
    """
    told, ceiling = Gulf(domain, synthetic, held_out), Gulf(domain, learnt_from, held_out)
    broken = violations(domain, synthetic)
    found, at_best, intervals = told.distances(), ceiling.distances(), told.intervals()
    measures = tuple(
        Measure(name, value, intervals[name], at_best.get(name), unit=UNITS[name], group="Distance")
        for name, value in found.items()
    )
    rules = tuple(
        Measure(name, float(count), expected=0.0, passed=count == 0, group="Violations")
        for name, count in broken.items()
    )
    answer = (
        f"{domain.title}: what follows what differs by {found[NEXT]:.3f} from people who were held out "
        f"(two halves of the real ones: {at_best[NEXT]:.3f}); {sum(broken.values())} violations of order or physiology. "
        f"{held_out.size:,} people held out."
    )
    question = "Do learnt sequences behave like those of people who were held out?"
    return Finding("sequences", question, answer, not any(broken.values()), measures + rules)


def violations(domain: Domain, histories: Histories) -> dict[str, int]:
    """Return how often each rule of order and physiology is broken; by what we know, never."""
    line = histories.timeline
    events, states, contacts = line.events, line.states, line.encounters
    together = events.patient[1:] == events.patient[:-1]
    same = together & (events.time[1:] == events.time[:-1])
    stays = states.patient[1:] == states.patient[:-1]
    visits = contacts.patient[1:] == contacts.patient[:-1]
    until = line.followed[events.patient]
    gone = line.left_by[events.patient] != STUDY
    return {
        "earlier than the event before": int((together & (events.time[1:] < events.time[:-1])).sum()),
        "known before it was so": int((events.recorded < events.time).sum()),
        "before the start": int((events.time < 0).sum()),
        "after follow-up": int((events.recorded > until).sum()),
        "at or after death, loss or discharge": int((gone & (events.recorded >= until)).sum()),
        "twice at one time": int((same & (events.entry[1:] == events.entry[:-1])).sum()),
        "follow-up beyond the horizon": int((line.followed > domain.horizon * domain.clock).sum()),
        "a state that is not where the last one ended": int((stays & (states.entered[1:] != states.left[:-1])).sum()),
        "a state or contact that ends before it begins": int(
            (states.left < states.entered).sum() + (contacts.end < contacts.start).sum()
        ),
        "a contact before the last one ended": int((visits & (contacts.start[1:] < contacts.end[:-1])).sum()),
        **_impossible(domain, histories),
    }


def _impossible(domain: Domain, histories: Histories) -> dict[str, int]:
    events = histories.timeline.events
    beyond = off = absent = 0
    for place, item in enumerate(domain.items):
        values = events.value[events.entry == place]
        absent += int((np.isnan(values) if item.valued else ~np.isnan(values)).sum())
        low, high, step = grid(item.variable)
        values = values[~np.isnan(values)]
        beyond += int(((values < low) | (values > high)).sum())
        off += int((np.abs(values / step - np.rint(values / step)) > 1e-6).sum())
    found = {"impossible values": beyond, "values off their precision": off, "values where none is": absent}
    return found | {"values that descend": _descending(domain, histories)}


def _descending(domain: Domain, histories: Histories) -> int:
    events, broken = histories.timeline.events, 0
    moment = events.patient.astype(np.int64) * (int(events.time.max(initial=0)) + 1) + events.time
    for high, lows in enumerate(domain.floors):
        for low in lows:
            one, other = events.entry == low, events.entry == high
            _, left, right = np.intersect1d(moment[one], moment[other], return_indices=True)
            broken += int((events.value[one][left] > events.value[other][right] + 1e-9).sum())
    return broken


@dataclass(frozen=True, eq=False)
class _Counted:
    """Pairs of (before, after) with their persons, a row of the distribution for each before."""

    person: Any
    before: Any
    after: Any


@dataclass(frozen=True, eq=False)
class _Spread:
    """Numbers with their persons."""

    person: Any
    number: Floats


class Gulf:
    """The distances between two sets of histories, for any weights of the people in them."""

    def __init__(self, domain: Domain, one: Histories, other: Histories) -> None:
        """Look up once what is counted and ranked, so that resampling is only counting."""
        self.sizes = one.size, other.size
        facts = [_facts(domain, histories) for histories in (one, other)]
        self._parts: dict[str, list[Callable[[Floats, Floats], float]]] = {}
        for name in UNITS:
            for key, left in facts[0].get(name, {}).items():
                right = facts[1].get(name, {}).get(key)
                if right is None or min(len(left.person), len(right.person)) < _FEWEST:
                    continue
                self._parts.setdefault(name, []).append(_measured(name, left, right))

    def distances(self, weights: tuple[Floats, Floats] | None = None) -> dict[str, float]:
        """Return each distance, the mean over items where there are several."""
        one, other = weights or (np.ones(self.sizes[0]), np.ones(self.sizes[1]))
        return {name: float(np.mean([part(one, other) for part in parts])) for name, parts in self._parts.items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return a 95% interval of each distance."""
        drawn = [self.distances(self._resampled(number)) for number in range(_RESAMPLES)]
        found = {}
        for name, value in self.distances().items():
            each = np.array([one[name] for one in drawn])
            low, high = np.quantile(each, [0.025, 0.975]) - each.mean() + value
            found[name] = (max(float(low), 0.0), float(high))
        return found

    def _resampled(self, number: int) -> tuple[Floats, Floats]:
        one, other = (
            np.bincount(
                (_SEED.stream("resample", side, str(number)).uniform(0, size) * size).astype(int), minlength=size
            ).astype(np.float64)
            for side, size in zip(("one", "other"), self.sizes, strict=True)
        )
        return one, other


def _measured(name: str, left: Any, right: Any) -> Callable[[Floats, Floats], float]:
    if isinstance(left, _Counted):
        return _total_variation(left, right)
    return _along_a_line(left, right, area=UNITS[name].startswith("Wasserstein"))


def _total_variation(left: _Counted, right: _Counted) -> Callable[[Floats, Floats], float]:
    rows, columns = (1 + max(int(getattr(side, part).max()) for side in (left, right)) for part in ("before", "after"))

    def counted(side: _Counted, weights: Floats) -> Floats:
        index = side.before * columns + side.after
        counts = np.bincount(index, weights[side.person], minlength=rows * columns)
        return np.asarray(counts.reshape(rows, columns), np.float64)

    def distance(one: Floats, other: Floats) -> float:
        ours, real = counted(left, one), counted(right, other)
        share = real.sum(axis=1) / real.sum()
        apart = 0.5 * np.abs(_shares(ours) - _shares(real)).sum(axis=1)
        return float((share * apart).sum())

    return distance


def _shares(counts: Floats) -> Floats:
    """Return shares by row; nothing at all in a row without counts, half a unit from everything."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300))


def _along_a_line(left: _Spread, right: _Spread, area: bool) -> Callable[[Floats, Floats], float]:
    """Return the largest difference of two distribution functions, or the area between them."""
    numbers = np.concatenate([left.number, right.number])
    order = np.argsort(numbers, kind="stable")
    width = np.diff(numbers[order], append=numbers[order][-1:])
    ours = order < len(left.number)
    people = np.concatenate([left.person, right.person])[order]

    def distance(one: Floats, other: Floats) -> float:
        weights = np.where(ours, one[np.where(ours, people, 0)], 0), np.where(ours, 0, other[np.where(ours, 0, people)])
        below = [np.cumsum(weight) / max(weight.sum(), 1e-300) for weight in weights]
        apart = np.abs(below[0] - below[1])
        return float((apart * width).sum() if area else apart[width > 0].max(initial=0.0))

    return distance


def _facts(domain: Domain, histories: Histories) -> dict[str, Mapping[Any, Any]]:
    """Return what distances are of, by distance and, where it is a mean over items, by item."""
    events = histories.timeline.events
    new = np.ones(len(events.time), np.bool_)
    new[1:] = (events.patient[1:] != events.patient[:-1]) | (events.time[1:] != events.time[:-1])
    person, time = events.patient[new], events.time[new]
    going = person[1:] == person[:-1]
    gaps = _Spread(person[1:][going], np.log(np.diff(time)[going]))
    found: dict[str, dict[Any, Any]] = {name: {} for name in UNITS}
    found[NEXT][""], found[GAPS][""] = _followers(domain, histories), gaps
    for place, item in enumerate(domain.items):
        mine = events.entry == place
        who, when, value = events.patient[mine], events.time[mine], events.value[mine]
        again = who[1:] == who[:-1]
        found[AGAIN][place] = _Spread(who[1:][again], np.log(np.maximum(np.diff(when)[again], 1)))
        if item.valued:
            found[VALUES][place] = _Spread(who, value)
            found[CHANGES][place] = _Spread(who[1:][again], np.round(np.diff(value)[again], 9))
        if item.valued and (item.variable.cuts or not item.variable.numeric):
            cuts = np.array(item.variable.cuts) if item.variable.numeric else np.arange(1, 1 + grid(item.variable)[1])
            band = np.searchsorted(cuts, value, side="right")
            found[TRANSITIONS][place] = _Counted(who[1:][again], band[:-1][again], band[1:][again])
            found[DWELLS][place] = _stays(who, when, band)
    return found  # type: ignore[return-value]


def _followers(domain: Domain, histories: Histories) -> _Counted:
    """Return what follows what: an item, or the end, after an item, or after the start."""
    line, items = histories.timeline, len(domain.items)
    people = np.arange(histories.size)
    patient = np.concatenate([people, line.events.patient, people])
    place = np.concatenate([np.full(len(people), -1), np.arange(len(line.events.entry)), np.full(len(people), 1 << 60)])
    what = np.concatenate([np.full(len(people), items + len(ENDINGS)), line.events.entry, items + line.left_by])
    order = np.lexsort((place, patient))
    patient, what = patient[order], what[order]
    going = patient[1:] == patient[:-1]
    return _Counted(patient[1:][going], what[:-1][going], what[1:][going])


def _stays(who: Any, when: Any, band: Any) -> _Spread:
    """Return how long values stayed in a band, in ln minutes, of stays that were seen to begin and end."""
    first = np.ones(len(who), np.bool_)
    first[1:] = (who[1:] != who[:-1]) | (band[1:] != band[:-1])
    who, when = who[first], when[first]
    ended = who[1:] == who[:-1]
    return _Spread(who[1:][ended], np.log(np.maximum(np.diff(when)[ended], 1)))
