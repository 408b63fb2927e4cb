"""In lung-screening what is recorded follows from what was measured, and what is found was there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from manikin.clinic import ClinicalModel, find_model
from manikin.codebook import scores
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed

N = 6_000


@pytest.fixture(scope="module")
def model() -> ClinicalModel:
    return find_model("lung-screening")


@pytest.fixture(scope="module")
def patients(model: ClinicalModel) -> dict[str, Any]:
    parameters = {name: one.value for name, one in model.parameters.items()}
    return dict(KnowledgeSampler(model, parameters, {}, Seed(1)).draw(np.arange(N)))


@pytest.mark.parametrize("scan", ["t0", "t1", "t2"])
def test_volume_and_diameter_are_those_of_one_sphere(patients: dict[str, Any], scan: str) -> None:
    volume, diameter = patients[f"volume_{scan}"], patients[f"diameter_{scan}"]
    seen = np.isfinite(volume)
    assert np.array_equal(seen, np.isfinite(diameter))
    assert np.abs(np.cbrt(6 / np.pi * volume[seen]) - diameter[seen]).max() <= 0.0501


def test_the_category_at_baseline_recomputes_from_the_record(model: ClinicalModel, patients: dict[str, Any]) -> None:
    types = model.variables["type_t0"].meaning.levels
    part_solid, non_solid = (patients["type_t0"] == types.index(name) for name in ("part_solid", "non_solid"))
    solid_part = np.nan_to_num(patients["solid_part_t0"])
    never = np.zeros(N, np.bool_)
    category = scores.lung_rads_2022(
        patients["diameter_t0"],
        solid_part,
        part_solid,
        non_solid,
        never,
        never,
        never,
        never,
        patients["spiculated_t0"],
    )
    # Who dies or is lost before the report has none.
    assert np.array_equal(patients["lung_rads_t0"], np.nan_to_num(category, nan=-1))


def test_only_cancers_that_are_there_are_diagnosed_and_only_they_kill(patients: dict[str, Any]) -> None:
    diagnosed = patients["cancer_diagnosed"]
    assert diagnosed.any()
    assert patients["cancer"][diagnosed].all()
    within = np.isfinite(patients["years_to_diagnosis"])
    assert np.array_equal(within, diagnosed)
    assert not (patients["died_of_lung_cancer"] & ~diagnosed).any()


def test_a_new_or_a_growing_nodule_is_never_called_harmless_from_8_mm_on(
    model: ClinicalModel, patients: dict[str, Any]
) -> None:
    solid = patients["type_t1"] == model.variables["type_t1"].meaning.levels.index("solid")
    changed = patients["new_t1"] | (patients["growth_t1"] > 1.5)
    chosen = solid & changed & (patients["diameter_t1"] >= 8)
    assert chosen.sum() > 10
    assert (patients["lung_rads_t1"][chosen] >= 4).all()
