"""Changes to a model file: a place in it by its path, and what is to stand there instead.

``parameters.drift: "* 2"``, ``pathway.tests.hba1c_test.resulted: 15 min``: a path names blocks, separated by dots, and
an item of a list by what it is about (``then.treat``) or by its number from 1. The value replaces what stands there, or
changes it relatively.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from manikin.clinic.distributions import FAMILIES
from manikin.clinic.grammar import DURATIONS, ExpressionError, Tree, parse
from manikin.document import Mapping, Scalar, Sequence, Value, plain, shortened
from manikin.errors import closest

# What says who a cohort is and what must hold of it can't be changed: a scenario would be another model, or be undone.
FIXED = {
    "model": "names the model",
    "version": "names the model",
    "title": "names the model",
    "index": "says what the model is about",
    "not-for": "says what the model is about",
    "population": "says who the patients are, who are the same in every scenario",
    "intent": "says what the model is for",
    "standards": "serve targets",
    "targets": "say how the world is today",
    "calibrate": "is done once, for the model as published; done again, it would undo the change",
}

# What takes something out of the model file.
REMOVED = "removed"

# What names an item of a list, by which a path finds it.
_NAMES = ("go", "test", "entry")

_STEP = re.compile(r"(?<!\.)\.(?!\.)")
_RELATIVE = re.compile(
    r"(?:(?P<sign>[*/])\s*|(?P<sum>[+-])\s+|(?P<plus>\+))(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>%|[a-z]+)?"
)
_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<space>\s*)(?P<unit>%|[a-z]+)?")
_WRAPPERS = ("truncated",)
_LOCATIONS = ("median", "mean")


class ChangeError(Exception):
    """A change that can't be made; ``study.scenarios`` tells it with its place."""

    def __init__(self, what: str, suggestion: str = "") -> None:
        """Say what is wrong, and what would be right."""
        super().__init__(what)
        self.what, self.suggestion = what, suggestion


@dataclass(frozen=True)
class Relative:
    """A change of a number by a factor or by something added, which may be a time."""

    sign: str
    number: float
    unit: str = ""

    @classmethod
    def read(cls, text: str) -> Relative | None:
        """Return the change that a text says, such as ``* 0.5``, ``+ 20%`` or ``- 5 min``; None where it says none."""
        found = _RELATIVE.fullmatch(text.strip())
        if found is None:
            return None
        sign, number, unit = found["sign"] or found["sum"] or found["plus"], float(found["number"]), found["unit"] or ""
        if unit == "%" and sign in "+-":
            return cls("*", 1 + number / 100 if sign == "+" else 1 - number / 100)
        return cls(sign, number / 100 if unit == "%" else number, "" if unit == "%" else unit)

    def of(self, value: float) -> float:
        """Return a number changed."""
        if self.sign == "/":
            if self.number == 0:
                raise ChangeError("Nothing can be divided by 0.", 'Write, for example: "/ 2"')
            return value / self.number
        return value * self.number if self.sign == "*" else value + self.number * (1 if self.sign == "+" else -1)

    def applied(self, text: str) -> str:
        """Return an expression of the model language changed.

        Of a number or a time that number, of a distribution its median or mean, of anything else the whole.
        """
        tree = _tree(text)
        if tree.kind == "call" and tree.text in (*FAMILIES, *_WRAPPERS):
            place = _location(tree)
            return text[: place.offset] + self._quantity(text[place.offset :], whole=False)
        if _QUANTITY.fullmatch(text.strip()):
            return self._quantity(text.strip(), whole=True)
        term = f"{_figure(self.number)}{f' {self.unit}' if self.unit else ''}"
        return f"({text}) {self.sign} {term}"

    def _quantity(self, text: str, whole: bool) -> str:
        found = _QUANTITY.match(text)
        if found is None:
            raise ChangeError(f"'{text}' doesn't begin with a number.", "Write out what is to stand there.")
        unit = found["unit"] or ""
        if not whole and unit not in DURATIONS and unit != "%":
            found = re.compile(_QUANTITY.pattern.partition("(?P<space>")[0]).match(text)
            assert found is not None
            unit = ""
        shift = self
        if self.unit:
            if self.unit not in DURATIONS or unit not in DURATIONS:
                raise ChangeError(
                    f"'{self.sign} {_figure(self.number)} {self.unit}' is added to '{found[0].strip()}', which has another unit.",
                    "Add a time to a time, or write out what is to stand there.",
                )
            shift = replace(self, number=self.number * DURATIONS[self.unit] / DURATIONS[unit], unit="")
        elif self.sign in "+-" and unit == "%":
            shift = replace(self, number=self.number * 100)
        elif self.sign in "+-" and unit in DURATIONS:
            raise ChangeError(
                f"'{self.sign} {_figure(self.number)}' has no unit, and is added to a time.",
                f"Write, for example: {self.sign} {_figure(self.number)} {unit}",
            )
        changed = _figure(shift.of(float(found["number"])))
        return changed + found[0][len(found["number"]) :] + text[found.end() :]


def _tree(text: str) -> Tree:
    # A percentage is a number with a sign after it, which expressions don't know everywhere.
    if _QUANTITY.fullmatch(text.strip()):
        return Tree("number", text, 0)
    try:
        return parse(text)
    except ExpressionError as error:
        raise ChangeError(
            f"What stands there, '{text}', is neither a number nor an expression.", "Write out what is to stand there."
        ) from error


def _location(tree: Tree) -> Tree:
    """Return the median or mean of a distribution, as it is written."""
    if tree.text in _WRAPPERS and tree.children:
        return _location(tree.children[0])
    if tree.kind == "call" and tree.text in FAMILIES:
        names = tree.names if any(tree.names) else FAMILIES[tree.text].spellings[0]
        if len(tree.children) == len(names) <= 2 and names[0] in _LOCATIONS:
            place = tree.children[0]
            if place.kind in ("number", "duration"):
                return place
            raise ChangeError(
                f"The {names[0]} of {tree.text}() isn't a plain number here.",
                "Write out the whole distribution, or change what its value is computed from.",
            )
    raise ChangeError(
        f"{tree.text}() is not written with its median or mean first.", "Write out the whole distribution."
    )


def _figure(value: float) -> str:
    """Return a number as a person writes it, without traces of binary fractions."""
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    return text if float(text) or not value else f"{value:.10g}"


# --- places -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What is to stand at a path of a model file: a text, a list or a block, as YAML has it without places."""

    path: str
    value: object

    def __str__(self) -> str:
        """Return the change as a line."""
        return f"{self.path}: {told(self.value)}"


def told(value: object) -> str:
    """Return a value as one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {told(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(told, value)) + "]" if isinstance(value, list) else str(value)


def place_of(top: Mapping, path: str) -> tuple[str, Value | None]:
    """Return the whole path that is meant, and what stands there; None where nothing does yet.

    Raises:
        ChangeError: The path leads nowhere.
    """
    fixed = path.partition(".")[0]
    if fixed in FIXED:
        raise ChangeError(f"'{fixed}' {FIXED[fixed]}, and can't be changed by a scenario.", _changeable(top))
    done: list[str] = []
    here: Value | None = top
    rest = path
    while rest:
        if here is None or isinstance(here, Scalar):
            raise ChangeError(_lacks(done, rest), _inside(done, here))
        word, rest, here = _step(here, rest, done)
        done.append(word)
    return ".".join(done), here


def put(value: Value, path: str, new: Value | None) -> Value:
    """Return a document with ``new`` at a path that ``place_of`` found, or with nothing there."""
    word, rest, there = _step(value, path, [])
    inner = new if not rest else put(there, rest, new) if there is not None else None
    if isinstance(value, Mapping):
        entries = [(key, inner if key.text == word else item) for key, item in value.entries]
        if word not in _words(value) and inner is not None:
            entries.append((Scalar(word, inner.line, inner.column), inner))
        return replace(value, entries=tuple((key, item) for key, item in entries if item is not None))
    assert isinstance(value, Sequence)
    items = (inner if item is there else item for item in value.items)
    return replace(value, items=tuple(item for item in items if item is not None))


def _step(here: Value, path: str, done: list[str]) -> tuple[str, str, Value | None]:
    """Return the first word of a path, what is left of it, and what stands there."""
    if isinstance(here, Mapping):
        keys = sorted((key for key in _words(here) if path == key or path.startswith(f"{key}.")), key=len)
        word = keys[-1] if keys else _STEP.split(path)[0]
        rest = path[len(word) + 1 :]
        found = next((item for key, item in here.entries if key.text == word), None)
        if found is None and (rest or not word):
            raise ChangeError(_lacks(done, word), _possible(done, word, here.keys()))
        return word, rest, found
    assert isinstance(here, Sequence)
    word, _, rest = path.partition(".")
    names = list(_named(here))
    numbers = [str(number + 1) for number in range(len(here.items))]
    if names.count(word) > 1:
        which = " or ".join(str(number + 1) for number, name in enumerate(names) if name == word)
        raise ChangeError(
            f"'{'.'.join([*done, word])}' stands there {names.count(word)} times.", f"Say which by its number: {which}."
        )
    if word not in names and word not in numbers:
        raise ChangeError(
            _lacks(done, word),
            _possible(done, word, [name or number for name, number in zip(names, numbers, strict=True)]),
        )
    return word, rest, here.items[names.index(word) if word in names else int(word) - 1]


def _words(block: Mapping) -> list[str]:
    return block.keys()


def _named(items: Sequence) -> Iterator[str]:
    """Yield what each item of a list is about, an empty text where nothing says."""
    for item in items.items:
        entries = dict((key.text, one) for key, one in item.entries) if isinstance(item, Mapping) else {}
        name = item if isinstance(item, Scalar) else next((entries[key] for key in _NAMES if key in entries), None)
        yield name.text if isinstance(name, Scalar) else ""


def _lacks(done: list[str], word: str) -> str:
    return f"the model has no '{'.'.join([*done, word])}'."


def _possible(done: list[str], word: str, known: list[str]) -> str:
    """Return what was possible at a place, the nearest of it first."""
    known = list(dict.fromkeys(known))
    near = closest(word, known).partition("?")[0] if "Did you mean" in closest(word, known) else ""
    before = ".".join([*done, ""])
    meant = near.removeprefix("Did you mean '").removesuffix("'")
    hint = f"Did you mean '{before}{meant}'? " if near else ""
    return f"{hint}It has: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}."


def _inside(done: list[str], here: Scalar | None) -> str:
    place = ".".join(done)
    stands = f"'{shortened(here.text)}' stands" if here else "nothing stands"
    return f"At '{place}' {stands}, with nothing in it. Give '{place}' itself another value."


def _changeable(top: Mapping) -> str:
    return f"What can be changed: {', '.join(key for key in _words(top) if key not in FIXED)}."


def missing(top: Mapping, path: str) -> ChangeError:
    """Return the error for a path at which nothing stands, though something should."""
    parent, _, word = path.rpartition(".")
    there = place_of(top, parent)[1] if parent else top
    known = [key for key in _words(there) if key != word] if isinstance(there, Mapping) else []
    return ChangeError(_lacks([parent] if parent else [], word), _possible([parent] if parent else [], word, known))


def changed(top: Mapping, path: str, value: Value) -> Mapping:
    """Return a model's document with a change made in it.

    Raises:
        ChangeError: The change can't be made there; whether the model still makes sense is for its reader to say.
    """
    path, there = place_of(top, path)
    text = value.text.strip() if isinstance(value, Scalar) else ""
    relative = Relative.read(text) if isinstance(value, Scalar) else None
    removed = isinstance(value, Scalar) and text == REMOVED
    if isinstance(value, Scalar) and isinstance(there, Mapping) and "value" in _words(there) and not removed:
        # A parameter is a block with a value in it.
        path, there = place_of(top, f"{path}.value")
    if there is None and (relative or removed or _among_blocks(top, path, value)):
        raise missing(top, path)
    if isinstance(value, Scalar) and not text:
        raise ChangeError(f"'{path}' is given nothing.", f"Write what is to stand there, or '{REMOVED}'.")
    new: Value | None = None if removed else value
    if relative is not None:
        if not isinstance(there, Scalar):
            raise ChangeError(
                f"'{path}' is a {'list' if isinstance(there, Sequence) else 'block'}, and '{text}' changes a number.",
                _possible(path.split("."), "", there.keys()) if isinstance(there, Mapping) else "Write out the list.",
            )
        assert isinstance(value, Scalar)
        new = replace(value, text=relative.applied(there.text))
    elif isinstance(there, Mapping | Sequence) and isinstance(value, Scalar) and not removed and _strict(there):
        raise ChangeError(
            f"'{path}' is a block, and '{text}' is one value.",
            _possible(path.split("."), "", there.keys()) if isinstance(there, Mapping) else "Write a list.",
        )
    found = put(top, path, new)
    assert isinstance(found, Mapping)
    return found


def _among_blocks(top: Mapping, path: str, value: Value) -> bool:
    """Return whether one value would stand among blocks that all have names, so that the name must be misspelt."""
    parent = place_of(top, path.rpartition(".")[0])[1] if "." in path else top
    named = isinstance(parent, Mapping) and all(isinstance(item, Mapping) for _, item in parent.entries)
    return named and not isinstance(value, Mapping)


def _strict(there: Mapping | Sequence) -> bool:
    """Return whether a block can't be put in the words of one value."""
    return isinstance(there, Mapping) and any(not isinstance(item, Scalar) for _, item in there.entries)


def before(top: Mapping, path: str) -> object:
    """Return what stands at a path of a model file, or None."""
    path, there = place_of(top, path)
    if isinstance(there, Mapping) and "value" in _words(there):
        return plain(place_of(top, f"{path}.value")[1] or there)
    return None if there is None else plain(there)
