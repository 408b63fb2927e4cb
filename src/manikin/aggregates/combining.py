"""Several sites together: counts are summed, and so are the variances of their noise.

A table is about the sites that measured it. Where not all did, it says so, and ``about_everyone`` widens its noise by
what sites are seen to differ, so that a fit which weighs by inverse variance leans on it less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import Aggregates, Kind, Part, Patients, Protection, Told
from manikin.aggregates.differences import heterogeneity
from manikin.aggregates.writing import digest
from manikin.codebook import Bins
from manikin.errors import AggregatesError, closest

SITE = "site"
COMBINED = "combined"
_AND = " + "
_THEN = "; "

_Tables = dict[tuple[str, ...], list[tuple[Aggregate, Aggregates]]]


def combine(
    sites: Sequence[Aggregates],
    *,
    name: str = COMBINED,
    made: date | None = None,
    weights: Mapping[str, float] | None = None,
    keep_sites: bool = False,
) -> Aggregates:
    """Return what several sites tell together.

    Args:
        sites: What each tells; signatures have been checked by ``load``.
        name: What the sites together are called.
        made: The date; by default that of the youngest part.
        weights: The share of each site in the population. By default patients count as they are. With weights, a
            table's total is the number of patients with as much information (Kish's effective number).
        keep_sites: Whether tables keep a first axis ``site`` instead of being summed.

    Raises:
        AggregatesError: A site stands twice, is empty, or has another codebook or other bins.
    """
    _check(sites, keep_sites)
    shares = _shares(sites, weights) if weights is not None else None
    tables = _by_attributes(sites)
    everyone = tuple(sorted(site for one in sites for site in one.sites))
    parts = sorted((part for one in sites for part in _parts(one, shares)), key=lambda part: part.site)
    compared = {key: [(one, one.sites or whole.sites) for one, whole in several] for key, several in tables.items()}
    apart = _beside_each_other(tables, sites, everyone) if keep_sites else ()
    return Aggregates(
        site=name,
        source=_words((one.source for one in sites), _THEN),
        codebook=sites[0].codebook,
        population=_words((one.population for one in sites), _THEN),
        protection=_protection(parts),
        tier=max((part.tier for part in parts), key=lambda tier: tier.rank),
        patients=_patients([one.patients for one in sites]),
        aggregates=tuple(apart or (_summed(several, everyone, shares) for several in tables.values())),
        made=made or max(one.made for one in sites),
        privacy_unit=sites[0].privacy_unit,
        neighbours=sites[0].neighbours,
        parts=tuple(parts),
        differences=tuple(heterogeneity(compared)),
    )


def patients_of(aggregates: Aggregates, table: Aggregate) -> float:
    """Return how many patients a table is about: its own number, or that of all sites, or of those that measured it.

    With declared weights it is the effective number, which is the table's total but for noise; so it is where a part's
    number is not known.
    """
    if table.patients is not None:
        return table.patients
    parts = [part for part in aggregates.parts if not table.sites or part.site in table.sites]
    if not parts:
        return aggregates.patients.number
    numbers = [part.patients.number for part in parts if part.patients]
    if len(numbers) < len(parts):
        return table.total if table.sites else aggregates.patients.number
    weights = [part.weight for part in parts if part.weight is not None]
    return _effective(weights, numbers) if len(weights) == len(parts) else sum(numbers)


def about_everyone(aggregates: Aggregates) -> Aggregates:
    """Return the aggregates with wider noise where only some sites measured a table: it tells less about all of them.

    The share of a cell among all sites is taken as that among the sites which measured it. If sites differ by a
    standard deviation tau, the variance of what that leaves out is tau² (Σ w² of the sites left out + Σ (w − w/W)² of
    the others), w being the sites' shares of the population and W the sum of those who measured. Tau is that of the
    table or the root mean square of all tables compared, whichever is larger, since two or three sites are little
    evidence that sites are alike; without any comparison nothing is known, and nothing is widened.
    """
    taus = {frozenset(one.attributes): one.tau for one in aggregates.differences}
    if not taus:
        return aggregates
    typical = math.sqrt(sum(tau**2 for tau in taus.values()) / len(taus))
    weights = _population_shares(aggregates)

    def widened(table: Aggregate) -> Aggregate:
        if not table.sites or SITE in table.attributes:
            return table
        tau = max(taus.get(frozenset(table.attributes), 0.0), typical)
        measured = sum(weights[site] for site in table.sites)
        left_out = sum(
            (weight - weight / measured) ** 2 if site in table.sites else weight**2 for site, weight in weights.items()
        )
        extra = patients_of(aggregates, table) * tau * math.sqrt(left_out)
        return replace(table, noise=math.hypot(table.noise, extra))

    return replace(aggregates, aggregates=tuple(map(widened, aggregates.aggregates)), signature=None)


# --- what can be combined ---------------------------------------------------------------------------------------------


def _check(sites: Sequence[Aggregates], keep_sites: bool) -> None:
    if not sites:
        raise AggregatesError("There is nothing to combine. Name the files of the sites.")
    names = [name for one in sites for name in one.sites]
    for name in names:
        if names.count(name) > 1:
            raise AggregatesError(f"'{name}' stands twice, so that its patients would count twice. Leave one out.")
    ledgers = [one.protection.ledger for one in sites if one.protection.ledger]
    if len(set(ledgers)) < len(ledgers):
        raise AggregatesError("Two sites wrote in one ledger: these are the same patients. Leave one of them out.")
    first, bins = sites[0], dict[str, tuple[Bins, str]]()
    for one in sites:
        _check_site(one, first, keep_sites)
        for axis in one.variables.values():
            known, where = bins.setdefault(axis.name, (axis, one.site))
            if known != axis:
                raise AggregatesError(
                    f"'{one.site}' measured '{axis.name}' in the bins {', '.join(axis.labels)}, and '{where}' in "
                    f"{', '.join(known.labels)} (step {known.step}, unit '{known.unit}'). Measure again in one way."
                )


def _check_site(one: Aggregates, first: Aggregates, keep_sites: bool) -> None:
    if one.patients.number <= 0:
        raise AggregatesError(f"'{one.site}' has no patients: its number is {one.patients.number:g}. Leave it out.")
    if one.codebook != first.codebook:
        raise AggregatesError(
            f"'{one.site}' measured by the codebook {one.codebook}, '{first.site}' by {first.codebook}. "
            "Measure again by one codebook."
        )
    if (one.privacy_unit, one.neighbours) != (first.privacy_unit, first.neighbours):
        raise AggregatesError(
            f"'{one.site}' and '{first.site}' protect differently: '{one.neighbours}' is not the same."
        )
    if SITE in one.variables or (keep_sites and one.parts):
        raise AggregatesError(f"'{one.site}' was combined before. Combine the files of the sites themselves.")
    if any(part.weight is not None for part in one.parts):
        raise AggregatesError(
            f"'{one.site}' was combined by declared weights. Combine the files of the sites themselves."
        )


def _shares(sites: Sequence[Aggregates], weights: Mapping[str, float]) -> dict[str, float]:
    names = [one.site for one in sites]
    for one in sites:
        if one.parts:
            raise AggregatesError(
                f"'{one.site}' was combined before: it has no weight of its own. Use the sites' files."
            )
        if one.site not in weights:
            raise AggregatesError(f"'{one.site}' has no weight. Give one to each site, or none at all.")
    for name, weight in weights.items():
        if name not in names:
            raise AggregatesError(f"There is no site '{name}' to give a weight to. {closest(name, names)}")
        if not (math.isfinite(weight) and weight > 0):
            raise AggregatesError(f"A weight is a number above 0; '{name}' has {weight:g}.")
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


# --- tables -----------------------------------------------------------------------------------------------------------


def _by_attributes(sites: Iterable[Aggregates]) -> _Tables:
    """Return the tables by their attributes in order, one of each site."""
    found: _Tables = {}
    for site in sites:
        own: dict[tuple[str, ...], list[Aggregate]] = {}
        for one in site.aggregates:
            key = tuple(sorted(one.attributes))
            own.setdefault(key, []).append(one.margin(key))
        for key, several in own.items():
            found.setdefault(key, []).append((_averaged(several), site))
    return dict(sorted(found.items(), key=lambda entry: (len(entry[0]), entry[0])))


def _averaged(tables: Sequence[Aggregate]) -> Aggregate:
    """Return several tables of one site as one: the same patients by inverse variance, those of several papers summed."""
    first = tables[0]
    if len(tables) == 1:
        return first
    if all(one.patients is not None for one in tables):
        return _together(tables, [1.0] * len(tables), sum(one.patients or 0.0 for one in tables))
    surest = [one for one in tables if not one.noise] or list(tables)
    precision = [1 / one.noise**2 if one.noise else 1.0 for one in surest]
    mean = _together(surest, [weight / sum(precision) for weight in precision], first.patients)
    mechanism = _words((one.mechanism for one in tables), _AND)
    return replace(mean, mechanism=mechanism, rho=sum(one.rho for one in tables))


def _together(tables: Sequence[Aggregate], scales: Sequence[float], patients: float | None) -> Aggregate:
    """Return the weighted sum of tables."""
    values = sum(scale * one.values for scale, one in zip(scales, tables, strict=True))
    return Aggregate(
        tables[0].axes,
        np.asarray(values),
        math.sqrt(sum((scale * one.noise) ** 2 for scale, one in zip(scales, tables, strict=True))),
        _words((one.mechanism for one in tables), _AND),
        # A patient is in one site: what is spent there is spent on others in another.
        max(one.rho for one in tables),
        sites=tables[0].sites,
        patients=patients,
    )


def _summed(
    several: Sequence[tuple[Aggregate, Aggregates]], everyone: tuple[str, ...], shares: Mapping[str, float] | None
) -> Aggregate:
    scales = [1.0] * len(several)
    numbers = [patients_of(site, one) for one, site in several]
    patients = sum(numbers)
    if shares is not None:
        own = [shares[site.site] for _, site in several]
        effective, total = _effective(own, numbers), sum(own)
        scales = [share / total * effective / number for share, number in zip(own, numbers, strict=True)]
        patients = effective
    tables = [one for one, _ in several]
    sites = tuple(sorted(name for one, site in several for name in (one.sites or site.sites)))
    own_numbers = any(one.patients is not None for one in tables)
    return replace(
        _together(tables, scales, patients if own_numbers else None), sites=() if sites == everyone else sites
    )


def _beside_each_other(tables: _Tables, sites: Sequence[Aggregates], everyone: tuple[str, ...]) -> list[Aggregate]:
    """Return each site's tables with an axis of sites, in which only its own cells are told."""
    axis = Bins(SITE, levels=everyone)

    def placed(site: Aggregates, table: Aggregate | None = None) -> Aggregate:
        axes = table.axes if table else ()
        values = np.full((axis.count, *(one.count for one in axes)), np.nan)
        values[everyone.index(site.site)] = table.values if table else site.patients.number
        if table:
            return replace(table, axes=(axis, *axes), values=values, receipt="")
        return Aggregate((axis,), values, site.patients.noise, f"number of patients, {site.patients.told}")

    found = [placed(site) for site in sorted(sites, key=lambda one: one.site)]
    for several in tables.values():
        found += [placed(site, table) for table, site in sorted(several, key=lambda pair: pair[1].site)]
    return found


# --- what stands beside the tables ------------------------------------------------------------------------------------


def _parts(site: Aggregates, shares: Mapping[str, float] | None) -> tuple[Part, ...]:
    if site.parts:
        return site.parts
    key = site.signature.key if site.signature else ""
    weight = None if shares is None else shares[site.site]
    return (Part(site.site, site.protection, site.tier, site.patients, digest(site), key, weight),)


def _protection(parts: Sequence[Part]) -> Protection:
    """Return the protection of all: as a patient is in one site, that of the site that protects least."""
    if not all(part.protection.private for part in parts):
        return Protection(Kind.COMBINED)
    epsilon, delta, rho = (
        max(getattr(part.protection, name) or 0.0 for part in parts) for name in ("epsilon", "delta", "rho")
    )
    return Protection(Kind.COMBINED, epsilon, delta, rho)


def _patients(numbers: Sequence[Patients]) -> Patients:
    noise = math.sqrt(sum(one.noise**2 for one in numbers))
    told = {one.told for one in numbers}
    together = Told.NOISY if noise else Told.EXACT if Told.EXACT in told else Told.PUBLIC
    return Patients(sum(one.number for one in numbers), together, noise)


def _population_shares(aggregates: Aggregates) -> dict[str, float]:
    numbers = [part.patients.number if part.patients else 1.0 for part in aggregates.parts]
    weights = [
        part.weight if part.weight is not None else number
        for part, number in zip(aggregates.parts, numbers, strict=True)
    ]
    return {part.site: weight / sum(weights) for part, weight in zip(aggregates.parts, weights, strict=True)}


def _effective(weights: Sequence[float], numbers: Sequence[float]) -> float:
    """Return Kish's effective number of patients of a weighted sum of sites."""
    return sum(weights) ** 2 / sum(weight**2 / number for weight, number in zip(weights, numbers, strict=True))


def _words(several: Iterable[str], separator: str) -> str:
    """Return different texts as one, the same in whatever order and however often they are joined."""
    return separator.join(sorted({word for text in several for word in text.split(separator)}))
