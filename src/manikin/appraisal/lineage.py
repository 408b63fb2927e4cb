"""Whose records does the cohort know? Its lineage is followed back, and where no record is in it that is shown, not said.

Patients follow from the model file, its calibrated parameters and the seed. The first of them are made again from these
three alone: where every value is the same there was no way for a record to come in. ``manikin remake`` does so with a
whole release.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import Agreement
from manikin.streams import Seed

QUESTION = "Whose records does it know?"
# A single record among them would be seen; more cost time.
PATIENTS = 100


def lineage(subject: Subject) -> Finding:
    """Return what went into the cohort: nobody's records, proved; or aggregates, with what is promised to those behind."""
    if subject.agreement is not None:
        return Finding("lineage", QUESTION, _told(subject.agreement), None)
    model = subject.program.model
    origin = f"{model.name} {model.version}, {len(model.sources)} published sources"
    if subject.seed is None or subject.biased or subject.cohort.layout.weighted:
        answer = f"Nobody's, as far as is told: every value follows from {origin}, and a seed. Proof: manikin remake."
        return Finding("lineage", QUESTION, answer, None)
    size, unlike = _made_again(subject, subject.seed)
    measure = Measure(
        "Patients who are not as the model makes them",
        unlike,
        None,
        0.0,
        passed=unlike == 0,
        unit="{count}",
        group="Lineage",
        note=f"the first {size:,} were made again from model, parameters and seed alone",
    )
    answer = (
        f"Nobody's. The first {size:,} patients, made again from {origin}, and the seed alone, are the same in every value: "
        "no record of any person was used."
        if unlike == 0
        else f"Not known: {unlike:,} of the first {size:,} patients are not as {origin}, and the seed make them."
    )
    return Finding("lineage", QUESTION, answer, unlike == 0, (measure,))


def _made_again(subject: Subject, seed: Seed) -> tuple[int, int]:
    """Return how many patients were made again, and how many of those are not the same."""
    program, cohort = subject.program, subject.cohort
    names = [field.variable.name for field in cohort.layout.fields if field.variable.name in program.model.variables]
    sampler = KnowledgeSampler(
        program.model,
        program.parameters,
        program.latent,
        seed,
        subject.conditional,
        follow_up=cohort.layout.vocabulary is not None,
    )
    size = min(PATIENTS, cohort.patients)
    made, found = sampler.draw(np.arange(size)), cohort.columns(names, size)
    unlike = np.zeros(size, np.bool_)
    for name in names:
        unlike |= _differ(np.asarray(made[name])[:size], np.asarray(found[name])[:size])
    return size, int(unlike.sum())


def _differ(made: Any, found: Any) -> Any:
    if made.dtype.kind == "f":
        return (made != found) & ~(np.isnan(made) & np.isnan(found))
    return made != found


def _told(agreement: Agreement) -> str:
    """Return which institution's records were counted, and what is promised to those who were."""
    aggregates = agreement.aggregates
    protection = aggregates.protection
    if protection.private:
        promise = (
            f"differentially private, epsilon {protection.epsilon:g} at delta {protection.delta:g}: whoever is attacked is "
            f"found at most e^{protection.epsilon:g} times as often as claimed falsely"
        )
    else:
        promise = f"{protection.kind.value}, not differentially private: nothing is promised"
    return (
        f"No record was read to make it. Records were read inside {aggregates.site}, which told {len(aggregates.aggregates)} "
        f"tables, {promise}."
    )
