"""Can everything have happened in the order in which it is written? Asked of the tables over time, part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Measure
from manikin.appraisal.time.reading import BELOW, NONE, Array, Part, Words, read_part, words_of
from manikin.clinic.pathway import Pathway
from manikin.codebook import ENDINGS

_IN_TIME, _VALUES = "Order in time", "Values over time"

# The rules, each with the heading under which reports show it.
OWNED = "Every row over time is of a patient of the cohort"
RECORDED = "Nothing is recorded before it happens"
BEGUN = "Nothing happens before a patient's first state"
FOLLOWED = "Nothing happens, or is recorded, after a patient's follow-up"
ORDERED = "A result that has to be ordered comes after its order"
ENDED = "An encounter ends no earlier than it starts"
APART = "Encounters of a patient do not overlap"
WITHIN = "What happens in an encounter happens between its start and its end"
CONTIGUOUS = "States follow each other without gap or overlap until follow-up ends"
MOVED = "Every patient begins where the pathway begins, and moves only where it leads"
LAST = "Death, loss and discharge come last, and end follow-up as the patient's record says"
KNOWN = "Every event is one that the model knows"
POSSIBLE = "Every measured number lies within its variable's possible limits"
WORDED = "Every finding in words is one of its variable's values"

RULES = {
    **dict.fromkeys(
        (OWNED, RECORDED, BEGUN, FOLLOWED, ORDERED, ENDED, APART, WITHIN, CONTIGUOUS, MOVED, LAST), _IN_TIME
    ),
    **dict.fromkeys((KNOWN, POSSIBLE, WORDED), _VALUES),
}


def order(subject: Subject) -> tuple[tuple[Measure, ...], int]:
    """Return a measure for each rule, and how many rows were read; nothing of a cohort without a course."""
    cohort, model = subject.cohort, subject.program.model
    if cohort.layout.vocabulary is None:
        return (), 0
    words, broken, rows = words_of(model, cohort), Counter[str](), 0
    limits = _Limits(words, frozenset(one.variable.name for one in cohort.layout.fields if one.defects))
    for number in range(len(cohort.parts["analysis"])):
        part = read_part(words, cohort, number)
        rows += len(part.stays.patient) + len(part.contacts.patient) + len(part.notes.patient)
        broken[OWNED] += part.strays
        for found in (_states(part), _contacts(part), _notes(part), limits.broken(part)):
            broken.update(dict(found))
        if model.pathway is not None:
            broken.update(dict(_moves(words, model.pathway, part)))
            broken[ORDERED] += _unordered(words, model.pathway, part)
    measures = (
        Measure(rule, float(broken[rule]), expected=0.0, passed=broken[rule] == 0, unit="violations", group=group)
        for rule, group in RULES.items()
    )
    return tuple(measures), rows


def _states(part: Part) -> Iterator[tuple[str, int]]:
    stays = part.stays
    same = stays.patient[1:] == stays.patient[:-1]
    torn = int((same & (stays.left[:-1] != stays.entered[1:])).sum()) + int((stays.left < stays.entered).sum())
    last = np.append(~same, True)[: len(stays.patient)]
    torn += int((stays.left[last] != part.followed[stays.patient[last]]).sum())
    yield CONTIGUOUS, torn + part.patients - int(last.sum())


def _contacts(part: Part) -> Iterator[tuple[str, int]]:
    met = part.contacts
    same = met.patient[1:] == met.patient[:-1]
    yield ENDED, int((met.end < met.start).sum())
    yield APART, int((same & (met.start[1:] < met.end[:-1])).sum())


def _notes(part: Part) -> Iterator[tuple[str, int]]:
    notes, met = part.notes, part.contacts
    ends = part.followed[notes.patient]
    yield RECORDED, int((notes.recorded < notes.time).sum())
    yield (
        BEGUN,
        int((notes.time < part.begins[notes.patient]).sum()) + int((met.start < part.begins[met.patient]).sum()),
    )
    yield (
        FOLLOWED,
        int(((notes.time > ends) | (notes.recorded > ends)).sum()) + int((met.end > part.followed[met.patient]).sum()),
    )
    inside = notes.contact >= 0
    contact, time = notes.contact[inside], notes.time[inside]
    outside = (time < met.start[contact]) | (time > met.end[contact]) | (met.patient[contact] != notes.patient[inside])
    yield WITHIN, int(outside.sum()) + int((notes.contact < NONE).sum())


def _moves(words: Words, pathway: Pathway, part: Part) -> Iterator[tuple[str, int]]:
    """Count moves that lead nowhere, and states that end follow-up where it goes on or ends otherwise."""
    stays, size = part.stays, len(words.states)
    leads = np.zeros((size + 2, size + 2), np.bool_)
    for name, state in pathway.states.items():
        for go in (*(way.go for way in state.then), *(risk.go for risk in state.risks)):
            leads[words.states.index(name), words.states.index(go)] = True
    same = stays.patient[1:] == stays.patient[:-1]
    first, last = np.append(True, ~same)[: len(stays.patient)], np.append(~same, True)[: len(stays.patient)]
    astray = same & ~leads[stays.state[:-1], stays.state[1:]]
    yield MOVED, int(astray.sum()) + int((stays.state[first] != words.states.index(pathway.start)).sum())
    study = ENDINGS.index("study")
    ends = [ENDINGS.index(pathway.states[name].ends) if pathway.states[name].ends else study for name in words.states]
    by = np.array([*ends, study, study])[stays.state]
    wrong = (by[last] != part.left_by[stays.patient[last]]) & (part.left_by[stays.patient[last]] != NONE)
    yield LAST, int(((by != study) & ~last).sum()) + int(wrong.sum())


def _unordered(words: Words, pathway: Pathway, part: Part) -> int:
    """Count results that no order of the patient can have led to, of variables that come only from orders.

    An order leads to one result at most, so that up to any time there are no more results than orders.
    """
    by_entry = np.argsort(part.notes.entry, kind="stable")
    ranked = part.notes.entry[by_entry]
    return sum(_without(part, by_entry, ranked, orders, result) for result, orders in _leading(words, pathway).items())


def _leading(words: Words, pathway: Pathway) -> dict[int, list[int]]:
    """Return for each observation that comes only from orders the entries of these orders."""
    found = {}
    for number, (entry, variables) in enumerate(zip(words.entries, words.variables, strict=True)):
        if entry.kind != "observation" or len(variables) != 1:
            continue
        tests = [test for test in pathway.tests.values() if variables[0].name in test.measures]
        if tests and all(test.awaited for test in tests):
            found[number] = sorted({words.orders[test.name] for test in tests})
    return found


def _without(part: Part, by_entry: Array, ranked: Array, orders: list[int], result: int) -> int:
    """Return how many results are more than the orders before them."""
    notes = part.notes

    def of(entry: int) -> Array:
        return by_entry[slice(*np.searchsorted(ranked, [entry, entry + 1]))]

    # What is on record at the index encounter was ordered before time began.
    results = of(result)
    results = results[notes.recorded[results] > part.begins[notes.patient[results]]]
    ordered = np.concatenate([of(entry) for entry in orders])
    if not results.size:
        return 0
    rows = np.concatenate([ordered, results])
    place = np.argsort(rows, kind="stable")
    patient = notes.patient[rows[place]]
    balance = np.cumsum(np.where(place < len(ordered), 1, -1))
    first = np.flatnonzero(np.append(True, patient[1:] != patient[:-1]))
    before = np.append(0, balance[first[1:] - 1])
    return int(np.maximum(before - np.minimum.reduceat(balance, first), 0).sum())


class _Limits:
    """What may be observed of each entry: numbers between limits, or some words."""

    def __init__(self, words: Words, imperfect: frozenset[str]) -> None:
        """Know the limits of all entries; values of ``imperfect`` variables may be wrong at the index encounter."""
        observed = np.array([one.kind == "observation" for one in words.entries])
        kinds = [{one.numeric for one in variables} for variables in words.variables]
        self.numeric = observed & np.array([kind == {True} for kind in kinds])
        self.worded = observed & np.array([kind == {False} for kind in kinds])
        self.low = np.array([min((one.possible.low for one in each), default=-np.inf) for each in words.variables])
        self.high = np.array([max((one.possible.high for one in each), default=np.inf) for each in words.variables])
        self.imperfect = np.array([any(one.name in imperfect for one in each) for each in words.variables])
        # One column more for no text, and one for a text that nothing is told in: negative numbers count from the end.
        self.told = np.zeros((len(words.entries), len(words.all_texts) + 2), np.bool_)
        for row, (variables, texts) in enumerate(zip(words.variables, words.texts, strict=True)):
            limited = any(one.detection_limit is not None for one in variables)
            self.told[row, [words.all_texts.index(text) for text in (*texts, *((BELOW,) if limited else ()))]] = True
            self.told[row, NONE] = bool(self.numeric[row])

    def broken(self, part: Part) -> Iterator[tuple[str, int]]:
        """Count events that the model doesn't know, and values that can't be."""
        notes, known = part.notes, part.notes.entry >= 0
        yield KNOWN, int((~known).sum())
        entry, number, text = notes.entry, notes.number, notes.text
        if not known.all():
            entry, number, text = entry[known], number[known], text[known]
        judged: Array | bool = True
        if self.imperfect.any():
            at_index = notes.recorded[known] == part.begins[notes.patient[known]]
            judged = ~(self.imperfect[entry] & at_index)
        numeric = self.numeric[entry]
        yield POSSIBLE, int((judged & numeric & ~((number >= self.low[entry]) & (number <= self.high[entry]))).sum())
        yield WORDED, int((judged & (numeric | self.worded[entry]) & ~self.told[entry, text]).sum())
