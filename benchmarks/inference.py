"""Tests and intervals from releases, over many sites whose population is known: type I error, coverage and power.

    python -m benchmarks.inference [--sites 100] [--releases 10] [--out benchmarks/results/inference.json]

Patients of a site are drawn from a population of five variables, their tables of one and two variables are measured
with the noise that epsilon asks for, a prior is fitted to them, and four analyses are carried out: two proportions, two
means, the coefficient of a logistic and of a linear regression. Five ways to an interval stand side by side:

records     the site's patients themselves, which nobody outside sees
naive       one synthetic dataset as large as the site, its rows taken for patients
large       one synthetic dataset of 10,000, its rows taken for patients
combined    releases of 10,000 from fits drawn again: how much they differ
corrected   the same releases: how much they differ, less the chance by which the patients of each were drawn

The nominal error is 5%. A model that errs on purpose claims a difference where there is none, and denies it where there
is one. Noise is drawn by numpy here: the same distribution up to rounding, and nobody's privacy is at stake.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.analyses import ANALYSES, analysed
from manikin.codebook import Bins, Domain
from manikin.generators.agreement import KNOWLEDGE, flat_prior
from manikin.generators.graphical import Fit, Measured, Particles, Places, Prior, again, counted, fit
from manikin.inference import combined
from manikin.privacy import rho_of
from manikin.streams import Floats, Seed

GROUP, SCORE, OUTCOME, RISK, EXPOSURE = range(5)
LEVELS = ("no", "yes")
DOMAIN = Domain(
    (
        Bins("group", LEVELS),
        Bins("score", cuts=(1, 2, 3)),
        Bins("outcome", LEVELS),
        Bins("risk", ("low", "middle", "high")),
        Bins("exposure", LEVELS),
    )
)
SHAPE = DOMAIN.shape
CELLS = np.indices(SHAPE).reshape(len(SHAPE), -1).T.astype(np.int16)
SINGLES: tuple[Places, ...] = tuple((place,) for place in range(len(SHAPE)))
PAIRS: tuple[Places, ...] = (
    (GROUP, SCORE),
    (GROUP, OUTCOME),
    (SCORE, OUTCOME),
    (SCORE, RISK),
    (SCORE, EXPOSURE),
    (OUTCOME, RISK),
    (OUTCOME, EXPOSURE),
    (RISK, EXPOSURE),
)
ASKED = tuple(pair for pair in PAIRS if GROUP in pair or pair in ((SCORE, EXPOSURE), (OUTCOME, EXPOSURE)))
DELTA = 1e-6
LARGE = 10_000
# What of the budget goes to the number of patients, to tables of one variable, to pairs.
NUMBER, ALONE, TOGETHER = 0.05, 0.15, 0.8
SETTINGS = ((1_000, 0.3), (1_000, 1.0), (5_000, 0.3), (5_000, 1.0))
METHODS = ("records", "naive", "large", "combined", "corrected")


@dataclass(frozen=True)
class Scenario:
    """What is true, what the prior says, which pairs are measured, and how much of the asked number of sites is enough."""

    name: str
    population: Floats
    prior: Prior
    pairs: tuple[Places, ...] = PAIRS
    enough: float = 1.0


def population(effect: float, risk: float = 0.6) -> Floats:
    """Return the share of each cell; ``effect`` is that of group and exposure on outcome and score, in log-odds."""
    group, score, outcome, stratum, exposure = CELLS.T
    share = np.where(group, 0.4, 0.6) * np.array([0.5, 0.3, 0.2])[stratum]
    exposed = _logistic(np.array([-0.8, 0.0, 0.8]))[stratum]
    share = share * np.where(exposure, exposed, 1 - exposed)
    both = effect * (group - 0.4 + exposure - 0.5)
    ill = _logistic(-1.2 + risk * stratum + both)
    share = share * np.where(outcome, ill, 1 - ill)
    level = (risk + 0.1) * outcome + 0.4 * stratum + both
    below = [np.zeros(len(CELLS)), *(_logistic(cut - level) for cut in (-0.5, 0.8, 2.0)), np.ones(len(CELLS))]
    share = share * np.diff(below, axis=0)[score, np.arange(len(CELLS))]
    return np.asarray(share / share.sum())


def _logistic(number: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-number)))


def knowing(share: Floats, particles: int = 3_000) -> Prior:
    """Return a clinical model that says how the population is, right or wrong."""
    copies = np.maximum(np.rint(share * particles), 1).astype(np.int64)
    return Prior(Particles(np.repeat(CELLS, copies, axis=0), SHAPE), DOMAIN, KNOWLEDGE)


def scenarios() -> list[Scenario]:
    """Return what is tried at every size and epsilon; those where nobody asked for the pairs come last."""
    none, some = population(0.0), population(0.6)
    # The models also err by a fifth in what nobody asks about.
    claims, denies = knowing(population(0.8, 0.8)), knowing(population(0.0, 0.8))
    nothing = flat_prior(DOMAIN)
    others = tuple(pair for pair in PAIRS if pair not in ASKED)
    return [
        Scenario("no difference, flat prior", none, nothing),
        Scenario("no difference, a model that claims one", none, claims),
        Scenario("a difference, flat prior", some, nothing, enough=0.4),
        Scenario("a difference, a model that denies it", some, denies, enough=0.4),
        Scenario("not measured: no difference, flat prior", none, nothing, others, 0.4),
        Scenario("not measured: no difference, a model that claims one", none, claims, others, 0.4),
        Scenario("not measured: a difference, flat prior", some, nothing, others, 0.4),
    ]


def measured(patients: Floats, epsilon: float, pairs: Sequence[Places], chance: np.random.Generator) -> list[Measured]:
    """Return tables of a site with noise, ``patients`` being their number in each cell."""
    rho = rho_of(epsilon, DELTA)
    number = max(patients.sum() + chance.normal(0, _sigma(NUMBER * rho)), 50.0)
    tables = []
    for places, share in [
        *((one, ALONE / len(SINGLES)) for one in SINGLES),
        *((one, TOGETHER / len(pairs)) for one in pairs),
    ]:
        exact, sigma = counted(CELLS, SHAPE, places, patients), _sigma(share * rho)
        noisy = exact + chance.normal(0, sigma, exact.size)
        tables.append(Measured(places, noisy / number, (sigma / number) ** 2, number))
    return tables


def _sigma(rho: float) -> float:
    return float(np.sqrt(1 / (2 * rho)))


def rows(found: Fit, size: int, seed: Seed, name: str) -> Floats:
    """Return how many patients of a release fall into each cell."""
    codes = found.expected.drawn(lambda stream: seed.stream(name, str(stream)).uniform(0, size), size)
    return counted(codes, SHAPE, tuple(range(len(SHAPE))))


def site(scenario: Scenario, size: int, epsilon: float, releases: int, number: int) -> dict[str, Floats]:
    """Return, for each way to an interval, the estimate and its lower and upper bound, shape (analyses, 3)."""
    chance, seed = np.random.default_rng([number, size, int(10 * epsilon)]), Seed(number)
    patients = chance.multinomial(size, scenario.population).astype(np.float64)
    found = fit(scenario.prior, measured(patients, epsilon, scenario.pairs, chance))
    fits = [again(found, seed, release) for release in range(1, releases + 1)]
    drawn = analysed(np.array([rows(one, LARGE, seed, f"release {place}") for place, one in enumerate(fits)]))
    return {
        "records": _as_patients(patients),
        "naive": _as_patients(rows(found, size, seed, "naive")),
        "large": _as_patients(rows(found, LARGE, seed, "large")),
        "combined": np.array([_combined(estimates) for estimates in drawn[0].T]),
        "corrected": np.array([_combined(*both) for both in zip(*(each.T for each in drawn), strict=True)]),
    }


def _as_patients(table: Floats) -> Floats:
    estimates, variances = analysed(table[None])
    half = 1.959963984540054 * np.sqrt(variances[0])
    return np.array([estimates[0], estimates[0] - half, estimates[0] + half]).T


def _combined(estimates: Floats, variances: Floats | None = None) -> tuple[float, float, float]:
    found = combined(list(estimates), None if variances is None else list(variances))
    return (found.estimate, *found.interval())


def summary(scenario: Scenario, found: Sequence[Mapping[str, Floats]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return for each way and analysis: how often 0 was rejected, the truth covered, and how wide intervals are."""
    truth = analysed(scenario.population[None])[0][0]
    every = {method: np.array([one[method] for one in found]) for method in METHODS}
    width = {method: np.median(one[:, :, 2] - one[:, :, 1], axis=0) for method, one in every.items()}
    return {
        method: {
            analysis: {
                "rejected": float(np.mean((one[:, place, 1] > 0) | (one[:, place, 2] < 0))),
                "covered": float(np.mean((one[:, place, 1] <= truth[place]) & (truth[place] <= one[:, place, 2]))),
                "bias": round(float(np.mean(one[:, place, 0]) - truth[place]), 4),
                "width": round(float(width[method][place] / width["records"][place]), 2),
            }
            for place, analysis in enumerate(ANALYSES)
        }
        for method, one in every.items()
    }


def show(name: str, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print one table."""
    print(f"\n{name}\n{'':<12}" + "".join(f"{analysis:>26}" for analysis in ANALYSES))
    print(f"{'':<12}" + f"{'rejected  covered  width':>26}" * len(ANALYSES))
    for method, row in figures.items():
        cells = (f"{one['rejected']:>9.3f}{one['covered']:>9.3f}{one['width']:>7.2f}" for one in row.values())
        print(f"{method:<12}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100, help="sites without a difference; of others there are fewer")
    parser.add_argument("--releases", type=int, default=10)
    parser.add_argument("--out", type=Path, help="where the figures are written as JSON")
    options = parser.parse_args()
    begun, results = time.process_time(), []
    for scenario in scenarios():
        sites = round(options.sites * scenario.enough)
        for size, epsilon in SETTINGS if scenario.pairs == PAIRS else SETTINGS[-1:]:
            found = [site(scenario, size, epsilon, options.releases, number) for number in range(sites)]
            figures = summary(scenario, found)
            show(f"{scenario.name}; {size:,} patients, epsilon {epsilon:g}, {sites} sites", figures)
            facts = {"scenario": scenario.name, "patients": size, "epsilon": epsilon, "sites": sites}
            results.append({**facts, "figures": figures})
            if options.out:
                whole = {"releases": options.releases, "delta": DELTA, "nominal": 0.05, "tables": results}
                options.out.parent.mkdir(exist_ok=True)
                options.out.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(f"\nCPU seconds: {time.process_time() - begun:,.0f}")


if __name__ == "__main__":
    main()
