"""How defects of values on record are written in a study."""

from __future__ import annotations

from manikin.codebook import Kind
from manikin.cohort.defects.defect import Defect, UnderRepresent
from manikin.cohort.defects.labels import LabelNoise
from manikin.cohort.defects.missing import Missing
from manikin.cohort.defects.numbers import Heaping, Offset, Swapped, TypingError, UnitMixUp
from manikin.cohort.defects.reader import LARGEST, NUMBERS, QUANTITIES, Form, Reader, on_record, sure


def _missing(reader: Reader, source: str) -> Defect | None:
    names, dose, together = reader.variables(), reader.dose(), reader.section.flag("together")
    if together and len(names) == 1:
        reader.add("together", "'together' is about several variables.", "Name them, or leave it out.")
    return reader.made(lambda: Missing(names, sure(dose), together, source), names, dose)


def _heaping(reader: Reader, source: str) -> Defect | None:
    names, dose, to = reader.variables(NUMBERS, reader.known.valued), reader.dose(), reader.number("to", "10")
    if to is not None and not 0 < to <= LARGEST:
        reader.add(
            "to", f"Values are heaped to multiples of a number above 0; got {to:g}.", "Write, for example: to: 10"
        )
    elif to is not None:
        reader.steps("to", to, names, "heaping to {0:g} changes nothing")
    return reader.made(lambda: Heaping(names, sure(dose), sure(to), source), names, dose, to)


def _unit_mix_up(reader: Reader, source: str) -> Defect | None:
    names, dose, factor = (
        reader.variables(QUANTITIES, reader.known.valued),
        reader.dose(),
        reader.number("factor", "2.2046"),
    )
    if factor is not None and (not 1 / LARGEST <= factor <= LARGEST or factor == 1):
        reader.add(
            "factor", f"A factor between units lies above 0 and is not 1; got {factor:g}.", "From kg to lb: 2.2046"
        )
    return reader.made(lambda: UnitMixUp(names, sure(dose), sure(factor), source), names, dose, factor)


def _swapped(reader: Reader, source: str) -> Defect | None:
    names, dose = reader.variables(NUMBERS, reader.known.valued), reader.dose()
    if names and len(names) != 2:
        reader.add(
            reader.kind,
            f"Two variables are swapped; {len(names)} are named.",
            f"Write, for example: {reader.form.example}",
        )
        return None
    if names and len({(one.kind, one.unit) for one in map(reader.known.valued.__getitem__, names)}) > 1:
        reader.add(
            reader.kind,
            f"'{names[0]}' and '{names[1]}' are not of one unit.",
            "Swap what could be taken for each other.",
        )
    return reader.made(lambda: Swapped((names[0], names[1]), sure(dose), source), names, dose)


def _typing_error(reader: Reader, source: str) -> Defect | None:
    names, dose = reader.variables(QUANTITIES, reader.known.valued), reader.dose()
    return reader.made(lambda: TypingError(names, sure(dose), source), names, dose)


def _label_noise(reader: Reader, source: str) -> Defect | None:
    names = reader.variables((Kind.CONDITION,))
    sensitivity, specificity = reader.probability("sensitivity"), reader.probability("specificity")
    if len(names) > 1:
        reader.add(reader.kind, "Label noise is about one condition.", "Write an entry for each.")
    if sensitivity == specificity == 1:
        reader.add("sensitivity", "With both at 100% nothing is wrong.", f"Write, for example: {reader.form.example}")
        return None
    return reader.made(
        lambda: LabelNoise(names[0], sure(sensitivity), sure(specificity), source),
        names,
        sensitivity,
        specificity,
    )


def _offset(reader: Reader, source: str) -> Defect | None:
    names, dose, by = reader.variables(NUMBERS, reader.known.valued), reader.dose(), reader.number("by", "4")
    spread = reader.section.number("spread") or 0.0
    if not 0 <= spread <= LARGEST:
        reader.add("spread", f"A spread lies from 0 to a million; got {spread:g}.", "Write, for example: spread: 2")
    if by is not None and not 0 < abs(by) <= LARGEST:
        reader.add("by", f"An offset is not 0 and within a million; got {by:g}.", "Write, for example: by: 4")
    elif by is not None:
        reader.steps("by", abs(by), names, "an offset of {0:g} does not show")
    return reader.made(lambda: Offset(names, sure(dose), sure(by), spread, source), names, dose, by)


def _under_represent(reader: Reader, source: str) -> UnderRepresent | None:
    who, keep = reader.condition(reader.kind), reader.number("keep", "50%")
    if keep is not None and not 0 < keep < 1:
        reader.add("keep", f"What is kept lies between 0 and 100%; got {keep:g}.", "Write, for example: keep: 50%")
        return None
    return UnderRepresent(who, keep, source) if who is not None and keep is not None else None


OF_VALUES = {
    "missing": Form("{missing: [hba1c], share: 5%}", _missing),
    "heaping": Form("{heaping: [sbp], to: 10, share: 40%}", _heaping, on_record),
    "unit-mix-up": Form("{unit-mix-up: [weight], factor: 2.2046, share: 0.3%}", _unit_mix_up, on_record),
    "swapped": Form("{swapped: [sbp, dbp], share: 0.1%}", _swapped, on_record),
    "typing-error": Form("{typing-error: [creatinine], share: 0.2%}", _typing_error, on_record),
    "label-noise": Form("{label-noise: diabetes_diagnosed, sensitivity: 90%, specificity: 99%}", _label_noise),
    "offset": Form("{offset: [sbp], by: 4, when: sex == female, share: 100%}", _offset, on_record),
    "under-represent": Form("{under-represent: sex == female, keep: 50%}", _under_represent),
}
