"""Reads the block ``measure`` of a study, so that every mistake is told with its place.

Whoever measures inside an institution takes from it what is asked and how much of a patient may count; a study that
only makes patients does without.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from manikin.aggregates import WEIGHTS, Bound, EventPlan, MeasurePlan
from manikin.aggregates.plan import FIRST, LAST
from manikin.document import Mapping, Notebook, Scalar, Section, Sequence, Value, read_number
from manikin.errors import BudgetError, RequestError, closest
from manikin.privacy import Budget

_EXAMPLE = (
    "Write, for example: measure: {variables: [age, sex], pairs: [[age, sex]], budget: {epsilon: 4, delta: 1e-6}}"
)


def read_measure(value: Value | None, known: Collection[str] | None, notebook: Notebook) -> MeasurePlan | None:
    """Return the plan written at ``value``, None where there is none; mistakes go into the notebook.

    Args:
        value: What stands under ``measure``.
        known: The variables of the study's model that stand in the data; None where the model is not known.
        notebook: Where mistakes are told.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        notebook.add(value, "'measure' is a block of what is asked.", _EXAMPLE)
        return None
    noted = len(notebook.mistakes)
    section = Section(value, "'measure'", notebook)
    asked = _asked(section, known)
    found = {**asked, "budget": _budget(section), "weights": _weights(section), "events": _events(section)}
    section.close()
    if len(notebook.mistakes) > noted:
        return None
    try:
        return MeasurePlan(**found)
    except RequestError as error:
        notebook.add(value, f"'measure': {error}")
        return None


def _asked(section: Section, known: Collection[str] | None) -> dict[str, Any]:
    lists = {key: section.texts(key) for key in ("variables", "outcomes", "complete")}
    groups = {key: _groups(section, key) for key in ("pairs", "triples")}
    for name in (
        *(one for names in lists.values() for one in names),
        *(one for key in groups.values() for group in key for one in group),
    ):
        if known is not None and name.text not in known:
            section.notebook.add(name, f"The model's data has no variable '{name.text}'.", closest(name.text, known))
    return {
        **{key: _texts(names) for key, names in lists.items()},
        **{key: tuple(_texts(group) for group in found) for key, found in groups.items()},
        "rows": section.choice("rows", (FIRST, LAST), FIRST),
        "clipped": section.flag("clipped"),
    }


def _budget(section: Section) -> Budget | None:
    inner = _inner(section, "budget")
    if inner is None:
        return None
    inner.need("epsilon", "4")
    inner.need("delta", "1e-6")
    epsilon, delta = inner.number("epsilon"), inner.number("delta")
    inner.close()
    if epsilon is None or delta is None:
        return None
    try:
        return Budget(epsilon, delta)
    except BudgetError as error:
        inner.notebook.add(inner.mapping, f"'budget': {error}")
        return None


def _weights(section: Section) -> dict[str, float]:
    inner = _inner(section, "weights")
    if inner is None:
        return {}
    found = {key: number for key in WEIGHTS if (number := inner.number(key)) is not None}
    inner.close()
    return found


def _events(section: Section) -> EventPlan | None:
    inner = _inner(section, "events")
    if inner is None:
        return None
    most = {key.text: _whole(value, "'most'", inner.notebook) for key, value in inner.entries("most")}
    bounds = {key: _bound(inner, key) for key in ("transitions", "gaps", "dwells", "visits")}
    found = {
        "items": _texts(inner.texts("items")),
        "counts": _numbers(inner, "counts"),
        "followed": _numbers(inner, "followed"),
        "missingness": tuple(_texts(group) for group in _groups(inner, "missingness")),
    }
    inner.close()
    try:
        plan = EventPlan(**found, most=most, **bounds)  # type: ignore[arg-type]
    except RequestError as error:
        inner.notebook.add(inner.mapping, f"'events': {error}")
        return None
    return plan if plan.written() else None


def _bound(section: Section, key: str) -> Bound | None:
    inner = _inner(section, key)
    if inner is None:
        return None
    most = inner.need("most", "10")
    found = 1 if most is None else _whole(most, f"'{key}': 'most'", inner.notebook)
    cuts = _numbers(inner, "cuts")
    inner.close()
    try:
        return Bound(found, cuts)
    except RequestError as error:
        inner.notebook.add(inner.mapping, f"'{key}': {error}")
        return None


def _inner(section: Section, key: str) -> Section | None:
    value = section.get(key)
    if value is None:
        return None
    if isinstance(value, Mapping):
        return Section(value, f"'{key}'", section.notebook)
    section.notebook.add(value, f"{section.what}: '{key}' is a block of 'key: value' lines.")
    return None


def _groups(section: Section, key: str) -> tuple[tuple[Scalar, ...], ...]:
    value = section.get(key)
    if value is None:
        return ()
    items: tuple[Value, ...] = value.items if isinstance(value, Sequence) else (value,)
    found = []
    for item in items:
        if isinstance(item, Sequence) and all(isinstance(one, Scalar) for one in item.items):
            found.append(tuple(one for one in item.items if isinstance(one, Scalar)))
        else:
            section.notebook.add(item, f"{section.what}: '{key}' is a list of lists.", f"Write: {key}: [[age, sex]]")
    return tuple(found)


def _numbers(section: Section, key: str) -> tuple[float, ...]:
    value = section.get(key)
    if value is None:
        return ()
    items: tuple[Value, ...] = value.items if isinstance(value, Sequence) else (value,)
    read = (read_number(item, f"{section.what}: '{key}'", section.notebook) for item in items)
    return tuple(number for number in read if number is not None)


def _whole(value: Value, what: str, notebook: Notebook) -> int:
    number = read_number(value, what, notebook)
    if number is None:
        return 1
    if number < 1 or number != math.floor(number):
        notebook.add(value, f"{what} is a whole number of 1 or more.")
        return 1
    return int(number)


def _texts(names: tuple[Scalar, ...]) -> tuple[str, ...]:
    return tuple(one.text for one in names)
