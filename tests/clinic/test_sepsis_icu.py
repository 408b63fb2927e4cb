"""In sepsis-icu the label follows the onset, the record obeys physiology, and what is ordered depends on what is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from manikin.clinic import ClinicalModel, compile_model, find_model
from manikin.clinic.course import Course
from manikin.clinic.pathway import PATHWAY
from manikin.codebook import formulas
from manikin.streams import Draws, Seed

N = 4_000
Columns = dict[str, Any]


@pytest.fixture(scope="module")
def model() -> ClinicalModel:
    return find_model("sepsis-icu")


@pytest.fixture(scope="module")
def patients(model: ClinicalModel) -> Columns:
    program = compile_model(model)
    return dict(program.sample(program.order, Draws(Seed(1), np.arange(N)), record=True))


def entries(model: ClinicalModel) -> list[str]:
    assert model.pathway is not None
    return [*model.pathway.tests, *model.pathway.measured, *model.pathway.entries]


def found(model: ClinicalModel, patients: Columns, name: str) -> dict[tuple[int, int], float]:
    """Return the recorded values of a variable by patient and minute."""
    events = patients[PATHWAY].events
    mine = events["entry"] == entries(model).index(name)
    keys = zip(events["patient"][mine].tolist(), events["time"][mine].tolist(), strict=True)
    return dict(zip(keys, events["value"][mine].tolist(), strict=True))


def together(model: ClinicalModel, patients: Columns, *names: str) -> list[npt.NDArray[np.float64]]:
    """Return the values of variables where all of them were measured at once."""
    each = [found(model, patients, name) for name in names]
    keys = sorted(set(each[0]).intersection(*each[1:]))
    assert len(keys) > 100
    return [np.array([one[key] for key in keys]) for one in each]


def test_hours_are_labelled_from_six_hours_before_the_onset_until_four_after_it(patients: Columns) -> None:
    septic = patients["sepsis"].astype(bool)
    onset, planned = patients["onset_hour"][septic], patients["planned_hours"][septic]
    labelled = np.minimum(onset + 4, planned) - np.maximum(onset - 6, 0)
    assert septic.sum() > 200
    assert np.array_equal(patients["hours_labelled"][septic], labelled)
    assert not patients["hours_labelled"][~septic].any()
    assert np.array_equal(patients["hours_unlabelled"][septic], np.maximum(onset - 6, 0))


def test_pressures_fit_each_other(model: ClinicalModel, patients: Columns) -> None:
    systolic, diastolic, mean = together(model, patients, "sbp", "dbp", "mean_pressure")
    assert (systolic - diastolic >= 14).all()
    assert np.abs(mean - formulas.mean_arterial_pressure(systolic, diastolic)).max() <= 0.5


def test_blood_gas_fits_bicarbonate_and_saturation(model: ClinicalModel, patients: Columns) -> None:
    ph, pco2, bicarbonate = together(model, patients, "ph", "paco2", "bicarbonate")
    assert np.quantile(np.abs(ph - formulas.henderson_hasselbalch(bicarbonate, pco2)), 0.99) < 0.04
    saturation, po2 = together(model, patients, "spo2", "pao2")
    assert np.abs(saturation - formulas.spo2_from_po2(po2)).max() < 6


def test_sofa_is_the_sum_of_its_points(model: ClinicalModel, patients: Columns) -> None:
    parts = ("lungs", "coagulation_points", "liver_points", "circulation", "brain", "kidneys")
    score, *points = together(model, patients, "sofa_score", *(f"sofa_{part}" for part in parts))
    assert np.array_equal(score, np.sum(points, axis=0))


def test_the_record_shows_neither_the_illness_nor_what_is_kept_for_the_label(
    model: ClinicalModel, patients: Columns
) -> None:
    assert model.pathway is not None
    course: Course = patients[PATHWAY]
    recorded = {entries(model)[number] for number in np.unique(course.events["entry"])}
    assert "illness" in model.pathway.unrecorded
    assert not recorded & model.pathway.unrecorded


def test_treatment_alone_does_not_tell_who_has_sepsis(patients: Columns) -> None:
    treated = ~np.isnan(patients["antibiotics_delay"])
    assert treated[~patients["sepsis"].astype(bool)].mean() > 0.2


def test_who_is_sicker_is_measured_more_often(patients: Columns) -> None:
    # They are measured 2.1 to 2.5 times as often, with a standard error below 0.2 here: a false alarm once in 10,000 times.
    severity = patients["severity_on_admission"]
    low, high = severity < np.quantile(severity, 0.3), severity > np.quantile(severity, 0.7)
    for name in ("lactate", "ph", "fio2"):
        rate = [patients[f"n_{name}"][group].sum() / patients["hours_in_icu"][group].sum() for group in (low, high)]
        assert rate[1] > 1.3 * rate[0]
