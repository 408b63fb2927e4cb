"""Asks every question of a cohort and sets the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

from manikin.appraisal.accuracy import accuracy
from manikin.appraisal.agreement import agreement
from manikin.appraisal.appraisal import Appraisal
from manikin.appraisal.check import Check, Subject
from manikin.appraisal.defects import defects
from manikin.appraisal.distributions import distributions, missingness
from manikin.appraisal.epidemiology import CORRELATION_BAR, correlations, targets
from manikin.appraisal.finding import Finding, Gate
from manikin.appraisal.lineage import lineage
from manikin.appraisal.plausibility import plausibility
from manikin.appraisal.time import over_time
from manikin.clinic import ClinicalModel, Role

CHECKS: tuple[Check, ...] = (plausibility, targets, correlations, distributions, missingness)

UNCOMPARED = "Agreement with real records: no reference was given."
NO_COURSE = "Time: the cohort holds one index encounter for each patient, and no course."
UNMEASURED = (
    "What no table measured, at the site: it is as the clinical model has it, and moved only as far as the model ties it to "
    "what was measured."
)
NOT_ASSESSED = (
    "Usefulness for training: whether a model trained here works on real patients.",
    NO_COURSE,
    "Combinations of three or more variables, beyond what constraints and derived values say.",
    "Populations other than the one described, and subgroups that the model does not name.",
)


def appraise(
    subject: Subject,
    study: Mapping[str, Any],
    compared: Finding | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Appraisal:
    """Return the evidence about a cohort.

    Args:
        subject: The cohort and its model.
        study: What the study says of itself; see ``Appraisal``.
        compared: A comparison with real records, made where records may be read.
        progress: Hears of checks done and in all.
    """
    checks = (*CHECKS, *(entry.load() for entry in entry_points(group="manikin.checks")))
    recorded = _without_study(subject)
    # What is wrong on purpose has a finding of its own; all other evidence is about what was so before.
    patients = replace(recorded, cohort=recorded.cohort.clean)
    findings: list[Finding] = []
    for number, check in enumerate(checks):
        progress(number, len(checks))
        findings.append(check(patients))
    findings.append(lineage(patients))
    if subject.agreement is not None:
        # What was told about real patients comes before what is published of others.
        findings.insert(_place(findings, "targets"), agreement(patients))
    if subject.cohort.layout.defects:
        findings.append(defects(recorded))
    if subject.accuracy is not None:
        findings.append(accuracy(subject))
    has_course = subject.cohort.layout.vocabulary is not None
    if has_course:
        # Before what each variable is like comes what happens to patients.
        findings.insert(_place(findings, "distributions"), over_time(patients))
    progress(len(checks), len(checks))
    if compared is not None:
        # Beside the published figures, before the plain description.
        findings.insert(_place(findings, "distributions"), compared)
    model = subject.program.model
    return Appraisal(
        study=study,
        model=model_facts(model),
        gates=_gates(findings),
        findings=tuple(findings),
        not_assessed=(
            *((UNCOMPARED,) if compared is None else ()),
            *((UNMEASURED,) if subject.agreement is not None else ()),
            *(one for one in NOT_ASSESSED if not has_course or one != NO_COURSE),
        ),
        weak_numbers=model.numbers_by_basis(),
        graph=graph_of(model),
    )


def _without_study(subject: Subject) -> Subject:
    """Return the subject with the variables of its model alone: what a study adds to them has a check of its own."""
    layout = subject.cohort.layout
    fields = tuple(field for field in layout.fields if field.variable.name in subject.program.model.variables)
    return replace(subject, cohort=replace(subject.cohort, layout=replace(layout, fields=fields)))


def _place(findings: list[Finding], check: str) -> int:
    return [finding.check for finding in findings].index(check)


def _gates(findings: list[Finding]) -> tuple[Gate, ...]:
    by_name = {finding.check: finding for finding in findings}
    violations = int(sum(one.value for one in by_name["plausibility"].measures))
    gates = [
        Gate("Impossible values", "none", f"{violations:,}", violations == 0, "Manikin", "the cohort is no release"),
    ]
    verified = [one for one in by_name["targets"].measures if one.basis == "verified" and one.passed is not None]
    if verified:
        met = sum(bool(one.passed) for one in verified)
        strictly = sum(one.within for one in verified)
        gates.append(
            Gate(
                "Verified published values",
                f"all {len(verified)} within their intervals, allowing for the cohort's size",
                f"{met} of {len(verified)}; {strictly} without that allowance",
                met == len(verified),
                "Manikin",
                "the cohort does not stand for the population described",
            )
        )
    told = [one for one in by_name["agreement"].measures if one.passed is not None] if "agreement" in by_name else []
    if told:
        met = sum(bool(one.passed) for one in told)
        gates.append(
            Gate(
                "Agreement with aggregates",
                "each share as the fit expects it, but for chance and the cut-off of weights",
                f"{met} of {len(told)}",
                met == len(told),
                "Manikin",
                "the cohort does not carry what the aggregates say",
            )
        )
    error = by_name["correlations"].drawings["mean_error"]
    if error is not None:
        gates.append(
            Gate(
                "Correlations",
                f"mean absolute error at most {CORRELATION_BAR}, allowing for the cohort's size",
                f"{error:.3f}",
                bool(by_name["correlations"].passed),
                "Manikin",
                "do not study how values move together",
            )
        )
    return tuple(gates)


def model_facts(model: ClinicalModel) -> dict[str, Any]:
    """Return what reports say of a model."""
    return {
        "name": model.name,
        "version": model.version,
        "title": model.title,
        "index": model.index,
        "population": model.population,
        "not_for": list(model.not_for),
        "n_variables": sum(one.role is not Role.HELPER for one in model.variables.values()),
        "n_sources": len(model.sources),
    }


def graph_of(model: ClinicalModel) -> dict[str, Any]:
    """Return the model's graph: its variables, and which reads which."""
    together = {member: group for group in model.dependences for member in group.members}
    nodes = [
        {
            "name": name,
            "title": one.meaning.title,
            "kind": one.meaning.kind.value,
            "role": one.role.value,
            "group": one.group,
        }
        for name, one in model.variables.items()
    ]
    nodes += [
        {
            "name": f"~{group.name}",
            "title": f"{group.name}: drawn together",
            "kind": "noise",
            "role": "noise",
            "group": "Dependence",
        }
        for group in model.dependences
    ]
    edges = [
        [parent, name] for name, one in model.variables.items() for parent in sorted(one.reads & model.variables.keys())
    ]
    edges += [[f"~{group.name}", member] for member, group in together.items()]
    return {"nodes": nodes, "edges": edges}
