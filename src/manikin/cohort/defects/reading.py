"""Reads the ``defects`` of a study, so that every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Mapping as Names
from functools import cache
from importlib.resources import files

from manikin.codebook import Basis
from manikin.cohort.defects.duplicates import DuplicatePatients
from manikin.cohort.defects.forms_of_values import OF_VALUES
from manikin.cohort.defects.forms_over_time import OVER_TIME
from manikin.cohort.defects.reader import AnyDefect, Known, Reader
from manikin.document import Mapping, Notebook, Scalar, Section, Sequence, Value, parse, shortened
from manikin.errors import StudyError, closest

MAX_DEFECTS = 200
FORMS = {**OF_VALUES, **OVER_TIME}
_EXAMPLE = f"Write, for example: {FORMS['missing'].example}"


def read_defects(value: Value | None, known: Known, notebook: Notebook) -> tuple[AnyDefect, ...]:
    """Return the defects written at ``value``; mistakes go into the notebook."""
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        notebook.add(value, "'defects' is a list.", f"Write, for example: defects: [{FORMS['missing'].example}]")
        return ()
    if len(value.items) > MAX_DEFECTS:
        notebook.add(
            value, f"There are {len(value.items)} defects; at most {MAX_DEFECTS} are possible.", "Leave some out."
        )
        return ()
    found: list[AnyDefect] = []
    for item in value.items:
        before = len(found)
        if isinstance(item, Scalar):
            found += _preset(item, known, notebook)
        elif isinstance(item, Mapping):
            one = _defect(item, known, notebook)
            found += [] if one is None else [one]
        else:
            notebook.add(item, "A defect is a block or the name of a preset.", _EXAMPLE)
        if _doubled(found[:before]) and _doubled(found[before:]):
            notebook.add(
                item, "Patients stand on record twice, and not more often.", "Ask for duplicate patients once."
            )
    return tuple(found)


def _doubled(defects: list[AnyDefect]) -> bool:
    return any(isinstance(one, DuplicatePatients) for one in defects)


@cache
def presets() -> dict[str, str]:
    """Return the text of each preset by its name."""
    folder = files("manikin.cohort.defects") / "presets"
    return {
        one.name.removesuffix(".yaml"): one.read_text(encoding="utf-8")
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".yaml")
    }


def _preset(named: Scalar, known: Known, notebook: Notebook) -> list[AnyDefect]:
    if named.text not in presets():
        notebook.add(named, f"There is no preset '{shortened(named.text)}'.", closest(named.text, presets()))
        return []
    top, own = parse(presets()[named.text], f"{named.text}.yaml", StudyError)
    section = Section(top, "The preset", own)
    section.needed_text("preset", named.text)
    section.needed_text("title", "Records as a practice keeps them")
    sources = {key.text: one.needed_text("cite", "Journal 2020") for key, one in section.sections("sources")}
    listed = section.need("defects", f"[{FORMS['missing'].example}]")
    section.close()
    found = []
    for item in listed.items if isinstance(listed, Sequence) else ():
        if isinstance(item, Mapping) and (fitting := _fitting(item, known)) is not None:
            one = _defect(_cited(fitting, sources, own), known, own)
            found += [] if one is None else [one]
    own.raise_as(StudyError)
    if not found:
        notebook.add(
            named, f"The preset '{named.text}' names no variable of this model.", "Write the defects that you want."
        )
    return found


def _fitting(item: Mapping, known: Known) -> Mapping | None:
    """Return an entry of a preset with the variables that the model has; None where too few are left."""
    key, value = item.entries[0]
    possible = FORMS[key.text].names(known) if key.text in FORMS else ()
    names = value.items if isinstance(value, Sequence) else (value,)
    kept = tuple(one for one in names if isinstance(one, Scalar) and one.text in possible)
    if len(kept) < (len(names) if key.text == "swapped" else 1):
        return None
    return Mapping(((key, Sequence(kept, value.line, value.column)), *item.entries[1:]), item.line, item.column)


def _cited(item: Mapping, sources: Names[str, str], own: Notebook) -> Mapping:
    """Return an entry of a preset whose source is written out, with how well it is grounded."""
    entries: list[tuple[Scalar, Value]] = []
    for key, value in item.entries:
        if key.text == "source" and isinstance(value, Scalar):
            source, _, basis = value.text.partition(" ")
            if source not in sources:
                own.add(value, f"'{source}' is no source of the preset.", closest(source, sources))
            if basis not in [one.value for one in Basis]:
                own.add(value, f"'{basis}' is no basis.", closest(basis, [one.value for one in Basis]))
            entries.append((key, Scalar(f"{sources.get(source, '')} ({basis})", value.line, value.column)))
        else:
            entries.append((key, value))
    if "source" not in item.keys():  # noqa: SIM118 - a method of the document, not a dictionary
        own.add(item, "A defect of a preset names its source.", "Write: source: key basis")
    return Mapping(tuple(entries), item.line, item.column)


def _defect(item: Mapping, known: Known, notebook: Notebook) -> AnyDefect | None:
    named = [key for key, _ in item.entries if key.text in FORMS]
    if not named:
        word = item.entries[0][0] if item.entries else None
        notebook.add(
            word or item,
            f"'{shortened(word.text)}' is no defect." if word else "The defect is empty.",
            closest(word.text if word else "", FORMS),
        )
        return None
    if len(named) > 1:
        notebook.add(
            named[1],
            f"'{named[1].text}' stands beside '{named[0].text}': an entry is one defect.",
            "Write two entries.",
        )
        return None
    kind = named[0].text
    return Reader(Section(item, f"The defect '{kind}'", notebook), kind, FORMS[kind], known).read()
