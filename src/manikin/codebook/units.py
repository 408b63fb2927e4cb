"""Units as UCUM writes them, checked by a library, and conversions that refuse to guess.

A mass concentration becomes a substance concentration only through a molar mass that is named for the substance;
an arbitrary unit (``[IU]``, ``[pH]``) becomes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from manikin.errors import UnitError

if TYPE_CHECKING:
    from pint import Quantity

# Grams per mole; IUPAC 2021 standard atomic weights, and the clinical convention where a mixture is measured.
MOLAR_MASS: Mapping[str, float] = {
    "glucose": 180.156,
    "cholesterol": 386.65,
    "triglycerides": 885.7,
    "creatinine": 113.12,
    "bilirubin": 584.66,
    "calcium": 40.078,
    "magnesium": 24.305,
    "phosphate": 30.974,  # as phosphorus, which is what laboratories report
    "urate": 168.11,
    "lactate": 89.07,
    "urea_nitrogen": 28.014,
}


# Units of everyday models, so that the common case needs no parser; that each is UCUM is a test's to say.
EVERYDAY = frozenset(
    [
        "1",
        "%",
        "a",
        "d",
        "h",
        "/min",
        "cm",
        "kg",
        "kg/m2",
        "mm[Hg]",
        "Cel",
        "g/dL",
        "mg/dL",
        "mmol/L",
        "mg/g",
        "U/L",
        "ng/L",
        "10*3/uL",
        "mL/min/{1.73_m2}",
    ]
)


# How units are written elsewhere, and what UCUM calls them.
_MEANT = {
    "mmHg": "mm[Hg]",
    "bpm": "/min",
    "years": "a",
    "year": "a",
    "percent": "%",
    "kg/m^2": "kg/m2",
    "mg/dl": "mg/dL",
    "mmol/l": "mmol/L",
    "°C": "Cel",
    "C": "Cel",
}


@cache
def check_unit(text: str) -> str:
    """Return ``text`` if it is a UCUM unit.

    Raises:
        UnitError: It is not, with what the parser expected.
    """
    if text in EVERYDAY:
        return text
    from ucumvert import get_ucum_parser

    try:
        get_ucum_parser().parse(text)
    except Exception as error:
        meant = f" Did you mean {_MEANT[text]}?" if text in _MEANT else ""
        raise UnitError(f"'{text}' is no UCUM unit.{meant} Examples: mg/dL, mmol/L, kg/m2, mm[Hg], %, a, 1.") from error
    return text


def ucum_of(text: str) -> str:
    """Return what UCUM calls a unit that may be written in another way.

    Raises:
        UnitError: It is known in neither way.
    """
    return check_unit(_MEANT.get(text, text))


@cache
def factor(from_unit: str, to_unit: str, substance: str | None = None) -> float:
    """Return by what a value in ``from_unit`` is multiplied to be in ``to_unit``.

    Args:
        from_unit: UCUM.
        to_unit: UCUM.
        substance: A key of ``MOLAR_MASS``; needed between mass and amount of substance.

    Raises:
        UnitError: The units measure different things, no single factor exists (temperatures), or the substance
            that would settle it was not named.
    """
    if check_unit(from_unit) == check_unit(to_unit):
        return 1.0
    source, target = quantity(from_unit), quantity(to_unit)
    if {from_unit, to_unit} == {"mmol/mol", "%"}:
        raise UnitError(
            "Between mmol/mol and % of HbA1c lies an offset: NGSP = 0.09148 x IFCC + 2.152; convert it first."
        )
    if "[temperature]" in source.dimensionality:
        raise UnitError(f"Between '{from_unit}' and '{to_unit}' lies an offset, not a factor.")
    if _arbitrary(from_unit) != _arbitrary(to_unit):
        raise UnitError(f"An arbitrary unit is only itself: nothing converts '{from_unit}' to '{to_unit}'.")
    if source.dimensionality == target.dimensionality:
        return float(source.to(target.units).magnitude / target.magnitude)
    per_mole = _molar_mass(substance, source)
    for bridged in (source / per_mole, source * per_mole) if per_mole is not None else ():
        if bridged.dimensionality == target.dimensionality:
            return float(bridged.to(target.units).magnitude / target.magnitude)
    hint = f" Name its substance: {', '.join(MOLAR_MASS)}." if substance is None else ""
    raise UnitError(f"'{from_unit}' does not convert to '{to_unit}'{f' for {substance}' if substance else ''}.{hint}")


def same_dimension(one: str, other: str) -> bool:
    """Return whether values in the two units can be added once they are converted."""
    return one == other or bool(quantity(one).dimensionality == quantity(other).dimensionality)


@cache
def quantity(unit: str) -> Quantity[Any]:
    """Return one of ``unit`` as a quantity that can be multiplied and compared; arbitrary units count as plain."""
    check_unit(unit)
    try:
        found = _registry().from_ucum(unit)
    except Exception:  # noqa: BLE001 - a valid unit that the registry has no quantity for, such as [pH]
        found = None
    # Quantities only meet within one registry, and the library keeps one of its own.
    plain: Quantity[Any] = _registry().from_ucum("g")._REGISTRY.Quantity(1, "dimensionless")
    return found if hasattr(found, "dimensionality") else plain


def _arbitrary(unit: str) -> set[str]:
    """Return which units defined by a procedure a unit is made of."""
    return {one for one in ("[IU]", "[pH]", "{score}") if one in unit.replace("[iU]", "[IU]")}


def _molar_mass(substance: str | None, like: Quantity[Any]) -> Quantity[Any] | None:
    if substance is None:
        return None
    if substance not in MOLAR_MASS:
        raise UnitError(f"No molar mass is known for '{substance}'. Known: {', '.join(MOLAR_MASS)}.")
    per_mole: Quantity[Any] = like._REGISTRY.Quantity(MOLAR_MASS[substance], "gram/mole")
    return per_mole


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
