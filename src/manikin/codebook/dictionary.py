"""Reads data dictionaries: what somebody wrote down about the columns of a table, never the table itself.

A dictionary is a CSV file with a line for each variable (also as REDCap exports it), a Frictionless table schema or a
JSON Schema. A file that holds rows about people is refused, and an error about it names lines and columns, no values.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manikin.codebook.variable import Kind
from manikin.errors import RequestError

MAX_FIELDS = 5_000

# How the columns of a dictionary are called, in small letters without punctuation; the last ones are REDCap's.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "variable", "variable name", "field", "field name", "column", "column name", "variable field name"),
    "type": ("type", "kind", "data type", "datatype", "variable type", "field type"),
    "unit": ("unit", "units", "uom"),
    "levels": (
        "levels", "values", "categories", "enum", "options", "choices", "codes", "allowed values", "permitted values",
        "value labels", "choices or calculations", "choices calculations or slider labels",
    ),
    "low": ("min", "minimum", "low", "lower", "lower limit", "text validation min"),
    "high": ("max", "maximum", "high", "upper", "upper limit", "text validation max"),
    "title": ("title", "label", "description", "definition", "meaning", "field label", "variable label"),
    "format": ("format", "text validation type or show slider number"),
}  # fmt: skip

_KINDS: Mapping[str, tuple[str, ...]] = {
    Kind.COUNT: ("integer", "int", "count", "whole", "int64", "year"),
    Kind.QUANTITY: ("number", "numeric", "float", "double", "decimal", "real", "continuous", "quantity", "float64"),
    Kind.CATEGORY: (
        "string", "text", "str", "char", "character", "factor", "categorical", "category", "nominal", "ordinal", "enum",
        "radio", "dropdown", "object", "varchar",
    ),
    Kind.CONDITION: ("boolean", "bool", "binary", "logical", "flag", "condition", "yesno", "truefalse", "yes/no"),
    Kind.DATE: ("date", "datetime", "time", "timestamp", "yearmonth", "date_ymd", "date_mdy", "date_dmy"),
}  # fmt: skip
# What a form has and a table of variables has not; several answers at once are several conditions.
_NO_VARIABLE = (
    "calc",
    "file",
    "notes",
    "descriptive",
    "slider",
    "sql",
    "checkbox",
    "array",
    "geopoint",
    "duration",
    "any",
)
_CODED = re.compile(r"\s*([^=,:]{1,20}?)\s*[=,:]\s*(.+?)\s*")
_YES_NO = ({"yes", "no"}, {"true", "false"}, {"0", "1"}, {"y", "n"})


@dataclass(frozen=True)
class Described:
    """A column as its dictionary describes it; ``kind`` is None where that can't be told, ``remark`` says why.

    ``levels`` are what a category's values mean, and ``coded`` how each is written in the table, where that differs.
    """

    name: str
    kind: Kind | None
    title: str = ""
    unit: str = ""
    levels: tuple[str, ...] = ()
    coded: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    remark: str = ""


def read_dictionary(path: Path) -> tuple[Described, ...]:
    """Return what a data dictionary says of each variable, in its order.

    Raises:
        RequestError: It can't be read, is of no known form, or holds rows instead of a dictionary.
    """
    wrong = _at(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise wrong(f"The file can't be read: {error.strerror}. Check its name.") from error
    except ValueError as error:
        raise wrong("The file is not UTF-8 text. A dictionary is a CSV or JSON file.") from error
    found = _of_json(text, wrong) if path.suffix.lower() == ".json" else _of_csv(text, wrong)
    if not found:
        raise wrong("It describes no variable.")
    if len(found) > MAX_FIELDS:
        raise wrong(f"It describes more than {MAX_FIELDS:,} variables: this is no dictionary, or not one table's.")
    return tuple(found)


_Wrong = Callable[[str], RequestError]


def _at(path: Path) -> _Wrong:
    return lambda what: RequestError(f"{path}: {what}")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _of_csv(text: str, wrong: _Wrong) -> list[Described]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except csv.Error as error:
        raise wrong(f"This is no CSV: {error}.") from error
    columns = _columns(rows[0] if rows else [])
    # A table about people may well have columns called name and unit.
    if "name" not in columns or not ("type" in columns or len(columns) > 2):
        raise wrong(
            "This is no data dictionary. It has a line for each variable, with a column 'name' and others such as type, "
            "unit, levels, min, max and description. Rows about people are never read to draft a codebook."
        )
    found, seen = [], set[str]()
    for number, row in enumerate(rows[1:], 2):
        cells = {key: row[place].strip() if place < len(row) else "" for key, place in columns.items()}
        if not any(cells.values()):
            continue
        if not cells["name"] or cells["name"] in seen:
            what = "A name stands twice" if cells["name"] else "There is no name"
            raise wrong(
                f"line {number}: {what}. A dictionary names each variable once; rows about people are not read."
            )
        seen.add(cells["name"])
        found.append(_described(cells, number, wrong))
    return found


def _columns(header: Iterable[str]) -> dict[str, int]:
    """Return in which place each kind of column stands."""
    plain = [" ".join(re.sub(r"[^a-z]+", " ", name.lower()).split()) for name in header]
    found: dict[str, int] = {}
    for key, known in _COLUMNS.items():
        places = [plain.index(name) for name in known if name in plain]
        if places:
            found[key] = places[0]
    return found


def _described(cells: Mapping[str, str], number: int, wrong: _Wrong) -> Described:
    low, high = (_limit(cells.get(end, ""), end, number, wrong) for end in ("low", "high"))
    if low > high:
        raise wrong(f"line {number}: the minimum is above the maximum.")
    levels, coded = _levels(cells.get("levels", ""))
    word = cells.get("type", "").lower()
    if word in ("text", "string") and cells.get("format"):
        word = cells["format"].lower()  # REDCap: what a field of text has to be
    kind, remark = _kind(word, levels, cells.get("unit", ""))
    if word and kind is None and not remark:
        known = ", ".join(kinds[0] for kinds in _KINDS.values())
        raise wrong(
            f"line {number}: the type is none that is known: {known}. A dictionary says in 'type' of what kind a variable "
            "is; rows about people are not read."
        )
    return Described(
        cells["name"], kind, cells.get("title", ""), cells.get("unit", ""), levels, coded, low, high, remark
    )


def _limit(text: str, end: str, number: int, wrong: _Wrong) -> float:
    if not text:
        return -math.inf if end == "low" else math.inf
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise wrong(f"line {number}: the {'minimum' if end == 'low' else 'maximum'} is no number.")
    return found


def _levels(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return levels and, where ``1=female; 2=male`` or ``1, female | 2, male`` stands, how each is coded."""
    text = text.strip().strip("[]{}")
    separator = next((one for one in ("|", ";", "\n") if one in text), None)
    parts = [part.strip().strip("\"'") for part in text.split(separator or ",") if part.strip()]
    coded = [_CODED.fullmatch(part) for part in parts]
    if parts and all(coded) and (separator or all("=" in part or ":" in part for part in parts)):
        pairs = [match for match in coded if match]
        return tuple(match.group(2) for match in pairs), tuple(match.group(1) for match in pairs)
    return tuple(parts), ()


def _kind(word: str, levels: tuple[str, ...], unit: str) -> tuple[Kind | None, str]:
    """Return the kind that a type means, and a remark where a person has to see to it."""
    if word in _NO_VARIABLE:
        return None, f"of type '{word}'"
    kind = next((Kind(kind) for kind, words in _KINDS.items() if word in words), None)
    if levels and kind in (Kind.COUNT, Kind.CATEGORY, None) and not (word and kind is None):
        yes_no = {level.lower() for level in levels} in _YES_NO
        return (Kind.CONDITION if yes_no else Kind.CATEGORY), ""
    if kind is Kind.CATEGORY:
        return None, "free text, or a category whose levels are not named"
    if kind is Kind.DATE:
        return None, "a date: say in the mapping which one is the index"
    if kind is None and not word:
        return (Kind.QUANTITY, "") if unit else (None, "of a kind that is not told")
    return kind, ""


# --- JSON -------------------------------------------------------------------------------------------------------------


def _of_json(text: str, wrong: _Wrong) -> list[Described]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise wrong("This is not JSON.") from error
    if isinstance(value, dict) and isinstance(value.get("resources"), list) and len(value["resources"]) == 1:
        value = value["resources"][0]  # a Frictionless data package of one table
    if isinstance(value, dict) and isinstance(value.get("schema"), dict):
        value = value["schema"]
    fields: list[Mapping[str, Any]]
    if isinstance(value, dict) and isinstance(value.get("fields"), list):
        fields = value["fields"]
    elif isinstance(value, dict) and isinstance(value.get("properties"), dict):
        fields = [{**one, "name": name} for name, one in value["properties"].items() if isinstance(one, dict)]
    else:
        raise wrong(
            "This is no data dictionary: neither a Frictionless table schema ('fields') nor a JSON Schema ('properties'). "
            "Rows about people are never read to draft a codebook."
        )
    found: list[Described] = []
    for number, one in enumerate(fields, 1):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not one["name"].strip():
            raise wrong(f"field {number}: There is no name.")
        if one["name"] in [other.name for other in found]:
            raise wrong(f"field {number}: A name stands twice.")
        found.append(_of_field(one, number, lambda what: wrong(what.replace("line", "field"))))
    return found


def _of_field(field: Mapping[str, Any], number: int, wrong: _Wrong) -> Described:
    limits = {**field, **(field["constraints"] if isinstance(field.get("constraints"), dict) else {})}
    word = field.get("type")
    if isinstance(word, list):  # JSON Schema: [number, null]
        word = next((one for one in word if one != "null"), "")
    if word == "string" and field.get("format") in ("date", "date-time"):
        word = "date"
    enum = limits.get("enum", field.get("categories"))
    levels = [one for one in enum if one is not None] if isinstance(enum, list) else []
    labels = [str(one.get("label", one.get("value"))) if isinstance(one, dict) else str(one) for one in levels]
    codes = [str(one.get("value")) for one in levels if isinstance(one, dict)]
    cells = {
        "name": field["name"].strip(),
        "type": str(word or "").lower(),
        "unit": str(field.get("unit", "") or ""),
        "title": str(field.get("title") or field.get("description") or ""),
        "low": _written(limits.get("minimum")),
        "high": _written(limits.get("maximum")),
    }
    found = _described({**cells, "levels": "|".join(labels)}, number, wrong)
    # As they are, since a label may hold what parts the levels of a cell.
    return replace(found, levels=tuple(labels), coded=tuple(codes) if codes != labels else ())


def _written(value: Any) -> str:
    return "" if value is None else str(value)
