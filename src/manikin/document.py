"""YAML that a person wrote, read so that every mistake can be told with its place.

Scalars stay text until somebody says what they should be, so that no reader of YAML turns a code into a number or
``no`` into a condition.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from manikin.errors import FileError, Mistake, closest

T = TypeVar("T")

_NUMBER = re.compile(r"[+-]?(\d++(\.\d*+)?|\.\d++)([eE][+-]?\d+)?")

# Far beyond any clinical model; a file whose anchors multiply into more is refused before it fills the memory.
MAX_DEPTH, MAX_NODES = 40, 100_000


@dataclass(frozen=True)
class Scalar:
    """A text and where it stands."""

    text: str
    line: int
    column: int


@dataclass(frozen=True)
class Sequence:
    """A list and where it stands."""

    items: tuple[Value, ...]
    line: int
    column: int


@dataclass(frozen=True)
class Mapping:
    """Keys with their values, in the order written, and where each stands."""

    entries: tuple[tuple[Scalar, Value], ...]
    line: int
    column: int

    def keys(self) -> list[str]:
        """Return the keys as text."""
        return [key.text for key, _ in self.entries]


Value = Scalar | Sequence | Mapping


@dataclass
class Notebook:
    """Where the mistakes found in one file are collected, so that all are told at once."""

    path: str
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, at: Value, what: str, suggestion: str = "", shift: int = 0) -> None:
        """Note a mistake at a value, ``shift`` characters into it."""
        self.mistakes.append(Mistake(at.line, at.column + shift, what, suggestion))

    def raise_as(self, error: type[FileError]) -> None:
        """Raise ``error`` with all mistakes, if there are any."""
        if self.mistakes:
            raise error(self.path, self.mistakes)


class Section:
    """A mapping being read: ask for its keys, then ``close`` it, and unknown keys are told with a suggestion."""

    def __init__(self, mapping: Mapping, what: str, notebook: Notebook) -> None:
        """Read ``mapping``, which errors call ``what``."""
        self.mapping = mapping
        self.what = what
        self.notebook = notebook
        self._values = {key.text: value for key, value in mapping.entries}
        self._known: list[str] = []

    def get(self, key: str) -> Value | None:
        """Return the value of an optional key."""
        self._known.append(key)
        return self._values.get(key)

    def need(self, key: str, example: str) -> Value | None:
        """Return the value of a key that has to be there."""
        value = self.get(key)
        if value is None:
            self.notebook.add(self.mapping, f"{self.what} has no '{key}'.", f"Write, for example: {key}: {example}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """Return an optional text."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, Scalar) or not value.text.strip():
            self.notebook.add(value, f"{self.what}: '{key}' is a text.", f"Write, for example: {key}: some words")
            return default
        return " ".join(value.text.split())

    def needed_text(self, key: str, example: str) -> str:
        """Return a text that has to be there."""
        return "" if self.need(key, example) is None else self.text(key)

    def number(self, key: str) -> float | None:
        """Return an optional number."""
        value = self.get(key)
        return None if value is None else read_number(value, f"{self.what}: '{key}'", self.notebook)

    def flag(self, key: str) -> bool:
        """Return an optional yes or no; no when absent."""
        value = self.get(key)
        if value is None:
            return False
        if isinstance(value, Scalar) and value.text in ("true", "false", "yes", "no"):
            return value.text in ("true", "yes")
        self.notebook.add(value, f"{self.what}: '{key}' is yes or no.", f"Write: {key}: yes")
        return False

    def choice(self, key: str, known: Iterable[str], default: str) -> str:
        """Return one of ``known``."""
        value = self.get(key)
        if value is None:
            return default
        known = list(known)
        if isinstance(value, Scalar) and value.text in known:
            return value.text
        written = value.text if isinstance(value, Scalar) else "this"
        self.notebook.add(value, f"{self.what}: '{written}' is no {key}.", closest(written, known))
        return default

    def texts(self, key: str) -> tuple[Scalar, ...]:
        """Return an optional list of texts; one text stands for a list of one."""
        value = self.get(key)
        if value is None:
            return ()
        items = value.items if isinstance(value, Sequence) else (value,)
        for item in items:
            if not isinstance(item, Scalar):
                self.notebook.add(item, f"{self.what}: '{key}' is a list of texts.", f"Write: {key}: [one, two]")
        return tuple(item for item in items if isinstance(item, Scalar))

    def sections(self, key: str, what: Callable[[str], str] = str) -> Iterator[tuple[Scalar, Section]]:
        """Yield the entries of a mapping of mappings."""
        for name, value in self.entries(key):
            if isinstance(value, Mapping):
                yield name, Section(value, what(name.text), self.notebook)
            else:
                self.notebook.add(
                    value, f"{what(name.text)} is a block of 'key: value' lines.", f"Indent them under '{name.text}:'."
                )

    def entries(self, key: str) -> tuple[tuple[Scalar, Value], ...]:
        """Return the entries of an optional mapping."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, Mapping):
            self.notebook.add(
                value, f"{self.what}: '{key}' is a block of 'name: value' lines.", f"Indent them under '{key}:'."
            )
            return ()
        return value.entries

    def close(self) -> None:
        """Tell which keys nobody asked for."""
        for key, _ in self.mapping.entries:
            if key.text not in self._known:
                self.notebook.add(key, f"{self.what} has no setting '{key.text}'.", closest(key.text, self._known))


def read_number(value: Value, what: str, notebook: Notebook) -> float | None:
    """Return a scalar as a number; ``%`` divides by 100."""
    if isinstance(value, Scalar):
        text = value.text.strip()
        share = text.endswith("%")
        if _NUMBER.fullmatch(text.removesuffix("%").strip()):
            number = float(text.removesuffix("%")) / (100 if share else 1)
            if math.isfinite(number):
                return number
        notebook.add(
            value, f"{what} is a number; got '{shortened(text)}'.", "Write it with a point: 0.5, 12, 3.1e-4 or 12%."
        )
    else:
        notebook.add(value, f"{what} is a number.", "Write one number, not a list or a block.")
    return None


def shortened(text: str) -> str:
    """Return a text short enough to quote."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def load(path: Path, error: type[FileError]) -> tuple[Mapping, Notebook, str]:
    """Read a YAML file whose top is a mapping.

    Raises:
        FileError: As the class ``error``, when the file is missing, is no UTF-8 text, is no YAML, repeats a key or
            holds something other than ``key: value`` lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(
            str(path), [Mistake(1, 1, f"The file can't be read: {problem.strerror}.", "Check its name.")]
        ) from problem
    except UnicodeDecodeError as problem:
        raise error(str(path), [Mistake(1, 1, "The file is not UTF-8 text.", "Save it as UTF-8.")]) from problem
    except ValueError as problem:
        raise error(str(path), [Mistake(1, 1, f"The file can't be read: {problem}.", "Check its name.")]) from problem
    return (*parse(text, str(path), error), text)


def parse(text: str, path: str, error: type[FileError]) -> tuple[Mapping, Notebook]:
    """Read YAML text whose top is a mapping; ``path`` is what errors call it."""
    notebook = Notebook(path)
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        last = text.count("\n") + 1
        if line > last:  # the parser counts the end of a last line that is not ended
            line, column = last, len(text) - text.rfind("\n")
        tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        what = f"This is not YAML: {'a tab stands here' if tab else problem.problem or problem.context}."
        raise error(
            path, [Mistake(line, column, what, "Indent with spaces, and check the colons and brackets around it.")]
        ) from problem
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise error(path, [Mistake(1, 1, f"This is not YAML: {problem}.", "Save it as plain text.")]) from problem
    try:
        value = _value(node, notebook, itertools.count(1)) if node is not None else Scalar("", 1, 1)
    except _TooLargeError as problem:
        raise error(path, [problem.mistake]) from problem
    if not isinstance(value, Mapping):
        notebook.add(value, "The file is a block of 'key: value' lines.", "Begin with a line such as  model: my-model")
    notebook.raise_as(error)
    assert isinstance(value, Mapping)
    return value, notebook


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TooLargeError(Exception):
    """A file that grows beyond bounds as its anchors are followed."""

    def __init__(self, line: int, column: int, what: str) -> None:
        super().__init__(what)
        self.mistake = Mistake(line, column, what, "Write it out without anchors (&, *).")


def _value(node: yaml.Node, notebook: Notebook, count: Iterator[int], depth: int = 0) -> Value:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if depth > MAX_DEPTH:
        raise _TooLargeError(line, column, f"The file nests deeper than {MAX_DEPTH} levels.")
    if next(count) > MAX_NODES:
        raise _TooLargeError(line, column, f"The file holds more than {MAX_NODES:,} values.")
    if isinstance(node, yaml.MappingNode):
        entries = []
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = _value(key_node, notebook, count, depth + 1)
            if not isinstance(key, Scalar):
                notebook.add(key, "A key is a text.", "Write  key: value")
                continue
            if key.text in seen:
                notebook.add(key, f"'{key.text}' stands twice; first in line {seen[key.text]}.", "Remove one of them.")
            seen[key.text] = key.line
            entries.append((key, _value(value_node, notebook, count, depth + 1)))
        return Mapping(tuple(entries), line, column)
    if isinstance(node, yaml.SequenceNode):
        return Sequence(tuple(_value(item, notebook, count, depth + 1) for item in node.value), line, column)
    # A quoted text begins after its quote, so that places inside it are right.
    quoted = getattr(node, "style", None) in ("'", '"')
    return Scalar(str(node.value), line, column + quoted)


def write(value: Value) -> str:
    """Return a value as YAML that ``parse`` reads as the same: blocks of one line where nothing in them is nested."""
    return yaml.serialize(_node(value), Dumper=_DUMPER, allow_unicode=True, width=10_000)


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _node(value: Value) -> yaml.Node:
    if isinstance(value, Scalar):
        # The tag of whatever the text looks like, so that nothing is quoted which needs no quotes to stay text.
        tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, value.text, (True, False))  # type: ignore[no-untyped-call]
        return yaml.ScalarNode(tag, value.text)
    if isinstance(value, Sequence):
        return yaml.SequenceNode(
            "tag:yaml.org,2002:seq", [_node(item) for item in value.items], flow_style=_flat(value)
        )
    pairs = [(_node(key), _node(item)) for key, item in value.entries]
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=_flat(value))


def _flat(value: Mapping | Sequence) -> bool:
    inside = value.items if isinstance(value, Sequence) else [item for _, item in value.entries]
    return all(isinstance(item, Scalar) for item in inside)


def plain(value: Value) -> Any:
    """Return a value without its places, as texts, lists and dictionaries."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Sequence):
        return [plain(item) for item in value.items]
    return {key.text: plain(item) for key, item in value.entries}


def pairs(one: Value, other: Value) -> Iterator[tuple[Value, Value]]:
    """Yield the values that stand at equal places of two documents of one shape, keys included."""
    yield one, other
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        for mine, theirs in zip(one.items, other.items, strict=True):
            yield from pairs(mine, theirs)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for (key, mine), (same, theirs) in zip(one.entries, other.entries, strict=True):
            yield key, same
            yield from pairs(mine, theirs)
