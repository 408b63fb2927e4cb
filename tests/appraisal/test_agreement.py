"""What aggregates changed is told as it is: the check passes what honestly follows them, and fails what does not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bent import BINNED, ELSEWHERE, TABLES, program_of, told_by
from manikin.aggregates import combine
from manikin.appraisal import Finding, Subject, appraise
from manikin.appraisal.agreement import agreement
from manikin.appraisal.report import render
from manikin.clinic import Program
from manikin.cohort import Cohort, Plan
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import Agreement, agree
from manikin.streams import Seed

_STUDY = {
    "name": "toy", "purpose": "p", "users": ["u"], "patients": 2_000, "seed": 1, "given": "", "oversample": "",
    "privacy": {"objective": "nobody is in it", "recipient": "public"}, "defects": [], "accuracy": [], "formats": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def toy() -> Program:
    return program_of(BINNED)


@pytest.fixture(scope="module")
def elsewhere() -> Program:
    return program_of(ELSEWHERE)


@pytest.fixture(scope="module")
def bent(toy: Program, elsewhere: Program) -> Agreement:
    return agree(toy, told_by(elsewhere), 20_000)


def cohort_of(
    program: Program, bent: Agreement | None, patients: int = 2_000, seed: int = 1, given: str = ""
) -> Cohort:
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, Seed(seed), given)
    sampler = replace(sampler, bent=bent.bent() if bent else None)
    plan = Plan(sampler, patients, ("patients", "encounters", "events", "analysis", "truth"), {})
    shards = [plan.tables_of(shard) for shard in plan.shards]
    return Cohort(sampler.layout, patients, {name: tuple(one[name] for one in shards) for name in plan.tables})


def found_in(program: Program, bent: Agreement, cohort: Cohort, given: str = "") -> Finding:
    return agreement(Subject(cohort, program, given, agreement=bent))


def first(finding: Finding, words: str) -> int:
    """Return the place of the first contradiction that names these words."""
    return next(n for n, one in enumerate(finding.drawings["contradictions"]) if words in one["words"])


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_cohort_whose_bins_are_drawn_first_passes(toy: Program, elsewhere: Program, seed: int) -> None:
    tables = [("age",), ("sex",), ("smoking",), ("age", "smoking")]
    bent = agree(toy, told_by(elsewhere, tables), 20_000)
    assert not bent.by_particles
    found = found_in(toy, bent, cohort_of(toy, bent, seed=seed))
    assert found.passed, [one for one in found.measures if one.passed is False]
    assert "bins of each patient were drawn first" in dict(found.drawings["facts"])["How patients were made"]


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_cohort_that_follows_the_aggregates_passes(toy: Program, bent: Agreement, seed: int) -> None:
    # By construction all five together fail by chance once in 200 times at most; the seeds are fixed.
    found = found_in(toy, bent, cohort_of(toy, bent, seed=seed))
    assert found.passed, [one for one in found.measures if one.passed is False]
    assert len(found.measures) == 3 + 2 + 3 + 3 + 2 + 4 + 2
    assert f"in {len(found.measures)} of {len(found.measures)} figures" in found.answer


def test_a_cohort_that_ignores_the_aggregates_fails_where_they_moved_it(toy: Program, bent: Agreement) -> None:
    found = found_in(toy, bent, cohort_of(toy, None))
    missed = {one.group for one in found.measures if one.passed is False}
    assert found.passed is False
    assert {"Age", "Smoking"} <= missed
    assert "Sex" not in missed  # which the site has as the model does
    gate = next(
        one
        for one in appraise(Subject(cohort_of(toy, None), toy, agreement=bent), _STUDY).gates
        if one.name == "Agreement with aggregates"
    )
    assert not gate.passed


def test_a_pair_that_is_ignored_is_seen_though_each_variable_is_right(toy: Program, bent: Agreement) -> None:
    cohort = cohort_of(toy, bent, 4_000)
    column = np.random.default_rng(1).permutation(cohort.table("analysis").column("ill").to_numpy())
    table = cohort.table("analysis")
    shuffled = table.set_column(table.schema.get_field_index("ill"), "ill", [column])
    found = found_in(toy, bent, replace(cohort, parts={**cohort.parts, "analysis": (shuffled,)}))
    assert {one.name for one in found.measures if one.passed is False} == {"Age, ill"}


def test_what_is_wrong_on_purpose_is_named_first_and_in_words(toy: Program, bent: Agreement) -> None:
    found = found_in(toy, bent, cohort_of(toy, bent))
    words = [one["words"] for one in found.drawings["contradictions"]]
    assert words[0].startswith("Age is higher at the site: 46% have 60 years or more; the model says 24%")
    assert any(one.startswith("Smoking, never: 44%") and one.endswith("the model says 60%") for one in words)
    assert any("Age and ill hang together more closely" in one for one in words)
    assert not any(one.startswith("Sex") for one in words)
    assert first(found, "Age is higher") < first(found, "hang together")
    assert "Age is higher at the site" in found.answer


def test_nothing_is_named_where_the_site_is_as_the_model_says(toy: Program) -> None:
    # Bins by chance: of about 40 figures none is beyond 3.29 standard errors with a probability of 96%; fixed seed.
    same = agree(toy, told_by(toy, seed=11), 20_000)
    found = found_in(toy, same, cohort_of(toy, same))
    assert found.drawings["contradictions"] == []
    assert "contradicts it beyond chance and noise" in found.answer
    assert found.passed


def test_the_fit_lies_within_the_intervals_of_what_was_told(toy: Program, bent: Agreement) -> None:
    inside, told = found_in(toy, bent, cohort_of(toy, bent)).drawings["inside"]
    assert told == 3 + 2 + 3 + 3 + 2 + 4 + 6 + 9
    assert inside >= 0.85 * told


def test_a_wrong_model_is_worth_less_than_a_right_one(toy: Program, bent: Agreement) -> None:
    right = agree(toy, told_by(toy, seed=11), 20_000)
    worth = [found_in(toy, one, cohort_of(toy, one)).drawings["worth"]["1"] for one in (bent, right)]
    assert worth[0] < worth[1]


def test_who_never_is_not_on_record_in_the_model_is_said_to_be_out_of_reach(toy: Program, elsewhere: Program) -> None:
    told = told_by(elsewhere, [("age",), ("ill",)])
    open_ = replace(told.aggregates[0].axes[0], missing=True)
    values = np.append(told.aggregates[0].values * 0.9, 0.1 * told.aggregates[0].total)
    told = replace(told, aggregates=(replace(told.aggregates[0], axes=(open_,), values=values), told.aggregates[1]))
    bent = agree(toy, told, 20_000)
    found = found_in(toy, bent, cohort_of(toy, bent))
    assert found.drawings["unreached"] == [
        "Age is not on record in 10% of the patients at the site; in the model everybody has one"
    ]
    assert found.passed
    # What is told of the others is followed as if the rest were not there.
    older = next(one for one in found.measures if one.group == "Age" and one.name == "60 years or more")
    assert older.expected == pytest.approx(told_by(elsewhere, [("age",)]).aggregates[0].values[2] / 4_000, abs=0.02)


def test_a_cohort_of_chosen_patients_is_not_judged_and_the_change_is_told_all_the_same(
    toy: Program, bent: Agreement
) -> None:
    found = found_in(toy, bent, cohort_of(toy, bent, given="sex=female"), "sex=female")
    assert found.passed is None
    assert "not judged" in found.answer
    assert "sex=female" in found.answer
    assert all(one.passed is None for one in found.measures)
    assert found.drawings["contradictions"]
    assert all(one["cohort"] is None for one in found.drawings["variables"])


def test_published_values_are_shown_and_not_judged(toy: Program, bent: Agreement) -> None:
    appraisal = appraise(Subject(cohort_of(toy, bent), toy, agreement=bent), _STUDY)
    targets = next(one for one in appraisal.findings if one.check == "targets")
    assert targets.measures
    assert {one.passed for one in targets.measures} == {None}
    assert "not judged" in targets.answer
    assert not any(gate.name in ("Verified published values", "Correlations") for gate in appraisal.gates)


def test_without_aggregates_nothing_is_said_of_any(toy: Program) -> None:
    appraisal = appraise(Subject(cohort_of(toy, None), toy), _STUDY)
    assert "agreement" not in {one.check for one in appraisal.findings}
    assert "aggregates" not in render(appraisal).split("</style>")[1].lower()


def test_the_report_shows_every_side_and_reads_aloud(toy: Program, bent: Agreement) -> None:
    appraisal = appraise(Subject(cohort_of(toy, bent), toy, agreement=bent), _STUDY)
    page = render(appraisal)
    assert page == render(appraisal)
    assert "True to its aggregates" in page
    section = page[page.index('id="finding-agreement"') : page.index('id="finding-targets"')]
    for words in (
        "Differentially private, epsilon 2 at delta 1e-06",
        "Not signed",
        "Age is higher at the site",
        'aria-label="Age: below 40: model',
        "Age and ill: correlation",
        "The other 7 variables are as the clinical model has them",
    ):
        assert words in section, words
    json.dumps(next(one.drawings for one in appraisal.findings if one.check == "agreement"), allow_nan=False)


def test_suppressed_cells_are_left_out(toy: Program, elsewhere: Program) -> None:
    told = told_by(elsewhere, TABLES[:6])
    hidden = told.aggregates[3].values.copy()
    hidden[2] = np.nan
    told = replace(
        told, aggregates=(*told.aggregates[:3], replace(told.aggregates[3], values=hidden), *told.aggregates[4:])
    )
    bent = agree(toy, told, 20_000)
    found = found_in(toy, bent, cohort_of(toy, bent))
    smoking = next(one for one in found.drawings["variables"] if one["name"] == "smoking")
    assert smoking["told"][2] is None
    assert not any("Smoking" in one["words"] for one in found.drawings["contradictions"])
    render(appraise(Subject(cohort_of(toy, bent), toy, agreement=bent), _STUDY))


def test_several_sites_are_told_apart_where_they_differ(toy: Program, elsewhere: Program) -> None:
    sites = [told_by(elsewhere), replace(told_by(toy, seed=9), site="south", source="clinic of the south")]
    bent = agree(toy, combine(sites), 20_000)
    facts = dict(found_in(toy, bent, cohort_of(toy, bent)).drawings["facts"])
    assert "differ beyond chance and noise" in facts["Do the sites differ?"]
    assert "north: differentially private" in facts["Do the sites differ?"]
    assert "at the sites" in found_in(toy, bent, cohort_of(toy, bent)).answer
