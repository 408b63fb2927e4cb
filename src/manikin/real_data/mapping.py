"""Reads what the columns of real records mean in the codebook's words.

Errors here name columns and rules, never a value: logs leave hospitals.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path

from manikin.clinic.expressions import Expression, Scope, type_of
from manikin.clinic.reading.rules import bind
from manikin.codebook import Variable, check_unit, factor
from manikin.document import Mapping, Scalar, Section, load
from manikin.errors import MappingError, UnitError, closest

# How a mapping says that a written value stands for none.
MISSING = "missing"


@dataclass(frozen=True)
class MappedColumn:
    """How one variable is found in real records.

    ``scale`` brings a number to the codebook's unit; ``levels`` gives the level, or yes and no, of each written value,
    those of several ``columns`` being joined by ``/``; ``precision`` is the step of the records where it is coarser
    than the codebook's, ``at_most`` the value at which they are top-coded.
    """

    variable: Variable
    columns: tuple[str, ...]
    scale: float = 1.0
    levels: Dict[str, str] | None = None
    precision: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class RecordMapping:
    """What real records mean: their columns, their weights, and who of them is meant.

    ``patient`` is the column that says whose a row is, and ``order`` the one by which rows of a patient follow each
    other. Without the first each row is a patient, without the second they follow each other as in the file.
    """

    title: str
    columns: tuple[MappedColumn, ...]
    weights: str | None
    among: Expression | None
    patient: str | None = None
    order: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that have a column."""
        return tuple(column.variable.name for column in self.columns)


def read_mapping(path: Path, variables: Dict[str, Variable]) -> RecordMapping:
    """Return the mapping in a file.

    Args:
        path: The file.
        variables: The codebook's variables that it may map, by name.

    Raises:
        MappingError: The file holds mistakes; the error tells all of them.
    """
    top, notebook, _ = load(path, MappingError)
    section = Section(top, "The mapping", notebook)
    title = section.needed_text("reference", "a survey of adults, 2010")
    weights, patient, order = (section.text(key) or None for key in ("weights", "patient", "order"))
    columns = []
    for key, inner in section.sections("columns", lambda name: f"Column for '{name}'"):
        if key.text not in variables:
            notebook.add(key, f"The codebook has no variable '{key.text}'.", closest(key.text, variables))
            continue
        columns.append(_column(variables[key.text], inner))
    if not columns:
        notebook.add(top, "The mapping names no columns.", "Write: columns: {age: {column: AGE_YEARS}}")
    scope = Scope({column.variable.name: type_of(column.variable) for column in columns})
    among = bind(section.get("among"), "'among'", scope, notebook)
    section.close()
    notebook.raise_as(MappingError)
    return RecordMapping(title, tuple(columns), weights, among, patient, order)


def _column(variable: Variable, section: Section) -> MappedColumn:
    section.need("column", "SYSTOLIC")
    columns = tuple(one.text for one in section.texts("column"))
    if variable.numeric and len(columns) > 1:
        section.notebook.add(section.mapping, f"{section.what}: a number stands in one column.", "Name one.")
    unit = section.text("unit")
    found = MappedColumn(
        variable,
        columns,
        _scale(variable, unit, section),
        _levels(variable, section),
        section.number("precision"),
        section.number("at-most"),
    )
    section.close()
    return found


def _scale(variable: Variable, unit: str, section: Section) -> float:
    if not unit or not variable.unit:
        return 1.0
    try:
        return factor(check_unit(unit), variable.unit, variable.substance)
    except UnitError as error:
        section.notebook.add(
            section.get("unit") or section.mapping,
            f"{section.what}: {error}",
            f"The codebook's unit is {variable.unit}.",
        )
        return 1.0


def _levels(variable: Variable, section: Section) -> dict[str, str] | None:
    value = section.get("values")
    if variable.numeric:
        if value is not None:
            section.notebook.add(value, f"{section.what}: a number has no 'values'.", "Remove them.")
        return None
    if not isinstance(value, Mapping):
        section.notebook.add(
            section.mapping, f"{section.what} says no 'values'.", "Write, for example: values: {1: male, 2: female}"
        )
        return {}
    known = variable.levels or ("yes", "no")
    levels = {}
    for key, item in value.entries:
        if not isinstance(item, Scalar) or item.text not in (*known, MISSING):
            section.notebook.add(
                item,
                f"{section.what}: this is no value of '{variable.name}'.",
                f"Possible: {', '.join((*known, MISSING))}.",
            )
        else:
            levels[key.text] = item.text
    return levels
