"""Scores count as their papers say, at each threshold, and never fall as a patient worsens."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manikin.codebook import scores
from manikin.codebook.formulas import FORMULAS
from manikin.streams import Floats

# Values by argument, numbers and conditions mixed.
Patient = dict[str, Any]

WELL: Patient = {
    "confusion": False,
    "urea_mmol_l": 7,
    "respiratory_rate_per_minute": 29,
    "systolic_mmhg": 90,
    "diastolic_mmhg": 60.1,
    "age_years": 64.9,
}
ILL: Patient = {
    "confusion": True,
    "urea_mmol_l": 7.01,
    "respiratory_rate_per_minute": 30,
    "systolic_mmhg": 89.9,
    "diastolic_mmhg": 60,
    "age_years": 65,
}


@pytest.mark.parametrize("ill", list(itertools.product([False, True], repeat=6)))
def test_curb65_counts_each_sign_once_and_low_pressure_once(ill: tuple[bool, ...]) -> None:
    signs = dict(zip(WELL, ill, strict=True))
    patient = {name: (ILL if is_ill else WELL)[name] for name, is_ill in signs.items()}
    both_pressures = signs["systolic_mmhg"] and signs["diastolic_mmhg"]
    assert scores.curb65(**patient) == sum(ill) - both_pressures


@pytest.mark.parametrize(
    ("rate", "systolic", "coma", "points"),
    [(21, 101, 15, 0), (22, 101, 15, 1), (21, 100, 15, 1), (21, 101, 14, 1), (30, 80, 3, 3)],
)
def test_qsofa_counts_at_its_thresholds(rate: float, systolic: float, coma: float, points: int) -> None:
    assert scores.qsofa(rate, systolic, coma) == points


# Vincent 1996, Table 3: the last value of each number of points, from 0 on, and the first of the next.
ORGANS: list[tuple[Callable[[float], Floats], list[tuple[float, float]]]] = [
    (lambda pf: scores.sofa_respiration(pf, True), [(400, 399), (300, 299), (200, 199), (100, 99)]),
    (scores.sofa_coagulation, [(150, 149), (100, 99), (50, 49), (20, 19)]),
    (scores.sofa_liver, [(1.1, 1.2), (1.9, 2.0), (5.9, 6.0), (11.9, 12.0)]),
    (scores.sofa_nervous, [(15, 14), (13, 12), (10, 9), (6, 5)]),
    (scores.sofa_renal, [(1.1, 1.2), (1.9, 2.0), (3.4, 3.5), (4.9, 5.0)]),
]


@pytest.mark.parametrize(("organ", "steps"), ORGANS, ids=["lungs", "platelets", "liver", "brain", "kidneys"])
def test_sofa_points_step_where_the_table_says(
    organ: Callable[[float], Floats], steps: list[tuple[float, float]]
) -> None:
    for points, (last, first) in enumerate(steps):
        assert organ(last) == points
        assert organ(first) == points + 1


def test_sofa_points_of_lungs_stop_at_2_without_support() -> None:
    np.testing.assert_array_equal(scores.sofa_respiration(np.array([400.0, 399, 299, 199, 99]), False), [0, 1, 2, 2, 2])


def test_sofa_points_of_urine_are_0_3_and_4() -> None:
    np.testing.assert_array_equal(scores.sofa_urine(np.array([500.0, 499, 200, 199])), [0, 3, 3, 4])


@pytest.mark.parametrize(
    ("dopamine", "dobutamine", "epinephrine", "norepinephrine", "tier"),
    [
        (0, 0, 0, 0, 0),
        (5, 0, 0, 0, 1),
        (0, 2, 0, 0, 1),
        (5.1, 0, 0, 0, 2),
        (15, 0, 0, 0, 2),
        (0, 0, 0.1, 0, 2),
        (0, 0, 0, 0.1, 2),
        (15.1, 0, 0, 0, 3),
        (0, 0, 0.11, 0, 3),
        (0, 0, 0, 0.11, 3),
        (4, 5, 0.05, 0.2, 3),
    ],
)
def test_the_strongest_vasopressor_sets_the_tier(
    dopamine: float, dobutamine: float, epinephrine: float, norepinephrine: float, tier: int
) -> None:
    assert scores.vasopressor_tier(dopamine, dobutamine, epinephrine, norepinephrine) == tier


def test_vasopressors_outweigh_the_pressure_they_raise() -> None:
    np.testing.assert_array_equal(scores.sofa_cardiovascular(np.array([70.0, 69.9]), 0), [0, 1])
    np.testing.assert_array_equal(scores.sofa_cardiovascular(np.array([90.0, 50.0]), 1), [2, 2])
    np.testing.assert_array_equal(scores.sofa_cardiovascular(90, np.array([0.0, 1, 2, 3])), [0, 2, 3, 4])


@given(st.lists(st.integers(0, 4), min_size=6, max_size=6))
def test_sofa_is_the_sum_of_its_organs(points: list[int]) -> None:
    assert scores.sofa(*points) == sum(points)
    assert 0 <= scores.sofa(*points) <= 24


@pytest.mark.parametrize(("age", "points"), [(44.9, 0), (45, 1), (64.9, 1), (65, 2)])
def test_heart_grades_age(age: float, points: int) -> None:
    assert scores.heart_age_points(age) == points


@pytest.mark.parametrize(
    ("factors", "atherosclerosis", "points"), [(0, False, 0), (1, False, 1), (2, False, 1), (3, False, 2), (0, True, 2)]
)
def test_heart_grades_risk(factors: int, atherosclerosis: bool, points: int) -> None:
    assert scores.heart_risk_points(factors, atherosclerosis) == points


@pytest.mark.parametrize(("troponin", "points"), [(13.9, 0), (14, 0), (14.1, 1), (42, 1), (42.1, 2)])
def test_heart_grades_troponin_in_limits_of_its_assay(troponin: float, points: int) -> None:
    assert scores.heart_troponin_points(troponin, 14) == points


@given(st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_heart_is_the_sum_of_its_items(points: list[int]) -> None:
    assert scores.heart_score(*points) == sum(points)
    assert 0 <= scores.heart_score(*points) <= 10


# ESC 2023: very low, low, no change, high, change.
ELECSYS = (5, 12, 3, 52, 5)
ARCHITECT = (4, 5, 2, 64, 6)
RULE_OUT, OBSERVE, RULE_IN = range(3)


@pytest.mark.parametrize(
    ("at_0h", "at_1h", "onset", "assay", "triage"),
    [
        (4.9, 4.9, 3.1, ELECSYS, RULE_OUT),
        (4.9, 7.9, 3.1, ELECSYS, RULE_OUT),
        (4.9, 7.9, 3.0, ELECSYS, OBSERVE),
        (5, 8, 6.0, ELECSYS, OBSERVE),
        (11.9, 14.8, 1.0, ELECSYS, RULE_OUT),
        (11.9, 14.9, 1.0, ELECSYS, OBSERVE),
        (12, 12, 6.0, ELECSYS, OBSERVE),
        (20, 24.9, 6.0, ELECSYS, OBSERVE),
        (20, 25, 6.0, ELECSYS, RULE_IN),
        (25, 20, 6.0, ELECSYS, RULE_IN),
        (51.9, 51.9, 6.0, ELECSYS, OBSERVE),
        (52, 52, 6.0, ELECSYS, RULE_IN),
        (4.9, 9.9, 6.0, ELECSYS, RULE_IN),
        (4, 5.9, 1.0, ARCHITECT, RULE_OUT),
        (5, 5, 6.0, ARCHITECT, OBSERVE),
        (64, 64, 1.0, ARCHITECT, RULE_IN),
    ],
)
def test_two_troponins_triage_by_the_cut_offs_of_the_assay(
    at_0h: float, at_1h: float, onset: float, assay: tuple[float, ...], triage: int
) -> None:
    assert scores.esc_0_1h(at_0h, at_1h, onset, *assay) == triage


@given(st.floats(1, 100), st.floats(0, 20), st.floats(0, 48), st.floats(0, 20))
def test_triage_never_eases_as_troponin_rises(at_0h: float, change: float, onset: float, step: float) -> None:
    triage = scores.esc_0_1h(at_0h, at_0h + change, onset, *ELECSYS)
    # Adding to both samples may change their difference in the last bit, so the differences stand off the cut-offs.
    if min(abs(change - 3), abs(change - 5)) > 1e-9:
        assert scores.esc_0_1h(at_0h + step, at_0h + step + change, onset, *ELECSYS) >= triage
    assert scores.esc_0_1h(at_0h, at_0h + change, onset + step, *ELECSYS) <= triage


MAN: Patient = {"age_years": 62, "female": False, "family_history": False, "emphysema": False}
SMALL: Patient = {"diameter_mm": 10, "part_solid": False, "non_solid": False, "upper_lobe": False, "n_nodules": 4}
WOMAN: Patient = {"age_years": 70, "female": True, "family_history": False, "emphysema": True}
LARGE: Patient = {"diameter_mm": 15, "part_solid": False, "non_solid": False, "upper_lobe": True, "n_nodules": 1}
HAZE: Patient = {"diameter_mm": 5, "part_solid": False, "non_solid": True, "upper_lobe": False, "n_nodules": 3}


def test_brock_2b_gives_the_reference_values() -> None:
    assert scores.brock_2b(**MAN, **SMALL, spiculation=False) == pytest.approx(0.0251, abs=5e-5)
    assert scores.brock_2b(**WOMAN, **LARGE, spiculation=True) == pytest.approx(0.533, abs=5e-4)
    assert scores.brock_2b(**{**MAN, "age_years": 60}, **HAZE, spiculation=False) == pytest.approx(0.0025, abs=5e-5)


def test_brock_2a_gives_the_reference_values() -> None:
    assert scores.brock_2a(**MAN, **SMALL) == pytest.approx(0.0290, abs=5e-5)
    assert scores.brock_2a(**WOMAN, **LARGE) == pytest.approx(0.413, abs=5e-4)


@pytest.mark.parametrize(
    ("changed", "log_odds_2a", "log_odds_2b"),
    [
        ({"age_years": 72}, 0.321, 0.286687),
        ({"female": True}, 0.5635, 0.6011),
        ({"family_history": True}, 0.3013, 0.296109),
        ({"emphysema": True}, 0.3462, 0.2953112),
        ({"part_solid": True}, 0.3395, 0.3770),
        ({"non_solid": True}, -0.3055, -0.1276),
        ({"upper_lobe": True}, 0.7116, 0.6581383),
        ({"n_nodules": 5}, -0.0803, -0.0824156),
        ({"diameter_mm": 4}, -5.6693 * 0.58113883, -5.385484 * 0.58113883),
    ],
)
def test_each_brock_term_shifts_the_log_odds_as_published(
    changed: Patient, log_odds_2a: float, log_odds_2b: float
) -> None:
    plain = {**MAN, **SMALL}
    assert log_odds(scores.brock_2a(**{**plain, **changed})) - log_odds(scores.brock_2a(**plain)) == pytest.approx(
        log_odds_2a
    )
    plain = {**plain, "spiculation": False}
    assert log_odds(scores.brock_2b(**{**plain, **changed})) - log_odds(scores.brock_2b(**plain)) == pytest.approx(
        log_odds_2b
    )


def log_odds(probability: Floats) -> float:
    """Return the logit of a single probability."""
    return float(np.log(probability / (1 - probability)))


@given(st.floats(50, 80), st.booleans(), st.floats(2, 40), st.floats(0.1, 5), st.integers(1, 10))
def test_brock_grows_with_age_and_size_and_stays_a_probability(
    age: float, female: bool, diameter: float, step: float, count: int
) -> None:
    def risk(age: float, diameter: float, spiculation: bool = False) -> float:
        return float(
            scores.brock_2b(age, female, False, False, diameter, False, False, True, count, spiculation=spiculation)
        )

    assert 0 < risk(age, diameter) < 1
    assert risk(age + step, diameter) > risk(age, diameter)
    assert risk(age, diameter + step) > risk(age, diameter)
    assert risk(age, diameter, spiculation=True) > risk(age, diameter)


SOLID, PART_SOLID, NON_SOLID = (False, False), (True, False), (False, True)


@pytest.mark.parametrize(
    ("kind", "new", "diameter", "solid_part", "category"),
    [
        (SOLID, False, 0, 0, "1"),
        (SOLID, False, 5.9, 0, "2"),
        (SOLID, False, 6, 0, "3"),
        (SOLID, False, 7.9, 0, "3"),
        (SOLID, False, 8, 0, "4A"),
        (SOLID, False, 14.9, 0, "4A"),
        (SOLID, False, 15, 0, "4B"),
        (SOLID, True, 3.9, 0, "2"),
        (SOLID, True, 4, 0, "3"),
        (SOLID, True, 5.9, 0, "3"),
        (SOLID, True, 6, 0, "4A"),
        (SOLID, True, 7.9, 0, "4A"),
        (SOLID, True, 8, 0, "4B"),
        (PART_SOLID, False, 5.9, 3, "2"),
        (PART_SOLID, False, 6, 5.9, "3"),
        (PART_SOLID, False, 12, 6, "4A"),
        (PART_SOLID, False, 12, 7.9, "4A"),
        (PART_SOLID, False, 12, 8, "4B"),
        (PART_SOLID, True, 5.9, 3.9, "3"),
        (PART_SOLID, True, 6, 3.9, "4A"),
        (PART_SOLID, True, 12, 4, "4B"),
        (NON_SOLID, False, 29.9, 0, "2"),
        (NON_SOLID, False, 30, 0, "3"),
        (NON_SOLID, True, 29.9, 0, "2"),
        (NON_SOLID, True, 30, 0, "3"),
    ],
)
def test_lung_rads_follows_its_table(
    kind: tuple[bool, bool], new: bool, diameter: float, solid_part: float, category: str
) -> None:
    code = scores.lung_rads(diameter, solid_part, *kind, new)
    assert FORMULAS["lung_rads"].levels[int(code)] == category


@given(
    st.floats(0, 40),
    st.floats(0, 1),
    st.floats(0, 10),
    st.sampled_from([SOLID, PART_SOLID, NON_SOLID]),
    st.booleans(),
)
def test_lung_rads_never_falls_as_a_nodule_is_larger_or_new(
    diameter: float, solid_share: float, step: float, kind: tuple[bool, bool], new: bool
) -> None:
    solid_part = solid_share * diameter
    category = scores.lung_rads(diameter, solid_part, *kind, new)
    assert scores.lung_rads(diameter + step, solid_part, *kind, new) >= category
    assert scores.lung_rads(diameter + step, solid_part + step, *kind, new) >= category
    assert scores.lung_rads(diameter, solid_part, *kind, True) >= category


NOTHING, NEW, GROWING, UNCHANGED_3, UNCHANGED_6, SUSPICIOUS = (
    tuple(place == seen for place in range(5)) for seen in (-1, 0, 1, 2, 3, 4)
)


@pytest.mark.parametrize(
    ("kind", "seen", "diameter", "solid_part", "category"),
    [
        (SOLID, NOTHING, 0, 0, "1"),
        (SOLID, SUSPICIOUS, 5.9, 0, "2"),
        (SOLID, SUSPICIOUS, 6, 0, "4X"),
        (SOLID, NEW, 6, 0, "4A"),
        (SOLID, GROWING, 5, 0, "4A"),
        (SOLID, GROWING, 8, 0, "4B"),
        (PART_SOLID, GROWING, 7, 3.9, "4A"),
        (PART_SOLID, GROWING, 7, 4, "4B"),
        (NON_SOLID, GROWING, 12, 0, "2"),
        (NON_SOLID, UNCHANGED_6, 30, 0, "2"),
        (SOLID, UNCHANGED_3, 14, 0, "3"),
        (SOLID, UNCHANGED_6, 14, 0, "2"),
        (SOLID, UNCHANGED_6, 15, 0, "4B"),
        (SOLID, UNCHANGED_6, 0, 0, "1"),
    ],
)
def test_lung_rads_2022_knows_what_was_seen_before(
    kind: tuple[bool, bool], seen: tuple[bool, ...], diameter: float, solid_part: float, category: str
) -> None:
    code = scores.lung_rads_2022(diameter, solid_part, *kind, *seen)
    assert FORMULAS["lung_rads_2022"].levels[int(code)] == category


@given(st.floats(0, 40), st.floats(0, 1), st.sampled_from([SOLID, PART_SOLID, NON_SOLID]), st.booleans())
def test_lung_rads_2022_at_a_first_scan_is_lung_rads(
    diameter: float, solid_share: float, kind: tuple[bool, bool], new: bool
) -> None:
    findings = (diameter, solid_share * diameter, *kind, new)
    assert scores.lung_rads_2022(*findings, False, False, False, False) == scores.lung_rads(*findings)


@pytest.mark.parametrize(
    ("age", "bmi", "points"),
    [(39.9, 24.9, 0), (40, 24.9, 1), (50, 24.9, 2), (60, 24.9, 3), (39, 25, 1), (39, 30, 2), (39, 40, 3)],
)
def test_ada_risk_counts_age_and_weight_at_their_thresholds(age: float, bmi: float, points: int) -> None:
    assert scores.ada_risk(age, True, False, False, False, True, bmi) == points


def test_ada_risk_counts_each_answer_once() -> None:
    def points(female: bool = True, gestational: bool = False, **answers: bool) -> float:
        said = {"family_history": False, "hypertension": False, "physically_active": True, **answers}
        return float(scores.ada_risk(30, female, gestational, **said, bmi_kg_m2=20))

    assert points() == 0
    assert points(female=False) == points(gestational=True) == points(female=False, gestational=True) == 1
    assert points(family_history=True) == points(hypertension=True) == points(physically_active=False) == 1


def test_ada_risk_reaches_10_in_either_sex_and_never_more() -> None:
    for female in (False, True):
        assert scores.ada_risk(70, female, True, True, True, False, 45) == 10


LOW_RISK: Patient = {
    "age_years": 44.9,
    "female": False,
    "bmi_kg_m2": 24.9,
    "waist_cm": 93.9,
    "physically_active": True,
    "vegetables_daily": True,
    "antihypertensives": False,
    "high_glucose_ever": False,
    "first_degree_relative": False,
    "other_relative": False,
}


@pytest.mark.parametrize(
    ("changed", "points"),
    [
        ({}, 0),
        ({"age_years": 45}, 2),
        ({"age_years": 55}, 3),
        ({"age_years": 65}, 4),
        ({"bmi_kg_m2": 25}, 1),
        ({"bmi_kg_m2": 30}, 1),
        ({"bmi_kg_m2": 30.1}, 3),
        ({"waist_cm": 94}, 3),
        ({"waist_cm": 102}, 3),
        ({"waist_cm": 102.1}, 4),
        ({"female": True, "waist_cm": 79.9}, 0),
        ({"female": True, "waist_cm": 80}, 3),
        ({"female": True, "waist_cm": 88}, 3),
        ({"female": True, "waist_cm": 88.1}, 4),
        ({"physically_active": False}, 2),
        ({"vegetables_daily": False}, 1),
        ({"antihypertensives": True}, 2),
        ({"high_glucose_ever": True}, 5),
        ({"other_relative": True}, 3),
        ({"first_degree_relative": True}, 5),
        ({"first_degree_relative": True, "other_relative": True}, 5),
    ],
)
def test_findrisc_counts_each_item_as_on_the_form(changed: Patient, points: int) -> None:
    assert scores.findrisc(**{**LOW_RISK, **changed}) == points


def test_findrisc_ends_at_26() -> None:
    assert scores.findrisc(70, False, 35, 120, False, False, True, True, True, True) == 26
