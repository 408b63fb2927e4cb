"""Reads ``aggregates.json``, and believes nothing: each mistake is told with its place in the file, a JSON path."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import (
    Aggregates,
    CodebookName,
    Difference,
    Kind,
    Part,
    Patients,
    Protection,
    Signature,
    Tier,
    Told,
)
from manikin.aggregates.writing import SCHEMA
from manikin.codebook import Bins
from manikin.errors import AggregatesError, closest

T = TypeVar("T")
_Choice = TypeVar("_Choice", bound=StrEnum)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MAX_TEXT = 10_000


def read(path: Path) -> Aggregates:
    """Return the aggregates in a file; its signature is not checked yet, see ``load``.

    Raises:
        AggregatesError: It holds no aggregates, or such as contradict themselves.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AggregatesError(f"The file can't be read: {error.strerror}. Check its name.", str(path)) from error
    except ValueError as error:
        raise AggregatesError("The file is not UTF-8 text. Is it a file of aggregates?", str(path)) from error
    return parse(text, str(path))


def parse(text: str, file: str = "aggregates.json") -> Aggregates:
    """Return the aggregates written in ``text``; errors call it ``file``.

    Raises:
        AggregatesError: It holds no aggregates, or such as contradict themselves.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once(file), parse_constant=_no_number(file))
    except json.JSONDecodeError as error:
        raise AggregatesError(f"This is not JSON: {error.msg}.", file, f"line {error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise AggregatesError("This is not JSON: a number is too long, or brackets nest too deep.", file) from error
    return _document(_Place(value, "$", file))


@dataclass(frozen=True)
class _Place:
    """A value in the file, where it stands, and what it may be."""

    value: Any
    at: str
    file: str

    def wrong(self, what: str) -> AggregatesError:
        """Return the error that tells what is wrong here."""
        return AggregatesError(what, self.file, self.at)

    def object(self, needed: str, allowed: str = "") -> _Place:
        """Make sure that this is an object with the keys ``needed``, and no others than those and ``allowed``."""
        self.entries()
        for key in needed.split():
            if key not in self.value:
                raise self.wrong(f"There is no '{key}' here.")
        known = [*needed.split(), *allowed.split()]
        for key in self.value:
            if key not in known:
                raise self.wrong(f"There is no setting '{_shown(key)}'. {closest(key, known)}")
        return self

    def entries(self) -> Iterator[tuple[str, _Place]]:
        """Return the entries of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("An object stands here: { … }.")
        return ((key, self / key) for key in self.value)

    def __truediv__(self, key: str) -> _Place:
        step = f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(_shown(key))}]"
        return _Place(self.value[key], self.at + step, self.file)

    def has(self, key: str) -> bool:
        """Return whether the object has an optional key."""
        return key in self.value

    def items(self) -> list[_Place]:
        """Return the items of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("A list stands here: [ … ].")
        return [_Place(one, f"{self.at}[{number}]", self.file) for number, one in enumerate(self.value)]

    def text(self, *, empty: bool = False) -> str:
        """Return a text of one line."""
        if not isinstance(self.value, str):
            raise self.wrong('A text stands here: "…".')
        if not (self.value.strip() or empty) or len(self.value) > MAX_TEXT:
            raise self.wrong(f"The text has 1 to {MAX_TEXT:,} letters.")
        if _CONTROL.search(self.value):
            raise self.wrong("The text holds a line break, another control character or half a letter. Remove it.")
        return self.value

    def number(self) -> float:
        """Return a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("A number stands here.")
        try:
            found = float(self.value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.wrong("The number is beyond all bounds.")
        return found

    def whole(self) -> int:
        """Return a whole number."""
        found = self.number()
        if not found.is_integer():
            raise self.wrong(f"A whole number stands here; got {found:g}.")
        return int(found)

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("true or false stands here.")
        return self.value

    def choice(self, kind: type[_Choice]) -> _Choice:
        """Return one of several words."""
        word, known = self.text(), [one.value for one in kind]
        if word not in known:
            raise self.wrong(f"'{_shown(word)}' is not known here. {closest(word, known)}")
        return kind(word)

    def optional(self, key: str, read: Callable[[_Place], T]) -> T | None:
        """Return the value of an optional key."""
        return read(self / key) if self.has(key) else None

    def made(self, make: Callable[[], T]) -> T:
        """Return what is made of the values here; what it refuses is told with this place."""
        try:
            return make()
        except AggregatesError as error:
            if error.at:  # the place of a value within this one, which is nearer
                raise
            raise self.wrong(error.what) from error


def _document(top: _Place) -> Aggregates:
    top.entries()
    if not top.has("schema"):
        raise top.wrong("These are no aggregates: there is no 'schema'.")
    if top.value["schema"] != SCHEMA:
        form = _shown(str(top.value["schema"]))
        raise (top / "schema").wrong(f"The form '{form}' is not known; this version of manikin reads '{SCHEMA}'.")
    top.object(
        "schema site source made codebook population privacy_unit neighbours protection tier patients variables aggregates",
        "parts differences signature",
    )
    codebook = (top / "codebook").object("name version bins")
    variables = {name: _bins(name, place) for name, place in (top / "variables").entries()}
    tables = tuple(_aggregate(place, variables) for place in (top / "aggregates").items())
    found = top.made(
        lambda: Aggregates(
            site=(top / "site").text(),
            source=(top / "source").text(),
            codebook=CodebookName((codebook / "name").text(), (codebook / "version").text()),
            population=(top / "population").text(),
            protection=_protection(top / "protection"),
            tier=(top / "tier").choice(Tier),
            patients=_patients(top / "patients"),
            aggregates=tables,
            made=_date(top / "made"),
            privacy_unit=(top / "privacy_unit").text(),
            neighbours=(top / "neighbours").text(),
            parts=tuple(_part(place) for place in (top / "parts").items()) if top.has("parts") else (),
            differences=(
                tuple(_difference(place) for place in (top / "differences").items()) if top.has("differences") else ()
            ),
            signature=top.optional("signature", _signature),
        )
    )
    for name, place in (top / "variables").entries():
        if name not in found.variables:
            raise place.wrong("No aggregate is about this variable.")
    if (codebook / "bins").text() != found.bins_digest:
        raise (codebook / "bins").wrong(
            "The digest is not that of the bins under 'variables': one of them was changed."
        )
    return found


def _bins(name: str, place: _Place) -> Bins:
    place.object("", "levels cuts unit step missing")
    if not name.strip() or _CONTROL.search(name):
        raise place.wrong("A variable has a name of one line.")
    if place.has("levels") == place.has("cuts"):
        raise place.wrong("A variable has 'levels' or 'cuts', one of the two.")
    levels = tuple(one.text() for one in (place / "levels").items()) if place.has("levels") else ()
    cuts = tuple(one.number() for one in (place / "cuts").items()) if place.has("cuts") else ()
    if place.has("levels") and not levels:
        raise (place / "levels").wrong("A category has a level or more.")
    if any(low >= high for low, high in itertools.pairwise(cuts)):
        raise (place / "cuts").wrong("Cuts ascend.")
    step = place.optional("step", _Place.number)
    if step is not None and step <= 0:
        raise (place / "step").wrong("A step is above 0.")
    unit, missing = place.optional("unit", _Place.text) or "", place.optional("missing", _Place.flag) or False
    found = Bins(name, levels, cuts, unit, step, missing)
    if len(set(found.labels)) < found.count:
        raise place.wrong("Two bins have the same label.")
    return found


def _aggregate(place: _Place, variables: dict[str, Bins]) -> Aggregate:
    place.object("attributes values noise mechanism", "rho receipt sites patients")
    axes = []
    for one in (place / "attributes").items():
        if one.text() not in variables:
            raise one.wrong(f"There is no variable '{_shown(one.text())}'. {closest(one.text(), variables)}")
        axes.append(variables[one.text()])
    sites = tuple(one.text() for one in (place / "sites").items()) if place.has("sites") else ()
    values = np.array(_values(place / "values", tuple(axes)), np.float64)
    return place.made(
        lambda: Aggregate(
            tuple(axes),
            values,
            (place / "noise").number(),
            (place / "mechanism").text(),
            place.optional("rho", _Place.number) or 0.0,
            place.optional("receipt", _Place.text) or "",
            sites,
            place.optional("patients", _Place.number),
        )
    )


def _values(place: _Place, axes: tuple[Bins, ...]) -> list[Any] | float:
    if not axes:
        return math.nan if place.value is None else place.number()
    items = place.items()
    if len(items) != axes[0].count:
        labels = ", ".join(axes[0].labels)
        raise place.wrong(f"'{axes[0].name}' has {axes[0].count} bins ({labels}); got {len(items)} values.")
    return [_values(one, axes[1:]) for one in items]


def _protection(place: _Place) -> Protection:
    place.object("kind", "epsilon delta rho total_epsilon ledger min_cell")
    return place.made(
        lambda: Protection(
            kind=(place / "kind").choice(Kind),
            epsilon=place.optional("epsilon", _Place.number),
            delta=place.optional("delta", _Place.number),
            rho=place.optional("rho", _Place.number),
            total_epsilon=place.optional("total_epsilon", _Place.number),
            ledger=place.optional("ledger", _Place.text) or "",
            min_cell=place.optional("min_cell", _Place.whole),
        )
    )


def _patients(place: _Place) -> Patients:
    place.object("number told noise")
    return place.made(
        lambda: Patients((place / "number").number(), (place / "told").choice(Told), (place / "noise").number())
    )


def _part(place: _Place) -> Part:
    place.object("site protection tier", "patients content key weight")
    return Part(
        site=(place / "site").text(),
        protection=_protection(place / "protection"),
        tier=(place / "tier").choice(Tier),
        patients=place.optional("patients", _patients),
        content=place.optional("content", _Place.text) or "",
        key=place.optional("key", _Place.text) or "",
        weight=place.optional("weight", _Place.number),
    )


def _difference(place: _Place) -> Difference:
    place.object("attributes sites q df p adjusted i_squared tau")
    return Difference(
        attributes=tuple(one.text() for one in (place / "attributes").items()),
        sites=tuple(one.text() for one in (place / "sites").items()),
        df=(place / "df").whole(),
        **{key: (place / key).number() for key in ("q", "p", "adjusted", "i_squared", "tau")},
    )


def _signature(place: _Place) -> Signature:
    place.object("algorithm key value")
    if (place / "algorithm").text() != "ed25519":
        raise (place / "algorithm").wrong("The one algorithm is ed25519.")
    return Signature((place / "key").text(), (place / "value").text())


def _date(place: _Place) -> date:
    try:
        if _DATE.fullmatch(place.text()):
            return date.fromisoformat(place.text())
    except ValueError:
        pass
    raise place.wrong("A date stands here, such as 2026-01-31.")


def _shown(text: str) -> str:
    """Return a text from the file that can be shown anywhere."""
    return _CONTROL.sub("?", text[:60])


def _once(file: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise AggregatesError(f"'{_shown(twice)}' stands twice in one object. Remove one of them.", file)
        return found

    return build


def _no_number(file: str) -> Callable[[str], float]:
    def refuse(word: str) -> float:
        raise AggregatesError(f"{word} is no number of JSON. Write null for a cell that is not told.", file)

    return refuse
