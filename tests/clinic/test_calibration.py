"""Calibration reaches what can be reached, names what can't, and comes out the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from small_model import TEXT, edited

from manikin.clinic import ClinicalModel, calibrate, estimate, parse_model, realised_correlations
from manikin.clinic.calibration import N_PATIENTS, repairs
from manikin.clinic.program import Program, nearest_correlation
from manikin.errors import CalibrationError
from manikin.streams import Draws, Seed

OTHERS = Seed(99)  # patients on whom nothing was calibrated


def sampled(program: Program, *names: str, n: int = 60_000, seed: Seed = OTHERS) -> dict[str, Any]:
    wanted = names or tuple(program.model.variables)
    return program.sample(program.needed_for(wanted), Draws(seed, np.arange(n)))


def with_targets(targets: str, calibrations: str, text: str = TEXT) -> ClinicalModel:
    head, _, _ = text.partition("\ntargets:")
    return parse_model(f"{head}\ntargets:\n{targets}\ncalibrate:\n{calibrations}\n")


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_calibrated_target_is_reached_on_other_patients_too() -> None:
    model = parse_model(TEXT)
    done = calibrate(model)
    (found,) = estimate(model.targets["share tested"], sampled(done.program))
    assert abs(found.value - 0.2) < 0.005 + 4 * found.se
    assert done.moved.keys() == {"base"}
    assert done.moved["base"][0] == -2


def test_without_calibration_the_same_target_is_missed() -> None:
    model = parse_model(edited("  - {free: [base], to: [share tested]}\n", "  []\n"))
    done = calibrate(model)
    (found,) = estimate(model.targets["share tested"], sampled(done.program))
    assert abs(found.value - 0.2) > 0.03
    assert not done.moved


def test_two_parameters_are_solved_for_two_targets() -> None:
    model = with_targets(
        "  low: {share: stage == low, value: 30%, source: book verified}\n"
        "  high: {share: stage == high, value: 25%, source: book verified}\n",
        "  - {free: [cut_one, cut_two], to: [low, high]}",
        TEXT.replace("{value: 0,", "{value: 0, free: [-4, 4],").replace("{value: 1.5,", "{value: 1.5, free: [-4, 6],"),
    )
    done = calibrate(model)
    columns = sampled(done.program)
    assert np.mean(columns["stage"] == 0) == pytest.approx(0.30, abs=0.012)
    assert np.mean(columns["stage"] == 2) == pytest.approx(0.25, abs=0.012)


@pytest.mark.parametrize(
    ("target", "reach"),
    [
        ("mean: sbp, value: 135", lambda c: c["sbp"].mean()),
        ("quantile: sbp, level: 0.9, value: 155", lambda c: np.quantile(c["sbp"], 0.9)),
    ],
)
def test_means_and_quantiles_are_reached(target: str, reach: Any) -> None:
    text = edited("draw: normal(centre, 14)", "draw: normal(centre + lift, 14)").replace(
        "  slope:", "  lift: {value: 0, free: [-40, 60], source: house assumption}\n  slope:"
    )
    model = with_targets(
        f"  goal: {{{target}, source: book verified}}", "  - {free: [lift], to: [goal]}", text.replace("lift:", "lift:")
    )
    wanted = float(target.rpartition(" ")[2])
    assert reach(sampled(calibrate(model).program)) == pytest.approx(wanted, rel=0.012)


def test_a_target_beyond_reach_is_an_error_that_names_it_with_what_was_reached_and_the_bound() -> None:
    model = parse_model(edited("free: [-6, 2]", "free: [-2.5, -1.9]"))
    with pytest.raises(CalibrationError) as caught:
        calibrate(model)
    told = str(caught.value)
    assert "share tested: wanted 0.2 (0.19 to 0.21), reached 0.1" in told
    assert "At a bound: base (at -1.9)" in told


def test_targets_that_contradict_each_other_are_an_error_that_names_one() -> None:
    model = with_targets(
        "  one: {share: tested, value: 20%, source: book verified}\n  two: {share: tested, value: 40%, source: book verified}",
        "  - {free: [base], to: [one, two]}",
    )
    with pytest.raises(CalibrationError, match="contradict each other"):
        calibrate(model)


def test_a_target_about_nobody_is_an_error_and_not_silently_met() -> None:
    model = parse_model(edited("among: age >= 20\n    value", "among: age > 200\n    value"))
    with pytest.raises(CalibrationError, match="share tested"), np.errstate(all="ignore"):
        calibrate(model)


def test_calibration_is_deterministic() -> None:
    one, other = calibrate(parse_model(TEXT)), calibrate(parse_model(TEXT))
    assert one.moved == other.moved
    assert one.program.parameters == other.program.parameters
    assert all(np.array_equal(one.program.latent[name], other.program.latent[name]) for name in one.program.latent)


def test_progress_is_told_step_by_step_and_never_runs_backward() -> None:
    told: list[tuple[str, int, int]] = []
    calibrate(parse_model(TEXT), lambda step, done, total: told.append((step, done, total)))
    assert told
    assert all(step == "calibrating" and 0 <= done <= total for step, done, total in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


# --- correlations -----------------------------------------------------------------------------------------------------


def test_correlations_of_each_level_come_out_within_two_hundredths() -> None:
    model = parse_model(TEXT)
    (group,) = model.dependences
    columns = sampled(calibrate(model).program)
    assert realised_correlations(group, columns) == pytest.approx(np.array([[0.55], [0.5]]), abs=0.02)


def test_correlations_come_out_although_values_are_skewed_and_parents_are_shared() -> None:
    text = (
        TEXT.replace("members: [sbp, dbp]", "members: [weight, sbp, dbp, crp]\n    logarithmic: [crp]")
        .replace("draw: normal(78, 10)", "draw: normal(60 + 0.4 * (age - 50) + 0.2 * weight, 8)")
        .replace(
            "      - {pair: [sbp, dbp], female: 0.55, male: 0.5}",
            "      - {pair: [sbp, dbp], female: 0.6, male: 0.45}\n"
            "      - {pair: [weight, crp], value: 0.3}\n      - {pair: [dbp, crp], value: -0.2}",
        )
    )
    model = parse_model(text)
    (group,) = model.dependences
    found = realised_correlations(group, sampled(calibrate(model).program))
    assert found == pytest.approx(np.array([[0.6, 0.3, -0.2], [0.45, 0.3, -0.2]]), abs=0.02)


def test_the_correlation_of_a_logarithmic_member_is_that_of_its_logarithm() -> None:
    model = parse_model(TEXT.replace("members: [sbp, dbp]", "members: [sbp, dbp, crp]\n    logarithmic: [crp]").replace(
        "      - {pair: [sbp, dbp]", "      - {pair: [dbp, crp], value: 0.4}\n      - {pair: [sbp, dbp]"))  # fmt: skip
    (group,) = model.dependences
    columns = sampled(calibrate(model).program)
    women = columns["sex"] == 0
    expected = np.corrcoef(columns["dbp"][women], np.log(columns["crp"][women]))[0, 1]
    assert realised_correlations(group, columns)[0, 0] == pytest.approx(expected)


def test_a_positive_definite_matrix_stays_as_it_is() -> None:
    matrix = np.array([[[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]], np.eye(3)])
    assert np.array_equal(nearest_correlation(matrix), matrix)


def test_a_matrix_that_no_cohort_could_have_is_repaired_as_little_as_need_be() -> None:
    matrix = np.array([[[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]])
    (repaired,) = nearest_correlation(matrix)
    assert np.linalg.eigvalsh(repaired)[0] > 0
    assert np.array_equal(np.diag(repaired), np.ones(3))
    assert np.array_equal(repaired, repaired.T)
    # By symmetry the nearest is 1/2 everywhere, of the same signs.
    assert repaired == pytest.approx(np.sign(matrix[0]) * np.where(np.eye(3), 1, 0.5), abs=0.005)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_any_matrix_becomes_a_correlation_matrix_that_has_a_cholesky_factor(size: int, number: int) -> None:
    values = np.random.default_rng(number).uniform(-0.99, 0.99, (size, size))
    matrix = np.triu(values, 1) + np.triu(values, 1).T + np.eye(size)
    (repaired,) = nearest_correlation(matrix[None])
    np.linalg.cholesky(repaired)
    assert np.array_equal(np.diag(repaired), np.ones(size))
    assert np.abs(repaired).max() <= 1
    assert np.array_equal(nearest_correlation(repaired[None])[0], repaired)


def test_it_is_told_by_how_much_a_group_was_repaired() -> None:
    assert repairs(parse_model(TEXT)) == {"pressure": 0}
    text = TEXT.replace("members: [sbp, dbp]", "members: [sbp, dbp, weight]").replace(
        "      - {pair: [sbp, dbp], female: 0.55, male: 0.5}",
        "      - {pair: [sbp, dbp], value: 0.9}\n      - {pair: [sbp, weight], value: 0.9}\n      - {pair: [dbp, weight], value: -0.9}",
    )
    assert repairs(parse_model(text))["pressure"] == pytest.approx(0.4, abs=0.01)


# --- estimates --------------------------------------------------------------------------------------------------------

AGE = np.array([20.0, 30.0, 39.0, 50.0, 60.0, 80.0])
SBP = np.array([100.0, 110.0, 120.0, 130.0, 140.0, 160.0])
SEX = np.array([0, 0, 1, 1, 0, 1], np.int8)
WEIGHTS = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 4.0])
COLUMNS = {"age": AGE, "sbp": SBP, "dbp": 200 - SBP, "sex": SEX, "tested": SBP >= 130, "weight": SBP**2}


def target(text: str) -> Any:
    return with_targets(f"  goal: {{{text}, source: book verified}}", "  []").targets["goal"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean: sbp, value: 1", [760 / 6]),
        ("mean: sbp, among: age < 40, value: 1", [110]),
        ("share: tested, value: 50%", [0.5]),
        ("sd: sbp, value: 1", [SBP.std()]),
        ("quantile: sbp, value: 1", [125]),
        ("mean: sbp, by: sex, values: {female: 1, male: 1}", [350 / 3, 410 / 3]),
        ("mean: sbp, by: age, values: {18..39: 1, 40..59: 1}", [110, 130]),
        ("correlation: [sbp, dbp], value: 0.5", [-1]),
        ("correlation: [sbp, weight], value: 0.5", [np.corrcoef(SBP, SBP**2)[0, 1]]),
        # 60% below 40 (100, 110, 120), 40% above (130, 140, 160)
        ("mean: sbp, standard: young, value: 1", [0.6 * 110 + 0.4 * 430 / 3]),
        # women: below 40 100 and 110, above 140; men: 120, and 130 and 160
        ("mean: sbp, by: sex, standard: young, values: {female: 1, male: 1}", [0.6 * 105 + 0.4 * 140, 0.6 * 120 + 0.4 * 145]),
    ],
)  # fmt: skip
def test_estimates_are_those_worked_out_by_hand(text: str, expected: list[float]) -> None:
    assert [one.value for one in estimate(target(text), COLUMNS)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean: sbp, value: 1", 1360 / 10),
        ("share: tested, value: 50%", 0.6),
        # men above 40 weigh 1 and 4, below 2: 60% of 120 and 40% of (130 + 4 * 160) / 5
        ("mean: sbp, among: sex == male, standard: young, value: 1", 0.6 * 120 + 0.4 * 154),
    ],
)
def test_weighted_estimates_are_those_worked_out_by_hand(text: str, expected: float) -> None:
    (found,) = estimate(target(text), COLUMNS, WEIGHTS)
    assert found.value == pytest.approx(expected)


def test_a_weight_of_two_counts_as_two_patients() -> None:
    twice = {name: np.repeat(column, [1, 1, 2, 1, 1, 4]) for name, column in COLUMNS.items()}
    for text in ("mean: sbp, value: 1", "sd: sbp, value: 1", "correlation: [sbp, weight], value: 0.5", "share: tested, value: 50%"):  # fmt: skip
        (one,), (other,) = estimate(target(text), COLUMNS, WEIGHTS), estimate(target(text), twice)
        assert one.value == pytest.approx(other.value)


def test_patients_without_a_value_are_left_out_of_means_and_those_without_a_band_of_tables() -> None:
    columns = {**COLUMNS, "sbp": np.where(AGE > 70, np.nan, SBP)}
    assert estimate(target("mean: sbp, value: 1"), columns)[0].value == pytest.approx(120)
    missing = {**COLUMNS, "sex": np.where(AGE > 70, -1, SEX).astype(np.int8)}
    assert estimate(target("mean: sbp, by: sex, values: {male: 1}"), missing)[1].value == pytest.approx(125)


def test_a_cell_without_patients_has_no_estimate() -> None:
    (found,) = estimate(target("mean: sbp, among: age > 99, value: 1"), COLUMNS)
    assert np.isnan(found.value)
    assert found.n == 0


def test_a_standard_error_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(11)
    hits = {"mean": 0, "share": 0, "quantile": 0, "sd": 0}
    truths = {"mean": 120, "share": stats.norm.sf(130, 120, 15), "quantile": stats.norm.ppf(0.9, 120, 15), "sd": 15}
    goals = {
        "mean": target("mean: sbp, value: 1"),
        "share": target("share: tested, value: 50%"),
        "quantile": target("quantile: sbp, level: 0.9, value: 1"),
        "sd": target("sd: sbp, value: 1"),
    }
    for _ in range(400):
        sbp = chance.normal(120, 15, 400)
        for name, goal in goals.items():
            (found,) = estimate(goal, {"sbp": sbp, "tested": sbp >= 130})
            hits[name] += abs(found.value - truths[name]) < 1.96 * found.se
    assert all(0.91 < count / 400 < 0.985 for count in hits.values()), hits


# --- worlds -----------------------------------------------------------------------------------------------------------


def test_world_0_is_the_model_itself() -> None:
    model = parse_model(TEXT)
    assert model.world(0, Seed(1)) is model


def test_other_worlds_move_uncertain_numbers_by_about_their_standard_error_and_no_others() -> None:
    model = parse_model(TEXT)
    worlds = [model.world(number, Seed(1)) for number in range(1, 401)]
    slopes = np.array([one.parameters["slope"].value for one in worlds])
    assert slopes.mean() == pytest.approx(0.5, abs=0.01)
    assert slopes.std() == pytest.approx(0.05, rel=0.12)
    shares = np.array([one.targets["share tested"].values[0].value for one in worlds])  # type: ignore[union-attr]
    assert shares.std() == pytest.approx(0.02 / 3.92, rel=0.12)
    (ratio,) = (name for name in model.parameters if name.startswith("tested.odds"))
    logs = np.log([one.parameters[ratio].value for one in worlds])
    assert logs.std() == pytest.approx(np.log(2.0 / 1.6) / 3.92, rel=0.12)
    assert logs.mean() == pytest.approx(np.log(1.8), abs=0.01)
    assert abs(np.corrcoef(slopes, logs)[0, 1]) < 0.2
    for one in worlds[:20]:
        assert one.parameters["base"] == model.parameters["base"]
        assert one.targets["mean sbp by sex"] == model.targets["mean sbp by sex"]


def test_a_world_is_the_same_every_time_and_another_by_another_number_or_seed() -> None:
    model = parse_model(TEXT)
    assert model.world(3, Seed(1)).parameters == model.world(3, Seed(1)).parameters
    assert model.world(3, Seed(1)).parameters != model.world(4, Seed(1)).parameters
    assert model.world(3, Seed(1)).parameters != model.world(3, Seed(2)).parameters


def test_a_line_more_in_a_file_moves_no_world() -> None:
    longer = edited("parameters:\n", "# a comment\n\nparameters:\n")
    assert _values(parse_model(longer).world(5, Seed(1))) == _values(parse_model(TEXT).world(5, Seed(1)))


def _values(model: ClinicalModel) -> dict[str, float]:
    return {name: one.value for name, one in model.parameters.items()}


def test_the_judging_sample_is_large_enough_for_a_tenth_of_a_percent() -> None:
    assert (0.25 / N_PATIENTS) ** 0.5 < 0.0025


def test_a_group_that_asks_for_no_correlation_has_nothing_to_correct() -> None:
    nothing = edited("correlations:\n      - {pair: [sbp, dbp], female: 0.55, male: 0.5}", "correlations: []")
    found = calibrate(parse_model(nothing))
    assert np.array_equal(found.program.latent["pressure"], np.tile(np.eye(2), (2, 1, 1)))
