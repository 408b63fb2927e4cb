"""How units are printed for people: as in a journal, and not as UCUM writes them."""

from __future__ import annotations

_UNITS = {
    "a": "years", "d": "days", "h": "hours", "min": "min", "1": "", "share": "", "mm[Hg]": "mmHg", "[pH]": "",
    "{score}": "", "{count}": "", "Cel": "°C",
    "wk": "weeks", "mo": "months",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def unit_label(unit: str) -> str:
    """Return a UCUM unit as printed in a journal."""
    if unit in _UNITS:
        return _UNITS[unit]
    label = unit.replace("mm[Hg]", "mmHg").replace("10*", "10^").translate(str.maketrans("_", " ", "{}"))
    parts = label.split("^")
    raised = parts[0] + "".join(_raise_leading(part) for part in parts[1:])
    return (
        raised.replace("m2", "m²").replace("m3", "m³").replace("uL", "µL").replace("umol", "µmol").replace("ug", "µg")
    )


def _raise_leading(text: str) -> str:
    """Return ``text`` with its leading digits as superscripts."""
    digits = text[: len(text) - len(text.lstrip("0123456789-"))]
    return digits.translate(_SUPERSCRIPTS) + text[len(digits) :]
