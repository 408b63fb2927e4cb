"""What is asked about events, and how far one patient may move each answer: a plan and an event mapping decide it.

A patient who may count ``k`` times in a table moves it by ``k`` at most, in the Euclidean norm, since all may fall into
one cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from manikin.aggregates import Bound, EventPlan
from manikin.codebook import ENDINGS, Bins, Variable, bins_of
from manikin.codebook.bins import YES_NO
from manikin.errors import RequestError, closest
from manikin.generators.sequence import Domain, Item
from manikin.real_data.event_mapping import CLOCKS
from manikin.real_data.questions import CLIPPED, EVENTS, Question

# What stands before the first event of a patient, and after the last.
START, END = "start", "end"
ALL_OR_MORE = ("all counts", "more than counts")


@dataclass(frozen=True)
class EventQuestions:
    """What a plan asks about the events of a domain: the axes of every table, by what it is about."""

    plan: EventPlan
    domain: Domain

    def __post_init__(self) -> None:
        """Refuse items and kinds that the event mapping does not have."""
        grouped = tuple(name for group in self.plan.missingness for name in group)
        kinds = tuple(dict.fromkeys(one.kind for one in self.items))
        for known, names in ((self.domain.names, self.plan.items), (self.names, grouped), (kinds, self.plan.most)):
            for name in names:
                if name not in known:
                    raise RequestError(f"'{name}' is asked of events that there are not. {closest(name, known)}")

    @property
    def items(self) -> tuple[Item, ...]:
        """The types of event that are asked about."""
        return tuple(one for one in self.domain.items if not self.plan.items or one.variable.name in self.plan.items)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(one.variable.name for one in self.items)

    @cached_property
    def bands(self) -> dict[str, Bins]:
        """The bands of each item that has values and declared bins."""
        kept = (one.variable for one in self.items if one.valued)
        return {one.name: bins_of(one, missing=False) for one in kept if one.cuts or not one.numeric}

    def questions(self, *, clipped: bool) -> tuple[Question, ...]:
        """Return all that is asked, and whom each bound concerns if that is asked as well."""
        named = {key: getattr(self.plan, key) for key in ("transitions", "gaps", "dwells", "visits")}
        bounds = {key: bound for key, bound in named.items() if bound is not None}
        several = (
            Question(EVENTS, axes, float(bound.most))
            for key, bound in bounds.items()
            for axes in self._axes(key, bound)
        )
        about = (*self.plan.most, *bounds) if clipped else ()
        return (*self._of_patients(), *several, *(Question(CLIPPED, (clipping(what),)) for what in about))

    def _of_patients(self) -> Iterator[Question]:
        """Yield the tables in which each patient counts once."""
        if self.plan.counts:
            for name in self.names:
                yield Question(EVENTS, (Bins(f"events: {name}", cuts=self.plan.counts),))
        if self.plan.followed:
            yield Question(EVENTS, (self._time("follow-up: time", self.plan.followed), Bins("follow-up: end", ENDINGS)))
        for group in self.plan.missingness:
            yield Question(EVENTS, tuple(Bins(f"recorded: {name}", YES_NO) for name in group))

    def _axes(self, key: str, bound: Bound) -> tuple[tuple[Bins, ...], ...]:
        """Return the axes of each table in which a patient may count several times."""
        if key == "transitions":
            return ((Bins("transitions: from", (START, *self.names)), Bins("transitions: to", (*self.names, END))),)
        if key == "gaps":
            return ((Bins("gaps: of", self.names), self._time("gaps: time", bound.cuts)),)
        valued = tuple(one.variable for one in self.items if one.valued)
        bands = tuple(f"{name} {label}" for name, one in self.bands.items() for label in one.labels)
        if not (bands if key == "dwells" else valued):
            raise RequestError(
                f"'{key}' are about items with values and bins, and there is none. Declare: cuts: [10, 20]"
            )
        if key == "dwells":
            return ((Bins("dwells: of", bands), self._time("dwells: time", bound.cuts)),)
        return tuple((self._at_visits(variable),) for variable in valued)

    def _at_visits(self, variable: Variable) -> Bins:
        return replace(bins_of(variable, missing=True), name=f"visits: {variable.name}")

    def _time(self, name: str, cuts: tuple[float, ...]) -> Bins:
        unit = next(one for one, minutes in CLOCKS.items() if minutes == self.domain.clock)
        return Bins(name, cuts=cuts, unit=unit)


def clipping(what: str) -> Bins:
    """Return the question of how many patients have more than counts of something."""
    return Bins(f"clipped: {what}", ALL_OR_MORE)
