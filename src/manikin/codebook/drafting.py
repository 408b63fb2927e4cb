"""Drafts a codebook from a data dictionary: all that is told is filled in, and what a person must decide is marked.

Bins above all: they stand at decision thresholds and reference limits, which no dictionary knows and no data may show.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from manikin.codebook.dictionary import Described
from manikin.codebook.units import ucum_of
from manikin.codebook.variable import Kind
from manikin.errors import RequestError, UnitError

TODO = "TODO"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./+()-]*")
_YAML_WORDS = ("yes", "no", "true", "false", "null", "on", "off", "y", "n")
_IDENTIFYING = re.compile(
    r"(^|_)(id|identifier|mrn|ssn|nhs|name|surname|firstname|lastname|email|phone|address|street|zip|zipcode|postcode)($|_)"
)


def draft(name: str, described: Sequence[Described], source: str) -> str:
    """Return the text of a codebook file.

    Args:
        name: What the codebook is called.
        described: What a dictionary says of each variable.
        source: The file it came from, for the first line.

    Raises:
        RequestError: Two variables come to the same name.
    """
    blocks: list[str] = []
    taken: dict[str, str] = {}
    for one in described:
        own = _name(one.name)
        if own in taken:
            raise RequestError(f"'{taken[own]}' and '{one.name}' would both be called '{own}'. Rename one of them.")
        taken[own] = one.name
        blocks.append("\n".join(_block(own, one)))
    if all(block.lstrip().startswith("#") for block in blocks):
        raise RequestError(f"{source} describes nothing that can be counted: no number, category or condition.")
    body = "\n".join(
        [
            f"codebook: {_text(name)}",
            "version: 0.1.0",
            f"title: {_text(name)}  # {TODO}: what this is about, in words",
            f"population: {TODO}  # {TODO}: whose records the table holds",
            "variables:",
            *blocks,
        ]
    )
    return "\n".join([*_head(source, body.count(f"# {TODO}")), body, ""])


def _head(source: str, marks: int) -> list[str]:
    return [
        f"# A codebook, drafted from {source}. {marks} places are marked {TODO}: what stands there is for a person to",
        "# decide. Bins stand at decision thresholds and reference limits, never at what the records happen to hold;",
        "# with `disclosure: identifying` or `quasi-identifying`, say which variables tell who somebody is.",
        "# Then: manikin check FILE",
    ]


def _block(name: str, one: Described) -> list[str]:
    if one.kind is None or one.kind is Kind.DATE:
        return [f"  # {TODO}: '{_comment(one.name)}' is left out: {_comment(one.remark or 'a date')}."]
    if _IDENTIFYING.search(name):
        return [f"  # {TODO}: '{_comment(one.name)}' is left out: by its name it says who somebody is."]
    lines = [f"  {name}:"]
    if _cleaned(one.title):
        lines.append(f"    title: {_text(one.title)}")
    if name != one.name:
        lines.append(f"    note: {_text(f'column {one.name} of the table')}")
    lines.append(f"    kind: {one.kind.value}")
    return [*lines, *(_levels(one) if one.kind is Kind.CATEGORY else _scale(one) if _numeric(one) else [])]


def _numeric(one: Described) -> bool:
    return one.kind in (Kind.COUNT, Kind.QUANTITY)


def _levels(one: Described) -> list[str]:
    names = [_level(level) for level in one.levels]
    if len(set(names)) < len(names):
        names = [_cleaned(level) for level in one.levels]
    lines = [f"    values: [{', '.join(map(_text, names))}]"]
    if len(set(names)) < max(2, len(names)) or not all(names):
        return [*lines[:-1], f"    values: [one, other]  # {TODO}: name two levels or more, each once"]
    if one.coded:
        coded = (f"{_comment(code)} {_comment(own)}" for code, own in zip(one.coded, names, strict=True))
        lines.append(f"    # in the table: {', '.join(coded)}; the mapping says so, see docs/comparing.md")
    if all(re.fullmatch(r"[0-9.]+", level) for level in names):
        lines[0] += f"  # {TODO}: name the levels by what they mean"
    return lines


def _scale(one: Described) -> list[str]:
    lines = _unit(one)
    if one.kind is Kind.QUANTITY:
        lines.append(f"    precision: 0.1  # {TODO}: the step to which it is reported")
    low, high = (_number(end) if math.isfinite(end) else "" for end in (one.low, one.high))
    if low or high:
        missing = f"  # {TODO}: the other end, beyond which no living person is" if not (low and high) else ""
        lines.append(f"    limits: {{possible: {low}..{high}}}{missing}")
    else:
        lines.append(f"    # {TODO}: limits: {{possible: 0..100}}, beyond which no living person is")
    lines.append(f"    bins: []  # {TODO}: inner edges, at decision thresholds and reference limits")
    return lines


def _unit(one: Described) -> list[str]:
    if not one.unit:
        return [f'    unit: "1"  # {TODO}: the unit, in UCUM'] if one.kind is Kind.QUANTITY else []
    try:
        return [f"    unit: {json.dumps(ucum_of(one.unit))}"]
    except UnitError:
        return [f"    unit: \"1\"  # {TODO}: '{_comment(one.unit)}' is no unit of UCUM"]


def _name(text: str) -> str:
    """Return a name that the language allows: small letters, digits and underscores."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text.strip())
    plain = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    plain = plain if plain[:1].isalpha() else f"v_{plain}".rstrip("_")
    return f"{plain}_value" if plain in ("in", "and", "or", "not", "implies", "if") else plain


def _level(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", text.strip().lower()).strip("_")
    return plain or _cleaned(text)


def _text(text: str) -> str:
    plain = _cleaned(text)
    safe = _PLAIN.fullmatch(plain) and plain.lower() not in _YAML_WORDS
    return plain if safe else json.dumps(plain, ensure_ascii=False)


def _comment(text: str) -> str:
    """Return a text that can't end the comment in which it stands."""
    return _cleaned(text)[:80]


def _cleaned(text: str) -> str:
    """Return a text in one line, without what YAML does not allow."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".")
