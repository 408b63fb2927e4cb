"""Bedside scores and imaging categories: points and grades that clinicians count from findings.

Each function takes arrays of patients, or single values, and returns float64 of the broadcast shape. Points and
category codes are whole numbers; a score of which any item is missing (NaN) is itself missing. Arguments of type
``Conditions`` are true or false; the last words of every other argument's name are its unit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any, ParamSpec, cast

import numpy as np
import numpy.typing as npt

from manikin.streams import Floats

Numbers = npt.NDArray[np.floating[Any]] | float
Conditions = npt.NDArray[np.bool_] | bool

_P = ParamSpec("_P")


def elementwise(compute: Callable[_P, Numbers]) -> Callable[_P, Floats]:
    """Return ``compute`` for arrays or single values, missing wherever it can't be known.

    The result is NaN where an argument is, and where the formula has no finite value (a division by zero, the root
    of a negative number). Without this, comparisons would grade a missing value as a normal one.
    """

    @wraps(compute)
    def computed(*args: _P.args, **kwargs: _P.kwargs) -> Floats:
        positional = [np.asarray(value, dtype=np.float64) for value in args]
        named = {name: np.asarray(value, dtype=np.float64) for name, value in kwargs.items()}
        with np.errstate(all="ignore"):
            result = np.asarray(cast(Any, compute)(*positional, **named), dtype=np.float64)
        missing = reduce(np.logical_or, map(np.isnan, (*positional, *named.values())))
        return np.where(missing | ~np.isfinite(result), np.nan, result)

    return computed


@elementwise
def curb65(
    confusion: Conditions,
    urea_mmol_l: Numbers,
    respiratory_rate_per_minute: Numbers,
    systolic_mmhg: Numbers,
    diastolic_mmhg: Numbers,
    age_years: Numbers,
) -> Numbers:
    """Return CURB-65, the severity of community-acquired pneumonia.

    One point each: confusion, urea > 7 mmol/L, respiratory rate >= 30 /min, systolic < 90 or diastolic <= 60 mm[Hg],
    age >= 65 a. Result: 0 to 5. Valid: adults at presentation.

    Source: Lim et al., Thorax 2003;58:377-382, doi:10.1136/thorax.58.5.377.
    """
    # Lim 2003, abstract.
    hypotension = np.maximum(_below(systolic_mmhg, 90), 1 - _above(diastolic_mmhg, 60))
    return (
        confusion
        + _above(urea_mmol_l, 7)
        + reached(respiratory_rate_per_minute, 30)
        + hypotension
        + reached(age_years, 65)
    )


@elementwise
def qsofa(respiratory_rate_per_minute: Numbers, systolic_mmhg: Numbers, glasgow_coma_scale: Numbers) -> Numbers:
    """Return quick SOFA, a bedside warning of sepsis.

    One point each: respiratory rate >= 22 /min, systolic <= 100 mm[Hg], Glasgow Coma Scale < 15. Result: 0 to 3.
    Valid: adults with suspected infection.

    Source: Singer et al., JAMA 2016;315:801-810, doi:10.1001/jama.2016.0287.
    """
    # Singer 2016, Box 4.
    return reached(respiratory_rate_per_minute, 22) + 1 - _above(systolic_mmhg, 100) + _below(glasgow_coma_scale, 15)


@elementwise
def sofa_respiration(pf_ratio_mmhg: Numbers, respiratory_support: Conditions) -> Numbers:
    """Return the SOFA points of the lungs.

    PaO2/FiO2 < 400, 300, 200, 100 mm[Hg] give 1, 2, 3, 4 points; 3 and 4 only under respiratory support.
    Valid: adults in intensive care, worst value of the day.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    points = _below(pf_ratio_mmhg, 400, 300, 200, 100)
    return np.where(respiratory_support, points, np.minimum(points, 2))


@elementwise
def sofa_coagulation(platelets_10_3_ul: Numbers) -> Numbers:
    """Return the SOFA points of coagulation.

    Platelets < 150, 100, 50, 20 10*3/uL give 1, 2, 3, 4 points. Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return _below(platelets_10_3_ul, 150, 100, 50, 20)


@elementwise
def sofa_liver(bilirubin_mg_dl: Numbers) -> Numbers:
    """Return the SOFA points of the liver.

    Bilirubin >= 1.2, 2, 6, 12 mg/dL gives 1, 2, 3, 4 points; the table leaves 12.0 itself unassigned, and it counts
    as 4 here. Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return reached(bilirubin_mg_dl, 1.2, 2, 6, 12)


@elementwise
def vasopressor_tier(
    dopamine_ug_kg_min: Numbers,
    dobutamine_ug_kg_min: Numbers,
    epinephrine_ug_kg_min: Numbers,
    norepinephrine_ug_kg_min: Numbers,
) -> Numbers:
    """Return how much vasopressor support SOFA sees: 0 none, 1 low, 2 medium, 3 high.

    Low: dopamine <= 5 or any dobutamine. Medium: dopamine > 5, or (nor)epinephrine <= 0.1. High: dopamine > 15, or
    (nor)epinephrine > 0.1. Doses in ug/kg/min, given for an hour or more; 0 where the drug is not given.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    catecholamine = np.maximum(epinephrine_ug_kg_min, norepinephrine_ug_kg_min)
    return np.maximum(
        np.maximum(_above(dopamine_ug_kg_min, 0, 5, 15), _above(dobutamine_ug_kg_min, 0)),
        2 * _above(catecholamine, 0) + _above(catecholamine, 0.1),
    )


@elementwise
def sofa_cardiovascular(mean_arterial_mmhg: Numbers, vasopressor_tier: Numbers) -> Numbers:
    """Return the SOFA points of the circulation.

    Mean arterial pressure < 70 mm[Hg] gives 1 point; vasopressor tiers 1, 2, 3 (see ``vasopressor_tier``) give 2, 3,
    4 whatever the pressure. Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return np.where(reached(vasopressor_tier, 1) > 0, vasopressor_tier + 1, _below(mean_arterial_mmhg, 70))


@elementwise
def sofa_nervous(glasgow_coma_scale: Numbers) -> Numbers:
    """Return the SOFA points of the central nervous system.

    Glasgow Coma Scale 13-14, 10-12, 6-9, 3-5 gives 1, 2, 3, 4 points. Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return _below(glasgow_coma_scale, 15, 13, 10, 6)


@elementwise
def sofa_renal(creatinine_mg_dl: Numbers) -> Numbers:
    """Return the SOFA points of the kidneys by creatinine alone.

    Creatinine >= 1.2, 2, 3.5, 5 mg/dL gives 1, 2, 3, 4 points; the table leaves 5.0 itself unassigned, and it counts
    as 4 here. Where urine is measured, the points are the larger of these and ``sofa_urine``.
    Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return reached(creatinine_mg_dl, 1.2, 2, 3.5, 5)


@elementwise
def sofa_urine(urine_ml_per_day: Numbers) -> Numbers:
    """Return the SOFA points of the kidneys by urine alone: < 500 mL/d gives 3 points, < 200 mL/d gives 4.

    Valid: as ``sofa_respiration``.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    # Vincent 1996, Table 3.
    return 3 * _below(urine_ml_per_day, 500) + _below(urine_ml_per_day, 200)


@elementwise
def sofa(
    respiration_points: Numbers,
    coagulation_points: Numbers,
    liver_points: Numbers,
    cardiovascular_points: Numbers,
    nervous_points: Numbers,
    renal_points: Numbers,
) -> Numbers:
    """Return SOFA, the sum of the points (0 to 4) of six organs. Result: 0 to 24.

    Valid: adults in intensive care; sepsis is suspected infection with a rise of 2 or more.

    Source: Vincent et al., Intensive Care Med 1996;22:707-710, doi:10.1007/BF01709751.
    """
    return (
        respiration_points + coagulation_points + liver_points + cardiovascular_points + nervous_points + renal_points
    )


@elementwise
def heart_age_points(age_years: Numbers) -> Numbers:
    """Return the HEART points of age: < 45 a gives 0, 45-64 a 1, >= 65 a 2.

    Source: Six et al., Neth Heart J 2008;16:191-196, doi:10.1007/BF03086144.
    """
    # Six 2008, Table 1.
    return reached(age_years, 45, 65)


@elementwise
def heart_risk_points(n_risk_factors: Numbers, known_atherosclerosis: Conditions) -> Numbers:
    """Return the HEART points of risk: no factor gives 0, one or two 1, three or more or known atherosclerosis 2.

    Factors: hypertension, hypercholesterolaemia, diabetes, obesity, smoking, family history.

    Source: Six et al., Neth Heart J 2008;16:191-196, doi:10.1007/BF03086144.
    """
    # Six 2008, Table 1.
    return np.where(known_atherosclerosis, 2, reached(n_risk_factors, 1, 3))


@elementwise
def heart_troponin_points(troponin_ng_l: Numbers, upper_limit_ng_l: Numbers) -> Numbers:
    """Return the HEART points of troponin: up to the assay's limit gives 0, up to three times 1, above 2.

    Source: Backus et al., Int J Cardiol 2013;168:2153-2158, doi:10.1016/j.ijcard.2013.01.255.
    """
    # Backus 2013, which widened the middle item of Six 2008 from twice to three times the limit.
    return _above(troponin_ng_l, upper_limit_ng_l, 3 * upper_limit_ng_l)


@elementwise
def heart_score(
    history_points: Numbers,
    ecg_points: Numbers,
    age_points: Numbers,
    risk_points: Numbers,
    troponin_points: Numbers,
) -> Numbers:
    """Return HEART, the sum of five items of 0 to 2 points. Result: 0 to 10; 0-3 low, 4-6 moderate, 7-10 high.

    History and ECG are graded by the clinician. Valid: adults with chest pain in the emergency department, without
    ST elevation.

    Source: Six et al., Neth Heart J 2008;16:191-196, doi:10.1007/BF03086144.
    """
    return history_points + ecg_points + age_points + risk_points + troponin_points


@elementwise
def esc_0_1h(
    troponin_0h_ng_l: Numbers,
    troponin_1h_ng_l: Numbers,
    onset_hours: Numbers,
    very_low_ng_l: Numbers,
    low_ng_l: Numbers,
    no_change_ng_l: Numbers,
    high_ng_l: Numbers,
    change_ng_l: Numbers,
) -> Numbers:
    """Return the triage of suspected infarction by two troponins an hour apart: 0 rule out, 1 observe, 2 rule in.

    Rule in: 0 h >= high, or absolute change >= ``change_ng_l``. Else rule out: 0 h < very low with onset more than
    3 h before, or 0 h < low with an absolute change < ``no_change_ng_l``. Else observe. The five cut-offs belong to the
    assay. Valid: adults without ST elevation.

    Source: Byrne et al., Eur Heart J 2023;44:3720-3826, doi:10.1093/eurheartj/ehad191.
    """
    # ESC 2023, the 0 h/1 h algorithm.
    change = np.abs(troponin_1h_ng_l - troponin_0h_ng_l)
    rule_in = (troponin_0h_ng_l >= high_ng_l) | (change >= change_ng_l)
    at_once = (troponin_0h_ng_l < very_low_ng_l) & (_above(onset_hours, 3) > 0)
    after_an_hour = (troponin_0h_ng_l < low_ng_l) & (change < no_change_ng_l)
    return np.where(rule_in, 2, np.where(at_once | after_an_hour, 0, 1))


@elementwise
def brock_2a(
    age_years: Numbers,
    female: Conditions,
    family_history: Conditions,
    emphysema: Conditions,
    diameter_mm: Numbers,
    part_solid: Conditions,
    non_solid: Conditions,
    upper_lobe: Conditions,
    n_nodules: Numbers,
) -> Numbers:
    """Return the probability that a lung nodule is cancer, by the full Brock (PanCan) model without spiculation.

    Logistic, with age centred at 62 a, number of nodules at 4 and the inverse root of the diameter at 4 mm; a nodule
    neither part-solid nor non-solid is solid. Result in [0, 1]. Valid: smokers of 50-75 a, first screening CT.

    Source: McWilliams et al., N Engl J Med 2013;369:910-919, doi:10.1056/NEJMoa1214726.
    """
    # McWilliams 2013, Table 2, model 2a.
    logit = (
        -6.8071
        + 0.0321 * (age_years - 62)
        + 0.5635 * female
        + 0.3013 * family_history
        + 0.3462 * emphysema
        - 5.6693 * _size(diameter_mm)
        + 0.3395 * part_solid
        - 0.3055 * non_solid
        + 0.7116 * upper_lobe
        - 0.0803 * (n_nodules - 4)
    )
    return _probability(logit)


@elementwise
def brock_2b(
    age_years: Numbers,
    female: Conditions,
    family_history: Conditions,
    emphysema: Conditions,
    diameter_mm: Numbers,
    part_solid: Conditions,
    non_solid: Conditions,
    upper_lobe: Conditions,
    n_nodules: Numbers,
    spiculation: Conditions,
) -> Numbers:
    """Return the probability that a lung nodule is cancer, by the full Brock (PanCan) model with spiculation.

    Logistic, with age centred at 62 a, number of nodules at 4 and the inverse root of the diameter at 4 mm; a nodule
    neither part-solid nor non-solid is solid. Result in [0, 1]. Valid: smokers of 50-75 a, first screening CT.

    Source: McWilliams et al., N Engl J Med 2013;369:910-919, doi:10.1056/NEJMoa1214726.
    """
    # McWilliams 2013, Table 2, model 2b, to the digits of its published calculator.
    logit = (
        -6.78917
        + 0.0286687 * (age_years - 62)
        + 0.6011 * female
        + 0.296109 * family_history
        + 0.2953112 * emphysema
        - 5.385484 * _size(diameter_mm)
        + 0.3770 * part_solid
        - 0.1276 * non_solid
        + 0.6581383 * upper_lobe
        + 0.7729335 * spiculation
        - 0.0824156 * (n_nodules - 4)
    )
    return _probability(logit)


@elementwise
def lung_rads(
    diameter_mm: Numbers,
    solid_part_mm: Numbers,
    part_solid: Conditions,
    non_solid: Conditions,
    new: Conditions,
) -> Numbers:
    """Return the Lung-RADS v2022 category of the leading nodule: codes 0 to 4 stand for 1, 2, 3, 4A, 4B.

    Solid: 3 from 6 mm, 4A from 8, 4B from 15; new ones from 4, 6, 8. Part-solid from 6 mm: 3, by its solid part 4A
    from 6 mm, 4B from 8; new ones 3 below 6 mm, 4A from 6, and 4B by a solid part from 4. Non-solid: 3 from 30 mm.
    Anything smaller is 2, and a diameter of 0, no nodule or a benign one, is 1. Mean diameters, rounded to 0.1 mm;
    ``solid_part_mm`` is 0 where there is none. Valid: nodules at baseline or new; not growth, stability,
    juxtapleural and airway nodules, cysts, 0 and 4X.

    Source: American College of Radiology, Lung-RADS v2022 assessment categories (November 2022).
    """
    # Lung-RADS v2022, rows "solid nodule", "part solid nodule" and "non solid nodule (GGN)".
    solid_grade = np.where(new, reached(diameter_mm, 4, 6, 8), reached(diameter_mm, 6, 8, 15))
    part_solid_grade = np.where(
        new,
        np.where(reached(solid_part_mm, 4) > 0, 3, 1 + reached(diameter_mm, 6)),
        reached(diameter_mm, 6) * (1 + reached(solid_part_mm, 6, 8)),
    )
    grade = np.where(part_solid, part_solid_grade, np.where(non_solid, reached(diameter_mm, 30), solid_grade))
    return np.where(_above(diameter_mm, 0) > 0, 1 + grade, 0)


@elementwise
def lung_rads_2022(
    diameter_mm: Numbers,
    solid_part_mm: Numbers,
    part_solid: Conditions,
    non_solid: Conditions,
    new: Conditions,
    growing: Conditions,
    unchanged_3_months: Conditions,
    unchanged_6_months: Conditions,
    suspicious: Conditions,
) -> Numbers:
    """Return the Lung-RADS v2022 category at any scan: codes 0 to 5 stand for 1, 2, 3, 4A, 4B, 4X.

    By size as ``lung_rads``, unless the nodule was seen before. Growing by more than 1.5 mm in mean diameter makes a
    solid one 4A, from 8 mm 4B, and a part-solid one 4A, from 4 mm of solid part 4B; a growing non-solid one stays
    with its size. One that is unchanged after 3 months steps down from 4A to 3, after 6 months from 3 or 4A to 2.
    What makes a nodule of category 3 or 4 ``suspicious``, such as spiculation, raises it to 4X. Valid: as
    ``lung_rads``; not 0, and not a non-solid nodule that doubles within a year.

    Source: American College of Radiology, Lung-RADS v2022 assessment categories (November 2022).
    """
    # Lung-RADS v2022: rows of 4A, 4B and 4X; note 8 on growth, note 12 on stepped management.
    by_size = lung_rads(diameter_mm, solid_part_mm, part_solid, non_solid, new)
    growth = np.where(part_solid, 3 + reached(solid_part_mm, 4), 3 + reached(diameter_mm, 8))
    rising = np.where(_true(growing) & ~_true(non_solid), np.maximum(by_size, growth), by_size)
    steady = np.where(
        by_size > 3,
        by_size,
        np.where(
            unchanged_6_months, np.minimum(by_size, 1), np.where(unchanged_3_months, np.minimum(by_size, 2), rising)
        ),
    )
    grade = np.where(_true(growing), rising, steady)
    return np.where(_true(suspicious) & (grade >= 2), 5, np.where(np.equal(by_size, 0), 0, grade))


@elementwise
def ada_risk(
    age_years: Numbers,
    female: Conditions,
    gestational_diabetes: Conditions,
    family_history: Conditions,
    hypertension: Conditions,
    physically_active: Conditions,
    bmi_kg_m2: Numbers,
) -> Numbers:
    """Return the points of the American Diabetes Association's risk test; 5 or more ask for a blood test.

    Age 40, 50, 60 a give 1, 2, 3; man 1; woman with gestational diabetes 1; parent or sibling with diabetes 1;
    hypertension 1; not active 1; BMI 25, 30, 40 kg/m2 give 1, 2, 3. The form has 11 points; as no one is both a man
    and a woman with gestational diabetes, the result is 0 to 10. Valid: adults without diagnosed diabetes.

    Source: Bang et al., Ann Intern Med 2009;151:775-783, doi:10.7326/0003-4819-151-11-200912010-00005.
    """
    # Bang 2009, as on the form of the American Diabetes Association, whose weight chart follows BMI.
    return (
        reached(age_years, 40, 50, 60)
        + np.where(female, gestational_diabetes, 1)
        + family_history
        + hypertension
        + _not(physically_active)
        + reached(bmi_kg_m2, 25, 30, 40)
    )


@elementwise
def findrisc(
    age_years: Numbers,
    female: Conditions,
    bmi_kg_m2: Numbers,
    waist_cm: Numbers,
    physically_active: Conditions,
    vegetables_daily: Conditions,
    antihypertensives: Conditions,
    high_glucose_ever: Conditions,
    first_degree_relative: Conditions,
    other_relative: Conditions,
) -> Numbers:
    """Return FINDRISC, the Finnish ten-year risk score of type 2 diabetes.

    Age 45, 55, 65 a give 2, 3, 4; BMI 25-30 kg/m2 1, above 3; waist 94-102 cm (women 80-88) 3, above 4; less than
    30 min of activity a day 2; no daily vegetables, fruit or berries 1; blood pressure drugs ever 2; high glucose
    ever 5; diabetes of parent, sibling or child 5, of another relative 3. Result: 0 to 26. Valid: adults without
    diagnosed diabetes.

    Source: Lindström and Tuomilehto, Diabetes Care 2003;26:725-731, doi:10.2337/diacare.26.3.725.
    """
    # The extended form of the score (Lindström 2003, with family history and the age group from 65 added).
    age = 2 * reached(age_years, 45) + reached(age_years, 55, 65)
    bmi = reached(bmi_kg_m2, 25) + 2 * _above(bmi_kg_m2, 30)
    waist = 3 * reached(waist_cm, np.where(female, 80, 94)) + _above(waist_cm, np.where(female, 88, 102))
    habits = 2 * _not(physically_active) + _not(vegetables_daily)
    history = 2 * antihypertensives + 5 * high_glucose_ever
    return age + bmi + waist + habits + history + np.where(first_degree_relative, 5, 3 * other_relative)


def reached(value: Numbers, *cuts: Numbers) -> Floats:
    """Return how many of the ``cuts`` the value has reached (>=): its grade, when they ascend."""
    return sum((np.greater_equal(value, cut) for cut in cuts), start=np.zeros(()))


def _above(value: Numbers, *cuts: Numbers) -> Floats:
    return sum((np.greater(value, cut) for cut in cuts), start=np.zeros(()))


def _below(value: Numbers, *cuts: Numbers) -> Floats:
    return sum((np.less(value, cut) for cut in cuts), start=np.zeros(()))


def _not(condition: Conditions) -> Floats:
    return 1.0 - np.asarray(condition, dtype=np.float64)


def _true(condition: Conditions) -> npt.NDArray[np.bool_]:
    return np.asarray(np.asarray(condition) != 0, np.bool_)


def _size(diameter_mm: Numbers) -> Numbers:
    # McWilliams 2013: the inverse root of the diameter in cm, centred at 4 mm, where it is 1.58113883.
    return 1 / np.sqrt(diameter_mm / 10) - 1.58113883


def _probability(logit: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-logit))
