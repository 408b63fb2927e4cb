"""Patients follow the fit: by accepted candidates or by bins that are drawn first; and the fit follows the evidence."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from manikin.clinic import Calibrated, Program, calibrate, compile_model, flat_model, parse_codebook, parse_model
from manikin.codebook import Bins, Codes, Domain, bins_of
from manikin.cohort import observed
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import bent_by, flat_prior, prior_of
from manikin.generators.graphical import CalibratedTree, Fit, Measured, Particles, Places, counted, fit
from manikin.generators.tilt import Clamped, Tilt, hidden
from manikin.streams import Floats, Seed
from toy import TOY

AGE = Bins("age", cuts=(40, 60), unit="a")
SEX = Bins("sex", levels=("female", "male"))
ILL = Bins("ill", levels=("no", "yes"))
SBP = Bins("sbp", cuts=(110, 130, 150), unit="mm[Hg]", step=1)
TILTED = Domain((AGE, SEX, ILL, SBP))
N = 20_000


def sampler(program: Program, **options: Any) -> KnowledgeSampler:
    return KnowledgeSampler(program.model, program.parameters, program.latent, Seed(4), **options)


def shares(codes: Codes, domain: Domain, places: Places) -> Floats:
    return counted(codes, domain.shape, places) / len(codes)


def measured(
    codes: Codes, domain: Domain, tables: list[Places], noise: float, chance: np.random.Generator
) -> list[Measured]:
    """Return what a site of these patients tells, with noise of so many patients in each cell."""
    n = len(codes)
    return [
        Measured(one, (counted(codes, domain.shape, one) + chance.normal(0, noise, size)) / n, (noise / n) ** 2, n)
        for one in tables
        if (size := int(np.prod([domain.shape[place] for place in one])))
    ]


# --- by candidates ----------------------------------------------------------------------------------------------------


def test_a_tilt_of_nothing_gives_the_same_cohort_to_the_byte(calibrated: Calibrated) -> None:
    program = calibrated.program
    nothing = Tilt(TILTED, {(0,): np.zeros(3), (1, 2): np.zeros(4)}, 0.0, 1.0)
    plain, tilted = (sampler(program, bent=bent).draw(np.arange(3_000)) for bent in (None, nothing))
    for name, column in plain.items():
        assert np.asarray(column).tobytes() == np.asarray(tilted[name]).tobytes(), name


def test_candidates_are_accepted_so_that_the_fit_is_met(calibrated: Calibrated) -> None:
    """False alarm rate: 20 cells at 4.5 standard errors of both samples, 1.4e-4."""
    program, wanted = calibrated.program, np.array([0.15, 0.25, 0.1, 0.5])
    prior = prior_of(program, TILTED)
    assert isinstance(prior.carrier, Particles)
    found = fit(prior, [Measured((1, 2), wanted, 0.0, 1e9), Measured((0,), np.array([0.2, 0.3, 0.5]), 0.0, 1e9)])
    columns = sampler(program, bent=bent_by(found)).draw(np.arange(N))
    codes = TILTED.codes(columns)
    assert found.expected.over((1, 2)) == pytest.approx(wanted, abs=2e-3)
    for places in ((1, 2), (0,), (3,), (0, 2), (2, 3)):
        expected = found.expected.over(places)
        error = np.sqrt(expected * (1 - expected) * (1 / N + 4 / 100_000))
        # What lies where weights are cut off is 0.002 at most.
        assert (np.abs(shares(codes, TILTED, places) - expected) < 4.5 * error + 0.002).all(), places


def test_within_a_bin_patients_are_as_the_model_has_them(calibrated: Calibrated) -> None:
    """False alarm rate: two means at 4.5 standard errors, 1.4e-5."""
    program = calibrated.program
    found = fit(prior_of(program, TILTED), [Measured((2,), np.array([0.4, 0.6]), 0.0, 1e9)])
    bent, plain = (sampler(program, bent=one).draw(np.arange(N)) for one in (bent_by(found), None))
    for ill in (True, False):
        one, other = (columns["glucose"][columns["ill"] == ill] for columns in (bent, plain))
        assert abs(one.mean() - other.mean()) < 4.5 * np.hypot(
            one.std() / len(one) ** 0.5, other.std() / len(other) ** 0.5
        )


# --- by bins ----------------------------------------------------------------------------------------------------------

BOOK = parse_codebook("""
codebook: ward
version: 1.0.0
variables:
  sex: {values: [female, male]}
  age: {kind: count, unit: a, limits: {possible: 18..110, usual: 18..95}, bins: [40, 60, 80]}
  sbp: {unit: "mm[Hg]", precision: 1, limits: {possible: 30..300, usual: 70..220}, bins: [110, 120.5, 140, 160]}
  crp: {unit: mg/L, precision: 0.1, limits: {possible: 0..600}, bins: [1, 3, 10, 50]}
  diabetes: {kind: condition}
  rare: {kind: condition}
  smoking: {values: [never, former, current]}
""")
WARD = Domain(tuple(bins_of(one, missing=one.name in ("crp", "smoking")) for one in BOOK.variables))
MET: list[Places] = [(0,), (1,), (2,), (3,), (4,), (5,), (6,), (1, 2), (1, 4), (2, 5), (3, 4), (0, 6)]


def ward(n: int, seed: int) -> Codes:
    """Return people of a ward, in bins."""
    chance = np.random.default_rng(seed)
    age = np.clip(np.floor(chance.normal(55, 18, n)), 18, 95)
    sbp = np.rint(np.clip(chance.normal(105 + 0.4 * age, 15), 70, 220))
    diabetes = chance.random(n) < 0.002 * age
    columns = {
        "sex": chance.integers(0, 2, n),
        "age": age,
        "sbp": sbp,
        "crp": np.where(chance.random(n) < 0.3, np.nan, np.clip(chance.lognormal(0.7 + diabetes, 1.2), 0, 600)),
        "diabetes": diabetes,
        "rare": chance.random(n) < np.where(sbp > 160, 0.02, 0.002),
        "smoking": np.where(chance.random(n) < 0.1, -1, chance.integers(0, 3, n)),
    }
    return WARD.codes(columns)


@cache
def bent_ward() -> tuple[Program, Clamped, CalibratedTree]:
    """Return the model of the bare codebook, bent to what is known of the ward."""
    codes = ward(200_000, 1)
    found = fit(flat_prior(WARD), measured(codes, WARD, MET, 0.0, np.random.default_rng(1)))
    bent = bent_by(found, block=N)
    assert isinstance(bent, Clamped)
    assert isinstance(found.expected, CalibratedTree)
    return compile_model(flat_model(BOOK)), bent, found.expected


def on_record(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they stand on record."""
    seen = {name: np.asarray(columns[name], np.float64) for name in WARD.names}
    return {
        name: np.where(columns.get(observed(name), True), values, np.nan if name == "crp" else -1)
        for name, values in seen.items()
    }


def test_every_patient_is_in_the_bins_that_were_drawn() -> None:
    program, bent, expected = bent_ward()
    columns = sampler(program, bent=bent).draw(np.arange(N))
    codes = WARD.codes(on_record(columns))
    assert (codes == bent.codes(Seed(4), np.arange(N))).all()
    for places in MET:
        # Within one patient in each cell of what a clique's bins hang on, and so of all cells.
        assert np.abs(shares(codes, WARD, places) - expected.over(places)).sum() < 150 / N, places


def test_blocks_are_whole_wherever_patients_are_asked_for() -> None:
    program, bent, _ = bent_ward()
    small = Clamped(bent.domain, bent.beliefs, 700)
    made = sampler(program, bent=small)
    whole = made.draw(np.arange(3_000))
    for ordinals in (np.arange(0, 650), np.arange(650, 1_500), np.arange(2_900, 3_000), np.array([3, 699, 700, 2_999])):
        part = made.draw(ordinals)
        for name, column in whole.items():
            assert np.array_equal(part[name], column[ordinals], equal_nan=True), name


def test_a_bent_sampler_is_the_same_in_another_process() -> None:
    program, bent, _ = bent_ward()
    one = sampler(program, bent=bent, given="diabetes=yes")
    other = pickle.loads(pickle.dumps(one))
    here, there = (each.draw(np.arange(500)) for each in (one, other))
    assert all(np.array_equal(here[name], there[name], equal_nan=True) for name in here)


FACTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "diabetes=yes": lambda c: c["diabetes"],
    "rare=yes": lambda c: c["rare"],
    "rare=yes,sex=female": lambda c: c["rare"] & (c["sex"] == 0),
    "age=62..66": lambda c: (c["age"] >= 62) & (c["age"] <= 66),
    "crp=20..": lambda c: c["crp"] >= 20,
    "smoking=current": lambda c: c["smoking"] == 2,
    "sbp > 150 and diabetes": lambda c: (c["sbp"] > 150) & c["diabetes"],
}


@pytest.mark.parametrize("fact", FACTS)
def test_facts_leave_what_else_is_known_as_it_is(fact: str) -> None:
    """False alarm rate: 7 facts, 19 cells each, at 5 standard errors: 8e-5."""
    program, bent, _ = bent_ward()
    everyone = sampler(program, bent=Clamped(bent.domain, bent.beliefs)).draw(np.arange(200_000))
    those, n = FACTS[fact](everyone), 5_000
    given = sampler(program, bent=bent, given=fact).draw(np.arange(n))
    assert FACTS[fact](given).all()
    one, other = WARD.codes(on_record(given)), WARD.codes(on_record(everyone))[those]
    assert len(other) > 100
    for place in range(len(WARD.axes)):
        mine, theirs = shares(one, WARD, (place,)), shares(other, WARD, (place,))
        middle = (n * mine + len(other) * theirs) / (n + len(other))
        error = np.sqrt(np.maximum(middle * (1 - middle), 1e-4) * (1 / n + 1 / len(other)))
        assert (np.abs(mine - theirs) < 5 * error).all(), WARD.names[place]


def test_a_rare_fact_is_not_slow() -> None:
    program, bent, _ = bent_ward()
    begin = time.process_time()
    sampler(program, bent=bent, given="rare=yes,crp=50..").draw(np.arange(N))
    assert time.process_time() - begin < 5


def test_facts_that_nobody_fits_are_refused() -> None:
    program, bent, _ = bent_ward()
    with pytest.raises(RequestError, match="Nobody fits"):
        sampler(program, bent=bent, given="age=96..105").draw(np.arange(100))


def test_who_has_no_value_on_record_keeps_one_in_truth() -> None:
    program, bent, _ = bent_ward()
    made = sampler(program, bent=bent)
    columns = made.draw(np.arange(2_000))
    assert 0.25 < 1 - columns[observed("crp")].mean() < 0.35
    assert np.isfinite(columns["crp"]).all()
    assert {field.variable.name for field in made.layout.fields if field.masked} == {"crp", "smoking"}
    assert hidden("crp") in columns


# --- what is followed -------------------------------------------------------------------------------------------------

# A population that the toy model has wrong on purpose: older, sicker in the young, with other pressures.
WRONG = (
    TOY.replace("{18..39: 40, 40..59: 35, 60..100: 25}", "{18..39: 20, 40..59: 35, 60..100: 45}")
    .replace("odds-ratio: 1.8, interval: [1.5, 2.1]", "odds-ratio: 0.7, interval: [0.6, 0.8]")
    .replace("normal(72, 11)", "normal(80, 11)")
    .replace("18..39: 112, 40..59: 122, 60..: 137", "18..39: 135, 40..59: 130, 60..: 125")
    .replace('"15.8% ± 1%"', '"35% ± 1%"')
)
TABLES: list[Places] = [(0,), (1,), (2,), (3,), (0, 2), (0, 3), (2, 3)]


@cache
def world() -> tuple[Program, Codes, Any]:
    """Return the model, a million people of a world that it has wrong, and the model as a prior."""
    program, other = (calibrate(parse_model(text)).program for text in (TOY, WRONG))
    return program, TILTED.codes(sampler(other).draw(np.arange(300_000))), prior_of(program, TILTED)


def away(found: Fit | None, clinical: bool = True) -> float:
    """Return the mean total variation between a fit, or the prior alone, and the population that was measured."""
    _, people, prior = world()
    expected = (
        (found or Fit(prior, {}, {})).expected if clinical else (found or Fit(flat_prior(TILTED), {}, {})).expected
    )
    truth = {places: shares(people, TILTED, places) for places in TABLES}
    return float(np.mean([np.abs(expected.over(places) - share).sum() / 2 for places, share in truth.items()]))


def sites(n: int, noise: float, clinical: bool = True, count: int = 8) -> list[float]:
    """Return how far the fits to so many simulated sites are from their population."""
    _, people, prior = world()
    found = []
    for seed in range(count):
        chance = np.random.default_rng([seed, n, int(10 * noise)])
        site = people[chance.integers(0, len(people), n)]
        told = measured(site, TILTED, TABLES, noise, chance)
        found.append(away(fit(prior if clinical else flat_prior(TILTED), told), clinical))
    return found


@pytest.mark.parametrize("clinical", [True, False], ids=["clinical", "flat"])
def test_a_wrong_prior_is_overruled_as_sites_and_budgets_grow(clinical: bool) -> None:
    prior = away(None, clinical)
    assert prior > 0.1
    growing = [np.mean(sites(n, noise, clinical)) for n, noise in ((300, 20), (1_000, 10), (5_000, 5), (50_000, 3))]
    assert all(more < less for less, more in zip((prior, *growing), growing, strict=False))
    assert growing[-1] < 0.01
    # Of the raw rows of as many people: what no fit can be expected to undercut by much.
    assert growing[-1] < 1.5 * raw(50_000)


def raw(n: int) -> float:
    """Return how far the exact tables of so many people are from the population."""
    _, people, _ = world()
    chance = np.random.default_rng(n)
    sample = people[chance.integers(0, len(people), n)]
    each = [np.abs(shares(sample, TILTED, one) - shares(people, TILTED, one)).sum() / 2 for one in TABLES]
    return float(np.mean(each))


@pytest.mark.parametrize("n", [50, 300, 1_000])
def test_where_the_budget_is_tiny_the_fit_is_hardly_worse_than_the_prior(n: int) -> None:
    """Noise as large as the site: nothing can be learnt, and nothing may be broken."""
    prior = away(None)
    assert max(sites(n, float(n))) < 1.1 * prior
    assert np.mean(sites(n, float(n))) < 1.03 * prior


def test_a_prior_that_is_right_is_not_given_up_for_noise() -> None:
    program, _, prior = world()
    right = TILTED.codes(sampler(program).draw(np.arange(100_000)))
    for seed in range(5):
        chance = np.random.default_rng(seed)
        site = right[chance.integers(0, len(right), 500)]
        found = fit(prior, measured(site, TILTED, TABLES, 30.0, chance)).expected
        each = [np.abs(found.over(one) - shares(right, TILTED, one)).sum() / 2 for one in TABLES]
        assert np.mean(each) < 0.02
