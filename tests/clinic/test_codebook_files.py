"""A codebook says what variables mean, in a file of its own or within a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from manikin.clinic import ClinicalModel, find_codebook, is_codebook, parse_codebook, read_codebook, read_model
from manikin.codebook import Kind
from manikin.errors import ModelError, RequestError

CODEBOOK = """
codebook: ward
version: 1.2.0
title: A ward
population: adults of a ward
variables:
  sex: {values: [female, male], group: People}
  age: {kind: count, unit: a, limits: {possible: 18..110}, bins: [40, 60]}
  sbp: {unit: "mm[Hg]", precision: 1, bins: [120, 140], codes: {loinc: "8480-6"}}
  crp: {unit: mg/L}
  diabetes: {kind: condition, disclosure: sensitive}
"""


def test_a_codebook_is_read_without_any_distribution() -> None:
    book = parse_codebook(CODEBOOK)
    assert [one.name for one in book.variables] == ["sex", "age", "sbp", "crp", "diabetes"]
    assert (book.name, book.version, book.title, book.population) == ("ward", "1.2.0", "A ward", "adults of a ward")
    assert book.variables[1].cuts == (40, 60)
    assert book.variables[4].kind is Kind.CONDITION
    assert book.unbinned == ("crp",)
    assert book.text == CODEBOOK


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("unit: mg/L", "unit: furlong", "no UCUM unit"),
        ("bins: [40, 60]", "bins: [60, 40]", "'bins' ascend"),
        ("unit: mg/L", "unit: mg/L, draw: normal(1, 1)", "'crp' has no setting 'draw'"),
        ("  crp:", "  CRP:", "'CRP' can't be a name"),
        ("8480-6", "8480-7", "no LOINC code"),
        ("title: A ward", "sources: {}", "no setting 'sources'"),
        ("version: 1.2.0\n", "", "no 'version'"),
    ],
)
def test_each_mistake_is_told_with_its_place(before: str, after: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_codebook(CODEBOOK.replace(before, after))


def test_a_model_is_a_codebook_as_well(model: ClinicalModel, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(model.text, encoding="utf-8")
    (tmp_path / "ward.yaml").write_text(CODEBOOK, encoding="utf-8")
    assert find_codebook(str(tmp_path / "ward.yaml")).name == "ward"
    found = read_codebook(tmp_path / "toy.yaml")
    assert (found.name, found.version) == (model.name, model.version)
    assert {one.name for one in found.variables} < set(model.variables)
    assert find_codebook("chest-pain").name == "chest-pain"
    with pytest.raises(RequestError, match="no clinical model 'chest-pane'"):
        find_codebook("chest-pane")
    assert is_codebook(tmp_path / "ward.yaml")
    assert not is_codebook(tmp_path / "toy.yaml")
    assert not is_codebook(tmp_path / "none.yaml")


def test_a_codebook_is_no_model_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "ward.yaml").write_text(CODEBOOK, encoding="utf-8")
    with pytest.raises(ModelError, match="This is a codebook: it says what variables mean") as caught:
        read_model(tmp_path / "ward.yaml")
    assert len(caught.value.mistakes) == 1
