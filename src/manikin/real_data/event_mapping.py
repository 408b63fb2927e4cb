"""Reads what the events of real records mean: which column is whose, when and what, and within which public limits.

Errors here name columns and rules, never a value: logs leave hospitals.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from pathlib import Path

from manikin.codebook import ENDINGS, Kind, Range, Variable, check_unit
from manikin.document import Mapping, Notebook, Scalar, Section, Sequence, Value, load, read_number
from manikin.errors import MappingError, RequestError, UnitError, closest
from manikin.generators.sequence import Domain, Item
from manikin.real_data.mapping import MISSING

# Steps of time, in minutes.
CLOCKS = {"min": 1, "h": 60, "d": 1440}
_SYSTEMS = ("loinc", "rxnorm", "snomed", "icd10")
_EVENTS = ("procedure", "medication", "condition", "order", "decision")


@dataclass(frozen=True)
class Place:
    """Where an item or a static variable stands: its column, or its code in the column of codes.

    ``values`` gives the level of each written value of what is no number.
    """

    column: str
    values: Dict[str, str]


@dataclass(frozen=True)
class EventMapping:
    """What the columns of an events table, and of a table of people, mean.

    Without ``code`` and ``value`` a row is a visit and each item a column of its own. ``endings`` gives the number of
    the ending of each written value of ``left_by``; empty names are columns that there are not.
    """

    domain: Domain
    items: tuple[Place, ...]
    statics: tuple[Place, ...]
    patient: str
    time: str
    code: str
    value: str
    person: str
    followed: str
    left_by: str
    endings: Dict[str, int]


def read_event_mapping(path: Path) -> EventMapping:
    """Return the mapping in a file.

    Raises:
        MappingError: The file holds mistakes; the error tells all of them.
    """
    top, notebook, _ = load(path, MappingError)
    section = Section(top, "The mapping", notebook)
    items = [_item(name, inner) for name, inner in section.sections("items", lambda name: f"Item '{name}'")]
    statics = [_static(name, inner) for name, inner in section.sections("statics", lambda name: f"Static '{name}'")]
    events, people = (_section(section, key) for key in ("events", "people"))
    left_by, endings = _left_by(people)
    head = {
        "title": section.needed_text("title", "Stays in intensive care"),
        "clock": CLOCKS[section.choice("clock", CLOCKS, "min")],
        "encounter": section.text("encounter", "inpatient"),
        "visits": section.flag("visits"),
        "horizon": int(section.number("horizon") or 0),
    }
    columns = {
        "patient": events.needed_text("patient", "record_id"),
        "time": events.needed_text("time", "minute"),
        "code": events.text("code"),
        "value": events.text("value"),
        "person": people.needed_text("patient", "record_id"),
        "followed": people.text("followed"),
    }
    ascending = _chains(section)
    for one in (events, people, section):
        one.close()
    notebook.raise_as(MappingError)
    try:
        domain = Domain(
            items=tuple(item for item, _ in items if item),
            statics=tuple(variable for variable, _ in statics if variable),
            ascending=ascending,
            **head,  # type: ignore[arg-type]
        )
    except RequestError as error:
        notebook.add(top, str(error))
    notebook.raise_as(MappingError)
    places = tuple(place for _, place in items), tuple(place for _, place in statics)
    return EventMapping(domain, places[0], places[1], **columns, left_by=left_by, endings=endings)


def _section(top: Section, key: str) -> Section:
    value = top.need(key, "{patient: record_id}")
    if value is not None and not isinstance(value, Mapping):
        top.notebook.add(value, f"'{key}' is a block of 'key: value' lines.", "Write: {patient: record_id}")
    inside = value if isinstance(value, Mapping) else Mapping((), 1, 1)
    return Section(inside, f"'{key}'", top.notebook)


def _item(name: Scalar, section: Section) -> tuple[Item | None, Place]:
    done = section.choice("done", _EVENTS, "")
    variable, place = _variable(name, section, Kind.CONDITION if done else None)
    return (Item(variable, done or "observation") if variable else None), place


def _static(name: Scalar, section: Section) -> tuple[Variable | None, Place]:
    return _variable(name, section, None)


def _variable(name: Scalar, section: Section, fixed: Kind | None) -> tuple[Variable | None, Place]:
    column = section.needed_text("column", "HR")
    levels = tuple(one.text for one in section.texts("levels"))
    kind = fixed or Kind(
        section.choice("kind", ["quantity", "count", "condition"], "category" if levels else "quantity")
    )
    possible, precision = _numbers(section, "possible"), section.number("precision")
    cuts, unit, title = _numbers(section, "cuts"), section.text("unit"), section.text("title", name.text)
    codes = {system: section.text(system) for system in _SYSTEMS}
    values = _values(section, levels or ("no", "yes"))
    section.close()
    limits = Range(*possible) if len(possible) == 2 and possible[0] <= possible[1] else Range()
    try:
        variable = Variable(
            name.text,
            kind,
            title,
            check_unit(unit) if unit else "",
            levels,
            {system: code for system, code in codes.items() if code},
            limits,
            limits,
            cuts=cuts,
            precision=precision,
        )
    except (UnitError, ValueError) as error:
        section.notebook.add(name, f"{section.what}: {error}")
        return None, Place(column, values)
    return variable, Place(column, values)


def _values(section: Section, levels: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for key, value in section.entries("values"):
        written = value.text if isinstance(value, Scalar) else ""
        if written not in (*levels, MISSING):
            section.notebook.add(value, f"{section.what}: this is no level.", closest(written, (*levels, MISSING)))
        found[key.text] = written
    return found


def _numbers(section: Section, key: str) -> tuple[float, ...]:
    value = section.get(key)
    if value is None:
        return ()
    items: tuple[Value, ...] = value.items if isinstance(value, Sequence) else (value,)
    return tuple(
        number
        for item in items
        if (number := read_number(item, f"{section.what}: '{key}'", section.notebook)) is not None
    )


def _left_by(people: Section) -> tuple[str, dict[str, int]]:
    value = people.get("left-by")
    if not isinstance(value, Mapping):
        return "", {}
    section = Section(value, "'left-by'", people.notebook)
    column, endings = section.needed_text("column", "status"), {}
    for key, ending in section.entries("values"):
        written = ending.text if isinstance(ending, Scalar) else ""
        if written not in ENDINGS:
            people.notebook.add(ending, "'left-by': this is no ending.", closest(written, ENDINGS))
            continue
        endings[key.text] = ENDINGS.index(written)
    section.close()
    return column, endings


def _chains(section: Section) -> tuple[tuple[str, ...], ...]:
    value = section.get("ascending")
    if not isinstance(value, Sequence):
        return ()
    return tuple(_chain(item, section.notebook) for item in value.items)


def _chain(value: Value, notebook: Notebook) -> tuple[str, ...]:
    if isinstance(value, Sequence) and all(isinstance(one, Scalar) for one in value.items):
        return tuple(one.text for one in value.items if isinstance(one, Scalar))
    notebook.add(value, "A chain of ascending values is a list of items.", "Write: - [dbp, map, sbp]")
    return ()
