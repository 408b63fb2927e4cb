"""Units parse, convert as published, and refuse where a conversion would be a guess."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manikin.clinic import built_in, find_model
from manikin.codebook import units
from manikin.codebook.units import MOLAR_MASS, check_unit, factor, same_dimension
from manikin.errors import UnitError

KNOWN = sorted(units.EVERYDAY)


@pytest.fixture
def nothing_taken_as_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "EVERYDAY", frozenset())
    check_unit.cache_clear()


@pytest.mark.usefixtures("nothing_taken_as_known")
def test_every_unit_of_the_library_is_ucum() -> None:
    used = {one.meaning.unit for name in built_in() for one in find_model(name).variables.values() if one.meaning.unit}
    assert len(used) > 5
    for unit in used:
        assert check_unit(unit) == unit


@pytest.mark.parametrize("unit", KNOWN)
@pytest.mark.usefixtures("nothing_taken_as_known")
def test_every_unit_that_is_taken_as_known_parses(unit: str) -> None:
    assert check_unit(unit) == unit


@pytest.mark.parametrize("text", ["", " ", "mg/dl ", "mmHg", "bananas", "mg//dL", "µg", "kg/m^2", "mg/dL; rm"])
def test_what_is_no_unit_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnitError, match=r"no UCUM unit\..* Examples: mg/dL"):
        check_unit(text)


# From how many mg/dL (or g/dL, U/L, ...) one of the other unit comes: AMA Manual of Style, 11th ed., SI conversion.
PUBLISHED = [
    ("mmol/L", "mg/dL", "glucose", 18.016),
    ("mmol/L", "mg/dL", "cholesterol", 38.67),
    ("mmol/L", "mg/dL", "triglycerides", 88.57),
    ("mg/dL", "umol/L", "creatinine", 88.4),
    ("mg/dL", "umol/L", "bilirubin", 17.104),
    ("mmol/L", "mg/dL", "calcium", 4.008),
    ("mmol/L", "mg/dL", "magnesium", 2.4305),
    ("mmol/L", "mg/dL", "phosphate", 3.097),
    ("mg/dL", "umol/L", "urate", 59.48),
    ("mmol/L", "mg/dL", "lactate", 8.907),
    ("mg/dL", "mmol/L", "urea_nitrogen", 0.357),
    ("kPa", "mm[Hg]", None, 7.50062),
    ("[lb_av]", "kg", None, 0.45359237),
    ("[in_i]", "cm", None, 2.54),
    ("g/L", "g/dL", None, 0.1),
    ("10*9/L", "10*3/uL", None, 1.0),
    ("%", "1", None, 0.01),
    ("mo", "a", None, 1 / 12),
    ("m[IU]/mL", "[iU]/L", None, 1.0),
]


@pytest.mark.parametrize(("from_unit", "to_unit", "substance", "published"), PUBLISHED)
def test_conversions_are_the_published_ones(
    from_unit: str, to_unit: str, substance: str | None, published: float
) -> None:
    assert factor(from_unit, to_unit, substance) == pytest.approx(published, rel=1e-3)


def test_every_substance_has_a_published_conversion_beside_it() -> None:
    assert {substance for _, _, substance, _ in PUBLISHED if substance} == set(MOLAR_MASS)


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(MOLAR_MASS)),
    st.sampled_from(["mg/dL", "g/L", "ug/mL"]),
    st.sampled_from(["mmol/L", "umol/L", "nmol/mL"]),
)
def test_there_and_back_changes_nothing(substance: str, mass: str, amount: str) -> None:
    there, back = factor(mass, amount, substance), factor(amount, mass, substance)
    assert math.isclose(there * back, 1, rel_tol=1e-12)
    assert there > 0


@pytest.mark.parametrize("unit", KNOWN)
def test_a_unit_converts_to_itself_by_1(unit: str) -> None:
    assert factor(unit, unit) == 1.0
    assert same_dimension(unit, unit)


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "substance", "why"),
    [
        ("mg/dL", "mmol/L", None, "Name its substance"),
        ("mg/dL", "mmol/L", "unobtainium", "No molar mass"),
        ("mg/dL", "kg", None, "does not convert"),
        ("mg/dL", "a", "glucose", "does not convert"),
        ("Cel", "[degF]", None, "offset"),
        ("Cel", "K", None, "offset"),
        ("mmol/mol", "%", None, "NGSP"),
        ("%", "mmol/mol", None, "NGSP"),
        ("[IU]/L", "1/L", None, "arbitrary"),
        ("[pH]", "1", None, "arbitrary"),
        ("{score}", "%", None, "arbitrary"),
        ("mg/dL", "nonsense", None, "no UCUM unit"),
    ],
)
def test_what_would_be_a_guess_is_refused(from_unit: str, to_unit: str, substance: str | None, why: str) -> None:
    with pytest.raises(UnitError, match=why):
        factor(from_unit, to_unit, substance)
