"""Carries a study out: the whole system in the few lines of ``run``."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from manikin.aggregates import Aggregates, Trust, load, to_json
from manikin.appraisal import Appraisal, Finding, Subject, appraise
from manikin.appraisal.report import render
from manikin.clinic import Calibrated, ClinicalModel, calibrate
from manikin.cohort import (
    DEFECTS,
    SHARD_PATIENTS,
    STATES,
    TABLES,
    Cohort,
    Layout,
    Plan,
    Sampler,
    open_cohort,
    write,
)
from manikin.cohort import shard_patients as fitting
from manikin.cohort.accuracy import Studied
from manikin.cohort.defects import imperfect
from manikin.errors import GateError, RequestError
from manikin.formats import FORMATS
from manikin.generators import KnowledgeSampler, select
from manikin.generators.agreement import Agreement, agree
from manikin.generators.detail import informed
from manikin.release import (
    Lock,
    assess,
    digest,
    refuse_occupied,
    seal,
    set_aside,
    versions,
    workshop,
    write_documents,
    write_risk,
)
from manikin.streams import Seed
from manikin.study.scenarios import calibrated_in, scenario_named
from manikin.study.study import Study, changed

MODEL, STUDY, COMPARISON = "inputs/model.yaml", "inputs/study.yaml", "inputs/comparison.json"
AGGREGATES = "inputs/aggregates.json"

Progress = Callable[[str, int, int], None]
Compare = Callable[[Cohort], Finding]


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Made:
    """A cohort that was made, with the model it came from and, once asked for, the evidence about it."""

    study: Study
    calibrated: Calibrated
    cohort: Cohort
    appraisal: Appraisal | None = None
    folder: Path | None = None
    agreement: Agreement | None = None

    def table(self, name: str) -> pa.Table:
        """Return a table: patients, encounters, events, analysis or truth."""
        return self.cohort.table(name)

    def appraise(self) -> Appraisal:
        """Return the evidence about the cohort."""
        return self.appraisal or _appraised(self.study, self.calibrated, self.agreement, self.cohort)


def run(
    study: Study,
    model: ClinicalModel,
    out: Path,
    *,
    jobs: int | None = None,
    compare: Compare | None = None,
    trust: Trust | None = None,
    progress: Progress = silent,
) -> Made:
    """Make the release of a study at ``out``.

    Args:
        study: What is asked for.
        model: The study's clinical model.
        out: Where the release will stand; nothing may stand there yet.
        jobs: Processes; all cores by default.
        compare: A comparison with real records, made by whoever may read them.
        trust: Whose signatures under aggregates are trusted; without it a signature only has to fit.
        progress: Hears of each step with what is done and what is to do.

    Raises:
        GateError: The cohort failed a gate; it was set aside beside ``out``, with its evidence.
    """
    refuse_occupied(out)
    study = _settled(study)
    select(model, study.given, study.oversample, study.thinned)
    told = _told(study, trust)
    calibrated = _calibrated(known(model, told), study, progress)
    agreement = None if told is None else _agreed(calibrated, told, progress)
    return carry_out(study, calibrated, out, agreement=agreement, jobs=jobs, compare=compare, progress=progress)


def carry_out(
    study: Study,
    calibrated: Calibrated,
    out: Path,
    *,
    agreement: Agreement | None = None,
    jobs: int | None,
    compare: Compare | None,
    progress: Progress,
    shard_patients: int | None = None,
) -> Made:
    """Make the release of a study whose model is calibrated, and bent if there are aggregates; see ``run``."""
    model, sampler = calibrated.program.model, _sampler(study, calibrated, agreement)
    shard_patients = shard_patients or fitting(sampler)
    risk = assess(
        n_sources=len(model.sources),
        weakest=sum(model.numbers_by_basis()[basis] for basis in ("recalled", "assumption")),
        recipient=study.intent.recipient,
        objective=study.intent.objective,
        compared=compare is not None,
        aggregates=agreement.aggregates if agreement else None,
    )
    with workshop(out, lock(study, calibrated, shard_patients, agreement)) as folder:
        write_risk(folder, study.facts(), risk)
        _write_inputs(folder, study, model, agreement)
        cohort = _sampled(study, sampler, folder, jobs, shard_patients, progress)
        compared = _compared(folder, cohort, compare)
        appraisal = _appraised(study, calibrated, agreement, cohort, compared, progress)
        _write_evidence(folder, appraisal)
        _write_formats(folder, study, cohort, progress)
        write_documents(
            folder,
            calibrated,
            cohort,
            appraisal,
            risk,
            tuple(FORMATS[one].title for one in study.formats),
        )
        failed = [
            f"{gate.name}: {gate.reached}, where {gate.threshold} is asked"
            for gate in appraisal.gates
            if not gate.passed
        ]
        if failed:
            raise GateError(failed, str(set_aside(folder, out)))
        _drop_unasked(folder, study, cohort.layout)
        seal(folder)
    made = open_cohort(cohort.layout, study.patients, _folders(study, cohort.layout, out))
    return Made(study, calibrated, made, appraisal, out, agreement)


def make(study: Study, model: ClinicalModel, trust: Trust | None = None) -> Made:
    """Return a study's cohort in memory, made in this process; nothing is written."""
    study = _settled(study)
    select(model, study.given, study.oversample, study.thinned)
    told = _told(study, trust)
    calibrated = _calibrated(known(model, told), study, silent)
    agreement = None if told is None else _agreed(calibrated, told, silent)
    sampler = _sampler(study, calibrated, agreement)
    plan = Plan(sampler, study.patients, _tables(study, sampler.layout), {})
    shards = [plan.tables_of(shard) for shard in plan.shards]
    parts = {name: tuple(shard[name] for shard in shards) for name in plan.tables}
    cohort = Cohort(plan.sampler.layout, study.patients, parts)
    return Made(study, calibrated, cohort, agreement=agreement)


def known(model: ClinicalModel, told: Aggregates | None = None) -> ClinicalModel:
    """Return the model that patients can be made from: a flat one as far as tables tell of it.

    Raises:
        RequestError: It is flat, and there are no tables.
    """
    if not model.flat:
        return model
    if told is None:
        raise RequestError(
            f"Of '{model.name}' only a codebook is there: it says what variables mean, and nothing of how often anything "
            "is. Say what was measured or published: --aggregates FILE, or aggregates: FILE in the study; or write a "
            "clinical model. See docs/flat-prior.md."
        )
    return informed(model, told)


def lock(study: Study, calibrated: Calibrated, shard_patients: int, agreement: Agreement | None = None) -> Lock:
    """Return everything that goes into a study's release."""
    model = calibrated.program.model
    return Lock(
        model={"name": model.name, "version": model.version, "sha256": digest(model.text)},
        study={"name": study.name, "sha256": digest(_portable(study).to_yaml())},
        seed=str(study.seed),
        patients=study.patients,
        world=study.world,
        parameters=dict(calibrated.program.parameters),
        latent={name: matrix.tolist() for name, matrix in calibrated.program.latent.items()},
        shard_patients=shard_patients,
        versions=versions(),
        bend=agreement.locked() if agreement else None,
    )


def _portable(study: Study) -> Study:
    """Return the study as a release keeps it: its model, that of its scenario if it has one, stands beside it."""
    beside = Path(AGGREGATES).name if study.aggregates else None
    return changed(study, model="model.yaml", aggregates=beside, scenarios=() if study.scenario else None)


def _settled(study: Study) -> Study:
    """Return the study without its scenario, where that changes nothing."""
    same = study.scenario and not scenario_named(study.scenario, study.scenarios).changes
    return changed(study, scenario="") if same else study


def _calibrated(model: ClinicalModel, study: Study, progress: Progress) -> Calibrated:
    seed = Seed(study.seed)
    published = calibrate(model.world(study.world, seed), progress)
    if not study.scenario:
        return published
    return calibrated_in(published, scenario_named(study.scenario, study.scenarios), study.world, seed)


def _told(study: Study, trust: Trust | None) -> Aggregates | None:
    """Return what institutions told, before anything is computed from it."""
    if not study.aggregates:
        return None
    if study.scenario:
        raise RequestError(
            f"The scenario '{study.scenario}' changes the model that the aggregates are to bend, and nobody can have measured "
            "that world. Leave out one of them."
        )
    return load(Path(study.aggregates), trust)


def _agreed(calibrated: Calibrated, told: Aggregates, progress: Progress) -> Agreement:
    progress("bending the model", 0, 1)
    agreement = agree(calibrated.program, told)
    progress("bending the model", 1, 1)
    return agreement


def _sampler(study: Study, calibrated: Calibrated, agreement: Agreement | None = None) -> Sampler:
    program = calibrated.program
    everybody = KnowledgeSampler(
        program.model, program.parameters, program.latent, Seed(study.seed), study.given, study.oversample
    )
    if agreement:
        # Patients who are shared out together are a shard, so that none is computed twice.
        everybody = replace(everybody, bent=agreement.bent(min(study.patients, SHARD_PATIENTS)))
    patients: Sampler = everybody
    if study.defects:
        patients = imperfect(replace(everybody, thinned=study.thinned), study.defects, everybody)
    return patients if study.accuracy is None else Studied(patients, study.accuracy)


def _tables(study: Study, layout: Layout) -> tuple[str, ...]:
    return tuple(name for name in layout.tables if name in study.tables or name not in TABLES)


def _folders(study: Study, layout: Layout, folder: Path) -> dict[str, Path]:
    truths = {name: folder / "truth" / name for name in ("truth", STATES, *layout.truths)}
    beside = {DEFECTS: folder / DEFECTS, **truths}
    return {name: beside.get(name, folder / "data" / name) for name in _tables(study, layout)}


def _sampled(
    study: Study, sampler: Sampler, folder: Path, jobs: int | None, shard_patients: int, progress: Progress
) -> Cohort:
    folders = _folders(study, sampler.layout, folder)
    plan = Plan(sampler, study.patients, _tables(study, sampler.layout), folders, shard_patients)
    write(plan, jobs or available_cores(), lambda done, total: progress("sampling", done, total))
    return open_cohort(sampler.layout, study.patients, folders)


def _appraised(
    study: Study,
    calibrated: Calibrated,
    agreement: Agreement | None,
    cohort: Cohort,
    compared: Finding | None = None,
    progress: Progress = silent,
) -> Appraisal:
    fewer = "; ".join(f"{text}, of whom {100 * share:g}% are kept" for text, share in study.thinned)
    subject = Subject(
        cohort, calibrated.program, study.given, fewer, study.accuracy, Seed(study.seed), study.scenario, agreement
    )
    return appraise(subject, study.facts(), compared, lambda done, total: progress("appraising", done, total))


def _write_inputs(folder: Path, study: Study, model: ClinicalModel, agreement: Agreement | None) -> None:
    (folder / "inputs").mkdir(exist_ok=True)
    (folder / MODEL).write_text(model.text, encoding="utf-8", newline="")
    (folder / STUDY).write_text(_portable(study).to_yaml(), encoding="utf-8")
    if agreement:
        (folder / AGGREGATES).write_text(to_json(agreement.aggregates), encoding="utf-8")


def _compared(folder: Path, cohort: Cohort, compare: Compare | None) -> Finding | None:
    """Return the comparison with real records, and keep it among the inputs: it can't be made again without them."""
    path = folder / COMPARISON
    if compare is None:
        # What an interrupted run had compared with is not what this one asks for.
        path.unlink(missing_ok=True)
        return None
    finding = compare(cohort)
    path.write_text(json.dumps(asdict(finding), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return finding


def _write_evidence(folder: Path, appraisal: Appraisal) -> None:
    (folder / "appraisal.json").write_text(appraisal.to_json(), encoding="utf-8")
    (folder / "report.html").write_text(render(appraisal), encoding="utf-8")


def _write_formats(folder: Path, study: Study, cohort: Cohort, progress: Progress) -> None:
    for number, one in enumerate(study.formats):
        progress("writing formats", number, len(study.formats))
        FORMATS[one].write(cohort, folder / "data", folder / "truth")


def _drop_unasked(folder: Path, study: Study, layout: Layout) -> None:
    """Remove the Parquet files in which the cohort was kept while it was made, where nobody asked for them."""
    if "parquet" not in study.formats:
        for name, place in _folders(study, layout, folder).items():
            for part in place.glob("part-*.parquet"):
                part.unlink()
            if name != DEFECTS:
                shutil.rmtree(place)


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
