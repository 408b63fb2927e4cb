"""All that a site, or several, tell about a population, and how the patients behind it are protected."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

from manikin.aggregates.aggregate import Aggregate
from manikin.codebook import Bins, Domain
from manikin.errors import AggregatesError, closest
from manikin.privacy import epsilon_of

PATIENT = "patient"
ADD_OR_REMOVE = "add or remove one patient with all their rows"
# What rounding may have done to sums and conversions.
_SLACK = 1e-6


class Kind(StrEnum):
    """In which way the patients behind the numbers are protected."""

    PRIVATE = "differential privacy"
    SUPPRESSED = "suppressed"
    PUBLISHED = "published"
    COMBINED = "combined"


class Tier(StrEnum):
    """Who may have the numbers, from anybody to those who are watched."""

    OPEN = "open"
    REGISTERED = "registered"
    CONTROLLED = "controlled"

    @property
    def rank(self) -> int:
        """How strict it is."""
        return list(Tier).index(self)


class Told(StrEnum):
    """How a number of patients came to be known."""

    NOISY = "noisy"
    PUBLIC = "public"
    EXACT = "exact"


@dataclass(frozen=True)
class Protection:
    """How the patients behind the numbers are protected.

    ``epsilon``, ``delta`` and ``rho`` are what everything here cost together; None where it is not differentially
    private. ``total_epsilon`` is what the source may spend in all, at the same delta; ``ledger`` the hash of the
    ledger's last entry; ``min_cell`` the smallest count that was told where smaller ones are suppressed.
    """

    kind: Kind
    epsilon: float | None = None
    delta: float | None = None
    rho: float | None = None
    total_epsilon: float | None = None
    ledger: str = ""
    min_cell: int | None = None

    def __post_init__(self) -> None:
        """Refuse a protection that promises nothing, or more than it says."""
        spent = (self.epsilon, self.delta, self.rho)
        if any(one is not None and not (math.isfinite(one) and one >= 0) for one in (*spent, self.total_epsilon)):
            raise AggregatesError("Epsilon, delta and rho are finite numbers of 0 or more.")
        if self.delta is not None and self.delta >= 1:
            raise AggregatesError(f"Delta is a probability far below 1; got {self.delta:g}.")
        if self.kind is Kind.PRIVATE and None in spent:
            raise AggregatesError("Differential privacy has an epsilon, a delta and a rho; one of them is missing.")
        if self.kind in (Kind.SUPPRESSED, Kind.PUBLISHED) and spent != (None, None, None):
            raise AggregatesError(f"What is {self.kind} has no epsilon: it is not differentially private.")
        if (self.min_cell is not None) != (self.kind is Kind.SUPPRESSED):
            raise AggregatesError("'min_cell' stands where small cells are suppressed, and only there.")
        if self.min_cell is not None and self.min_cell < 1:
            raise AggregatesError(f"The smallest count that is told is 1 or more; got {self.min_cell}.")
        if self.kind is Kind.PRIVATE:
            self._check_epsilon()

    def _check_epsilon(self) -> None:
        epsilon, delta, rho = self.epsilon or 0.0, self.delta or 0.0, self.rho or 0.0
        if not delta:
            raise AggregatesError(
                "Delta is above 0: zero-concentrated differential privacy has no epsilon without one."
            )
        implied = epsilon_of(rho, delta)
        if implied > epsilon * (1 + _SLACK):
            raise AggregatesError(
                f"A rho of {rho:g} implies epsilon {implied:.4g} at delta {delta:g}, more than the stated {epsilon:g}."
            )
        if self.total_epsilon is not None and epsilon > self.total_epsilon * (1 + _SLACK):
            raise AggregatesError(f"Epsilon {epsilon:g} is more than the source's total of {self.total_epsilon:g}.")

    @property
    def private(self) -> bool:
        """Whether everything is differentially private."""
        return self.epsilon is not None


@dataclass(frozen=True)
class Patients:
    """How many patients the numbers are about; ``noise`` is the standard deviation of a noisy count."""

    number: float
    told: Told
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a count that contradicts itself."""
        if not (math.isfinite(self.number) and math.isfinite(self.noise) and self.noise >= 0):
            raise AggregatesError("A number of patients is finite, and so is its noise, 0 or more.")
        if (self.told is Told.NOISY) != (self.noise > 0):
            raise AggregatesError(f"A number of patients that is {self.told} can't have noise {self.noise:g}.")
        if self.told is not Told.NOISY and self.number < 0:
            raise AggregatesError(f"A number of patients is 0 or more; got {self.number:g}.")


@dataclass(frozen=True)
class CodebookName:
    """Which codebook declares the bins: the model's name and version."""

    name: str
    version: str

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Part:
    """One site of several that were combined.

    ``patients`` is None and ``content`` empty where nobody saw the site's own numbers, only their sum; else ``content``
    is the SHA-256 of what the site told, and ``key`` the public key that signed it, empty where nobody did. ``weight``
    is the share that the site was declared to have in the population, None where its patients count as they are.
    """

    site: str
    protection: Protection
    tier: Tier
    patients: Patients | None = None
    content: str = ""
    key: str = ""
    weight: float | None = None


@dataclass(frozen=True)
class Difference:
    """How far sites differ in one table beyond what noise and sampling explain.

    ``q`` is Cochran's Q over all cells with its degrees of freedom ``df``, ``p`` its P value, ``adjusted`` the P value
    after Holm's correction for all tables compared; ``i_squared`` the share of the variation that is between sites;
    ``tau`` the standard deviation of a cell's share between sites.
    """

    attributes: tuple[str, ...]
    sites: tuple[str, ...]
    q: float
    df: int
    p: float
    adjusted: float
    i_squared: float
    tau: float


@dataclass(frozen=True)
class Signature:
    """A public key of ed25519 and what its owner signed with, both in base64."""

    key: str
    value: str


@dataclass(frozen=True, eq=False)
class Aggregates:
    """What ``aggregates.json`` holds.

    ``made`` is a date that the caller gives; ``parts`` and ``differences`` tell of the sites where several were
    combined. See docs/aggregates.md.

    Raises:
        AggregatesError: It contradicts itself.
    """

    site: str
    source: str
    codebook: CodebookName
    population: str
    protection: Protection
    tier: Tier
    patients: Patients
    aggregates: tuple[Aggregate, ...]
    made: date
    privacy_unit: str = PATIENT
    neighbours: str = ADD_OR_REMOVE
    parts: tuple[Part, ...] = ()
    differences: tuple[Difference, ...] = ()
    signature: Signature | None = None

    def __post_init__(self) -> None:
        """Refuse aggregates that contradict themselves."""
        if not self.site.strip():
            raise AggregatesError("The aggregates name no site.")
        if not self.aggregates:
            raise AggregatesError(f"'{self.site}' tells nothing: there is no aggregate.")
        if self.protection.kind is Kind.SUPPRESSED and self.tier is not Tier.CONTROLLED:
            raise AggregatesError(f"Suppressed tables are not differentially private: the tier is {Tier.CONTROLLED}.")
        self._check_parts()
        if self.protection.kind is Kind.PRIVATE:
            self._check_privacy()
        _ = self.variables  # which compares the bins

    def _check_parts(self) -> None:
        if (self.protection.kind is Kind.COMBINED) != bool(self.parts):
            raise AggregatesError("Combined aggregates name their parts, and only they do.")
        if self.parts and self.tier.rank < max(part.tier.rank for part in self.parts):
            raise AggregatesError("The tier of combined aggregates is the strictest of their parts.")
        sites = [part.site for part in self.parts]
        for site in sites:
            if sites.count(site) > 1:
                raise AggregatesError(f"'{site}' is a part twice.")
        counted = [(one.attributes, one.sites) for one in self.aggregates]
        for attributes, own in counted + [(one.attributes, one.sites) for one in self.differences]:
            if not set(own) <= set(sites):
                raise AggregatesError(f"The table of {', '.join(attributes)} is of sites that are no parts.")

    def _check_privacy(self) -> None:
        if self.patients.told is Told.EXACT:
            raise AggregatesError(
                "The number of patients is exact, which is not differentially private: noisy or public."
            )
        for one in self.aggregates:
            if not one.noise or not one.rho:
                raise AggregatesError(
                    f"The table of {', '.join(one.attributes)} has no noise or no rho, and is not differentially private."
                )
        spent, stated = sum(one.rho for one in self.aggregates), self.protection.rho or 0.0
        if spent > stated * (1 + _SLACK):
            raise AggregatesError(
                f"The tables cost rho {spent:g}, more than the {stated:g} that the protection states."
            )

    @cached_property
    def variables(self) -> dict[str, Bins]:
        """The bins of each variable that occurs, by name.

        Raises:
            AggregatesError: A variable occurs with different bins.
        """
        found: dict[str, Bins] = {}
        for axis in (axis for one in self.aggregates for axis in one.axes):
            if found.setdefault(axis.name, axis) != axis:
                raise AggregatesError(f"'{axis.name}' occurs with two kinds of bins. Measure it in one way.")
        return found

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites whose patients were counted."""
        return tuple(part.site for part in self.parts) or (self.site,)

    @property
    def domain(self) -> Domain:
        """The variables that occur, in the order in which they do."""
        return Domain(tuple(self.variables.values()))

    @property
    def bins_digest(self) -> str:
        """The SHA-256 of the bins of the measured variables."""
        return digest_of_bins(self.variables.values())


def digest_of_bins(axes: Iterable[Bins]) -> str:
    """Return the SHA-256 of bins, whatever their order."""
    # As floats, since equal numbers must not differ by how somebody wrote them.
    written = [
        {**axis.written(), "cuts": [float(cut) for cut in axis.cuts], "step": float(axis.step or 0)} for axis in axes
    ]
    written.sort(key=lambda one: str(one["name"]))
    return hashlib.sha256(json.dumps(written, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_against(aggregates: Aggregates, domain: Domain, file: str = "") -> None:
    """Make sure that aggregates are about variables of a codebook, in its bins.

    Whether there is a bin for missing values is the measurement's choice; all else has to agree.

    Raises:
        AggregatesError: A variable is unknown, or has other bins.
    """
    for name, bins in aggregates.variables.items():
        if name not in domain.places:
            raise AggregatesError(
                f"The codebook has no variable '{name}': the aggregates are of {aggregates.codebook}. "
                f"{closest(name, domain.names)}",
                file,
            )
        declared = domain.axes[domain.places[name]]
        if (declared.levels, declared.cuts, declared.unit) != (bins.levels, bins.cuts, bins.unit):
            raise AggregatesError(
                f"'{name}' was measured in the bins {', '.join(bins.labels)}; the codebook declares "
                f"{', '.join(declared.labels)}. Use the version of the codebook of the aggregates, {aggregates.codebook}.",
                file,
            )
