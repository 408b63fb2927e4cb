"""Makes the same patients in two scenarios and says what differs between them.

Every draw that both worlds have in common is the same, so that a patient whom a change does not touch is the same to
the byte, and what differs in any other is the change's effect.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manikin.appraisal import model_facts
from manikin.appraisal.report import render_contrast
from manikin.appraisal.twins import Contrast, World, contrast
from manikin.clinic import Calibrated, ClinicalModel, calibrate
from manikin.cohort import DEFECTS, SHARD_PATIENTS, STATES, TABLES, Cohort, Layout, Plan, open_cohort, write
from manikin.document import parse
from manikin.errors import ModelError, RequestError
from manikin.generators import KnowledgeSampler, select
from manikin.release import Locks, refuse_occupied, seal, workshop
from manikin.streams import Seed
from manikin.study.changes import before, told
from manikin.study.run import MODEL, STUDY, Progress, available_cores, lock, silent
from manikin.study.scenarios import Scenario, calibrated_in, scenario_named
from manikin.study.study import Study, changed

PAGE, EVIDENCE, EFFECTS = "comparison.html", "comparison.json", "effects.parquet"


@dataclass(frozen=True)
class Compared:
    """The same patients in two worlds, what differs, and the effect on each patient.

    ``effects`` has a row for each patient: whether touched, and of each outcome its value in both worlds (``_a``,
    ``_b``) and the difference (``_effect``; of a category whether it differs).
    """

    study: Study
    worlds: tuple[World, World]
    contrast: Contrast
    effects: pa.Table
    folder: Path | None = None

    def table(self, scenario: str, name: str) -> pa.Table:
        """Return a table of the cohort in one of the scenarios."""
        for world in self.worlds:
            if world.name == scenario:
                return world.cohort.table(name)
        raise RequestError(f"'{scenario}' was not compared. Possible: {', '.join(one.name for one in self.worlds)}.")

    def page(self) -> str:
        """Return the comparison as one self-contained HTML page."""
        return render_contrast(self.contrast)


def compare(
    study: Study,
    model: ClinicalModel,
    names: Sequence[str],
    out: Path | None = None,
    *,
    jobs: int | None = None,
    progress: Progress = silent,
) -> Compared:
    """Make the patients of a study in two of its scenarios, and say what differs.

    Records are as they are in truth: defects of the study are left out, since what is compared are worlds.

    Args:
        study: What is asked for, with its scenarios.
        model: The study's clinical model.
        names: The scenario with which is compared, and the one that is compared with it.
        out: Where the comparison will stand; in memory only, where None.
        jobs: Processes; all cores by default.
        progress: Hears of each step with what is done and what is to do.
    """
    pair = _pair(study, names)
    if model.flat:
        raise RequestError(
            f"A scenario changes what a clinical model says, and of '{model.name}' only a codebook is there."
        )
    if study.aggregates:
        raise RequestError("Scenarios are compared in the model as published. Leave the study's 'aggregates' out.")
    study = changed(study, defects=(), scenario="", scenarios=pair)
    if out is not None:
        refuse_occupied(out)
    select(model, study.given, study.oversample)
    seed = Seed(study.seed)
    published = calibrate(model.world(study.world, seed), progress)
    calibrated = tuple(calibrated_in(published, one, study.world, seed) for one in pair)
    if out is None:
        return _in_memory(study, model, calibrated, progress)
    return carry_out_comparison(study, model, calibrated, out, jobs=jobs, progress=progress)


def carry_out_comparison(
    study: Study,
    model: ClinicalModel,
    calibrated: Sequence[Calibrated],
    out: Path,
    *,
    jobs: int | None,
    progress: Progress,
    shard_patients: int | None = None,
) -> Compared:
    """Make the comparison of a study's two scenarios, whose models are calibrated; see ``compare``."""
    shard_patients = shard_patients or SHARD_PATIENTS
    names = [one.name for one in study.scenarios]
    locks = Locks(
        tuple(names),
        {
            name: lock(changed(study, scenario=name), one, shard_patients)
            for name, one in zip(names, calibrated, strict=True)
        },
    )
    with workshop(out, locks) as folder:
        _write_inputs(folder, study, model, calibrated)
        cohorts = [
            _written(study, each, folder / "scenarios" / name, jobs or available_cores(), shard_patients, progress)
            for name, each in zip(names, calibrated, strict=True)
        ]
        found = _compared(study, model, calibrated, cohorts, progress)
        _write_outcome(folder, found)
        seal(folder)
    one, other = (_moved(world, out, study.patients) for world in found.worlds)
    return replace(found, worlds=(one, other), folder=out)


def _written(
    study: Study, calibrated: Calibrated, place: Path, jobs: int, shard_patients: int, progress: Progress
) -> Cohort:
    """Return the cohort of one world, written into a folder of its own."""
    sampler = _sampler(study, calibrated)
    folders = _folders(place, sampler.layout)
    plan = Plan(sampler, study.patients, tuple(folders), folders, shard_patients)
    write(plan, jobs, lambda done, total: progress(f"sampling {place.name}", done, total))
    return open_cohort(sampler.layout, study.patients, folders)


def _moved(world: World, out: Path, patients: int) -> World:
    """Return a world whose tables stand where the comparison does now."""
    layout = world.cohort.layout
    return replace(world, cohort=open_cohort(layout, patients, _folders(out / "scenarios" / world.name, layout)))


def _pair(study: Study, names: Sequence[str]) -> tuple[Scenario, Scenario]:
    """Return the two scenarios that are compared."""
    if len(names) != 2 or names[0] == names[1]:
        known = ", ".join(one.name for one in study.scenarios) or "none; add a block 'scenarios' to it"
        raise RequestError(f"Two different scenarios are compared; {len(set(names))} given. The study has: {known}.")
    return scenario_named(names[0], study.scenarios), scenario_named(names[1], study.scenarios)


def _in_memory(study: Study, model: ClinicalModel, calibrated: Sequence[Calibrated], progress: Progress) -> Compared:
    cohorts = []
    for one in calibrated:
        sampler = _sampler(study, one)
        plan = Plan(sampler, study.patients, tuple(_folders(Path(), sampler.layout)), {})
        shards = [plan.tables_of(shard) for shard in plan.shards]
        parts = {name: tuple(shard[name] for shard in shards) for name in plan.tables}
        cohorts.append(Cohort(sampler.layout, study.patients, parts))
    return _compared(study, model, calibrated, cohorts, progress)


def _compared(
    study: Study,
    model: ClinicalModel,
    calibrated: Sequence[Calibrated],
    cohorts: Sequence[Cohort],
    progress: Progress,
) -> Compared:
    one, other = (
        World(scenario.name, each.program.model, cohort, _changes(model, scenario))
        for scenario, each, cohort in zip(study.scenarios, calibrated, cohorts, strict=True)
    )
    found, effects = contrast(
        one, other, study.facts(), model_facts(model), lambda done, total: progress("comparing", done, total)
    )
    return Compared(study, (one, other), found, effects)


def _changes(model: ClinicalModel, scenario: Scenario) -> tuple[tuple[str, str, str], ...]:
    """Return what a scenario changes, as place, what stood there and what was written instead."""
    top, _ = parse(model.text, "model.yaml", ModelError)
    return tuple((one.path, told(before(top, one.path) or ""), told(one.value)) for one in scenario.changes)


def _sampler(study: Study, calibrated: Calibrated) -> KnowledgeSampler:
    program = calibrated.program
    return KnowledgeSampler(
        program.model, program.parameters, program.latent, Seed(study.seed), study.given, study.oversample
    )


def _folders(place: Path, layout: Layout) -> dict[str, Path]:
    tables = [name for name in layout.tables if name in (*TABLES, STATES) and name != DEFECTS]
    beside = {name: place / "truth" / name for name in ("truth", STATES)}
    return {name: beside.get(name, place / "data" / name) for name in tables}


def _write_inputs(folder: Path, study: Study, model: ClinicalModel, calibrated: Sequence[Calibrated]) -> None:
    texts = {MODEL: model.text, STUDY: changed(study, model="model.yaml").to_yaml()}
    for scenario, one in zip(study.scenarios, calibrated, strict=True):
        texts[f"inputs/{scenario.name}.scenario.yaml"] = one.program.model.text
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")


def _write_outcome(folder: Path, found: Compared) -> None:
    with (folder / EFFECTS).open("wb") as file:
        pq.write_table(found.effects, file, compression="zstd", compression_level=3)
    (folder / EVIDENCE).write_text(found.contrast.to_json(), encoding="utf-8")
    (folder / PAGE).write_text(found.page(), encoding="utf-8")


def comparison_of(text: str) -> tuple[str, ...] | None:
    """Return which scenarios a lock is about, or None where it is the lock of a release."""
    try:
        stored = json.loads(text)
        return tuple(stored["compared"]) if "compared" in stored else None
    except (ValueError, TypeError):
        return None
