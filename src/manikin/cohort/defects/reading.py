"""Reads the ``defects`` of a study, so that every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Names
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from manikin.codebook import Basis, Kind, Variable
from manikin.cohort.defects.defect import MAX_ODDS_RATIO, Condition, Defect, Dose, UnderRepresent
from manikin.cohort.defects.labels import LabelNoise
from manikin.cohort.defects.missing import Missing
from manikin.cohort.defects.numbers import Heaping, Offset, Swapped, TypingError, UnitMixUp
from manikin.document import Mapping, Notebook, Scalar, Section, Sequence, Value, parse, shortened
from manikin.errors import StudyError, closest

T = TypeVar("T")

MAX_DEFECTS = 200
# Beyond any clinical quantity, in any unit.
_LARGEST = 1e6

_EXAMPLES = {
    "missing": "{missing: [hba1c], share: 5%}",
    "heaping": "{heaping: [sbp], to: 10, share: 40%}",
    "unit-mix-up": "{unit-mix-up: [weight], factor: 2.2046, share: 0.3%}",
    "swapped": "{swapped: [sbp, dbp], share: 0.1%}",
    "typing-error": "{typing-error: [creatinine], share: 0.2%}",
    "label-noise": "{label-noise: diabetes_diagnosed, sensitivity: 90%, specificity: 99%}",
    "offset": "{offset: [sbp], by: 4, when: sex == female, share: 100%}",
    "under-represent": "{under-represent: sex == female, keep: 50%}",
}
_QUANTITIES, _NUMBERS = (Kind.QUANTITY,), (Kind.QUANTITY, Kind.COUNT)


@dataclass(frozen=True)
class Known:
    """What a study's defects may speak of: the variables in the data, those that are not, and how to compile a condition.

    ``condition`` returns None where it noted a mistake.
    """

    data: Names[str, Variable]
    elsewhere: frozenset[str]
    condition: Callable[[Scalar, Notebook], Condition | None]


def read_defects(value: Value | None, known: Known, notebook: Notebook) -> tuple[Defect | UnderRepresent, ...]:
    """Return the defects written at ``value``; mistakes go into the notebook."""
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        notebook.add(value, "'defects' is a list.", f"Write, for example: defects: [{_EXAMPLES['missing']}]")
        return ()
    if len(value.items) > MAX_DEFECTS:
        notebook.add(
            value, f"There are {len(value.items)} defects; at most {MAX_DEFECTS} are possible.", "Leave some out."
        )
        return ()
    found: list[Defect | UnderRepresent] = []
    for item in value.items:
        if isinstance(item, Scalar):
            found += _preset(item, known, notebook)
        elif isinstance(item, Mapping):
            one = _defect(item, known, notebook)
            found += [] if one is None else [one]
        else:
            notebook.add(
                item, "A defect is a block or the name of a preset.", f"Write, for example: {_EXAMPLES['missing']}"
            )
    return tuple(found)


@cache
def presets() -> dict[str, str]:
    """Return the text of each preset by its name."""
    folder = files("manikin.cohort.defects") / "presets"
    return {
        one.name.removesuffix(".yaml"): one.read_text(encoding="utf-8")
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".yaml")
    }


def _preset(named: Scalar, known: Known, notebook: Notebook) -> list[Defect | UnderRepresent]:
    if named.text not in presets():
        notebook.add(named, f"There is no preset '{shortened(named.text)}'.", closest(named.text, presets()))
        return []
    top, own = parse(presets()[named.text], f"{named.text}.yaml", StudyError)
    section = Section(top, "The preset", own)
    section.needed_text("preset", named.text)
    section.needed_text("title", "Records as a practice keeps them")
    sources = {key.text: one.needed_text("cite", "Journal 2020") for key, one in section.sections("sources")}
    listed = section.need("defects", f"[{_EXAMPLES['missing']}]")
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
    names = value.items if isinstance(value, Sequence) else (value,)
    kept = tuple(one for one in names if isinstance(one, Scalar) and one.text in known.data)
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


def _defect(item: Mapping, known: Known, notebook: Notebook) -> Defect | UnderRepresent | None:
    named = [key for key, _ in item.entries if key.text in _EXAMPLES]
    if not named:
        word = item.entries[0][0] if item.entries else None
        notebook.add(
            word or item,
            f"'{shortened(word.text)}' is no defect." if word else "The defect is empty.",
            closest(word.text if word else "", _EXAMPLES),
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
    reader = _Reader(Section(item, f"The defect '{kind}'", notebook), kind, known)
    made = reader.read()
    reader.section.close()
    return made if len(notebook.mistakes) == reader.noted else None


class _Reader:
    """One defect being read; what is missing is noted, and stands in as something harmless until the end."""

    def __init__(self, section: Section, kind: str, known: Known) -> None:
        self.section, self.kind, self.known = section, kind, known
        self.notebook = section.notebook
        self.example = _EXAMPLES[kind]
        self.noted = len(section.notebook.mistakes)

    def read(self) -> Defect | UnderRepresent | None:
        source = self.section.text("source")
        makers: dict[str, Callable[[str], Defect | UnderRepresent | None]] = {
            "missing": self.missing,
            "heaping": self.heaping,
            "unit-mix-up": self.unit_mix_up,
            "swapped": self.swapped,
            "typing-error": self.typing_error,
            "label-noise": self.label_noise,
            "offset": self.offset,
            "under-represent": self.under_represent,
        }
        return makers[self.kind](source)

    def missing(self, source: str) -> Defect | None:
        names, dose, together = self.variables(), self.dose(), self.section.flag("together")
        if together and len(names) == 1:
            self.add("together", "'together' is about several variables.", "Name them, or leave it out.")
        return self.made(lambda: Missing(names, _sure(dose), together, source), names, dose)

    def heaping(self, source: str) -> Defect | None:
        names, dose, to = self.variables(_NUMBERS), self.dose(), self.number("to", "10")
        if to is not None and not 0 < to <= _LARGEST:
            self.add(
                "to", f"Values are heaped to multiples of a number above 0; got {to:g}.", "Write, for example: to: 10"
            )
        elif to is not None:
            self.steps("to", to, names, "heaping to {0:g} changes nothing")
        return self.made(lambda: Heaping(names, _sure(dose), _sure(to), source), names, dose, to)

    def unit_mix_up(self, source: str) -> Defect | None:
        names, dose, factor = self.variables(_QUANTITIES), self.dose(), self.number("factor", "2.2046")
        if factor is not None and (not 1 / _LARGEST <= factor <= _LARGEST or factor == 1):
            self.add(
                "factor", f"A factor between units lies above 0 and is not 1; got {factor:g}.", "From kg to lb: 2.2046"
            )
        return self.made(lambda: UnitMixUp(names, _sure(dose), _sure(factor), source), names, dose, factor)

    def swapped(self, source: str) -> Defect | None:
        names, dose = self.variables(_NUMBERS), self.dose()
        if names and len(names) != 2:
            self.add(
                self.kind, f"Two variables are swapped; {len(names)} are named.", f"Write, for example: {self.example}"
            )
            return None
        if names and len({(one.kind, one.unit) for one in map(self.known.data.__getitem__, names)}) > 1:
            self.add(
                self.kind,
                f"'{names[0]}' and '{names[1]}' are not of one unit.",
                "Swap what could be taken for each other.",
            )
        return self.made(lambda: Swapped((names[0], names[1]), _sure(dose), source), names, dose)

    def typing_error(self, source: str) -> Defect | None:
        names, dose = self.variables(_QUANTITIES), self.dose()
        return self.made(lambda: TypingError(names, _sure(dose), source), names, dose)

    def label_noise(self, source: str) -> Defect | None:
        names = self.variables((Kind.CONDITION,))
        sensitivity, specificity = self.probability("sensitivity"), self.probability("specificity")
        if len(names) > 1:
            self.add(self.kind, "Label noise is about one condition.", "Write an entry for each.")
        if sensitivity == specificity == 1:
            self.add("sensitivity", "With both at 100% nothing is wrong.", f"Write, for example: {self.example}")
            return None
        return self.made(
            lambda: LabelNoise(names[0], _sure(sensitivity), _sure(specificity), source),
            names,
            sensitivity,
            specificity,
        )

    def offset(self, source: str) -> Defect | None:
        names, dose, by = self.variables(_NUMBERS), self.dose(), self.number("by", "4")
        if by is not None and not 0 < abs(by) <= _LARGEST:
            self.add("by", f"An offset is not 0 and within a million; got {by:g}.", "Write, for example: by: 4")
        elif by is not None:
            self.steps("by", abs(by), names, "an offset of {0:g} does not show")
        return self.made(lambda: Offset(names, _sure(dose), _sure(by), source), names, dose, by)

    def under_represent(self, source: str) -> UnderRepresent | None:
        who, keep = self.condition(self.kind), self.number("keep", "50%")
        if keep is not None and not 0 < keep < 1:
            self.add("keep", f"What is kept lies between 0 and 100%; got {keep:g}.", "Write, for example: keep: 50%")
            return None
        return UnderRepresent(who, keep, source) if who is not None and keep is not None else None

    def made(self, make: Callable[[], Defect], *parts: object) -> Defect | None:
        """Return what ``make`` makes where no part of it is missing or mistaken."""
        mistaken = len(self.notebook.mistakes) > self.noted
        return None if mistaken or any(part is None or part == () for part in parts) else make()

    def variables(self, kinds: Iterable[Kind] = ()) -> tuple[str, ...]:
        """Return the named variables that are in the data and of the right kind."""
        kinds, found = tuple(kinds), list[str]()
        listed = self.section.texts(self.kind)
        if not listed:
            self.add(self.kind, f"'{self.kind}' names no variable.", f"Write, for example: {self.example}")
        for one in listed:
            meaning = self.known.data.get(one.text)
            if meaning is None and one.text in self.known.elsewhere:
                self.notebook.add(
                    one,
                    f"'{one.text}' is not in the data, so that its record can't be wrong.",
                    "Name what is on record.",
                )
            elif meaning is None:
                self.notebook.add(
                    one, f"'{shortened(one.text)}' is not known here.", closest(one.text, self.known.data)
                )
            elif kinds and meaning.kind not in kinds:
                wanted = " or ".join(kinds)
                self.notebook.add(
                    one,
                    f"'{one.text}' is a {meaning.kind}, where a {wanted} is needed.",
                    f"Write, for example: {self.example}",
                )
            elif one.text in found:
                self.notebook.add(one, f"'{one.text}' stands twice.", "Remove one of them.")
            else:
                found.append(one.text)
        return tuple(found)

    def dose(self) -> Dose | None:
        """Return the share, and who is struck more often."""
        share, when = self.number("share", "5%"), self.condition("when")
        odds = self.section.number("odds-ratio")
        if share is not None and not 0 < share <= 1:
            self.add(
                "share", f"A share lies above 0 and goes up to 100%; got {share:g}.", "Write, for example: share: 5%"
            )
            share = None
        if odds is not None and not 1 / MAX_ODDS_RATIO <= odds <= MAX_ODDS_RATIO:
            self.add(
                "odds-ratio",
                f"An odds ratio lies above 0 and goes up to {MAX_ODDS_RATIO:g}; got {odds:g}.",
                "Write, for example: odds-ratio: 2.5",
            )
            return None
        if odds is not None and self.section.get("when") is None:
            self.add("odds-ratio", "An odds ratio needs to know of whom.", "Write, for example: when: age < 40")
            return None
        return None if share is None else Dose(share, when, odds if when is not None else None)

    def condition(self, key: str) -> Condition | None:
        """Return a compiled condition."""
        value = self.section.get(key)
        if value is None:
            return None
        if not isinstance(value, Scalar) or not value.text.strip():
            self.notebook.add(
                value, f"{self.section.what}: '{key}' is a condition.", f"Write, for example: {key}: age < 40"
            )
            return None
        return self.known.condition(value, self.notebook)

    def number(self, key: str, example: str) -> float | None:
        """Return a number that has to be there."""
        return None if self.section.need(key, example) is None else self.section.number(key)

    def probability(self, key: str) -> float | None:
        """Return a probability that has to be there."""
        found = self.number(key, "90%")
        if found is not None and not 0 <= found <= 1:
            self.add(key, f"'{key}' lies from 0 to 100%; got {found:g}.", f"Write, for example: {key}: 90%")
            return None
        return found

    def steps(self, key: str, size: float, names: tuple[str, ...], what: str) -> None:
        """Note where a change is too small for the steps in which a variable is reported, or not whole for a count."""
        for name in names:
            meaning = self.known.data[name]
            counted = meaning.kind is Kind.COUNT
            step = 1.0 if counted else meaning.precision or 0.0
            if counted and size != int(size):
                self.add(
                    key,
                    f"'{name}' is counted, and {size:g} is no whole number.",
                    f"Write, for example: {key}: {max(1, round(size))}",
                )
                return
            if size < step or (key == "to" and size == step):
                self.add(
                    key,
                    f"'{name}' is reported in steps of {step:g}: {what.format(size)}.",
                    "Write a larger number.",
                )
                return

    def add(self, key: str, what: str, suggestion: str) -> None:
        """Note a mistake at the value of a setting."""
        self.notebook.add(self.section.get(key) or self.section.mapping, what, suggestion)


def _sure(value: T | None) -> T:
    assert value is not None
    return value
