"""A release whose patients are followed says so in its documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clinic"))

from timed_model import write_to

from manikin.clinic import read_model
from manikin.study import Study, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("timed")
    model = read_model(write_to(place))
    study = Study("timed", model.intent, "timed.yaml", patients=200, formats=("parquet",))
    made = run(study, model, place / "out", jobs=1).folder
    assert made is not None
    return made


def test_the_dictionary_says_what_the_timelines_speak_of(folder: Path) -> None:
    entries = {
        (one["table"], one["name"]): one
        for one in json.loads((folder / "docs" / "dictionary.json").read_text(encoding="utf-8"))
    }
    assert "after_ward" in entries["states", "state"]["values"]
    assert entries["encounters", "kind"]["values"] == ["emergency", "inpatient", "ambulatory"]
    assert entries["patients", "left_by"]["values"] == ["death", "loss", "discharge", "study"]
    text = (folder / "docs" / "dictionary.md").read_text(encoding="utf-8")
    assert "| order | `loinc:67151-1` | Marker |" in text
    assert "| observation | `loinc:67151-1` |" in text
    assert "| `dead` | Dead | death |" in text
    # What is done at the bedside leaves no order on record.
    assert "local:vitals" not in text


def test_datasheet_and_card_say_how_patients_are_followed(folder: Path) -> None:
    datasheet, card, front = (
        (folder / name).read_text(encoding="utf-8") for name in ("docs/datasheet.md", "docs/model-card.md", "README.md")
    )
    assert "Each patient is followed for at most 30 d" in datasheet
    assert "*An emergency department and a ward*" in card
    assert "truth/states" in front
    assert "holds one index encounter" not in card
