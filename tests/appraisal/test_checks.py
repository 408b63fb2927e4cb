"""A check finds what was planted, counts it, and stays quiet about what is right."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from manikin.appraisal import Appraisal, Finding, Subject, appraise
from manikin.appraisal.distributions import distributions, missingness
from manikin.appraisal.epidemiology import correlations, targets
from manikin.appraisal.plausibility import plausibility
from manikin.clinic import Calibrated, calibrate, parse_model
from manikin.cohort import Cohort, Plan
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed
from manikin.study import Made
from toy import TOY

Edit = Callable[[Any], Any]


def subject_of(calibrated: Calibrated, cohort: Cohort, given: str = "") -> Subject:
    return Subject(cohort, calibrated.program, given)


def edited(cohort: Cohort, table: str, name: str, edit: Edit) -> Cohort:
    """Return the cohort with a column of a table changed, in memory."""
    parts = []
    for part in cohort.batches(table):
        place = part.schema.get_field_index(name)
        values = pa.array(edit(part.column(name).to_pylist()), part.schema.field(name).type)
        parts.append(part.set_column(place, name, values))
    return replace(cohort, parts={**cohort.parts, table: tuple(parts)})


def first(value: Any) -> Edit:
    """Return an edit that gives the first patient of each of the four parts a value."""
    return lambda values: [value(values[0]) if callable(value) else value, *values[1:]]


def violations(finding: Finding) -> dict[str, float]:
    return {one.name: one.value for one in finding.measures if one.value}


def drawn(sampler: KnowledgeSampler, n: int) -> Cohort:
    plan = Plan(sampler, n, ("patients", "encounters", "events", "analysis", "truth"), {})
    return Cohort(sampler.layout, n, {name: (table,) for name, table in plan.tables_of(0).items()})


# --- plausibility -----------------------------------------------------------------------------------------------------


def test_a_cohort_as_it_was_made_has_no_impossible_value(calibrated: Calibrated, made: Made) -> None:
    found = plausibility(subject_of(calibrated, made.cohort))
    assert found.passed
    assert violations(found) == {}
    assert {one.group for one in found.measures} == {"Limits", "Recomputed values", "Constraints"}


PLANTED: list[tuple[str, str, Edit, set[str]]] = [
    ("analysis", "sbp", first(301.0), {"sbp from 30 to 300 mm[Hg]", "pressure recomputes"}),
    ("analysis", "sbp", first(20.0), {"sbp from 30 to 300 mm[Hg]", "pressure recomputes", "dbp + 15 < sbp"}),
    ("analysis", "pressure", first(lambda was: was + 0.1), {"pressure recomputes"}),
    ("analysis", "pressure", first(None), {"pressure recomputes"}),
    (
        "analysis",
        "age",
        first(17),
        {"age from 18 to 110 a", "Age in completed years agrees with the dates of birth and index"},
    ),
    (
        "analysis",
        "age",
        first(lambda was: was + 1),
        {"Age in completed years agrees with the dates of birth and index"},
    ),
    (
        "patients",
        "birth_date",
        first(lambda was: was + timedelta(366)),
        {"Age in completed years agrees with the dates of birth and index"},
    ),
    (
        "patients",
        "birth_date",
        first(lambda was: was - timedelta(366)),
        {"Age in completed years agrees with the dates of birth and index"},
    ),
]


@pytest.mark.parametrize(("table", "name", "edit", "rules"), PLANTED)
def test_each_planted_violation_is_found_and_counted(
    calibrated: Calibrated, made: Made, table: str, name: str, edit: Edit, rules: set[str]
) -> None:
    found = plausibility(subject_of(calibrated, edited(made.cohort, table, name, edit)))
    titles = {rule.lower(): value for rule, value in violations(found).items()}
    # One in each of the four parts.
    assert titles == {rule.lower(): 4.0 for rule in rules}
    assert not found.passed
    assert f"{4 * len(rules):,} impossible values" in found.answer


def test_a_planted_violation_stops_a_release(calibrated: Calibrated, made: Made) -> None:
    cohort = edited(made.cohort, "analysis", "sbp", first(301.0))
    gates = appraise(subject_of(calibrated, cohort), {}).gates
    assert [gate.passed for gate in gates if gate.name == "Impossible values"] == [False]


def test_values_that_are_missing_are_not_impossible(calibrated: Calibrated, made: Made) -> None:
    found = plausibility(
        subject_of(calibrated, edited(made.cohort, "analysis", "glucose", lambda values: [None] * len(values)))
    )
    assert found.passed


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_cohort_of_the_calibrated_model_meets_its_targets(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    # False-alarm rate about 1e-3 for each of 30 seeds and 3 values at most; the seeds are fixed.
    for seed in range(30):
        found = targets(subject_of(calibrated, drawn(sampler(seed), 3_000)))
        assert found.passed, found.answer


def test_a_shifted_cohort_misses_a_verified_target_and_is_stopped(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    cohort = drawn(sampler(1), 3_000)
    shifted = edited(
        cohort, "analysis", "ill", lambda values: [value or place % 10 == 0 for place, value in enumerate(values)]
    )
    appraisal = appraise(subject_of(calibrated, shifted), {})
    gate = next(gate for gate in appraisal.gates if gate.name == "Verified published values")
    assert not gate.passed
    assert gate.reached == "0 of 1; 0 without that allowance"


def test_a_shift_of_a_value_that_is_not_verified_is_told_and_stops_nothing(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    shifted = edited(drawn(sampler(1), 3_000), "analysis", "sbp", lambda values: [value + 10 for value in values])
    appraisal = appraise(subject_of(calibrated, shifted), {})
    finding = next(finding for finding in appraisal.findings if finding.check == "targets")
    assert [one.passed for one in finding.measures] == [True, False, False]
    assert finding.passed is False
    assert next(gate for gate in appraisal.gates if gate.name == "Verified published values").passed


@pytest.mark.parametrize("wish", ["ill=yes:10", "ill=yes:0.1", "sex=female:5; ill=yes:3"])
def test_weights_are_honoured(calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler], wish: str) -> None:
    cohort = drawn(sampler(1, oversample=wish), 5_000)
    assert targets(subject_of(calibrated, cohort)).passed
    assert correlations(subject_of(calibrated, cohort)).passed


def test_weights_that_were_lost_would_be_noticed(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    cohort = drawn(sampler(1, oversample="ill=yes:10"), 5_000)
    unweighted = replace(cohort, layout=replace(cohort.layout, weighted=False))
    assert targets(subject_of(calibrated, unweighted)).passed is False


def test_population_figures_are_not_asked_of_a_cohort_of_which_something_is_given(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    cohort = drawn(sampler(1, given="ill=yes"), 500)
    appraisal = appraise(subject_of(calibrated, cohort, "ill=yes"), {})
    assert [gate.name for gate in appraisal.gates] == ["Impossible values"]
    assert appraisal.gates[0].passed


# --- correlations -----------------------------------------------------------------------------------------------------


def test_correlations_come_out_as_asked(calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]) -> None:
    for seed in range(20):
        found = correlations(subject_of(calibrated, drawn(sampler(seed), 1_000)))
        assert found.passed, found.answer


def test_a_shuffled_column_fails_the_gate(calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]) -> None:
    def shuffled(values: list[float]) -> list[float]:
        return [values[place] for place in np.random.default_rng(1).permutation(len(values))]

    cohort = edited(drawn(sampler(1), 3_000), "analysis", "dbp", shuffled)
    appraisal = appraise(subject_of(calibrated, cohort), {})
    assert [gate.name for gate in appraisal.gates if not gate.passed] == ["Correlations"] or [
        gate.name for gate in appraisal.gates if not gate.passed
    ] == ["Impossible values", "Correlations"]


# --- distributions and what is missing --------------------------------------------------------------------------------


def test_what_is_missing_is_counted_as_recorded(calibrated: Calibrated, made: Made) -> None:
    found = missingness(subject_of(calibrated, made.cohort))
    missing = {one.name: one.value for one in found.measures if one.value}
    assert list(missing) == [made.cohort.layout.field("hba1c").variable.title]
    assert next(iter(missing.values())) == made.table("analysis").column("hba1c").null_count / 1_000


def test_densities_integrate_to_1_and_shares_sum_to_1(calibrated: Calibrated, made: Made) -> None:
    for variable in distributions(subject_of(calibrated, made.cohort)).drawings["variables"]:
        for group in variable["groups"]:
            if variable["kind"] == "quantity":
                # Bins reach from the 0.1st to beyond the 99.9th percentile.
                assert 0.98 < np.dot(group["density"], np.diff(variable["edges"])) <= 1 + 1e-6
            else:
                assert sum(group["shares"]) == pytest.approx(1, abs=1e-5)


# --- small, empty and strange cohorts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 29, 30, 31, 100])
def test_a_small_cohort_is_not_failed_by_chance_and_holds_no_nan(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler], n: int
) -> None:
    for seed in range(30):
        appraisal = appraise(subject_of(calibrated, drawn(sampler(seed), n)), {"name": "small"})
        assert all(gate.passed for gate in appraisal.gates), [gate.reached for gate in appraisal.gates]
        _finite(json.loads(appraisal.to_json()))


@pytest.mark.parametrize("n", [1, 2, 10])
def test_a_small_release_can_be_made(make_release: Callable[..., Made], tmp_path: Path, n: int) -> None:
    made = make_release(tmp_path / "out", patients=n)
    assert made.table("analysis").num_rows == n
    text = (tmp_path / "out" / "appraisal.json").read_text(encoding="utf-8")
    assert Appraisal.from_json(text).to_json() == text
    assert "NaN" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_cohort_of_one_sex_or_without_a_value_holds_no_nan(
    calibrated: Calibrated, sampler: Callable[..., KnowledgeSampler]
) -> None:
    cohort = drawn(sampler(1), 200)
    for name, edit in (
        ("sex", lambda values: ["male"] * len(values)),
        ("glucose", lambda values: [None] * len(values)),
        ("sbp", lambda values: [120.0] * len(values)),
    ):
        appraisal = appraise(subject_of(calibrated, edited(cohort, "analysis", name, edit)), {})
        _finite(json.loads(appraisal.to_json()))


def _finite(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            _finite(inner)
    elif isinstance(value, list):
        for inner in value:
            _finite(inner)
    elif isinstance(value, float):
        assert math.isfinite(value)


def test_a_model_without_targets_or_correlations_has_one_gate() -> None:
    text = TOY[: TOY.index("dependence:")] + "constraints:\n  - {rule: age >= 18, source: house assumption}\n"
    bare = calibrate(parse_model(text))
    program = bare.program
    cohort = drawn(KnowledgeSampler(program.model, program.parameters, program.latent, Seed(1)), 50)
    assert [gate.name for gate in appraise(subject_of(bare, cohort), {}).gates] == ["Impossible values"]


def test_events_keep_their_kinds_in_an_edited_cohort(made: Made) -> None:
    # The edits above go through Arrow; a column that was not edited comes back as it was.
    same = edited(made.cohort, "analysis", "sbp", lambda values: values)
    assert (
        same.table("analysis").equals(made.table("analysis"))
        or pc.all(pc.equal(same.table("analysis").column("sbp"), made.table("analysis").column("sbp"))).as_py()
    )
