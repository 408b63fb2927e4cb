"""Quantities that clinicians derive from others, and the register by which a clinical model calls them.

Each function takes arrays of patients, or single values, and returns float64 of the broadcast shape, NaN where an
argument is NaN or the formula does not hold. The last words of an argument's name are its unit; a caller converts
beforehand. Scores stand in ``scores``; the register, at the end, names both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from manikin.codebook import scores
from manikin.codebook.scores import Conditions, Numbers, elementwise, reached
from manikin.streams import Floats


@dataclass(frozen=True)
class Argument:
    """What a formula is given: ``unit`` is UCUM, or the word "condition" (true or false) or "count"."""

    name: str
    unit: str


@dataclass(frozen=True)
class Formula:
    """A derived quantity as a model file calls it, by ``name`` and with its arguments in order.

    ``unit`` is the result's, in UCUM; or "category:" and the levels, separated by commas, into which the result's
    whole numbers are codes. ``source`` is the citation.
    """

    name: str
    title: str
    compute: Callable[..., Floats]
    arguments: tuple[Argument, ...]
    unit: str
    source: str

    def __post_init__(self) -> None:
        """Refuse a formula without a source."""
        if not self.source:
            raise ValueError(f"The formula '{self.name}' names no source. Add one to its docstring.")

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of a category in the order of their codes; empty for a quantity."""
        kind, _, levels = self.unit.partition(":")
        return tuple(levels.split(",")) if kind == "category" else ()


@elementwise
def bmi(weight_kg: Numbers, height_cm: Numbers) -> Numbers:
    """Return the body mass index, weight / height in m squared, in kg/m2. Valid: adults.

    Source: Keys et al., J Chronic Dis 1972;25:329-343, doi:10.1016/0021-9681(72)90027-6.
    """
    return weight_kg / (height_cm / 100) ** 2


@elementwise
def body_weight(bmi_kg_m2: Numbers, height_cm: Numbers) -> Numbers:
    """Return the weight in kg of a person of that body mass index and height. Valid: adults.

    Source: Keys et al., J Chronic Dis 1972;25:329-343, doi:10.1016/0021-9681(72)90027-6.
    """
    return bmi_kg_m2 * (height_cm / 100) ** 2


@elementwise
def mean_arterial_pressure(systolic_mmhg: Numbers, diastolic_mmhg: Numbers) -> Numbers:
    """Return the mean arterial pressure, diastolic + pulse pressure / 3, in mm[Hg].

    Valid: at rest; the share of systole in a beat grows with the heart rate.

    Source: Sesso et al., Hypertension 2000;36:801-807, doi:10.1161/01.HYP.36.5.801.
    """
    return diastolic_mmhg + (systolic_mmhg - diastolic_mmhg) / 3


@elementwise
def pulse_pressure(systolic_mmhg: Numbers, diastolic_mmhg: Numbers) -> Numbers:
    """Return the pulse pressure, systolic - diastolic, in mm[Hg]. Valid: above 0; usual 25 to 80.

    Source: Sesso et al., Hypertension 2000;36:801-807, doi:10.1161/01.HYP.36.5.801.
    """
    return systolic_mmhg - diastolic_mmhg


@elementwise
def qtc_bazett(qt_ms: Numbers, heart_rate_per_minute: Numbers) -> Numbers:
    """Return the corrected QT interval, QT / sqrt(RR in s) with RR = 60 / heart rate, in ms.

    Valid: 60 to 100 /min; corrects too much above and too little below.

    Source: Bazett, Heart 1920;7:353-370.
    """
    return qt_ms / np.sqrt(60 / heart_rate_per_minute)


@elementwise
def ckd_epi_2021(creatinine_mg_dl: Numbers, age_years: Numbers, female: Conditions) -> Numbers:
    """Return the estimated glomerular filtration rate, CKD-EPI 2021 without race, in mL/min/{1.73_m2}.

    142 min(Scr/kappa, 1)^alpha max(Scr/kappa, 1)^-1.200 0.9938^age (1.012 if female), with kappa 0.9 and alpha -0.302,
    in women 0.7 and -0.241. Valid: from 18 a, creatinine at steady state and traceable to IDMS.

    Source: Inker et al., N Engl J Med 2021;385:1737-1749, doi:10.1056/NEJMoa2102953.
    """
    # Inker 2021, the creatinine equation without race.
    kappa, alpha, sex = np.where(female, 0.7, 0.9), np.where(female, -0.241, -0.302), np.where(female, 1.012, 1.0)
    ratio = creatinine_mg_dl / kappa
    return 142 * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** -1.200 * 0.9938**age_years * sex


@elementwise
def ckd_g_stage(egfr_ml_min_173m2: Numbers) -> Numbers:
    """Return the stage of filtration: codes 0 to 5 stand for G1 (>= 90), G2 (>= 60), G3a (45), G3b (30), G4 (15), G5.

    Valid: adults; chronic only when it lasts for 3 months, and below G3a only with other signs of kidney damage.

    Source: KDIGO 2024 CKD Guideline, Kidney Int 2024;105(4S):S117-S314, doi:10.1016/j.kint.2023.10.018.
    """
    # KDIGO 2024, GFR categories.
    return 5 - reached(egfr_ml_min_173m2, 15, 30, 45, 60, 90)


@elementwise
def ckd_a_stage(uacr_mg_g: Numbers) -> Numbers:
    """Return the stage of albuminuria: codes 0 to 2 stand for A1 (< 30 mg/g), A2 (30 to < 300), A3 (>= 300).

    Valid: adults, urine albumin-creatinine ratio, confirmed within 3 to 6 months.

    Source: ADA Standards of Care, section 11, Diabetes Care 2024;47(Suppl 1):S219-S230, doi:10.2337/dc24-S011.
    """
    # ADA 2024, albuminuria; KDIGO counts 300 itself as A2.
    return reached(uacr_mg_g, 30, 300)


@elementwise
def kdigo_risk(egfr_ml_min_173m2: Numbers, uacr_mg_g: Numbers) -> Numbers:
    """Return the risk of chronic kidney disease: codes 0 to 3 stand for low, moderate, high, very high.

    The heat map of filtration by albuminuria: each step of albuminuria raises the risk by one, as does each stage
    from G3a on. Valid: as ``ckd_g_stage`` and ``ckd_a_stage``.

    Source: KDIGO 2024 CKD Guideline, Kidney Int 2024;105(4S):S117-S314, doi:10.1016/j.kint.2023.10.018.
    """
    # KDIGO 2024: the colours of the heat map are min(3, steps below G2 + steps above A1).
    return np.minimum(3, 3 - reached(egfr_ml_min_173m2, 30, 45, 60) + reached(uacr_mg_g, 30, 300))


@elementwise
def non_hdl(total_cholesterol_mg_dl: Numbers, hdl_mg_dl: Numbers) -> Numbers:
    """Return non-HDL cholesterol, total - HDL, in mg/dL. Valid: fasting or not.

    Source: Grundy et al., Circulation 2019;139:e1082-e1143, doi:10.1161/CIR.0000000000000625.
    """
    return total_cholesterol_mg_dl - hdl_mg_dl


@elementwise
def friedewald_ldl(total_cholesterol_mg_dl: Numbers, hdl_mg_dl: Numbers, triglycerides_mg_dl: Numbers) -> Numbers:
    """Return LDL cholesterol by Friedewald, total - HDL - triglycerides / 5, in mg/dL.

    Valid: fasting, triglycerides up to 400 mg/dL; NaN above.

    Source: Friedewald et al., Clin Chem 1972;18:499-502, doi:10.1093/clinchem/18.6.499.
    """
    # Friedewald 1972, abstract: factor 5 and limit 400 mg/dL.
    ldl = total_cholesterol_mg_dl - hdl_mg_dl - triglycerides_mg_dl / 5
    return np.where(np.less_equal(triglycerides_mg_dl, 400), ldl, np.nan)


@elementwise
def sampson_ldl(total_cholesterol_mg_dl: Numbers, hdl_mg_dl: Numbers, triglycerides_mg_dl: Numbers) -> Numbers:
    """Return LDL cholesterol by Sampson (NIH equation 2), in mg/dL.

    TC/0.948 - HDL/0.971 - (TG/8.56 + TG nonHDL/2140 - TG²/16100) - 9.44. Valid: triglycerides up to 800 mg/dL; NaN
    above.

    Source: Sampson et al., JAMA Cardiol 2020;5:540-548, doi:10.1001/jamacardio.2020.0013.
    """
    # Sampson 2020, equation 2.
    non_hdl_mg_dl = total_cholesterol_mg_dl - hdl_mg_dl
    vldl = triglycerides_mg_dl / 8.56 + triglycerides_mg_dl * non_hdl_mg_dl / 2140 - triglycerides_mg_dl**2 / 16100
    ldl = total_cholesterol_mg_dl / 0.948 - hdl_mg_dl / 0.971 - vldl - 9.44
    return np.where(np.less_equal(triglycerides_mg_dl, 800), ldl, np.nan)


@elementwise
def estimated_average_glucose(hba1c_percent: Numbers) -> Numbers:
    """Return the average glucose that goes with an HbA1c, 28.7 HbA1c - 46.7, in mg/dL.

    Valid: HbA1c 5 to 13 % (NGSP), normal red cell survival.

    Source: Nathan et al., Diabetes Care 2008;31:1473-1478, doi:10.2337/dc08-0545.
    """
    # Nathan 2008 (ADAG), abstract.
    return 28.7 * hba1c_percent - 46.7


@elementwise
def hba1c_ifcc(hba1c_percent: Numbers) -> Numbers:
    """Return HbA1c in IFCC units, 10.93 NGSP - 23.50, in mmol/mol. Valid: HbA1c in % as NGSP and DCCT report it.

    Source: Hoelzel et al., Clin Chem 2004;50:166-174, doi:10.1373/clinchem.2003.024802.
    """
    # The master equation of Hoelzel 2004, inverted, as NGSP publishes it.
    return 10.93 * hba1c_percent - 23.50


@elementwise
def glycaemic_stage(hba1c_percent: Numbers, fasting_glucose_mg_dl: Numbers) -> Numbers:
    """Return the stage by one visit's tests: codes 0 to 2 stand for normal, prediabetes, diabetes.

    The worse of HbA1c (5.7, 6.5 %) and fasting glucose (100, 126 mg/dL), as surveys count it. A diagnosis needs two
    abnormal results unless there are symptoms. Valid: adults, not pregnant, fasting for 8 h.

    Source: ADA Standards of Care, section 2, Diabetes Care 2024;47(Suppl 1):S20-S42, doi:10.2337/dc24-S002.
    """
    # ADA 2024, criteria for prediabetes and diabetes.
    return np.maximum(reached(hba1c_percent, 5.7, 6.5), reached(fasting_glucose_mg_dl, 100, 126))


@elementwise
def homa_ir(fasting_glucose_mg_dl: Numbers, fasting_insulin_uiu_ml: Numbers) -> Numbers:
    """Return the homeostasis model's insulin resistance, glucose insulin / 405, without unit.

    Valid: fasting, not on insulin.

    Source: Matthews et al., Diabetologia 1985;28:412-419, doi:10.1007/BF00280883.
    """
    # Matthews 1985: glucose in mmol/L times insulin / 22.5, and 22.5 x 18 = 405.
    return fasting_glucose_mg_dl * fasting_insulin_uiu_ml / 405


@elementwise
def anion_gap(sodium_mmol_l: Numbers, chloride_mmol_l: Numbers, bicarbonate_mmol_l: Numbers) -> Numbers:
    """Return the anion gap without potassium, Na - Cl - HCO3, in mmol/L. Usual 4 to 12.

    Source: Emmett and Narins, Medicine 1977;56:38-54, doi:10.1097/00005792-197756010-00002.
    """
    return sodium_mmol_l - chloride_mmol_l - bicarbonate_mmol_l


@elementwise
def corrected_anion_gap(anion_gap_mmol_l: Numbers, albumin_g_dl: Numbers) -> Numbers:
    """Return the anion gap at an albumin of 4 g/dL, gap + 2.5 (4 - albumin), in mmol/L. Valid: albumin below 4 g/dL.

    Source: Figge et al., Crit Care Med 1998;26:1807-1810, doi:10.1097/00003246-199811000-00019.
    """
    # Figge 1998: 2.5 mmol/L for each g/dL of albumin; 4 g/dL is the bedside reference (Figge took 4.4).
    return anion_gap_mmol_l + 2.5 * (4 - albumin_g_dl)


@elementwise
def corrected_calcium(calcium_mg_dl: Numbers, albumin_g_dl: Numbers) -> Numbers:
    """Return total calcium at an albumin of 4 g/dL, calcium + 0.8 (4 - albumin), in mg/dL.

    Valid: outside intensive care and kidney failure, where ionised calcium should be measured.

    Source: Payne et al., Br Med J 1973;4:643-646, doi:10.1136/bmj.4.5893.643.
    """
    # Payne 1973, in conventional units.
    return calcium_mg_dl + 0.8 * (4 - albumin_g_dl)


@elementwise
def corrected_sodium(sodium_mmol_l: Numbers, glucose_mg_dl: Numbers) -> Numbers:
    """Return sodium at a glucose of 100 mg/dL, in mmol/L.

    1.6 mmol/L for each 100 mg/dL of glucose from 100 to 400, and 2.4 for each 100 mg/dL beyond. Valid: hyperglycaemia.

    Source: Hillier et al., Am J Med 1999;106:399-403, doi:10.1016/S0002-9343(99)00055-8.
    """
    # 1.6: Katz, N Engl J Med 1973;289:843. 2.4 above 400 mg/dL: Hillier 1999. The line is kept without a step.
    below, beyond = np.minimum(glucose_mg_dl, 400) - 100, np.maximum(glucose_mg_dl - 400, 0)
    return sodium_mmol_l + 1.6 * below / 100 + 2.4 * beyond / 100


@elementwise
def osmolality(sodium_mmol_l: Numbers, glucose_mg_dl: Numbers, urea_nitrogen_mg_dl: Numbers) -> Numbers:
    """Return the calculated osmolality of serum, 2 Na + glucose / 18 + BUN / 2.8, in mosm/kg.

    Valid: no ethanol or other foreign osmoles; within 10 of the measured one.

    Source: Worthley et al., Anaesth Intensive Care 1987;15:199-202.
    """
    # Worthley 1987 in conventional units: mg/dL of glucose / 18 and of urea nitrogen / 2.8 are mmol/L.
    return 2 * sodium_mmol_l + glucose_mg_dl / 18 + urea_nitrogen_mg_dl / 2.8


@elementwise
def henderson_hasselbalch(bicarbonate_mmol_l: Numbers, pco2_mmhg: Numbers) -> Numbers:
    """Return the pH of blood, 6.1 + log10(HCO3 / (0.0307 pCO2)). Valid: plasma at 37 Cel.

    Source: Hasselbalch, Biochem Z 1917;78:112-144.
    """
    # pK 6.1 and CO2 solubility 0.0307 mmol/L/mm[Hg] of plasma at 37 Cel.
    return 6.1 + np.log10(bicarbonate_mmol_l / (0.0307 * pco2_mmhg))


@elementwise
def winter_pco2(bicarbonate_mmol_l: Numbers) -> Numbers:
    """Return the pCO2 expected when breathing compensates a metabolic acidosis, 1.5 HCO3 + 8, in mm[Hg], +- 2.

    Source: Albert et al., Ann Intern Med 1967;66:312-322, doi:10.7326/0003-4819-66-2-312.
    """
    # Albert 1967, abstract.
    return 1.5 * bicarbonate_mmol_l + 8


@elementwise
def pf_ratio(po2_mmhg: Numbers, fio2_fraction: Numbers) -> Numbers:
    """Return PaO2 / FiO2 in mm[Hg]. Valid: arterial blood, FiO2 0.21 to 1 as a fraction.

    Source: ARDS Definition Task Force, JAMA 2012;307:2526-2533, doi:10.1001/jama.2012.5669.
    """
    return po2_mmhg / fio2_fraction


@elementwise
def spo2_from_po2(po2_mmhg: Numbers) -> Numbers:
    """Return the oxygen saturation at an oxygen pressure p, 100 / (1 + 23400 / (p³ + 150 p)), in %.

    Valid: pH 7.4, 37 Cel, adult haemoglobin.

    Source: Severinghaus, J Appl Physiol 1979;46:599-602, doi:10.1152/jappl.1979.46.3.599.
    """
    # Severinghaus 1979, equation 1, multiplied out so that a pressure of 0 gives 0.
    cubic = po2_mmhg**3 + 150 * po2_mmhg
    return 100 * cubic / (cubic + 23400)


@elementwise
def mean_corpuscular_volume(hematocrit_percent: Numbers, red_cells_10_6_ul: Numbers) -> Numbers:
    """Return the mean volume of a red cell, 10 Hct / RBC, in fL. Usual 80 to 100.

    Source: Wintrobe, Arch Intern Med 1934;54:256-280.
    """
    return 10 * hematocrit_percent / red_cells_10_6_ul


@elementwise
def mean_corpuscular_hemoglobin(hemoglobin_g_dl: Numbers, red_cells_10_6_ul: Numbers) -> Numbers:
    """Return the mean haemoglobin of a red cell, 10 Hgb / RBC, in pg.

    Source: Wintrobe, Arch Intern Med 1934;54:256-280.
    """
    return 10 * hemoglobin_g_dl / red_cells_10_6_ul


@elementwise
def mean_corpuscular_hemoglobin_concentration(hemoglobin_g_dl: Numbers, hematocrit_percent: Numbers) -> Numbers:
    """Return the haemoglobin in a volume of red cells, 100 Hgb / Hct, in g/dL. Usual 32 to 36.

    Source: Wintrobe, Arch Intern Med 1934;54:256-280.
    """
    return 100 * hemoglobin_g_dl / hematocrit_percent


@elementwise
def pack_years(cigarettes_per_day: Numbers, smoked_years: Numbers) -> Numbers:
    """Return the dose of smoking, packs of 20 a day x years smoked, in {pack_years}.

    Source: National Cancer Institute, NCI Dictionary of Cancer Terms, pack year.
    """
    # NCI: one pack holds 20 cigarettes.
    return cigarettes_per_day / 20 * smoked_years


@elementwise
def reference_change_value(cv_within_percent: Numbers, cv_analytical_percent: Numbers) -> Numbers:
    """Return by how much two results must differ to be unlike at 95 %, sqrt(2) 1.96 sqrt(CV_A² + CV_I²), in %.

    Coefficients of variation in %, within a person and of the assay. Valid: normal variation, CV up to about 20 %.

    Source: Fraser and Harris, Crit Rev Clin Lab Sci 1989;27:409-437, doi:10.3109/10408368909106595.
    """
    # 1.96: the two-sided 95 % point of the normal distribution; two results vary, hence the root of 2.
    return 1.96 * np.sqrt(2 * (cv_analytical_percent**2 + cv_within_percent**2))


def _formula(name: str, title: str, compute: Callable[..., Floats], unit: str) -> Formula:
    # What stands at the function is not said again: its arguments with their units, and its source.
    arguments = tuple(Argument(argument, _unit(argument)) for argument in inspect.signature(compute).parameters)
    source = " ".join((inspect.getdoc(compute) or "").partition("Source: ")[2].split())
    return Formula(name, title, compute, arguments, unit, source)


def _unit(argument: str) -> str:
    ending = max((ending for ending in _UNITS if argument.endswith(ending)), key=len, default="")
    return _UNITS.get(ending, "condition")


# How the name of an argument ends, and the unit which that means; any other name is a condition.
_UNITS = {
    "_10_3_ul": "10*3/uL",
    "_10_6_ul": "10*6/uL",
    "_cm": "cm",
    "_factors": "count",
    "_fraction": "1",
    "_g_dl": "g/dL",
    "_hours": "h",
    "_kg": "kg",
    "_kg_m2": "kg/m2",
    "_mg_dl": "mg/dL",
    "_mg_g": "mg/g",
    "_ml_min_173m2": "mL/min/{1.73_m2}",
    "_ml_per_day": "mL/d",
    "_mm": "mm",
    "_mmhg": "mm[Hg]",
    "_mmol_l": "mmol/L",
    "_ms": "ms",
    "_ng_l": "ng/L",
    "_nodules": "count",
    "_per_day": "/d",
    "_per_minute": "/min",
    "_percent": "%",
    "_points": "count",
    "_scale": "count",
    "_tier": "count",
    "_ug_kg_min": "ug/kg/min",
    "_uiu_ml": "u[IU]/mL",
    "_years": "a",
}

_ALL = (
    _formula("bmi", "Body mass index", bmi, "kg/m2"),
    _formula("body_weight", "Body weight", body_weight, "kg"),
    _formula("map", "Mean arterial pressure", mean_arterial_pressure, "mm[Hg]"),
    _formula("pulse_pressure", "Pulse pressure", pulse_pressure, "mm[Hg]"),
    _formula("qtc_bazett", "Corrected QT interval, Bazett", qtc_bazett, "ms"),
    _formula("ckd_epi_2021", "Estimated glomerular filtration rate, CKD-EPI 2021", ckd_epi_2021, "mL/min/{1.73_m2}"),
    _formula("ckd_g_stage", "Stage of filtration", ckd_g_stage, "category:G1,G2,G3a,G3b,G4,G5"),
    _formula("ckd_a_stage", "Stage of albuminuria", ckd_a_stage, "category:A1,A2,A3"),
    _formula("kdigo_risk", "Risk of chronic kidney disease, KDIGO", kdigo_risk, "category:low,moderate,high,very_high"),
    _formula("non_hdl", "Non-HDL cholesterol", non_hdl, "mg/dL"),
    _formula("friedewald_ldl", "LDL cholesterol, Friedewald", friedewald_ldl, "mg/dL"),
    _formula("sampson_ldl", "LDL cholesterol, Sampson", sampson_ldl, "mg/dL"),
    _formula("estimated_average_glucose", "Estimated average glucose", estimated_average_glucose, "mg/dL"),
    _formula("hba1c_ifcc", "HbA1c in IFCC units", hba1c_ifcc, "mmol/mol"),
    _formula("glycaemic_stage", "Glycaemic stage, ADA", glycaemic_stage, "category:normal,prediabetes,diabetes"),
    _formula("homa_ir", "Insulin resistance, HOMA", homa_ir, "1"),
    _formula("anion_gap", "Anion gap", anion_gap, "mmol/L"),
    _formula("corrected_anion_gap", "Anion gap, corrected for albumin", corrected_anion_gap, "mmol/L"),
    _formula("corrected_calcium", "Calcium, corrected for albumin", corrected_calcium, "mg/dL"),
    _formula("corrected_sodium", "Sodium, corrected for glucose", corrected_sodium, "mmol/L"),
    _formula("osmolality", "Calculated osmolality", osmolality, "mosm/kg"),
    _formula("henderson_hasselbalch", "pH by Henderson and Hasselbalch", henderson_hasselbalch, "[pH]"),
    _formula("winter_pco2", "Expected pCO2, Winter", winter_pco2, "mm[Hg]"),
    _formula("pf_ratio", "PaO2/FiO2", pf_ratio, "mm[Hg]"),
    _formula("spo2_from_po2", "Oxygen saturation, Severinghaus", spo2_from_po2, "%"),
    _formula("mean_corpuscular_volume", "Mean corpuscular volume", mean_corpuscular_volume, "fL"),
    _formula("mean_corpuscular_hemoglobin", "Mean corpuscular haemoglobin", mean_corpuscular_hemoglobin, "pg"),
    _formula(
        "mean_corpuscular_hemoglobin_concentration",
        "Mean corpuscular haemoglobin concentration",
        mean_corpuscular_hemoglobin_concentration,
        "g/dL",
    ),
    _formula("pack_years", "Pack-years", pack_years, "{pack_years}"),
    _formula("reference_change_value", "Reference change value", reference_change_value, "%"),
    _formula("curb65", "CURB-65", scores.curb65, "1"),
    _formula("qsofa", "Quick SOFA", scores.qsofa, "1"),
    _formula("sofa_respiration", "SOFA points of the lungs", scores.sofa_respiration, "1"),
    _formula("sofa_coagulation", "SOFA points of coagulation", scores.sofa_coagulation, "1"),
    _formula("sofa_liver", "SOFA points of the liver", scores.sofa_liver, "1"),
    _formula("vasopressor_tier", "Vasopressor tier of SOFA", scores.vasopressor_tier, "1"),
    _formula("sofa_cardiovascular", "SOFA points of the circulation", scores.sofa_cardiovascular, "1"),
    _formula("sofa_nervous", "SOFA points of the nervous system", scores.sofa_nervous, "1"),
    _formula("sofa_renal", "SOFA points of the kidneys, by creatinine", scores.sofa_renal, "1"),
    _formula("sofa_urine", "SOFA points of the kidneys, by urine", scores.sofa_urine, "1"),
    _formula("sofa", "SOFA", scores.sofa, "1"),
    _formula("heart_age_points", "HEART points of age", scores.heart_age_points, "1"),
    _formula("heart_risk_points", "HEART points of risk factors", scores.heart_risk_points, "1"),
    _formula("heart_troponin_points", "HEART points of troponin", scores.heart_troponin_points, "1"),
    _formula("heart_score", "HEART", scores.heart_score, "1"),
    _formula("esc_0_1h", "Triage by troponin at 0 and 1 h, ESC", scores.esc_0_1h, "category:rule_out,observe,rule_in"),
    _formula("brock_2a", "Probability that a lung nodule is cancer, Brock 2a", scores.brock_2a, "1"),
    _formula("brock_2b", "Probability that a lung nodule is cancer, Brock 2b", scores.brock_2b, "1"),
    _formula("lung_rads", "Lung-RADS category", scores.lung_rads, "category:1,2,3,4A,4B"),
    _formula("lung_rads_2022", "Lung-RADS category at any scan", scores.lung_rads_2022, "category:1,2,3,4A,4B,4X"),
    _formula("ada_risk", "Diabetes risk test, ADA", scores.ada_risk, "1"),
    _formula("findrisc", "Diabetes risk score, FINDRISC", scores.findrisc, "1"),
)

FORMULAS: Mapping[str, Formula] = MappingProxyType({formula.name: formula for formula in _ALL})
