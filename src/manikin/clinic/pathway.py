"""The care that patients go through, and how their values move meanwhile: the nouns of a model's ``pathway``.

Everything here is read from a model file and checked. ``course`` carries it out over columns of patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from manikin.clinic.distributions import Position
from manikin.clinic.expressions import Columns, Expression
from manikin.clinic.rules import DrawSpec, Shares
from manikin.streams import Floats

# What the finished pathway is called among the things that variables read.
PATHWAY = "pathway()"

KINDS = ("medication", "condition", "procedure", "decision")

# No delay is longer, in minutes: a bit more than two centuries.
_LONGEST = float(1 << 27)

# What a variation calls the value that it varies.
VALUE = "value"

# What is known of every patient at any time, beside the model's variables.
CLOCK = ("time", "hour", "day_of_year")


class Reader(Protocol):
    """Whatever reads names."""

    @property
    def reads(self) -> frozenset[str]:
        """The names."""
        ...


def _reads(*parts: Reader | None) -> frozenset[str]:
    return frozenset[str]().union(*(part.reads for part in parts if part is not None))


@dataclass(frozen=True)
class Span:
    """How long something takes: a fixed time by an expression, or a distribution of times, in minutes."""

    fixed: Expression | None = None
    drawn: DrawSpec | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        return _reads(self.fixed, self.drawn)

    def minutes(self, columns: Columns, size: int, uniform: Callable[[], Floats]) -> Floats:
        """Return whole minutes for each patient, none of them negative; a time that is missing takes none."""
        if self.drawn is not None:
            values: Any = self.drawn.resolve(columns).at(Position(uniform_or_none=uniform()))
        else:
            assert self.fixed is not None
            values = np.broadcast_to(self.fixed.compute(columns), (size,))
        return np.asarray(np.clip(np.rint(np.nan_to_num(values)), 0.0, _LONGEST))


@dataclass(frozen=True)
class Test:
    """Something that can be ordered: what it measures, and how long order, collection and result lie apart."""

    name: str
    title: str
    measures: tuple[str, ...]
    codes: Mapping[str, str]
    collected: Span | None = None
    resulted: Span | None = None
    lost: Expression | None = None
    resource: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on; what it measures follows trajectories of their own."""
        return _reads(self.collected, self.resulted, self.lost)

    @property
    def awaited(self) -> bool:
        """Whether the result comes later than the order."""
        return self.collected is not None or self.resulted is not None or bool(self.resource)


@dataclass(frozen=True)
class Resource:
    """What a site has only so much of: ``units`` of it, each taken for ``takes`` minutes, in its opening ``hours``."""

    name: str
    takes: float
    units: int = 1
    hours: tuple[float, float] = (0.0, 24.0)


@dataclass(frozen=True)
class Entry:
    """Something that can be written into a record: a medication, condition, procedure or decision."""

    name: str
    kind: str
    title: str
    codes: Mapping[str, str]


@dataclass(frozen=True)
class Act:
    """An order or an entry in a state: of ``what``, in whom, and how long after the state is entered.

    ``address`` is a name of its own within the pathway, from which its chance follows.
    """

    what: str
    address: str
    when: Expression | None = None
    share: Expression | None = None
    after: Span | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        return _reads(self.when, self.share, self.after)


@dataclass(frozen=True)
class Transition:
    """A way out of a state, for whom a condition holds, or a share of those still there."""

    go: str
    address: str
    when: Expression | None = None
    share: Expression | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        return _reads(self.when, self.share)


@dataclass(frozen=True)
class Risk:
    """A competing risk: an exponential time, whose rate per minute is asked on entering the state."""

    go: str
    address: str
    rate: Expression
    among: tuple[str, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """What the rate depends on."""
        return self.rate.reads


@dataclass(frozen=True)
class Contact:
    """The encounter that a state opens, or with kind ``none`` ends; with ``lasts`` it ends by itself."""

    kind: str
    lasts: Span | None = None


@dataclass(frozen=True)
class State:
    """A state of care. A terminal one has ``ends``, and neither a way out nor a stay.

    Where there are ``hours``, patients come by appointment, on a working day between these hours.
    """

    name: str
    title: str
    contact: Contact | None
    writes: tuple[Act, ...]
    stops: tuple[Act, ...]
    orders: tuple[Act, ...]
    wait: Span | None
    for_results: bool
    risks: tuple[Risk, ...]
    then: tuple[Transition, ...]
    ends: str = ""
    index: bool = False
    hours: tuple[float, float] | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What anything in it depends on."""
        acts = (*self.writes, *self.stops, *self.orders)
        lasts = self.contact.lasts if self.contact else None
        return _reads(lasts, self.wait, *acts, *self.risks, *self.then)


@dataclass(frozen=True)
class Process:
    """A latent course shared by several values: Gaussian, stationary, of mean 0 and SD 1, with exponential memory.

    ``memory`` is the correlation time in minutes; ``begins`` names the variable that is its value at time 0.
    """

    name: str
    memory: Expression
    begins: str | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        return self.memory.reads | ({self.begins} if self.begins else frozenset())


@dataclass(frozen=True)
class Variation:
    """A deviation from a value: of a coefficient of variation, or of an SD in the value's unit."""

    size: Expression
    relative: bool


@dataclass(frozen=True)
class Lots:
    """What all measurements with one lot of reagents share: a factor with a coefficient of variation ``size``.

    A lot lasts so many minutes; ``by`` names the category whose levels, such as sites, have lots of their own.
    """

    size: float
    lasts: float
    by: str | None = None

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        return frozenset((self.by,)) if self.by else frozenset()


@dataclass(frozen=True)
class Trajectory:
    """How a variable moves: its true value at any time, what varies within the person, and what the instrument adds.

    Of a condition, ``value`` is the chance that it is found; of a category, ``shares`` are its levels'.
    """

    variable: str
    value: Expression | None = None
    shares: Shares | None = None
    within: Variation | None = None
    analytical: Variation | None = None
    memory: Expression | None = None
    between: tuple[Expression, Expression] | None = None
    lots: Lots | None = None

    @property
    def mixed(self) -> bool:
        """Whether one variation is relative and the other is not, so that each needs a draw of its own."""
        return bool(self.within and self.analytical and self.within.relative is not self.analytical.relative)

    @property
    def reads(self) -> frozenset[str]:
        """What it depends on."""
        sizes = [one.size for one in (self.within, self.analytical) if one]
        return _reads(self.value, self.shares, self.memory, self.lots, *sizes, *(self.between or ())) - {VALUE}


@dataclass(frozen=True)
class Arrival:
    """The time of day at which index encounters begin: bands of hours with weights, all alike within one."""

    edges: Floats
    weights: Floats

    def minutes(self, uniform: Floats) -> Floats:
        """Return whole minutes since midnight."""
        below = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.asarray(np.floor(np.interp(uniform * below[-1], below, self.edges * 60)))


@dataclass(frozen=True)
class Pathway:
    """A semi-Markov process of care. ``horizon`` is in minutes.

    Each ``site_patients`` patients after each other are those of a site, who share its resources. What tests find of the
    ``unrecorded`` variables, which are helpers, is not put on record.
    """

    title: str
    horizon: Expression
    start: str
    tests: Mapping[str, Test]
    entries: Mapping[str, Entry]
    states: Mapping[str, State]
    processes: Mapping[str, Process] = field(default_factory=dict)
    trajectories: Mapping[str, Trajectory] = field(default_factory=dict)
    arrival: Arrival | None = None
    resources: Mapping[str, Resource] = field(default_factory=dict)
    site_patients: int = 1
    unrecorded: frozenset[str] = frozenset()

    @property
    def contacts(self) -> tuple[str, ...]:
        """The kinds of encounter, in order of appearance."""
        kinds = [state.contact.kind for state in self.states.values() if state.contact]
        return tuple(dict.fromkeys(kind for kind in kinds if kind != "none"))

    @property
    def writes_index(self) -> bool:
        """Whether what is in the data at the index encounter is put on record."""
        return any(state.index for state in self.states.values())

    @property
    def measured(self) -> tuple[str, ...]:
        """The variables that tests measure, in order of appearance."""
        return tuple(dict.fromkeys(name for test in self.tests.values() for name in test.measures))

    @property
    def asks(self) -> frozenset[str]:
        """Every name that is read while it runs."""
        parts = (self.tests, self.states, self.processes, self.trajectories)
        return frozenset[str]().union(*(one.reads for part in parts for one in part.values()))

    @property
    def reads(self) -> frozenset[str]:
        """The variables, and parameters, that have to be known beforehand."""
        moving = {*CLOCK, *self.processes}
        static = {name for name in self.measured if name not in self.trajectories}
        return frozenset(
            name for name in self.asks | static | self.horizon.reads if name not in moving and "(" not in name
        )
