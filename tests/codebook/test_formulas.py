"""The derived quantities agree with their papers, and every registered formula keeps the promises of the register."""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ucumvert import get_ucum_parser

from manikin.codebook import formulas, scores
from manikin.codebook.formulas import FORMULAS, Argument, Formula
from manikin.streams import Floats

ALL = pytest.mark.parametrize("formula", list(FORMULAS.values()), ids=lambda formula: formula.name)

# What a clinic may plausibly see, by the unit of the argument.
PLAUSIBLE = {
    "1": (0.21, 1.0),
    "%": (3.0, 15.0),
    "/d": (0.0, 60.0),
    "/min": (5.0, 180.0),
    "10*3/uL": (5.0, 600.0),
    "10*6/uL": (2.0, 7.0),
    "a": (18.0, 100.0),
    "cm": (60.0, 200.0),
    "condition": (0.0, 1.0),
    "count": (0.0, 4.0),
    "g/dL": (1.5, 18.0),
    "h": (0.0, 48.0),
    "kg": (35.0, 200.0),
    "kg/m2": (14.0, 60.0),
    "mL/d": (0.0, 4000.0),
    "mL/min/{1.73_m2}": (3.0, 140.0),
    "mg/dL": (0.4, 300.0),
    "mg/g": (1.0, 3000.0),
    "mm": (0.5, 40.0),
    "mm[Hg]": (30.0, 300.0),
    "mmol/L": (5.0, 150.0),
    "ms": (250.0, 600.0),
    "ng/L": (1.0, 500.0),
    "u[IU]/mL": (1.0, 60.0),
    "ug/kg/min": (0.0, 20.0),
}


def plausible(argument: Argument, size: int, seed: int) -> Floats:
    """Return ``size`` plausible values of an argument; whole ones where it is a condition or a count."""
    low, high = PLAUSIBLE[argument.unit]
    values = np.random.default_rng([seed, *argument.name.encode()]).uniform(low, high, size)
    return np.rint(values) if argument.unit in ("condition", "count") else values


@pytest.mark.parametrize(
    ("creatinine", "age", "female", "egfr"),
    [(1.0, 50, False, 91.7), (1.0, 50, True, 68.6), (2.0, 70, False, 35.2), (0.6, 30, True, 123.8)],
)
def test_ckd_epi_2021_gives_the_reference_values(creatinine: float, age: float, female: bool, egfr: float) -> None:
    assert formulas.ckd_epi_2021(creatinine, age, female) == pytest.approx(egfr, abs=0.05)


# Worked by hand from the formulas as published; the last digit given is the tolerance.
HAND = [
    ("bmi", (70, 175), 22.857, 1e-3),
    ("body_weight", (25, 180), 81.0, 1e-9),
    ("map", (120, 80), 93.333, 1e-3),
    ("pulse_pressure", (120, 80), 40, 1e-9),
    ("qtc_bazett", (400, 60), 400, 1e-9),
    ("qtc_bazett", (350, 93.75), 437.5, 1e-9),
    ("non_hdl", (200, 50), 150, 1e-9),
    ("friedewald_ldl", (200, 50, 150), 120, 1e-9),
    ("sampson_ldl", (200, 50, 150), 123.397, 1e-3),
    ("sampson_ldl", (250, 40, 500), 121.130, 1e-3),
    ("estimated_average_glucose", (6,), 125.5, 1e-9),
    ("estimated_average_glucose", (7,), 154.2, 1e-9),
    ("hba1c_ifcc", (6.5,), 47.545, 1e-9),
    ("hba1c_ifcc", (5.7,), 38.801, 1e-9),
    ("homa_ir", (90, 9), 2, 1e-9),
    ("anion_gap", (140, 104, 24), 12, 1e-9),
    ("corrected_anion_gap", (12, 2), 17, 1e-9),
    ("corrected_calcium", (8, 2.5), 9.2, 1e-9),
    ("corrected_sodium", (130, 100), 130, 1e-9),
    ("corrected_sodium", (130, 400), 134.8, 1e-9),
    ("corrected_sodium", (130, 600), 139.6, 1e-9),
    ("osmolality", (140, 90, 14), 290, 1e-9),
    ("henderson_hasselbalch", (24, 40), 7.391, 1e-3),
    ("henderson_hasselbalch", (12, 40), 7.090, 1e-3),
    ("winter_pco2", (12,), 26, 1e-9),
    ("pf_ratio", (80, 0.4), 200, 1e-9),
    # Severinghaus 1979: half saturation near 27 mm[Hg]; 40, 60 and 100 mm[Hg] are the venous, the critical and
    # the arterial point of the curve.
    ("spo2_from_po2", (26.86,), 50, 0.05),
    ("spo2_from_po2", (40,), 74.9, 0.1),
    ("spo2_from_po2", (60,), 90.6, 0.1),
    ("spo2_from_po2", (100,), 97.7, 0.1),
    ("mean_corpuscular_volume", (45, 5), 90, 1e-9),
    ("mean_corpuscular_hemoglobin", (15, 5), 30, 1e-9),
    ("mean_corpuscular_hemoglobin_concentration", (15, 45), 33.333, 1e-3),
    ("pack_years", (30, 20), 30, 1e-9),
    ("reference_change_value", (1.2, 1.5), 5.325, 1e-3),
]


@pytest.mark.parametrize(("name", "given_values", "expected", "tolerance"), HAND)
def test_formulas_give_values_worked_by_hand(
    name: str, given_values: tuple[float, ...], expected: float, tolerance: float
) -> None:
    assert FORMULAS[name].compute(*given_values) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(("cv_within", "cv_analytical"), [(4.5, 1.1), (5.2, 1.1), (5.2, 2.0)])
def test_reference_change_of_creatinine_is_as_published_for_egfr(cv_within: float, cv_analytical: float) -> None:
    assert 12.5 <= formulas.reference_change_value(cv_within, cv_analytical) <= 16.5


@pytest.mark.parametrize(
    ("egfr", "stage"),
    [(90, "G1"), (60, "G2"), (45, "G3a"), (30, "G3b"), (15, "G4"), (0, "G5")],
)
def test_stages_of_filtration_begin_at_their_thresholds(egfr: float, stage: str) -> None:
    levels = FORMULAS["ckd_g_stage"].levels
    below = [*levels, "G5"][levels.index(stage) + 1]
    assert levels[int(formulas.ckd_g_stage(egfr))] == stage
    assert levels[int(formulas.ckd_g_stage(np.nextafter(egfr, -1)))] == below


@pytest.mark.parametrize(("uacr", "code"), [(29.99, 0), (30, 1), (299.99, 1), (300, 2)])
def test_stages_of_albuminuria_begin_at_their_thresholds(uacr: float, code: int) -> None:
    assert formulas.ckd_a_stage(uacr) == code


def test_kdigo_risk_is_the_published_heat_map() -> None:
    # KDIGO 2024: rows G1 to G5, columns A1 to A3; 0 low, 1 moderate, 2 high, 3 very high.
    heat_map = [[0, 1, 2], [0, 1, 2], [1, 2, 3], [2, 3, 3], [3, 3, 3], [3, 3, 3]]
    egfr = np.array([[90], [60], [45], [30], [15], [14]])
    np.testing.assert_array_equal(formulas.kdigo_risk(egfr, np.array([[29, 30, 300]])), heat_map)


@pytest.mark.parametrize(
    ("hba1c", "glucose", "code"),
    [(5.6, 99, 0), (5.7, 99, 1), (5.6, 100, 1), (6.4, 125, 1), (6.5, 99, 2), (5.6, 126, 2), (6.5, 126, 2)],
)
def test_glycaemic_stages_begin_at_their_thresholds(hba1c: float, glucose: float, code: int) -> None:
    assert formulas.glycaemic_stage(hba1c, glucose) == code


@pytest.mark.parametrize(("name", "limit"), [("friedewald_ldl", 400), ("sampson_ldl", 800)])
def test_ldl_is_unknown_just_where_its_equation_ends(name: str, limit: float) -> None:
    ldl = FORMULAS[name].compute(300, 40, np.array([limit, np.nextafter(limit, np.inf)]))
    np.testing.assert_array_equal(np.isnan(ldl), [False, True])


creatinines = st.floats(0.3, 15)
ages = st.floats(18, 100)
steps = st.floats(0.01, 5)


@given(creatinines, ages, st.booleans(), steps)
def test_filtration_falls_with_creatinine_and_age(creatinine: float, age: float, female: bool, step: float) -> None:
    egfr = formulas.ckd_epi_2021(creatinine, age, female)
    assert formulas.ckd_epi_2021(creatinine + step, age, female) < egfr
    assert formulas.ckd_epi_2021(creatinine, age + step, female) < egfr
    assert formulas.ckd_epi_2021(creatinine, age, False) >= formulas.ckd_epi_2021(creatinine, age, True)


@given(st.floats(0, 200), st.floats(0, 5000), steps)
def test_kidney_risk_never_falls_as_findings_worsen(egfr: float, uacr: float, step: float) -> None:
    risk = formulas.kdigo_risk(egfr, uacr)
    assert formulas.kdigo_risk(egfr, uacr + step) >= risk
    assert formulas.kdigo_risk(egfr + step, uacr) <= risk


@given(st.floats(30, 250), st.floats(100, 220))
def test_weight_and_body_mass_index_are_inverse(weight: float, height: float) -> None:
    assert formulas.body_weight(formulas.bmi(weight, height), height) == pytest.approx(weight)


@given(st.floats(60, 250), st.floats(1, 100))
def test_mean_pressure_lies_nearer_the_diastolic(diastolic: float, pulse: float) -> None:
    mean = formulas.mean_arterial_pressure(diastolic + pulse, diastolic)
    assert diastolic < mean < diastolic + formulas.pulse_pressure(diastolic + pulse, diastolic) / 2


@given(st.floats(0, 600), steps)
def test_saturation_rises_from_0_to_100_with_oxygen(po2: float, step: float) -> None:
    assert 0 <= formulas.spo2_from_po2(po2) < formulas.spo2_from_po2(po2 + step) < 100


@given(st.floats(1, 60), st.floats(10, 120), steps)
def test_blood_turns_alkaline_with_bicarbonate_and_acid_with_carbon_dioxide(
    bicarbonate: float, pco2: float, step: float
) -> None:
    ph = formulas.henderson_hasselbalch(bicarbonate, pco2)
    assert formulas.henderson_hasselbalch(bicarbonate + step, pco2) > ph
    assert formulas.henderson_hasselbalch(bicarbonate, pco2 + step) < ph


@given(st.floats(110, 170), st.floats(50, 1500), steps)
def test_corrected_sodium_rises_steadily_with_glucose(sodium: float, glucose: float, step: float) -> None:
    rise = formulas.corrected_sodium(sodium, glucose + step) - formulas.corrected_sodium(sodium, glucose)
    assert 0.016 * step - 1e-9 <= rise <= 0.024 * step + 1e-9


@given(st.floats(100, 400), st.floats(20, 100), st.floats(10, 390), steps)
def test_calculated_ldl_falls_with_triglycerides(total: float, hdl: float, triglycerides: float, step: float) -> None:
    for ldl in (formulas.friedewald_ldl, formulas.sampson_ldl):
        assert ldl(total, hdl, triglycerides + step) < ldl(total, hdl, triglycerides)


@given(st.floats(0.5, 50), st.floats(0, 50))
def test_two_results_must_differ_by_more_than_either_variation(within: float, analytical: float) -> None:
    change = formulas.reference_change_value(within, analytical)
    assert change > 2.7 * max(within, analytical)
    assert change == pytest.approx(float(formulas.reference_change_value(analytical, within)))


def test_a_result_that_is_no_number_is_missing_and_warns_nobody() -> None:
    with np.errstate(all="raise"):
        assert np.isnan(formulas.bmi(70, 0))
        assert np.isnan(formulas.henderson_hasselbalch(0, 40))
        assert np.isnan(formulas.ckd_epi_2021(-1, 50, False))
        assert np.isnan(formulas.qtc_bazett(400, -60))


@ALL
def test_units_of_every_formula_are_ucum_or_an_agreed_word(formula: Formula) -> None:
    units = [argument.unit for argument in formula.arguments if argument.unit not in ("condition", "count")]
    for unit in units if formula.levels else [*units, formula.unit]:
        assert get_ucum_parser().parse(unit)


@ALL
def test_every_argument_stands_in_the_signature_with_its_kind(formula: Formula) -> None:
    parameters = inspect.signature(formula.compute).parameters
    assert tuple(argument.name for argument in formula.arguments) == tuple(parameters)
    for argument in formula.arguments:
        assert (argument.unit == "condition") == (parameters[argument.name].annotation == "Conditions")


@ALL
def test_every_formula_names_its_title_and_source(formula: Formula) -> None:
    assert formula.title
    assert formula.source.endswith(".")
    assert formula.source in " ".join((inspect.getdoc(formula.compute) or "").split())


def test_the_register_holds_every_formula_and_score_once() -> None:
    registered = [formula.compute for formula in FORMULAS.values()]
    written = [*elementwise_functions(formulas), *elementwise_functions(scores)]
    assert sorted(map(id, registered)) == sorted(map(id, written))


def elementwise_functions(module: ModuleType) -> list[object]:
    """Return the functions defined in a module that ``elementwise`` has wrapped."""
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isfunction)
        if hasattr(member, "__wrapped__") and member.__module__ == module.__name__
    ]


@ALL
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_patients_together_are_as_patients_alone(formula: Formula, seed: int) -> None:
    columns = [plausible(argument, 8, seed) for argument in formula.arguments]
    together = formula.compute(*columns)
    assert together.dtype == np.float64
    assert together.shape == (8,)
    for patient, row in enumerate(zip(*columns, strict=True)):
        alone = formula.compute(*map(float, row))
        assert alone.shape == ()
        # Elementary functions may differ in the last bit between one value and many.
        np.testing.assert_allclose(alone, together[patient], rtol=1e-14)


@ALL
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_missing_argument_makes_the_result_missing(formula: Formula, seed: int) -> None:
    columns = [plausible(argument, len(formula.arguments), seed) for argument in formula.arguments]
    for place, column in enumerate(columns):
        column[place] = np.nan
    assert np.isnan(formula.compute(*columns)).all()


@ALL
def test_conditions_may_be_booleans_and_arguments_are_left_alone(formula: Formula) -> None:
    columns = [plausible(argument, 50, 1) for argument in formula.arguments]
    as_given = [
        column.astype(bool) if argument.unit == "condition" else column.copy()
        for argument, column in zip(formula.arguments, columns, strict=True)
    ]
    np.testing.assert_array_equal(formula.compute(*as_given), formula.compute(*columns))
    for before, after in zip(columns, as_given, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "formula", [formula for formula in FORMULAS.values() if formula.levels], ids=lambda formula: formula.name
)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_codes_of_a_category_point_to_its_levels(formula: Formula, seed: int) -> None:
    codes = formula.compute(*(plausible(argument, 50, seed) for argument in formula.arguments))
    assert set(codes) <= set(range(len(formula.levels)))


def test_a_formula_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match="names no source"):
        Formula("guess", "A guess", formulas.bmi, (), "1", "")
