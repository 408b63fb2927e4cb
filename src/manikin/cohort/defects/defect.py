"""What a defect is: whom it strikes, by what chance, and what it does to their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from manikin.codebook import Kind, Variable, snap
from manikin.cohort.layout import Columns, Layout, observed
from manikin.errors import RequestError
from manikin.streams import Floats

Bools = npt.NDArray[np.bool_]
Among_contra = TypeVar("Among_contra", contravariant=True)

# The odds ratio is met by halving this span of log odds until nothing is left of it.
_WIDEST_LOG_ODDS, _HALVINGS = 40.0, 80


class Condition(Protocol):
    """A condition on patients, compiled by whoever knows the model; has to survive pickling."""

    @property
    def text(self) -> str:
        """The condition as it was written."""
        ...

    def __call__(self, columns: Columns) -> Any:
        """Return for whom of the patients in these clean columns it holds."""
        ...


@dataclass(frozen=True)
class Dose:
    """How many are struck: a share of those at risk, and who of them more often than others.

    With ``odds_ratio``, all who have the variable on record are at risk, and those for whom ``when`` holds are struck
    with odds that many times higher. Without, only those for whom ``when`` holds are at risk.
    """

    share: float
    when: Condition | None = None
    odds_ratio: float | None = None

    def __post_init__(self) -> None:
        """Refuse a share that strikes nobody or more than everybody, and an odds ratio of nothing."""
        if not 0 < self.share <= 1:
            raise RequestError(f"The share of a defect lies above 0 and goes up to 1; got {self.share:g}.")
        if self.odds_ratio is not None and (self.when is None or not 0 < self.odds_ratio <= MAX_ODDS_RATIO):
            raise RequestError("The odds ratio of a defect lies above 0 and needs 'when'.")

    def written(self) -> dict[str, Any]:
        """Return the dose as a study file says it."""
        found: dict[str, Any] = {"share": self.share}
        if self.when is not None:
            found["when"] = self.when.text
        if self.odds_ratio is not None:
            found["odds-ratio"] = self.odds_ratio
        return found


MAX_ODDS_RATIO = 1_000.0


@dataclass(frozen=True)
class Records:
    """What stands on record of a shard's patients, beside what is true of them."""

    clean: Columns
    values: Mapping[str, Any]
    present: Mapping[str, Bools]
    meanings: Mapping[str, Variable]

    def changed(self, name: str, values: Any, who: Bools) -> Records:
        """Return the records in which ``who`` have other values of a variable."""
        return replace(self, values={**self.values, name: np.where(who, values, self.values[name])})

    def without(self, name: str, who: Bools) -> Records:
        """Return the records in which ``who`` have no value of a variable."""
        return replace(self, present={**self.present, name: self.present[name] & ~who})

    def reportable(self, name: str, values: Floats) -> Floats:
        """Return values in the steps in which a variable is reported."""
        return reportable(self.meanings[name], values)


def reportable(meaning: Variable, values: Floats) -> Floats:
    """Return values in the steps in which a variable is reported."""
    step = 1.0 if meaning.kind is Kind.COUNT else meaning.precision
    return values if step is None else snap(values, step)


def within_limits(meaning: Variable, values: Floats) -> Floats:
    """Return values as a device would report them: in its steps, and none that is impossible."""
    return reportable(meaning, np.clip(values, meaning.possible.low, meaning.possible.high))


@dataclass(frozen=True)
class Aim:
    """Who can be struck by one draw, and with what share of them.

    ``every`` asks for all variables on record, not for one of them; ``among`` for whom a condition truly holds or not.
    Draws that are ``shared`` under one name strike the same patients, whatever is on record of them.
    """

    variables: tuple[str, ...]
    dose: Dose
    every: bool = False
    among: bool | None = None
    outcome: str = ""
    shared: str = ""

    @property
    def address(self) -> str:
        """What the draw is called within its defect."""
        return "+".join((*self.variables, *filter(None, (self.outcome,))))

    def at_risk(self, records: Records) -> Bools:
        """Return who can be struck."""
        combine = np.logical_and if self.every else np.logical_or
        found: Bools = combine.reduce([records.present[name] for name in self.variables]) | bool(self.shared)
        if self.among is not None:
            found = found & (np.asarray(records.clean[self.variables[0]], np.bool_) == self.among)
        if self.dose.odds_ratio is None:
            found = found & self.preferred(records)
        return found

    def preferred(self, records: Records) -> Bools:
        """Return for whom the dose's condition holds; everybody where it has none."""
        holds = True if self.dose.when is None else self.dose.when(records.clean)
        return np.broadcast_to(np.asarray(holds, np.bool_), records.present[self.variables[0]].shape)


@dataclass(frozen=True)
class Chance:
    """The solved probabilities of being struck, of those at risk for whom the condition holds and of the others."""

    preferred: float
    others: float


class Target(Protocol[Among_contra]):
    """What can be struck among records, or in a chart, and with what share."""

    @property
    def dose(self) -> Dose:
        """How many are struck."""
        ...

    def at_risk(self, among: Among_contra, /) -> Bools:
        """Return what can be struck."""
        ...

    def preferred(self, among: Among_contra, /) -> Bools:
        """Return for what the dose's condition holds."""
        ...


def solve(target: Target[Among_contra], among: Among_contra) -> Chance:
    """Return the chances by which the asked share of what is at risk is struck."""
    dose, at_risk = target.dose, target.at_risk(among)
    if dose.odds_ratio is None or dose.share == 1 or not at_risk.any():
        return Chance(dose.share, dose.share)
    share = float(target.preferred(among)[at_risk].mean())
    low, high = -_WIDEST_LOG_ODDS, _WIDEST_LOG_ODDS
    shift = np.log(dose.odds_ratio)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = share * _probability(middle + shift) + (1 - share) * _probability(middle)
        low, high = (middle, high) if reached < dose.share else (low, middle)
    return Chance(_probability(low + shift), _probability(low))


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


@dataclass(frozen=True)
class Drawn:
    """Who or what was struck, and a uniform number of each of them for whatever else is left to chance."""

    at_risk: Bools
    struck: Bools
    luck: Floats


def draw(target: Target[Among_contra], chance: Chance, among: Among_contra, uniform: Floats) -> Drawn:
    """Return who or what is struck, by a uniform draw of each."""
    at_risk = target.at_risk(among)
    threshold = np.where(target.preferred(among), chance.preferred, chance.others)
    # Given that a draw lies below its threshold, its place below it is uniform again.
    return Drawn(at_risk, at_risk & (uniform < threshold), uniform / threshold)


@runtime_checkable
class Defect(Protocol):
    """A way in which records are imperfect: whom it may strike, and what becomes of those who are."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that it touches."""
        ...

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The draws that it takes."""
        ...

    @property
    def source(self) -> str:
        """Where its figures come from; empty where they were chosen for a purpose."""
        ...

    def apply(self, records: Records, drawn: Sequence[Drawn]) -> Records:
        """Return what then stands on record; ``drawn`` answers the aims in their order."""
        ...

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        ...


def records_of(columns: Columns, layout: Layout, names: Sequence[str]) -> Records:
    """Return the records of these variables before anything happens to them."""
    fields = {name: layout.field(name) for name in names}
    present = {
        name: there(field.variable, columns[name])
        & (np.asarray(columns[observed(name)], np.bool_) if field.masked else True)
        for name, field in fields.items()
    }
    return Records(
        columns,
        {name: np.asarray(columns[name]) for name in names},
        present,
        {name: field.variable for name, field in fields.items()},
    )


def there(variable: Variable, values: Any) -> Bools:
    """Return where there is a value at all."""
    values = np.asarray(values)
    if variable.kind is Kind.CONDITION:
        return np.ones(values.shape, np.bool_)
    return np.asarray(values >= 0 if variable.kind is Kind.CATEGORY else ~np.isnan(values), np.bool_)


def per_variable(variables: tuple[str, ...], dose: Dose) -> tuple[Aim, ...]:
    """Return an aim of its own for each variable."""
    return tuple(Aim((name,), dose) for name in variables)


def sourced(written: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a defect as written, with its source where it has one."""
    return {**written, "source": source} if source else written


class Writable(Protocol):
    """Whatever a study file can say."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def source(self) -> str:
        """Where its figures come from."""
        ...

    def written(self) -> dict[str, Any]:
        """Return it as a study file says it."""
        ...


def in_words(defect: Writable) -> str:
    """Return a defect as a line for people."""
    (kind, about), *rest = defect.written().items()
    subject = ", ".join(about) if isinstance(about, list) else about
    said = [f"{key} {_said(key, value)}" for key, value in rest if key != "source"]
    return f"{kind} {subject} ({', '.join(said)})"


def _said(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes"
    shares = ("share", "keep", "moved", "sensitivity", "specificity")
    return f"{100 * value:.6g}%" if key in shares else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class UnderRepresent:
    """Too few patients of a kind: of those for whom ``who`` holds, only the share ``keep`` enters the cohort.

    It is a bias, so that no weight undoes it. The sampler meets it as it accepts patients; ``expected`` is the share
    of the cohort that is then left of them, known once the sampler is.
    """

    who: Condition
    keep: float
    source: str = ""
    expected: float | None = None

    name = "under-represent"

    def __post_init__(self) -> None:
        """Refuse to keep nobody, or everybody."""
        if not 0 < self.keep < 1:
            raise RequestError(f"What is kept of an under-represented group lies between 0 and 1; got {self.keep:g}.")

    def written(self) -> dict[str, Any]:
        """Return the defect as a study file says it."""
        return sourced({self.name: self.who.text, "keep": self.keep}, self.source)
