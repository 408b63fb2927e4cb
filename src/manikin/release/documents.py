"""The documents of a release, written from the model, the lock and the evidence; never by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from manikin.appraisal import Appraisal
from manikin.clinic import Calibrated, ClinicalModel
from manikin.codebook import ENDINGS, FORMULAS, Disclosure, Formula, Range
from manikin.cohort import (
    CLEAN_ENCOUNTERS,
    CLEAN_EVENTS,
    DEFECTS,
    DUPLICATES,
    STATES,
    WEIGHT,
    Cohort,
    Entry,
    Field,
    code_of,
)
from manikin.release.risk import Risk

_DOCUMENTS = {
    "README.md": "README.md",
    "docs/model-card.md": "model-card.md",
    "docs/datasheet.md": "datasheet.md",
    "docs/sources.md": "sources.md",
    "docs/dictionary.md": "dictionary.md",
}


def write_risk(folder: Path, study: Mapping[str, Any], risk: Risk) -> None:
    """Write the risk assessment, which stands before any row is made."""
    _write(folder / "docs" / "risk-assessment.md", _render("risk-assessment.md", {"study": study, "risk": risk}))


def write_documents(
    folder: Path,
    calibrated: Calibrated,
    cohort: Cohort,
    appraisal: Appraisal,
    risk: Risk,
    formats: tuple[str, ...],
) -> None:
    """Write README, model card, datasheet, sources and dictionary into ``folder``."""
    model = calibrated.program.model
    entries = dictionary(cohort)
    facts = {
        "study": appraisal.study,
        "model": model,
        "n_variables": appraisal.model["n_variables"],
        "n_free": sum(one.bounds is not None for one in model.parameters.values()),
        "moved": calibrated.moved,
        "repaired": calibrated.repaired,
        "numbers": model.numbers_by_basis(),
        "claims": model.claims,
        "formulas": _formulas(model),
        "gates": appraisal.gates,
        "findings": appraisal.findings,
        "not_assessed": appraisal.not_assessed,
        "risk": risk,
        "represented": _represented(cohort),
        "missing": next(one.answer for one in appraisal.findings if one.check == "missingness"),
        "disclosure": _disclosure(cohort),
        "told": next((one.drawings for one in appraisal.findings if one.check == "agreement"), None),
        "dictionary": entries,
        "record": _record(model, cohort),
        "pathway": model.pathway if cohort.layout.vocabulary else None,
        "over_time": next((one.answer for one in appraisal.findings if one.check == "time"), ""),
        "tables": [name for name in cohort.parts if name not in ("truth", STATES, DEFECTS, *cohort.layout.truths)],
        "formats": formats,
    }
    for name, template in _DOCUMENTS.items():
        _write(folder / name, _render(template, facts))
    _write(folder / "docs" / "dictionary.json", json.dumps(entries, ensure_ascii=False, indent=1) + "\n")


def dictionary(cohort: Cohort) -> list[dict[str, Any]]:
    """Return an entry for each column of each table."""
    entries = [
        entry for table in cohort.layout.tables if table in cohort.parts for entry in _table_entries(cohort, table)
    ]
    if cohort.layout.weighted:
        entries.insert(0, _plain_entry("analysis", WEIGHT, "Weight that undoes over-sampling", "quantity", unit="1"))
    return entries


def _table_entries(cohort: Cohort, table: str) -> list[dict[str, Any]]:
    fields = cohort.layout.fields
    if table == "analysis":
        return [_IDENTIFIER(table), _INDEX_DATE, *(_entry(table, field) for field in fields if field.data)]
    if table == "truth":
        return [_IDENTIFIER(table), *(_entry(table, field) for field in fields if field.in_truth)]
    if table == "patients":
        born = (
            [_plain_entry(table, "birth_date", "Date of birth", "date", "21112-8")]
            if "age" in cohort.layout.names
            else []
        )
        followed = (
            [
                _plain_entry(table, name, title, kind) | {"values": list(values)}
                for name, title, kind, values in _FOLLOWED
            ]
            if cohort.layout.vocabulary
            else []
        )
        static = [_entry(table, field) for field in fields if field.static and field.data]
        return [_IDENTIFIER(table), *born, *static, *followed]
    return [
        _plain_entry(table, name, title, kind) | {"values": _values(cohort, table, name)}
        for name, title, kind in _FIXED[_LIKE.get(table, table)]
    ]


def _values(cohort: Cohort, table: str, name: str) -> list[str]:
    """Return the values that a column over time can take, where the model names them."""
    vocabulary = cohort.layout.vocabulary
    if vocabulary is None:
        return []
    named = {(STATES, "state"): vocabulary.states, ("encounters", "kind"): vocabulary.encounters}
    return list(named.get((table, name), ()))


def _record(model: ClinicalModel, cohort: Cohort) -> list[Entry]:
    """Return what can stand among the events, once each: of the index encounter, and of what comes after."""
    layout = cohort.layout
    at_index = [
        Entry(field.event, code_of(one), one.title, one.unit, one.levels)
        for field in layout.fields
        for one in (field.variable,)
        if field.event and layout.writes_index
    ]
    later = layout.vocabulary.entries if layout.vocabulary else ()
    if model.pathway is not None:
        # The tests come first among the entries; those at the bedside leave no order on record.
        bedside = [not test.awaited for test in model.pathway.tests.values()]
        later = tuple(
            one
            for number, one in enumerate(later)
            if one.variable not in model.pathway.unrecorded and not (number < len(bedside) and bedside[number])
        )
    distinct = {(one.kind, one.code): one for one in (*later, *at_index)}
    return sorted(distinct.values(), key=lambda one: (one.kind, one.title))


# Tables of the truth that are as those on record.
_LIKE = {CLEAN_ENCOUNTERS: "encounters", CLEAN_EVENTS: "events"}

_FOLLOWED = (
    ("followed_until", "End of follow-up, UTC", "date", ()),
    ("left_by", "What ended it: death, loss, discharge or the end of the study", "category", ENDINGS),
)

_FIXED = {
    "encounters": (
        ("encounter_id", "Synthetic identifier of the contact", "identifier"),
        ("patient_id", "Synthetic identifier of the patient", "identifier"),
        ("kind", "Kind of contact", "category"),
        ("start", "Start, UTC", "date"),
        ("end", "End, UTC", "date"),
    ),
    DEFECTS: (
        ("patient_id", "Synthetic identifier of the patient", "identifier"),
        (
            "variable",
            "Whose record is not the clean value; 'encounter', or the code of what is no variable",
            "category",
        ),
        ("time", "When it stands on record, UTC, or would if it were not lost; none for the analysis table", "date"),
        ("encounter_id", "The encounter that it belongs to; none for the analysis table", "identifier"),
        (
            "field",
            "What of it: value, time, recorded, code, start, end, patient_id; event or encounter where all is lost",
            "category",
        ),
        ("defect", "What was done to it on purpose; joined by + where several things were", "category"),
        ("recorded", "What stands on record, as text; nothing where nothing does", "text"),
        ("clean", "What is true, as text", "text"),
    ),
    DUPLICATES: (
        ("patient_id", "Synthetic identifier of a patient who stands on record twice", "identifier"),
        ("duplicate_id", "The other identifier under which the patient stands", "identifier"),
        ("differs", "In what the other record is wrong", "category"),
    ),
    STATES: (
        ("patient_id", "Synthetic identifier of the patient", "identifier"),
        ("state", "State of the pathway of care", "category"),
        ("entered", "When it was entered, UTC", "date"),
        ("left", "When it was left, UTC", "date"),
    ),
    "events": (
        ("patient_id", "Synthetic identifier of the patient", "identifier"),
        ("encounter_id", "The contact in which it happened, if in any", "identifier"),
        ("time", "When it was so, UTC: of a specimen, when it was taken", "date"),
        ("recorded", "When the record knew, UTC: of a specimen, when its result came", "date"),
        ("kind", "observation, condition, medication, procedure, order or decision", "category"),
        ("code", "Code of what happened, as system:code; local: where no system names it", "category"),
        ("number", "Value of an observation, in its unit", "quantity"),
        ("text", "Value of an observation in words", "category"),
        ("unit", "Unit of the number, UCUM", "category"),
    ),
}


def _IDENTIFIER(table: str) -> dict[str, Any]:  # noqa: N802 - reads as the constant that it is but for the table
    return _plain_entry(table, "patient_id", "Synthetic identifier; derived from the seed", "identifier")


def _plain_entry(table: str, name: str, title: str, kind: str, loinc: str = "", unit: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "table": table,
        "title": title,
        "kind": kind,
        "unit": unit,
        "values": [],
        "codes": {"loinc": loinc} if loinc else {},
        "limits": {"possible": [None, None], "usual": [None, None]},
        "reference": [],
        "thresholds": [],
        "bins": [],
        "precision": None,
        "detection_limit": None,
        "disclosure": Disclosure.PLAIN.value,
        "note": "",
        "source": "defined by Manikin",
        "basis": [],
    }


_INDEX_DATE = _plain_entry("analysis", "index_date", "Date of the index encounter", "date")


def _entry(table: str, field: Field) -> dict[str, Any]:
    variable = field.variable
    return _plain_entry(table, variable.name, variable.title, variable.kind.value) | {
        "unit": variable.unit,
        "values": list(variable.levels),
        "codes": dict(variable.codes),
        "limits": {"possible": _ends(variable.possible), "usual": _ends(variable.usual)},
        "reference": [{"sex": one.sex, "range": _ends(one.range)} for one in variable.reference],
        "thresholds": list(variable.thresholds),
        "bins": list(variable.cuts),
        "precision": variable.precision,
        "detection_limit": variable.detection_limit,
        "disclosure": variable.disclosure.value,
        "note": variable.note + (_note(field) if table in ("analysis", "patients") else ""),
        "source": "; ".join(str(one.source) for one in variable.grounds)
        or "derived from the variables named in its rule",
        "basis": [one.basis.value for one in variable.grounds],
    }


def _note(field: Field) -> str:
    """Return what a reader has to know of the column beside its meaning."""
    absent = " Not always on record." if field.masked else ""
    if not field.defects:
        return absent
    return f"{absent} Imperfect on purpose ({', '.join(field.defects)}); the truth holds the clean value."


def _ends(span: Range) -> list[float | None]:
    return [end if math.isfinite(end) else None for end in (span.low, span.high)]


def _represented(cohort: Cohort) -> list[dict[str, Any]]:
    """Return how many patients each level of each static category has; who is represented."""
    fields = [field for field in cohort.layout.fields if field.static and field.data and field.variable.levels]
    columns = cohort.columns(field.variable.name for field in fields)
    return [
        {
            "label": f"{field.variable.title}: {level.replace('_', ' ')}",
            "count": count,
            "share": count / max(cohort.patients, 1),
        }
        for field in fields
        for code, level in enumerate(field.variable.levels)
        for count in (int((columns[field.variable.name] == code).sum()),)
    ]


def _disclosure(cohort: Cohort) -> str:
    parts = []
    for level in (Disclosure.IDENTIFYING, Disclosure.QUASI_IDENTIFYING, Disclosure.SENSITIVE):
        names = [
            field.variable.name for field in cohort.layout.fields if field.data and field.variable.disclosure is level
        ]
        parts.append(f"{level}: {', '.join(names) or 'none'}")
    return "; ".join(parts) + "."


def _formulas(model: ClinicalModel) -> list[Formula]:
    return [formula for name, formula in sorted(FORMULAS.items()) if f"{name}(" in model.text]


def _render(template: str, facts: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(facts).strip() + "\n"


def _environment() -> Environment:
    # Markdown, not HTML: cells escape what would break a table.
    environment = Environment(
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters |= {"cell": _cell, "sentence": _sentence, "limits": _limits}
    return environment


def _template(name: str) -> str:
    return (files("manikin.release") / "templates" / f"{name}.j2").read_text(encoding="utf-8")


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _limits(ends: list[float | None]) -> str:
    low, high = ("" if end is None else f"{end:g}" for end in ends)
    return f"{low} to {high}" if low or high else ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
