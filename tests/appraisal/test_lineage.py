"""That no record was used is shown by making patients again, and a row from elsewhere is seen."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from manikin.appraisal import Subject
from manikin.appraisal.lineage import lineage
from manikin.cohort import Cohort
from manikin.streams import Seed
from manikin.study import Made, make, study_of


def subject(made: Made, cohort: Cohort | None = None) -> Subject:
    return Subject(cohort or made.cohort, made.calibrated.program, made.study.given, seed=Seed(made.study.seed))


def with_a_stranger(cohort: Cohort) -> Cohort:
    """Return the cohort with one value of one patient as somebody had it."""
    part, *others = cohort.batches("analysis")
    place = part.schema.get_field_index("age")
    ages = part.column("age").to_pylist()
    changed = part.set_column(
        place, part.schema.field("age"), pa.array([ages[0] + 1, *ages[1:]], part.schema.field("age").type)
    )
    return replace(cohort, parts={**cohort.parts, "analysis": (changed, *others)})


def test_patients_made_again_are_the_same(made: Made) -> None:
    finding = lineage(subject(made))
    assert finding.passed is True
    assert finding.answer.startswith("Nobody's.")
    assert finding.measures[0].value == 0


def test_a_value_from_elsewhere_is_seen(made: Made) -> None:
    finding = lineage(subject(made, with_a_stranger(made.cohort)))
    assert finding.passed is False
    assert finding.measures[0].value == 1
    assert finding.answer.startswith("Not known")


def test_another_seed_is_seen(made: Made) -> None:
    assert lineage(replace(subject(made), seed=Seed(made.study.seed + 1))).passed is False


def test_what_cannot_be_made_again_here_is_not_judged(made: Made) -> None:
    finding = lineage(replace(subject(made), seed=None))
    assert finding.passed is None
    assert "manikin remake" in finding.answer


@pytest.mark.parametrize("name", ["diabetes-screening", "pneumonia-ed"])
def test_models_that_ship_use_nobodys_records(name: str) -> None:
    study, model = study_of(name)
    made = make(replace(study, patients=120), model)
    assert next(one for one in made.appraise().findings if one.check == "lineage").passed is True
    given = make(replace(study, patients=60, given="age >= 60"), model)
    assert next(one for one in given.appraise().findings if one.check == "lineage").passed is True
