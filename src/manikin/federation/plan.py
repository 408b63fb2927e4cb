"""What several sites agree to count, what it costs each of them, and whom each of them trusts.

Sites, tables and bins are declared beforehand and read off no records, so that the plan can be sent to anybody.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from manikin.aggregates import CodebookName
from manikin.clinic import Role, find_model
from manikin.codebook import Bins, Domain, Variable, bins_of
from manikin.document import Scalar, Section, Sequence, Value, load
from manikin.errors import FederationError, Mistake, PlanError, RequestError, closest

SCHEMA = "manikin/federation/1"
MOST_CELLS = 2_000_000
MOST_SITES = 100

# Below this, a sum of discrete Gaussians is no longer as good as one of them: by theorem 1 of Kairouz, Liu and Steinke
# (The distributed discrete Gaussian mechanism, arXiv:2102.06387) it costs more by a term in exp(-pi² sigma²), which at
# 2 is under 1e-16 for each cell.
LEAST_SIGMA = 2.0

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Noise(StrEnum):
    """What protects a site's patients: its own noise, or nothing less than the noise of enough sites together."""

    EACH_SITE = "each-site"
    THE_SUM = "the-sum"


@dataclass(frozen=True)
class Plan:
    """A round of a federation.

    ``sites`` may take part; the sum stands when ``survivors`` or more of them are in it. ``tables`` are counted by
    each, ``rho`` is what all of them together cost a site, in equal shares. ``colluding`` is how many sites in the sum
    may pool what they know and still learn no more than ``rho`` about the patients of another; it matters where
    ``noise`` is the sum's. ``delta`` is what epsilon is told at.
    """

    name: str
    codebook: CodebookName
    population: str
    sites: tuple[str, ...]
    survivors: int
    tables: tuple[Domain, ...]
    rho: float
    delta: float = 1e-6
    noise: Noise = Noise.EACH_SITE
    colluding: int = 1

    def __post_init__(self) -> None:
        """Refuse a plan that protects nobody, or can't be carried out."""
        self._check_sites()
        self._check_tables()
        if not (math.isfinite(self.rho) and self.rho > 0):
            raise RequestError(f"A plan costs a finite rho above 0; got {self.rho!r}.")
        if not 0 < self.delta < 1:
            raise RequestError(f"Delta lies between 0 and 1, both excluded, such as 1e-6; got {self.delta!r}.")
        if self.noise is Noise.THE_SUM and self.sigma < LEAST_SIGMA:
            raise RequestError(
                f"A site would add noise of standard deviation {self.sigma:.3g}, and a sum of noise that is shared needs "
                f"{LEAST_SIGMA:g} or more of each. Lower rho, or write: noise: each-site"
            )

    def _check_sites(self) -> None:
        many = len(self.sites)
        for site in (self.name, *self.sites):
            if not _NAME.fullmatch(site):
                raise RequestError(f"'{site}' is no name of a round or site: small letters, digits and hyphens.")
        if not 3 <= many <= MOST_SITES or len(set(self.sites)) < many:
            raise RequestError(
                f"A federation has three sites or more, up to {MOST_SITES}, each named once; got {many}. Of two, each could "
                "take its own table from the sum."
            )
        # With less than a majority, a coordinator that lies could complete two sums of different sites.
        if not many // 2 < self.survivors <= many:
            raise RequestError(
                f"'survivors' is more than half of the {many} sites, and no more than all; got {self.survivors}."
            )
        if not 0 <= self.colluding < self.survivors:
            raise RequestError(f"'colluding' is 0 or more, and fewer than 'survivors'; got {self.colluding}.")

    def _check_tables(self) -> None:
        if not self.tables:
            raise RequestError("The plan has no tables. Write: tables: [[sex, age], [age]]")
        for table in self.tables:
            if not table.axes or len(set(table.names)) < len(table.axes):
                raise RequestError(f"A table has variables, each named once; got [{', '.join(table.names)}].")
        known: dict[str, Bins] = {}
        for axis in (axis for table in self.tables for axis in table.axes):
            if known.setdefault(axis.name, axis) != axis:
                raise RequestError(f"'{axis.name}' occurs with two kinds of bins.")
        if len({frozenset(table.names) for table in self.tables}) < len(self.tables):
            raise RequestError("A table stands twice. Remove one.")
        if self.cells > MOST_CELLS:
            raise RequestError(f"The tables have {self.cells:,} cells together; at most {MOST_CELLS:,} are possible.")

    @property
    def cells(self) -> int:
        """How many numbers a site tells."""
        return sum(math.prod(table.shape) for table in self.tables)

    @property
    def variables(self) -> dict[str, Bins]:
        """The bins of each variable that occurs."""
        return {axis.name: axis for table in self.tables for axis in table.axes}

    @property
    def honest(self) -> int:
        """How many sites' noise together has to protect a patient: one's own, or that of the smallest sum's honest sites."""
        return 1 if self.noise is Noise.EACH_SITE else self.survivors - self.colluding

    @property
    def sensitivity(self) -> float:
        """How far one patient, who stands in one cell of each table, moves a site's counts, as its noise has to be priced.

        That is the Euclidean norm where the site's own noise protects. Where that of several does, whose variances add
        up, each buys its part of it: noise for counts that move less by the square root of their number.
        """
        return math.sqrt(len(self.tables) / self.honest)

    @property
    def sigma(self) -> float:
        """The standard deviation of the noise that one site adds to each count."""
        return self.sensitivity / math.sqrt(2 * self.rho)

    @property
    def what(self) -> str:
        """What is asked, in words, and under which condition that is worth its price."""
        tables = ", ".join(" × ".join(table.names) for table in self.tables)
        if self.noise is Noise.EACH_SITE:
            return f"federation {self.name}: {tables}"
        return f"federation {self.name}, protected only in a sum of {self.survivors} sites or more: {tables}"

    @cached_property
    def digest(self) -> str:
        """The SHA-256 by which sites and coordinator mean the same plan."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the plan as it is sent: the same text for equal plans."""
        return json.dumps(self._written(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def _written(self) -> dict[str, Any]:
        simple = {key: getattr(self, key) for key in ("name", "population", "survivors", "colluding")}
        return {
            "schema": SCHEMA,
            **simple,
            "rho": float(self.rho),
            "delta": float(self.delta),
            "codebook": asdict(self.codebook),
            "noise": self.noise.value,
            "sites": list(self.sites),
            "variables": {name: _told(axis) for name, axis in self.variables.items()},
            "tables": [list(table.names) for table in self.tables],
        }

    def check_against(self, known: Mapping[str, Variable]) -> None:
        """Make sure that every variable of the plan is one of a codebook, in the same bins.

        Raises:
            FederationError: One is not.
        """
        for name, axis in self.variables.items():
            if name not in known:
                raise FederationError(
                    f"The plan asks for '{name}', which this codebook doesn't know. Nothing was spent."
                )
            if _told(bins_of(known[name], missing=axis.missing)) != _told(axis):
                raise FederationError(
                    f"The plan counts '{name}' in other bins than this codebook declares: {', '.join(axis.labels)}. "
                    f"It was made for {self.codebook}. Nothing was spent."
                )


def plan_of(text: str) -> Plan:
    """Return the plan that somebody sent.

    Raises:
        FederationError: It is none, or one that protects nobody.
    """
    try:
        told = json.loads(text)
        if told.pop("schema") != SCHEMA:
            raise FederationError(f"The plan has another form than '{SCHEMA}'. Use the same version of manikin.")
        axes = {name: _bins(name, one) for name, one in told.pop("variables").items()}
        told["tables"] = tuple(Domain(tuple(axes[name] for name in table)) for table in told["tables"])
        told["sites"] = tuple(told["sites"])
        told["codebook"], told["noise"] = CodebookName(**told["codebook"]), Noise(told["noise"])
        return Plan(**told)
    except (ValueError, KeyError, TypeError, AttributeError, RequestError) as error:
        raise FederationError(f"What was sent is no plan: {error}") from error


def _told(axis: Bins) -> dict[str, Any]:
    # As floats, since equal cuts must not differ by how somebody wrote them.
    return {**axis.written(), "cuts": [float(cut) for cut in axis.cuts]}


def _bins(name: str, told: dict[str, Any]) -> Bins:
    lists = {key: tuple(told.pop(key, ())) for key in ("levels", "cuts")}
    return Bins(**(told | lists | {"name": name}))


def read_plan(path: Path) -> Plan:
    """Return the plan in a file, with the bins of the clinical model that it names.

    Raises:
        PlanError: The file holds mistakes; the error tells all of them.
    """
    top, notebook, _ = load(path, PlanError)
    section = Section(top, "The plan", notebook)
    for key, example in (("sites", "[north, south, east]"), ("tables", "[[sex, age], [age]]"), ("rho", "0.1")):
        section.need(key, example)
    codebook, known = _codebook(section)
    sites = tuple(one.text for one in section.texts("sites"))
    found = {
        "name": section.needed_text("federation", "diabetes-autumn-2026"),
        "population": section.needed_text("population", "adults seen in 2025"),
        "sites": sites,
        "survivors": _whole(section, "survivors", max(len(sites) - 1, len(sites) // 2 + 1)),
        "colluding": _whole(section, "colluding", 1),
        "rho": section.number("rho"),
        "delta": section.number("delta") if section.get("delta") else 1e-6,
        "noise": Noise(section.choice("noise", list(Noise), Noise.EACH_SITE.value)),
        "tables": _tables(section, known),
        "codebook": codebook,
    }
    section.close()
    notebook.raise_as(PlanError)
    try:
        return Plan(**found)  # type: ignore[arg-type]
    except RequestError as error:
        raise PlanError(str(path), [Mistake(top.line, top.column, str(error))]) from error


def codebook_of(model: str) -> tuple[CodebookName, dict[str, Variable]]:
    """Return the name of a clinical model's codebook, and its variables that stand in data."""
    found = find_model(model)
    variables = {name: one.meaning for name, one in found.variables.items() if one.role is Role.DATA}
    return CodebookName(found.name, found.version), variables


def _codebook(section: Section) -> tuple[CodebookName, dict[str, Variable]]:
    name = section.needed_text("model", "diabetes-screening")
    try:
        return codebook_of(name) if name else (CodebookName("", ""), {})
    except RequestError as error:
        section.notebook.add(section.get("model") or section.mapping, str(error))
        return CodebookName("", ""), {}


def _whole(section: Section, key: str, default: int) -> int:
    number = section.number(key)
    if number is not None and number != int(number):
        section.notebook.add(section.get(key) or section.mapping, f"'{key}' is a whole number.")
    return default if number is None else int(number)


def _tables(section: Section, known: Mapping[str, Variable]) -> tuple[Domain, ...]:
    complete = {one.text for one in section.texts("complete")}
    value = section.get("tables")
    if not isinstance(value, Sequence) or not all(isinstance(one, Sequence) for one in value.items):
        if value is not None:
            section.notebook.add(value, "'tables' is a list of lists.", "Write: tables: [[sex, age], [age]]")
        return ()
    return tuple(
        Domain(tuple(axis for name in table.items if (axis := _axis(name, known, complete, section))))
        for table in value.items
        if isinstance(table, Sequence)
    )


def _axis(name: Value, known: Mapping[str, Variable], complete: set[str], section: Section) -> Bins | None:
    """Return the bins of a variable, which have one for those without a value unless it is complete."""
    if not isinstance(name, Scalar) or name.text not in known:
        written = name.text if isinstance(name, Scalar) else "this"
        section.notebook.add(name, f"The model's data has no variable '{written}'.", closest(written, known))
        return None
    try:
        return bins_of(known[name.text], missing=name.text not in complete)
    except RequestError as error:
        section.notebook.add(name, str(error))
        return None
