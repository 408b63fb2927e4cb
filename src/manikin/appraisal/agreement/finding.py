"""The check: what did the aggregates change, and does the cohort have what the fit to them expects?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from manikin.appraisal.agreement.associations import Association, associations
from manikin.appraisal.agreement.contradictions import Contradiction, contradictions, label_of, name_of, out_of_reach
from manikin.appraisal.agreement.facts import described, left_out, promise, worth
from manikin.appraisal.agreement.shares import SURE, Counted, Shares, counted_in, tables_of
from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.clinic import Role
from manikin.codebook import Variable, in_sentence
from manikin.generators.agreement import Agreement
from manikin.streams import Floats

CHECK = "agreement"
QUESTION = "What did the aggregates change?"
TOGETHER = "Tables of several variables: patients in another cell than the fit has them"
_DECIMALS = 6
_NAMED = 2


def agreement(subject: Subject) -> Finding:
    """Set the model, what was told, the fit and the cohort beside each other in every table.

    Raises:
        ValueError: The subject's model was not bent.
    """
    bent = subject.agreement
    if bent is None:
        raise ValueError("There is no agreement to ask about.")
    meanings = {name: subject.program.model.variables[name].meaning for name in bent.domain.names}
    whole = not (subject.conditional or subject.biased)
    counted = counted_in(subject, bent.domain) if whole else Counted((), np.empty((0, 0), np.int16), np.empty(0))
    tables = tables_of(bent, counted)
    together = associations(tables)
    where = "the sites" if bent.aggregates.parts else "the site"
    found = contradictions(tables, together, meanings, where)
    reached = [one for one in found if one.reached]
    measures = tuple(_measures(bent, tables, meanings))
    judged = [one for one in measures if one.passed is not None]
    passed = all(one.passed for one in judged) if judged else None
    return Finding(
        CHECK,
        QUESTION,
        _answer(bent, tables, reached, judged, subject),
        passed,
        measures,
        _drawings(bent, tables, together, found, meanings, where),
    )


def _answer(
    bent: Agreement,
    tables: Sequence[Shares],
    found: Sequence[Contradiction],
    judged: Sequence[Measure],
    subject: Subject,
) -> str:
    moved = f"{len(tables)} table{'s' if len(tables) > 1 else ''} of {bent.aggregates.site} bent the clinical model. "
    said = (
        f"Where they contradict it most: {'. '.join(one.words for one in found[:_NAMED])}. "
        if found
        else "Nothing in them contradicts it beyond chance and noise. "
    )
    met = sum(bool(one.passed) for one in judged)
    if not judged:
        only = subject.conditional or subject.biased
        why = f": its patients are chosen ({only}), and the tables are about everybody" if only else ""
        return f"{moved}{said}The cohort is not judged by them{why}."
    return f"{moved}{said}The cohort has what the fit expects, within chance, in {met} of {len(judged)} figures."


def _measures(bent: Agreement, tables: Sequence[Shares], meanings: Mapping[str, Variable]) -> Iterator[Measure]:
    judged = [one for one in tables if one.cohort is not None]
    cells = sum(one.fit.size for one in judged)
    for one in tables:
        allowed = one.allowed(cells, bent.sample, bent.cut_off) if one.cohort is not None else None
        if len(one.axes) == 1:
            yield from _of_one(one, allowed, meanings[one.names[0]])
        elif allowed is not None and one.cohort is not None:
            yield _of_several(one, one.cohort, allowed, meanings)


def _of_one(table: Shares, allowed: Floats | None, meaning: Variable) -> Iterator[Measure]:
    """Yield the share of each bin in the cohort, beside the fit; in the fit itself where the cohort is not counted."""
    for cell, fit in enumerate(table.fit):
        name, expected = label_of(table.axes[0], cell, table.axes[0].unit), _plain(fit)
        if allowed is None or table.cohort is None:
            yield Measure(name, expected, unit="share", group=meaning.title, note=f"the fit; {_note(table, cell)}")
            continue
        share = float(table.cohort[cell])
        half = SURE * np.sqrt(share * (1 - share) / table.size)
        yield Measure(
            name,
            _plain(share),
            (_plain(max(share - half, 0.0)), _plain(min(share + half, 1.0))),
            expected,
            (_plain(max(fit - allowed[cell], 0.0)), _plain(min(fit + allowed[cell], 1.0))),
            bool(abs(share - fit) <= allowed[cell]),
            "share",
            meaning.title,
            note=_note(table, cell),
        )


def _of_several(table: Shares, cohort: Floats, allowed: Floats, meanings: Mapping[str, Variable]) -> Measure:
    """Return the share of patients who are in another cell than the fit has them; each cell is judged by itself."""
    beyond = int((np.abs(cohort - table.fit) > allowed).sum())
    note = (
        f"{beyond} of {table.fit.size} cells beyond chance; the aggregates moved {100 * table.moved:.1f}% of patients"
    )
    distance = _plain(np.abs(cohort - table.fit).sum() / 2)
    return Measure(_title(table, meanings), distance, passed=beyond == 0, unit="share", group=TOGETHER, note=note)


def _note(table: Shares, cell: int) -> str:
    low, high = table.interval
    site = (
        f"the site told {100 * table.told[cell]:.1f}% ({100 * low[cell]:.1f} to {100 * high[cell]:.1f})"
        if np.isfinite(table.told[cell])
        else "nobody in the model is there"
        if table.model[cell] <= 0
        else "the site did not tell"
    )
    return f"the model says {100 * table.model[cell]:.1f}%, {site}"


def _title(table: Shares, meanings: Mapping[str, Variable]) -> str:
    first, *others = (meanings[name].title for name in table.names)
    return ", ".join([first, *map(in_sentence, others)])


def _drawings(
    bent: Agreement,
    tables: Sequence[Shares],
    together: Sequence[Association],
    found: Sequence[Contradiction],
    meanings: Mapping[str, Variable],
    where: str,
) -> dict[str, Any]:
    inside = [_inside(one) for one in tables]
    return {
        "site": bent.aggregates.site,
        "several": bool(bent.aggregates.parts),
        "promise": promise(bent.aggregates.protection, bent.aggregates.privacy_unit),
        "signed": bent.aggregates.signature is not None,
        "facts": [list(one) for one in described(bent)],
        "left_out": list(left_out(bent)),
        "contradictions": [
            {"words": one.words, "model": _plain(one.model), "told": _plain(one.told), "away": round(one.away, 1)}
            for one in found
            if one.reached
        ],
        "unreached": [*(one.words for one in found if not one.reached), *out_of_reach(tables, meanings, where)],
        "variables": [_variable(one, meanings) for one in tables if len(one.axes) == 1],
        "pairs": [_pair(one, meanings) for one in together],
        "tables": [_table(one, meanings) for one in tables],
        "measured": [one.title for one in meanings.values()],
        "unmeasured": sum(
            one.role is Role.DATA and name not in bent.domain.places
            for name, one in bent.program.model.variables.items()
        ),
        "inside": [sum(one for one, _ in inside), sum(all_ for _, all_ in inside)],
        "worth": {str(of): _plain(patients) for of, patients in worth(bent).items()},
        "effective": _plain(bent.effective),
        "by_particles": bent.by_particles,
        "cut_off": _plain(bent.cut_off),
    }


def _inside(table: Shares) -> tuple[int, int]:
    """Return how many told shares have the fit within their 95% interval, and how many were told."""
    known = np.isfinite(table.told)
    return int((np.abs(table.told - table.fit)[known] <= SURE * table.error[known]).sum()), int(known.sum())


def _variable(table: Shares, meanings: Mapping[str, Variable]) -> dict[str, Any]:
    meaning, axis = meanings[table.names[0]], table.axes[0]
    low, high = table.interval
    return {
        "name": meaning.name,
        "title": meaning.title,
        "unit": axis.unit,
        "bins": [label_of(axis, code) for code in range(axis.count)],
        "model": _listed(table.model),
        "told": _listed(table.told),
        "low": _listed(low),
        "high": _listed(high),
        "fit": _listed(table.fit),
        "cohort": None if table.cohort is None else _listed(table.cohort),
        "moved": _plain(table.moved),
        "outside": _plain(table.outside),
        "raw": _listed(table.raw),
    }


def _pair(one: Association, meanings: Mapping[str, Variable]) -> dict[str, Any]:
    return {
        "title": name_of(one.names, one.levels, meanings),
        "model": _plain(one.model),
        "told": None if one.told is None else _plain(one.told),
        "interval": None if one.interval is None else [_plain(end) for end in one.interval],
        "fit": _plain(one.fit),
        "cohort": None if one.cohort is None else _plain(one.cohort),
        "away": round(one.away, 1),
    }


def _table(one: Shares, meanings: Mapping[str, Variable]) -> dict[str, Any]:
    inside, told = _inside(one)
    return {
        "title": _title(one, meanings),
        "cells": int(one.fit.size),
        "noise": _plain(np.sqrt(one.noise)),
        "patients": round(one.patients),
        "away": round(one.away, 1),
        "followed": round(one.followed, 3),
        "moved": _plain(one.moved),
        "inside": inside,
        "told": told,
    }


def _listed(shares: Floats) -> list[float | None]:
    return [_plain(one) if np.isfinite(one) else None for one in shares]


def _plain(value: Any) -> float:
    # Elementary functions differ in the last bit between processors.
    return round(float(value), _DECIMALS) + 0.0
