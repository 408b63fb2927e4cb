"""Drawing patients from a fit without clinical knowledge: how fast, and how true, on a population that is known.

    python -m benchmarks.drawing [--patients 1000000] [--jobs 2] [--site 20000] [--noise 10]

Twenty variables of a simulated population, of which only single variables and a chain of pairs are measured, with noise.
Prints rows a second over all processes for bins alone and for values; the share of distinct rows beside that of the
population and of independent sampling; and the mean total variation to the population over pairs and triples that were
not measured, beside independence.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.clinic import Codebook, compile_model, flat_model, parse_codebook
from manikin.codebook import Codes, Domain, bins_of
from manikin.cohort import SHARD_PATIENTS
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import agree
from manikin.generators.detail import informed
from manikin.generators.graphical import counted
from manikin.generators.tilt import Clamped
from manikin.streams import Seed

_NUMBERS, _CATEGORIES, _CONDITIONS = 12, 4, 4
_TRIPLES = 300


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--site", type=int, default=20_000, help="patients who are measured")
    parser.add_argument("--noise", type=float, default=10.0, help="standard deviation of what is added to each count")
    options = parser.parse_args()
    for name, value in _figures(**vars(options)).items():
        print(f"{name:<44} {value:,}")


def _figures(patients: int, jobs: int, site: int, noise: float) -> dict[str, float]:
    begin = time.perf_counter()
    sampler = _sampler(site, noise)
    fitted = time.perf_counter() - begin
    rates = {what: _rate(what, patients, jobs, (site, noise)) for what in (_bins, _values)}
    return {
        "variables": len(sampler.model.variables),
        "seconds to fit": round(fitted, 2),
        f"bins, rows a second over {jobs} processes": round(rates[_bins]),
        f"values, rows a second over {jobs} processes": round(rates[_values]),
        **{name: round(value, 4) for name, value in _truth(sampler, site).items()},
    }


# --- how fast ---------------------------------------------------------------------------------------------------------

Work = Callable[[KnowledgeSampler, Any], Any]


def _bins(sampler: KnowledgeSampler, ordinals: Any) -> Any:
    assert isinstance(sampler.bent, Clamped)
    return sampler.bent.codes(sampler.seed, ordinals)


def _values(sampler: KnowledgeSampler, ordinals: Any) -> Any:
    return sampler.draw(ordinals)


def _rate(work: Work, patients: int, jobs: int, world: tuple[int, float]) -> float:
    """Return rows a second of warm processes, which draw a shard at a time, by the cores' own clocks.

    On a machine that others use as well, what a process waits for them is not counted.
    """
    shards = -(-patients // SHARD_PATIENTS)
    with get_context("spawn").Pool(jobs) as pool:
        pool.starmap(_drawn, [(work, shard, world) for shard in range(4 * jobs)], chunksize=1)
        spent = pool.starmap(_drawn, [(work, shard, world) for shard in range(shards)], chunksize=1)
    return jobs * shards * SHARD_PATIENTS / sum(spent)


def _drawn(work: Work, shard: int, world: tuple[int, float]) -> float:
    """Return the CPU seconds for a shard."""
    sampler, ordinals = _sampler(*world), np.arange(shard * SHARD_PATIENTS, (shard + 1) * SHARD_PATIENTS)
    begin = time.process_time()
    work(sampler, ordinals)
    return time.process_time() - begin


# --- how true ---------------------------------------------------------------------------------------------------------


def _truth(sampler: KnowledgeSampler, size: int) -> dict[str, float]:
    """Return the share of distinct rows, and distances to the population beside those of independent sampling."""
    domain = _domain(_codebook())
    ours = domain.codes(sampler.draw(np.arange(size)))
    theirs, again = (_population(size, seed) for seed in (2, 3))
    chance = np.random.default_rng(4)
    apart = np.column_stack([chance.permutation(column) for column in theirs.T])
    pairs = [one for one in itertools.combinations(range(len(domain.axes)), 2) if one not in _measured_pairs()]
    triples = [
        one
        for one in itertools.combinations(range(len(domain.axes)), 3)
        if not any(set(pair) <= set(one) for pair in _measured_pairs())
    ]
    few = [triples[place] for place in chance.choice(len(triples), _TRIPLES, replace=False)]
    found = {}
    for name, codes in (("this fit", ours), ("independence", apart), ("another sample of the population", again)):
        found[f"distinct rows, {name}"] = len(np.unique(codes, axis=0)) / size
        found[f"unmeasured pairs, {name}"] = _distance(domain, pairs, codes, theirs)
        found[f"unmeasured triples, {name}"] = _distance(domain, few, codes, theirs)
    return dict(sorted(found.items()))


def _distance(domain: Domain, tables: Sequence[tuple[int, ...]], one: Codes, other: Codes) -> float:
    each = [
        np.abs(counted(one, domain.shape, table) - counted(other, domain.shape, table)).sum() / 2 / len(one)
        for table in tables
    ]
    return float(np.mean(each))


# --- the population ---------------------------------------------------------------------------------------------------


@cache
def _sampler(site: int, noise: float) -> KnowledgeSampler:
    """Return a sampler of the fit to what a site told; the same in every process."""
    told = _told(_population(site, 1), noise)
    program = compile_model(informed(flat_model(_codebook()), told))
    return KnowledgeSampler(program.model, {}, {}, Seed(1), bent=agree(program, told).bent(SHARD_PATIENTS))


def _codebook() -> Codebook:
    numbers = [
        f'  number_{place}: {{unit: "1", precision: 0.1, limits: {{possible: 0..400}}, bins: [60, 80, 100, 120, 150]}}'
        for place in range(_NUMBERS)
    ]
    categories = [f"  category_{place}: {{values: [a, b, c, d]}}" for place in range(_CATEGORIES)]
    conditions = [f"  condition_{place}: {{kind: condition}}" for place in range(_CONDITIONS)]
    lines = ["codebook: simulated", "version: 1.0.0", "variables:", *numbers, *categories, *conditions]
    return parse_codebook("\n".join(lines) + "\n")


def _domain(book: Codebook) -> Domain:
    return Domain(tuple(bins_of(one, missing=False) for one in book.variables))


def _population(size: int, seed: int) -> Codes:
    """Return people in bins: all variables lean on a common factor, and each on the one before it."""
    chance = np.random.default_rng(seed)
    variables = _NUMBERS + _CATEGORIES + _CONDITIONS
    factor, noise = chance.normal(size=size), chance.normal(size=(variables, size))
    scores = np.empty_like(noise)
    for place in range(variables):
        before = scores[place - 1] if place else factor
        scores[place] = 0.4 * factor + 0.5 * before + np.sqrt(1 - 0.4**2 - 0.5**2) * noise[place]
        scores[place] /= scores[place].std()
    numbers = 100 * np.exp(0.3 * scores[:_NUMBERS])
    rest = scores[_NUMBERS:]
    categories = [np.digitize(one, (-0.7, 0.2, 1.1)) for one in rest[:_CATEGORIES]]
    columns = [*numbers, *categories, *(rest[_CATEGORIES:] > 0.8)]
    domain = _domain(_codebook())
    return domain.codes(dict(zip(domain.names, columns, strict=True)))


def _measured_pairs() -> list[tuple[int, int]]:
    variables = _NUMBERS + _CATEGORIES + _CONDITIONS
    return [(place, place + 1) for place in range(variables - 1)] + [
        (place, place + 2) for place in range(0, variables - 2, 2)
    ]


def _told(codes: Codes, noise: float) -> Aggregates:
    """Return what a site of these people tells."""
    domain, chance = _domain(_codebook()), np.random.default_rng(5)
    tables = []
    for places in [*((place,) for place in range(len(domain.axes))), *_measured_pairs()]:
        counts = counted(codes, domain.shape, places).reshape([domain.shape[place] for place in places])
        noisy = counts + np.rint(chance.normal(0, noise, counts.shape))
        axes = tuple(domain.axes[place] for place in places)
        tables.append(Aggregate(axes, noisy, noise, "rounded normal", rho=0.5 / noise**2))
    rho = sum(one.rho for one in tables)
    return Aggregates(
        "simulated", "simulated", CodebookName("simulated", "1.0.0"), "nobody",
        Protection(Kind.PRIVATE, 100.0, 1e-6, rho, 100.0, "none"), Tier.REGISTERED,
        Patients(float(len(codes)), Told.NOISY, noise), tuple(tables), date(2026, 1, 31),
    )  # fmt: skip


if __name__ == "__main__":
    main()
